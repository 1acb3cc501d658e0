"""The measures, against numbers worked out by hand and against their definitions in plain loops."""

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from vsdfvi.evaluation.measures import Score, WarpError, changed_samples, psnr, ssim
from vsdfvi.evaluation.motion import Motion, motion_between
from vsdfvi.evaluation.texture import grain

# Figures are sums in double precision, in another order than their definitions: some 1e-13 apart. (Nov 2026)
ROUNDING = 1e-10


def pictures(seed: int, height: int, width: int, count: int) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    return [random.integers(0, 256, (height, width, 3)).astype(np.uint8) for _ in range(count)]


def still(height: int, width: int) -> Motion:
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    return Motion(columns, rows, np.ones((height, width), bool))


@pytest.mark.parametrize(("mean_square", "expected"), [(1.0, 48.130804), (65025.0, 0.0), (0.0, 100.0), (1e-9, 100.0)])
def test_psnr(mean_square, expected):
    assert psnr(mean_square) == pytest.approx(expected, abs=1e-6)


def ssim_in_loops(a: np.ndarray, b: np.ndarray, window: int) -> float:
    """Wang et al. 2004, equations 6 and 13, with equal weights and sample covariances; mean over windows inside."""
    scores = []
    for channel in range(3):
        for y in range(a.shape[0] - window + 1):
            for x in range(a.shape[1] - window + 1):
                p, q = (picture[y : y + window, x : x + window, channel].astype(np.float64) for picture in (a, b))
                count = window * window - 1
                mean_p, mean_q = p.mean(), q.mean()
                var_p, var_q = ((p - mean_p) ** 2).sum() / count, ((q - mean_q) ** 2).sum() / count
                both = ((p - mean_p) * (q - mean_q)).sum() / count
                c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
                scores.append(
                    (2 * mean_p * mean_q + c1) * (2 * both + c2) / ((mean_p**2 + mean_q**2 + c1) * (var_p + var_q + c2))
                )
    return float(np.mean(scores))


def test_ssim_equals_its_definition():
    a, b = pictures(1, 11, 13, 2)
    assert ssim(a, b, 7) == pytest.approx(ssim_in_loops(a, b, 7), abs=ROUNDING)


@pytest.mark.parametrize("window", [7, 65])
@pytest.mark.parametrize("place", [(0, 0, 3, 4), (70, 90, 8, 8), (40, 50, 1, 1), (90, 0, 6, 120)], ids=str)
def test_ssim_of_a_part_that_differs_is_that_of_the_whole(window, place):
    (truth,) = pictures(2, 96, 120, 1)
    found = truth.copy()
    y, x, height, width = place
    found[y : y + height, x : x + width] ^= 255
    expected = structural_similarity(
        found.astype(float), truth.astype(float), win_size=window, data_range=255, channel_axis=2
    )
    assert expected < 1 - 1e-6
    assert ssim(found, truth, window) == pytest.approx(expected, abs=ROUNDING)


def test_a_small_picture_has_the_largest_window_that_fits():
    a, b = pictures(3, 10, 30, 2)
    assert ssim(a, b, 65) == pytest.approx(ssim_in_loops(a, b, 9), abs=ROUNDING)
    assert ssim(a, a, 65) == 1.0


def test_hole_figures_by_hand():
    truth = [np.full((8, 8, 3), 100, np.uint8) for _ in range(2)]
    found = [picture.copy() for picture in truth]
    hole = np.zeros((8, 8), bool)
    hole[2:4, 2:4] = True
    found[0][2:4, 2:4] += 2  # errors 2, then 6: four pixels each
    found[1][2:4, 2:4] += 6
    score = Score()
    score.add(found[0], truth[0], hole, None)
    score.add(found[1], truth[1], hole, still(8, 8))
    figures = score.figures()
    assert figures["hole_mae"] == 4.0
    assert figures["hole_psnr"] == pytest.approx(10 * np.log10(255**2 / 20))  # (4 + 36) / 2
    assert figures["flicker"] == 4.0
    # Of 64 pixels 4 are off: per-frame PSNR, then the mean over frames.
    assert figures["psnr"] == pytest.approx(np.mean([10 * np.log10(255**2 * 16 / e**2) for e in (2, 6)]))
    assert figures["ewarp_hole"] == pytest.approx(1000 * (4 / 255) ** 2, rel=1e-5)
    assert figures["ewarp"] == pytest.approx(1000 * (4 / 255) ** 2 * 4 / 64, rel=1e-5)


def test_flicker_counts_what_is_hole_in_either_frame():
    truth = np.zeros((4, 6, 3), np.uint8)
    first, second = np.zeros((2, 4, 6), bool)
    first[0, 0] = second[0, 1] = True
    found = [truth.copy(), truth.copy()]
    found[0][0, 0] = 10
    found[1][0, 1] = 30
    score = Score()
    score.add(found[0], truth, first, None)
    score.add(found[1], truth, second, still(4, 6))
    assert score.figures()["flicker"] == 20.0


