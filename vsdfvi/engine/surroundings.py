"""The ring of known picture around a hole: what its repair is held against."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vsdfvi.engine.footage import Footage
from vsdfvi.engine.propagation import HolePixels, entered_by, hole_pixels
from vsdfvi.kernels import Packed, Plane
from vsdfvi.kernels.device import get_together, put_together
from vsdfvi.kernels.walks import Crossing, sample_sources, trace_follow

WIDTH = 4 / 240
"""Share of the picture's height that the ring is wide, and its bounds in pixels: each is one more to walk."""

_NARROWEST, _WIDEST = 3, 8
_BESIDE = 2.0  # pixels: with blocks of chroma between them, neighbours may be so far apart


@dataclass(frozen=True, slots=True)
class Ring:
    """Known pixels around one frame's hole, and the samples of each plane among them, on the host.

    Attributes:
        x, y: int32 ``(ring)``, in reading order.
        parent: int32 ``(ring)``: index of the nearest hole pixel, whose sources a ring pixel tries as well.
        beside: bool ``(ring)``: the parent is a neighbour.
        group, hole_group: int32 ``(ring)``, ``(pixels)``: which part of the hole they belong to, from 0.
        groups: How many parts there are. Holes that are nearer to each other than two rings are one.
        of_plane: For each plane, int32: indices of the ring pixels that stand for a sample of it.
        column, row: For each plane, where these samples are.
    """

    x: NDArray[np.int32]
    y: NDArray[np.int32]
    parent: NDArray[np.int32]
    beside: NDArray[np.bool_]
    group: NDArray[np.int32]
    hole_group: NDArray[np.int32]
    groups: int
    of_plane: tuple[NDArray[np.int32], ...]
    column: tuple[NDArray[np.int32], ...]
    row: tuple[NDArray[np.int32], ...]

    @property
    def nbytes(self) -> int:
        """Bytes that it takes."""
        arrays = (
            self.x,
            self.y,
            self.parent,
            self.beside,
            self.group,
            self.hole_group,
            *self.of_plane,
            *self.column,
            *self.row,
        )
        return sum(array.nbytes for array in arrays)


def ring_of(footage: Footage, n: int) -> Ring:
    """The ring around frame n's hole. Empty where the whole frame is hole."""
    return footage.remember(("ring", footage.barred_key(n)), lambda: _make_ring(footage, n, hole_pixels(footage, n)))


