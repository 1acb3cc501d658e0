"""From names of source pixels to samples: what the pixels of a block filled by ``paper`` look like."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsdfvi.engine.footage import Footage
from vsdfvi.engine.propagation import HolePixels
from vsdfvi.frames.masks import Box, regions
from vsdfvi.kernels import Packed
from vsdfvi.kernels.paper import Span

Picture = tuple[NDArray[np.float32], NDArray[np.uint8]]
"""A plane of a box in codes, and its hole."""


@dataclass(slots=True)
class Block:
    """The hole pixels of all frames of a block, numbered through, and what is known of them, on the host.

    ``paper.h`` states what the arrays mean.

    Attributes:
        first: Number of its first frame; all other frame numbers in here count from it.
        pixels: For each frame.
        spans: The numbers of each frame's pixels.
        links_back, links_on: What each pixel takes from the frame before and from the frame after; on the device.
        fills: For each key frame and plane, values in codes of all its hole samples.
    """

    first: int
    pixels: list[HolePixels]
    spans: list[Span]
    links_back: NDArray[np.int32]
    links_on: NDArray[np.int32]
    filled: NDArray[np.uint8]
    invented: NDArray[np.uint8]
    origin_frame: NDArray[np.int32]
    origin_place: NDArray[np.int32]
    fills: dict[int, tuple[NDArray[np.float32], ...]] = field(default_factory=dict)

    def missing(self) -> list[bool]:
        """Whether each frame still misses something."""
        return [not self.filled[begin:end].all() for begin, end in self.spans]


def hole_values(footage: Footage, block: Block, k: int, plane: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Values in codes of frame k's hole samples as far as they are filled, and which are.

    A subsampled sample follows one of the pixels that it covers: it moves by that pixel's displacement, divided by
    the subsampling, rounded, and held inside the plane. It is the first that leads to a sample which is wholly known
    there, else the first invented one, else the first that is filled: a known pixel may share its chroma with a
    missing one.
    """
    cover = block.pixels[k].cover[plane]
    samples, covered = cover.shape
    item, pixel = np.arange(samples), cover[:, 0]
    if covered > 1:
        sample, place = np.nonzero(cover >= 0)
        lead = _Leads(footage, block, k, plane, sample, cover[sample, place])
        rank = np.full(cover.shape, -1, np.int8)
        rank[sample, place] = lead.rank()
        pixel = cover[item, rank.argmax(axis=1)]
    lead = _Leads(footage, block, k, plane, item, pixel)
    return lead.values(), lead.ready


