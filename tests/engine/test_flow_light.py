"""Flicker and optical flow: a pair of frames is brought into one light before its motion is measured in earnest."""

import numpy as np
import pytest
import scenes
from lender import of_scene
from tolerance import assert_same_bits

from vsdfvi.engine import footage
from vsdfvi.engine.flow import estimate_flow, estimator_of, in_one_light, neutralise, refine_flow
from vsdfvi.kernels import HOST, Workers

SIZE = (96, 128)
WORKERS = Workers(1)


def pair(gain=1.0, offset=0.0, motion=(3, 1)):
    """Two frames of a photograph that moves, the later one in another light, and a hole that both have."""
    luma = (255 * scenes.photograph("coffee").mean(axis=2)).astype(np.float32)
    y, x = 120, 160
    earlier = luma[y : y + SIZE[0], x : x + SIZE[1]]
    later = luma[y - motion[1] : y - motion[1] + SIZE[0], x - motion[0] : x - motion[0] + SIZE[1]]
    hole = np.zeros(SIZE, np.uint8)
    hole[30:50, 40:70] = 1
    return neutralise(earlier.copy(), np.float32(gain) * later + np.float32(offset), hole), hole


def flow_of(motion=(3, 1)):
    """Flow as it is, both ways."""
    flow = np.zeros((4, *SIZE), np.float32)
    flow[0], flow[1], flow[2], flow[3] = *motion, -motion[0], -motion[1]
    return flow


@pytest.mark.parametrize(("gain", "offset"), [(1.1, 0), (0.9, 0), (1, 12), (0.85, 9)])
def test_a_change_of_light_is_taken_out(gain, offset):
    still, _ = pair()
    neutral, hole = pair(gain, offset)
    lit = in_one_light(neutral, hole, flow_of())
    assert_same_bits(lit[0], neutral[0])
    known = hole == 0
    assert np.abs(lit[1] - still[1])[known].mean() < np.abs(neutral[1] - still[1])[known].mean() / 20


@pytest.mark.parametrize("change", [(1.0, 0.0), (1.002, 0.0), (1.0, 0.5)])
def test_where_light_is_steady_nothing_is_touched(change):
    neutral, hole = pair(*change)
    assert in_one_light(neutral, hole, flow_of()) is neutral


def test_a_hole_says_nothing_of_light():
    neutral, hole = pair(1.1)
    lit = in_one_light(neutral, hole, flow_of())
    neutral[:, hole > 0] = 255
    np.testing.assert_allclose(in_one_light(neutral, hole, flow_of())[1][hole == 0], lit[1][hole == 0], atol=0.5)


def test_without_known_picture_it_stays():
    neutral, _ = pair(1.1)
    assert in_one_light(neutral, np.ones(SIZE, np.uint8), flow_of()) is neutral


@pytest.mark.parametrize("gain", [0.8, 1.2])
def test_flow_is_nearer_to_the_motion(gain):
    neutral, hole = pair(gain)
    estimator = estimator_of("dis", HOST)
    flow = estimate_flow(neutral, estimator, WORKERS)
    known = np.zeros(SIZE, bool)
    known[12:-12, 12:-12] = hole[12:-12, 12:-12] == 0

    def off(pictures):
        found = refine_flow(pictures, hole, flow, estimator, WORKERS, full=True)
        return float(np.hypot(*(found[:2] - flow_of()[:2]))[known].mean())

    assert off(in_one_light(neutral, hole, flow)) < 0.7 * off(neutral)


def test_flow_is_refined_on_what_is_in_one_light(monkeypatch):
    made, used = [], []

    def lit(neutral, hole, flow):
        made.append(neutral.copy())
        return made[-1]

    def refined(neutral, *rest, **how):
        used.append(any(neutral is each for each in made))
        return refine_flow(neutral, *rest, **how)

    monkeypatch.setattr(footage, "in_one_light", lit)
    monkeypatch.setattr(footage, "refine_flow", refined)
    form = scenes.video_format("GRAY", size=(48, 64), frames=3)
    hole = scenes.box(form, (16, 21), (10, 16), (4, 0))
    of_scene(scenes.occluder(form, (1, 0), (-2, 1), 8, hole), completion="laplace", radius=2).film()
    assert used
    assert all(used)
