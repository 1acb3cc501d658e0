"""Pictures as a page carries them: JPEG, small enough, written into the address."""

import base64
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

LARGEST_SIDE = 960
"""Pixels. Larger pictures are made smaller."""

LARGEST_BYTES = 200_000
"""Of one large picture. 48 of them, a third more as text, leave a report below 15 MB."""

SMALL_SIDE, SMALL_BYTES = 240, 12_000
"""The same for the small pictures of the contact sheet and of the list of worst frames."""

_QUALITIES = (88, 80, 70, 55)  # 88: at the size of the pixel, a repair's grain is still told from the ring's


@dataclass(frozen=True, slots=True)
class Image:
    """A picture as the page shows it.

    Attributes:
        address: All of it, as a ``data:`` address.
        width, height: In pixels, as it is embedded.
        scale: Of these, for one pixel of the picture that was given: 1 where it was small enough.
    """

    address: str
    width: int
    height: int
    scale: float


def image_of(
    picture: NDArray[np.uint8], *, largest_side: int = LARGEST_SIDE, largest_bytes: int = LARGEST_BYTES
) -> Image:
    """A picture for the page. What is too large in bytes has a lower quality, and at last fewer pixels.

    Shapes:
        picture: ``(H, W, 3)``, RGB.

    Raises:
        ValueError: The picture is of another shape or type.
    """
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
        raise ValueError(f"picture must be (height, width, 3) of uint8, got {picture.shape} of {picture.dtype}")
    height, width = picture.shape[:2]
    scale = min(1.0, largest_side / max(height, width))
    bgr = np.ascontiguousarray(picture[..., ::-1])
    while True:
        size = max(1, round(scale * width)), max(1, round(scale * height))
        fitted = bgr if scale == 1 else cv2.resize(bgr, size, interpolation=cv2.INTER_AREA)
        for quality in _QUALITIES:
            data = _jpeg(fitted, quality)
            if len(data) <= largest_bytes:
                text = base64.b64encode(data).decode("ascii")
                return Image(f"data:image/jpeg;base64,{text}", *size, scale)
        scale *= 0.75


def _jpeg(bgr: NDArray[Any], quality: int) -> bytes:
    # Whole chroma: edges of a view's flat colours lie on pixels, and a repair's colour is to be judged.
    options = [
        cv2.IMWRITE_JPEG_QUALITY,
        quality,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    ]
    written, data = cv2.imencode(".jpg", bgr, options)
    assert written, "OpenCV was built without JPEG"
    return bytes(data)
