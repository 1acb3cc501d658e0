"""A first opacity of a half-transparent mark: what its gradients say, in the mean of a survey and in its changes.

A mark of colour c and opacity alpha leaves ``observed = (1 - alpha) * picture + alpha * c``. So ``log|observed - c|``
is the sum of ``log(1 - alpha)`` and ``log|picture - c|``, and the log of what changes over time at a pixel is the sum
of ``log(1 - alpha)`` and the log of what changes in the picture. Each edge between neighbouring pixels is therefore
asked whether it is the mark's: by the mean picture, by the change over time, and by a prior that marks have few edges.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vsdfvi.kernels.laplace import laplace_fill

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Singles = NDArray[np.float32]

_ROUNDS = 5
_SWEEPS = 8
_STEPS = 120  # of conjugate gradients: each sweep goes on where the one before ended
_FEWEST = 12  # pairs across the border from which anything is concluded
_ALIKE = 25.0  # pairs, neighbours of each other, that say the same: they count as one
_FARTHEST = 14.0  # pixels between the two of a pair
_ROUNDING = 1.0 / 12.0  # squared codes: what rounding to integers adds to a variance


@dataclass(frozen=True, slots=True)
class Level:
    """Opacity of a mark's body, as its border tells it.

    Attributes:
        clear: 1 - opacity.
        colour: Of the mark, in codes of 8 bits.
        weight: Inverse variance of log(clear).
    """

    clear: float
    colour: float
    weight: float

    @property
    def known(self) -> tuple[float, float]:
        """log(clear), and its inverse variance: never so large that pictures could not overrule it."""
        return float(np.log(self.clear)), min(self.weight, 400.0)


def first_opacity(survey: Singles, hole: Flags) -> tuple[Singles, Level | None]:
    """Opacity ``(height, width)`` of a mark in the hole, and the level of its body; 0 and None where none is seen.

    Shapes:
        survey: ``(frames, height, width)``, in codes of 8 bits; hole: ``(height, width)``, some of it not hole.

    Source:
        Edges that are asked in the logarithm: Weiss, "Deriving intrinsic images from image sequences", ICCV 2001.
        A mark's gradients from many pictures: Dekel, Rubinstein, Liu and Freeman, "On the effectiveness of visible
        watermarks", CVPR 2017.
    """
    mean = survey.mean(axis=0, dtype=np.float64)
    change = survey - mean
    beneath = laplace_fill(mean[None].astype(np.float32), hole.astype(np.uint8), 0.05)[0].astype(np.float64)
    lift = (mean - beneath)[hole]
    strongest = lift[np.abs(lift) >= np.percentile(np.abs(lift), 80)]
    colour = 245.0 if np.median(strongest) > 0 else 10.0
    away = beneath - colour
    log_clear = np.log(np.clip((mean - colour) / np.where(np.abs(away) < 4, np.copysign(4, away), away), 0.05, 1.0))
    log_clear[~hole] = 0
    texture = _texture(mean, hole)
    temporal = [_change_says(change, axis) for axis in (1, 0)]
    level: Level | None = None
    for round_number in range(_ROUNDS):
        clear = np.exp(log_clear)
        says = [
            [_mean_says(mean - colour, texture, None if round_number == 0 else clear, axis), told]
            for axis, told in zip((1, 0), temporal, strict=True)
        ]
        log_clear = _vote(log_clear, says, hole, level)
        found = level_of(mean, change, 1 - np.exp(log_clear), hole)
        if found is None:
            break
        level, colour = found, found.colour
    return (1 - np.exp(log_clear)).astype(np.float32), level


def _texture(mean: Array, hole: Flags) -> float:
    """Mean step between neighbours around the hole, in codes."""
    ring = cv2.dilate(hole.astype(np.uint8), np.ones((25, 25), np.uint8)).astype(bool) & ~hole
    steps = [np.abs(_step(mean, axis))[_both(ring, axis)] for axis in (0, 1)]
    both = np.concatenate(steps)
    return max(float(both.mean()), 0.3) if both.size else 0.3


def _ends[Sample: np.generic](values: NDArray[Sample], axis: int) -> tuple[NDArray[Sample], NDArray[Sample]]:
    """The first and the second pixel of every edge along an axis of the last two."""
    if axis == 1:
        return values[..., :-1], values[..., 1:]
    return values[..., :-1, :], values[..., 1:, :]


def _step(values: Array, axis: int) -> Array:
    first, second = _ends(values, axis)
    return first - second


def _both(flags: Flags, axis: int) -> Flags:
    first, second = _ends(flags, axis)
    return first & second


Told = tuple[Array, Array, Flags]
"""Of each edge: the step of log(1 - alpha) that is seen, its scale, and whether anything is seen."""


def _mean_says(away: Array, texture: float, clear: Array | None, axis: int) -> Told:
    """What the distance from the mark's colour says."""
    p, q = _ends(away, axis)
    least = np.minimum(np.abs(p), np.abs(q))
    seen = (p * q > 0) & (least > 2)
    step = np.where(seen, np.log(np.maximum(np.abs(p), 1e-3) / np.maximum(np.abs(q), 1e-3)), 0.0)
    shown = 1.0 if clear is None else np.sqrt(np.multiply(*_ends(clear, axis)))
    return step, texture * shown / np.maximum(least, 1e-3), seen


