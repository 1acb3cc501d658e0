"""Pictures as the measures see them, and how a clean clip moves from one to the next.

Pictures are RGB of 8 bit, ``(height, width, 3)`` uint8; holes are bool ``(height, width)``.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

# OpenCV's DIS cuts a picture into as many stripes as it has threads: figures must not depend on the machine's cores.
cv2.setNumThreads(1)

Picture = NDArray[np.uint8]
Hole = NDArray[np.bool_]
Luma = NDArray[np.float32]

# Where forward and backward flow agree: Sundaram, Brox and Keutzer, "Dense point trajectories by GPU-accelerated large
# displacement optical flow", ECCV 2010, section 4.
_SLACK, _SLACK_PX2 = 0.01, 0.5


def grey_of(picture: Picture) -> NDArray[np.uint8]:
    """Luma of a picture."""
    return cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)


def luma_of(picture: Picture) -> Luma:
    """Luma of a picture in codes of 8 bit, not rounded: float32 ``(height, width)``."""
    return cv2.cvtColor(picture.astype(np.float32), cv2.COLOR_RGB2GRAY).astype(np.float32, copy=False)


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
