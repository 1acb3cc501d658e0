"""Sample formats: what a clip's planes hold, and how samples become numbers to compute with."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

FAMILIES = ("GRAY", "YUV", "RGB")


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoFormat:
    """The constant format of a clip.

    Attributes:
        family: ``GRAY``, ``YUV`` or ``RGB``.
        is_float: Samples are floating point; else unsigned integers.
        bits: Bits of a sample: 8 to 16 for integers (to 32 for a mask), 16 or 32 for floats.
        subsampling_w, subsampling_h: log2 of the chroma subsampling, 0 to 2; 0 unless YUV.
        width, height: Size of plane 0 in pixels.
        frames: Number of frames.
    """

    family: str
    is_float: bool
    bits: int
    subsampling_w: int
    subsampling_h: int
    width: int
    height: int
    frames: int

    @property
    def planes(self) -> int:
        return 1 if self.family == "GRAY" else 3

    @property
    def dtype(self) -> np.dtype[np.generic]:
        if self.is_float:
            return np.dtype(np.float16 if self.bits == 16 else np.float32)
        return np.dtype(np.uint8 if self.bits <= 8 else np.uint16 if self.bits <= 16 else np.uint32)

    @property
    def peak(self) -> float:
        """Largest code of an integer format; 1 for floats."""
        return 1.0 if self.is_float else float((1 << self.bits) - 1)

    def subsampling(self, plane: int) -> tuple[int, int]:
        """log2 of a plane's subsampling, (horizontal, vertical)."""
        return (self.subsampling_w, self.subsampling_h) if self.family == "YUV" and plane else (0, 0)

    def plane_shape(self, plane: int) -> tuple[int, int]:
        """(height, width) of a plane."""
        right, down = self.subsampling(plane)
        return self.height >> down, self.width >> right


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame as the host lends it: valid during a call, never written to, never kept.

    Attributes:
        planes: Arrays ``(height, width)`` of the format's dtype; rows may be strided.
        properties: Integer frame properties that matter here (``_SceneChangePrev``, ``_Matrix``...), where set.
    """

    planes: tuple[NDArray[np.generic], ...]
    properties: Mapping[str, int] = field(default_factory=dict)


LUMA_WEIGHTS = (0.2126, 0.7152, 0.0722)
"""Of red, green and blue in BT.709. Only flow and cuts are computed on this luma; nothing of it is written back."""


def luma(frame: Frame, video_format: VideoFormat, box: tuple[int, int, int, int]) -> NDArray[np.float32]:
    """Luma of a box of a frame as float32 ``(height, width)``, 0 to 255 over the format's codes.

    Floats are clipped to 0..1 first, and what is not a number becomes 0, so that flow can be estimated on any frame.
    """
    x0, y0, x1, y1 = box
    parts = [
        plane[y0:y1, x0:x1].astype(np.float32) for plane in frame.planes[: 3 if video_format.family == "RGB" else 1]
    ]
    value = parts[0]
    if video_format.family == "RGB":
        value = LUMA_WEIGHTS[0] * parts[0] + LUMA_WEIGHTS[1] * parts[1] + LUMA_WEIGHTS[2] * parts[2]
    if video_format.is_float:
        value = np.clip(np.nan_to_num(value, nan=0.0), 0.0, 1.0)
    return value * np.float32(255.0 / video_format.peak)


def to_samples(values: NDArray[np.float32], video_format: VideoFormat) -> NDArray[np.generic]:
    """Values in codes of the format, as samples: rounded and held inside the code range for integers."""
    if video_format.is_float:
        return values.astype(video_format.dtype)
    return np.clip(np.floor(values + np.float32(0.5)), 0, video_format.peak).astype(video_format.dtype)
