"""Walks over many frames in one call each: a frame of video may take hundreds of steps, and a call has its price.

On a GPU a launch costs the host more than a step of a small hole costs the card, and so does asking how far a walk
came. So a call is given the addresses of what all of its steps need.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsdfvi.kernels import _GRAIN, _PHASES, Packed, Plane, _check, _lanczos_table_beside
from vsdfvi.kernels._launch import launch
from vsdfvi.kernels.device import Device

_SOURCE_NUMBERS = 3
_LARGEST = (1 << 31) - 1


@dataclass(frozen=True, slots=True)
class Crossing:
    """What one step of a walk crosses, and where it arrives.

    Attributes:
        flow: Planes fw x, fw y, bw x, bw y of the pair of frames that is crossed.
        hole: Of the frame that is entered.
        hole_there: The hole's samples where the flow is; on the host they are there.
    """

    flow: Packed
    hole: Plane
    hole_there: NDArray[np.uint8]

    @property
    def arrays(self) -> tuple[Any, ...]:
        return self.flow.samples, self.flow.table, self.hole_there

    def numbers(self, row: int) -> tuple[int, ...]:
        """The crossing as ``trace.h`` has it."""
        rows, columns = self.hole.samples.shape
        flow = _address(self.flow.samples), _address(self.flow.table), len(self.flow.boxes)
        return *flow, _address(self.hole_there), self.hole.x, self.hole.y, columns, rows, row


def _address(array: Any) -> int:
    """Where an array's first number is."""
    if not array.flags.c_contiguous:
        raise ValueError(f"a kernel's array must be contiguous, got strides {array.strides} for {array.shape}")
    if isinstance(array, np.ndarray):
        return int(array.__array_interface__["data"][0])
    return int(array.data.ptr)


def _numbers(device: Device, rows: Sequence[tuple[int, ...]]) -> NDArray[np.int64]:
    return device.put(np.array(rows, np.int64))  # type: ignore[no-any-return]


def trace_walk(
    device: Device,
    x: NDArray[np.float32],
    y: NDArray[np.float32],
    error: NDArray[np.float32],
    state: NDArray[np.int32],
    since: NDArray[np.int32],
    crossings: Sequence[Crossing],
    *,
    size: tuple[int, int],
    later: bool,
    first: int,
    most: int,
    nearest: int,
    scale: int,
    limit: float,
) -> tuple[tuple[int, ...], bool]:
    """Take every walking trajectory as many steps on as there are crossings, or to its end, in place.

    ``trace.h`` states how. It waits for the result.

    Args:
        device: Where the arrays are.
        since: Steps that lie behind each trajectory before it sets out.
        size: (height, width) of the frame.
        later: The walk goes to later frames: along fw. Else to earlier ones: along bw.
        first: The number of the first crossing's step, 1 or more.
        most: Steps after which a trajectory that has found nothing is lost.
        nearest: The first step that may end on known picture; one that is never reached for a walk without an end.
        scale: Pixels per flow sample.
        limit: Largest forward/backward error of a step, in pixels.

    Returns:
        The steps at which any trajectory found known picture, ascending, and whether any has still to walk.
    """
    _check(np.float32, x=x, y=y, error=error)
    _check(np.int32, state=state, since=since)
    met = device.arrays.zeros(len(crossings) + 1, np.int32)
    launch(
        "trace_walk", (0, len(x)), x, y, error, state, since,
        _numbers(device, [crossing.numbers(-1) for crossing in crossings]), met, len(crossings), 0 if later else 2,
        size[1], size[0], first, most, nearest, after=(float(scale), float(limit)), grain=_GRAIN // 16,
        alive=tuple(array for crossing in crossings for array in crossing.arrays),
    )  # fmt: skip
    *found, walking = device.get(met).tolist()
    return tuple(first + k for k, flag in enumerate(found) if flag), bool(walking)


@dataclass(frozen=True, slots=True)
class Places:
    """Where pixels are after some steps.

    Attributes:
        x, y: float32 ``(rows, pixels)``.
        state: int32 ``(rows, pixels)``: the number of the step where the pixel lies on known picture, 0 where it does
            not, ``LOST`` where it was lost before.
    """

    x: NDArray[np.float32]
    y: NDArray[np.float32]
    state: NDArray[np.int32]


def trace_follow(
    device: Device,
    x: NDArray[np.int32],
    y: NDArray[np.int32],
    crossings: Sequence[Crossing],
    wanted: Sequence[int],
    *,
    size: tuple[int, int],
    later: bool,
    scale: int,
    limit: float,
) -> Places:
    """Where pixels are after some steps of a walk without an end; ``trace.h`` states how.

    Args:
        crossings: From step 1 on.
        wanted: The steps, ascending: a row of the result for each.
        size, later, scale, limit: As for ``trace_walk``.
    """
    _check(np.int32, x=x, y=y)
    arrays, rows = device.arrays, {step: row for row, step in enumerate(wanted)}
    shape = len(wanted), x.size
    to_x, to_y = arrays.empty(shape, np.float32), arrays.empty(shape, np.float32)
    state = arrays.empty(shape, np.int32)
    numbers = _numbers(device, [crossing.numbers(rows.get(k + 1, -1)) for k, crossing in enumerate(crossings)])
    launch(
        "trace_follow", (0, x.size), x, y, numbers, to_x, to_y, state, len(crossings), x.size, 0 if later else 2,
        size[1], size[0], after=(float(scale), float(limit)), grain=_GRAIN // 16,
        alive=tuple(array for crossing in crossings for array in crossing.arrays),
    )  # fmt: skip
    return Places(to_x, to_y, state)


