"""What simple methods reach: each works on the clip's own planes and writes into the hole alone."""

from collections import deque
from collections.abc import Iterator
from itertools import islice

import cv2
import numpy as np
from numpy.typing import NDArray

Planes = tuple[NDArray[np.generic], ...]
Holes = tuple[NDArray[np.bool_], ...]

TELEA_RADIUS = 3  # samples
MEDIAN_FRAMES = 15
_FLOAT_CODES = 65535
MEDIAN_REACH = 32
"""Frames on each side of a frame that the median looks at: the window holds that many in the clip's own samples."""


def telea(frames: Iterator[tuple[Planes, Holes]]) -> Iterator[Planes]:
    """Frames with the hole inpainted in each by itself.

    Source:
        Telea, "An image inpainting technique based on the fast marching method", J. Graphics Tools 9, 2004 (OpenCV's).
    """
    for planes, holes in frames:
        yield tuple(_telea_plane(plane, hole) for plane, hole in zip(planes, holes, strict=True))


def median(frames: Iterator[tuple[Planes, Holes]]) -> Iterator[Planes]:
    """Frames with the median of the nearest frames in which a sample is visible, without motion compensation.

    What no frame in reach shows is left to ``telea``.
    """
    window: deque[tuple[Planes, Holes]] = deque(islice(frames, MEDIAN_REACH + 1))
    at = 0
    while at < len(window):
        planes = [_median_plane([(p[plane], h[plane]) for p, h in window], at) for plane in range(len(window[at][0]))]
        yield tuple(_telea_plane(plane, hole) for plane, hole in planes)
        window.extend(islice(frames, 1))
        if at == MEDIAN_REACH:
            window.popleft()
        else:
            at += 1


def _telea_plane(plane: NDArray[np.generic], hole: NDArray[np.bool_]) -> NDArray[np.generic]:
    if not hole.any():
        return plane
    # OpenCV's Telea adds up to two codes to what it fills, whatever the range: next to nothing in codes of 16 bit, but
    # more than the whole range of a float clip. It takes single floats, not half ones.
    known = plane.astype(np.float32) * np.float32(_FLOAT_CODES) if plane.dtype.kind == "f" else plane
    filled = cv2.inpaint(known, hole.astype(np.uint8), TELEA_RADIUS, cv2.INPAINT_TELEA)  # type: ignore[arg-type]
    if plane.dtype.kind == "f":
        filled = filled / np.float32(_FLOAT_CODES)
    return np.where(hole, filled.astype(plane.dtype), plane)


def _median_plane(
    window: list[tuple[NDArray[np.generic], NDArray[np.bool_]]], at: int
) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
    """One plane with what the window shows of its hole, and what is left of that."""
    plane, hole = window[at]
    rows, columns = np.nonzero(hole)
    seen = np.full((MEDIAN_FRAMES, rows.size), np.nan, np.float32)
    have = np.zeros(rows.size, np.int64)
    for distance in range(1, len(window)):
        for other in (at - distance, at + distance):
            if 0 <= other < len(window):
                show = np.flatnonzero(~window[other][1][rows, columns] & (have < MEDIAN_FRAMES))
                seen[have[show], show] = window[other][0][rows[show], columns[show]]
                have[show] += 1
        if (have == MEDIAN_FRAMES).all():
            break
    got = have > 0
    out, left = plane.copy(), hole.copy()
    if got.any():
        middle = np.nanmedian(seen[:, got], axis=0)
        out[rows[got], columns[got]] = (
            middle if plane.dtype.kind == "f" else np.floor(middle + np.float32(0.5))
        ).astype(plane.dtype)
        left[rows[got], columns[got]] = False
    return out, left
