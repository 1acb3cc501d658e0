"""Steps at the hole's border, worked out by hand, and a random cut beside it."""

import numpy as np
import pytest

from vsdfvi.evaluation.borders import CUTS, Border, RandomCuts, border_steps


def test_steps_are_those_of_pixels_of_which_one_is_hole():
    luma = np.arange(12, dtype=np.float32).reshape(3, 4) ** 2
    hole = np.zeros((3, 4), bool)
    hole[1, 1] = True  # 25; left 16, right 36, above 1, below 81
    assert sorted(np.abs(border_steps(luma, hole)).tolist()) == [9, 11, 24, 56]
    hole[1, 2] = True  # 36; right 49, above 4, below 100; the pair between them is no border any more
    assert sorted(np.abs(border_steps(luma, hole)).tolist()) == [9, 13, 24, 32, 56, 64]


def test_the_frames_edge_is_no_border():
    hole = np.zeros((4, 5), bool)
    hole[:, 2] = True
    assert border_steps(np.zeros((4, 5), np.float32), hole).size == 8
    assert border_steps(np.zeros((4, 5), np.float32), np.ones((4, 5), bool)).size == 0


def test_border_by_hand():
    truth = np.full((6, 6), 100, np.float32)
    truth[:, 3:] = 104
    hole = np.zeros((6, 6), bool)
    hole[2:4, 2:4] = True  # 8 border pairs, none of which has a true step
    found = truth.copy()
    found[hole] += 3
    border = Border()
    border.add(found, truth, hole)
    assert (border.ring, border.step, border.step_truth) == (3, 3, 0)
    wide = np.zeros((6, 6), bool)
    wide[0, 2] = True  # steps: left 0, right 4, below 0
    found = truth.copy()
    found[wide] += 2  # 2, then 104 - 102, then 2
    border.add(found, truth, wide)
    assert border.ring == pytest.approx((8 * 3 + 3 * 2) / 11)
    assert border.step == pytest.approx((8 * 3 + 3 * 2) / 11)
    assert border.step_truth == pytest.approx(4 / 11)


def test_a_fill_that_is_too_bright_steps_more_than_the_truth_and_a_cut_at_random():
    random = np.random.default_rng(1)
    hole = np.zeros((60, 80), bool)
    hole[20:40, 20:60] = True
    border, cuts = Border(), RandomCuts()
    for _ in range(4):
        truth = random.normal(100, 4, (60, 80)).astype(np.float32)
        border.add(truth + np.where(hole, np.float32(12), 0), truth, hole)
        cuts.add(truth, hole)
    assert border.ring == pytest.approx(12, abs=1e-4)
    # Mean |difference| of two normal numbers: 2 sigma / sqrt(pi) = 4.51; 480 and 3840 pairs. (Nov 2026)
    assert border.step_truth == pytest.approx(4.51, rel=0.1)
    assert cuts.step == pytest.approx(4.51, rel=0.1)
    assert border.step > 2 * cuts.step


def test_a_cut_at_random_is_laid_somewhere_else_in_the_same_frame_and_is_always_the_same():
    hole = np.zeros((40, 40), bool)
    hole[:4, :4] = True
    luma = np.zeros((40, 40), np.float32)
    luma[20:, :] = 100  # seen only by a hole that lies elsewhere
    first, second, none = RandomCuts(), RandomCuts(), RandomCuts()
    for _ in range(10):
        first.add(luma, hole)
        second.add(luma, hole)
        none.add(luma, np.zeros((40, 40), bool))
    assert np.abs(border_steps(luma, hole)).max() == 0
    assert first.step == second.step > 0
    assert np.isnan(none.step)
    assert CUTS > 1
