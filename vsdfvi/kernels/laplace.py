"""Fill a hole with the solution of Laplace's equation."""

from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vsdfvi.kernels._launch import launch, module_of

_GRAIN = 8192  # items below which a second thread costs more than it saves
_CHECK_EVERY = 8  # sweeps between looks at how far the values still move: on a GPU a look makes threads wait
_MAX_SWEEPS = 4096
_KEPT = 16  # holes whose grids are remembered: a frame has some ten; 5 MiB each for a tenth of 1920x1080


def laplace_fill(planes: NDArray[np.float32], hole: NDArray[np.uint8], tolerance: float) -> NDArray[np.float32]:
    """Planes with the hole filled smoothly from its border; known samples are returned as they are.

    Shapes:
        planes: ``(count, height, width)`` float32, on the host or a GPU. Values in the hole have no influence.
        hole: ``(height, width)`` uint8, on the host, 1 = unknown; the same for all planes.

    Convention:
        Known neighbours hold the boundary; the picture's border is free. A hole without any known
        sample is filled with 0.

    Args:
        tolerance: Largest movement of a value in a sweep at which iteration ends, in the planes' unit.

    Source:
        Over-relaxation in red-black order: Young, "Iterative solution of large linear systems", 1971. Starting from the
        solution at half the size: Bornemann and Deuflhard, "The cascadic multigrid method", Numer. Math. 75, 1996.
    """
    arrays = module_of(planes)
    filled: NDArray[np.float32] = arrays.array(planes, np.float32, order="C")
    if not hole.any():
        return filled
    if hole.all():
        filled[:] = 0
        return filled
    _solve(filled, _levels_of(hole, arrays), 0, tolerance)
    return filled


@dataclass(frozen=True, slots=True)
class _Level:
    """What a hole is on one of its grids: all that depends on the hole alone, so that planes of one hole share it.

    Attributes:
        hole: uint8 ``(height, width)``, where the planes are.
        pixels: int32, those of the hole by colour, where the planes are.
        reds: How many of them are red.
        omega: The factor of over-relaxation.
    """

    hole: NDArray[np.uint8]
    pixels: NDArray[np.int32]
    reds: int
    omega: float


def _levels_of(hole: NDArray[np.uint8], arrays: ModuleType) -> tuple[_Level, ...]:
    """The hole on its own grid, at half the size, and so on while there is any.

    The last few are remembered: planes of a picture share a hole, and a hole that stands still is every frame's.
    """
    # What is uploaded is there for work on the same stream.
    place = () if arrays is np else (int(arrays.cuda.Device().id), int(arrays.cuda.get_current_stream().ptr))
    return _levels(place, hole.shape, np.packbits(hole).tobytes())


@lru_cache(maxsize=_KEPT)
def _levels(place: tuple[int, ...], shape: tuple[int, int], packed: bytes) -> tuple[_Level, ...]:
    """``_levels_of``, of a hole in bits: on the host, or where a place is given on the GPU that is current."""
    arrays = _cupy() if place else np
    bits = np.frombuffer(packed, np.uint8)
    hole = np.unpackbits(bits, count=shape[0] * shape[1]).reshape(shape)
    levels = []
    while hole.any():
        pixels, reds = by_colour(hole)
        # The best factor for a strip as wide as the widest place of the hole.
        thickness = 2.0 * float(cv2.distanceTransform(hole, cv2.DIST_L1, 3).max())
        omega = 2.0 / (1.0 + np.sin(np.pi / (thickness + 1.0)))
        levels.append(_Level(arrays.asarray(hole), arrays.asarray(pixels), reds, float(omega)))
        hole = _unknown_throughout(hole)
    return tuple(levels)


def _cupy() -> Any:
    import cupy

    return cupy


def _solve(planes: NDArray[np.float32], levels: tuple[_Level, ...], number: int, tolerance: float) -> None:
    """Fill the hole on one of its grids in place, coarser grids first."""
    arrays, level = module_of(planes), levels[number]
    count, height, width = planes.shape
    coarse_height, coarse_width = (height + 1) // 2, (width + 1) // 2
    coarse = arrays.empty((count, coarse_height, coarse_width), np.float32)
    launch(
        "laplace_restrict", (0, coarse_height), planes, level.hole, coarse,
        arrays.empty((coarse_height, coarse_width), np.uint8), count, width, height,
        grain=max(1, _GRAIN * 4 // coarse_width), columns=coarse_width,
    )  # fmt: skip
    if number + 1 < len(levels):
        _solve(coarse, levels, number + 1, tolerance)
    launch("laplace_prolong", (0, level.pixels.size), coarse, level.pixels, planes, count, width, height, grain=_GRAIN)
    launch(
        "laplace_settle", (0, count), planes, level.pixels, level.reds, level.pixels.size, width, height, _CHECK_EVERY,
        _MAX_SWEEPS, after=(level.omega, float(tolerance)), together=True,
    )  # fmt: skip


def by_colour(hole: NDArray[np.uint8]) -> tuple[NDArray[np.int32], int]:
    """The hole's pixels, ``y * width + x``, the red ones first, and how many are red."""
    rows, columns = np.nonzero(hole)
    pixels = (rows * hole.shape[1] + columns).astype(np.int32)
    black = ((rows + columns) & 1).astype(bool)
    red = pixels[~black]
    return np.concatenate([red, pixels[black]]), red.size


def _unknown_throughout(hole: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The hole at half its size: unknown where all that a coarse pixel covers is."""
    height, width = hole.shape
    even = np.pad(hole, ((0, height % 2), (0, width % 2)), constant_values=1)
    rows = np.minimum(even[::2], even[1::2])
    return np.minimum(rows[:, ::2], rows[:, 1::2])
