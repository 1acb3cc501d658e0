"""Optical flow by a TorchScript program that the user names."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsdfvi.engine.torch_calls import torch_call
from vsdfvi.kernels import HOST, Device, Workers
from vsdfvi.networks.torchscript import load_torchscript


class FlowProgram:
    """An estimator that asks a program, with luma in all three channels.

    The hole is neutralised on luma, and its filling moves with each pass; the two other channels would have to be
    treated likewise, for colours that most clips hold at half the size. Programs trained on colour are trained on
    pictures that are nearly grey too.

    Args:
        device: Where it computes; pictures and flow are on the host.

    Raises:
        WeightsError: The file is not there, is no program, or is one for something else.
    """

    on_device = False
    concurrent = False  # programs may keep state, and torch keeps its number of threads for each thread that calls

    def __init__(self, path: str, device: Device = HOST) -> None:
        self._path = path
        self._device = device
        self._program = load_torchscript(Path(path).expanduser(), "flow", device.torch_device())

    def both_ways(
        self,
        earlier: NDArray[np.float32],
        later: NDArray[np.float32],
        start: NDArray[np.float32] | None,
        workers: Workers,
        *,
        full: bool,
    ) -> NDArray[np.float32]:
        """Flow between two pictures; programs take no start, and have one accuracy."""
        first, second = (_picture(luma).to(self._device.torch_device()) for luma in (earlier, later))
        with torch_call("flow", self._path, earlier.shape, "dis", self._device):
            flows = [self._program(*pair)[0].cpu().numpy() for pair in ((first, second), (second, first))]
        return np.concatenate(flows).astype(np.float32, copy=False)


def _picture(luma: NDArray[np.float32]) -> Tensor:
    """Luma ``(height, width)``, 0 to 255, as a grey picture ``(1, 3, height, width)``, 0 to 1."""
    grey = np.clip(luma / np.float32(255), 0, 1)
    return torch.from_numpy(np.broadcast_to(grey, (1, 3, *grey.shape)).copy())
