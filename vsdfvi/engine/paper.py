"""Propagation by the rule of DFVI: frame by frame through a block, until nothing is missing in it.

A block is a scene, or a piece of one that lasts from one multiple of the setting ``window`` to the next, so that the
block of a frame depends on nothing but its number and the cuts around it. A block is made as a whole.

What is carried are names of source pixels, never colours (``paper.h``); the clip's own samples are copied at the end.
Where this departs from the authors' program: the last frame is treated like all others; known samples stay what they
are, fills are rounded; flow that is not finite, or lies outside the boxes, leads nowhere.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vsdfvi.engine import synthesis
from vsdfvi.engine.account import Repair
from vsdfvi.engine.cache import Cache
from vsdfvi.engine.footage import Footage
from vsdfvi.engine.paper_samples import Block, Picture, hole_values, inside_box, placed
from vsdfvi.engine.propagation import HolePixels, hole_pixels
from vsdfvi.engine.softening import softened
from vsdfvi.errors import EngineError
from vsdfvi.frames.masks import regions
from vsdfvi.frames.pixels import to_samples
from vsdfvi.kernels import Device, Plane, Workers, module_of
from vsdfvi.kernels.paper import carry_names, link_pixels, merge_names, number_pixels

Fill = Callable[[int, list[Picture]], list[NDArray[np.float32]]]
"""Frame number and the planes of a box of it, to the planes without a hole."""


@dataclass(frozen=True, slots=True)
class _Filled:
    """One frame's hole, filled.

    Attributes:
        samples: For each plane, what to write, in the order of :class:`HolePixels`.
        distance: int32 ``(pixels)``, as in :class:`Repair`.
    """

    samples: tuple[NDArray[np.generic], ...]
    distance: NDArray[np.int32]

    @property
    def nbytes(self) -> int:
        return sum(samples.nbytes for samples in self.samples) + self.distance.nbytes


def repair(footage: Footage, n: int, cache: Cache, fill: Fill | None = None) -> Repair:
    """How frame n's hole is filled. The rule knows no degrees of confidence: 1 where seen, 0 where invented.

    Args:
        fill: What fills key frames; the setting ``synthesis`` if left out.
    """

    def by_synthesis(number: int, pictures: list[Picture]) -> list[NDArray[np.float32]]:
        return synthesis.fill(footage, number, pictures)

    first, last = block_of(footage, n)
    made = cache.get(
        ("paper", first),
        lambda: _make_block(footage, first, last, fill or by_synthesis),
        lambda frames: sum(frame.nbytes for frame in frames),
    )
    filled = made[n - first]
    seen = filled.distance != 0
    origin = seen.astype(np.uint8)  # INVENTED and TRACED are 0 and 1
    return Repair(hole_pixels(footage, n), filled.samples, filled.distance, seen.astype(np.float32), origin)


def block_of(footage: Footage, n: int) -> tuple[int, int]:
    """First and last frame of the block that frame n is in."""
    window = footage.settings.window
    begin = n // window * window
    end = min(begin + window, footage.frames) - 1
    first = last = n
    while first > begin and not footage.cut(first - 1):
        first -= 1
    while last < end and not footage.cut(last):
        last += 1
    return first, last


def key_positions(missing: Sequence[bool]) -> list[int]:
    """Which frames to fill: the ends of runs of frames that still miss something, as two pointers meet them.

    One pointer walks from each end to the middle and takes the first and the last frame of every run that it passes.
    A run that ends or begins beyond the middle has only the end that was passed.
    """
    found = set()
    for order in (range((len(missing) + 1) // 2), range(len(missing) - 1, len(missing) // 2 - 1, -1)):
        before, inside = 0, False
        for at in order:
            if missing[at] and not inside:
                found.add(at)
            if inside and not missing[at]:
                found.add(before)
            before, inside = at, missing[at]
    return sorted(found)


def _make_block(footage: Footage, first: int, last: int, fill: Fill) -> tuple[_Filled, ...]:
    """All frames of a block, filled."""
    for n in range(first, last + 1):  # whatever is not lent is asked for before anything is computed
        footage.frame(n)
        footage.hole(n)
    block = _linked(footage, first, last)
    while any(block.missing()):
        _propagate(block, footage.workers, footage.device)
        for k in key_positions(block.missing()):
            _fill_keyframe(footage, block, k, fill)
    return tuple(_filled(footage, block, k) for k in range(len(block.pixels)))


def _linked(footage: Footage, first: int, last: int) -> Block:
    """A block with its links, which hold for all passes: they are made of flow alone."""
    pixels = [_hole_pixels(footage, n) for n in range(first, last + 1)]
    ends = np.cumsum([each.count for each in pixels], dtype=np.int64)
    total = int(ends[-1])
    if total >= 1 << 31:
        raise EngineError(f"window must be so small that its holes have fewer than 2^31 pixels, got {total}")
    device = footage.device
    x, y = (device.put(np.concatenate([getattr(each, name) for each in pixels])) for name in ("x", "y"))
    spans = [(int(end) - each.count, int(end)) for end, each in zip(ends, pixels, strict=True)]
    block = Block(
        first, pixels, spans,
        links_back=device.arrays.full(total, -1, np.int32), links_on=device.arrays.full(total, -1, np.int32),
        filled=np.zeros(total, np.uint8), invented=np.zeros(total, np.uint8),
        origin_frame=np.zeros(total, np.int32), origin_place=np.zeros(total, np.int32),
    )  # fmt: skip
    numbers = number_pixels(pixels[0].x, pixels[0].y, 0, device)
    for k in range(len(pixels) - 1):
        earlier, numbers = numbers, number_pixels(pixels[k + 1].x, pixels[k + 1].y, spans[k + 1][0], device)
        if pixels[k].count + pixels[k + 1].count == 0:
            continue
        flow = footage.flow(first + k)
        ways = ((True, block.links_on, spans[k], numbers), (False, block.links_back, spans[k + 1], earlier))
        for later, link, span, neighbour in ways:
            link_pixels(
                x, y, link, flow, neighbour, later=later, span=span, size=footage.size, scale=footage.flow_scale,
                limit=footage.settings.consistency,
            )  # fmt: skip
    return block


def _hole_pixels(footage: Footage, n: int) -> HolePixels:
    """The pixels of frame n's hole, which may be empty."""
    if not footage.hole(n).is_empty:
        return hole_pixels(footage, n)
    none = np.zeros(0, np.int32)
    planes = footage.format.planes
    return HolePixels(none, none, (none,) * planes, (none,) * planes, (none[:, None],) * planes)


