"""Flow inside the hole by DFC-Net: consecutive flows are gathered around a pair of frames, and its own is completed."""

from collections.abc import Callable
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
from vsdfvi.networks.dfc_compact import CENTRE, CompactDFCNet
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
        scale = footage.flow_scale
        corners = [(box[0] // scale, box[1] // scale) for box in boxes]
        return pack(corners, [self._complete(footage, prefilled.planes(k), box, pairs) for k, box in enumerate(boxes)])

    def _complete(
        self, footage: Footage, prefilled: NDArray[np.float32], box: Box, pairs: list[int]
    ) -> NDArray[np.float32]:
        """Flow on one box: its Laplace filling, corrected where flow is not measured."""
        scale = np.float32(footage.flow_scale)
        height, width = prefilled.shape[1:]
        corner = box[0] // footage.flow_scale, box[1] // footage.flow_scale
        flows, masks = {}, {}
        for pair in sorted(set(pairs)):
            flow, there = footage.prefilled(pair).crop(*corner, width, height)
            flow = np.where(there, flow, prefilled) if there.any() else prefilled
            masks[pair] = np.maximum(footage.unknown(pair, box), ~there)
            flows[pair] = halved(_even(flow / scale))
        window = np.stack([flows[pair] for pair in pairs])
        coarse = np.stack([_halved_mask(_even(masks[pair][None])[0]) for pair in pairs]).astype(np.float32)
        with torch_call("completion", "dfc", (height, width), "laplace"), torch.inference_mode():
            answer = self._network(torch.from_numpy(window)[None], torch.from_numpy(coarse)[None])[-1][0].numpy()
        rows, columns = answer.shape[1:]
        finer = [cv2.resize(plane, (2 * columns, 2 * rows), interpolation=cv2.INTER_LINEAR) for plane in answer]
        correction = np.stack(finer)[:, :height, :width] * (2 * scale)
        return np.where(masks[pairs[CENTRE]], prefilled + correction, prefilled).astype(np.float32, copy=False)


def _even[Sample: np.generic](planes: NDArray[Sample]) -> NDArray[Sample]:
    """Planes with their last row and column repeated where a side is odd."""
    _, height, width = planes.shape
    return np.pad(planes, ((0, 0), (0, height % 2), (0, width % 2)), mode="edge") if height % 2 or width % 2 else planes


def _halved_mask(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = mask.shape
    return mask.reshape(height // 2, 2, width // 2, 2).max(axis=(1, 3))


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
