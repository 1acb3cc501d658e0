"""Grain: noise of exact bits; as much of it as the fill lacks, new on every frame; and none where none is."""

from dataclasses import replace

import numpy as np
import pytest
import scenes
from around import footage_of
from lender import of_scene
from tolerance import ENOUGH_OFF, FRESH_OFF, GRAIN_ALIKE, NEW_EVERY_FRAME

from vsdfvi.engine.footage import Footage
from vsdfvi.engine.grain import _least, _trimmed, add_grain, fresh_variance, still_texture, white_noise
from vsdfvi.engine.propagation import hole_pixels
from vsdfvi.engine.surroundings import ring_of
from vsdfvi.engine.texture import smoothed
from vsdfvi.engine.tracing import RingFill
from vsdfvi.kernels import pack

SIZE = 128, 160
GRAYS = {"family": "GRAY", "bits": 32, "is_float": True}


def variance_of_fine(picture, where):
    """Variance of what is finer than a Gaussian, over a part of a picture, in squared codes of 8 bits."""
    picture = picture.astype(np.float32)
    fine = picture - smoothed(picture, np.ones(picture.shape, np.float32))
    return float((fine[where].astype(np.float64) ** 2).mean()) * 255**2


def inner(mask):
    """A hole without its rim, over which what is fine is measured."""
    return mask & np.roll(mask, 5, 0) & np.roll(mask, -5, 0) & np.roll(mask, 5, 1) & np.roll(mask, -5, 1)


def slope(mask, grain, *, soft=0.0, still=False, **fields):
    """A clip of a smooth slope with grain, that stands still: all that is fine in it is grain."""
    form = scenes.video_format(**{**GRAYS, "size": SIZE, "frames": len(mask), **fields})
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    picture = 0.3 + 0.002 * columns + 0.001 * rows
    if not form.is_float:
        picture = np.rint(picture * form.peak)
    planes = tuple(picture.astype(form.dtype) for _ in range(form.planes))
    plain = scenes.still(form, mask)
    clip = replace(plain, truth=(planes,) * form.frames)
    aged = scenes.aged(clip, grain=grain, soft=soft)
    if still:  # the same on every frame: that is texture
        hole = mask[0]
        rubbish = np.where(hole, np.float32(0.9), aged.truth[0][0])
        aged = replace(aged, truth=(aged.truth[0],) * form.frames, damaged=((rubbish,),) * form.frames)
    return aged


def passing(frames=9, size=(60, 60), step=20):
    """A hole that every place is free of three frames later."""
    form = scenes.video_format(**{**GRAYS, "size": SIZE, "frames": frames})
    return scenes.box(form, size, (-60, 34), (step, 0))


def standing(frames=6, size=(56, 72)):
    form = scenes.video_format(**{**GRAYS, "size": SIZE, "frames": frames})
    return scenes.box(form, size, (44, 36))


@pytest.fixture
def true_flow(monkeypatch):
    """Nothing moves, everywhere."""
    monkeypatch.setattr(Footage, "boxes", lambda self, n: [(0, 0, self.size[1], self.size[0])])
    monkeypatch.setattr(Footage, "flow", lambda self, n: pack([(0, 0)], [np.zeros((4, *self.size), np.float32)]))


def restored(scene, n, **settings):
    return of_scene(scene, scene_threshold=0, completion="laplace", **settings).render(n)


# Noise.


def test_noise_is_white_and_near_normal():
    noise = white_noise(0, 0, (512, 512), (3, 1)).astype(np.float64)
    count = noise.size
    assert abs(noise.mean()) < 4 / np.sqrt(count)
    assert abs(noise.var() - 1) < 4 * np.sqrt(2 / count)
    assert abs((noise**3).mean()) < 4 * np.sqrt(15 / count)
    # Of eight bytes the kurtosis is 3 - 1.2 / 8.
    assert abs((noise**4).mean() - (3 - 0.15)) < 4 * np.sqrt(96 / count)
    for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1), (0, 2), (7, 5)):
        assert abs((noise * np.roll(noise, (dy, dx), (0, 1))).mean()) < 4 / np.sqrt(count)


@pytest.mark.parametrize("other", [(4, 1), (3, 2), (1, 3), (-1, 1)])
def test_seeds_have_noise_of_their_own(other):
    one, two = (white_noise(0, 0, (256, 256), seed) for seed in ((3, 1), other))
    assert abs((one * two).mean()) < 4 / 256
    assert not np.array_equal(one, two)


def test_noise_depends_on_the_place_alone():
    whole = white_noise(-3, -5, (60, 70), (9, 0))
    part = white_noise(17, -1, (11, 13), (9, 0))
    assert whole[4:15, 20:33].tobytes() == part.tobytes()