def _propagate(block: Block, workers: Workers, device: Device) -> None:
    """Carry what is known forward and backward through the block once, and merge, in place."""
    filled, invented = device.put(block.filled), device.put(block.invented)
    origin = device.put(block.origin_frame), device.put(block.origin_place)
    ways = (block.links_back, -1), (block.links_on, 1)
    in_order = workers.map if device.is_host else map  # a GPU's stream belongs to this thread
    forward, backward = in_order(lambda way: _carried(block, filled, *way), ways)
    for k, span in enumerate(block.spans):
        merge_names(forward, backward, filled, origin, invented, frame=k, span=span)
    block.filled, block.invented = device.get(filled), device.get(invented)
    block.origin_frame, block.origin_place = (device.get(names) for names in origin)


def _carried(
    block: Block, filled: NDArray[np.uint8], link: NDArray[np.int32], neighbour: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Stamp and carried of one pass, in which each frame takes from the one at this distance."""
    arrays = module_of(link)
    stamp, carried = arrays.empty_like(link), arrays.empty_like(link)
    frames = range(len(block.spans))
    for k in frames if neighbour < 0 else reversed(frames):
        carry_names(link, filled, stamp, carried, frame=k, neighbour=k + neighbour, span=block.spans[k])
    return stamp, carried


def _fill_keyframe(footage: Footage, block: Block, k: int, fill: Fill) -> None:
    """Fill what is left of frame k's hole, in place."""
    pixels, (begin, end) = block.pixels[k], block.spans[k]
    left = np.flatnonzero(block.filled[begin:end] == 0)
    values, ready = zip(*(hole_values(footage, block, k, plane) for plane in range(footage.format.planes)), strict=True)
    context = max(32, round(synthesis.CONTEXT * footage.size[0]))
    for box in regions([_placed_hole(pixels.x[left], pixels.y[left])], context, footage.size):
        pictures = [
            placed(footage, block, k, plane, box, values[plane], ready[plane]) for plane in range(footage.format.planes)
        ]
        for plane, filled in enumerate(fill(block.first + k, pictures)):
            right, down = footage.format.subsampling(plane)
            new = inside_box(footage, pixels, plane, box) & ~ready[plane]
            row, column = pixels.row[plane][new] - (box[1] >> down), pixels.column[plane][new] - (box[0] >> right)
            values[plane][new] = to_samples(filled[row, column], footage.format)
    block.fills[k] = values
    block.filled[begin + left] = block.invented[begin + left] = 1
    block.origin_frame[begin + left] = k
    block.origin_place[begin + left] = pixels.y[left] * footage.format.width + pixels.x[left]


def _placed_hole(x: NDArray[np.int32], y: NDArray[np.int32]) -> Plane:
    """Pixels as a hole."""
    left, top = int(x.min()), int(y.min())
    samples = np.zeros((int(y.max()) - top + 1, int(x.max()) - left + 1), np.uint8)
    samples[y - top, x - left] = 1
    return Plane(left, top, samples)


def _filled(footage: Footage, block: Block, k: int) -> _Filled:
    """What has become of frame k."""
    begin, end = block.spans[k]
    planes = tuple(hole_values(footage, block, k, plane)[0] for plane in range(footage.format.planes))
    planes = softened(footage, block.first + k, block.pixels[k], planes)
    distance = block.origin_frame[begin:end] - np.int32(k)
    distance[distance == 0] = -1  # seen in this very frame: it came back from a neighbour that was filled with it
    distance[block.invented[begin:end] == 1] = 0
    return _Filled(tuple(to_samples(values, footage.format) for values in planes), distance)
