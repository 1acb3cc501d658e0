"""Which frames are asked for, in which order, as text."""

from itertools import pairwise

import lender
import numpy as np
import pytest
import scenes
from hypothesis import given
from hypothesis import strategies as st

from vsdfvi.engine.plan import FramesNeeded, Span, keyframes, survey_of, widened


def walk(frame, wanted, reach, frames):
    """Return the spans lent one after the other to a walk that wants frame after frame, as text."""
    span, lines = Span(frame, frame), [str(Span(frame, frame))]
    for want in wanted:
        if want not in span:
            span = widened(span, want, frame, reach, frames)
            lines.append(str(span))
    return " ".join(lines)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ([], "50..50"),
        ([49], "50..50 49..50"),
        ([51], "50..50 50..51"),
        ([49, 51], "50..50 49..50 49..51"),
        (range(51, 90), "50..50 50..51 50..52 50..54 50..58 50..66 50..82 50..99"),
        (range(49, 0, -1), "50..50 49..50 48..50 46..50 42..50 34..50 18..50 1..50"),
        ([45, 57, 30], "50..50 42..50 42..58 18..58"),
    ],
    ids=str,
)
def test_a_side_grows_in_doubling_steps(wanted, expected):
    assert walk(50, wanted, 49, 100) == expected


@pytest.mark.parametrize(
    ("frame", "reach", "frames", "wanted", "expected"),
    [
        (3, 49, 100, [2, 0], "3..3 2..3 0..3"),  # the clip's beginning
        (97, 49, 100, [98, 99], "97..97 97..98 97..99"),  # and its end
        (50, 5, 100, [53, 55, 45], "50..50 50..54 50..55 45..55"),  # no further than the reach
        (0, 49, 1, [], "0..0"),
        (0, 49, 2, [1], "0..0 0..1"),
    ],
    ids=str,
)
def test_within_the_clip_and_the_reach(frame, reach, frames, wanted, expected):
    assert walk(frame, wanted, reach, frames) == expected


@given(st.integers(1, 400), st.integers(1, 200), st.data())
def test_the_next_span_holds_what_was_wanted_and_all_that_is_at_hand(frames, reach, data):
    frame = data.draw(st.integers(0, frames - 1))
    first = data.draw(st.integers(max(0, frame - reach), frame))
    last = data.draw(st.integers(frame, min(frames - 1, frame + reach)))
    wanted = data.draw(st.integers(max(0, frame - reach), min(frames - 1, frame + reach)))
    span = Span(first, last)
    if wanted in span:
        return
    wider = widened(span, wanted, frame, reach, frames)
    assert wanted in wider
    assert span.first in wider
    assert span.last in wider
    assert max(0, frame - reach) <= wider.first
    assert wider.last <= min(frames - 1, frame + reach)


def test_a_missing_frame_is_named():
    assert str(FramesNeeded(7)) == "frame 7"
    assert FramesNeeded(7).frame == 7


def grid(interval, first, last):
    return " ".join("/".join(map(str, keyframes(n, interval, first, last))) for n in range(first, last + 1))


@pytest.mark.parametrize(
    ("interval", "first", "last", "expected"),
    [
        (4, 0, 9, "0 0/4 0/4 0/4 4 4/8 4/8 4/8 8 8/9"),
        (4, 2, 9, "2 2/4 4 4/8 4/8 4/8 8 8/9"),  # a scene begins between multiples: its first frame is a key frame
        (4, 5, 6, "5 5/6"),  # and one that holds no multiple has its first and its last
        (1, 3, 5, "3 4 5"),
        (24, 7, 7, "7"),
    ],
)
def test_key_frames_stand_on_multiples_and_at_the_ends_of_scenes(interval, first, last, expected):
    assert grid(interval, first, last) == expected


@given(st.integers(1, 60), st.integers(0, 300), st.integers(0, 300), st.integers(0, 300))
def test_key_frames_are_around_the_frame_inside_its_scene(interval, a, b, c):
    first, frame, last = sorted((a, b, c))
    around = keyframes(frame, interval, first, last)
    assert 1 <= len(around) <= 2
    assert all(first <= key <= last for key in around)
    assert all(abs(key - frame) <= interval for key in around)
    assert around[0] <= frame <= around[-1]


