"""Fill a hole with the solution of Laplace's equation."""

import cv2
import numpy as np
from numpy.typing import NDArray

from vsdfvi.kernels import _cpu

_GRAIN = 8192  # items below which a second thread costs more than it saves
_CHECK_EVERY = 8  # sweeps between looks at how far the values still move
_MAX_SWEEPS = 4096


def laplace_fill(planes: NDArray[np.float32], hole: NDArray[np.uint8], tolerance: float) -> NDArray[np.float32]:
    """Planes with the hole filled smoothly from its border; known samples are returned as they are.

    Shapes:
        planes: ``(count, height, width)`` float32. Values in the hole have no influence.
        hole: ``(height, width)`` uint8, 1 = unknown; the same for all planes.

    Convention:
        Known neighbours hold the boundary; the picture's border is free. A hole without any known
        sample is filled with 0.

    Args:
        tolerance: Largest movement of a value in a sweep at which iteration ends, in the planes' unit.

    Source:
        Over-relaxation in red-black order: Young, "Iterative solution of large linear systems", 1971. Starting from the
        solution at half the size: Bornemann and Deuflhard, "The cascadic multigrid method", Numer. Math. 75, 1996.
    """
    filled = np.ascontiguousarray(planes, np.float32).copy()
    where = np.flatnonzero(hole)
    if where.size == 0:
        return filled
    if where.size == hole.size:
        filled[:] = 0
        return filled
    _solve(filled, np.ascontiguousarray(hole), where.astype(np.int32), tolerance)
    return filled


def _solve(planes: NDArray[np.float32], hole: NDArray[np.uint8], where: NDArray[np.int32], tolerance: float) -> None:
    """Fill the hole in place, coarse grids first."""
    count, height, width = planes.shape
    coarse_height, coarse_width = (height + 1) // 2, (width + 1) // 2
    coarse = np.empty((count, coarse_height, coarse_width), np.float32)
    coarse_hole = np.empty((coarse_height, coarse_width), np.uint8)
    _cpu.launch(
        "laplace_restrict", (0, coarse_height), planes, hole, coarse, coarse_hole, count, width, height,
        grain=max(1, _GRAIN * 4 // coarse_width),
    )  # fmt: skip
    coarse_where = np.flatnonzero(coarse_hole).astype(np.int32)
    if coarse_where.size:
        _solve(coarse, coarse_hole, coarse_where, tolerance)
    _cpu.launch("laplace_prolong", (0, where.size), coarse, where, planes, count, width, height, grain=_GRAIN)

    # The best factor for a strip as wide as the widest place of the hole.
    thickness = 2.0 * float(cv2.distanceTransform(hole, cv2.DIST_L1, 3).max())
    omega = 2.0 / (1.0 + np.sin(np.pi / (thickness + 1.0)))
    black = ((where // width + where % width) & 1).astype(bool)
    sizes = count, width, height
    sweeps = [
        _cpu.prepared("laplace_sweep", (0, pixels.size), planes, pixels, *sizes, after=(float(omega),), grain=_GRAIN)
        for pixels in (where[~black], where[black])
    ]
    flat = planes.reshape(count, -1)
    for sweep in range(_MAX_SWEEPS):
        look = sweep % _CHECK_EVERY == _CHECK_EVERY - 1
        before = flat[:, where] if look else None
        for colour in sweeps:
            colour()
        if before is not None and float(np.abs(flat[:, where] - before).max()) <= tolerance:
            return
