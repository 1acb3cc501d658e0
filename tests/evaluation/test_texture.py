"""Grain that stands still is told from grain that lives, against clips whose grain is known."""

from itertools import pairwise

import numpy as np
import pytest

from vsdfvi.evaluation.measures import Score
from vsdfvi.evaluation.motion import Motion
from vsdfvi.evaluation.texture import Repetition

SIZE = 64, 96
HOLE = np.zeros(SIZE, bool)
HOLE[16:48, 20:76] = True


def grains(seed: int, count: int) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    return [random.normal(0, 6, SIZE).astype(np.float32) for _ in range(count)]


def moved(x: float, y: float) -> Motion:
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]].astype(np.float32)
    inside = (columns + x <= SIZE[1] - 1) & (rows + y <= SIZE[0] - 1)
    return Motion(columns + np.float32(x), rows + np.float32(y), inside)


def picture(values: np.ndarray) -> np.ndarray:
    return np.repeat(np.clip(np.rint(128 + values), 0, 255)[..., None], 3, axis=2).astype(np.uint8)


def of(frames, holes=None, motion=None) -> Repetition:
    repetition = Repetition()
    for n, frame in enumerate(frames):
        repetition.add(frame, HOLE if holes is None else holes[n], motion if n else None)
    return repetition


def test_correlation_equals_its_definition():
    frames = grains(1, 3)
    pairs = [(a[HOLE].astype(float), b[HOLE].astype(float)) for a, b in pairwise(frames)]
    both, first, second = (sum(float((p[i] * p[j]).sum()) for p in pairs) for i, j in ((0, 1), (0, 0), (1, 1)))
    assert of(frames).still == pytest.approx(both / np.sqrt(first * second), abs=1e-5)


def test_standing_grain_repeats_and_living_grain_does_not():
    living = grains(2, 6)
    assert of([living[0]] * 3).still == pytest.approx(1)
    assert of([living[0], -living[0]]).still == pytest.approx(-1)
    # Over 5 pairs of 1792 pixels, whose correlation is 0 with a deviation of 0.011. (Nov 2026)
    assert abs(of(living).still) < 0.05
    # Half of the energy stands.
    half = [(living[0] + frame) / np.sqrt(2) for frame in living[1:]]
    assert of(half).still == pytest.approx(0.5, abs=0.05)


def test_grain_that_moves_with_the_picture_repeats_along_its_motion():
    (first,) = grains(3, 1)
    later = np.roll(first, (2, 3), axis=(0, 1))
    repetition = of([first, later], motion=moved(3, 2))
    assert repetition.along == pytest.approx(1, abs=1e-6)
    assert abs(repetition.still) < 0.1


def test_what_is_copied_from_a_frame_beside_the_hole_counts():
    first, second, third = grains(4, 3)
    second[HOLE] = first[HOLE]  # a speck in one frame, filled from the frame before
    none = np.zeros(SIZE, bool)
    repetition = of([first, second], [none, HOLE], moved(0, 0))
    assert repetition.still == pytest.approx(1)
    assert repetition.along == pytest.approx(1)
    assert of([first, third], [none, HOLE]).still < 0.1


def test_without_a_hole_or_a_second_frame_there_is_nothing_to_say():
    first, second = grains(5, 2)
    none = np.zeros(SIZE, bool)
    for repetition in (of([first]), of([first, second], [none, none], moved(0, 0))):
        assert np.isnan(repetition.still)
        assert np.isnan(repetition.along)


def test_a_score_sets_the_result_beside_the_truth():
    living = grains(6, 4)
    score = Score(whole=False)
    for n, grain in enumerate(living):
        found = np.where(HOLE, living[0], grain)
        score.add(picture(found), picture(grain), HOLE, moved(0, 0) if n else None)
    figures = score.figures()
    assert figures["grain_still"] > 0.95  # the known pixels around the hole live
    assert figures["grain_along"] == pytest.approx(figures["grain_still"], abs=1e-5)
    assert abs(figures["grain_still_truth"]) < 0.05
    assert figures["grain"] == pytest.approx(1, abs=0.05)
    assert not {"psnr", "ssim65", "ewarp"} & set(figures)


def test_grain_is_told_from_edges_where_the_picture_is_flat():
    """A fill with the truth's grain and without its edges lacks most of the finest energy, and none of the grain."""
    grain = grains(7, 1)[0]
    edges = np.zeros(SIZE, np.float32)
    edges[:, SIZE[1] // 2 :: 4] = 90  # the right half is a fence, the left is a wall
    score = Score(whole=False)
    score.add(picture(grain), picture(grain + edges), np.ones(SIZE, bool), None)
    figures = score.figures()
    assert figures["grain"] < 0.2
    assert figures["grain_flat"] == pytest.approx(1, abs=0.02)


def test_grain_is_told_from_edges_that_lie_elsewhere():
    """A fill invents a fence on one side, where the truth has a wall; its grain is the truth's."""
    grain = grains(9, 1)[0]
    fence = np.zeros(SIZE, np.float32)
    fence[:, SIZE[1] // 2 :: 4] = 90
    score = Score(whole=False)
    score.add(picture(grain + fence[:, ::-1]), picture(grain + fence), np.ones(SIZE, bool), None)
    assert score.figures()["grain_flat"] == pytest.approx(1, abs=0.1)


def test_two_pictures_without_grain_have_as_much():
    wall = np.full(SIZE, 100, np.float32)
    score = Score(whole=False)
    score.add(picture(wall), picture(wall), HOLE, None)
    assert score.figures()["grain_flat"] == 1


def test_grain_that_is_missing_is_missed_where_the_picture_is_flat():
    grain = grains(8, 1)[0]
    score = Score(whole=False)
    score.add(picture(grain / 2), picture(grain), HOLE, None)
    assert score.figures()["grain_flat"] == pytest.approx(1 / 4, abs=0.05)
