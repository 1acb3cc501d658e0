"""What a reference, a clean plate, shows of a frame's hole: where no other frame of the clip shows it."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vsdfvi.engine.footage import MARGIN, SHORTEST_MARGIN, Footage, coarser, coarser_hole
from vsdfvi.engine.propagation import HolePixels, Traced
from vsdfvi.frames.masks import Box, regions
from vsdfvi.frames.pixels import luma
from vsdfvi.kernels import Packed, Plane, pack, sample_lanczos, trace_step
from vsdfvi.kernels.device import put_together


@dataclass(frozen=True, slots=True)
class Taken:
    """What the reference shows of one frame's hole, on the device.

    Attributes:
        values: For each plane, float32 ``(samples)`` in codes; of no meaning where not got.
        got: For each plane, bool ``(samples)``.
    """

    values: tuple[NDArray[np.float32], ...]
    got: tuple[NDArray[np.bool_], ...]


def with_reference(footage: Footage, n: int, traced: Traced) -> Traced:
    """What is seen of frame n's hole, with the reference put in where no walk arrived."""
    if "reference" not in footage.extras:
        return traced
    arrays = footage.device.arrays
    missing = arrays.stack([(~flags).any() for flags in traced.reached])
    if not bool(missing.any()):
        return replace(traced, given=arrays.zeros(traced.pixels.count, bool))
    taken = take(footage, n, traced.there)
    values = tuple(
        arrays.where(known, seen, shown)
        for known, seen, shown in zip(traced.reached, traced.values, taken.values, strict=True)
    )
    reached = tuple(known | got for known, got in zip(traced.reached, taken.got, strict=True))
    return replace(traced, values=values, reached=reached, given=taken.got[0] & ~traced.found)


def take(footage: Footage, n: int, pixels: HolePixels) -> Taken:
    """What the reference shows of frame n's hole, sampled once, where flow between the two agrees with itself.

    Values are as the reference has them: whoever matches light to the ring around the hole does so here.

    Args:
        pixels: The hole, on the device.
    """
    device = footage.device
    arrays, count = device.arrays, pixels.count
    margin = max(SHORTEST_MARGIN, round(MARGIN * footage.size[0]))
    boxes = regions([footage.hole(n)], margin, footage.size)
    x, y = pixels.x.astype(np.float32), pixels.y.astype(np.float32)
    error, state = arrays.zeros(count, np.float32), arrays.zeros(count, np.int32)
    # A reference has no hole: a pixel arrives, or is lost because flow leaves the frame or disagrees.
    trace_step(
        x, y, error, state, register(footage, n, boxes), Plane(0, 0, np.zeros((0, 0), np.uint8)), size=footage.size,
        later=True, step=1, stop=True, scale=footage.flow_scale, limit=footage.settings.consistency,
        hole_there=arrays.zeros((0, 0), np.uint8),
    )  # fmt: skip
    arrived = state == 1
    values, got = [], []
    for plane in range(footage.format.planes):
        cover = pixels.cover[plane]
        # A sample follows the first pixel that it covers and that arrived.
        best = arrays.where(cover >= 0, arrived[cover].astype(np.int32), -1).argmax(axis=1)
        index = arrays.ascontiguousarray(arrays.take_along_axis(cover, best[:, None], axis=1)[:, 0])
        value, there = arrays.zeros(index.size, np.float32), arrays.zeros(index.size, np.uint8)
        sample_lanczos(
            _plate(footage, n, plane, boxes), pixels.column[plane], pixels.row[plane], index, (pixels.x, pixels.y),
            (x, y), state, value, there, step=1, subsampling=footage.format.subsampling(plane),
        )  # fmt: skip
        values.append(value)
        got.append(there.astype(bool))
    return Taken(tuple(values), tuple(got))


def register(footage: Footage, n: int, boxes: list[Box]) -> Packed:
    """Flow from frame n to the reference, and back, on some boxes, in pixels of the frame, on the device.

    Frame n's hole is neutralised in both pictures; inside it flow is completed smoothly. A plate that was shot, or
    graded, under another light is brought to the frame's first: estimators take brightness at its word.
    """
    scale, measuring = footage.flow_scale, footage.measuring
    plate = footage.extra("reference", n)
    jobs, corners = [], []
    for box in boxes:
        x0, y0, x1, y1 = box
        hole = footage.hole(n).crop(x0, y0, x1 - x0, y1 - y0)
        # On the host, wherever flow is measured: sums are then the same everywhere.
        picture = luma(footage.frame(n), footage.format, box)
        shown = _relit(luma(plate, footage.format, box), picture, hole == 0)
        there = put_together(measuring, [coarser(picture, scale), coarser(shown, scale)])
        jobs.append((*there, coarser_hole(hole, scale)))
        corners.append((x0 // scale, y0 // scale))
    in_order = footage.workers.map if footage.estimator.concurrent else map
    return pack(corners, list(in_order(footage.measure_flow, jobs)), measuring).on(footage.device)


def _relit(shown: NDArray[np.float32], picture: NDArray[np.float32], known: NDArray[np.bool_]) -> NDArray[np.float32]:
    """One luma with the mean and, within a factor of two, the spread that another has where it is known."""
    if not known.any():
        return shown
    ours, theirs = (part[known].astype(np.float64) for part in (shown, picture))
    spread = float(ours.std())
    gain = min(max(float(theirs.std()) / spread, 0.5), 2.0) if spread > 0 else 1.0
    relit: NDArray[np.float32] = (shown - np.float32(ours.mean())) * np.float32(gain) + np.float32(theirs.mean())
    return relit


def _plate(footage: Footage, n: int, plane: int, boxes: list[Box]) -> Packed:
    """A plane of frame n's reference on some boxes, in codes, on the device."""
    right, down = footage.format.subsampling(plane)
    whole = footage.extra("reference", n).planes[plane]
    stacks = [footage.numbers(whole, plane, box)[None] for box in boxes]
    return pack([(box[0] >> right, box[1] >> down) for box in boxes], stacks).on(footage.device)
