"""Grain: what the fill lacks of it is measured around the hole, and given back, new in every frame.

Truth wants a blend of several sources, and a blend averages their grain away: of two as good, half its variance is left.
What is missing is known from the ring, which the same sources show: there the picture's own grain stands beside the
fill's. Only what is new in every frame counts as grain. Texture that stands still or moves with the picture is not
missing where it was traced, and noise would be no replacement for it.
"""

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from vsdfvi.engine.footage import Footage
from vsdfvi.engine.propagation import HolePixels
from vsdfvi.engine.surroundings import Ring, ring_values
from vsdfvi.engine.tracing import RingFill

SIGMA = 1.5  # pixels: what a Gaussian of this deviation takes away is grain and finest texture
_FLAT = 0.5  # share of the ring, that with the least gradient, on which grain is told from texture
_BINS = 4  # levels of brightness for which grain is measured, each with as many ring samples
_FEWEST = 32  # ring samples that a measurement takes
_ENOUGH = 0.85  # share of the variance around the hole with which nobody sees that any is missing; more costs truth
_STRONGEST = 0.45  # neighbour's weight of the widest grain that is made

Array = NDArray[np.float32]


def add_grain(
    footage: Footage,
    n: int,
    pixels: HolePixels,
    values: tuple[Array, ...],
    ring: Ring,
    fill: RingFill,
) -> tuple[Array, ...]:
    """The fill of frame n with the grain that it lacks, which depends on the frame's number and place alone.

    Shapes:
        values: for each plane ``(samples)`` in codes; returned likewise.

    Source:
        Strength by brightness, and a template drawn anew for every frame: Norkin and Birkbeck, "Film grain synthesis
        for AV1 video codec", DCC 2018.
    """
    out = []
    for plane, target in enumerate(ring_values(footage, n, ring)):
        there = fill.reached[plane]
        if np.count_nonzero(there) < _FEWEST:
            out.append(values[plane])
            continue
        view = _View.of(pixels, ring, plane)
        measured = _measure(view, values[plane], target, fill.values[plane], there)
        added = np.float32(footage.settings.grain) * _grain_of(view, measured, values[plane], (n, plane))
        out.append(values[plane] + added)
    return tuple(out)


