"""Flow inside the hole by DFC-Net: consecutive flows are gathered around a pair of frames, and its own is completed."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from vsdfvi.engine.cache import Cache, CacheShare
from vsdfvi.engine.completion import FlowCompletion, halved
from vsdfvi.engine.footage import Footage
from vsdfvi.engine.torch_calls import placed, torch_call
from vsdfvi.errors import WeightsError
from vsdfvi.frames.masks import Box, largest_of_blocks
from vsdfvi.kernels import HOST, Device, Packed, module_of, pack
from vsdfvi.networks import weights
from vsdfvi.networks.dfc_chain import Key, MeasuredFlow, OfficialCompletion, Way
from vsdfvi.networks.dfc_compact import CENTRE, CompactDFCNet, run_backwards
from vsdfvi.networks.dfc_net import DFCSubNet

_PUBLISHED = ("dfc_stage1_resnet101", "dfc_stage1_resnet50", "dfc_refine_resnet101", "dfc_refine_resnet50")


def load_completion(
    folder: str, cache: Cache | CacheShare, device: Device = HOST, *, half: bool = False
) -> FlowCompletion:
    """What completes flow: the published network where a folder holds its files, else our own.

    Args:
        folder: The user's folder of checkpoints, or nothing.
        cache: For what a network makes of single pairs, on the device.
        device: Where to compute.
        half: Convolutions in half precision, on a GPU.

    Raises:
        WeightsError: A file is there and cannot be taken, or our own is missing.
    """
    published = _published_files(folder)
    if published:
        return PublishedCompletion([_stage(path) for path in published], cache, device, half=half)
    network = weights.load(weights.find(folder or None, "dfc_compact"), "dfc_compact")
    assert isinstance(network, CompactDFCNet)
    return CompactCompletion(network, device, half=half)


def completion_files(folder: str) -> list[Path]:
    """The weights files that ``load_completion`` takes.

    Raises:
        WeightsError: Our own is missing.
    """
    return _published_files(folder) or [weights.find(folder or None, "dfc_compact")]


def _published_files(folder: str) -> list[Path]:
    """The published network's stages in a folder; none where it does not hold the first."""
    stages = [_found(folder, name) for name in ("resnet50_stage1", "davis_stage2", "davis_stage3")]
    if stages[0] is None:
        stages = [_found(folder, "resnet101_movie")]
    return _leading(stages)


def _found(folder: str, name: str) -> Path | None:
    if not folder:
        return None
    if not Path(folder).expanduser().is_dir():
        return weights.find(folder, name)  # which says so
    try:
        return weights.find(folder, name)
    except WeightsError:
        return None


def _leading(stages: list[Path | None]) -> list[Path]:
    """The stages up to the first that is missing: each continues the one before."""
    missing = stages.index(None) if None in stages else len(stages)
    return [path for path in stages[:missing] if path is not None]


def _stage(path: Path) -> DFCSubNet:
    network = weights.load(path, _PUBLISHED)
    assert isinstance(network, DFCSubNet)
    return network


