"""Light: a known change of it is found in a noisy ring; chance is not taken for one; and what has drifted is found."""

import numpy as np
import pytest
import scenes
from scipy.ndimage import map_coordinates
from tolerance import CHANCE, GAIN_OFF, LEVEL_OFF, OUTLIERS_OFF, SHIFT_CHANCE, SHIFT_OFF

from vsdfvi.engine import light as engine_light
from vsdfvi.engine.light import Light

LEVEL, CONTRAST = 120, 30  # codes of 8 bits: mean of the texture and its deviation
ONE = {"groups": 1, "corrects": True}


def rings(samples, grain, gain, offset, seed):
    """One texture as two frames have it, each with grain of its own: target and source."""
    random = np.random.default_rng(seed)
    texture = random.normal(LEVEL, CONTRAST, samples)
    source = texture + random.normal(0, grain, samples)
    target = gain * texture + offset + random.normal(0, grain, samples)
    return target.astype(np.float32), source.astype(np.float32)


def match_light(target, source, group, groups, *, corrects):
    """The light of one source that is known all around."""
    there = np.ones((1, target.size), bool)
    return engine_light.match_light(target, source[None], there, group, groups, corrects=corrects)[0]


def match_shift(missed, gradient, there, group, groups):
    """The drift of one source."""
    return engine_light.match_shift(missed[None], gradient, there[None], group, groups)[0]


def matched(target, source):
    return match_light(target, source, np.zeros(target.size, np.int32), **ONE)


def level_of(light, group=0):
    return light.gain[group] * LEVEL + light.offset[group]


# What is there is found.


@pytest.mark.parametrize("samples", [100, 400])
@pytest.mark.parametrize("grain", [1, 4])
@pytest.mark.parametrize(("gain", "offset"), [(1.1, -3), (0.9, 5), (1, 8)])
def test_gain_and_offset_are_found_through_grain(samples, grain, gain, offset):
    lights = [matched(*rings(samples, grain, gain, offset, seed)) for seed in range(40)]
    off = np.array([level_of(light) - (gain * LEVEL + offset) for light in lights])
    scale = grain / np.sqrt(samples)  # what the mean of so many samples is off by
    assert np.sqrt((off**2).mean()) < LEVEL_OFF * scale
    gains = np.array([light.gain[0] - gain for light in lights])
    assert np.sqrt((gains**2).mean()) < GAIN_OFF * scale / CONTRAST
    # The error that is left is the grain of both, less what counts little.
    left = np.mean([light.error[0] for light in lights]) / (grain * np.hypot(gain, 1))
    assert 0.7 < left < 1


def test_without_grain_they_are_found_exactly():
    light = matched(*rings(100, 0, 1.25, -7.5, 1))
    np.testing.assert_allclose([light.gain[0], light.offset[0]], [1.25, -7.5], rtol=1e-5)
    assert light.error[0] < 1e-4


def test_a_source_in_the_same_light_is_left_as_it_is():
    target, _ = rings(100, 3, 1, 0, 1)
    light = matched(target, target.copy())
    assert (light.gain[0], light.offset[0], light.error[0]) == (1, 0, 0)
    assert light.of(target, np.zeros(100, np.int32)).tobytes() == target.tobytes()


def test_chance_alone_corrects_next_to_nothing():
    """Frames that differ in grain alone: a mean of so many would be moved by more than it is."""
    grain, samples = 4, 100
    moved = [level_of(matched(*rings(samples, grain, 1, 0, seed))) - LEVEL for seed in range(200)]
    naive = [
        np.subtract(*(ring.mean(dtype=np.float64) for ring in rings(samples, grain, 1, 0, seed))) for seed in range(200)
    ]
    assert np.abs(moved).mean() < CHANCE * np.abs(naive).mean()


def test_what_does_not_belong_counts_little():
    off, naive = [], []
    for seed in range(40):
        target, source = rings(400, 2, 1.1, -3, seed)
        random = np.random.default_rng((seed, 1))
        wrong = random.random(400) < 0.1
        target[wrong] += random.uniform(30, 100, wrong.sum()).astype(np.float32)
        off.append(abs(level_of(matched(target, source)) - (1.1 * LEVEL - 3)))
        slope, start = np.polyfit(source.astype(np.float64), target.astype(np.float64), 1)
        naive.append(abs(slope * LEVEL + start - (1.1 * LEVEL - 3)))
    assert np.mean(off) < OUTLIERS_OFF
    assert np.mean(off) < np.mean(naive) / 3


