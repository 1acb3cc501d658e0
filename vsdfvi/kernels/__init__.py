"""Typed functions over the kernels: check the arrays, choose the device, launch.

Every kernel has one text, a header of this folder. On the CPU it runs from the plugin's library (``_cpu``), on a GPU
through CuPy (``_gpu``): where its arrays are. In signatures an array is NumPy's; one of CuPy's does as well, if all of
a call are.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsdfvi.kernels._cpu import Workers, return_free_memory, use_library
from vsdfvi.kernels._launch import launch, module_of
from vsdfvi.kernels.device import HOST, Device

__all__ = [
    "HOST",
    "LOST",
    "Device",
    "Packed",
    "Plane",
    "Workers",
    "module_of",
    "pack",
    "return_free_memory",
    "sample_flow",
    "sample_lanczos",
    "trace_step",
    "use_library",
]

Array = NDArray[np.generic]

LOST = -1
"""State of a trajectory that ended without meeting known picture."""

_BOX_INTS = 6
_GRAIN = 4096  # items below which a second thread costs more than it saves (tests/benchmarks/bench_kernels.py)
_PHASES = 512
_TAPS = 8


@dataclass(frozen=True, slots=True)
class Packed:
    """Planes that exist only on some boxes of the frame; ``regions.h`` states the layout.

    Attributes:
        samples: float32, one dimension, on some device.
        boxes: int32 ``(count, 6)``, on the host.
        table: The same where the samples are.
    """

    samples: NDArray[np.float32]
    boxes: NDArray[np.int32]
    table: NDArray[np.int32]

    @property
    def nbytes(self) -> int:
        return self.samples.nbytes + self.boxes.nbytes

    @property
    def is_on_host(self) -> bool:
        return isinstance(self.samples, np.ndarray)

    def on(self, device: Device) -> "Packed":
        """The same planes on a device, which they are on already, or are on the host."""
        if device.is_host or not self.is_on_host:
            return self
        return Packed(device.put(self.samples), self.boxes, device.put(self.boxes))

    def on_host(self, device: Device) -> "Packed":
        """The same planes, which are on a device, on the host."""
        return self if self.is_on_host else Packed(device.get(self.samples), self.boxes, self.boxes)

    def planes(self, box: int) -> NDArray[np.float32]:
        """A view ``(planes, height, width)`` of one box."""
        _, _, width, height, offset, planes = (int(value) for value in self.boxes[box])
        return self.samples[offset : offset + planes * height * width].reshape(planes, height, width)

    def crop(self, x: int, y: int, width: int, height: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """A rectangle of the set's grid ``(planes, height, width)``, 0 where no box is, and where one is."""
        arrays = module_of(self.samples)
        planes = int(self.boxes[:, 5].max(initial=0))
        out, there = arrays.zeros((planes, height, width), np.float32), arrays.zeros((height, width), bool)
        for box, (left, top, columns, rows) in enumerate(self.boxes[:, :4].tolist()):
            x0, x1 = max(x, left), min(x + width, left + columns)
            y0, y1 = max(y, top), min(y + height, top + rows)
            if x0 < x1 and y0 < y1:
                inside = slice(y0 - y, y1 - y), slice(x0 - x, x1 - x)
                out[:, *inside] = self.planes(box)[:, y0 - top : y1 - top, x0 - left : x1 - left]
                there[inside] = True
        return out, there


def pack(corners: list[tuple[int, int]], stacks: list[NDArray[np.float32]], device: Device = HOST) -> Packed:
    """Planes of boxes, packed.

    Shapes:
        corners: (x, y) of each box on the set's own grid.
        stacks: ``(planes, height, width)`` for each box, all of one device.

    Args:
        device: Where the stacks are.
    """
    boxes = np.zeros((len(stacks), _BOX_INTS), np.int32)
    offset = 0
    for row, (x, y), stack in zip(boxes, corners, stacks, strict=True):
        planes, height, width = stack.shape
        row[:] = x, y, width, height, offset, planes
        offset += stack.size
    if offset >= 1 << 31:
        raise ValueError(f"a packed set must be fewer than 2^31 samples, got {offset}")
    arrays = device.arrays
    samples = arrays.concatenate([stack.ravel() for stack in stacks]) if stacks else arrays.zeros(0, np.float32)
    return Packed(samples.astype(np.float32, copy=False), boxes, device.put(boxes))


@dataclass(frozen=True, slots=True)
class Plane:
    """A rectangle of uint8 placed in a frame; the frame is 0 outside it.

    Attributes:
        x, y: Where its first sample lies.
        samples: ``(height, width)`` uint8, contiguous, on the host; may be empty.
    """

    x: int
    y: int
    samples: NDArray[np.uint8]

    @property
    def nbytes(self) -> int:
        return self.samples.nbytes

    @property
    def is_empty(self) -> bool:
        return self.samples.size == 0

    def crop(self, x: int, y: int, width: int, height: int) -> NDArray[np.uint8]:
        """A contiguous copy of a rectangle of the frame."""
        out = np.zeros((height, width), np.uint8)
        rows, columns = self.samples.shape
        top, left = max(y, self.y), max(x, self.x)
        bottom, right = min(y + height, self.y + rows), min(x + width, self.x + columns)
        if top < bottom and left < right:
            out[top - y : bottom - y, left - x : right - x] = self.samples[
                top - self.y : bottom - self.y, left - self.x : right - self.x
            ]
        return out