def sample_sources(
    device: Device,
    sources: Mapping[int, Packed],
    column: NDArray[np.int32],
    row: NDArray[np.int32],
    index: NDArray[np.int32],
    start: tuple[NDArray[np.int32], NDArray[np.int32]],
    end: tuple[NDArray[np.float32], NDArray[np.float32]],
    state: NDArray[np.int32],
    *,
    subsampling: tuple[int, int],
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Sample the frames where trajectories ended, each its own; ``sample.h`` states how.

    Shapes:
        column, row, index: ``(samples)``. start: ``(pixels)``. end, state: ``(pixels)``, or ``(turns, pixels)``.

    Args:
        sources: A plane of the frames that are asked for, by the number of steps to them.
        subsampling: log2, (horizontal, vertical), of the plane.

    Returns:
        Values, 0 where nothing was got, and uint8 1 where something was: ``(samples)``, or ``(turns, samples)``.
    """
    _check(np.float32, end_x=end[0], end_y=end[1])
    _check(np.int32, column=column, row=row, index=index, start_x=start[0], start_y=start[1], state=state)
    arrays, pixels = device.arrays, int(start[0].size)
    shape = *state.shape[:-1], int(column.size)
    items = int(np.prod(shape))
    if items > _LARGEST or state.size > _LARGEST:
        raise ValueError(f"samples must be fewer than 2^31, got {max(items, state.size)}")
    out, got = arrays.zeros(shape, np.float32), arrays.zeros(shape, np.uint8)
    if not sources:
        return out, got
    numbers = _source_numbers(device, sources)
    launch(
        "sample_sources", (0, items), numbers, len(numbers), column, row, index, start[0], start[1], end[0], end[1],
        state, _lanczos_table_beside(out), out, got, int(column.size), pixels, _PHASES, after=_inverse(subsampling),
        grain=_GRAIN // 4, alive=_arrays_of(sources),
    )  # fmt: skip
    return out, got


def blend_sources(
    device: Device,
    sources: Mapping[int, Packed],
    column: NDArray[np.int32],
    row: NDArray[np.int32],
    index: NDArray[np.int32],
    start: tuple[NDArray[np.int32], NDArray[np.int32]],
    end: tuple[NDArray[np.float32], NDArray[np.float32]],
    state: NDArray[np.int32],
    group: NDArray[np.int32],
    light: NDArray[np.float32],
    blend: NDArray[np.float32],
    *,
    subsampling: tuple[int, int],
) -> None:
    """Sample the frames where trajectories ended, and add that to a blend, in place; ``sample.h`` states how.

    Shapes:
        column, row, index: ``(samples)``. start, end, state, group: ``(pixels)``. light: ``(5, steps + 1, groups)``.
        blend: ``(4, samples)``: sums of share * value, share * value^2, share * error, share.

    Args:
        sources: A plane of the frames that are asked for, by the number of steps to them.
        light: By the number of steps: gain, offset, error in codes, and what ends are moved by along x and y.
        subsampling: log2, (horizontal, vertical), of the plane.
    """
    _check(np.float32, end_x=end[0], end_y=end[1], light=light, blend=blend)
    _check(np.int32, column=column, row=row, index=index, start_x=start[0], start_y=start[1], state=state, group=group)
    _, rows, groups = light.shape
    if not sources:
        return
    if max(sources) >= rows:
        raise ValueError(f"light must reach over {max(sources)} steps, got {rows - 1}")
    numbers, samples = _source_numbers(device, sources), int(column.size)
    launch(
        "blend_sources", (0, samples), numbers, len(numbers), column, row, index, start[0], start[1], end[0], end[1],
        state, group, light, _lanczos_table_beside(blend), blend, samples, rows, groups, _PHASES,
        after=_inverse(subsampling), grain=_GRAIN // 4, alive=_arrays_of(sources),
    )  # fmt: skip


def _source_numbers(device: Device, sources: Mapping[int, Packed]) -> NDArray[np.int64]:
    """What ``sample_sources`` finds its sources by: a row for each number of steps from 1 on."""
    return _numbers(
        device,
        [
            (0,) * _SOURCE_NUMBERS
            if (source := sources.get(step)) is None
            else (_address(source.samples), _address(source.table), len(source.boxes))
            for step in range(1, max(sources) + 1)
        ],
    )


def _arrays_of(sources: Mapping[int, Packed]) -> tuple[Any, ...]:
    return tuple(array for source in sources.values() for array in (source.samples, source.table))


def _inverse(subsampling: tuple[int, int]) -> tuple[float, float]:
    return 1.0 / (1 << subsampling[0]), 1.0 / (1 << subsampling[1])
