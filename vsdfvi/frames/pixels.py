"""Sample formats: what a clip's planes hold, and how samples become numbers to compute with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vsdfvi.kernels import module_of

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


def planes_of_luma(video_format: VideoFormat) -> int:
    """How many planes, from the first on, luma is made of."""
    return 3 if video_format.family == "RGB" else 1


def luma(frame: Frame, video_format: VideoFormat, box: tuple[int, int, int, int]) -> NDArray[np.float32]:
    """Luma of a box of a frame as float32 ``(height, width)``, 0 to 255 over the format's codes.

    Floats are clipped to 0..1 first, and what is not a number becomes 0, so that flow can be estimated on any frame.
    """
    x0, y0, x1, y1 = box
    planes = frame.planes[: planes_of_luma(video_format)]
    return luma_of([plane[y0:y1, x0:x1].astype(np.float32) for plane in planes], video_format)


def luma_of(planes: Sequence[NDArray[np.float32]], video_format: VideoFormat) -> NDArray[np.float32]:
    """Luma of codes, wherever they are: of red, green and blue for RGB, else of plane 0 alone; as ``luma`` has it."""
    arrays, value = module_of(planes[0]), planes[0]
    if video_format.family == "RGB":
        value = LUMA_WEIGHTS[0] * planes[0] + LUMA_WEIGHTS[1] * planes[1] + LUMA_WEIGHTS[2] * planes[2]
    if video_format.is_float:
        value = arrays.clip(arrays.nan_to_num(value, nan=0.0), 0.0, 1.0)
    return value * np.float32(255.0 / video_format.peak)


_RED_BLUE = {1: (0.2126, 0.0722), 4: (0.30, 0.11), 5: (0.299, 0.114), 6: (0.299, 0.114), 7: (0.212, 0.087)}
_RED_BLUE |= {9: (0.2627, 0.0593), 10: (0.2627, 0.0593)}
"""What red and blue weigh in luma, by ``_Matrix`` (ITU-T H.273, table 4)."""


class Colours:
    """What the codes of one frame stand for, by its range (``_Range``) and matrix (``_Matrix``).

    Numbers are luma, grey, red, green and blue from 0 to 1, and chroma from -0.5 to 0.5, whatever the codes. Where the
    matrix is not said, it is BT.601's below 720 lines and BT.709's from there. Transfer functions are left alone.
    """

    def __init__(self, frame: Frame, video_format: VideoFormat) -> None:
        self.format = video_format
        self._full = bool(frame.properties.get("_Range", video_format.family == "RGB"))
        self._red_blue = _RED_BLUE.get(
            frame.properties.get("_Matrix", 2), _RED_BLUE[6] if video_format.height < 720 else _RED_BLUE[1]
        )

    def is_chroma(self, plane: int) -> bool:
        """Whether 0 is the middle of a plane's range."""
        return self.format.family == "YUV" and plane > 0

    def numbers(self, plane: int, codes: NDArray[np.generic]) -> NDArray[np.float32]:
        """Codes of a plane as numbers, which may lie beyond the range. What is not a number becomes 0."""
        zero, one = self._codes(plane)
        values = codes.astype(np.float32)
        if self.format.is_float:
            values = np.nan_to_num(values, copy=False, posinf=1.0, neginf=0.0)
        return (values - np.float32(zero)) / np.float32(one)

    def codes(self, plane: int, numbers: NDArray[np.float32]) -> NDArray[np.float32]:
        """Numbers as codes of a plane, not rounded, held inside the range."""
        zero, one = self._codes(plane)
        low, high = (-0.5, 0.5) if self.is_chroma(plane) else (0.0, 1.0)
        return np.clip(numbers, low, high) * np.float32(one) + np.float32(zero)

    def _codes(self, plane: int) -> tuple[float, float]:
        """The code of 0, and codes from 0 to 1."""
        unit = 1 << max(0, self.format.bits - 8)
        if self.format.is_float:
            return 0.0, 1.0
        if self.is_chroma(plane):
            return 128.0 * unit, self.format.peak if self._full else 224.0 * unit
        return (0.0, self.format.peak) if self._full else (16.0 * unit, 219.0 * unit)

    def from_rgb(self, rgb: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        """Numbers of the planes for red, green and blue ``(3, ...)``. Grey is their mean."""
        red, green, blue = rgb
        if self.format.family == "GRAY":
            return ((red + green + blue) / np.float32(3),)
        if self.format.family == "RGB":
            return red, green, blue
        of_red, of_blue = (np.float32(weight) for weight in self._red_blue)
        luma = of_red * red + (1 - of_red - of_blue) * green + of_blue * blue
        return luma, (blue - luma) / (2 - 2 * of_blue), (red - luma) / (2 - 2 * of_red)

    def to_rgb(self, planes: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Red, green and blue ``(3, ...)`` for numbers of the planes, all of one size. Grey stands in all three."""
        if self.format.family == "GRAY":
            return np.stack([planes[0]] * 3)
        if self.format.family == "RGB":
            return np.stack(planes)
        luma, of_u, of_v = planes
        of_red, of_blue = (np.float32(weight) for weight in self._red_blue)
        red, blue = luma + (2 - 2 * of_red) * of_v, luma + (2 - 2 * of_blue) * of_u
        return np.stack([red, (luma - of_red * red - of_blue * blue) / (1 - of_red - of_blue), blue])


def to_samples(values: NDArray[np.float32], video_format: VideoFormat) -> NDArray[np.generic]:
    """Values in codes of the format, as samples: rounded and held inside the code range for integers."""
    if video_format.is_float:
        return values.astype(video_format.dtype)
    return np.clip(np.floor(values + np.float32(0.5)), 0, video_format.peak).astype(video_format.dtype)
