"""Weights: which files there are, how one is read without trusting it, and which network it is of."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from vsdfvi.networks.checkpoint_files import OTHER_FILE, is_counter, read_tensors, refusal, some
from vsdfvi.networks.deepfill import DeepFill
from vsdfvi.networks.dfc_compact import CompactDFCNet
from vsdfvi.networks.dfc_net import refine_resnet50, refine_resnet101, stage1_resnet50, stage1_resnet101


@dataclass(frozen=True, slots=True)
class Architecture:
    """A network that weights may be of: its name for people, and how it is built."""

    title: str
    build: Callable[[], nn.Module]


# The default's first: it is then told apart without building another.
ARCHITECTURES = {
    "dfc_compact": Architecture("DFC-Net in its compact form", CompactDFCNet),
    "dfc_stage1_resnet101": Architecture("DFC-Net stage 1 with ResNet-101", stage1_resnet101),
    "dfc_stage1_resnet50": Architecture("DFC-Net stage 1 with ResNet-50", stage1_resnet50),
    "dfc_refine_resnet101": Architecture("DFC-Net stage 2 or 3 with ResNet-101", refine_resnet101),
    "dfc_refine_resnet50": Architecture("DFC-Net stage 2 or 3 with ResNet-50", refine_resnet50),
    "deepfill_v1": Architecture("DeepFill v1", DeepFill),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Facts of one weights file.

    Attributes:
        file: Its name, as it is distributed.
        architecture: Key of ``ARCHITECTURES``.
        sha256: Of the file; None where it is not known.
        tensor_bytes: Bytes of its tensors in float32, computed from the architecture. The file adds
            names to that, and about as much again where the optimiser was saved too.
        licence: What its authors allow.
        source: Where it comes from.
        note: What one should know before using it.
        packaged: Whether it comes with vsdfvi.
    """

    file: str
    architecture: str
    sha256: str | None = None
    tensor_bytes: int
    licence: str
    source: str
    note: str
    packaged: bool = False


_DFVI = "https://github.com/nbei/Deep-Flow-Guided-Video-Inpainting (its README links the files)"
_DFVI_LICENCE = "none named for the file; the code beside it is MIT"
_DFVI_PAPER = 'Xu, Li, Zhou and Loy, "Deep flow-guided video inpainting", CVPR 2019'

CHECKPOINTS = {
    "resnet101_movie": Checkpoint(
        file="resnet101_movie.pth",
        architecture="dfc_stage1_resnet101",
        tensor_bytes=170_814_984,
        licence=_DFVI_LICENCE,
        source=_DFVI,
        note=f"{_DFVI_PAPER}. Of the authors' film of object removal, which uses no other stage.",
    ),
    "resnet50_stage1": Checkpoint(
        file="resnet50_stage1.pth",
        architecture="dfc_stage1_resnet50",
        tensor_bytes=148_232_200,
        licence=_DFVI_LICENCE,
        source=_DFVI,
        note=f"{_DFVI_PAPER}. Trained at 240x424; stages 2 and 3 follow it.",
    ),
    "davis_stage2": Checkpoint(
        file="davis_stage2.pth",
        architecture="dfc_refine_resnet50",
        tensor_bytes=148_647_184,
        licence=_DFVI_LICENCE,
        source=_DFVI,
        note=f"{_DFVI_PAPER}. For 320x600.",
    ),
    "davis_stage3": Checkpoint(
        file="davis_stage3.pth",
        architecture="dfc_refine_resnet50",
        tensor_bytes=148_647_184,
        licence=_DFVI_LICENCE,
        source=_DFVI,
        note=f"{_DFVI_PAPER}. For 480x840.",
    ),
    "imagenet_deepfill": Checkpoint(
        file="imagenet_deepfill.pth",
        architecture="deepfill_v1",
        tensor_bytes=14_406_168,
        licence=f"{_DFVI_LICENCE}. Code and models of DeepFill's authors are CC BY-NC 4.0; whether this was made from "
        "their models is not said",
        source=_DFVI,
        note='Yu, Lin, Yang, Shen, Lu and Huang, "Generative image inpainting with contextual attention", CVPR 2018, '
        "written anew for PyTorch by the authors of DFVI.",
    ),
    "dfc_compact": Checkpoint(
        file="dfc_compact.safetensors",
        architecture="dfc_compact",
        sha256="6d25ffb8270d5c69778ee0cdf01b8c0e0d4218846dd223e7ca597ce4e1c0095e",
        tensor_bytes=1_134_788,
        licence="MIT",
        source="vsdfvi itself",
        note="The default. Trained from scratch by `vsdfvi train`.",
        packaged=True,
    ),
}


_WITHOUT_OURS = (
    "Name a folder that holds resnet50_stage1.pth or resnet101_movie.pth (weights), or do without (laplace)."
)