def _change_says(change: Array, axis: int) -> Told:
    """What the change over time says: the more the two pixels change together, the more surely."""
    p, q = _ends(change, axis)
    power_p, power_q = ((end**2).mean(axis=0) for end in (p, q))
    together = (p * q).mean(axis=0) / np.maximum(np.sqrt(power_p * power_q), 1e-6)
    seen = np.minimum(power_p, power_q) > 0.36
    ratio = np.maximum(power_p - _ROUNDING, 1e-3) / np.maximum(power_q - _ROUNDING, 1e-3)
    scale = np.sqrt(np.maximum(1 - together**2, 0.002) / change.shape[0]) + 0.02
    return np.where(seen, 0.5 * np.log(ratio), 0.0), scale, seen


def _vote(log_clear: Array, says: list[list[Told]], hole: Flags, level: Level | None) -> Array:
    """log(1 - alpha) whose edges are the least disputed, by least squares that are weighted again and again.

    What is seen counts by its absolute deviation; an edge of the mark, and a pixel between clear and the mark's level,
    by a logarithm: few of each are expected.
    """
    for sweep in range(_SWEEPS):
        weights, steps = [], []
        sharp = max(0.05, 0.08 * 0.6**sweep)
        for axis, told in zip((1, 0), says, strict=True):
            slope = _step(log_clear, axis)
            total = 0.6 / (sharp**2 + slope**2)
            moment = np.zeros_like(total)
            for step, scale, seen in told:
                gap = slope - step
                weight = np.where(seen, 1 / (scale * np.sqrt(gap**2 + (0.3 * scale) ** 2)), 0.0)
                total = total + weight
                moment += weight * step
            first, second = _ends(hole, axis)
            inside = first | second
            weights.append(np.where(inside, total, 0.0))
            steps.append(moment / total)
        hold, target = np.full_like(log_clear, 1e-9), np.zeros_like(log_clear)
        if level is not None:
            body = np.log(level.clear)
            target = np.where(np.abs(log_clear) < np.abs(log_clear - body), 0.0, body)
            hold = hold + 0.2 / (max(0.05, 0.2 * 0.7**sweep) ** 2 + (log_clear - target) ** 2)
        log_clear = np.minimum(_relaxed(log_clear, weights, steps, hold, target, hole), 0.0)
    return log_clear


