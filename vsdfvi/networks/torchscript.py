"""The one door for TorchScript files: networks of others that invent pictures or estimate flow.

A TorchScript file is a program. It is run as one, with the rights of whoever runs vsdfvi, and only because the user
named it for this. Weights files never come here, and programs never pass as weights.
"""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, overload

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vsdfvi.errors import WeightsError
from vsdfvi.networks.checkpoint_files import kind_of, refusal

# Networks halve the picture about three times, and RAFT's correlations want 16 pixels at an eighth of the size.
_MULTIPLE = 8
_SMALLEST = 128


@dataclass(frozen=True, slots=True)
class ScriptedSynthesis:
    """A program that invents what lies in a hole."""

    path: Path
    program: nn.Module

    def __call__(self, image: Tensor, hole: Tensor) -> Tensor:
        """The image with its hole filled; known pixels are returned as they are.

        Shapes:
            image: ``(1, 3, H, W)`` float, RGB, 0 to 1. What it holds in the hole is not shown to the program.
            hole: ``(1, 1, H, W)`` bool, true = fill. The program gets it as 0 and 1.

        Raises:
            WeightsError: The program fails, or returns something else than such an image.
        """
        filled = _run(self.path, self.program, (image.masked_fill(hole, 0), hole.to(image.dtype)), channels=3)
        # A little beyond the range is usual and is cut; 0 to 255 is another convention, which this door does not speak.
        low, high = float(filled.min()), float(filled.max())
        if not (low >= -1 and high <= 2):
            raise _answer(self.path, "values from 0 to 1", f"{low:.4g} to {high:.4g}")
        return torch.where(hole, filled.clamp(0, 1), image)


@dataclass(frozen=True, slots=True)
class ScriptedFlow:
    """A program that estimates optical flow."""

    path: Path
    program: nn.Module

    def __call__(self, earlier: Tensor, later: Tensor) -> Tensor:
        """Flow at pixels of the earlier image, pointing into the later one.

        Shapes:
            earlier, later: ``(1, 3, H, W)`` float, RGB, 0 to 1.
            returns: ``(1, 2, H, W)``, channel 0 = x, in pixels.

        Raises:
            WeightsError: The program fails, or returns something else than such flow.
        """
        return _run(self.path, self.program, (earlier, later), channels=2)


@overload
def load_torchscript(
    path: str | Path, kind: Literal["synthesis"], device: str | torch.device = "cpu"
) -> ScriptedSynthesis: ...
@overload
def load_torchscript(path: str | Path, kind: Literal["flow"], device: str | torch.device = "cpu") -> ScriptedFlow: ...
def load_torchscript(
    path: str | Path, kind: Literal["synthesis", "flow"], device: str | torch.device = "cpu"
) -> ScriptedSynthesis | ScriptedFlow:
    """The program in a TorchScript file, tried once on a small picture.

    Args:
        kind: What it is for. ``synthesis`` takes an image and a mask and gives an image, as exports of LaMa do;
            ``flow`` takes two images and gives flow. See the two classes for shapes and units.

    Raises:
        WeightsError: The file is not a TorchScript program, or its answer is not of the kind.
    """
    path = Path(path)
    if kind_of(path) != "torchscript":
        raise refusal(path, "a TorchScript program", "weights without a program", "Export the network with its code.")
    try:
        with warnings.catch_warnings():
            # torch 2.15 advises whoever writes such files to write others; the files that people have remain.
            warnings.filterwarnings("ignore", category=FutureWarning)
            program: nn.Module = torch.jit.load(str(path), map_location=device).eval()  # type: ignore[no-untyped-call]
    except Exception as error:  # whatever the bytes make it stumble over
        found = f"one that does not load ({_last_line(error)})"
        raise refusal(path, "a TorchScript program that loads", found, "Fetch or export it again.") from error
    picture = torch.full((1, 3, _SMALLEST, _SMALLEST + _MULTIPLE), 0.5, device=device)
    if kind == "synthesis":
        hole = torch.zeros_like(picture[:, :1], dtype=torch.bool)
        hole[..., 48:80, 48:80] = True
        synthesis = ScriptedSynthesis(path, program)
        synthesis(picture, hole)
        return synthesis
    flow = ScriptedFlow(path, program)
    flow(picture, picture)
    return flow


def _run(path: Path, program: nn.Module, inputs: tuple[Tensor, Tensor], channels: int) -> Tensor:
    """Return the program's answer at the size of its inputs, which are padded to the sizes that networks like."""
    height, width = inputs[0].shape[-2:]
    bottom, right = (max(_SMALLEST, -(-size // _MULTIPLE) * _MULTIPLE) - size for size in (height, width))
    # To the right and below, so that positions stay. The mask is continued too: a hole at the border has no known
    # neighbour beyond it.
    padded = [F.pad(one, (0, right, 0, bottom), mode="replicate") for one in inputs]
    try:
        # Without this, the first calls profile the program and later ones run another form of it, which may round
        # otherwise: a result would depend on how often it was asked for.
        with torch.no_grad(), torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
            answer = program(*padded)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # the program's own mistakes are of any kind
        raise _answer(path, f"an answer to {width}x{height} pixels", f"an error, {_last_line(error)}") from error
    expected = (1, channels, height + bottom, width + right)
    if not isinstance(answer, Tensor):
        raise _answer(path, f"one tensor {expected}", f"a {type(answer).__name__}")
    if tuple(answer.shape) != expected or not answer.is_floating_point():
        raise _answer(path, f"floats {expected}", f"{answer.dtype} {tuple(answer.shape)}".removeprefix("torch."))
    answer = answer[..., :height, :width].to(inputs[0].dtype)
    if not bool(torch.isfinite(answer).all()):
        raise _answer(path, "finite numbers", "NaN or infinity")
    return answer


def _answer(path: Path, rule: str, found: str) -> WeightsError:
    """Return the error of a program that answers wrongly."""
    return refusal(path, f"a program that returns {rule}", found, "It is for something else, or made another way.")


def _last_line(error: Exception) -> str:
    """Return what went wrong in a program: torch prints the way to it first."""
    return (str(error).strip() or type(error).__name__).splitlines()[-1].strip()[:200]