class _Leads:
    """Where some hole samples of a plane of frame k are led by pixels that they cover."""

    def __init__(
        self,
        footage: Footage,
        block: Block,
        k: int,
        plane: int,
        sample: NDArray[np.intp],
        pixel: NDArray[np.int32],
    ) -> None:
        self._footage, self._block, self._plane = footage, block, plane
        pixels = block.pixels[k]
        number = block.spans[k][0] + pixel
        self.ready = block.filled[number] == 1
        self._frame = np.where(self.ready, block.origin_frame[number], 0)
        self._invented = block.invented[number] == 1
        right, down = footage.format.subsampling(plane)
        height, width = footage.format.plane_shape(plane)
        y, x = np.divmod(block.origin_place[number], footage.format.width)
        across = (x - pixels.x[pixel] + (1 << right >> 1)) >> right
        below = (y - pixels.y[pixel] + (1 << down >> 1)) >> down
        self._column = np.clip(pixels.column[plane][sample] + across, 0, width - 1)
        self._row = np.clip(pixels.row[plane][sample] + below, 0, height - 1)

    def rank(self) -> NDArray[np.int8]:
        """How good each lead is: 3 seen, 2 invented, 1 seen beside a hole, 0 not filled."""
        rank = np.where(self._invented, 2, 3).astype(np.int8)
        for _, chosen, missing, _ in self._by_frame():
            seen_beside = missing & ~self._invented[chosen]
            rank[chosen[seen_beside]] = 1
        return np.where(self.ready, rank, 0).astype(np.int8)

    def values(self) -> NDArray[np.float32]:
        """Values in codes, 0 where not ready."""
        values = np.zeros(self.ready.size, np.float32)
        for k, chosen, missing, index in self._by_frame():
            column, row = self._column[chosen], self._row[chosen]
            frame = self._footage.frame(self._block.first + k)
            read = frame.planes[self._plane][row, column].astype(np.float32)
            invented = missing & self._invented[chosen]
            if invented.any():
                read[invented] = self._block.fills[k][self._plane][index[invented]]
            beside = missing & ~invented
            if beside.any():
                read[beside] = self._extended(k, column[beside], row[beside])
            values[chosen] = np.nan_to_num(read, copy=False) if self._footage.format.is_float else read
        return values

    def _by_frame(self) -> Iterator[tuple[int, NDArray[Any], NDArray[np.bool_], NDArray[np.intp]]]:
        """For each frame led to: its number in the block, the leads, whether they end in its hole and where there."""
        width = self._footage.format.plane_shape(self._plane)[1]
        ready = np.flatnonzero(self.ready)
        order = ready[np.argsort(self._frame[ready], kind="stable")]
        for chosen in np.split(order, np.flatnonzero(np.diff(self._frame[order])) + 1):
            if chosen.size == 0:
                continue
            k = int(self._frame[chosen[0]])
            pixels = self._block.pixels[k]
            holes = pixels.row[self._plane] * width + pixels.column[self._plane]  # in reading order: sorted
            if holes.size == 0:
                yield k, chosen, np.zeros(chosen.size, bool), np.zeros(chosen.size, np.intp)
                continue
            wanted = self._row[chosen] * width + self._column[chosen]
            index = np.minimum(np.searchsorted(holes, wanted), holes.size - 1)
            yield k, chosen, holes[index] == wanted, index

    def _extended(self, k: int, column: NDArray[Any], row: NDArray[Any]) -> NDArray[np.float32]:
        """Samples of frame k's hole, extended into it from around it."""
        n = self._block.first + k
        source = self._footage.source(n, regions([self._footage.hole(n)], 1, self._footage.size))[self._plane]
        return _read(source.on_host(self._footage.device), column, row)


def _read(packed: Packed, column: NDArray[Any], row: NDArray[Any]) -> NDArray[np.float32]:
    """Samples of the first planes of boxes that hold all of them."""
    out = np.zeros(column.size, np.float32)
    for number, (x, y, width, height, _, _) in enumerate(packed.boxes.tolist()):
        use = (column >= x) & (column < x + width) & (row >= y) & (row < y + height)
        out[use] = packed.planes(number)[0][row[use] - y, column[use] - x]
    return out


def inside_box(footage: Footage, pixels: HolePixels, plane: int, box: Box) -> NDArray[np.bool_]:
    """Which hole samples of a plane lie in a box, given in pixels of plane 0."""
    right, down = footage.format.subsampling(plane)
    column, row = pixels.column[plane] << right, pixels.row[plane] << down
    return (column >= box[0]) & (column < box[2]) & (row >= box[1]) & (row < box[3])


def placed(
    footage: Footage,
    block: Block,
    k: int,
    plane: int,
    box: Box,
    values: NDArray[np.float32],
    ready: NDArray[np.bool_],
) -> Picture:
    """A box of a plane of frame k with what is filled put in, and what is left of its hole."""
    right, down = footage.format.subsampling(plane)
    picture, hole = footage.samples(block.first + k, plane, box)
    pixels = block.pixels[k]
    use = inside_box(footage, pixels, plane, box) & ready
    row, column = pixels.row[plane][use] - (box[1] >> down), pixels.column[plane][use] - (box[0] >> right)
    picture[row, column] = values[use]
    hole[row, column] = 0
    return picture, hole
