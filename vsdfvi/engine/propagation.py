"""Carry known pixels along completed flow into the hole."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vsdfvi.engine.footage import Footage
from vsdfvi.frames.masks import subsampled
from vsdfvi.kernels import LOST, Device, Packed
from vsdfvi.kernels.device import put_together
from vsdfvi.kernels.walks import Crossing, sample_sources, trace_walk

MORE_STEPS = 2
"""Frames beyond a source in which the next one is looked for: what lies farther adds more drift than it averages."""


@dataclass(frozen=True, slots=True)
class HolePixels:
    """The pixels of one frame's hole, and the samples of each plane that they cover, on the host or on a device.

    Attributes:
        x, y: int32 ``(pixels)``, in reading order.
        column, row: For each plane, int32 ``(samples)``: the samples to fill.
        cover: For each plane, int32 ``(samples, k)``: indices of the pixels that a sample covers, -1 where it covers a
            known one. k is 1 for plane 0.
    """

    x: NDArray[np.int32]
    y: NDArray[np.int32]
    column: tuple[NDArray[np.int32], ...]
    row: tuple[NDArray[np.int32], ...]
    cover: tuple[NDArray[np.int32], ...]

    @property
    def count(self) -> int:
        return int(self.x.size)

    @property
    def nbytes(self) -> int:
        return sum(array.nbytes for array in (self.x, self.y, *self.column, *self.row, *self.cover))

    def on(self, device: Device) -> "HolePixels":
        """The same, which are on the host, on a device."""
        if device.is_host:
            return self
        count = len(self.column)
        x, y, *lists = put_together(device, [self.x, self.y, *self.column, *self.row, *self.cover])
        return HolePixels(x, y, *(tuple(lists[k * count : (k + 1) * count]) for k in range(3)))


def hole_pixels(footage: Footage, n: int) -> HolePixels:
    """The pixels of frame n's hole, on the host."""
    return footage.remember(("hole pixels", footage.hole_key(n)), lambda: _make_hole_pixels(footage, n))


