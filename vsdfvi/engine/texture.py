"""Fine texture: what is finer than a Gaussian lets through; and a blend of fills that keeps it."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

SIGMA = 1.5  # pixels: what a Gaussian of this deviation takes away is fine texture, and grain

Array = NDArray[np.float32]


def smoothed(picture: Array, known: Array) -> Array:
    """A picture without its fine texture, from its known samples alone; 0 where none is near.

    Shapes:
        picture, known: ``(height, width)``; known is 1, or 0 where the picture has no meaning.
    """
    weight = _blurred(known)
    smooth: Array = (_blurred(picture * known) / np.maximum(weight, np.float32(1e-6))).astype(np.float32, copy=False)
    return smooth


def _blurred(picture: Array) -> Array:
    return cv2.GaussianBlur(picture, (0, 0), SIGMA, borderType=cv2.BORDER_CONSTANT).astype(np.float32, copy=False)


@dataclass(frozen=True, slots=True)
class Carried:
    """What one key frame shows of the samples of a hole.

    Attributes:
        values: float32 ``(samples)``, in codes.
        share: float32: its weight; 0 where it shows nothing.
    """

    values: Array
    share: Array


def crossfade(
    parts: Sequence[Carried],
    at: tuple[NDArray[np.int32], NDArray[np.int32]],
    values: Array,
    reached: NDArray[np.bool_],
) -> tuple[Array, NDArray[np.bool_]]:
    """The weighted mean of what key frames show, with as much fine texture as each of them has; and where any does.

    Two textures that were invented apart are as good as independent: half of each keeps half of their energy, and a
    fill would fade and come back between any two key frames. So what is fine is blended by weights whose energy is 1.

    Shapes:
        at: rows and columns of the samples.
        values, reached: ``(samples)``, what is known beside that, for the surroundings.
    """
    total, weight = np.zeros_like(values), np.zeros_like(values)
    for part in parts:
        total += part.share * part.values
        weight += part.share
    mean: Array = (total / np.maximum(weight, np.float32(1e-20))).astype(np.float32, copy=False)
    there = weight > 0
    both = np.logical_and.reduce([part.share > 0 for part in parts])
    if len(parts) < 2 or not both.any():
        return mean, there
    y0, x0 = (int(each.min()) for each in at)
    shape = tuple(int(each.max()) - least + 1 for each, least in zip(at, (y0, x0), strict=True))
    place = at[0] - y0, at[1] - x0
    known = np.zeros(shape, np.float32)
    known[place] = there | reached
    fine = []
    for part in parts:
        picture = np.zeros(shape, np.float32)
        picture[place] = np.where(part.share > 0, part.values, np.where(reached, values, mean))
        fine.append((picture - smoothed(picture, known))[place])
    shares = [part.share / np.maximum(weight, np.float32(1e-20)) for part in parts]
    blend = sum(share * each for share, each in zip(shares, fine, strict=True))
    energy = sum(float((each[both].astype(np.float64) ** 2).mean()) for each in fine) / len(fine)
    product = float((fine[0][both].astype(np.float64) * fine[1][both]).mean())
    alike = min(max(product / energy, 0.0), 1.0) if energy > 0 else 1.0
    kept = shares[0] ** 2 + shares[1] ** 2 + 2 * np.float32(alike) * shares[0] * shares[1]
    gain = np.where(both, 1 / np.sqrt(np.maximum(kept, np.float32(0.25))), np.float32(1))
    return (mean + (gain - 1) * blend).astype(np.float32), there
