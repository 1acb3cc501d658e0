"""Fill a hole with the solution of Laplace's equation."""

import cv2
import numpy as np
from numpy.typing import NDArray

from vsdfvi.kernels._launch import launch, module_of

_GRAIN = 8192  # items below which a second thread costs more than it saves
_CHECK_EVERY = 8  # sweeps between looks at how far the values still move: on a GPU a look makes threads wait
_MAX_SWEEPS = 4096


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
    hole = np.ascontiguousarray(hole)
    _solve(filled, hole, arrays.asarray(hole), tolerance)
    return filled


def _solve(
    planes: NDArray[np.float32], hole: NDArray[np.uint8], hole_there: NDArray[np.uint8], tolerance: float
) -> None:
    """Fill the hole in place, coarse grids first.

    Args:
        hole_there: The hole where the planes are: what is decided is decided on the host.
    """
    arrays = module_of(planes)
    count, height, width = planes.shape
    coarse_height, coarse_width = (height + 1) // 2, (width + 1) // 2
    coarse = arrays.empty((count, coarse_height, coarse_width), np.float32)
    coarse_there = arrays.empty((coarse_height, coarse_width), np.uint8)
    launch(
        "laplace_restrict", (0, coarse_height), planes, hole_there, coarse, coarse_there, count, width, height,
        grain=max(1, _GRAIN * 4 // coarse_width), columns=coarse_width,
    )  # fmt: skip
    coarse_hole = coarse_there if arrays is np else _unknown_throughout(hole)
    if coarse_hole.any():
        _solve(coarse, coarse_hole, coarse_there, tolerance)
    pixels, reds = by_colour(hole)
    where = arrays.asarray(pixels)
    launch("laplace_prolong", (0, pixels.size), coarse, where, planes, count, width, height, grain=_GRAIN)

    # The best factor for a strip as wide as the widest place of the hole.
    thickness = 2.0 * float(cv2.distanceTransform(hole, cv2.DIST_L1, 3).max())
    omega = 2.0 / (1.0 + np.sin(np.pi / (thickness + 1.0)))
    launch(
        "laplace_settle", (0, count), planes, where, reds, pixels.size, width, height, _CHECK_EVERY, _MAX_SWEEPS,
        after=(float(omega), float(tolerance)), together=True,
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
    covered = even.reshape(even.shape[0] // 2, 2, even.shape[1] // 2, 2)
    return np.ascontiguousarray(covered.min(axis=(1, 3)))
