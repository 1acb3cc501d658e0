"""Flow across the hole, measured: what earlier frames show of it against what later ones show."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vsdfvi.engine.completion import REFINED_RIM, FlowCompletion, unknown_flow
from vsdfvi.engine.footage import Footage, coarser, coarser_hole
from vsdfvi.engine.propagation import Flows, HolePixels, sample_ends, walk
from vsdfvi.frames.masks import Box
from vsdfvi.frames.pixels import luma_of
from vsdfvi.kernels import Device, Packed, pack
from vsdfvi.kernels.device import get_together, put_together
from vsdfvi.kernels.laplace import laplace_fill
from vsdfvi.kernels.planes import at_ends, median

STEPS = 3
"""Frames that are looked into on each side. What is seen from farther away says little about one pair of frames."""

_NEIGHBOURHOOD = 32  # samples of flow around what is measured that the estimator sees
_LEVEL = 0.25  # movement of a sweep, in 8-bit codes, at which what nobody shows is smooth enough to carry no edge
_FADE = 2.0  # rims over which a correction fades into what is unknown beside it
_STILL = 0.02  # pixels: movement of a sweep at which spread corrections have settled


class BridgedCompletion:
    """Completes flow, and sets it right where pictures show both of its ends.

    The hole of the pair's earlier frame is filled with what frames before it show there, that of the later one with
    what frames after it show, each along completed flow. Were that flow right, flow between the two pictures would be
    the same. What it differs by is the error of the whole path from the source before to the source after; every pair
    on the path is given its share. This is a measurement inside the hole: completion can only guess there.

    Args:
        complete: Makes the flow to begin with.

    Source:
        Ours. Matching what lies before against what lies after is how motion across missing frames is found
        (bilateral motion estimation: Choi, Han, Kim and Ko, "Motion-compensated frame interpolation using bilateral
        motion estimation and adaptive overlapped block motion compensation", IEEE TCSVT 17(4), 2007).
    """

    def __init__(self, complete: FlowCompletion) -> None:
        self._complete = complete
        self.radius = complete.radius + STEPS
        self.whole = complete.whole

    def __call__(self, footage: Footage, n: int) -> Packed:
        """Completed flow between frames n and n + 1, on the boxes that it is measured on."""
        there = self.completed(footage, n)
        boxes = footage.boxes(n)
        if not boxes or footage.cut(n):
            return there
        measuring = footage.measuring
        completed = there.on_host(footage.device) if measuring.is_host else there
        ends = self.shown(footage, n, later=False), self.shown(footage, n + 1, later=True)

        # The footage is asked by this thread alone.
        jobs = [
            _Gap(
                completed.planes(k), footage.unknown(n, box) > 0,
                _End.of(footage, n, ends[0], box), _End.of(footage, n + 1, ends[1], box),
            )
            for k, box in enumerate(boxes)
        ]  # fmt: skip
        in_order = footage.workers.map if footage.estimator.concurrent else map
        corners = [(x, y) for x, y in completed.boxes[:, :2].tolist()]
        measured = list(in_order(lambda gap: _measured(footage, gap), jobs))
        return pack(corners, measured, measuring).on(footage.device)

    def completed(self, footage: Footage, n: int) -> Packed:
        """Flow between frames n and n + 1 before it is set right, on the device."""
        return footage.remember_there(("completed", n), lambda: self._complete(footage, n))

    def shown(self, footage: Footage, n: int, *, later: bool) -> "Shown":
        """What the nearest later frames, or earlier ones, show of frame n's hole."""

        def make() -> Shown:
            flows = Flows(lambda pair: self.completed(footage, pair), lambda pair: footage.keeps(("completed", pair)))
            return show(footage, n, flows, later=later)

        return footage.remember(("shown", n, later), make)


@dataclass(frozen=True, slots=True)
class Shown:
    """What frames on one side show of a frame's hole, on the host.

    Attributes:
        x, y: int32 ``(pixels)``: the hole.
        value: float32, luma from 0 to 255; of no meaning where nothing is shown.
        steps: int32, how many frames away it is shown; 0 where none shows it.
    """

    x: NDArray[np.int32]
    y: NDArray[np.int32]
    value: NDArray[np.float32]
    steps: NDArray[np.int32]

    @property
    def nbytes(self) -> int:
        return self.x.nbytes + self.y.nbytes + self.value.nbytes + self.steps.nbytes


def show(footage: Footage, n: int, flows: Flows, *, later: bool) -> Shown:
    """What the nearest later frames, or earlier ones, show of frame n's hole along some flow."""
    hole, device = footage.hole(n), footage.device
    rows, columns = np.nonzero(hole.samples)
    x, y = (columns + hole.x).astype(np.int32), (rows + hole.y).astype(np.int32)
    there_x, there_y = put_together(device, [x, y])
    start = there_x, there_y
    limit = footage.settings.consistency
    ends = walk(footage, n, *start, later=later, steps=STEPS, stop=True, limit=limit, flows=flows)
    index = device.arrays.arange(x.size, dtype=np.int32)
    planes = 3 if footage.format.family == "RGB" else 1
    pixels = HolePixels(*start, (start[0],) * planes, (start[1],) * planes, (index[:, None],) * planes)
    samples = [
        sample_ends(footage, n, pixels, plane, index, start, ends, 1 if later else -1) for plane in range(planes)
    ]
    got, state, *values = get_together(device, [samples[0][0], ends.state, *(value for _, value in samples)])
    return Shown(x, y, luma_of(values, footage.format), np.where(got, state, 0).astype(np.int32))


@dataclass(frozen=True, slots=True)
class _End:
    """One of a pair's two pictures on a box of the grid of flow, with its hole filled from one side.

    Attributes:
        picture: float32 ``(height, width)``, luma from 0 to 255.
            It is where flow is measured; the others are on the host.
        missing: uint8, 1 where the hole is not shown.
        steps: float32, how many frames away the hole is shown; 0 outside it.
    """

    picture: NDArray[np.float32]
    missing: NDArray[np.uint8]
    steps: NDArray[np.float32]

    @staticmethod
    def of(footage: Footage, n: int, what: Shown, box: Box) -> "_End":
        """Frame n on a box."""
        measuring, arrays = footage.measuring, footage.measuring.arrays
        x0, y0, x1, y1 = box
        picture = footage.luma(n, box)
        inside = (what.x >= x0) & (what.x < x1) & (what.y >= y0) & (what.y < y1)
        at = what.y[inside] - y0, what.x[inside] - x0
        steps, missing = np.zeros((2, *picture.shape), np.uint8)
        steps[at] = what.steps[inside]
        missing[at] = what.steps[inside] == 0
        values = np.zeros(picture.shape, np.float32)
        values[at] = what.value[inside]
        found, there = put_together(measuring, [steps, values])
        scale = footage.flow_scale
        return _End(
            coarser(arrays.where(found > 0, there, picture), scale), coarser_hole(missing, scale),
            coarser_hole(steps, scale).astype(np.float32),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Gap:
    """What there is to measure on one box.

    Attributes:
        flow: Completed, ``(4, height, width)`` in pixels of the frame.
        unknown: bool, where it is not measured.
        earlier, later: The pair's pictures.
    """

    flow: NDArray[np.float32]
    unknown: NDArray[np.bool_]
    earlier: _End
    later: _End


def _measured(footage: Footage, gap: _Gap) -> NDArray[np.float32]:
    """Flow on one box, set right where both ends are shown."""
    flow, unknown, earlier, later = gap.flow, gap.unknown, gap.earlier, gap.later
    rim = max(1, round(REFINED_RIM * footage.size[0] / footage.flow_scale))
    missing = np.maximum(earlier.missing, later.missing)
    sure = unknown & (unknown_flow(missing, rim) == 0)
    if not sure.any():
        return flow
    left, top, columns, rows = cv2.boundingRect(sure.astype(np.uint8))
    part = (
        slice(max(0, top - _NEIGHBOURHOOD), top + rows + _NEIGHBOURHOOD),
        slice(max(0, left - _NEIGHBOURHOOD), left + columns + _NEIGHBOURHOOD),
    )
    measuring, arrays = footage.measuring, footage.measuring.arrays
    scale = np.float32(footage.flow_scale)
    before = arrays.ascontiguousarray(flow[:, *part]) / scale
    pictures = laplace_fill(
        arrays.stack([earlier.picture[part], later.picture[part]]), np.ascontiguousarray(missing[part]), _LEVEL
    )
    found = footage.estimator.both_ways(pictures[0], pictures[1], before, footage.workers, full=True)
    *steps, maybe = put_together(measuring, [earlier.steps[part], later.steps[part], sure[part]])
    limit = np.float32(footage.settings.consistency / footage.flow_scale)
    errors, agreed = [], []
    for here, there, way, back in (
        (steps[0], steps[1], slice(0, 2), slice(2, 4)),
        (steps[1], steps[0], slice(2, 4), slice(0, 2)),
    ):
        path = here + 1 + at_ends(there[None], before[way])[0]
        errors.append((found[way] - before[way]) / path)
        # Where it does not come home, the two pictures show different things: a thing before its ground, as a rule.
        home_x, home_y = found[way] + at_ends(found[back], found[way])
        agreed.append(maybe & (home_x * home_x + home_y * home_y < limit * limit))
    decided = get_together(measuring, agreed)
    corrections = [
        _spread(error, home, unknown[part], rim, measuring) for error, home in zip(errors, decided, strict=True)
    ]
    out = flow.copy()
    out[:, *part] += arrays.concatenate(corrections) * scale
    return out


def _spread(
    error: NDArray[np.float32], sure: NDArray[np.bool_], unknown: NDArray[np.bool_], rim: int, measuring: Device
) -> NDArray[np.float32]:
    """Corrections where they are sure, free of stray vectors, and fading into what is unknown beside them.

    Masks are on the host.
    """
    arrays = measuring.arrays
    if not sure.any():
        return arrays.zeros_like(error)  # type: ignore[no-any-return]
    distance = cv2.distanceTransform((~sure).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    fading = np.clip(1 - distance / np.float32(_FADE * rim), 0, 1).astype(np.float32)
    agreed, fading, wanted = put_together(measuring, [sure, fading, unknown])
    error = arrays.where(agreed, error, np.float32(0))
    error = laplace_fill(error, (unknown & ~sure).astype(np.uint8), _STILL)
    return arrays.where(wanted, median(error * fading), np.float32(0))  # type: ignore[no-any-return]
