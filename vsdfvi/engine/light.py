"""Light: what brightness and contrast of another frame have to be changed by to be those of this one.

Film flickers, fades and is exposed anew; what is carried from another frame brings that frame's light along. The ring
of known picture around a hole is seen in both, so it tells gain and offset. Each is believed as far as it stands out
from its own uncertainty, and no further: a correction that the ring's grain alone suggests would add error where the
light is steady.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

_ROUNDS = 3  # of reweighting: what moves differently from the hole, or is damaged, ends with little weight
_TOLERATED = 2.0  # mean absolute residuals at which a ring sample has half its weight
_ALIKE = 4.0  # ring samples that count as one: grain and errors of flow reach over neighbours
_FEWEST = 8  # samples from which anything is said
_FARTHEST = 1.0  # pixels: what the ring may move a source by; beyond that one linear step means nothing
_MOST = 3.0  # gain of a source as a whole: fades begin and end near black
_MOST_LOCAL = 1.15  # and of a part of the hole beyond that: more is no light but a shade that crosses its ring

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Light:
    """The light of one source against that of the target, for each part of the hole.

    Attributes:
        gain, offset: float64 ``(groups)``: value in the target = gain * value in the source + offset, in codes.
        error: float64 ``(groups)``: root mean square difference that is left in the ring, in codes; infinite where
            the ring says nothing.
        shift: float64 ``(2, groups)``: pixels, x and y, by which the source has to be sampled elsewhere than the
            composed trajectories say.
    """

    gain: Values
    offset: Values
    error: Values
    shift: Values

    def part(self, first: int, last: int) -> "Light":
        """The light of the parts first..last, the last not included."""
        chosen = slice(first, last)
        return Light(self.gain[chosen], self.offset[chosen], self.error[chosen], self.shift[:, chosen])

    @staticmethod
    def unchanged(groups: int) -> "Light":
        """No difference of light, of unknown error."""
        return Light(np.ones(groups), np.zeros(groups), np.full(groups, np.inf), np.zeros((2, groups)))

    def of(self, values: NDArray[np.float32], group: NDArray[np.int32]) -> NDArray[np.float32]:
        """Values of the source in the target's light, given the part of the hole that each belongs to."""
        return (self.gain[group] * values + self.offset[group]).astype(np.float32)


def match_light(
    target: NDArray[np.float32],
    source: NDArray[np.float32],
    group: NDArray[np.int32],
    groups: int,
    *,
    corrects: bool,
    source_of: NDArray[np.int32] | None = None,
) -> Light:
    """Gain and offset that turn sources' ring samples into the target's: of all of a source, then of each part by that.

    Shapes:
        target, source: ``(samples)`` in codes, of the same places.
        group: ``(samples)``, the part of the hole that each belongs to; the same part in another source is another.
        source_of: ``(groups)``, from 0, the source of each part; None where there is one source.

    Args:
        groups: How many parts there are.
        corrects: Whether light is to be matched; else the error that is left without is all that is asked for.

    Source:
        Reweighting: Holland and Welsch, "Robust regression using iteratively reweighted least-squares", Communications
        in Statistics A6, 1977. The line through two noisy measurements: Deming, "Statistical adjustment of data", 1943.
        How far an estimate is believed: James and Stein, "Estimation with quadratic loss", 1961.
    """
    light = Light.unchanged(groups)
    to, of = target.astype(np.float64), source.astype(np.float64)
    if not corrects:
        return _with_error(light, to, of, group, groups)
    origin = np.zeros(groups, np.int32) if source_of is None else source_of
    sources = int(origin.max(initial=0)) + 1
    gain, offset = (each[origin] for each in _line(to, of, origin[group], sources, most=_MOST))
    if groups > sources:
        more_gain, more_offset = _line(to, gain[group] * of + offset[group], group, groups, most=_MOST_LOCAL)
        gain, offset = more_gain * gain, more_gain * offset + more_offset
    return _with_error(replace(light, gain=gain, offset=offset), to, of, group, groups)


