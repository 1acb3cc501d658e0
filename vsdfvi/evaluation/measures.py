"""How near a repaired clip is to the truth: frames go in one by one, figures come out. docs/evaluation.md defines them.

Pictures are RGB of 8 bit, ``(height, width, 3)`` uint8; holes are bool ``(height, width)``.
"""

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from vsdfvi.evaluation.borders import Border
from vsdfvi.evaluation.mean import Mean
from vsdfvi.evaluation.motion import Hole, Motion, Picture, luma_of
from vsdfvi.evaluation.texture import ROUNDING, Repetition, fine_of, grain_in_flats

PSNR_LIMIT = 100.0
"""dB that count for equal pictures, so that a mean over frames is a number."""

WINDOWS = (65, 7)
"""Sides of the windows of SSIM: that of the papers' code on video inpainting (ProPainter's and those before it), and
that of Wang et al., "Image quality assessment", IEEE TIP 2004, as scikit-image has it."""


def psnr(mean_square: float) -> float:
    """PSNR in dB of samples of 8 bit from their mean squared error, ``PSNR_LIMIT`` at most."""
    return PSNR_LIMIT if mean_square <= 0 else min(PSNR_LIMIT, 10 * float(np.log10(255.0**2 / mean_square)))


def ssim(found: Picture, truth: Picture, window: int) -> float:
    """Mean structural similarity of two pictures over windows of equal weight and all channels.

    A window of equal samples scores 1, so only the surroundings of samples that differ are computed: the result is
    that of the whole pictures.

    Args:
        window: Side of the window, odd. In a smaller picture, the largest that fits.
    """
    height, width = truth.shape[:2]
    window = min(window, height - 1 + height % 2, width - 1 + width % 2)
    differs = (found != truth).any(axis=2)
    if not differs.any():
        return 1.0
    half = window // 2
    spans = [np.flatnonzero(differs.any(axis=axis)) for axis in (1, 0)]
    top, left = (max(0, int(span[0]) - 2 * half) for span in spans)
    bottom, right = (min(side, int(span[-1]) + 2 * half + 1) for span, side in zip(spans, (height, width), strict=True))
    # A crop as large as a window at least: half of one on both sides of a sample is not, at the picture's border.
    top, left = max(0, min(top, bottom - window)), max(0, min(left, right - window))
    bottom, right = max(bottom, top + window), max(right, left + window)
    # scikit-image has types, but not here.
    _, scores = structural_similarity(  # type: ignore[no-untyped-call]
        found[top:bottom, left:right].astype(np.float64), truth[top:bottom, left:right].astype(np.float64),
        win_size=window, data_range=255, channel_axis=2, full=True,
    )  # fmt: skip
    whole: NDArray[np.float64] = scores[
        half : bottom - top - half, half : right - left - half
    ]  # windows that lie inside
    windows: int = (height - 2 * half) * (width - 2 * half) * 3
    return 1.0 - float(np.sum(1.0 - whole)) / windows


class WarpError:
    """Warping error of a clip along the motion of the clean one: 1000 x mean squared difference, range 0 to 1.

    Source:
        Lai et al., "Learning blind video temporal consistency", ECCV 2018, section 4.2, with DIS for its flow and the
        consistency of flow for its mask.
    """

    def __init__(self) -> None:
        self._frames, self._hole = Mean(), Mean()
        self._before: tuple[Picture, Hole] | None = None

    def add(self, picture: Picture, hole: Hole, motion: Motion | None) -> None:
        """Take the next frame; ``motion`` comes to it from the one before."""
        if self._before is not None and motion is not None:
            earlier, earlier_hole = self._before
            warped = cv2.remap(picture, motion.x, motion.y, cv2.INTER_LINEAR)
            error = (((earlier.astype(np.float32) - warped) / 255) ** 2).mean(axis=2)
            warped_hole = cv2.remap(hole.astype(np.uint8), motion.x, motion.y, cv2.INTER_NEAREST) > 0
            if motion.trusted.any():
                self._frames.add(error[motion.trusted].mean(keepdims=True))
            self._hole.add(error[motion.trusted & (earlier_hole | warped_hole)])
        self._before = picture, hole

    @property
    def whole(self) -> float:
        """Mean over frames of the mean over a frame."""
        return 1000 * self._frames.value

    @property
    def hole(self) -> float:
        """Over pixels that are hole in the earlier frame, or that move into the hole of the later."""
        return 1000 * self._hole.value


