"""A fill that begins gradually: over the outermost pixels of the hole it fades into what the clip has there."""

import cv2
import numpy as np
from numpy.typing import NDArray

from vsdfvi.engine.footage import Footage
from vsdfvi.engine.propagation import HolePixels


def softened(
    footage: Footage, n: int, pixels: HolePixels, values: tuple[NDArray[np.float32], ...]
) -> tuple[NDArray[np.float32], ...]:
    """For each plane, values of frame n's hole samples, mixed with the clip's own towards the hole's border.

    A pixel that is d pixels away from the nearest known one (1 at the border) takes the share d / (soften + 1) of the
    fill, and all of it from there on. A subsampled sample takes the mean share of the pixels that it covers, of which
    known ones have none. Where the clip has no number, the fill stands. The frame's border is no border of the hole.

    Shapes:
        values: float32 ``(samples)`` in codes, on the host; returned likewise, the same arrays where ``soften`` is 0.
    """
    soften = footage.settings.soften
    if not soften or pixels.count == 0:
        return values
    share = _shares(footage, n, pixels, soften)
    frame = footage.frame(n)
    mixed = []
    for plane, fill in enumerate(values):
        cover = pixels.cover[plane]
        of_samples = np.where(cover >= 0, share[cover], np.float32(0)).mean(axis=1, dtype=np.float32)
        own = frame.planes[plane][pixels.row[plane], pixels.column[plane]].astype(np.float32)
        whole = (of_samples >= 1) | ~np.isfinite(own)
        own[whole] = 0
        mixed.append(np.where(whole, fill, own + of_samples * (fill - own)).astype(np.float32, copy=False))
    return tuple(mixed)


def _shares(footage: Footage, n: int, pixels: HolePixels, soften: int) -> NDArray[np.float32]:
    """The share of the fill in each hole pixel."""
    hole = footage.hole(n)
    rows, columns = hole.samples.shape
    # One known pixel around it, but none beyond the frame: there the hole goes on.
    sides = hole.y > 0, hole.y + rows < footage.size[0], hole.x > 0, hole.x + columns < footage.size[1]
    top, bottom, left, right = (int(side) for side in sides)
    framed = np.pad(hole.samples, ((top, bottom), (left, right)))
    if framed.all():
        return np.ones(pixels.count, np.float32)
    distance = cv2.distanceTransform(framed, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    away = distance[pixels.y - hole.y + top, pixels.x - hole.x + left]
    share: NDArray[np.float32] = np.minimum(away / np.float32(soften + 1), np.float32(1))
    return share