@pytest.mark.parametrize("curve", ["log", "power"])
def test_light_that_is_no_line_is_followed_where_the_ring_lies(curve):
    """Exposure in a log or a gamma curve: near the levels of the ring a line does."""
    _, source = rings(400, 0, 1, 0, 1)
    source = np.clip(source, 40, 250)
    target = (50 * np.log(source / 10)) if curve == "log" else 255 * (source / 255) ** 0.8
    group = np.zeros(400, np.int32)
    before = match_light(target.astype(np.float32), source, group, 1, corrects=False).error[0]
    light = matched(target.astype(np.float32), source)
    after = np.sqrt(np.mean((light.of(source, group) - target) ** 2))
    assert after < before / 5


# Parts of a hole.


def test_each_part_has_a_light_of_its_own():
    target, source = rings(600, 1, 1, 0, 3)
    group = np.repeat([0, 1, 2], 200).astype(np.int32)
    truth = [(1.15, -10), (0.9, 4), (1, 0)]
    for part, (gain, offset) in enumerate(truth):
        target[group == part] = target[group == part] * np.float32(gain) + np.float32(offset)
    light = match_light(target, source, group, 3, corrects=True)
    for part, (gain, offset) in enumerate(truth):
        assert abs(level_of(light, part) - (gain * LEVEL + offset)) < 1
    shown = light.of(source, group)
    assert np.sqrt(np.mean((shown - target) ** 2)) < 2


def test_a_part_without_a_ring_takes_the_light_of_all():
    target, source = rings(200, 1, 1.2, -8, 4)
    group = np.zeros(200, np.int32)
    group[:5] = 1  # too few to say anything by themselves
    light = match_light(target, source, group, 3, corrects=True)
    for part in (1, 2):
        assert abs(level_of(light, part) - (1.2 * LEVEL - 8)) < 1
        assert light.error[part] == np.inf
    assert np.isfinite(light.error[0])


@pytest.mark.parametrize("samples", [0, 1, 7])
def test_a_few_samples_say_nothing(samples):
    target, source = rings(samples, 0, 1.2, 10, 1)
    light = match_light(target, source, np.zeros(samples, np.int32), 2, corrects=True)
    assert (light.gain.tolist(), light.offset.tolist()) == ([1, 1], [0, 0])
    assert light.error.tolist() == [np.inf, np.inf]
    assert light.shift.tolist() == [[0, 0], [0, 0]]


def test_where_light_is_not_to_be_matched_the_error_is_told_alone():
    target, source = rings(200, 0, 1, 10, 1)
    light = match_light(target, source, np.zeros(200, np.int32), **{**ONE, "corrects": False})
    assert (light.gain[0], light.offset[0]) == (1, 0)
    np.testing.assert_allclose(light.error[0], 10, rtol=1e-5)


# Limits.


@pytest.mark.parametrize(("gain", "bound"), [(5.0, 3.0), (0.1, 1 / 3)])
def test_the_gain_of_a_source_is_kept_within_a_factor_of_three(gain, bound):
    target, source = rings(400, 0, gain, 0, 1)
    # Drawn towards 1 a little, as what a line leaves over counts as chance.
    found = abs(np.log(matched(target, source).gain[0]))
    assert 0.95 * abs(np.log(bound)) < found <= abs(np.log(bound)) + 1e-9


@pytest.mark.parametrize("gain", [1.9, 0.5])
def test_a_part_may_differ_from_its_source_by_little_only(gain):
    """A shade that crosses the ring of one speck is no light."""
    target, source = rings(4000, 0, 1, 0, 1)
    group = (np.arange(4000) >= 3800).astype(np.int32)
    target[group == 1] *= np.float32(gain)
    part = match_light(target, source, group, 2, corrects=True).gain
    np.testing.assert_allclose(part[0], 1, atol=0.02)
    assert 1 / 1.16 < part[1] / part[0] < 1.16


