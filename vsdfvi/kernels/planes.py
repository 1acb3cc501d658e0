"""Typed functions over ``warp.h`` and ``median.h``, of whole planes."""

import cv2
import numpy as np
from numpy.typing import NDArray

from vsdfvi.kernels._launch import launch, module_of

_GRAIN = 8192  # samples below which a second thread costs more than it saves
_SIDE = 5


def at_ends(planes: NDArray[np.float32], flow: NDArray[np.float32]) -> NDArray[np.float32]:
    """Planes ``(count, height, width)`` where vectors ``(2, height, width)`` of their pixels end, in pixels, bilinear.

    Beyond the border its samples go on.
    """
    arrays = module_of(planes)
    planes, flow = arrays.ascontiguousarray(planes), arrays.ascontiguousarray(flow)
    out: NDArray[np.float32] = arrays.empty_like(planes)
    count, height, width = planes.shape
    launch(
        "warp_planes", (0, height), planes, flow, out, count, width, height, grain=max(1, _GRAIN // width),
        columns=width,
    )  # fmt: skip
    return out


def median(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    """The median of each sample's neighbourhood of 5 x 5; beyond the border its samples go on.

    Shapes:
        planes: ``(count, height, width)`` float32 without NaN; returned likewise.
    """
    arrays = module_of(planes)
    if arrays is np:  # OpenCV has the vector instructions for it, and a median is a median
        return np.stack([cv2.medianBlur(np.ascontiguousarray(plane), _SIDE) for plane in planes])
    planes = arrays.ascontiguousarray(planes)
    out: NDArray[np.float32] = arrays.empty_like(planes)
    count, height, width = planes.shape
    launch("median_planes", (0, height), planes, out, count, width, height, columns=width)
    return out
