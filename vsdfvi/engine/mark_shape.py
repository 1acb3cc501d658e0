"""The shape of a mark: the border, softness, opacity and colour under which what is beneath is a picture.

A mark is taken as one opacity and one colour inside a border that is soft. Several opacities are assumed; under each
the mean of what may be covered (``mark_coverage``) gives a first border, which then moves to where it is likely
(``mark_border``). The likeliest are followed with opacity and colour set free. Last, what may be covered is looked at
again with what is known by then: a part that is as bright as the mark may have another colour.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from vsdfvi.engine.mark_border import Depth, border_of, covering, distance_within, moved
from vsdfvi.engine.mark_coverage import Coverage
from vsdfvi.engine.mark_layer import Array, Flags, Layer, colour_of

_OPACITIES = 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9
_COLOURS = 20.0, 80.0, 140.0, 190.0, 235.0, 255.0
_COVERED = 0.4  # coverage from which a pixel is inside a first border
_SURELY = 0.6  # and inside another, when it is looked at again
_LOOKS = 2
_STARTS = 6  # of the first borders these are moved
_WORK = 150_000  # pixels, of all starts together: in larger boxes there are fewer starts
_LARGE = 30_000  # pixels, from which every other opacity and colour is tried
_LARGEST = 160_000  # pixels that coverage is looked for in: it takes 2 kB for each
_ROUNDS = 3  # of moves with the opacity as it is assumed
_FOLLOWED = 2  # of the fits these are followed
_LAST_ROUNDS = 5
_REACH, _LAST_REACH, _LEAST_REACH, _SHRINK = 2.0, 1.0, 0.5, 0.7  # pixels that a border may move in a round
_LEAST, _MOST = 0.04, 0.97  # opacity
_SHARPEST, _SOFTEST = 0.5, 4.0  # pixels
_SOFT = 1.0, 1.6, 2.5  # pixels, of first borders
_BEYOND = 4  # pixels around the hole that are looked at
_FAR = 64.0  # pixels from a border, from where it is all the same


@dataclass(frozen=True, slots=True)
class Fit:
    """A mark that was fitted.

    Attributes:
        cost: Roughness of all layers, and what was known before.
        opacity: Where it covers most, 0 to 1.
        colours: For each plane, in codes of 8 bits.
        shape: ``(height, width)``, 0 outside to 1 where it covers most.
        softness: Standard deviation of its border, in pixels.
    """

    cost: float
    opacity: float
    colours: tuple[float, ...]
    shape: Array
    softness: float


type Known = tuple[float, float] | None
"""log(1 - opacity) as it is known already, and its inverse variance."""


@dataclass(frozen=True, slots=True)
class _Moved:
    """A fit, its front, and its cost with what is unlikely of its border."""

    cost: float
    fit: Fit
    front: Array


def fitted(layers: list[Layer], hole: Flags, opacity: Array, colours: tuple[float, ...], known: Known) -> Fit | None:
    """The mark whose recovered picture is likeliest; None where none has a border.

    Args:
        opacity: ``(height, width)``, a first one, from which one of the starts is made.
        colours: For each plane: of another.

    Source:
        Steps of pictures: Krishnan and Fergus, "Fast image deconvolution using hyper-Laplacian priors", NIPS 2009.
    """
    at = _window(hole)
    parts, inside = [layer.cut(at) for layer in layers], hole[at]
    depth = Depth(distance_within(hole)[at], 0.0, 1.0)
    tried = [
        found
        for start in _starts(parts, inside, opacity[at], colours, known)
        if (found := _followed(parts, inside, depth, known, start, _ROUNDS, _REACH, free=False))
    ]
    last = []
    for start in sorted(tried, key=lambda each: each.cost)[:_FOLLOWED]:
        found = _followed(parts, inside, depth, known, (start.fit, start.front), _LAST_ROUNDS, _LAST_REACH, free=True)
        last.append(min([start] + ([found] if found else []), key=lambda each: each.cost))
    if not last:
        return None
    best = _looked_at_again(parts, inside, depth, known, min(last, key=lambda each: each.cost)).fit
    shape = np.zeros(hole.shape, np.float32)
    shape[at] = best.shape
    return Fit(best.cost, best.opacity, best.colours, shape, best.softness)


def _looked_at_again(layers: list[Layer], hole: Flags, depth: Depth, known: Known, best: _Moved) -> _Moved:
    """The best, or what is better: from what may be covered under its opacity and colours, on all planes."""
    if hole.size > _LARGEST:
        return best
    coverage = Coverage(layers, hole)
    for _ in range(_LOOKS):
        fit = best.fit
        _, mean = coverage.mean(fit.opacity, fit.colours)
        found = [best]
        for covered in (_COVERED, _SURELY):
            start = _begun(layers, hole, mean, covered, fit.colours, known, fit.opacity, (*_SOFT, fit.softness))
            if start is not None:
                moved_on = _followed(layers, hole, depth, known, start, _ROUNDS, _REACH, free=True)
                found += [moved_on] if moved_on else []
        better = min(found, key=lambda each: each.cost)
        if better is best:
            break
        best = better
    return best


def _begun(
    layers: list[Layer],
    hole: Flags,
    mean: Array,
    covered: float,
    colours: tuple[float, ...],
    known: Known,
    level: float,
    softness: tuple[float, ...] = _SOFT,
) -> tuple[Fit, Array] | None:
    """A fit to begin with, and its front, where the mean coverage is as large as ``covered``; None where none is."""
    front = _inside(_front(mean - np.float32(covered), np.float32(0.15)), hole)
    if border_of(front) is None:
        return None
    fits = [_levelled(layers, covering(front, soft, hole), soft, colours, known, level) for soft in softness]
    return min(fits, key=lambda fit: fit.cost), front


def _window(hole: Flags) -> tuple[slice, slice]:
    """The hole and a little around it, of whole blocks of any subsampling."""
    sides = []
    for axis, size in zip((1, 0), hole.shape, strict=True):
        where = np.flatnonzero(hole.any(axis=axis))
        first = max(0, int(where[0]) - _BEYOND) // 4 * 4
        sides.append(slice(first, min(size, (int(where[-1]) + 2 * _BEYOND) // 4 * 4)))
    return sides[0], sides[1]


def _starts(
    layers: list[Layer], hole: Flags, opacity: Array, colours: tuple[float, ...], known: Known
) -> list[tuple[Fit, Array]]:
    """Fits to begin with, and their fronts."""
    assumed = []
    if known is not None:
        level = min(max(1 - float(np.exp(known[0])), _LEAST), 0.9)
        top = np.float32(max(float(opacity.max()), 0.02))
        assumed.append((level, colours, cv2.GaussianBlur(opacity, (0, 0), 0.8) * hole / top))
    if hole.size <= _LARGEST:
        coverage = Coverage([layer for layer in layers if layer.plane == 0], hole)
        if known is not None:
            assumed.append((level, colours, coverage.mean(level, colours)[1]))
        grey = all(colour == 128.0 for colour in colours[1:])  # planes of colour begin there, those of RGB as plane 0
        every = 1 if hole.size <= _LARGE else 2
        for level in _OPACITIES[::every]:
            means = [(*coverage.mean(level, (colour,)), colour) for colour in _COLOURS[::every]]
            _, mean, colour = max(means, key=lambda each: each[0])
            assumed.append((level, (colour, *(colours[1:] if grey else (colour,) * (len(colours) - 1))), mean))
    starts = [
        start
        for level, tried, mean in assumed
        if (start := _begun(layers, hole, mean, _COVERED, tried, known, level)) is not None
    ]
    count = max(1, min(_STARTS, _WORK // hole.size))
    return sorted(starts, key=lambda start: start[0].cost)[:count]


def _followed(
    layers: list[Layer],
    hole: Flags,
    depth: Depth,
    known: Known,
    start: tuple[Fit, Array],
    rounds: int,
    reach: float,
    *,
    free: bool,
) -> _Moved | None:
    """The best of some rounds of moves, each followed by a new look at softness, colours and, if free, opacity."""
    fit, front = start
    best: _Moved | None = None
    for number in range(rounds):
        turn = (number + free) % 2 * np.pi / 2 + np.pi / 4
        found = moved(layers, hole, front, (fit.opacity, fit.colours, fit.softness), depth, reach, turn)
        if found is None:
            break
        front, unlikely = _inside(found[0], hole), found[1]
        around = np.array([0, -0.05, -0.025, -0.01, 0.01, 0.025, 0.05]) if free else np.zeros(1)
        levels = np.clip(fit.opacity + around, _LEAST, _MOST)
        widths = np.clip(np.array([0.85, 1, 1.18]) * fit.softness, _SHARPEST, _SOFTEST)
        shapes = [(float(width), covering(front, float(width), hole)) for width in widths]
        tried = [
            _levelled(layers, shape, width, fit.colours, known, float(level))
            for width, shape in shapes
            for level in levels
        ]
        fit = min(tried, key=lambda each: each.cost)
        if best is None or fit.cost + unlikely < best.cost:
            best = _Moved(fit.cost + unlikely, fit, front)
        reach = max(_LEAST_REACH, _SHRINK * reach)
    return best


def _inside(front: Array, hole: Flags) -> Array:
    return np.where(hole, front, np.float32(-3))


def _front(values: Array, least: np.float32) -> Array:
    """Signed distance from where values change their sign, in pixels, above 0 inside; finer than a pixel near it."""
    inside = (values > 0).astype(np.uint8)
    far = cv2.distanceTransform(inside, cv2.DIST_L2, 5) - cv2.distanceTransform(1 - inside, cv2.DIST_L2, 5)
    # Of a picture that is all inside or all outside, distances would be of no number.
    far = np.clip(far, -_FAR, _FAR) + np.where(inside > 0, np.float32(-0.5), np.float32(0.5))
    down, right = np.gradient(values)
    near = np.clip(values / np.maximum(np.sqrt(down**2 + right**2), least), -1.5, 1.5)
    front: Array = np.where(np.abs(far) < 1.2, near, far).astype(np.float32)
    return front


def _levelled(
    layers: list[Layer], shape: Array, softness: float, colours: tuple[float, ...], known: Known, level: float
) -> Fit:
    """The best colours for a shape and an opacity."""
    opacity = np.float32(level) * shape
    chosen = [
        colour_of([layer for layer in layers if layer.plane == plane], opacity, colour)
        for plane, colour in enumerate(colours)
    ]
    cost = sum(layer.roughness(opacity, chosen[layer.plane]) for layer in layers)
    if known is not None:
        cost += known[1] * (np.log(1 - level) - known[0]) ** 2 / 2
    return Fit(cost, level, tuple(chosen), shape, softness)
