"""What other frames show of a hole: which frames are asked, in which light they are taken, and what each one counts."""

from dataclasses import replace

import numpy as np
import pytest
import scenes
from around import footage_of
from tolerance import FLICKER_DB, FLICKER_GAIN_DB, FLOAT_BLEND, MEAN_OF_GRAIN, REFINED_DB, psnr

from vsdfvi.engine import tracing
from vsdfvi.engine.propagation import MORE_STEPS, find_sources, hole_pixels
from vsdfvi.engine.tracing import trace

FORMATS = {
    "GRAY8": {"family": "GRAY"},
    "YUV420P8": {"subsampling": (1, 1)},
    "YUV422P10": {"bits": 10, "subsampling": (1, 0)},
    "YUV444PS": {"bits": 32, "is_float": True, "subsampling": (0, 0)},
    "RGB24": {"family": "RGB"},
}
SIZE = 96, 128


def alone(form, n, size=(30, 30)):
    """A hole in the middle of one frame; the others are whole."""
    mask = scenes.box(form, size, (48, 32))
    mask[np.arange(form.frames) != n] = False
    return mask


def codes_in_hole(scene, n, plane):
    """The truth of a plane's samples in the hole, in reading order."""
    return scene.truth[n][plane][scene.plane_hole(n, plane)].astype(np.float64)


# Which frames.


def nearest_sources(masks, count, radius, min_distance):
    """For each source, the frame that each pixel of the first mask is seen in, or -1; masks are of frames after it."""
    states = []
    before = np.zeros(masks[0].shape, int)
    for source in range(count):
        state = np.full(masks[0].shape, -1)
        for y, x in zip(*np.nonzero(masks[0]), strict=True):
            begin = min_distance if source == 0 else before[y, x] + 1
            end = radius if source == 0 else min(radius, before[y, x] + MORE_STEPS)
            if source and before[y, x] < 0:
                continue
            seen = [step for step in range(begin, min(end, len(masks) - 1) + 1) if not masks[step][y, x]]
            state[y, x] = seen[0] if seen else -1
        states.append(state[masks[0]])
        before = state
    return states


@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize(
    ("sources", "radius", "min_distance"), [(1, 24, 1), (2, 24, 1), (4, 24, 1), (3, 4, 2), (4, 3, 3), (2, 1, 1)]
)
def test_sources_are_the_nearest_frames_that_show_a_pixel(later, sources, radius, min_distance):
    form = scenes.video_format("GRAY", size=(24, 32), frames=9)
    mask = np.random.default_rng(1).random((9, 24, 32)) < 0.6  # each pixel has gaps of its own
    scene = scenes.still(form, mask)
    footage = footage_of(scene, sources=sources, radius=radius, min_distance=min_distance)
    pixels = hole_pixels(footage, 4 - 2 * later)
    found = find_sources(footage, 4 - 2 * later, pixels.x, pixels.y, later=later, blocks=False)
    expected = nearest_sources(mask[2:] if later else mask[4::-1], sources, radius, min_distance)
    for ends, state in zip(found, expected, strict=False):
        np.testing.assert_array_equal(ends.state, state)
        assert ends.steps == tuple(sorted({*state[state > 0].tolist()}))
        np.testing.assert_array_equal(ends.x[state > 0], pixels.x[state > 0])
    for state in expected[len(found) :]:  # it is not looked for where the one before was found nowhere
        assert (state < 0).all()


@pytest.mark.parametrize("later", [False, True])
def test_no_source_is_beyond_a_cut(later):
    form = scenes.video_format("GRAY", size=(24, 32), frames=4)
    mask = scenes.box(form, (8, 8), (10, 8))
    mask[1:3] = False
    whole = scenes.empty(form)
    scene = scenes.cut(*(scenes.still(form, each) for each in ((mask, whole) if later else (whole, mask))))
    scene = replace(scene, flow_fw=np.nan_to_num(scene.flow_fw), flow_bw=np.nan_to_num(scene.flow_bw))
    footage = footage_of(scene, sources=4)
    n = 0 if later else 7
    pixels = hole_pixels(footage, n)
    found = find_sources(footage, n, pixels.x, pixels.y, later=later, blocks=False)
    assert [ends.steps for ends in found[:2]] == [(1,), (2,)]
    assert not any(ends.found.any() for ends in found[2:])


