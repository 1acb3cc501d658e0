"""Carry known pixels along completed flow into the hole."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vsdfvi.engine.footage import Footage
from vsdfvi.frames.masks import subsampled
from vsdfvi.kernels import LOST, Device, Packed, sample_lanczos, trace_step
from vsdfvi.kernels.device import put_together

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

    def on(self, device: Device) -> "HolePixels":
        """The same, which are on the host, on a device."""
        if device.is_host:
            return self
        count = len(self.column)
        x, y, *lists = put_together(device, [self.x, self.y, *self.column, *self.row, *self.cover])
        return HolePixels(x, y, *(tuple(lists[k * count : (k + 1) * count]) for k in range(3)))


def hole_pixels(footage: Footage, n: int) -> HolePixels:
    """The pixels of frame n's hole, on the host."""
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
    flow: Callable[[int], Packed] | None = None,
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
        flow: Between frames n and n + 1, by n; ``Footage.flow`` unless given.
        nearest: Frames away from which a walk may stop; it goes on through known picture before.
    """
    flow = footage.flow if flow is None else flow
    arrays, count = footage.device.arrays, x.size
    places = x.astype(np.float32), y.astype(np.float32)
    error, state = arrays.zeros(count, np.float32), arrays.zeros(count, np.int32)
    met = []
    for step in range(1, steps + 1):
        entered = n + step if later else n - step
        pair = min(entered, entered + 1 if not later else entered - 1)
        if not 0 <= entered < footage.frames or footage.cut(pair):
            state[:] = arrays.where(state == 0, LOST, state)  # not by a mask: a GPU's host would wait for its count
            break
        hole, there = footage.hole_there(entered, blocks=blocks)
        trace_step(
            *places, error, state, flow(pair), hole, size=footage.size, later=later, step=step,
            stop=stop and step >= nearest, scale=footage.flow_scale, limit=limit, hole_there=there,
        )  # fmt: skip
        some_met, some_walk = arrays.stack([(state == step).any(), (state == 0).any()]).tolist()
        if some_met:
            met.append(step)
        if not some_walk:
            break
    if stop:
        state[:] = arrays.where(state == 0, LOST, state)
    return Trajectories(*places, error, state, tuple(met))


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
    error, state = before.error.copy(), arrays.full(before.x.size, LOST, np.int32)
    met = []
    last = min(before.steps[-1] + MORE_STEPS, settings.radius)
    for step in range(before.steps[0] + 1, last + 1):
        entered = n + step if later else n - step
        pair = entered - 1 if later else entered
        if not 0 <= entered < footage.frames or footage.cut(pair):
            break
        # Those that found their source in the frame that is left set out; those that have walked long enough end.
        state[:] = arrays.where(before.state == step - 1, 0, state)
        state[:] = arrays.where((state == 0) & (before.state > 0) & (before.state < step - MORE_STEPS), LOST, state)
        if not bool((state == 0).any()):
            continue
        if not footage.boxes(pair):
            break  # nothing is missing there, so no flow leads on; whoever looks farther asks for frames in vain
        hole, there = footage.hole_there(entered, blocks=blocks)
        trace_step(
            *places, error, state, footage.flow(pair), hole, size=footage.size, later=later, step=step, stop=True,
            scale=footage.flow_scale, limit=settings.consistency, hole_there=there,
        )  # fmt: skip
        if bool((state == step).any()):
            met.append(step)
    state[:] = arrays.where(state == 0, LOST, state)
    return Trajectories(*places, error, state, tuple(met))


def sample_sources(
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
    arrays = footage.device.arrays
    value = arrays.zeros(index.size, np.float32)
    got = arrays.zeros(index.size, np.uint8)
    for step in side.steps:
        entered = n + sign * step
        pair = entered - 1 if sign > 0 else entered
        source = footage.source(entered, footage.boxes(pair))[plane]
        sample_lanczos(
            source, pixels.column[plane], pixels.row[plane], index, start, (side.x, side.y), side.state,
            value, got, step=step, subsampling=footage.format.subsampling(plane),
        )  # fmt: skip
    return got.astype(bool), value