def test_noise_has_the_values_it_always_had():
    """A frame made today is the frame made again tomorrow. Counted in steps of a byte: sums of eight, less 1020."""
    steps = np.sqrt(8 * (256**2 - 1) / 12)
    found = {
        (x, y, n, plane): int(np.rint(white_noise(x, y, (1, 1), (n, plane))[0, 0] * steps))
        for x, y, n, plane in ((0, 0, 0, 0), (5, 7, 3, 1), (1919, 1079, 100000, 2), (-1, -1, -1, 0))
    }
    assert found == PINNED


PINNED = {(0, 0, 0, 0): -92, (5, 7, 3, 1): 287, (1919, 1079, 100000, 2): -336, (-1, -1, -1, 0): -248}


# What the ring says.


@pytest.mark.parametrize("sigma", [0, 2, 8])
def test_what_is_new_in_every_frame_is_told_from_texture(true_flow, sigma):
    textured = slope(standing(3), 6, still=True)
    scene = scenes.aged(textured, grain=sigma)
    footage = footage_of(replace(scene, flow_fw=None))
    (found,) = fresh_variance(footage, 1, ring_of(footage, 1))
    noise = np.random.default_rng(1).normal(0, sigma / 255, SIZE)
    expected = variance_of_fine(noise, np.ones(SIZE, bool)) if sigma else 0
    assert abs(found * 255**2 - expected) <= FRESH_OFF * expected + 0.01


def test_a_frame_without_neighbours_has_no_grain_that_is_known_to_be_new(true_flow):
    scene = slope(standing(1), 6)
    footage = footage_of(replace(scene, flow_fw=None))
    assert fresh_variance(footage, 0, ring_of(footage, 0)) == (0.0,)


def test_across_a_cut_nothing_is_compared(true_flow):
    one = slope(standing(1), 6)
    clip = scenes.cut(one, one)
    footage = footage_of(replace(clip, flow_fw=None))
    for n in (0, 1):
        assert fresh_variance(footage, n, ring_of(footage, n)) == (0.0,)


# What is traced.


@pytest.mark.parametrize("soft", [0, 0.6], ids=["white", "soft"])
@pytest.mark.parametrize("sigma", [2, 5, 12])
def test_the_fill_has_as_much_grain_as_nobody_misses(true_flow, sigma, soft):
    mask = passing()
    scene = slope(mask, sigma, soft=soft)
    where = inner(mask[4])
    truth = variance_of_fine(scene.truth[4][0], where)
    shares = {}
    for grain in (0.0, 0.5, 1.0):
        shares[grain] = variance_of_fine(restored(scene, 4, grain=grain)[0], where) / truth
    assert shares[0.0] < 0.65  # blends of two and more average it away
    assert abs(shares[1.0] - 0.85) < ENOUGH_OFF
    assert abs(shares[0.5] - (shares[0.0] + shares[1.0]) / 2) < ENOUGH_OFF


@pytest.mark.parametrize("soft", [0, 0.6], ids=["white", "soft"])
def test_grain_is_as_alike_from_pixel_to_pixel_as_that_around_it(true_flow, soft):
    mask = passing()
    scene = slope(mask, 8, soft=soft)
    added = (restored(scene, 4)[0] - restored(scene, 4, grain=0.0)[0]) * mask[4]
    real = scene.truth[4][0] - smoothed(scene.truth[4][0], np.ones(SIZE, np.float32))
    added = added - smoothed(added, np.ones(SIZE, np.float32))
    where = inner(mask[4])

    def alike(picture):
        picture = picture.astype(np.float64)
        return (picture * np.roll(picture, 1, 1))[where].mean() / (picture**2)[where].mean()

    assert abs(alike(added) - alike(real)) < GRAIN_ALIKE


def test_grain_is_new_in_every_frame(true_flow):
    mask = passing(size=(60, 100))
    scene = slope(mask, 8)
    frames = [restored(scene, n)[0] - restored(scene, n, grain=0.0)[0] for n in (4, 5)]
    both = mask[4] & mask[5]
    assert np.count_nonzero(both) > 3000
    assert all(np.abs(added[both]).mean() * 255 > 1 for added in frames)
    assert abs(np.corrcoef(frames[0][both], frames[1][both])[0, 1]) < NEW_EVERY_FRAME


def test_grain_depends_on_the_place_and_not_on_the_hole(true_flow):
    added, masks = [], [passing(), np.roll(passing(), 7, axis=1)]  # another corner
    for mask in masks:
        scene = slope(mask, 8)
        added.append(restored(scene, 4)[0] - restored(scene, 4, grain=0.0)[0])
    both = masks[0][4] & masks[1][4]
    assert np.count_nonzero(both) > 1000
    assert np.corrcoef(added[0][both], added[1][both])[0, 1] > 0.9  # it is as strong as each ring says


@pytest.mark.parametrize(
    "family", [{"family": "GRAY"}, {"subsampling": (1, 1)}, {"family": "RGB", "bits": 10}], ids=str
)
def test_a_clean_clip_gets_none(true_flow, family):
    mask = scenes.box(scenes.video_format(size=SIZE, frames=5), (40, 40), (0, 40), (24, 0))
    form = scenes.video_format(size=SIZE, frames=5, **family)
    scene = scenes.still(form, mask)
    with_grain, without = (restored(scene, 2, grain=grain) for grain in (1.0, 0.0))
    for plane, (a, b) in enumerate(zip(with_grain, without, strict=True)):
        assert a.tobytes() == b.tobytes()
        assert a.tobytes() == scene.truth[2][plane].tobytes()