class Score:
    """All figures of one repaired clip that its pictures give.

    Args:
        whole: Also those of whole frames, which take most of the time: PSNR, SSIM and warping error.
    """

    def __init__(self, *, whole: bool = True) -> None:
        self._psnr = Mean()
        self._ssim = {window: Mean() for window in WINDOWS}
        self._square, self._absolute, self._flicker = Mean(), Mean(), Mean()
        self._grain = Mean(), Mean()
        self._grain_flat = Mean(), Mean()
        self._repetition = Repetition(), Repetition()
        self._warp = WarpError()
        self._before: tuple[NDArray[np.float32], Hole] | None = None
        self._whole = whole
        self.border = Border()

    def add(self, found: Picture, truth: Picture, hole: Hole, motion: Motion | None) -> None:
        """Take the next frame; ``motion`` is the clean clip's from the frame before, None at the first."""
        error = found.astype(np.float32) - truth
        if self._whole:
            self._psnr.add(np.array([psnr(float((error.astype(np.float64) ** 2).mean()))]))
            for window, mean in self._ssim.items():
                mean.add(np.array([ssim(found, truth, window)]))
            self._warp.add(found, hole, motion)
        self._square.add(error[hole].astype(np.float64) ** 2)
        self._absolute.add(np.abs(error[hole]))
        if self._before is not None:
            either = hole | self._before[1]
            self._flicker.add(np.abs(error[either] - self._before[0][either]))
        self._before = error, hole
        lumas = luma_of(found), luma_of(truth)
        for luma, energy, energy_flat, repetition in zip(
            lumas, self._grain, self._grain_flat, self._repetition, strict=True
        ):
            fine = fine_of(luma)
            energy.add(fine[hole] ** 2)
            if hole.any():
                energy_flat.add(np.array([grain_in_flats(luma, fine, hole)]))
            repetition.add(fine, hole, motion)
        self.border.add(*lumas, hole)

    def figures(self) -> dict[str, float]:
        """The figures by name; what nothing was there for is not a number."""
        found, truth = (mean.value for mean in self._grain)
        found_flat, truth_flat = (mean.value for mean in self._grain_flat)
        ours, theirs = self._repetition
        border = self.border
        whole = {
            "psnr": self._psnr.value,
            **{f"ssim{window}": mean.value for window, mean in self._ssim.items()},
            "ewarp": self._warp.whole,
            "ewarp_hole": self._warp.hole,
        }
        return {
            **(whole if self._whole else {}),
            "hole_psnr": psnr(self._square.value) if self._square.count else float("nan"),
            "hole_mae": self._absolute.value,
            "flicker": self._flicker.value,
            "ring": border.ring,
            "step": border.step / border.step_truth if border.step_truth > 0 else float("nan"),
            "grain": found / truth if truth > 0 else float("nan"),
            "grain_flat": (found_flat + ROUNDING) / (truth_flat + ROUNDING),
            "grain_still": ours.still,
            "grain_still_truth": theirs.still,
            "grain_along": ours.along,
            "grain_along_truth": theirs.along,
        }


def changed_samples(
    found: tuple[NDArray[np.generic], ...], truth: tuple[NDArray[np.generic], ...], holes: tuple[Hole, ...]
) -> int:
    """Samples outside the hole whose bytes differ, over all planes."""
    count = 0
    for plane, (ours, theirs) in enumerate(zip(found, truth, strict=True)):
        bits = np.dtype(f"u{ours.dtype.itemsize}")  # compared as bits: a NaN that stayed is no change
        count += int(((ours.view(bits) != theirs.view(bits)) & ~holes[plane]).sum())
    return count