def _make_hole_pixels(footage: Footage, n: int) -> HolePixels:
    hole = footage.hole(n)
    video_format = footage.format
    align_x, align_y = 1 << video_format.subsampling_w, 1 << video_format.subsampling_h
    left, top = hole.x // align_x * align_x, hole.y // align_y * align_y
    rows, columns = hole.samples.shape
    width = min(-(-(hole.x + columns - left) // align_x) * align_x, video_format.width - left)
    height = min(-(-(hole.y + rows - top) // align_y) * align_y, video_format.height - top)
    whole = hole.crop(left, top, width, height)
    y, x = np.nonzero(whole)
    number = np.full(whole.shape, -1, np.int32)
    number[y, x] = np.arange(y.size, dtype=np.int32)

    column, row, cover = [], [], []
    for plane in range(video_format.planes):
        right, down = video_format.subsampling(plane)
        v, u = np.nonzero(subsampled(whole, right, down))
        blocks = number.reshape(height >> down, 1 << down, width >> right, 1 << right).transpose(0, 2, 1, 3)
        column.append((u + (left >> right)).astype(np.int32))
        row.append((v + (top >> down)).astype(np.int32))
        cover.append(np.ascontiguousarray(blocks[v, u].reshape(v.size, 1 << (right + down))))
    return HolePixels((x + left).astype(np.int32), (y + top).astype(np.int32), tuple(column), tuple(row), tuple(cover))


@dataclass(frozen=True, slots=True)
class Trajectories:
    """Where the walks of one frame's hole pixels ended, in one direction of time, on the device.

    Attributes:
        x, y: float32 ``(pixels)``, position in the frame where the walk ended.
        error: float32, the worst forward/backward disagreement of flow on the way, in pixels.
        state: int32, the number of steps to the frame where known picture was met; ``LOST`` where none was.
        steps: The numbers of steps at which any walk met it, on the host.
    """

    x: NDArray[np.float32]
    y: NDArray[np.float32]
    error: NDArray[np.float32]
    state: NDArray[np.int32]
    steps: tuple[int, ...]

    @property
    def found(self) -> NDArray[np.bool_]:
        return self.state > 0


@dataclass(frozen=True, slots=True)
class Flows:
    """Flow between frames n and n + 1, by n, and whether it is there already: making it may ask for frames."""

    make: Callable[[int], Packed]
    knows: Callable[[int], bool]


def entered_by(n: int, step: int, *, later: bool) -> tuple[int, int]:
    """The frame that a step from frame n arrives in, and the pair of frames that it crosses, by the earlier one."""
    return (n + step, n + step - 1) if later else (n - step, n - step)


@dataclass(frozen=True, slots=True)
class _Walk:
    """A walk under way from frame n, in one direction of time. ``trace_walk`` says what its arrays are."""

    footage: Footage
    n: int
    later: bool
    blocks: bool
    flows: Flows
    places: tuple[NDArray[np.float32], NDArray[np.float32]]
    error: NDArray[np.float32]
    state: NDArray[np.int32]
    since: NDArray[np.int32]

    def go(self, steps: Sequence[int], *, most: int, nearest: int, limit: float) -> tuple[tuple[int, ...], bool]:
        """Walk some steps, ascending, until all walks have ended.

        A GPU's host waits for the result of each call, so as many steps go into one as lead along flow that is known.
        For what no walk comes to no flow is made.

        Returns:
            The steps at which known picture was met, and whether the way went on to the last.
        """
        footage, met = self.footage, list[int]()
        taken = 0
        while taken < len(steps):
            call = self._call(steps[taken:])
            if not call:
                return tuple(met), False
            found, walking = trace_walk(
                footage.device, *self.places, self.error, self.state, self.since, call, size=footage.size,
                later=self.later, first=steps[taken], most=most, nearest=nearest, scale=footage.flow_scale,
                limit=limit,
            )  # fmt: skip
            met += found
            if not walking:
                break
            taken += len(call)
        return tuple(met), True

    def _call(self, steps: Sequence[int]) -> list[Crossing]:
        """The crossings of the first steps, as many as there is flow for, and one at least where the way goes on."""
        call: list[Crossing] = []
        for step in steps:
            entered, pair = entered_by(self.n, step, later=self.later)
            goes_on = 0 <= entered < self.footage.frames
            if call and not (goes_on and step == steps[0] + len(call) and self.flows.knows(pair)):
                break
            # Without boxes nothing is missing there, and no flow leads on: whoever looks farther asks in vain.
            if not goes_on or self.footage.cut(pair) or not self.footage.boxes(pair):
                break
            call.append(Crossing(self.flows.make(pair), *self.footage.hole_there(entered, blocks=self.blocks)))
        return call


def walk(
    footage: Footage,
    n: int,
    x: NDArray[np.int32],
    y: NDArray[np.int32],
    *,
    later: bool,
    steps: int,
    stop: bool,
    limit: float,
    blocks: bool = False,
    flows: Flows | None = None,
    nearest: int = 1,
) -> Trajectories:
    """Walk pixels of frame n along completed flow, frame by frame, composing one trajectory for each.

    Shapes:
        x, y: int32 ``(pixels)`` on the device.

    Args:
        later: Towards later frames, along ``flow_fw``; else towards earlier ones, along ``flow_bw``.
        steps: Frames to walk at most. A scene's end and the clip's end it.
        stop: End a walk on known picture. Without it, walks that take all steps end with ``state`` 0.
        limit: Forward/backward disagreement, in pixels, that loses a walk.
        blocks: Known is what is known in every plane (``Footage.block_hole``); else what is known in plane 0.
        flows: ``Footage.flow`` unless given.
        nearest: Frames away from which a walk may stop; it goes on through known picture before.
    """
    arrays, count = footage.device.arrays, x.size
    places = x.astype(np.float32), y.astype(np.float32)
    error, state, since = arrays.zeros(count, np.float32), arrays.zeros(count, np.int32), arrays.zeros(count, np.int32)
    way = _Walk(footage, n, later, blocks, flows or footage_flows(footage), places, error, state, since)
    met, whole = way.go(range(1, steps + 1), most=steps, nearest=nearest if stop else steps + 1, limit=limit)
    if stop or not whole:
        state = arrays.where(state == 0, np.int32(LOST), state)
    return Trajectories(*places, error, state, met)


def footage_flows(footage: Footage) -> Flows:
    """The footage's completed flow."""
    return Flows(footage.flow, footage.knows_flow)


def find_sources(
    footage: Footage, n: int, x: NDArray[np.int32], y: NDArray[np.int32], *, later: bool, blocks: bool
) -> tuple[Trajectories, ...]:
    """The walks of pixels of frame n to the nearest frames on one side that show them: to the nearest, the next, ...

    As many as the setting ``sources`` says, each at least ``min_distance`` frames away. After the first, a walk goes
    on for a few frames only.

    Shapes:
        x, y: int32 ``(pixels)`` on the device.
    """
    settings = footage.settings
    first = walk(
        footage, n, x, y, later=later, steps=settings.radius, stop=True, limit=settings.consistency, blocks=blocks,
        nearest=settings.min_distance,
    )  # fmt: skip
    found = [first]
    for _ in range(settings.sources - 1):
        if not found[-1].steps:
            break
        found.append(_next_source(footage, n, found[-1], later=later, blocks=blocks))
    return tuple(found)


def _next_source(footage: Footage, n: int, before: Trajectories, *, later: bool, blocks: bool) -> Trajectories:
    """The walks of those pixels that have found a source, from there to the next one."""
    arrays, settings = footage.device.arrays, footage.settings
    places = before.x.copy(), before.y.copy()
    error, state = before.error.copy(), arrays.where(before.found, np.int32(0), np.int32(LOST))
    steps = {step + more for step in before.steps for more in range(1, MORE_STEPS + 1)}
    way = _Walk(footage, n, later, blocks, footage_flows(footage), places, error, state, before.state)
    met, _ = way.go(
        sorted(step for step in steps if step <= settings.radius), most=MORE_STEPS, nearest=1,
        limit=settings.consistency,
    )  # fmt: skip
    return Trajectories(*places, error, arrays.where(state == 0, np.int32(LOST), state), met)


def sample_ends(
    footage: Footage,
    n: int,
    pixels: HolePixels,
    plane: int,
    index: NDArray[np.int32],
    start: tuple[NDArray[np.int32], NDArray[np.int32]],
    side: Trajectories,
    sign: int,
) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """Samples of a plane at the ends of the trajectories of one side: which were got, and their values in codes.

    All arrays are on the device.
    """
    sources = sources_of(footage, n, plane, side.steps, later=sign > 0)
    value, got = sample_sources(
        footage.device, sources, pixels.column[plane], pixels.row[plane], index, start, (side.x, side.y), side.state,
        subsampling=footage.format.subsampling(plane),
    )  # fmt: skip
    return got.astype(bool), value


def sources_of(footage: Footage, n: int, plane: int, steps: Iterable[int], *, later: bool) -> dict[int, Packed]:
    """A plane of the frames some steps away on one side, by the number of steps, where walks arrive in them."""
    found = {}
    for step in steps:
        entered, pair = entered_by(n, step, later=later)
        found[step] = footage.source(entered, footage.boxes(pair))[plane]
    return found