def test_what_the_fill_does_not_lack_is_not_added():
    """The fill of the ring has grain of its own, as much as the picture."""
    scene = slope(standing(3), 8)
    footage = footage_of(scene)
    pixels, ring = hole_pixels(footage, 1), ring_of(footage, 1)
    other = scene.truth[2][0][ring.row[0], ring.column[0]]
    values = scene.truth[2][0][pixels.y, pixels.x]
    fill = RingFill((other,), (np.ones(other.size, bool),))
    (found,) = add_grain(footage, 1, pixels, (values,), (np.ones(values.size, bool),), ring, fill)
    # In a fourth of the ring, one may by chance seem to have a little less than the other.
    assert ((found - values) ** 2).mean() < 0.05 * (8 / 255) ** 2


def test_a_ring_of_a_few_samples_says_nothing(true_flow):
    mask = np.ones((3, *SIZE), bool)
    mask[:, :5, :5] = False
    footage = footage_of(replace(slope(mask, 8), flow_fw=None))
    pixels, ring = hole_pixels(footage, 1), ring_of(footage, 1)
    assert 0 < ring.x.size < 32
    values = np.full(pixels.count, 0.5, np.float32)
    nothing = RingFill((np.zeros(ring.x.size, np.float32),), (np.zeros(ring.x.size, bool),))
    for seen in (False, True):
        flags = np.full(pixels.count, seen)
        (found,) = add_grain(footage, 1, pixels, (values,), (flags,), ring, nothing)
        np.testing.assert_array_equal(found, values)


def test_a_ring_without_chroma_gives_chroma_none():
    """Nothing is seen of what is behind it, so all of it is invented, and a plane of the ring is empty."""
    form = scenes.video_format(size=(48, 64), frames=2, subsampling=(2, 2))
    mask = np.zeros((2, 48, 64), bool)
    mask[:, 3::4, 3::4] = True  # in each block of 4 x 4 but the first, whose sample stands at its far corner
    mask[:, 3, 3] = False
    footage = footage_of(scenes.noise(form, mask))
    pixels, ring = hole_pixels(footage, 0), ring_of(footage, 0)
    assert [of.size > 0 for of in ring.of_plane] == [True, False, False]
    footage.flow = lambda n: pack([(0, 0)], [np.zeros((4, 48, 64), np.float32)])
    values = tuple(np.full(column.size, 100, np.float32) for column in pixels.column)
    seen = tuple(np.zeros(each.size, bool) for each in values)
    empty = RingFill(*(tuple(np.zeros(of.size, kind) for of in ring.of_plane) for kind in (np.float32, bool)))
    found = add_grain(footage, 0, pixels, values, seen, ring, empty)
    for plane in (1, 2):
        np.testing.assert_array_equal(found[plane], values[plane])


# What is invented.


def test_texture_that_stands_still_is_not_drawn_anew(true_flow):
    """What is invented behind a mark gets the texture around it once, and it stays from frame to frame."""
    scene = slope(standing(), 8, still=True)
    where = inner(scene.mask[0])
    first, second = (restored(scene, n, synthesis="diffusion")[0] for n in (2, 3))
    texture = variance_of_fine(first, where)
    assert texture > 0.5 * variance_of_fine(scene.truth[0][0], where)
    assert variance_of_fine(second - first, where) < 0.02 * texture


def test_grain_over_what_is_invented_is_drawn_anew(true_flow):
    scene = slope(standing(), 8)
    where = inner(scene.mask[0])
    first, second = (restored(scene, n, synthesis="diffusion")[0] for n in (2, 3))
    grain = variance_of_fine(first, where)
    assert abs(grain / variance_of_fine(scene.truth[2][0], where) - 0.85) < 2 * ENOUGH_OFF
    assert variance_of_fine(second - first, where) > 1.5 * grain  # twice, where they have nothing in common


def test_where_all_is_seen_no_texture_is_added():
    scene = slope(standing(2), 8)
    footage = footage_of(scene)
    pixels, ring = hole_pixels(footage, 0), ring_of(footage, 0)
    values = np.full(pixels.count, 0.5, np.float32)
    assert still_texture(footage, 0, pixels, values, np.ones(values.size, bool), ring, 0) is values


def test_edges_in_the_ring_are_no_grain():
    """Of grain with a bar in every tenth sample, what is measured is near the grain's own variance."""
    random = np.random.default_rng(3)
    fine = random.normal(0, 2, 2000)
    assert _least(fine**2) == pytest.approx(4, rel=0.1)
    fine[::10] += 40
    assert _least(fine**2) < 6  # the smaller half is five ninths of the grain now
    assert _trimmed(fine**2) > 60