@dataclass(frozen=True, slots=True)
class _View:
    """One plane around the hole, as a picture.

    Attributes:
        x0, y0: Where it lies in the plane.
        shape: Its height and width.
        hole, ring: Where in it the samples of the hole and of the ring are: rows and columns.
    """

    x0: int
    y0: int
    shape: tuple[int, int]
    hole: tuple[NDArray[np.int32], NDArray[np.int32]]
    ring: tuple[NDArray[np.int32], NDArray[np.int32]]

    @staticmethod
    def of(pixels: HolePixels, ring: Ring, plane: int) -> "_View":
        """The plane around all of a hole and its ring."""
        columns, rows = (pixels.column[plane], ring.column[plane]), (pixels.row[plane], ring.row[plane])
        x0, y0 = (min(int(each.min()) for each in both) for both in (columns, rows))
        x1, y1 = (max(int(each.max()) for each in both) + 1 for both in (columns, rows))
        return _View(
            x0, y0, (y1 - y0, x1 - x0), (rows[0] - y0, columns[0] - x0), (rows[1] - y0, columns[1] - x0)
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Measured:
    """Grain as it is around a hole.

    Attributes:
        brightness: float ``(levels)``, ascending, in codes.
        missing: float ``(levels)``: variance that the fill lacks there, in squared codes, of what is finer than
            ``SIGMA``.
        alike: How alike neighbours are, along x and along y: correlation of what is finer than ``SIGMA``.
    """

    brightness: NDArray[np.float64]
    missing: NDArray[np.float64]
    alike: tuple[float, float]


def _measure(view: _View, hole: Array, target: Array, filled: Array, there: NDArray[np.bool_]) -> Measured:
    """Grain of the target against that of the fill, where the ring is flat."""
    known = np.zeros(view.shape, np.float32)
    known[view.ring] = 1
    own, made = np.zeros((2, *view.shape), np.float32)
    own[view.ring], made[view.ring] = target, np.where(there, filled, target)
    known[view.hole], own[view.hole], made[view.hole] = 1, hole, hole
    weight = np.maximum(_smooth(known), np.float32(1e-6))
    own_smooth, made_smooth = _smooth(own) / weight, _smooth(made) / weight
    own_fine, made_fine = (own - own_smooth)[view.ring], (made - made_smooth)[view.ring]
    across = np.hypot(cv2.Sobel(own_smooth, cv2.CV_32F, 1, 0), cv2.Sobel(own_smooth, cv2.CV_32F, 0, 1))[view.ring]
    # The narrow side of a ring that is smoothed by itself alone would count as flat or as steep by chance.
    flat = there & (across <= np.quantile(across[there], _FLAT))
    bright = own_smooth[view.ring][flat].astype(np.float64)
    squares = np.stack([own_fine[flat] ** 2, made_fine[flat] ** 2, (own_fine - made_fine)[flat] ** 2]).astype(
        np.float64
    )
    order = np.argsort(bright, kind="stable")
    parts = np.array_split(order, max(1, min(_BINS, order.size // _FEWEST)))
    levels = np.array([bright[part].mean() for part in parts])
    mean = np.array([[_trimmed(row[part]) for part in parts] for row in squares])
    missing = np.clip(_ENOUGH * mean[0] - mean[1], 0, mean[2])
    picture = np.zeros(view.shape, np.float32)
    picture[view.ring] = own_fine
    valid = np.zeros(view.shape, bool)
    valid[view.ring[0][flat], view.ring[1][flat]] = True
    return Measured(levels, missing, (_alike(picture, valid, 1), _alike(picture, valid, 0)))


def _smooth(picture: Array) -> Array:
    return cv2.GaussianBlur(picture, (0, 0), SIGMA, borderType=cv2.BORDER_CONSTANT).astype(np.float32, copy=False)


def _trimmed(squares: NDArray[np.float64]) -> float:
    """Mean of what is left when the largest twentieth is gone: a speck in the ring is no grain."""
    keep = max(1, squares.size - squares.size // 20)
    return float(np.sort(squares)[:keep].mean())


def _alike(fine: Array, valid: NDArray[np.bool_], axis: int) -> float:
    """Correlation of neighbours along an axis, where both count."""
    first, second = (np.moveaxis(fine, axis, 0)[cut].astype(np.float64) for cut in (np.s_[:-1], np.s_[1:]))
    both = np.moveaxis(valid, axis, 0)
    use = both[:-1] & both[1:]
    if np.count_nonzero(use) < _FEWEST:
        return _correlation(0.0)
    product, power = (first * second)[use].mean(), np.sqrt((first**2)[use].mean() * (second**2)[use].mean())
    return float(product / power) if power > 0 else _correlation(0.0)


def _grain_of(view: _View, measured: Measured, values: Array, seed: tuple[int, int]) -> Array:
    """Grain for the samples of a hole, of the strength that is missing at their brightness."""
    if not measured.missing.any():
        return np.zeros_like(values)
    strength = np.sqrt(np.interp(values, measured.brightness, measured.missing))
    across, down = (_weight_for(alike) for alike in measured.alike)
    white = white_noise(view.x0 - 1, view.y0 - 1, (view.shape[0] + 2, view.shape[1] + 2), seed)
    shaped = cv2.sepFilter2D(white, cv2.CV_32F, *(np.array([c, 1, c], np.float32) for c in (across, down)))[1:-1, 1:-1]
    gain = 1 / np.sqrt(_power(across, down))
    return (strength * gain).astype(np.float32) * shaped[view.hole]


def white_noise(x0: int, y0: int, shape: tuple[int, int], seed: tuple[int, ...]) -> Array:
    """White noise of variance 1 for a rectangle of the plane: a function of place and seed alone, of exact bits.

    Eight bytes of a hash are summed, which is as good as normal here, and needs no function whose last bit depends on
    the machine's library.

    Source:
        The mixing is the finalizer of splitmix64: Steele, Lea and Flood, "Fast splittable pseudorandom number
        generators", OOPSLA 2014.
    """
    rows = np.arange(y0, y0 + shape[0], dtype=np.int64).astype(np.uint64)[:, None]
    columns = np.arange(x0, x0 + shape[1], dtype=np.int64).astype(np.uint64)[None, :]
    state = np.uint64(0)
    with np.errstate(over="ignore"):
        for part in seed:
            state = _mixed(state + np.uint64(part + 1) * np.uint64(0x9E3779B97F4A7C15))
        hashed = _mixed(_mixed(state + rows * np.uint64(0x9E3779B97F4A7C15)) + columns * np.uint64(0xD1B54A32D192ED03))
    total = np.ascontiguousarray(hashed).view(np.uint8).reshape(*shape, 8).sum(axis=2, dtype=np.int32)
    return (total - 1020).astype(np.float32) * np.float32(1 / np.sqrt(8 * (256**2 - 1) / 12))


def _mixed(state: NDArray[np.uint64] | np.uint64) -> NDArray[np.uint64]:
    state = np.asarray(state, np.uint64)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


@cache
def _fine_kernel(across: float, down: float) -> NDArray[np.float64]:
    """What white noise becomes when it is shaped, and what a Gaussian lets through is taken away."""
    reach = int(np.ceil(4 * SIGMA)) + 2
    at = np.arange(-reach, reach + 1)
    gauss = np.exp(-(at**2) / (2 * SIGMA**2))
    gauss /= gauss.sum()
    rows, columns = (np.where(at == 0, 1.0, np.where(np.abs(at) == 1, c, 0.0)) for c in (down, across))
    blurred = [np.convolve(each, gauss, mode="same") for each in (rows, columns)]
    return np.outer(rows, columns) - np.outer(*blurred)


def _power(across: float, down: float) -> float:
    """Variance of what is fine in noise that is shaped by weights of neighbours along x and y."""
    return float((_fine_kernel(across, down) ** 2).sum())


@cache
def _correlation(weight: float) -> float:
    """How alike neighbours are, along either axis, in what is fine of noise shaped by one weight along both."""
    kernel = _fine_kernel(weight, weight)
    return float((kernel[:, 1:] * kernel[:, :-1]).sum() / (kernel**2).sum())


def _weight_for(alike: float) -> float:
    """The weight of neighbours that makes them so alike."""
    weights = np.linspace(0, _STRONGEST, 19)
    return float(np.round(np.interp(alike, [_correlation(float(weight)) for weight in weights], weights), 3))