def match_shift(
    missed: NDArray[np.float32],
    gradient: NDArray[np.float32],
    there: NDArray[np.bool_],
    group: NDArray[np.int32],
    groups: int,
) -> Values:
    """How far composed trajectories have drifted, ``(2, groups)`` in pixels: what makes the ring agree best.

    A trajectory is composed of many steps, each a little off. Around the hole its end can be held against the target
    itself: this is one step of registration straight between target and source.

    Shapes:
        missed: ``(ring)``, target less source, in codes, in one light.
        gradient: ``(2, ring)``, of the target along x and y, in codes; not a number where it is not known.
        there: ``(ring)``, where the source is known.
        group: ``(ring)``.

    Source:
        Lucas and Kanade, "An iterative image registration technique with an application to stereo vision", IJCAI 1981.
    """
    use = there & np.isfinite(gradient).all(axis=0)
    shift = np.zeros((2, groups))
    if np.count_nonzero(use) < _FEWEST:
        return shift
    along_x, along_y = gradient[:, use].astype(np.float64)
    rest, part = missed[use].astype(np.float64), group[use]

    def total(values: Values) -> Values:
        return np.bincount(part, values, groups)

    count = np.maximum(total(np.ones(part.size)), 1)
    for _ in range(_ROUNDS):
        left = np.abs(rest - shift[0][part] * along_x - shift[1][part] * along_y)
        weight = _weight(left, (total(left) / count)[part])
        xx, yy, xy = (total(weight * each) for each in (along_x**2, along_y**2, along_x * along_y))
        to_x, to_y = total(weight * along_x * rest), total(weight * along_y * rest)
        noise = total(weight * left**2) / np.maximum(total(weight), 1e-12)
        # Where the ring has no gradient in some direction, nothing is said of it.
        xx, yy = xx + noise * _ALIKE + 1e-9, yy + noise * _ALIKE + 1e-9
        scale = np.maximum(xx * yy - xy**2, 1e-12)
        shift = np.stack([(yy * to_x - xy * to_y) / scale, (xx * to_y - xy * to_x) / scale])
        surely = shift[0] ** 2 * xx + 2 * shift[0] * shift[1] * xy + shift[1] ** 2 * yy
        shift *= np.maximum(surely - 2 * noise * _ALIKE, 0) / np.maximum(surely, 1e-12)
    return np.where(count >= _FEWEST, np.clip(shift, -_FARTHEST, _FARTHEST), 0.0)


def _with_error(light: Light, to: Values, of: Values, group: NDArray[np.int32], groups: int) -> Light:
    left = np.abs(to - light.gain[group] * of - light.offset[group])
    count = np.bincount(group, minlength=groups)
    mean = np.bincount(group, left, groups) / np.maximum(count, 1)
    weight = _weight(left, mean[group])
    total = np.bincount(group, weight, groups)
    square = np.bincount(group, weight * left * left, groups) / np.maximum(total, 1e-12)
    return replace(light, error=np.where(count >= _FEWEST, np.sqrt(square), np.inf))


def _weight(left: Values, scale: Values) -> Values:
    return 1.0 / (1.0 + (left / np.maximum(_TOLERATED * scale, 1e-12)) ** 2)


def _line(to: Values, of: Values, group: NDArray[np.int32], groups: int, *, most: float) -> tuple[Values, Values]:
    """Gain and offset of each group, drawn towards 1 and 0 as far as they may be chance.

    Args:
        most: Largest gain; the smallest is its inverse.
    """

    def total(values: Values) -> Values:
        return np.bincount(group, values, groups)

    count = total(np.ones(to.size))
    gain, offset = np.ones(groups), np.zeros(groups)
    for _ in range(_ROUNDS):
        left = np.abs(to - gain[group] * of - offset[group])
        weight = _weight(left, (total(left) / np.maximum(count, 1))[group])
        sum_of = np.maximum(total(weight), 1e-12)
        mean_to, mean_of = total(weight * to) / sum_of, total(weight * of) / sum_of
        d_to, d_of = to - mean_to[group], of - mean_of[group]
        var_to, var_of = total(weight * d_to * d_to) / sum_of, total(weight * d_of * d_of) / sum_of
        both = total(weight * d_to * d_of) / sum_of
        spread = var_to - var_of
        positive = both > 1e-9
        gain = np.where(positive, (spread + np.sqrt(spread**2 + 4 * both**2)) / (2 * np.where(positive, both, 1)), 1.0)
        gain = np.clip(gain, 1 / most, most)
        rest = np.maximum(var_to + gain**2 * var_of - 2 * gain * both, 0.0)
        # Of a weighted sum the number of samples that count as much as it does.
        effective = np.maximum(sum_of**2 / np.maximum(total(weight**2), 1e-12) / _ALIKE, 1.0)
        gain = 1.0 + _believed(gain - 1.0, rest / (effective * np.maximum(both, 1e-9)))
        offset = _believed(mean_to - mean_of, rest / effective) + (1.0 - gain) * mean_of
    enough = count >= _FEWEST
    return np.where(enough, gain, 1.0), np.where(enough, offset, 0.0)


def _believed(estimate: Values, variance: Values) -> Values:
    """An estimate, less what its variance alone would make of nothing."""
    square = estimate**2
    return estimate * np.maximum(square - variance, 0.0) / np.maximum(square, 1e-12)
