"""The simple methods: they fill the hole, touch nothing else, and find what they can find."""

import numpy as np
import pytest

from vsdfvi.evaluation.baselines import MEDIAN_FRAMES, MEDIAN_REACH, median, telea


def moving_hole(count, height=20, width=40):
    holes = np.zeros((count, height, width), bool)
    for n in range(count):
        x = n % (width - 6)
        holes[n, 5:12, x : x + 6] = True
    return holes


def frames_of(pictures, holes):
    return iter([((picture,), (hole,)) for picture, hole in zip(pictures, holes, strict=True)])


@pytest.mark.parametrize("method", [telea, median])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float16, np.float32])
def test_the_hole_is_filled_and_nothing_else_changes(method, dtype):
    unit = 1 / 255 if dtype in (np.float16, np.float32) else 1
    rows, columns = np.mgrid[:20, :40]
    truth = np.stack([((60 + 2 * rows + 3 * columns) * unit).astype(dtype)] * 5)
    holes = moving_hole(5)
    holes[:, 15:18, 30:33] = True  # never seen
    broken = truth.copy()
    broken[holes] = 0
    found = [plane for (plane,) in method(frames_of(broken, holes))]
    assert len(found) == 5
    for n, plane in enumerate(found):
        assert plane.dtype == dtype
        np.testing.assert_array_equal(plane[~holes[n]], truth[n][~holes[n]])
        gap = np.abs(plane.astype(np.float64) - truth[n]) / unit
        assert gap.max() < 16  # Telea on a slope, in codes of 8 bit. Measured: 12. (Nov 2026)


def test_the_median_of_a_still_scene_is_the_scene():
    random = np.random.default_rng(2)
    scene = random.integers(0, 1024, (20, 40)).astype(np.uint16)
    count = 2 * MEDIAN_REACH + 20  # the window fills, slides and runs empty
    holes = moving_hole(count)
    pictures = [np.where(hole, 0, scene) for hole in holes]
    found = list(median(frames_of(pictures, holes)))
    assert len(found) == count
    assert all(np.array_equal(plane, scene) for (plane,) in found)


def test_the_median_takes_the_nearest_frames():
    count = 2 * MEDIAN_FRAMES + 5
    pictures = np.random.default_rng(3).integers(0, 256, (count, 4, 6)).astype(np.uint8)
    at = MEDIAN_FRAMES + 2
    holes = np.zeros((count, 4, 6), bool)
    holes[at, 1:3, 1:5] = True
    found = [plane for (plane,) in median(frames_of(pictures, holes))][at]
    nearest = sorted((n for n in range(count) if n != at), key=lambda n: (abs(n - at), n))[:MEDIAN_FRAMES]
    expected = np.where(holes[at], np.median(pictures[nearest], axis=0), pictures[at])
    np.testing.assert_array_equal(found, expected)


def test_the_median_reaches_so_far_and_no_farther():
    count, shows = 3 * MEDIAN_REACH, MEDIAN_REACH + 5
    pictures = [np.full((6, 6), 20, np.uint8) for _ in range(count)]
    pictures[shows][:] = 200
    holes = np.zeros((count, 6, 6), bool)
    holes[:, 2, 2] = True
    holes[shows] = False
    found = [plane[2, 2] for (plane,) in median(frames_of(pictures, holes))]
    assert [n for n in range(count) if found[n] > 150] == list(range(5, shows + MEDIAN_REACH + 1))
