"""Grain: what the fill lacks of it is measured around the hole, and given back, new in every frame.

Truth wants a blend of several sources, and a blend averages their grain away: of two as good, half is left. What is
missing is known from the ring, which the same sources show: there the picture's own grain stands beside the fill's.
Only what is new in every frame counts as grain. Texture that stands still or moves with the picture is not missing
where it was traced, and noise would be no replacement for it.

What is invented has neither. There the ring's own fine texture is the measure, without its edges: that part of it which
the next frame does not repeat is given to every frame anew, the rest to key frames, and is carried from there like the
picture.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from vsdfvi.engine.footage import Footage
from vsdfvi.engine.propagation import HolePixels
from vsdfvi.engine.surroundings import Ring, follow, ring_values
from vsdfvi.engine.texture import SIGMA, smoothed
from vsdfvi.engine.tracing import RingFill, lights_of
from vsdfvi.kernels import Packed

_FLAT = 0.5  # share of the ring, that with the least gradient, on which grain is told from texture
_FLATTEST = 0.3  # and that on which the grain of what is invented is measured: it has no texture of its own
_BINS = 4  # levels of brightness for which grain is measured, each with as many ring samples
_FEWEST = 32  # ring samples that a measurement takes
_ENOUGH = 0.85  # share of the variance around the hole with which nobody sees that any is missing; more costs truth
_NEAR = 9  # samples: side of the window in which the fill's own fine texture is looked at
_STRONGEST = 0.45  # neighbour's weight of the widest grain that is made
_STILL = -1  # stands for a frame's number in the seed of texture that does not change

Array = NDArray[np.float32]


def add_grain(
    footage: Footage,
    n: int,
    pixels: HolePixels,
    values: tuple[Array, ...],
    seen: tuple[NDArray[np.bool_], ...],
    ring: Ring,
    beside: RingFill,
) -> tuple[Array, ...]:
    """The fill of frame n with the grain that it lacks, which depends on the frame's number and place alone.

    Shapes:
        values: for each plane ``(samples)`` in codes; returned likewise.
        seen: for each plane ``(samples)``: not invented.

    Source:
        Strength by brightness, and a template drawn anew for every frame: Norkin and Birkbeck, "Film grain synthesis
        for AV1 video codec", DCC 2018.
    """
    if not ring.x.size:
        return values
    fresh = None if all(flags.all() for flags in seen) else fresh_variance(footage, n, ring)
    out = []
    for plane, target in enumerate(ring_values(footage, n, ring)):
        view = _View.of(pixels, ring, plane)
        known = np.zeros(view.shape, np.float32)
        known[view.ring] = known[view.hole] = 1
        own = np.zeros(view.shape, np.float32)
        own[view.ring], own[view.hole] = target, values[plane]
        looked = _Look.at(own, known, view)
        traced = beside.reached[plane] & ~_flags(beside.invented, plane, target.size)
        missing = np.zeros_like(values[plane])
        if np.count_nonzero(traced) >= _FEWEST:
            made = own.copy()
            made[view.ring] = np.where(traced, beside.values[plane], target)
            of_fill = _Look.at(made, known, view)
            flat = traced & looked.is_flat(traced)
            lacking = _by_brightness(
                looked.bright[flat], (looked.fine**2)[flat], (of_fill.fine**2)[flat],
                ((looked.fine - of_fill.fine) ** 2)[flat],
            )  # fmt: skip
            missing = np.where(seen[plane], lacking(values[plane]), missing)
        if fresh is not None and not seen[plane].all() and target.size >= _FEWEST:
            wanted = _wanted(looked)(values[plane])
            there = _local(view, looked.inside, ~seen[plane])
            lacks = np.minimum(np.maximum(wanted - there, 0), fresh[plane])
            missing = np.where(seen[plane], missing, lacks)
        strength = np.sqrt(np.float32(footage.settings.grain) * missing)
        out.append((values[plane] + strength * _unit(view, looked, (n, plane))).astype(np.float32))
    return tuple(out)


def still_texture(
    footage: Footage, n: int, pixels: HolePixels, values: Array, seen: NDArray[np.bool_], ring: Ring, plane: int
) -> Array:
    """One plane of key frame n's fill with the texture that stands still and that what is invented lacks.

    Shapes:
        values, seen: ``(samples)`` of the hole.
    """
    if seen.all() or ring.of_plane[plane].size < _FEWEST:
        return values
    target, fresh = ring_values(footage, n, ring)[plane], fresh_variance(footage, n, ring)[plane]
    view = _View.of(pixels, ring, plane)
    known, own = np.zeros((2, *view.shape), np.float32)
    known[view.ring] = known[view.hole] = 1
    own[view.ring], own[view.hole] = target, values
    looked = _Look.at(own, known, view)
    wanted = _wanted(looked)(values)
    missing = np.maximum(np.maximum(wanted - fresh, 0) - _local(view, looked.inside, ~seen), 0)
    strength = np.sqrt(np.float32(footage.settings.grain) * np.where(seen, 0, missing)).astype(np.float32)
    return values + strength * _unit(view, looked, (_STILL, plane))


def fresh_variance(footage: Footage, n: int, ring: Ring) -> tuple[float, ...]:
    """For each plane, the variance of what is fine in frame n's ring and not in the next or the previous frame's.

    In squared codes; 0 where there is no frame beside it.
    """

    def picture(entered: int, pair: int) -> tuple[Packed, ...]:
        return footage.source(entered, footage.boxes(pair))

    for later in (True, False):
        beside = n + 1 if later else n - 1
        if 0 <= beside < footage.frames and not footage.cut(min(n, beside)) and ring.x.size:
            shown = follow(footage, n, ring, later=later, steps=[1], picture=picture)[1]
            break
    else:
        return (0.0,) * footage.format.planes
    lights, targets = lights_of(footage, n, ring, {0: shown})[0], ring_values(footage, n, ring)
    variances = []
    for plane, light in enumerate(lights):
        there = shown.there[plane]
        if np.count_nonzero(there) < _FEWEST:
            variances.append(0.0)
            continue
        column, row = ring.column[plane] - ring.column[plane].min(), ring.row[plane] - ring.row[plane].min()
        known, gap = np.zeros((2, int(row.max()) + 1, int(column.max()) + 1), np.float32)
        at = row[there], column[there]
        known[at] = 1
        gap[at] = (targets[plane] - light.of(shown.values[plane], ring.group[ring.of_plane[plane]]))[there]
        squares = ((gap - smoothed(gap, known))[at] ** 2).astype(np.float64)
        # What differs more has moved; and both frames have grain.
        variances.append(_least(squares) / 2)
    return tuple(variances)


def _flags(flags: tuple[NDArray[np.bool_], ...] | None, plane: int, size: int) -> NDArray[np.bool_]:
    return np.zeros(size, bool) if flags is None else flags[plane]


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
        x0, y0 = (min(int(each.min()) for each in both if each.size) for both in (columns, rows))
        x1, y1 = (max(int(each.max()) for each in both if each.size) + 1 for both in (columns, rows))
        return _View(x0, y0, (y1 - y0, x1 - x0), (rows[0] - y0, columns[0] - x0), (rows[1] - y0, columns[1] - x0))


@dataclass(frozen=True, slots=True)
class _Look:
    """What is fine in a picture around a hole.

    Attributes:
        fine, bright, slope: float32 ``(ring)``: what is finer than ``SIGMA``, what is not, and how steep the latter is.
        inside: ``(height, width)``, what is fine, everywhere.
        alike: How alike neighbours in the flat ring are, along x and along y: correlation of what is fine.
    """

    fine: Array
    bright: Array
    slope: Array
    inside: Array
    alike: tuple[float, float]

    @staticmethod
    def at(picture: Array, known: Array, view: _View) -> "_Look":
        """Look at a picture whose hole is filled."""
        smooth = smoothed(picture, known)
        fine = ((picture - smooth) * known).astype(np.float32)
        slope = np.hypot(cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1))[view.ring]
        there = np.zeros(view.shape, bool)
        there[view.ring] = slope <= (np.quantile(slope, _FLAT) if slope.size else 0)
        return _Look(
            fine[view.ring], smooth[view.ring], slope, fine, (_alike(fine, there, 1), _alike(fine, there, 0))
        )  # fmt: skip

    def is_flat(self, chosen: NDArray[np.bool_], share: float = _FLAT) -> NDArray[np.bool_]:
        """Which of the ring's samples are chosen, and among the flattest of those, of which they are a share."""
        flat: NDArray[np.bool_] = chosen & (self.slope <= np.quantile(self.slope[chosen], share))
        return flat