# In which light.


@pytest.mark.parametrize("name", FORMATS)
def test_flicker_is_followed(name):
    form = scenes.video_format(size=SIZE, frames=9, **FORMATS[name])
    moving = scenes.translation(form, (4, 4), alone(form, 4), picture="astronaut")
    scene = scenes.aged(moving, gains=(0.95, 1.1, 0.95, 0.92, 1.05, 0.97, 0.9))
    quality = {}
    for light in (0, 1):
        traced = trace(footage_of(scene, light=light, refine=0), 4)
        assert all(reached.all() for reached in traced.reached)
        quality[light] = [
            psnr(values, codes_in_hole(scene, 4, plane), form.peak) for plane, values in enumerate(traced.values)
        ]
    assert quality[1][0] >= quality[0][0] + FLICKER_GAIN_DB
    assert min(quality[1]) >= FLICKER_DB


def test_the_ring_says_what_the_fill_of_the_hole_is_like():
    """In steady light both are exact; in a light that is not matched, the ring misses what the hole misses."""
    form = scenes.video_format(size=SIZE, frames=5, subsampling=(1, 1))
    steady = scenes.translation(form, (4, 4), alone(form, 2), picture="astronaut")
    scene = scenes.aged(steady, gains=(1.1, 1.1, 1.0))
    for clip, gain in ((steady, 1.0), (scene, 1.1)):
        traced = trace(footage_of(clip, light=0, refine=0, sources=1, radius=1), 2)
        for plane, (values, reached) in enumerate(zip(traced.fill.values, traced.fill.reached, strict=True)):
            ring = traced.ring
            truth = clip.truth[2][plane][ring.row[plane], ring.column[plane]].astype(np.float64)
            middle = 128 if plane else 0
            assert reached.all()
            # Frame 1 has the gain of 1.1, frame 3 that of frame 0, and both are the only sources.
            np.testing.assert_allclose(values - middle, (truth - middle) * gain, atol=0.51)


def test_what_flow_has_drifted_by_is_seen_around_the_hole():
    """Flow that is wrong by the same everywhere agrees with itself: only the picture shows it."""
    form = scenes.video_format("GRAY", bits=32, is_float=True, size=SIZE, frames=3)
    scene = scenes.translation(form, (4, 4), alone(form, 1), picture="astronaut")
    drift = np.array([0.3, -0.2], np.float32)[:, None, None]
    scene = replace(scene, flow_fw=scene.flow_fw + drift, flow_bw=scene.flow_bw - drift)
    quality = [
        psnr(trace(footage_of(scene, refine=refine), 1).values[0], codes_in_hole(scene, 1, 0), 1) for refine in (0, 1)
    ]
    assert quality[1] > quality[0] + REFINED_DB


# What each counts.


def test_a_source_that_disagrees_around_the_hole_counts_less():
    form = scenes.video_format("GRAY", size=SIZE, frames=3)
    scene = scenes.still(form, alone(form, 1))
    random = np.random.default_rng(1)
    worn = np.clip(scene.truth[2][0] + random.normal(0, 20, SIZE), 0, 255).astype(np.uint8)
    scene = replace(scene, damaged=(*scene.damaged[:2], (worn,)))
    traced = trace(footage_of(scene, light=0, refine=0), 1)
    off = traced.values[0] - codes_in_hole(scene, 1, 0)
    of_worn = (worn - scene.truth[2][0].astype(np.float64))[scene.mask[1]]
    # The good one counts as half a code off, the least there is; so the other has a weight of about 1 : 40 ** 2.
    assert np.sqrt((off**2).mean()) < 0.005 * np.sqrt((of_worn**2).mean())
    assert off.any()


