"""Windows to learn from: eleven consecutive flows around a pair of frames, cut, mirrored and turned from a seed."""

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from vsdfvi.errors import SettingError
from vsdfvi.networks.dfc_compact import CENTRE, WINDOW
from vsdfvi.training.fields import make_window
from vsdfvi.training.options import FlowOptions
from vsdfvi.training.sequences import Library, Sequence, make_sequence
from vsdfvi.training.window import Window

HELD_OUT_CLASS = 7, 20
"""Sequences whose seed leaves this remainder, divided by this, are held out: they measure, and nothing learns them."""

_BLOCK = 8  # pixels of half size: boxes of flow begin and end on multiples of it, or at the picture's border
_MAKING = 1  # to be raised when the same seed comes to give another sequence: what is kept is then made anew
_FEWEST = 20  # pixels of the hole that a window must hold, or it teaches next to nothing
_ATTEMPTS = 400  # windows that are looked at for one; of 400 of usual sequences none was refused (2026-11)


def is_held_out(seed: int) -> bool:
    """Whether the sequence of a seed is for measuring only."""
    remainder, divisor = HELD_OUT_CLASS
    return seed % divisor == remainder


def seeds_to_learn(ranges: Iterable[tuple[int, int]]) -> list[int]:
    """Seeds of the ranges that may be learned from, in order."""
    return [seed for first, stop in ranges for seed in range(first, stop) if not is_held_out(seed)]


def seeds_held_out(ranges: Iterable[tuple[int, int]]) -> list[int]:
    """Seeds of the ranges that are held out, in order."""
    return [seed for first, stop in ranges for seed in range(first, stop) if is_held_out(seed)]


class SequenceStore:
    """Sequences by their seed, made when first asked for and kept as files.

    Several processes may make the same one at once: the files are equal, and are moved into place whole.

    Args:
        clips: The folder of clips they are made of.
        cache: Folder for the files; each set of options and clips has a folder of its own in it, named by a digest.
        frames, size: Frames of a sequence, and (height, width) of its pictures.
        library: Used in place of one over ``clips``.

    Attributes:
        digest: Of the options and of the clips' names and sizes. Equal seeds and digests mean equal sequences.

    Raises:
        SettingError: The folder holds no clip.
    """

    def __init__(
        self, clips: Path, cache: Path, frames: int, size: tuple[int, int], library: Library | None = None
    ) -> None:
        self._library = Library(clips) if library is None else library
        self.frames, self.size = frames, size
        files = [(file.name, file.stat().st_size) for file in self._library.files]
        described = json.dumps([_MAKING, frames, *size, sorted(files)])
        self.digest = hashlib.sha256(described.encode()).hexdigest()[:16]
        self.clips = len(files)
        self.folder = cache / self.digest

    def path(self, seed: int) -> Path:
        """The file of a seed, be it there or not."""
        return self.folder / f"{seed:06d}.npz"

    def get(self, seed: int) -> Sequence:
        """The sequence of a seed."""
        path = self.path(seed)
        if path.exists():
            with np.load(path) as kept:
                return Sequence(kept["flow"], kept["unknown"], kept["target"], kept["sure"], str(kept["kind"]))
        sequence = make_sequence(seed, self._library, self.frames, self.size)
        save_arrays(
            path, flow=sequence.flow, unknown=sequence.unknown, target=sequence.target, sure=sequence.sure,
            kind=np.array(sequence.kind),
        )  # fmt: skip
        return sequence