@given(st.integers(1, 60), st.integers(0, 300), st.integers(0, 300), st.integers(0, 300))
def test_key_frames_do_not_depend_on_how_far_a_scene_is_known(interval, a, b, c):
    """They are looked for within one interval of the frame: what is known beyond that changes nothing."""
    first, frame, last = sorted((a, b, c))
    near = keyframes(frame, interval, max(first, frame - interval), min(last, frame + interval))
    assert near == keyframes(frame, interval, first, last)


# What the engine asks a host for.

FORM = scenes.video_format("GRAY", size=(48, 64), frames=40)


def asked(scene, n, **settings):
    lent = lender.of_scene(scene, **settings)
    lent.render(n)
    return " ".join(str(Span(*span)) for span in lent.asked[n])


def test_a_frame_without_a_hole_asks_for_no_other():
    assert asked(scenes.still(FORM, scenes.empty(FORM)), 20) == "20..20"


def test_a_speck_on_one_frame_asks_for_its_neighbours():
    """And, where a second source is wanted, for the masks beyond them, which say that no flow leads on."""
    mask = scenes.empty(FORM)
    mask[20, 20:26, 30:36] = True
    scene = scenes.still(FORM, mask)
    assert asked(scene, 20, scene_threshold=0, completion="laplace", sources=1) == "20..20 19..20 19..21"
    assert asked(scene, 20, scene_threshold=0, completion="laplace").split()[-1] == "18..22"


def test_flow_completion_asks_for_what_it_may_look_at():
    """No more than its window and what is measured across the hole: 6 frames and 3, and one at the pair's other end."""
    mask = scenes.empty(FORM)
    mask[20, 20:26, 30:36] = True
    last = asked(scenes.still(FORM, mask), 20, scene_threshold=0).split()[-1]
    first, last = (int(number) for number in last.split(".."))
    assert first >= 20 - 10
    assert last <= 20 + 10


def test_no_request_reaches_further_than_the_radius_and_the_key_frames():
    mask = scenes.box(FORM, (20, 20), (20, 10))  # never seen: the walk takes all it may, and key frames are asked for
    scene = scenes.still(FORM, mask)
    lent = lender.of_scene(scene, radius=3, keyframe_interval=4, scene_threshold=0)
    for n in (0, 20, 39):
        lent.render(n)
        first, last = lent.asked[n][-1]
        assert n - lent.inpainter.reach <= first
        assert last <= n + lent.inpainter.reach
    assert lent.inpainter.reach == 3 + 4 + 1 + 6 + 3  # of completion: its window, and what is seen across the hole


def test_what_was_not_lent_has_no_influence():
    """Frames beyond those asked for may hold anything."""
    mask = scenes.box(FORM, (12, 12), (10, 15), (1, 0))
    scene = scenes.translation(FORM, (0.5, 0.25), mask)
    lent = lender.of_scene(scene, radius=4, keyframe_interval=4)
    planes = lent.render(20)
    first, last = lent.asked[20][-1]
    other = lender.of_scene(scene, radius=4, keyframe_interval=4)
    for n in range(FORM.frames):
        if not first <= n <= last:
            other.clip[n] = lent.clip[0]
            other.masks[n] = lent.masks[5]
    np.testing.assert_array_equal(other.render(20)[0], planes[0])


@pytest.mark.parametrize(
    ("frames", "count", "expected"),
    [
        (1, 4, "0"),
        (4, 4, "0 1 2 3"),
        (5, 4, "0 1 3 4"),
        (10, 4, "0 3 6 9"),
        (100, 3, "0 50 99"),
        (1000, 2, "0 999"),
    ],
)
def test_a_survey_is_spread_over_the_clip(frames, count, expected):
    assert " ".join(map(str, survey_of(frames, count))) == expected


@given(st.integers(1, 10**6), st.integers(2, 100))
def test_a_survey_holds_both_ends_and_no_frame_twice(frames, count):
    survey = survey_of(frames, count)
    assert len(survey) == min(frames, count)
    assert (survey[0], survey[-1]) == (0, frames - 1)
    gaps = {b - a for a, b in pairwise(survey)}
    assert all(gap > 0 for gap in gaps)
    assert max(gaps, default=1) - min(gaps, default=1) <= 1
