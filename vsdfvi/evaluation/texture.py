"""Grain and finest texture in the hole: how much there is, and how much of it stands still from frame to frame."""

import cv2
import numpy as np
from numpy.typing import NDArray

from vsdfvi.evaluation.motion import Hole, Luma, Motion, Picture, luma_of

GRAIN_SIGMA = 1.5  # pixels: what a Gaussian of this deviation takes away is grain and finest texture

ROUNDING = 1 / 12
"""Variance of rounding to whole codes: grain far below it is none."""

FLAT_SHARE = 0.3
"""Share of a hole that counts as flat."""


def fine_of(luma: Luma) -> Luma:
    """What of a luma is finer than a Gaussian lets through. Its mean is near 0."""
    smooth = cv2.GaussianBlur(luma, (0, 0), GRAIN_SIGMA, borderType=cv2.BORDER_REFLECT_101)
    return luma - smooth.astype(np.float32, copy=False)


def grain_in_flats(luma: Luma, fine: Luma, hole: Hole) -> float:
    """Variance of grain in a hole, in squared codes: of what is fine where the picture there has least structure.

    Each picture's own flats are looked at: what is invented has edges where the truth has none, and flats where it has
    edges. Structure is the slope of what is not fine, averaged twice as widely as that, so that no pixel is chosen for
    its own grain. The middle of sizes stands for all: of normal noise, the square of it is 0.455 of the variance.

    Shapes:
        luma, fine, hole: ``(height, width)``, codes of 8 bit, and ``fine_of`` them; the hole is not empty.

    Source:
        Grain is estimated on flat blocks by Norkin and Birkbeck, "Film grain synthesis for AV1 video codec", DCC 2018.
    """
    down, right = np.gradient((luma - fine).astype(np.float32, copy=False))
    slope = cv2.GaussianBlur(np.hypot(down, right), (0, 0), 2 * GRAIN_SIGMA, borderType=cv2.BORDER_REFLECT_101)[hole]
    calm = fine[hole][slope <= np.quantile(slope, FLAT_SHARE)]
    return float(np.median(np.abs(calm)) ** 2 / 0.455)


def grain(picture: Picture, hole: Hole) -> NDArray[np.float32]:
    """What of the luma in a hole is finer than a Gaussian lets through, pixel by pixel in reading order."""
    return fine_of(luma_of(picture))[hole]


class Repetition:
    """Correlation of the finest texture in the hole with that of the neighbouring frame, pooled over the clip.

    Living grain does not repeat, standing grain does: a result whose correlation is far above that of the truth has
    grain that stands still. Texture of the picture repeats in both, as far as the picture stands still, or along its
    motion. What is hole in either frame counts: a fill that is copied from a frame beside it repeats what is known
    there.

    Attributes:
        still: At the same pixel, over pixels that are hole in either frame; -1 to 1.
        along: Where the clean clip's motion leads, as far as it is trusted, over pixels of the earlier hole and those
            that move into the later. The later frame is sampled bicubically there.
    """

    def __init__(self) -> None:
        self._still, self._along = np.zeros(3), np.zeros(3)
        self._before: tuple[Luma, Hole] | None = None

    def add(self, fine: Luma, hole: Hole, motion: Motion | None) -> None:
        """Take the next frame, ``fine_of`` its luma; ``motion`` comes to it from the one before."""
        if self._before is not None and (hole.any() or self._before[1].any()):
            earlier, earlier_hole = self._before
            either = hole | earlier_hole
            self._still += _products(earlier[either], fine[either])
            if motion is not None:
                arrives = cv2.remap(hole.astype(np.uint8), motion.x, motion.y, cv2.INTER_NEAREST) > 0
                counts = (earlier_hole | arrives) & motion.trusted
                carried = cv2.remap(fine, motion.x, motion.y, cv2.INTER_CUBIC).astype(np.float32, copy=False)
                self._along += _products(earlier[counts], carried[counts])
        self._before = fine, hole

    @property
    def still(self) -> float:
        """At the same pixel."""
        return _correlation(self._still)

    @property
    def along(self) -> float:
        """Along the motion."""
        return _correlation(self._along)


def _products(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.array([(p * q).sum(dtype=np.float64) for p, q in ((a, b), (a, a), (b, b))])


def _correlation(products: NDArray[np.float64]) -> float:
    both, first, second = products.tolist()
    return float(both / np.sqrt(first * second)) if first > 0 and second > 0 else float("nan")
