"""Fine texture: it is told from what is known alone, and a blend of two fills keeps as much of it as each has."""

import numpy as np
import pytest
from tolerance import ENERGY_KEPT, assert_same_bits

from vsdfvi.engine.texture import Carried, crossfade, smoothed

SHAPE = 64, 80
AT = tuple(grid.ravel().astype(np.int32) for grid in np.mgrid[5 : 5 + SHAPE[0], 9 : 9 + SHAPE[1]])
NOTHING = np.zeros(SHAPE[0] * SHAPE[1], np.float32), np.zeros(SHAPE[0] * SHAPE[1], bool)


def fine(values):
    picture = values.reshape(SHAPE)
    return picture - smoothed(picture, np.ones(SHAPE, np.float32))


def texture(seed, level=100):
    return (level + np.random.default_rng(seed).normal(0, 5, SHAPE)).astype(np.float32).ravel()


def carried(values, share):
    return Carried(values, np.full(values.size, share, np.float32))


def test_what_is_smooth_stays_and_what_is_not_known_has_no_influence():
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(np.float32)
    known = np.ones(SHAPE, np.float32)
    known[20:30, 30:50] = 0
    picture = np.where(known > 0, 7, 1e6).astype(np.float32)
    found = smoothed(picture, known)
    near = known.astype(bool)
    np.testing.assert_allclose(found[near], 7, rtol=1e-5)
    slope = smoothed(columns + rows, np.ones(SHAPE, np.float32))
    np.testing.assert_allclose(slope[8:-8, 8:-8], (columns + rows)[8:-8, 8:-8], rtol=1e-5)
    empty = smoothed(picture, np.zeros(SHAPE, np.float32))
    assert not empty.any()


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5])
def test_two_textures_that_were_invented_apart_keep_their_energy(share):
    first, second = texture(1), texture(2)
    blend, there = crossfade([carried(first, 1 - share), carried(second, share)], AT, *NOTHING)
    assert there.all()
    wanted = (fine(first) ** 2).mean()
    assert abs((fine(blend) ** 2).mean() / wanted - 1) < ENERGY_KEPT
    plain = (1 - share) * first + share * second
    left = (1 - share) ** 2 + share**2  # of a mean
    assert abs((fine(plain) ** 2).mean() / wanted - left) < ENERGY_KEPT
    np.testing.assert_allclose(smoothed(blend.reshape(SHAPE), np.ones(SHAPE, np.float32)).mean(), 100, atol=0.5)


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_two_fills_that_are_the_same_stay_as_they_are(share):
    first = texture(1)
    blend, _ = crossfade([carried(first, 1 - share), carried(first.copy(), share)], AT, *NOTHING)
    np.testing.assert_allclose(blend, first, rtol=1e-5)


def test_the_more_alike_they_are_the_less_is_added():
    common = texture(1)
    halves = [(100 + 0.7071 * (common - 100) + 0.7071 * (texture(seed) - 100)).astype(np.float32) for seed in (2, 3)]
    blend, _ = crossfade([carried(each, 0.5) for each in halves], AT, *NOTHING)
    assert abs((fine(blend) ** 2).mean() / (fine(common) ** 2).mean() - 1) < ENERGY_KEPT


def test_means_of_smooth_fills_are_means():
    one, other = (np.full(SHAPE[0] * SHAPE[1], level, np.float32) for level in (50, 90))
    blend, _ = crossfade([carried(one, 0.75), carried(other, 0.25)], AT, *NOTHING)
    np.testing.assert_allclose(blend, 60, rtol=1e-5)


def test_where_one_of_them_shows_nothing_the_other_is_taken_as_it_is():
    first, second = texture(1), texture(2, level=120)
    left, none = AT[1] < 40, AT[0] < 15
    parts = [Carried(first, np.where(none | ~left, 0, 0.6).astype(np.float32)),
             Carried(second, np.where(none | left, 0, 0.4).astype(np.float32))]  # fmt: skip
    blend, there = crossfade(parts, AT, *NOTHING)
    np.testing.assert_array_equal(there, ~none)
    np.testing.assert_allclose(blend[left & ~none], first[left & ~none], rtol=1e-6)
    np.testing.assert_allclose(blend[~left & ~none], second[~left & ~none], rtol=1e-6)


def test_one_alone_is_handed_on():
    first = texture(1)
    blend, there = crossfade([carried(first, 0.25)], AT, *NOTHING)
    assert there.all()
    np.testing.assert_allclose(blend, first, rtol=1e-6)


def test_one_sample_is_blended_too():
    at = np.array([3], np.int32), np.array([4], np.int32)
    parts = [Carried(np.array([level], np.float32), np.array([0.5], np.float32)) for level in (10, 20)]
    blend, there = crossfade(parts, at, np.zeros(1, np.float32), np.zeros(1, bool))
    assert there.all()
    np.testing.assert_allclose(blend, 15, rtol=1e-5)
    assert_same_bits(parts[0].values, np.array([10], np.float32))
