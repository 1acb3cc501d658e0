"""Fill a hole with what patches and edges agree upon, and with the patches' texture."""

import cv2
import numpy as np
from numpy.typing import NDArray

from vsdfvi.kernels._launch import launch, module_of
from vsdfvi.kernels.exemplar import CONTRAST, checked, exemplar_testimony
from vsdfvi.kernels.laplace import by_colour, laplace_fill
from vsdfvi.kernels.structure import structure_fill

_TOLERANCE = 1e-4  # of smooth fills, in the picture's range: below a tenth of an 8-bit step
_SCREEN = 0.15  # what is finer than 2.5 pixels or so is the patches' alone: 0.3 scores 0.1 dB more and keeps 0.05 less
_SWEEPS, _OMEGA = 24, 1.3
_MISFIT = 0.3  # patches that fit this badly count half
_DOUBT = 0.15  # and those that are this far apart, of the full range
_GRAIN = 4096


def meld_fill(
    image: NDArray[np.float32], hole: NDArray[np.uint8], *, source: NDArray[np.uint8] | None = None, seed: int = 0
) -> NDArray[np.float32]:
    """The image with its hole filled, equal to it outside the hole.

    Broad light and edges are the mean of two guesses: edges diffused from the border, and what all patches that fit say
    on average, set right by what they say beside the hole, where it is known. The worse patches fit what is known, and
    the less they agree, the less they count: of several answers the mean is nearest to the truth. Texture is that of
    single patches. Where no whole patch may be copied, edges are all; where nothing at all is known, 0.

    Shapes:
        image: ``(channels, height, width)`` float32, 1 to 3 channels, luma first, 1.0 = full range, on the host or a
            GPU. Samples in the hole have no influence; those that are not finite count as hole in all but the result.
        hole: ``(height, width)`` uint8, on the host, 1 = to fill.
        source: ``(height, width)`` uint8, on the host, 1 = may be copied; what is hole is never copied.

    Args:
        seed: Of the random search for patches, any whole number of 31 bits.

    Source:
        ``meld.h``, ``structure.h`` and ``exemplar.h`` name the papers.
    """
    image, hole, source = checked(image, hole, source)
    arrays = module_of(image)
    filled = image.copy()
    if not hole.any():
        return filled
    finite = arrays.isfinite(image).all(axis=0)
    unknown = hole | (~(finite if arrays is np else finite.get())).astype(np.uint8)
    if unknown.any():
        image = arrays.where(finite, image, np.float32(0))
    invented = _invented(image, unknown, source & (1 - unknown), seed)
    filled[:] = arrays.where(arrays.asarray(hole) == 1, invented, filled)
    return filled


def _invented(
    image: NDArray[np.float32], hole: NDArray[np.uint8], source: NDArray[np.uint8], seed: int
) -> NDArray[np.float32]:
    """The finite image with its hole filled."""
    arrays = module_of(image)
    smooth = structure_fill(image, hole, CONTRAST, _TOLERANCE)
    rim = cv2.dilate(hole, np.ones((3, 3), np.uint8)).astype(np.uint8) - hole
    said = exemplar_testimony(image, hole, source, rim, seed)
    if said is None:
        return smooth
    # Patches also cover known pixels, where it is seen what they are wrong by.
    wrong = arrays.where(arrays.asarray(rim) == 1, image - said.mean, np.float32(0))
    patched = said.mean + laplace_fill(wrong, hole, _TOLERANCE)
    trust = arrays.asarray(np.float32(1) / (np.float32(1) + (said.misfit * np.float32(1 / _MISFIT)) ** 2))
    doubt = said.spread * np.float32(1 / _DOUBT**2)
    share = trust / (doubt + np.float32(1))
    target = arrays.where(arrays.asarray(hole) == 1, smooth + share * (patched - smooth), image)
    return _textured(image, hole, target, said.origin)


def _textured(
    image: NDArray[np.float32], hole: NDArray[np.uint8], target: NDArray[np.float32], origin: NDArray[np.int32]
) -> NDArray[np.float32]:
    """The target with the fine texture of what is copied."""
    arrays = module_of(image)
    count, height, width = image.shape
    pixels, reds = by_colour(hole)
    there, unknown = arrays.asarray(pixels), arrays.asarray(hole)
    slopes = arrays.zeros(image.shape, np.float32)
    launch("meld_slopes", (0, pixels.size), image, unknown, there, origin, slopes, count, width, height, grain=_GRAIN)
    melded: NDArray[np.float32] = target.copy()
    launch(
        "meld_settle", (0, count), melded, target, slopes, there, reds, pixels.size, width, height, _SWEEPS,
        after=(_OMEGA, _SCREEN), together=True,
    )  # fmt: skip
    known = unknown == 0
    for channel in range(count):
        low = arrays.where(known, image[channel], np.float32(np.inf)).min()
        high = arrays.where(known, image[channel], np.float32(-np.inf)).max()
        melded[channel] = arrays.minimum(arrays.maximum(melded[channel], low), high)
    return melded
