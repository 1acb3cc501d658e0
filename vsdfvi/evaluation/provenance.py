"""Where each pixel of a repair comes from, written beside the repaired frames and read back when they are scored."""

from io import BufferedReader, BufferedWriter

import numpy as np
from numpy.typing import NDArray

from vsdfvi.engine.account import Repair

_PIXEL = np.dtype([("x", "<i4"), ("y", "<i4"), ("distance", "<i2"), ("confidence", "<f4")])

Provenance = tuple[NDArray[np.int32], NDArray[np.float32]]
"""Of one frame, ``(height, width)`` each: frames to the nearer source, 0 where invented or not filled; confidence."""


def write_provenance(file: BufferedWriter, repair: Repair | None) -> None:
    """Append a frame; None where nothing was filled."""
    pixels = np.zeros(0 if repair is None else repair.pixels.count, _PIXEL)
    if repair is not None:
        pixels["x"], pixels["y"] = repair.pixels.x, repair.pixels.y
        pixels["distance"], pixels["confidence"] = repair.distance, repair.confidence
    np.save(file, pixels, allow_pickle=False)


def read_provenance(file: BufferedReader, height: int, width: int) -> Provenance:
    """The next frame."""
    pixels = np.load(file, allow_pickle=False)
    distance, confidence = np.zeros((height, width), np.int32), np.zeros((height, width), np.float32)
    at = pixels["y"], pixels["x"]
    distance[at], confidence[at] = pixels["distance"], pixels["confidence"]
    return distance, confidence