def _check(dtype: type[np.generic], **arrays: Array) -> None:
    """Refuse an array of another type: a kernel would read its bytes as something else."""
    for name, array in arrays.items():
        if array.dtype != dtype:
            raise ValueError(f"{name} must be of {np.dtype(dtype)}, got {array.dtype}")


def trace_step(
    x: NDArray[np.float32],
    y: NDArray[np.float32],
    error: NDArray[np.float32],
    state: NDArray[np.int32],
    flow: Packed,
    hole: Plane,
    *,
    size: tuple[int, int],
    later: bool,
    step: int,
    stop: bool,
    scale: int,
    limit: float,
    hole_there: NDArray[np.uint8] | None = None,
) -> None:
    """Move every walking trajectory one frame on, in place; ``trace.h`` states how.

    Args:
        flow: Planes fw x, fw y, bw x, bw y of the pair of frames that is crossed.
        hole: Of the frame that is entered.
        hole_there: The hole's samples where the other arrays are; on the host they are there.
        size: (height, width) of the frame.
        later: The walk goes to later frames: along fw. Else to earlier ones: along bw.
        step: Number of this step, 1 or more: what ``state`` becomes where known picture is met.
        stop: Whether known picture ends a walk.
        scale: Pixels per flow sample.
        limit: Largest forward/backward error of a step, in pixels.
    """
    _check(np.float32, x=x, y=y, error=error)
    _check(np.int32, state=state)
    _check(np.uint8, hole=hole.samples)
    rows, columns = hole.samples.shape
    launch(
        "trace_step", (0, len(x)), x, y, error, state, flow.samples, flow.table, len(flow.boxes), 0 if later else 2,
        hole.samples if hole_there is None else hole_there, hole.x, hole.y, columns, rows, size[1], size[0], step,
        int(stop), after=(float(scale), float(limit)), grain=_GRAIN // 4,
    )  # fmt: skip


@cache
def lanczos_table() -> NDArray[np.float32]:
    """Weights of the Lanczos kernel with a = 4 at each phase, ``(phases + 1, 8)``, every row summing to 1.

    Source:
        Duchon, "Lanczos filtering in one and two dimensions", J. Applied Meteorology 18, 1979.
    """
    phase = np.arange(_PHASES + 1)[:, None] / _PHASES
    distance = np.arange(-3, 5)[None, :] - phase
    weights = np.sinc(distance) * np.sinc(distance / 4) * (np.abs(distance) < 4)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


@cache
def _lanczos_table_on(device: int) -> Any:
    """The table on the current GPU, which has this number."""
    import cupy

    return cupy.asarray(lanczos_table())


def _lanczos_table_beside(array: Any) -> Any:
    if isinstance(array, np.ndarray):
        return lanczos_table()
    return _lanczos_table_on(module_of(array).cuda.Device().id)


def sample_lanczos(
    source: Packed,
    column: NDArray[np.int32],
    row: NDArray[np.int32],
    index: NDArray[np.int32],
    start: tuple[NDArray[np.int32], NDArray[np.int32]],
    end: tuple[NDArray[np.float32], NDArray[np.float32]],
    state: NDArray[np.int32],
    out: NDArray[np.float32],
    got: NDArray[np.uint8],
    *,
    step: int,
    subsampling: tuple[int, int],
) -> None:
    """Sample a source frame where trajectories ended at this step, into ``out``; ``sample.h`` states how.

    Args:
        subsampling: log2, (horizontal, vertical), of the plane.
    """
    _check(np.float32, end_x=end[0], end_y=end[1], out=out)
    _check(np.int32, column=column, row=row, index=index, start_x=start[0], start_y=start[1], state=state)
    _check(np.uint8, got=got)
    launch(
        "sample_lanczos", (0, len(column)), source.samples, source.table, len(source.boxes), column, row, index,
        start[0], start[1], end[0], end[1], state, _lanczos_table_beside(out), out, got, step, _PHASES,
        after=(1.0 / (1 << subsampling[0]), 1.0 / (1 << subsampling[1])), grain=_GRAIN // 4,
    )  # fmt: skip


def sample_flow(
    flow: Packed,
    plane: int,
    x: NDArray[np.float32],
    y: NDArray[np.float32],
    state: NDArray[np.int32],
    out: NDArray[np.float32],
    *,
    size: tuple[int, int],
    step: int,
    scale: int,
) -> None:
    """Flow at the ends of the trajectories that ended at this step, into ``out`` ``(2, items)``, bilinear."""
    launch(
        "sample_flow", (0, len(x)), flow.samples, flow.table, len(flow.boxes), plane, x, y, state, out, len(x), step,
        size[1], size[0], after=(float(scale),), grain=_GRAIN,
    )  # fmt: skip