def save_arrays(path: Path, **arrays: NDArray[np.generic]) -> None:
    """Write arrays to an .npz file that is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    with partial.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
    partial.replace(path)


def window_of(sequence: Sequence, centre: int) -> Window:
    """The window around a pair of frames; beyond either end of the sequence, the end again.

    As in the filter, a neighbour that has no flow somewhere is given the middle's there, and nothing is learned where
    the middle itself has none.
    """
    pairs = np.clip(np.arange(centre - CENTRE, centre - CENTRE + WINDOW), 0, len(sequence.flow) - 1)
    flow = sequence.flow[pairs].astype(np.float32)
    there = within_boxes(flow)
    return Window(
        np.where(there[:, None], flow, flow[CENTRE]),
        (sequence.unknown[pairs] | ~there).astype(np.float32),
        sequence.target[centre].astype(np.float32),
        sequence.unknown[centre] & sequence.sure[centre] & there[CENTRE],
    )


def within_boxes(flow: NDArray[np.floating[Any]]) -> NDArray[np.bool_]:
    """Where flow ``(pairs, 4, height, width)`` exists: it is kept as zeros outside the boxes that it is measured on."""
    pairs, _, height, width = flow.shape
    rows, columns = -(-height // _BLOCK), -(-width // _BLOCK)
    padded = np.zeros((pairs, rows * _BLOCK, columns * _BLOCK), bool)
    padded[:, :height, :width] = (flow != 0).any(axis=1)
    blocks = padded.reshape(pairs, rows, _BLOCK, columns, _BLOCK).any(axis=(2, 4))
    whole: NDArray[np.bool_] = blocks.repeat(_BLOCK, axis=1).repeat(_BLOCK, axis=2)[:, :height, :width]
    return whole


def box_around(there: NDArray[np.bool_], y: int, x: int) -> tuple[int, int, int, int]:
    """The box of flow that holds a pixel, as (y0, x0, y1, x1). Boxes of a pair do not touch."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(there.astype(np.uint8), connectivity=8)
    left, top, width, height, _ = stats[labels[y, x]].tolist()
    return top, left, top + height, left + width


def cut(window: Window, y: int, x: int, height: int, width: int) -> Window:
    """A part of a window, or what there is of it."""
    part = ..., slice(y, y + height), slice(x, x + width)
    return Window(window.flow[part], window.unknown[part], window.target[part], window.hole[part])


def widened(window: Window, side: int) -> Window:
    """A window that is a square at least: below and to the right its last values go on, unknown and not learned."""
    height, width = window.hole.shape
    below, right = max(0, side - height), max(0, side - width)
    if not below and not right:
        return window
    more = (0, below), (0, right)
    return Window(
        np.pad(window.flow, ((0, 0), (0, 0), *more), mode="edge"),
        np.pad(window.unknown, ((0, 0), *more), constant_values=1),
        np.pad(window.target, ((0, 0), *more), mode="edge"),
        np.pad(window.hole, more),
    )


def mirrored(window: Window) -> Window:
    """The window of the same film with left and right exchanged."""
    return _turned(window, lambda planes: planes[..., ::-1], [0, 1, 2, 3], [-1, 1, -1, 1])


def upended(window: Window) -> Window:
    """The window of the same film with top and bottom exchanged."""
    return _turned(window, lambda planes: planes[..., ::-1, :], [0, 1, 2, 3], [1, -1, 1, -1])


def transposed(window: Window) -> Window:
    """The window of the same film with x and y exchanged."""
    return _turned(window, lambda planes: planes.swapaxes(-1, -2), [1, 0, 3, 2], [1, 1, 1, 1])


def reversed_in_time(window: Window) -> Window:
    """The window of the same film run backwards: flow to the later frame becomes flow to the earlier one."""
    return replace(
        window, flow=window.flow[::-1, [2, 3, 0, 1]], unknown=window.unknown[::-1], target=window.target[[2, 3, 0, 1]]
    )


def _turned(window: Window, move: Callable[..., Any], order: list[int], signs: list[int]) -> Window:
    """A window whose pixels are moved, and whose components follow."""
    sign = np.array(signs, np.float32)[:, None, None]
    return Window(
        move(window.flow[:, order]) * sign, move(window.unknown), move(window.target[order]) * sign, move(window.hole)
    )


def draw_window(random: np.random.Generator, sequence: Sequence, side: int) -> Window | None:
    """A window of a sequence around a pixel of some hole, turned at random; None where luck had too little hole.

    Args:
        side: Of the square that is cut out, pixels of flow; 0 for all.
    """
    centre = int(random.integers(len(sequence.flow)))
    window = window_of(sequence, centre)
    if side:
        ys, xs = np.nonzero(window.hole)
        if not len(ys):
            return None
        chosen = int(random.integers(len(ys)))
        y0, x0, y1, x1 = box_around(within_boxes(sequence.flow[centre : centre + 1])[0], ys[chosen], xs[chosen])
        y = int(np.clip(ys[chosen] - random.integers(side), y0, max(y0, y1 - side)))
        x = int(np.clip(xs[chosen] - random.integers(side), x0, max(x0, x1 - side)))
        window = widened(cut(window, y, x, min(side, y1 - y), min(side, x1 - x)), side)
    if np.count_nonzero(window.hole) < _FEWEST:
        return None
    return _turned_at_random(random, window)