@pytest.mark.parametrize("flat", ["both", "target", "source"])
def test_flat_rings_have_an_offset_and_no_gain(flat):
    target, source = rings(200, 2, 1, 0, 1)
    target = np.full(200, 60, np.float32) if flat in ("both", "target") else target
    source = np.full(200, 50, np.float32) if flat in ("both", "source") else source
    light = matched(target, source)
    assert light.gain[0] == 1
    difference = float(target.mean(dtype=np.float64) - source.mean(dtype=np.float64))
    assert abs(light.offset[0]) <= abs(difference) * 1.2
    if flat == "both":
        np.testing.assert_allclose(light.offset[0], 10)


@pytest.mark.parametrize("bits", [8, 16, 0])
def test_light_is_the_same_in_every_depth(bits):
    scale = {8: 1, 16: 257, 0: 1 / 255}[bits]
    target, source = rings(200, 2, 1.1, -3, 1)
    light, scaled = matched(target, source), matched(target * np.float32(scale), source * np.float32(scale))
    np.testing.assert_allclose(scaled.gain, light.gain, rtol=1e-5)
    np.testing.assert_allclose(scaled.offset / scale, light.offset, rtol=1e-3)


def test_unchanged_changes_nothing():
    values = np.random.default_rng(1).normal(0, 1e4, 50).astype(np.float32)
    assert Light.unchanged(3).of(values, np.full(50, 2, np.int32)).tobytes() == values.tobytes()


# Drift.


def drifted(shift, grain=0.0, seed=1, samples=300, picture="coffee"):
    """A ring of a photograph, and the same sampled (x, y) pixels off: missed, and the target's gradient."""
    random = np.random.default_rng(seed)
    luma = 255 * scenes.photograph(picture).mean(axis=2)
    y0, x0 = 200, 250
    y, x = (random.integers(0, 60, samples) + at for at in (y0, x0))

    def sampled(dx, dy):
        return map_coordinates(luma, [y + dy, x + dx], order=5)

    gradient = np.stack([(sampled(1, 0) - sampled(-1, 0)) / 2, (sampled(0, 1) - sampled(0, -1)) / 2])
    missed = sampled(0, 0) - sampled(-shift[0], -shift[1]) + random.normal(0, grain, samples)
    return missed.astype(np.float32), gradient.astype(np.float32), np.ones(samples, bool), np.zeros(samples, np.int32)


@pytest.mark.parametrize("shift", [(0.3, 0), (0, -0.3), (0.2, 0.25), (-0.4, 0.1)])
@pytest.mark.parametrize("grain", [0, 2])
def test_a_drift_of_a_part_of_a_pixel_is_found(shift, grain):
    """The source shows what lies ``shift`` before its place: it has to be sampled that much farther on."""
    found = match_shift(*drifted(shift, grain), 1)
    np.testing.assert_allclose(found[:, 0], shift, atol=SHIFT_OFF)


def test_grain_alone_is_no_drift():
    off = [np.abs(match_shift(*drifted((0, 0), 4, seed), 1)).max() for seed in range(60)]
    assert np.mean(off) < SHIFT_CHANCE


def test_parts_drift_apart():
    one, other = drifted((0.3, 0.1)), drifted((-0.2, 0.2), seed=2)
    both = [np.concatenate(pair, axis=-1) for pair in zip(one, other, strict=True)]
    both[3][300:] = 2
    found = match_shift(*both, 4)
    np.testing.assert_allclose(found[:, 0], (0.3, 0.1), atol=SHIFT_OFF)
    np.testing.assert_allclose(found[:, 2], (-0.2, 0.2), atol=SHIFT_OFF)
    assert not found[:, [1, 3]].any()


def test_along_a_straight_edge_nothing_is_said_of_the_way_along_it():
    missed, gradient, there, group = drifted((0.3, 0))
    gradient[1] = 0
    found = match_shift(missed, gradient, there, group, 1)
    assert found[1, 0] == 0


def test_a_drift_has_a_limit():
    missed, gradient, there, group = drifted((0.3, 0))
    assert np.abs(match_shift(missed * 100, gradient, there, group, 1)).max() <= 1


def test_what_is_not_known_says_nothing_of_drift():
    missed, gradient, there, group = drifted((0.3, 0))
    few = there.copy()
    few[7:] = False
    assert not match_shift(missed, gradient, few, group, 1).any()
    unknown = gradient.copy()
    unknown[0, 100:], missed[100:] = np.nan, 1e6
    np.testing.assert_allclose(match_shift(missed, unknown, there, group, 1)[:, 0], (0.3, 0), atol=SHIFT_OFF)