class CompactCompletion:
    """Completes flow box by box, with our own network."""

    radius = CENTRE + 1
    whole = False

    def __init__(self, network: CompactDFCNet, device: Device = HOST, *, half: bool = False) -> None:
        self._network = placed(network, device, half=half)
        self._device, self._half = device, half

    def __call__(self, footage: Footage, n: int) -> Packed:
        """Completed flow between frames n and n + 1, on the boxes that it is measured on, on the device."""
        prefilled = footage.prefilled(n)
        boxes, arrays = footage.boxes(n), footage.device.arrays
        # Across a cut there is no motion to complete, and nothing ever walks there.
        if not boxes or footage.cut(n):
            return prefilled
        if not any(footage.unknown(n, box).any() for box in boxes):
            return prefilled  # walks pass here, but all of it is measured
        first, last = footage.scene(n, self.radius)
        pairs = np.clip(np.arange(n - CENTRE, n + CENTRE + 1), first, last - 1).tolist()
        windows = [self._window(footage, n, box, k, pairs) for k, box in enumerate(boxes)]
        if footage.device.is_host:
            # Each way by itself: they are alike to the network, and so there is work for two threads.
            ways = [(window, (backwards,)) for window in windows for backwards in (False, True)]
            single = list(footage.workers.map(self._correct, ways))
            corrections = [arrays.concatenate(single[k : k + 2]) for k in range(0, len(single), 2)]
        else:
            # Both at once, on the thread that the stream belongs to: two cost the host no more launches than one.
            corrections = [self._correct((window, (False, True))) for window in windows]
        scale = footage.flow_scale
        stacks = []
        for k, box in enumerate(boxes):
            correction = corrections[k] * np.float32(2 * scale)
            _, height, width = prefilled.planes(k).shape
            unknown = footage.device.put(footage.unknown(n, box)) > 0
            whole = prefilled.planes(k) + correction[:, :height, :width]
            stacks.append(arrays.where(unknown, whole, prefilled.planes(k)))
        return pack([(box[0] // scale, box[1] // scale) for box in boxes], stacks, footage.device)

    def _window(
        self, footage: Footage, n: int, box: Box, number: int, pairs: list[int]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Flow and what is unknown of it, of consecutive pairs, on a box of pair n's, at half the size of flow."""
        middle, whole = self._halved(footage, n, box, number), footage.boxes(n)
        flows, masks = {n: middle[0]}, {n: middle[1]}
        for pair in set(pairs) - {n}:
            if footage.boxes(pair) == whole:
                flows[pair], masks[pair] = self._halved(footage, pair, box, number)
            else:
                flows[pair], masks[pair] = self._cropped(footage, pair, box, middle[0])
        arrays = footage.device.arrays
        return arrays.stack([flows[pair] for pair in pairs]), arrays.stack([masks[pair] for pair in pairs])

    def _halved(
        self, footage: Footage, n: int, box: Box, number: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Flow of a pair on one of its own boxes, and what is unknown of it."""

        def make() -> Halved:
            flow = halved(_even(footage.prefilled(n).planes(number) / np.float32(footage.flow_scale)))
            return Halved(flow, footage.device.put(_halved_mask(footage.unknown(n, box))))

        made = footage.remember_there(("halved", n, number), make)
        return made.flow, made.unknown

    def _cropped(
        self, footage: Footage, n: int, box: Box, middle: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Flow of a pair on a box of another; where it has none, that of the other, unknown."""
        scale, arrays = footage.flow_scale, footage.device.arrays
        x0, y0, x1, y1 = box
        width, height = -(-(x1 - x0) // scale), -(-(y1 - y0) // scale)
        flow, there = footage.prefilled(n).crop(x0 // scale, y0 // scale, width, height)
        if flow.shape[0] == 0:
            return middle, arrays.ones(middle.shape[1:], np.float32)
        small, missing = halved(_even(flow / np.float32(scale))), _halved_mask((~there).astype(np.uint8))
        unknown = arrays.maximum(footage.device.put(_halved_mask(footage.unknown(n, box))), missing)
        return arrays.where(missing > 0, middle, small), unknown

    def _correct(
        self, job: tuple[tuple[NDArray[np.float32], NDArray[np.float32]], tuple[bool, ...]]
    ) -> NDArray[np.float32]:
        """What to add to some ways' flow, ``(2 * ways, height, width)`` of flow's size, in pixels of half that size.

        Args:
            job: A window, and for each way whether it is that of the film run backwards.
        """
        window, ways = job
        size = window[0].shape[-2:]
        with torch_call("completion", "dfc", size, "laplace", self._device, half=self._half), torch.inference_mode():
            forwards = tuple(torch.utils.dlpack.from_dlpack(part)[None] for part in window)
            given = [run_backwards(*forwards) if backwards else forwards for backwards in ways]
            flow, unknown = (torch.cat(parts) if len(parts) > 1 else parts[0] for parts in zip(*given, strict=True))
            answer = self._network(flow, unknown)[-1]
            larger = F.interpolate(answer, scale_factor=2.0, mode="bilinear", align_corners=False).flatten(0, 1)
            return module_of(window[0]).from_dlpack(larger)  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Halved:
    """Flow ``(4, height, width)`` on half its grid, in pixels of that, and where it is unknown: 1, else 0."""

    flow: NDArray[np.float32]
    unknown: NDArray[np.float32]

    @property
    def nbytes(self) -> int:
        return self.flow.nbytes + self.unknown.nbytes


def _even[Sample: np.generic](planes: NDArray[Sample]) -> NDArray[Sample]:
    """Planes with their last row and column repeated where a side is odd."""
    _, height, width = planes.shape
    if height % 2 == 0 and width % 2 == 0:
        return planes
    padding = (0, 0), (0, height % 2), (0, width % 2)
    return module_of(planes).pad(planes, padding, mode="edge")  # type: ignore[no-any-return]


def _halved_mask(mask: NDArray[np.uint8]) -> NDArray[np.float32]:
    """1 where any of four is."""
    even = _even(mask[None])[0]
    return largest_of_blocks(even, 2, 2).astype(np.float32)


class PublishedCompletion:
    """Completes flow of whole frames, with the published stages."""

    whole = True

    def __init__(
        self, stages: list[DFCSubNet], cache: Cache | CacheShare, device: Device = HOST, *, half: bool = False
    ) -> None:
        self._chain = OfficialCompletion(*(placed(stage, device, half=half) for stage in stages))
        self._cache = cache
        self._device, self._half = device, half
        self.radius = self._chain.radius + 1  # a scene's end is seen from the frame beyond

    def __call__(self, footage: Footage, n: int) -> Packed:
        """Completed flow between frames n and n + 1, on the device."""
        prefilled = footage.prefilled(n)
        if footage.cut(n):
            return prefilled
        first, last = footage.scene(n, self.radius)
        box, scale = footage.boxes(n)[0], footage.flow_scale

        def measured(way: Way, frame: int) -> MeasuredFlow:
            pair, planes = (frame, slice(0, 2)) if way == "forward" else (frame - 1, slice(2, 4))
            flow = footage.prefilled(pair).planes(0)[planes] / np.float32(scale)
            unknown = footage.device.put(footage.unknown(pair, box))
            return MeasuredFlow(torch.utils.dlpack.from_dlpack(flow), torch.utils.dlpack.from_dlpack(unknown) > 0)

        def recall(key: Key, make: Callable[[], Tensor]) -> Tensor:
            return self._cache.get(("dfc", key), make, lambda tensor: tensor.nbytes)

        with torch_call("completion", "dfc", footage.size, "laplace", self._device, half=self._half):
            both = torch.cat(self._chain.centre(n, range(first, last + 1), measured, recall))
        stack = footage.device.arrays.from_dlpack(both.float()) * np.float32(scale)
        return pack([(0, 0)], [stack], footage.device)
