"""Flow inside the hole by DFC-Net: consecutive flows are gathered around a pair of frames, and its own is completed."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsdfvi.engine.cache import Cache
from vsdfvi.engine.completion import FlowCompletion, halved
from vsdfvi.engine.footage import Footage
from vsdfvi.engine.torch_calls import torch_call
from vsdfvi.errors import WeightsError
from vsdfvi.frames.masks import Box
from vsdfvi.kernels import Packed, pack
from vsdfvi.networks import weights
from vsdfvi.networks.dfc_chain import Key, MeasuredFlow, OfficialCompletion, Way
from vsdfvi.networks.dfc_compact import CENTRE, CompactDFCNet, run_backwards
from vsdfvi.networks.dfc_net import DFCSubNet

_PUBLISHED = ("dfc_stage1_resnet101", "dfc_stage1_resnet50", "dfc_refine_resnet101", "dfc_refine_resnet50")


def load_completion(folder: str, cache: Cache) -> FlowCompletion:
    """What completes flow: the published network where a folder holds its files, else our own.

    Args:
        folder: The user's folder of checkpoints, or nothing.

    Raises:
        WeightsError: A file is there and cannot be taken, or our own is missing.
    """
    stages = [_found(folder, name) for name in ("resnet50_stage1", "davis_stage2", "davis_stage3")]
    if stages[0] is None:
        stages = [_found(folder, "resnet101_movie")]
    if stages[0] is not None:
        return PublishedCompletion([_stage(path) for path in _leading(stages)], cache)
    network = weights.load(weights.find(folder or None, "dfc_compact"), "dfc_compact")
    assert isinstance(network, CompactDFCNet)
    return CompactCompletion(network)


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

    def __init__(self, network: CompactDFCNet) -> None:
        self._network = network

    def __call__(self, footage: Footage, n: int) -> Packed:
        """Completed flow between frames n and n + 1, on the boxes that it is measured on."""
        prefilled = footage.prefilled(n)
        boxes = footage.boxes(n)
        # Across a cut there is no motion to complete, and nothing ever walks there.
        if not boxes or footage.cut(n):
            return prefilled
        first, last = footage.scene(n, self.radius)
        pairs = np.clip(np.arange(n - CENTRE, n + CENTRE + 1), first, last - 1).tolist()
        windows = [self._window(footage, n, box, k, pairs) for k, box in enumerate(boxes)]
        # Each way by itself: they are alike to the network, and so there is work for two threads.
        ways = [(window, backwards) for window in windows for backwards in (False, True)]
        corrections = footage.workers.map(self._correct, ways)
        scale = footage.flow_scale
        stacks = []
        for k, box in enumerate(boxes):
            correction = np.concatenate(corrections[2 * k : 2 * k + 2]) * np.float32(2 * scale)
            _, height, width = prefilled.planes(k).shape
            unknown = footage.unknown(n, box) > 0
            stacks.append(np.where(unknown, prefilled.planes(k) + correction[:, :height, :width], prefilled.planes(k)))
        return pack([(box[0] // scale, box[1] // scale) for box in boxes], stacks)

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
        return np.stack([flows[pair] for pair in pairs]), np.stack([masks[pair] for pair in pairs])

    def _halved(
        self, footage: Footage, n: int, box: Box, number: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Flow of a pair on one of its own boxes, and what is unknown of it."""

        def make() -> Halved:
            flow = halved(_even(footage.prefilled(n).planes(number) / np.float32(footage.flow_scale)))
            return Halved(flow, _halved_mask(footage.unknown(n, box)))

        made = footage.remember(("halved", n, number), make)
        return made.flow, made.unknown

    def _cropped(
        self, footage: Footage, n: int, box: Box, middle: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Flow of a pair on a box of another; where it has none, that of the other, unknown."""
        scale = footage.flow_scale
        x0, y0, x1, y1 = box
        width, height = -(-(x1 - x0) // scale), -(-(y1 - y0) // scale)
        flow, there = footage.prefilled(n).crop(x0 // scale, y0 // scale, width, height)
        if not there.any():
            return middle, np.ones(middle.shape[1:], np.float32)
        small, missing = halved(_even(flow / np.float32(scale))), _halved_mask((~there).astype(np.uint8))
        unknown = np.maximum(_halved_mask(footage.unknown(n, box)), missing)
        return np.where(missing > 0, middle, small), unknown

    def _correct(self, way: tuple[tuple[NDArray[np.float32], NDArray[np.float32]], bool]) -> NDArray[np.float32]:
        """What to add to one way's flow, ``(2, height, width)`` of the size of flow, in pixels of half that size."""
        window, backwards = way
        size = window[0].shape[-2:]
        with torch_call("completion", "dfc", size, "laplace"), torch.inference_mode():
            flow, unknown = (torch.from_numpy(part)[None] for part in window)
            if backwards:
                flow, unknown = run_backwards(flow, unknown)
            answer = self._network(flow, unknown)[-1][0].numpy()
        size = 2 * size[1], 2 * size[0]
        return np.stack([cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR) for plane in answer])


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
    return np.pad(planes, ((0, 0), (0, height % 2), (0, width % 2)), mode="edge") if height % 2 or width % 2 else planes


def _halved_mask(mask: NDArray[np.uint8]) -> NDArray[np.float32]:
    """1 where any of four is."""
    even = _even(mask[None])[0]
    height, width = even.shape
    anywhere: NDArray[np.uint8] = even.reshape(height // 2, 2, width // 2, 2).max(axis=(1, 3))
    return anywhere.astype(np.float32)


class PublishedCompletion:
    """Completes flow of whole frames, with the published stages."""

    whole = True

    def __init__(self, stages: list[DFCSubNet], cache: Cache) -> None:
        self._chain = OfficialCompletion(*stages)
        self._cache = cache
        self.radius = self._chain.radius + 1  # a scene's end is seen from the frame beyond

    def __call__(self, footage: Footage, n: int) -> Packed:
        """Completed flow between frames n and n + 1."""
        prefilled = footage.prefilled(n)
        if footage.cut(n):
            return prefilled
        first, last = footage.scene(n, self.radius)
        box, scale = footage.boxes(n)[0], footage.flow_scale

        def measured(way: Way, frame: int) -> MeasuredFlow:
            pair, planes = (frame, slice(0, 2)) if way == "forward" else (frame - 1, slice(2, 4))
            flow = footage.prefilled(pair).planes(0)[planes] / np.float32(scale)
            return MeasuredFlow(torch.from_numpy(flow), torch.from_numpy(footage.unknown(pair, box) > 0))

        def recall(key: Key, make: Callable[[], Tensor]) -> Tensor:
            return self._cache.get(("dfc", key), make, lambda tensor: tensor.nbytes)

        with torch_call("completion", "dfc", footage.size, "laplace"):
            both = self._chain.centre(n, range(first, last + 1), measured, recall)
        return pack([(0, 0)], [torch.cat(both).numpy() * np.float32(scale)])