def test_a_blend_of_more_sources_has_less_grain_by_the_sum_of_its_weights():
    """Weights go with the inverse of distance: 1 and 1 make half the variance, 1, 1, 1/2 and 1/2 make 2.5 / 9."""
    form = scenes.video_format("GRAY", bits=32, is_float=True, size=SIZE, frames=9)
    clean = scenes.still(form, alone(form, 4, (40, 40)))
    scene = scenes.aged(clean, grain=4)
    for sources, weights in ((1, (1,)), (2, (1, 1 / 2)), (3, (1, 1 / 2, 1 / 3))):
        traced = trace(footage_of(scene, sources=sources), 4)
        grain = (traced.values[0] - codes_in_hole(clean, 4, 0)) * 255
        expected = sum(w * w for w in weights) / (2 * sum(weights) ** 2) * 4**2
        assert abs(grain.var() / expected - 1) < MEAN_OF_GRAIN


def test_chroma_is_sampled_where_its_own_walk_began():
    """The sides may show different pixels of one block, and then each walks from the one that it shows."""
    form = scenes.video_format(size=SIZE, frames=5, subsampling=(1, 1))
    mask = scenes.empty(form)
    mask[2, 40:60, 40:60] = mask[1, 40:59, 40:60] = mask[0, 40:60, 40:60] = True  # row 59 alone is seen before
    mask[3, 41:60, 40:60] = True  # and row 40 alone after; all of it two frames after
    scene = scenes.still(form, mask, picture="astronaut")
    traced = trace(footage_of(scene), 2)
    for plane, values in enumerate(traced.values):
        assert traced.reached[plane].all()
        np.testing.assert_array_equal(np.rint(values), codes_in_hole(scene, 2, plane))


@pytest.fixture
def judged(monkeypatch):
    """What confidence was made of: (spread, doubt) of each trace, the last one last."""
    seen = []

    def confidence(earlier, later, spread, doubt, peak, device):
        seen.append((spread, doubt))
        return np.ones(spread.size, np.float32)

    monkeypatch.setattr(tracing, "confidence_of", confidence)
    return seen


def test_spread_and_doubt_say_how_far_sources_are_apart_and_off(judged):
    form = scenes.video_format("GRAY", bits=32, is_float=True, size=SIZE, frames=3)
    scene = scenes.still(form, alone(form, 1))
    levels = (0.5 - 0.05, 0.5, 0.5 + 0.05)
    scene = replace(scene, damaged=tuple((np.full(SIZE, level, np.float32),) for level in levels))
    traced = trace(footage_of(scene, light=0, refine=0), 1)
    for found, expected in ((traced.values[0], 0.5), (judged[-1][0], 0.05), (judged[-1][1], 0.05)):
        np.testing.assert_allclose(found, expected, atol=10 * FLOAT_BLEND)
    trace(footage_of(scene, refine=0), 1)
    np.testing.assert_allclose(judged[-1][0], 0, atol=1e-3)
    assert judged[-1][1].max() < 0.01


def test_a_clip_of_one_frame_reaches_nothing():
    form = scenes.video_format(size=SIZE, frames=1, subsampling=(1, 1))
    traced = trace(footage_of(scenes.noise(form)), 0)
    assert not any(reached.any() for reached in (*traced.reached, *traced.fill.reached))
    assert not traced.found.any()


def test_without_a_ring_sources_are_taken_as_they_are(judged):
    """Where all of a frame is hole there is nothing to hold them against."""
    form = scenes.video_format(size=SIZE, frames=3, subsampling=(1, 1))
    mask = scenes.empty(form)
    mask[1] = True
    scene = scenes.still(form, mask)
    traced = trace(footage_of(scene), 1)
    for plane, values in enumerate(traced.values):
        np.testing.assert_allclose(values, scene.truth[1][plane].ravel(), atol=1e-3)
    np.testing.assert_allclose(judged[-1][1], 4, rtol=1e-5)  # of an error that is not known, a guess