def test_a_clip_without_a_hole_has_no_hole_figures():
    (truth,) = pictures(4, 8, 8, 1)
    score = Score()
    score.add(truth, truth, np.zeros((8, 8), bool), None)
    figures = score.figures()
    assert (figures["psnr"], figures["ssim65"]) == (100.0, 1.0)
    assert np.isnan([figures[name] for name in ("hole_psnr", "hole_mae", "flicker", "grain", "ewarp_hole")]).all()


def test_warp_error_follows_the_motion_and_leaves_out_what_is_not_trusted():
    (wide,) = pictures(5, 6, 20, 1)
    earlier, later = wide[:, 3:15].copy(), wide[:, :12].copy()  # everything goes 3 pixels to the right
    rows, columns = np.mgrid[:6, :12].astype(np.float32)
    trusted = columns + 3 <= 11
    hole = np.zeros((6, 12), bool)
    hole[2, 2] = True
    later[2, 5] = earlier[2, 2]
    exact, off = WarpError(), WarpError()
    exact.add(earlier, hole, None)
    exact.add(later, ~hole & False, Motion(columns + 3, rows, trusted))
    assert (exact.whole, exact.hole) == (0.0, 0.0)
    earlier[2, 2] = np.where(earlier[2, 2] > 127, earlier[2, 2] - 51, earlier[2, 2] + 51)  # a fifth of the range
    off.add(earlier, hole, None)
    off.add(later, ~hole & False, Motion(columns + 3, rows, trusted))
    assert off.hole == pytest.approx(1000 * 0.04)
    assert off.whole == pytest.approx(1000 * 0.04 / (6 * 9))


def test_warp_error_in_the_hole_counts_both_frames_holes_where_trusted():
    earlier, later = np.zeros((4, 6, 3), np.uint8), np.zeros((4, 6, 3), np.uint8)
    earlier[0, 0] = earlier[0, 1] = earlier[0, 2] = 51  # a fifth of the range
    before, after = np.zeros((2, 4, 6), bool)
    before[0, 0] = before[0, 1] = True  # off, and off but not trusted
    after[0, 2] = after[3, 3] = True  # off, and right
    motion = still(4, 6)
    motion.trusted[0, 1] = False
    error = WarpError()
    error.add(earlier, before, None)
    error.add(later, after, motion)
    assert error.hole == pytest.approx(1000 * 0.04 * 2 / 3)


def test_motion_is_found_and_trusted_inside_the_frame():
    import cv2

    random = np.random.default_rng(6)
    wide = cv2.GaussianBlur(random.integers(0, 256, (64, 100, 3)).astype(np.uint8), (0, 0), 2)
    motion = motion_between(wide[:, 4:84], wide[:, :80])
    inner = np.s_[12:-12, 12:-12]
    rows, columns = np.mgrid[:64, :80]
    # DIS on smooth noise, in pixels. Measured: 0.09. (Nov 2026)
    assert np.abs(motion.x - columns - 4)[inner].max() < 0.25
    assert np.abs(motion.y - rows)[inner].max() < 0.25
    assert motion.trusted[inner].all()
    assert not motion.trusted[:, -3:].any()


def test_grain_is_what_is_fine():
    random = np.random.default_rng(7)
    hole = np.zeros((60, 80), bool)
    hole[20:40, 20:60] = True
    noise = random.normal(0, 4, (60, 80))
    weak, strong = (np.repeat(np.rint(128 + k * noise)[..., None], 3, axis=2).astype(np.uint8) for k in (1, 2))
    rows = np.mgrid[:60, :80][0]
    ramp = np.repeat((rows * 4)[..., None], 3, axis=2).astype(np.uint8)
    assert (grain(strong, hole) ** 2).mean() == pytest.approx(4 * (grain(weak, hole) ** 2).mean(), rel=0.02)
    assert np.abs(grain(ramp, hole)).max() < 0.01
    score = Score()
    score.add(strong, weak, hole, None)
    assert score.figures()["grain"] == pytest.approx(4, rel=0.02)


def test_changed_samples_are_counted_outside_the_hole_in_every_plane():
    truth = tuple(np.zeros(shape, np.float32) for shape in ((4, 4), (2, 2)))
    truth[0][3, 3] = np.nan
    found = tuple(plane.copy() for plane in truth)
    holes = np.zeros((4, 4), bool), np.zeros((2, 2), bool)
    assert changed_samples(found, truth, holes) == 0
    found[0][0, :2] = 1
    found[1][1, 1] = -0.0
    assert changed_samples(found, truth, holes) == 3
    holes[0][0, 0] = True
    assert changed_samples(found, truth, holes) == 2
