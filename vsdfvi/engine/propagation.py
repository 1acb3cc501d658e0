"""Carry known pixels along completed flow into the hole."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vsdfvi.engine.footage import Footage
from vsdfvi.frames.masks import subsampled
from vsdfvi.kernels import LOST, Device, Packed, module_of, sample_lanczos, trace_step
from vsdfvi.kernels.device import put_together


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


@dataclass(frozen=True, slots=True)
class Traced:
    """What other frames show of one frame's hole.

    Attributes:
        pixels: The hole, on the host.
        there: The hole on the device, as all that follows.
        earlier, later: The trajectories to both sides.
        values: For each plane, float32 ``(samples)`` in codes; of no meaning where not reached.
        reached: For each plane, bool ``(samples)``.
        given: bool ``(pixels)``: those that no walk found, and the reference shows; None without a reference.
    """

    pixels: HolePixels
    there: HolePixels
    earlier: Trajectories
    later: Trajectories
    values: tuple[NDArray[np.float32], ...]
    reached: tuple[NDArray[np.bool_], ...]
    given: NDArray[np.bool_] | None = None

    @property
    def found(self) -> NDArray[np.bool_]:
        """Which pixels a walk found, on the device."""
        return self.earlier.found | self.later.found

    @property
    def unreached(self) -> NDArray[np.bool_]:
        """Which pixels are left to invent, on the device."""
        return ~self.found if self.given is None else ~(self.found | self.given)


def trace(footage: Footage, n: int) -> Traced:
    """Trace every hole pixel of frame n to the frames that show it, on both sides, and blend what they show.

    A source is sampled once, where the composed trajectory ends. Both sides are weighted with the inverse of their
    distance in frames: truth wants the blend (docs/design.md).
    """
    here = hole_pixels(footage, n)
    arrays, pixels = footage.device.arrays, here.on(footage.device)
    earlier, later = _both_sides(footage, n, pixels.x, pixels.y, blocks=False)
    sides = earlier.found.astype(np.int32) + later.found
    values: list[NDArray[np.float32]] = []
    reached: list[NDArray[np.bool_]] = []
    for plane in range(footage.format.planes):
        index = _followed(pixels.cover[plane], sides)
        start, ends = (pixels.x, pixels.y), (earlier, later)
        if pixels.cover[plane].shape[1] > 1:
            # A subsampled plane walks by itself: a pixel that is known in a source may share its chroma with the hole.
            start = pixels.x[index], pixels.y[index]
            if plane == 1:
                chroma = _both_sides(footage, n, *start, blocks=True)
            ends, index = chroma, arrays.arange(index.size, dtype=np.int32)
        total = arrays.zeros(index.size, np.float32)
        weight = arrays.zeros(index.size, np.float32)
        for side, sign in zip(ends, (-1, 1), strict=True):
            got, value = sample_sources(footage, n, pixels, plane, index, start, side, sign)
            share = np.float32(1) / arrays.maximum(side.state[index], 1).astype(np.float32)
            total += arrays.where(got, share * value, 0)
            weight += arrays.where(got, share, 0)
        reached.append(weight > 0)
        values.append((total / arrays.maximum(weight, np.float32(1e-20))).astype(np.float32, copy=False))
    return Traced(here, pixels, earlier, later, tuple(values), tuple(reached))


def _both_sides(
    footage: Footage, n: int, x: NDArray[np.int32], y: NDArray[np.int32], *, blocks: bool
) -> tuple[Trajectories, Trajectories]:
    """The walks of pixels to the earlier and to the later frame that show them."""
    radius, limit = footage.settings.radius, footage.settings.consistency
    earlier, later = (
        walk(
            footage,
            n,
            x,
            y,
            later=side,
            steps=radius,
            stop=True,
            limit=limit,
            blocks=blocks,
            nearest=footage.settings.min_distance,
        )
        for side in (False, True)
    )
    return earlier, later


def _followed(cover: NDArray[np.int32], sides: NDArray[np.int32]) -> NDArray[np.int32]:
    """The pixel whose trajectory each sample follows: of those it covers, the first that most sides reach."""
    arrays = module_of(cover)
    if cover.shape[1] == 1:
        return arrays.ascontiguousarray(cover[:, 0])  # type: ignore[no-any-return]
    best = arrays.where(cover >= 0, sides[cover], -1).argmax(axis=1)
    return arrays.ascontiguousarray(arrays.take_along_axis(cover, best[:, None], axis=1)[:, 0])  # type: ignore[no-any-return]


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