def _relaxed(start: Array, weights: list[Array], steps: list[Array], hold: Array, target: Array, hole: Flags) -> Array:
    """The least squares of edges and holds, 0 outside the hole, by conjugate gradients."""
    inside = hole.astype(np.float64)
    (across, down), (step_x, step_y) = weights, steps

    def apply(x: Array) -> Array:
        out = hold * x
        flow = across * (x[:, :-1] - x[:, 1:])
        out[:, :-1] += flow
        out[:, 1:] -= flow
        flow = down * (x[:-1] - x[1:])
        out[:-1] += flow
        out[1:] -= flow
        return out * inside

    wanted = hold * target
    wanted[:, :-1] += across * step_x
    wanted[:, 1:] -= across * step_x
    wanted[:-1] += down * step_y
    wanted[1:] -= down * step_y
    wanted *= inside
    diagonal = hold.copy()
    diagonal[:, :-1] += across
    diagonal[:, 1:] += across
    diagonal[:-1] += down
    diagonal[1:] += down
    x = start * inside
    rest = wanted - apply(x)
    ready = rest / diagonal
    way, power = ready.copy(), float((rest * ready).sum())
    first = power
    for _ in range(_STEPS):
        if power <= 1e-6 * max(first, 1e-12):
            break
        image = apply(way)
        stride = power / max(float((way * image).sum()), 1e-300)
        x = x + stride * way
        rest = rest - stride * image
        ready = rest / diagonal
        before, power = power, float((rest * ready).sum())
        way = ready + (power / before) * way
    return x


def level_of(mean: Array, change: Array, opacity: Array, hole: Flags) -> Level | None:
    """The level of a mark's body, from pairs of pixels across its border; None where there are too few.

    Of a pair, one pixel lies under the mark's body and the other is the nearest that is clear. Both show the same kind
    of picture, so the ratio of their spread, over the pairs and over time, is 1 - alpha: a regression of one on the
    other would be too flat, since either has texture that the other lacks.
    """
    top = float(np.percentile(opacity[hole], 97))
    if top < 0.03:
        return None
    body, open_ = hole & (opacity > 0.85 * top), ~hole | (opacity < 0.03 * top)
    distance, labels = cv2.distanceTransformWithLabels(
        (~open_).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    numbers = np.zeros(int(labels.max()) + 1, np.intp)
    numbers[labels[open_]] = np.flatnonzero(open_)
    chosen = np.flatnonzero(body & (distance <= _FARTHEST))
    if chosen.size < _FEWEST:
        return None
    nearest = numbers[labels.ravel()[chosen]]
    x, y = mean.ravel()[nearest], mean.ravel()[chosen]
    good, slope, spread = _trimmed(x, y)
    logs, weights = [], []
    if spread > 1:
        together = float(np.corrcoef(x[good], y[good])[0, 1]) if float(y[good].std()) > 1e-3 else 0.0
        logs.append(np.log(min(max(slope, 0.05), 1.0)))
        weights.append(max(good.sum() / _ALIKE, 2.0) / max(1 - together**2, 0.003) * max(together, 0.0) ** 2)
    flat = change.reshape(change.shape[0], -1)
    power_x, power_y = ((flat[:, which] ** 2).mean(axis=0) for which in (nearest, chosen))
    use = (power_x > 0.4) & good
    if use.sum() >= _FEWEST:
        ratio = 0.5 * np.log(np.maximum(power_y - _ROUNDING, 0.02) / np.maximum(power_x - _ROUNDING, 0.02))[use]
        middle = float(np.median(ratio))
        scatter = 1.4826 * float(np.median(np.abs(ratio - middle)))
        logs.append(min(max(middle, np.log(0.05)), 0.0))
        weights.append(max(use.sum() / _ALIKE, 1.0) / (1.6 * scatter**2 + 0.003))
    if not logs or sum(weights) <= 0:
        return None
    clear = min(float(np.exp(np.dot(logs, weights) / sum(weights))), 0.97)
    colour = (float(np.median(y[good])) - clear * float(np.median(x[good]))) / (1 - clear)
    return Level(clear, min(max(colour, -20.0), 275.0), float(sum(weights)))


def _trimmed(x: Array, y: Array) -> tuple[Flags, float, float]:
    """Pairs that agree with the ratio of their spreads, that ratio, and the spread of the first."""
    good = np.ones(x.size, bool)
    slope, spread = 1.0, 0.0
    for _ in range(8):
        spread = float(x[good].std())
        slope = float(y[good].std()) / max(spread, 1e-6)
        rest = (y - y[good].mean()) - slope * (x - x[good].mean())
        good = np.abs(rest) < 2.5 * (1.4826 * float(np.median(np.abs(rest[good]))) + 0.3)
        if good.sum() < 3:
            return np.ones(x.size, bool), slope, spread
    return good, slope, spread