def find(folder: str | Path | None, name: str) -> Path:
    """Where a checkpoint of the table lies: in the folder that the user names, or in a folder of that one.

    What comes with vsdfvi is taken from the package, unless the folder holds a file of its name.

    Args:
        name: Key of ``CHECKPOINTS``.

    Raises:
        WeightsError: The file is not there. The text says how it is called and where it comes from.
    """
    checkpoint = CHECKPOINTS[name]
    rule = f"a folder that holds {checkpoint.file} ({ARCHITECTURES[checkpoint.architecture].title})"
    if folder is not None:
        folder = Path(folder).expanduser()
        if not folder.is_dir():
            raise refusal("weights", rule, f"{folder}, which is no folder", "Check the path.")
        # The official files come in folders of their own, such as DAVIS_model.
        for found in (folder / checkpoint.file, *sorted(folder.glob(f"*/{checkpoint.file}"))):
            if found.is_file():
                return found
    if checkpoint.packaged:
        packaged = Path(__file__).parent / checkpoint.file
        if packaged.is_file():
            return packaged
        raise refusal("vsdfvi", f"installed with {checkpoint.file}", "a package without it", _WITHOUT_OURS)
    got = "no folder" if folder is None else f"{folder}, which does not"
    raise refusal("weights", rule, got, f"The file comes from {checkpoint.source}.")


def load(path: str | Path, expected: str | tuple[str, ...] | None = None) -> nn.Module:
    """The network that a weights file is of, with those weights, on the CPU and in eval mode.

    Args:
        expected: The architecture that it must be of, or those that it may be of; any, where None.

    Raises:
        WeightsError: The file cannot be read, or is of no network, or of another than expected.
    """
    tensors = read_tensors(path)
    name = architecture_of(tensors, str(path))
    allowed = tuple(ARCHITECTURES) if expected is None else (expected,) if isinstance(expected, str) else expected
    if name not in allowed:
        titles = " or ".join(ARCHITECTURES[one].title for one in allowed)
        raise refusal(path, f"weights of {titles}", f"those of {ARCHITECTURES[name].title}", OTHER_FILE)
    network = _without_values(ARCHITECTURES[name].build)
    network.load_state_dict(tensors, strict=True, assign=True)  # which starts absent counters of batches at 0
    assert not any(tensor.is_meta for tensor in (*network.parameters(), *network.buffers()))
    return network.eval()


def architecture_of(tensors: Mapping[str, Tensor], source: str = "weights") -> str:
    """The key of ``ARCHITECTURES`` whose tensors these are, by name and shape, all of them and no others.

    Args:
        source: What an error calls the tensors.

    Raises:
        WeightsError: They are of none. The text says which one they come nearest to, and what differs.
    """
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items() if not is_counter(name)}
    for name, architecture in ARCHITECTURES.items():
        if shapes == _shapes(architecture.build):
            return name

    def shared(name: str) -> float:
        own = _shapes(ARCHITECTURES[name].build)
        return (len(own.keys() & shapes.keys()) + len(own.items() & shapes.items())) / len(own.keys() | shapes.keys())

    nearest = max(ARCHITECTURES, key=shared)
    title = ARCHITECTURES[nearest].title
    advice = "It is another network's, or is not whole."
    if shared(nearest) < 0.5:  # of 2: not even a quarter of names and shapes
        titles = ", ".join(architecture.title for architecture in ARCHITECTURES.values())
        raise refusal(source, f"weights of one of: {titles}", f"tensors such as {some(list(shapes))}", advice)
    raise refusal(source, f"weights of {title}, which they resemble most", _differences(shapes, nearest), advice)


@lru_cache
def _shapes(build: Callable[[], nn.Module]) -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor that a network saves, counters of batches apart."""
    state = _without_values(build).state_dict()
    return {name: tuple(tensor.shape) for name, tensor in state.items() if not is_counter(name)}


class _Uninitialised(TorchFunctionMode):
    """Leaves out ``nn.init``: without values it has no effect, and its normal numbers load a compiler first (2 s)."""

    def __torch_function__(
        self, func: Callable[..., object], types: object, args: tuple[object, ...] = (), kwargs: Any = None
    ) -> object:
        if getattr(func, "__module__", None) == "torch.nn.init" and "tensor" in (kwargs or {}):
            return kwargs["tensor"]
        return func(*args, **(kwargs or {}))


def _without_values(build: Callable[[], nn.Module]) -> nn.Module:
    """Return a network whose tensors have shapes, and neither memory nor values."""
    with torch.device("meta"), _Uninitialised():
        return build()


def _differences(shapes: dict[str, tuple[int, ...]], architecture: str) -> str:
    """Say in what shapes differ from those of an architecture."""
    own = _shapes(ARCHITECTURES[architecture].build)
    missing = [name for name in own if name not in shapes]
    unknown = [name for name in shapes if name not in own]
    other = [name for name in own if name in shapes and shapes[name] != own[name]]
    sentences = []
    if other:
        first = other[0]
        sentences.append(f"{len(other)} of another shape ({first} is {_size(shapes[first])}, not {_size(own[first])})")
    if missing:
        sentences.append(f"{len(missing)} missing ({some(missing)})")
    if unknown:
        sentences.append(f"{len(unknown)} unknown ({some(unknown)})")
    return ", ".join(sentences)


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "a single number"
