"""Windows for the published networks: their channels, their rectangles, and results of the stage before."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from vsdfvi.errors import SettingError
from vsdfvi.networks.dfc_chain import REFINE_SIZES, Size, initial_filling, nearest_hole, resize_flow, window
from vsdfvi.networks.dfc_net import DFCSubNet
from vsdfvi.training.options import FlowOptions
from vsdfvi.training.sequences import Sequence
from vsdfvi.training.windows import HeldOutWindows, SeedPool, SequenceStore, middle_pair, save_arrays

_ATTEMPTS = 100  # draws for one window with a hole whose flow is known

# Rectangles as shares of height and width: how large they are at most, and how much smaller they may be in all. The
# authors' program has them in pixels: 120 by 212, less 60 by 106, of 240 by 424; 80 by 150, less the same, of 320 by
# 600.
_BOX_STAGE1 = (1 / 2, 1 / 2), (1 / 4, 1 / 4)
_BOX_REFINE = (1 / 4, 1 / 4), (60 / 320, 106 / 600)
_MARGIN = 10 / 240  # of the height, to all four sides of the picture


@dataclass(frozen=True, slots=True)
class Maps:
    """Flow of a sequence by direction and frame, as the published networks take it.

    Forward flow of frame t points into t + 1, backward flow of frame t into t - 1. The first frame has no backward
    flow and the last no forward flow; the authors' program gives the first frame zeros, and so is it here.

    Attributes:
        flow: For forward and backward ``(frames, 2, h, w)``, completed, pixels.
        hole: Likewise ``(frames, h, w)`` bool. Forward has one frame less.
    """

    flow: tuple[Tensor, Tensor]
    hole: tuple[Tensor, Tensor]

    @property
    def size(self) -> Size:
        height, width = self.hole[0].shape[1:]
        return height, width

    def resized(self, size: Size) -> "Maps":
        """The same at another size, as flow goes from stage to stage."""
        if size == self.size:
            return self
        flow = [torch.stack([resize_flow(one, size) for one in way]) for way in self.flow]
        hole = [torch.stack([nearest_hole(one, size) for one in way]) for way in self.hole]
        return Maps((flow[0], flow[1]), (hole[0], hole[1]))

    def window(self, way: int, frame: int) -> Tensor:
        """Eleven maps of a direction around a frame, u, v and mask of each: ``(33, h, w)``."""
        frames = window(frame, 0, len(self.flow[way]) - 1)
        return torch.cat([self.flow[way][frames], self.hole[way][frames][:, None].float()], 1).flatten(0, 1)


def maps_of(sequence: Sequence, masks: str, phase: str, random: np.random.Generator) -> Maps:
    """Maps of a sequence as they enter stage 1: with its own holes, or with rectangles cut out of its whole flow."""
    whole = masks != "footage"
    flow = torch.from_numpy((sequence.target if whole else sequence.flow).astype(np.float32))
    pairs, _, height, width = flow.shape
    forward, backward = flow[:, :2], torch.cat([torch.zeros_like(flow[:1, 2:]), flow[:, 2:]])
    if not whole:
        unknown = torch.from_numpy(sequence.unknown)
        return Maps((forward, backward), (unknown, torch.cat([unknown[:1], unknown])))
    if masks == "boxes":
        holes = torch.stack([_box(random, (height, width), phase) for _ in range(2 * pairs + 1)])
    else:
        single = _middle_box((height, width)) if masks == "mid-box" else _box(random, (height, width), phase)
        holes = single.expand(2 * pairs + 1, height, width)
    hole = holes[:pairs], holes[pairs:]
    filled = [
        torch.stack([initial_filling(one, missing) for one, missing in zip(way, its_hole, strict=True)])
        for way, its_hole in zip((forward, backward), hole, strict=True)
    ]
    return Maps((filled[0], filled[1]), hole)


def _box(random: np.random.Generator, size: Size, phase: str) -> Tensor:
    """A rectangle at random, somewhat smaller than the largest; Xu et al.'s program, random boxes."""
    largest, less = _BOX_STAGE1 if phase == "stage1" else _BOX_REFINE
    margin = round(_MARGIN * size[0])
    hole = torch.zeros(size, dtype=torch.bool)
    spans = []
    for side, share, delta in zip(size, largest, less, strict=True):
        length = round(share * side)
        first = int(random.integers(margin, max(margin, side - margin - length) + 1))
        shrink = int(random.integers(0, round(delta * side) // 2 + 1))
        spans.append(slice(first + shrink, max(first + shrink + 1, first + length - shrink)))
    hole[spans[0], spans[1]] = True
    return hole


def _middle_box(size: Size) -> Tensor:
    """The rectangle in the middle, a quarter of each side."""
    hole = torch.zeros(size, dtype=torch.bool)
    hole[3 * size[0] // 8 : 3 * size[0] // 8 + size[0] // 4, 3 * size[1] // 8 : 3 * size[1] // 8 + size[1] // 4] = True
    return hole


def complete(network: DFCSubNet, maps: Maps) -> Maps:
    """Maps with the hole as a stage fills it; what is known stays."""
    results = maps.flow[0].clone(), maps.flow[1].clone()
    device = next(network.parameters()).device

    def keep(way: int, frame: int, flow: Tensor) -> None:
        results[way][frame] = torch.where(maps.hole[way][frame], flow.cpu(), maps.flow[way][frame])

    with torch.inference_mode():
        for frame in range(len(maps.flow[1])):
            windows = [maps.window(way, frame) for way in (0, 1)]
            if network.outputs == 2:
                answers = [network(one[None].to(device))[0] for one in windows]
            else:
                answers = list(network(torch.cat(windows)[None].to(device))[0].split(2))
            for way in (0, 1):
                if frame < len(results[way]):
                    keep(way, frame, answers[way])
    return Maps(results, maps.hole)


class StageStore:
    """Maps as they enter the stage that learns: kept as files once the stages before have made them.

    Args:
        previous: Those stages' weights files, for names, and their networks. Without any, maps are as they enter
            stage 1, and rectangles are drawn for each sample.
        sizes: Height and width that stages 2 and 3 work on.
    """

    def __init__(
        self, store: SequenceStore, options: FlowOptions, previous: list[tuple[Path, DFCSubNet]], sizes: list[Size]
    ) -> None:
        self._store, self._options, self._sizes = store, options, sizes
        self._networks = [network for _, network in previous]
        digest = hashlib.sha256(repr([options.masks, options.seed, sizes]).encode())
        for path, _ in previous:
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        self.digest = digest.hexdigest()[:16]

    def get(self, seed: int, random: np.random.Generator) -> tuple[Sequence, Maps]:
        """The sequence of a seed, and its maps at the size of the stage."""
        sequence = self._store.get(seed)
        masks, phase = self._options.masks, self._options.phase
        if not self._networks:
            return sequence, maps_of(sequence, masks, phase, random)
        path = self._store.folder / f"{phase}-{self.digest}" / f"{seed:06d}.npz"
        if not path.exists():
            # The hole is the one that the stage before filled, so it is the sequence's and not the sample's.
            maps = maps_of(sequence, masks, phase, np.random.default_rng([self._options.seed, seed]))
            for network, size in zip(self._networks, [maps.size, *self._sizes], strict=False):
                maps = complete(network, maps.resized(size))
            forward, backward = (way.numpy().astype(np.float16) for way in maps.flow)
            save_arrays(
                path, forward=forward, backward=backward, hole_fw=maps.hole[0].numpy(), hole_bw=maps.hole[1].numpy()
            )
        with np.load(path) as kept:
            flow = tuple(torch.from_numpy(kept[name].astype(np.float32)) for name in ("forward", "backward"))
            hole = tuple(torch.from_numpy(kept[name]) for name in ("hole_fw", "hole_bw"))
        return sequence, Maps((flow[0], flow[1]), (hole[0], hole[1])).resized(self._sizes[len(self._networks) - 1])


def sample_of(
    sequence: Sequence, maps: Maps, ways: tuple[int, ...], frame: int
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
    """What a network sees of a frame, what it should answer, and where.

    The paper counts all of the hole. Here pixels are left out whose flow in the whole picture contradicts itself, for
    it was measured, and is wrong there.

    Shapes:
        returns: ``(33 D, h, w)``, ``(2 D, h, w)`` and ``(D, h, w)`` bool for D directions.
    """
    targets, holes = [], []
    for way in ways:
        pair = frame - way  # backward flow of a frame belongs to the pair that it ends
        target = torch.from_numpy(sequence.target[pair, 2 * way : 2 * way + 2].astype(np.float32))
        sure = torch.from_numpy(sequence.sure[pair])
        targets.append(resize_flow(target, maps.size) if maps.size != sure.shape else target)
        holes.append(maps.hole[way][frame] & nearest_hole(sure, maps.size))
    windows = torch.cat([maps.window(way, frame) for way in ways])
    return windows.numpy(), torch.cat(targets).numpy(), torch.stack(holes).numpy()


class PaperWindows(Dataset[tuple[NDArray[np.generic], ...]]):
    """Samples by (step, index): stage 1 gets either direction, by chance, and stages 2 and 3 both."""

    def __init__(self, store: StageStore, options: FlowOptions) -> None:
        self._store, self._pool, self._single = store, SeedPool(options), options.phase == "stage1"

    def __getitem__(self, at: tuple[int, int]) -> tuple[NDArray[np.generic], ...]:
        random = self._pool.random(*at)
        seeds = self._pool.at(at[0])
        for _ in range(_ATTEMPTS):
            sequence, maps = self._store.get(seeds[random.integers(len(seeds))], random)
            way = int(random.integers(2))
            frame = int(random.integers(1, len(maps.flow[0])))  # frames with flow both ways
            sample = sample_of(sequence, maps, (way,) if self._single else (0, 1), frame)
            if sample[2].any():
                return sample
        rule = f"such that flow can be measured ({_ATTEMPTS} windows looked at)"
        raise SettingError("clips", rule, "none of use")


class PaperHeldOut(Dataset[tuple[object, ...]]):
    """Windows around a frame in the middle of held-out sequences, and the kind of their hole."""

    def __init__(self, store: StageStore, sequences: SequenceStore, options: FlowOptions) -> None:
        self._store, self._options = store, options
        self.seeds = HeldOutWindows(sequences, options).seeds

    def __len__(self) -> int:
        return len(self.seeds)

    def __getitem__(self, number: int) -> tuple[object, ...]:
        random = np.random.default_rng([self._options.seed, self.seeds[number]])
        sequence, maps = self._store.get(self.seeds[number], random)
        frame = max(1, middle_pair(sequence))
        kind = sequence.kind.split()[-1] if self._options.masks == "footage" else "box"
        return (*sample_of(sequence, maps, (0,) if self._options.phase == "stage1" else (0, 1), frame), kind)


def working_sizes(options: FlowOptions) -> list[Size]:
    """Height and width of stages 2 and 3: the given one for the stage that learns, else the paper's."""
    sizes = list(REFINE_SIZES)
    if options.working_height and options.working_width and options.phase != "stage1":
        sizes[int(options.phase[-1]) - 2] = options.working_height, options.working_width
    return sizes