def _by_brightness(
    bright: Array,
    own: Array,
    made: Array | None = None,
    apart: Array | None = None,
    of: Callable[[Array], float] | None = None,
) -> Callable[[Array], Array]:
    """Variance by brightness: of what is fine in the ring; or what of it the fill lacks, if the fill's is given.

    Shapes:
        bright, own, made, apart: ``(ring samples)``: brightness; squares of what is fine in the picture, in the fill,
            and in their difference, which bounds what can be missing.

    Args:
        of: Gives the variance of squares; ``_trimmed`` where it is left out.
    """
    measured = of or _trimmed
    order = np.argsort(bright, kind="stable")
    parts = np.array_split(order, max(1, min(_BINS, order.size // _FEWEST)))
    levels = np.array([bright[part].mean(dtype=np.float64) for part in parts])
    variance = np.array([measured(own[part]) for part in parts])
    if made is not None and apart is not None:
        lacking = _ENOUGH * variance - np.array([_trimmed(made[part]) for part in parts])
        variance = np.clip(lacking, 0, [_trimmed(apart[part]) for part in parts])
    return lambda values: np.interp(values, levels, variance).astype(np.float32)


def _wanted(looked: _Look) -> Callable[[Array], Array]:
    """Variance by brightness that what is invented should have of what is fine, as the flattest of the ring has it."""
    flat = looked.is_flat(np.ones(looked.slope.size, bool), _FLATTEST)
    variance = _by_brightness(looked.bright[flat], (looked.fine**2)[flat], of=_least)
    return lambda values: np.float32(_ENOUGH) * variance(values)


def _local(view: _View, fine: Array, chosen: NDArray[np.bool_]) -> Array:
    """Mean square of what is fine around each sample of the hole, over chosen samples alone."""
    mask, squares = np.zeros((2, *view.shape), np.float32)
    mask[view.hole] = chosen
    squares[view.hole] = fine[view.hole] ** 2 * chosen
    total, count = (cv2.boxFilter(each, -1, (_NEAR, _NEAR), normalize=False) for each in (squares, mask))
    local: Array = (total / np.maximum(count, np.float32(1)))[view.hole].astype(np.float32)
    return local


def _unit(view: _View, looked: _Look, seed: tuple[int, int]) -> Array:
    """Grain for the samples of a hole, as alike as the ring's, whose fine part has variance 1."""
    across, down = (_weight_for(alike) for alike in looked.alike)
    white = white_noise(view.x0 - 1, view.y0 - 1, (view.shape[0] + 2, view.shape[1] + 2), seed)
    along_x, along_y = (np.array([c, 1, c], np.float32) for c in (across, down))
    shaped = cv2.sepFilter2D(white, cv2.CV_32F, along_x, along_y)[1:-1, 1:-1]
    unit: Array = shaped[view.hole].astype(np.float32) * np.float32(1 / np.sqrt(_power(across, down)))
    return unit


def _trimmed(squares: Array) -> float:
    """Mean square without the largest twentieth, of which a speck in the ring is: it is no grain.

    Of normal noise, 0.759 of the variance is left when a twentieth is gone.
    """
    gone = squares.size // 20
    left = float(np.sort(squares)[: squares.size - gone].mean(dtype=np.float64))
    return left / (1 - 0.241 * 20 * gone / squares.size)


def _least(squares: NDArray[np.floating]) -> float:
    """Variance from the smaller half of squares: what is larger has edges, and is no grain.

    Of normal noise, the mean square of that half is 0.143 of the variance.
    """
    least = np.sort(squares)[: max(1, squares.size // 2)]
    return float(least.mean(dtype=np.float64)) / 0.143


def _alike(fine: Array, valid: NDArray[np.bool_], axis: int) -> float:
    """Correlation of neighbours along an axis, where both count."""
    first, second = (np.moveaxis(fine, axis, 0)[cut].astype(np.float64) for cut in (np.s_[:-1], np.s_[1:]))
    both = np.moveaxis(valid, axis, 0)
    use = both[:-1] & both[1:]
    if np.count_nonzero(use) < _FEWEST:
        return _correlation(0.0)
    product, power = (first * second)[use].mean(), np.sqrt((first**2)[use].mean() * (second**2)[use].mean())
    return float(product / power) if power > 0 else _correlation(0.0)


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
    state: NDArray[np.uint64] = np.zeros(1, np.uint64)
    with np.errstate(over="ignore"):
        for part in seed:
            state = _mixed(state + np.uint64(part + 2) * np.uint64(0x9E3779B97F4A7C15))
        hashed = _mixed(_mixed(state + rows * np.uint64(0x9E3779B97F4A7C15)) + columns * np.uint64(0xD1B54A32D192ED03))
    total = np.ascontiguousarray(hashed).view(np.uint8).reshape(*shape, 8).sum(axis=2, dtype=np.int32)
    return (total - 1020).astype(np.float32) * np.float32(1 / np.sqrt(8 * (256**2 - 1) / 12))


def _mixed(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
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
    kernel: NDArray[np.float64] = np.outer(rows, columns) - np.outer(*blurred)
    return kernel


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
