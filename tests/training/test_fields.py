"""Motion that is made: its flow is true there and back, what is measured is near it, and it comes from a seed."""

import cv2
import numpy as np
import pytest

from vsdfvi.training import fields
from vsdfvi.training.fields import make_window
from vsdfvi.training.options import FlowOptions
from vsdfvi.training.windows import TrainingWindows

SIDE = 64


def made(count=12):
    """Return windows of the first seeds that give one."""
    windows = (make_window(np.random.default_rng(seed), SIDE) for seed in range(4 * count))
    return [window for window in windows if window is not None and window.hole.any()][:count]


def test_a_window_has_the_shapes_of_one_that_is_measured():
    for window in made():
        assert window.flow.shape == (11, 4, SIDE, SIDE)
        assert window.unknown.shape == (11, SIDE, SIDE)
        assert window.target.shape == (4, SIDE, SIDE)
        assert (window.flow.dtype, window.unknown.dtype, window.target.dtype) == (np.float32,) * 3
        assert np.isfinite(window.flow).all()
        assert set(np.unique(window.unknown)) <= {0, 1}
        assert not window.hole[window.unknown[5] == 0].any()


def test_the_same_seed_gives_the_same_window_and_another_another():
    first, again, other = (make_window(np.random.default_rng(seed), SIDE) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.flow, again.flow)
    np.testing.assert_array_equal(first.target, again.target)
    assert (first.target != other.target).any()


def test_true_flow_comes_home():
    """What the loss is of: there and back ends where it began, but for edges between things."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    for window in made():
        fw, bw = window.target[:2], window.target[2:]
        home = [cv2.remap(part, x + fw[0], y + fw[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) for part in bw]
        gap = np.hypot(fw[0] + home[0], fw[1] + home[1])[window.hole]
        assert gap.max() < 0.75  # pixels, the rule
        assert np.median(gap) < 0.05


def test_a_camera_alone_moves_all_pixels_by_one_projective_map(monkeypatch):
    random = np.random.default_rng(0)
    monkeypatch.setattr(fields, "_thing", lambda *_: pytest.fail("nothing but the ground was asked for"))
    flow = fields._motion(_no_things(random), (SIDE, SIDE))
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    for k in (0, 10):
        here = np.stack([x, y], axis=-1).reshape(-1, 2)
        there = here + flow[k, :2].reshape(2, -1).T
        _, inliers = cv2.findHomography(here, there, cv2.RANSAC, 0.02)
        assert inliers.all()


def _no_things(random):
    """A generator that picks no things."""

    class Generator:
        def __getattr__(self, name):
            return getattr(random, name)

        def choice(self, options, *_):
            return min(options)

    return Generator()


def test_what_is_measured_is_near_the_truth_and_what_is_not_is_farther():
    near, far = [], []
    for window in made(20):
        gap = np.abs(window.flow[5] - window.target).mean(axis=0)
        near.append(np.median(gap[window.unknown[5] == 0]))
        far.append(gap[window.hole].mean())
    assert np.mean(near) < 0.5 * np.mean(far)


def test_samples_are_of_both_kinds_and_functions_of_their_number():
    class Store:
        def get(self, seed):
            raise LookupError(seed)

    windows = TrainingWindows(Store(), FlowOptions(made_share=1.0, seeds=((0, 20),)))
    np.testing.assert_array_equal(windows[4, 1][0], windows[4, 1][0])
    assert (windows[4, 1][0] != windows[4, 2][0]).any()
    half = TrainingWindows(Store(), FlowOptions(made_share=0.5, seeds=((0, 20),)))
    kinds = []
    for index in range(24):
        try:
            half[0, index]
            kinds.append("made")
        except LookupError:
            kinds.append("measured")
    assert 4 <= kinds.count("made") <= 20
