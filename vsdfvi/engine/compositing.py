"""Close the seam: what the fill misses at the hole's border is spread smoothly into the hole, and nothing outside."""

import cv2
import numpy as np
from numpy.typing import NDArray

from vsdfvi.engine.footage import Footage
from vsdfvi.engine.propagation import HolePixels
from vsdfvi.engine.surroundings import Ring, ring_values
from vsdfvi.engine.tracing import RingFill
from vsdfvi.kernels.laplace import laplace_fill

_SPREAD = 3 / 240  # share of the picture's height: deviation of the window in which differences are averaged
_ALIKE = 4.0  # samples that count as one: grain and errors of flow reach over neighbours
_SETTLED = 1 / 4096  # of the peak: movement of a sweep at which a correction has settled


def close_seam(
    footage: Footage,
    n: int,
    pixels: HolePixels,
    values: tuple[NDArray[np.float32], ...],
    ring: Ring,
    fill: RingFill,
) -> tuple[NDArray[np.float32], ...]:
    """The fill of frame n, corrected so that it goes on where the known picture ends.

    The fill's sources are also seen in the ring around the hole. What they miss there, averaged and only as far as it
    stands out from grain, is the boundary of a membrane over the hole, which is added to the fill.

    Shapes:
        values: for each plane ``(samples)`` in codes; returned likewise.

    Source:
        A membrane that carries a border's difference inwards: Perez, Gangnet and Blake, "Poisson image editing",
        SIGGRAPH 2003, section 2, where the fill's own gradient is kept.
    """
    if not ring.x.size:
        return values
    target = ring_values(footage, n, ring)
    return tuple(
        _corrected(footage, plane, pixels, values[plane], ring, target[plane] - fill.values[plane], fill)
        for plane in range(footage.format.planes)
    )


def _corrected(
    footage: Footage,
    plane: int,
    pixels: HolePixels,
    values: NDArray[np.float32],
    ring: Ring,
    missed: NDArray[np.float32],
    fill: RingFill,
) -> NDArray[np.float32]:
    there = fill.reached[plane]
    if not there.any():
        return values
    right, down = footage.format.subsampling(plane)
    column, row = ring.column[plane], ring.row[plane]
    x0 = min(int(column.min()), int(pixels.column[plane].min()))
    y0 = min(int(row.min()), int(pixels.row[plane].min()))
    x1 = max(int(column.max()), int(pixels.column[plane].max())) + 1
    y1 = max(int(row.max()), int(pixels.row[plane].max())) + 1
    sigma = max(1.0, _SPREAD * footage.size[0] / (1 << max(right, down)))
    sums = np.zeros((y1 - y0, x1 - x0, 3), np.float32)
    at = row[there] - y0, column[there] - x0
    sums[at] = np.stack([np.ones_like(missed[there]), missed[there], missed[there] ** 2], axis=1)
    count, total, squares = np.moveaxis(cv2.GaussianBlur(sums, (0, 0), sigma, borderType=cv2.BORDER_CONSTANT), 2, 0)
    weight = np.maximum(count, np.float32(1e-6))
    mean, square = total / weight, squares / weight
    # A Gaussian window holds as many equal samples as its sum times 4 pi sigma^2.
    samples = np.maximum(count * np.float32(4 * np.pi * sigma**2 / _ALIKE), np.float32(1))
    chance = np.maximum(square - mean**2, 0) / samples
    field = mean * np.maximum(mean**2 - chance, 0) / np.maximum(mean**2, np.float32(1e-12))
    field[count < 1e-3] = 0
    if fill.invented is not None:
        # What is invented has no detail of its own to keep at the border: it begins where the picture ends.
        border = there & fill.invented[plane]
        field[row[border] - y0, column[border] - x0] = missed[border]
    hole = np.zeros(field.shape, np.uint8)
    at_hole = pixels.row[plane] - y0, pixels.column[plane] - x0
    hole[at_hole] = 1
    membrane = laplace_fill(np.ascontiguousarray(field[None]), hole, float(footage.format.peak * _SETTLED))[0]
    corrected: NDArray[np.float32] = values + membrane[at_hole]
    return corrected
