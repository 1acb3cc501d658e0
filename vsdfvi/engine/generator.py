"""Networks that invent what no frame shows. A filter loads one when it is made, and keeps it."""

from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from vsdfvi.engine.torch_calls import placed, torch_call
from vsdfvi.kernels import HOST, Device
from vsdfvi.networks.deepfill import SCORES_BUDGET_BYTES, DeepFill, inpaint
from vsdfvi.networks.torchscript import load_torchscript
from vsdfvi.networks.weights import find, load
from vsdfvi.settings import Settings

_WITHOUT_A_NETWORK = "exemplar"


class Generator(Protocol):
    """What invents a part of a picture."""

    def fill(self, image: NDArray[np.float32], hole: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The image with its hole filled.

        Shapes:
            image: ``(3, height, width)`` float32, red, green, blue, 0 to 1; returned likewise. Values in the hole have
                no influence.
            hole: ``(height, width)`` uint8, not 0 = to fill.

        Raises:
            EngineError: Memory runs out, or the network fails.
            WeightsError: A program answers with something else than such an image.
        """
        ...


class DeepFillGenerator:
    """DeepFill v1, with the weights in a folder that the user names.

    Args:
        device: Where to compute.
        half: In half precision, on a GPU.

    Raises:
        WeightsError: The folder or the file is not there, or the file is not what it should be.
    """

    def __init__(self, weights: str, device: Device = HOST, *, half: bool = False) -> None:
        network = load(find(weights or None, "imagenet_deepfill"), "deepfill_v1")
        assert isinstance(network, DeepFill)
        self._network = placed(network, device, half=half)
        self._device, self._half = device, half

    def fill(self, image: NDArray[np.float32], hole: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The image with its hole filled."""
        with torch_call("synthesis", "deepfill", hole.shape, _WITHOUT_A_NETWORK, self._device, half=self._half):
            return inpaint(self._network, image, hole, budget_bytes=SCORES_BUDGET_BYTES)


class ProgramGenerator:
    """A TorchScript program that the user names. Its precision is its own.

    Args:
        device: Where to compute.

    Raises:
        WeightsError: The file is not there, is no program, or is one for something else.
    """

    def __init__(self, path: str, device: Device = HOST) -> None:
        self._path = path
        self._device = device
        self._program = load_torchscript(Path(path).expanduser(), "synthesis", device.torch_device())

    def fill(self, image: NDArray[np.float32], hole: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The image with its hole filled."""
        with torch_call("synthesis", self._path, hole.shape, _WITHOUT_A_NETWORK, self._device):
            inputs = torch.from_numpy(image)[None], torch.from_numpy(hole != 0)[None, None]
            filled = self._program(*(each.to(self._device.torch_device()) for each in inputs))
            return filled[0].cpu().numpy()


def generator_file(settings: Settings) -> Path:
    """The file that ``generator_of`` loads.

    Raises:
        WeightsError: It is not there.
    """
    if settings.synthesis == "deepfill":
        return find(settings.weights or None, "imagenet_deepfill")
    return Path(settings.synthesis).expanduser()


def generator_of(settings: Settings, device: Device = HOST) -> Generator:
    """The network that ``synthesis`` asks for, loaded.

    Raises:
        WeightsError: Its file is not there, or is not what it should be.
    """
    if settings.synthesis == "deepfill":
        return DeepFillGenerator(settings.weights, device, half=bool(settings.fp16))
    return ProgramGenerator(settings.synthesis, device)
