"""How near a repaired clip is to the truth: frames go in one by one, figures come out. docs/evaluation.md defines them.

Pictures are RGB of 8 bit, ``(height, width, 3)`` uint8; holes are bool ``(height, width)``.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

# OpenCV's DIS cuts a picture into as many stripes as it has threads: figures must not depend on the machine's cores.
cv2.setNumThreads(1)

Picture = NDArray[np.uint8]
Hole = NDArray[np.bool_]

PSNR_LIMIT = 100.0
"""dB that count for equal pictures, so that a mean over frames is a number."""

WINDOWS = (65, 7)
"""Sides of the windows of SSIM: that of the papers' code on video inpainting (ProPainter's and those before it), and
that of Wang et al., "Image quality assessment", IEEE TIP 2004, as scikit-image has it."""

GRAIN_SIGMA = 1.5  # pixels: what a Gaussian of this deviation takes away is grain and finest texture

# Where forward and backward flow agree: Sundaram, Brox and Keutzer, "Dense point trajectories by GPU-accelerated large
# displacement optical flow", ECCV 2010, section 4.
_SLACK, _SLACK_PX2 = 0.01, 0.5


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


def grey_of(picture: Picture) -> NDArray[np.uint8]:
    """Luma of a picture."""
    return cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)


@dataclass(frozen=True, slots=True)
class Motion:
    """How a clean clip moves from one frame to the next.

    Attributes:
        x, y: float32 ``(height, width)``: where each pixel of the earlier frame lies in the later one.
        trusted: Where that lies inside, and the flow back agrees.
    """

    x: NDArray[np.float32]
    y: NDArray[np.float32]
    trusted: Hole


def motion_between(earlier: Picture, later: Picture) -> Motion:
    """The motion between two frames of the clean clip, by DIS on whole frames.

    Source:
        Kroeger, Timofte, Dai and Van Gool, "Fast optical flow using dense inverse search", ECCV 2016 (OpenCV's).
    """
    estimator = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    first, second = (
        cv2.copyMakeBorder(grey_of(p), 0, max(0, 48 - p.shape[0]), 0, max(0, 48 - p.shape[1]), cv2.BORDER_REPLICATE)
        for p in (earlier, later)
    )  # DIS refuses pictures smaller than its pyramid of patches
    height, width = earlier.shape[:2]
    # OpenCV takes None for "start from nothing", which its type stubs do not know.
    forward, backward = (
        estimator.calc(a, b, None)[:height, :width]  # type: ignore[call-overload]
        for a, b in ((first, second), (second, first))
    )
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    x, y = columns + forward[..., 0], rows + forward[..., 1]
    back = cv2.remap(backward, x, y, cv2.INTER_LINEAR)
    gap = ((forward + back) ** 2).sum(axis=2)
    length = (forward**2).sum(axis=2) + (back**2).sum(axis=2)
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return Motion(x, y, inside & (gap < _SLACK * length + _SLACK_PX2))


class _Mean:
    """A mean over everything that was added."""

    def __init__(self) -> None:
        self.total, self.count = 0.0, 0

    def add(self, values: NDArray[np.floating]) -> None:
        self.total += float(values.sum(dtype=np.float64))
        self.count += values.size

    @property
    def value(self) -> float:
        return self.total / self.count if self.count else float("nan")


class WarpError:
    """Warping error of a clip along the motion of the clean one: 1000 x mean squared difference, range 0 to 1.

    Source:
        Lai et al., "Learning blind video temporal consistency", ECCV 2018, section 4.2, with DIS for its flow and the
        consistency of flow for its mask.
    """

    def __init__(self) -> None:
        self._frames, self._hole = _Mean(), _Mean()
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
    """All figures of one repaired clip that its pictures give."""

    def __init__(self) -> None:
        self._psnr = _Mean()
        self._ssim = {window: _Mean() for window in WINDOWS}
        self._square, self._absolute, self._flicker = _Mean(), _Mean(), _Mean()
        self._grain = _Mean(), _Mean()
        self._warp = WarpError()
        self._before: tuple[NDArray[np.float32], Hole] | None = None

    def add(self, found: Picture, truth: Picture, hole: Hole, motion: Motion | None) -> None:
        """Take the next frame; ``motion`` is the clean clip's from the frame before, None at the first."""
        error = found.astype(np.float32) - truth
        self._psnr.add(np.array([psnr(float((error.astype(np.float64) ** 2).mean()))]))
        for window, mean in self._ssim.items():
            mean.add(np.array([ssim(found, truth, window)]))
        self._square.add(error[hole].astype(np.float64) ** 2)
        self._absolute.add(np.abs(error[hole]))
        if self._before is not None:
            either = hole | self._before[1]
            self._flicker.add(np.abs(error[either] - self._before[0][either]))
        self._before = error, hole
        if hole.any():
            for picture, mean in zip((found, truth), self._grain, strict=True):
                mean.add(grain(picture, hole) ** 2)
        self._warp.add(found, hole, motion)

    def figures(self) -> dict[str, float]:
        """The figures by name; what nothing was there for is not a number."""
        found, truth = (mean.value for mean in self._grain)
        return {
            "psnr": self._psnr.value,
            **{f"ssim{window}": mean.value for window, mean in self._ssim.items()},
            "hole_psnr": psnr(self._square.value) if self._square.count else float("nan"),
            "hole_mae": self._absolute.value,
            "ewarp": self._warp.whole,
            "ewarp_hole": self._warp.hole,
            "flicker": self._flicker.value,
            "grain": found / truth if truth > 0 else float("nan"),
        }


def grain(picture: Picture, hole: Hole) -> NDArray[np.float32]:
    """What of the luma in a hole is finer than a Gaussian lets through. Its mean is near 0."""
    margin = int(np.ceil(4 * GRAIN_SIGMA))
    rows, columns = np.flatnonzero(hole.any(axis=1)), np.flatnonzero(hole.any(axis=0))
    top, left = max(0, int(rows[0]) - margin), max(0, int(columns[0]) - margin)
    part = np.s_[top : int(rows[-1]) + margin + 1, left : int(columns[-1]) + margin + 1]
    luma = cv2.cvtColor(picture[part].astype(np.float32), cv2.COLOR_RGB2GRAY)
    smooth = cv2.GaussianBlur(luma, (0, 0), GRAIN_SIGMA, borderType=cv2.BORDER_REFLECT_101)
    fine: NDArray[np.float32] = (luma - smooth)[hole[part]].astype(np.float32, copy=False)
    return fine


def changed_samples(
    found: tuple[NDArray[np.generic], ...], truth: tuple[NDArray[np.generic], ...], holes: tuple[Hole, ...]
) -> int:
    """Samples outside the hole whose bytes differ, over all planes."""
    count = 0
    for plane, (ours, theirs) in enumerate(zip(found, truth, strict=True)):
        bits = np.dtype(f"u{ours.dtype.itemsize}")  # compared as bits: a NaN that stayed is no change
        count += int(((ours.view(bits) != theirs.view(bits)) & ~holes[plane]).sum())
    return count