def _turned_at_random(random: np.random.Generator, window: Window) -> Window:
    """A window, or what it looks like in a mirror, on its side, or run backwards."""
    for turn in (mirrored, upended, transposed, reversed_in_time):
        # Whole windows keep their shape, or those of a batch would differ.
        chosen_turn = random.random() < 0.5
        if chosen_turn and (turn is not transposed or window.hole.shape[0] == window.hole.shape[1]):
            window = turn(window)
    return window


class SeedPool:
    """Which sequence a sample is taken from: a function of the run's seed, the step and the sample's number."""

    def __init__(self, options: FlowOptions) -> None:
        self._seeds = seeds_to_learn(options.seeds)
        if not self._seeds:
            raise SettingError("seeds", "ranges with some that are not held out", options.seeds)
        self._seed, self._opening, self._growth = options.seed, options.opening, options.growth

    def at(self, step: int) -> list[int]:
        """Sequences that a step may learn from."""
        return self._seeds[: self._opening + step // self._growth] if self._growth else self._seeds

    def random(self, step: int, index: int) -> np.random.Generator:
        """The generator of a sample. Nothing is handed on from sample to sample, so a run can begin anywhere."""
        return np.random.default_rng([self._seed, step, index])


class TrainingWindows(Dataset[tuple[NDArray[np.generic], ...]]):
    """Samples by (step, index): the same, whichever process makes them and in whichever order."""

    def __init__(self, store: SequenceStore, options: FlowOptions) -> None:
        self._store, self._pool, self._side = store, SeedPool(options), options.crop
        self._made_share = options.made_share

    def __getitem__(self, at: tuple[int, int]) -> tuple[NDArray[np.generic], ...]:
        random = self._pool.random(*at)
        if self._made_share and random.random() < self._made_share:
            return self._make(random).arrays()
        seeds = self._pool.at(at[0])
        for attempt in range(_ATTEMPTS):
            if attempt % 4 == 0:  # another sequence, should this one have next to no hole
                sequence = self._store.get(seeds[random.integers(len(seeds))])
            window = draw_window(random, sequence, self._side)
            if window is not None:
                return window.arrays()
        raise SettingError("clips", f"such that flow can be measured ({_ATTEMPTS} windows looked at)", "none of use")

    def _make(self, random: np.random.Generator) -> Window:
        """A window of motion that is made."""
        while True:
            window = make_window(random, self._side)
            if window is not None and np.count_nonzero(window.hole) >= _FEWEST:
                return _turned_at_random(random, window)


class HeldOutWindows(Dataset[tuple[object, ...]]):
    """Whole boxes of held-out sequences, around the pair nearest to the middle with a hole; and the kind of hole."""

    def __init__(self, store: SequenceStore, options: FlowOptions) -> None:
        self._store = store
        self.seeds = seeds_held_out(options.seeds)[: options.held_out]
        if not self.seeds:
            remainder, divisor = HELD_OUT_CLASS
            raise SettingError("seeds", f"ranges with one of {remainder} + n * {divisor}, to measure on", options.seeds)

    def __len__(self) -> int:
        return len(self.seeds)

    def __getitem__(self, number: int) -> tuple[object, ...]:
        sequence = self._store.get(self.seeds[number])
        centre = middle_pair(sequence)
        window = window_of(sequence, centre)
        ys, xs = np.nonzero(window.hole)
        if len(ys):
            middle = len(ys) // 2
            y0, x0, y1, x1 = box_around(within_boxes(sequence.flow[centre : centre + 1])[0], ys[middle], xs[middle])
            window = cut(window, y0, x0, y1 - y0, x1 - x0)
        return (*window.arrays(), sequence.kind.split()[-1])


def middle_pair(sequence: Sequence) -> int:
    """The pair nearest to the middle that has a hole whose flow is known; the middle, if there is none."""
    middle = len(sequence.flow) // 2
    holes = np.flatnonzero((sequence.unknown & sequence.sure).any(axis=(1, 2)))
    return int(holes[np.abs(holes - middle).argmin()]) if len(holes) else middle
