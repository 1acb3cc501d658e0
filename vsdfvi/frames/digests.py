"""What says whether two frames are the same, sample by sample: a SHA-256, as docs/record.md defines it."""

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray


def digest(planes: Iterable[NDArray[np.generic]], outside: Iterable[Any] | None = None) -> str:
    """SHA-256 of a frame's samples, plane after plane and row after row, as 64 hexadecimal digits.

    A sample is as many bytes as it has in memory, the lowest first: 1 for 8 bits, 2 for 9 to 16 bits and for half
    floats, 4 for single floats. Nothing else is hashed: no size, no padding.

    Args:
        outside: For each plane, an index into it: samples that count as 0, which are those of the hole.
    """
    hashed = hashlib.sha256()
    for plane, hole in (
        zip(planes, outside, strict=True) if outside is not None else ((plane, None) for plane in planes)
    ):
        if hole is not None:
            plane = plane.copy()
            plane[hole] = 0
        samples = np.ascontiguousarray(plane, plane.dtype.newbyteorder("<"))
        hashed.update(samples.reshape(-1).view(np.uint8).data)
    return hashed.hexdigest()