def _make_ring(footage: Footage, n: int, pixels: HolePixels) -> Ring:
    height, width = footage.size
    block = 1 << max(footage.format.subsampling_w, footage.format.subsampling_h)
    # Pixels that share a block of chroma with the hole are none of the ring's: it reaches over the next block on each
    # side, whose sample stands at its first pixel.
    wide = max(min(max(round(WIDTH * height), _NARROWEST), _WIDEST), 2 * block - 1)
    hole, blocks = footage.hole(n), footage.block_hole(n)
    rows, columns = hole.samples.shape
    x0, y0 = max(0, hole.x - wide), max(0, hole.y - wide)
    x1, y1 = min(width, hole.x + columns + wide), min(height, hole.y + rows + wide)
    missing = hole.crop(x0, y0, x1 - x0, y1 - y0)
    # Labels of the nearest missing pixel: OpenCV looks for the nearest zero.
    away, label = cv2.distanceTransformWithLabels(
        1 - missing, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    near = (away <= wide) & (blocks.crop(x0, y0, x1 - x0, y1 - y0) == 0)
    y, x = np.nonzero(near)
    at_hole = pixels.y - y0, pixels.x - x0
    number = np.zeros(int(label.max()) + 1, np.int32)
    number[label[at_hole]] = np.arange(pixels.count, dtype=np.int32)
    groups, part = cv2.connectedComponents((away <= wide).astype(np.uint8), connectivity=8)
    ring_x, ring_y = (x + x0).astype(np.int32), (y + y0).astype(np.int32)
    of_plane, column, row = [], [], []
    for plane in range(footage.format.planes):
        right, down = footage.format.subsampling(plane)
        first = np.flatnonzero((ring_x % (1 << right) == 0) & (ring_y % (1 << down) == 0)).astype(np.int32)
        of_plane.append(first)
        column.append(ring_x[first] >> right)
        row.append(ring_y[first] >> down)
    return Ring(
        ring_x, ring_y, number[label[y, x]], away[y, x] < _BESIDE, part[y, x].astype(np.int32) - 1,
        part[at_hole].astype(np.int32) - 1, groups - 1, tuple(of_plane), tuple(column), tuple(row),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Kept:
    """Arrays of the ring that more than one source is held against."""

    arrays: tuple[NDArray[np.float32], ...]

    @property
    def nbytes(self) -> int:
        return sum(array.nbytes for array in self.arrays)


def ring_values(footage: Footage, n: int, ring: Ring) -> tuple[NDArray[np.float32], ...]:
    """For each plane, the ring's samples in frame n, in codes."""

    def make() -> _Kept:
        planes = []
        for plane, samples in enumerate(footage.frame(n).planes):
            values = samples[ring.row[plane], ring.column[plane]].astype(np.float32)
            if footage.format.is_float:
                values = np.nan_to_num(values, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
            planes.append(values)
        return _Kept(tuple(planes))

    return footage.remember(("ring values", n), make).arrays


def ring_gradient(footage: Footage, n: int, ring: Ring, plane: int) -> NDArray[np.float32]:
    """Gradient of a plane that is not subsampled at the ring, ``(2, ring)``: along x, along y, in codes a pixel.

    Central differences; not a number where one of a pixel's neighbours is hole, beyond the picture, or no finite
    number.
    """

    def make() -> _Kept:
        samples, hole = footage.frame(n).planes[plane], footage.hole(n)
        height, width = samples.shape
        out = []
        for dx, dy in ((1, 0), (0, 1)):
            ends = []
            for sign in (-1, 1):
                x, y = ring.x + sign * dx, ring.y + sign * dy
                inside = (x >= 0) & (x < width) & (y >= 0) & (y < height) & ~is_hole(hole, x, y)
                value = samples[y.clip(0, height - 1), x.clip(0, width - 1)].astype(np.float32)
                # A float clip may hold infinity, whose differences warn.
                ends.append(np.where(inside & np.isfinite(value), value, np.float32(np.nan)))
            out.append((ends[1] - ends[0]) / np.float32(2))
        return _Kept((np.stack(out),))

    return footage.remember(("ring gradient", n, plane), make).arrays[0]


def is_hole(hole: Plane, x: NDArray[np.int32], y: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Whether pixels are hole."""
    rows, columns = hole.samples.shape
    inside: NDArray[np.bool_] = (x >= hole.x) & (x < hole.x + columns) & (y >= hole.y) & (y < hole.y + rows)
    at = np.where(inside, y - hole.y, 0), np.where(inside, x - hole.x, 0)
    if not hole.samples.size:
        return inside
    missing: NDArray[np.bool_] = inside & (hole.samples[at] > 0)
    return missing


def parent_samples(ring: Ring, pixels: HolePixels, plane: int) -> NDArray[np.int32]:
    """For each of a plane's samples in the ring, the sample of the hole that its parent is covered by."""
    parent, cover = ring.parent[ring.of_plane[plane]], pixels.cover[plane]
    if cover.shape[1] == 1:
        return parent
    sample_of = np.zeros(pixels.count, np.int32)
    covered = cover >= 0
    sample_of[cover[covered]] = np.nonzero(covered)[0]
    samples: NDArray[np.int32] = sample_of[parent]
    return samples


@dataclass(frozen=True, slots=True)
class Followed:
    """What one other frame shows where the ring has come to, on the host.

    Attributes:
        values: For each plane, float32 ``(samples of the ring)``, in codes.
        there: For each plane, bool: it was followed so far, and is known there.
    """

    values: tuple[NDArray[np.float32], ...]
    there: tuple[NDArray[np.bool_], ...]


def follow(
    footage: Footage,
    n: int,
    ring: Ring,
    *,
    later: bool,
    steps: Iterable[int],
    picture: Callable[[int, int], tuple[Packed, ...]],
) -> Mapping[int, Followed]:
    """The ring, walked along completed flow as the hole is but without an end, and sampled after some steps.

    Args:
        steps: After how many.
        picture: Planes of the frame that is reached, given its number and the pair that was crossed last.
    """
    wanted = sorted(set(steps))
    if not wanted or not ring.x.size:
        return {}
    device, planes = footage.device, range(footage.format.planes)
    x, y, *lists = put_together(device, [ring.x, ring.y, *ring.of_plane, *ring.column, *ring.row])
    of_plane, column, row = (lists[k * len(planes) : (k + 1) * len(planes)] for k in range(3))
    crossings, sources = [], {}
    for step in range(1, wanted[-1] + 1):
        entered, pair = entered_by(n, step, later=later)
        crossings.append(Crossing(footage.flow(pair), *footage.hole_there(entered, blocks=True)))
        if step in wanted:
            sources[step] = picture(entered, pair)
    places = trace_follow(
        device, x, y, crossings, wanted, size=footage.size, later=later, scale=footage.flow_scale,
        limit=float(footage.settings.consistency),
    )  # fmt: skip
    shown = [
        sample_sources(
            device, {step: source[plane] for step, source in sources.items()}, column[plane], row[plane],
            of_plane[plane], (x, y), (places.x, places.y), places.state, subsampling=footage.format.subsampling(plane),
        )
        for plane in planes
    ]  # fmt: skip
    home = get_together(device, [array for pair in shown for array in pair])
    values, there = home[::2], [flags.astype(bool) for flags in home[1::2]]
    return {
        step: Followed(tuple(value[turn] for value in values), tuple(flags[turn] for flags in there))
        for turn, step in enumerate(wanted)
    }
