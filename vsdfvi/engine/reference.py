"""What a reference, a clean plate, shows of a frame's hole: where no other frame of the clip shows it."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vsdfvi.engine.footage import MARGIN, SHORTEST_MARGIN, Footage, coarser, coarser_hole
from vsdfvi.engine.propagation import HolePixels
from vsdfvi.engine.surroundings import Followed, Ring
from vsdfvi.engine.tracing import RingBlend, Traced, lights_of
from vsdfvi.frames.masks import Box, regions
from vsdfvi.frames.pixels import luma
from vsdfvi.kernels import Packed, Plane, pack, sample_lanczos, trace_step
from vsdfvi.kernels.device import get_together, put_together


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
    margin = max(SHORTEST_MARGIN, round(MARGIN * footage.size[0]))
    boxes = regions([footage.hole(n)], margin, footage.size)
    flow = register(footage, n, boxes)
    taken = take(footage, n, traced.there, flow, boxes)
    given = taken.got[0] & ~traced.found
    shown = ring_shown(footage, n, traced.ring, flow, boxes)
    lights = lights_of(footage, n, traced.ring, {0: shown})[0]
    group = footage.device.put(traced.ring.hole_group)
    values = []
    for plane, (known, seen, value) in enumerate(zip(traced.reached, traced.values, taken.values, strict=True)):
        cover = traced.there.cover[plane]
        index = arrays.ascontiguousarray(cover.max(axis=1))  # any pixel of a sample: parts of a hole share none
        gain, offset = (
            footage.device.put(each.astype(np.float32))[group[index]]
            for each in (lights[plane].gain, lights[plane].offset)
        )
        values.append(arrays.where(known, seen, gain * value + offset))
    reached = tuple(known | got for known, got in zip(traced.reached, taken.got, strict=True))
    blend = RingBlend(traced.ring)
    for plane in range(footage.format.planes):
        group = traced.ring.group[traced.ring.of_plane[plane]]
        blend.add(plane, lights[plane].of(shown.values[plane], group), np.float32(1), shown.there[plane])
    given_there = footage.device.get(given)
    fill = blend.fill.where([given_there[traced.ring.parent[of]] for of in traced.ring.of_plane], traced.fill)
    return replace(traced, values=tuple(values), reached=reached, given=given, fill=fill)


def take(footage: Footage, n: int, pixels: HolePixels, flow: Packed, boxes: list[Box]) -> Taken:
    """What the reference shows of frame n's hole, sampled once, where flow between the two agrees with itself.

    Values are as the reference has them, in its own light.

    Args:
        pixels: The hole, on the device.
        flow: Of ``register``, on these boxes.
    """
    arrays = footage.device.arrays
    x, y, state = _arrived(footage, pixels.x, pixels.y, flow)
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


def ring_shown(footage: Footage, n: int, ring: Ring, flow: Packed, boxes: list[Box]) -> Followed:
    """What the reference shows of the ring around frame n's hole."""
    device, planes = footage.device, range(footage.format.planes)
    x, y, *lists = put_together(device, [ring.x, ring.y, *ring.of_plane, *ring.column, *ring.row])
    of_plane, column, row = (lists[k * len(planes) : (k + 1) * len(planes)] for k in range(3))
    to_x, to_y, state = _arrived(footage, x, y, flow)
    values = [device.arrays.zeros(each.size, np.float32) for each in column]
    got = [device.arrays.zeros(each.size, np.uint8) for each in column]
    for plane in planes:
        sample_lanczos(
            _plate(footage, n, plane, boxes), column[plane], row[plane], of_plane[plane], (x, y), (to_x, to_y), state,
            values[plane], got[plane], step=1, subsampling=footage.format.subsampling(plane),
        )  # fmt: skip
    home = get_together(device, [*values, *got])
    return Followed(tuple(home[: len(planes)]), tuple(flags.astype(bool) for flags in home[len(planes) :]))


def _arrived(
    footage: Footage, x: NDArray[np.int32], y: NDArray[np.int32], flow: Packed
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int32]]:
    """Where pixels of a frame lie in its reference, and 1 for those that arrived there."""
    arrays = footage.device.arrays
    to_x, to_y = x.astype(np.float32), y.astype(np.float32)
    error, state = arrays.zeros(x.size, np.float32), arrays.zeros(x.size, np.int32)
    # A reference has no hole: a pixel arrives, or is lost because flow leaves the frame or disagrees.
    trace_step(
        to_x, to_y, error, state, flow, Plane(0, 0, np.zeros((0, 0), np.uint8)), size=footage.size,
        later=True, step=1, stop=True, scale=footage.flow_scale, limit=footage.settings.consistency,
        hole_there=arrays.zeros((0, 0), np.uint8),
    )  # fmt: skip
    return to_x, to_y, state


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
