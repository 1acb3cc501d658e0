"""Light and drift as their method is written down, with NumPy's sums: what ``light.h`` is held to, bit for bit."""

import numpy as np

ROUNDS, TOLERATED, ALIKE, FEWEST, FARTHEST, MOST, MOST_LOCAL = 3, 2.0, 4.0, 8, 1.0, 3.0, 1.15


def match_light(target, source, group, groups, *, corrects):
    """Gain, offset and error of one source, for each part of the hole."""
    gain, offset = np.ones(groups), np.zeros(groups)
    to, of = target.astype(np.float64), source.astype(np.float64)
    if corrects:
        one_gain, one_offset = _line(to, of, np.zeros(group.size, np.int32), 1, MOST)
        gain, offset = gain * one_gain, offset + one_offset
        if groups > 1:
            more_gain, more_offset = _line(to, gain[group] * of + offset[group], group, groups, MOST_LOCAL)
            gain, offset = more_gain * gain, more_gain * offset + more_offset
    left = np.abs(to - gain[group] * of - offset[group])
    count = np.bincount(group, minlength=groups)
    mean = np.bincount(group, left, groups) / np.maximum(count, 1)
    weight = _weight(left, mean[group])
    total = np.bincount(group, weight, groups)
    square = np.bincount(group, weight * left * left, groups) / np.maximum(total, 1e-12)
    return gain, offset, np.where(count >= FEWEST, np.sqrt(square), np.inf)


def match_shift(missed, gradient, there, group, groups):
    """What one source has to be moved by, ``(2, groups)``."""
    use = there & np.isfinite(gradient).all(axis=0)
    shift = np.zeros((2, groups))
    if np.count_nonzero(use) < FEWEST:
        return shift
    along_x, along_y = gradient[:, use].astype(np.float64)
    rest, part = missed[use].astype(np.float64), group[use]

    def total(values):
        return np.bincount(part, values, groups)

    count = np.maximum(total(np.ones(part.size)), 1)
    for _ in range(ROUNDS):
        left = np.abs(rest - shift[0][part] * along_x - shift[1][part] * along_y)
        weight = _weight(left, (total(left) / count)[part])
        xx, yy, xy = (total(weight * each) for each in (along_x**2, along_y**2, along_x * along_y))
        to_x, to_y = total(weight * along_x * rest), total(weight * along_y * rest)
        noise = total(weight * left**2) / np.maximum(total(weight), 1e-12)
        # Where the ring has no gradient in some direction, nothing is said of it.
        xx, yy = xx + noise * ALIKE + 1e-9, yy + noise * ALIKE + 1e-9
        scale = np.maximum(xx * yy - xy**2, 1e-12)
        shift = np.stack([(yy * to_x - xy * to_y) / scale, (xx * to_y - xy * to_x) / scale])
        surely = shift[0] ** 2 * xx + 2 * shift[0] * shift[1] * xy + shift[1] ** 2 * yy
        shift *= np.maximum(surely - 2 * noise * ALIKE, 0) / np.maximum(surely, 1e-12)
    return np.where(count >= FEWEST, np.clip(shift, -FARTHEST, FARTHEST), 0.0)


def _weight(left, scale):
    return 1.0 / (1.0 + (left / np.maximum(TOLERATED * scale, 1e-12)) ** 2)


def _line(to, of, group, groups, most):
    """Gain and offset of each group, drawn towards 1 and 0 as far as they may be chance."""

    def total(values):
        return np.bincount(group, values, groups)

    count = total(np.ones(to.size))
    gain, offset = np.ones(groups), np.zeros(groups)
    for _ in range(ROUNDS):
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
        effective = np.maximum(sum_of**2 / np.maximum(total(weight**2), 1e-12) / ALIKE, 1.0)
        gain = 1.0 + _believed(gain - 1.0, rest / (effective * np.maximum(both, 1e-9)))
        offset = _believed(mean_to - mean_of, rest / effective) + (1.0 - gain) * mean_of
    enough = count >= FEWEST
    return np.where(enough, gain, 1.0), np.where(enough, offset, 0.0)


def _believed(estimate, variance):
    """An estimate, less what its variance alone would make of nothing."""
    square = estimate**2
    return estimate * np.maximum(square - variance, 0.0) / np.maximum(square, 1e-12)
