"""Fill a hole smoothly, but so that edges go on into it."""

import cv2
import numpy as np
from numpy.typing import NDArray

from vsdfvi.kernels import _launch
from vsdfvi.kernels._launch import launch, module_of
from vsdfvi.kernels.laplace import laplace_fill

REACH = 4  # of the smoothing, in pixels
SMOOTHING = 2.0  # deviation of the Gaussian by which edges are looked for, in pixels
_STEP = 0.2
_STEPS = 10  # between looks at where edges are
_LOOKS = 12  # at each size of the picture: 120 steps spread a value about 7 pixels far
_THIN = 3.0  # half width of a hole, in pixels, that needs no smaller picture
_GRAIN = 2048  # pixels below which a second thread costs more than it saves


def structure_fill(
    planes: NDArray[np.float32], hole: NDArray[np.uint8], contrast: float, tolerance: float
) -> NDArray[np.float32]:
    """Planes with the hole filled from its border along edges; known samples are returned as they are.

    No value leaves the range of those at the hole's border.

    Shapes:
        planes: ``(count, height, width)`` float32, finite, on the host or a GPU. Edges are those of the first. Values
            in the hole have no influence.
        hole: ``(height, width)`` uint8, on the host, 1 = unknown; the same for all planes.

    Args:
        contrast: Slope of the smoothed first plane, in its unit a pixel, from which it counts as an edge.
        tolerance: Of the smooth fill it begins with, in the planes' unit.

    Source:
        ``structure.h`` names the papers. Beginning with the solution at half the size is Bornemann and Deuflhard's, as
        in ``laplace_fill``.
    """
    arrays = module_of(planes)
    if not hole.any() or hole.all():
        return laplace_fill(planes, hole, tolerance)
    hole = np.ascontiguousarray(hole)
    if cv2.distanceTransform(hole, cv2.DIST_C, 3).max() <= _THIN:
        filled = laplace_fill(planes, hole, tolerance)
    else:
        filled = arrays.array(planes, np.float32, order="C")
        _begin_at_half_size(filled, hole, contrast, tolerance)
    _follow_edges(filled, hole, contrast)
    return filled


def _begin_at_half_size(
    planes: NDArray[np.float32], hole: NDArray[np.uint8], contrast: float, tolerance: float
) -> None:
    """Fill the hole in place from the fill of a picture half the size."""
    arrays = module_of(planes)
    count, height, width = planes.shape
    half_height, half_width = (height + 1) // 2, (width + 1) // 2
    coarse = arrays.empty((count, half_height, half_width), np.float32)
    coarse_hole = arrays.empty((half_height, half_width), np.uint8)
    launch(
        "laplace_restrict", (0, half_height), planes, arrays.asarray(hole), coarse, coarse_hole, count, width, height,
        grain=max(1, _GRAIN * 16 // half_width), columns=half_width,
    )  # fmt: skip
    on_host = coarse_hole if arrays is np else coarse_hole.get()
    coarse = structure_fill(coarse, on_host, 2 * contrast, tolerance)  # at half the size a slope is twice as steep
    pixels = arrays.asarray(_places(hole))
    launch("laplace_prolong", (0, pixels.size), coarse, pixels, planes, count, width, height, grain=_GRAIN * 4)


def _follow_edges(planes: NDArray[np.float32], hole: NDArray[np.uint8], contrast: float) -> None:
    """Diffuse what stands in the hole along its edges, in place."""
    arrays = module_of(planes)
    count, height, width = planes.shape
    pixels = arrays.asarray(_places(hole))
    near = arrays.asarray(_places(cv2.dilate(hole, np.ones((3, 3), np.uint8)).astype(np.uint8)))
    tensor = arrays.empty((3, height, width), np.float32)
    slopes, bell = (arrays.asarray(weights) for weights in gaussian())
    look = _launch.prepared(
        "structure_tensor", (0, near.size), planes, near, slopes, bell, tensor, width, height, after=(float(contrast),),
        grain=_GRAIN // 8,
    )  # fmt: skip
    other = planes.copy()
    there, back = (
        _launch.prepared(
            "structure_step", (0, pixels.size), *pair, tensor, pixels, count, width, height, after=(_STEP,),
            grain=_GRAIN,
        )
        for pair in ((planes, other), (other, planes))
    )  # fmt: skip
    for _ in range(_LOOKS):
        look()
        for _ in range(_STEPS // 2):
            there()
            back()


def gaussian() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A Gaussian's slope and the Gaussian itself, so that a plane that rises by 1 a pixel has the slope 1."""
    at = np.arange(-REACH, REACH + 1, dtype=np.float64)
    bell = np.exp(-0.5 * (at / SMOOTHING) ** 2)
    bell /= bell.sum()
    slopes = at * bell
    slopes /= (at * slopes).sum()
    return slopes.astype(np.float32), bell.astype(np.float32)


def _places(mask: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Where a mask is set, ``y * width + x``."""
    return np.flatnonzero(mask).astype(np.int32)
