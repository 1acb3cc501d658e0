"""The parts of which a mark's estimate is made: layers, coverage and border, each beside what is known exactly."""

import itertools

import cv2
import numpy as np
import pytest
from tolerance import BORDER_PX, COVERAGE_PARTS

from vsdfvi.engine.mark_border import Depth, _mean_offsets, border_of, covering, distance_within, nearest
from vsdfvi.engine.mark_coverage import _EDGE, _PARTLY, _STEEP, Coverage
from vsdfvi.engine.mark_layer import Layer, _steps, colour_of, layers_of, unlikeliness


def disc(size, middle, radius):
    """Distance to a circle, above 0 inside."""
    y, x = np.mgrid[:size, :size].astype(np.float32)
    return (radius - np.hypot(x - middle[0], y - middle[1])).astype(np.float32)


def some_layers(hole, seed=2, block=(1, 1)):
    random = np.random.default_rng(seed)
    height, width = hole.shape[0] // block[0], hole.shape[1] // block[1]
    pictures = [random.normal(100, 20, (height, width)), random.normal(0, 3, (height, width))]
    plane = 0 if block == (1, 1) else 1
    return layers_of(pictures[0], pictures[1:], plane, block, hole)


def test_a_border_s_points_lie_on_the_outline_and_its_normals_point_out():
    border = border_of(disc(48, (23.3, 24.6), 11.7))
    away = border.points - np.array([23.3, 24.6], np.float32)
    far = np.hypot(*away.T)
    assert len(border.rings) == 1
    assert np.abs(far - 11.7).max() < BORDER_PX
    assert ((border.normals * away).sum(axis=1) / far).min() > 0.99
    steps = np.hypot(*np.diff(border.points, axis=0).T)
    assert 0.7 < steps.min() < steps.max() < 1.5


def test_a_ring_has_two_outlines_and_nothing_has_none():
    front = np.minimum(disc(48, (24, 24), 15), -disc(48, (24, 24), 7))
    border = border_of(front)
    far = np.hypot(*(border.points - 24).T)
    assert sorted(round(float(far[ring].mean())) for ring in border.rings) == [7, 15]
    assert border_of(np.full((20, 20), -3, np.float32)) is None


def test_distance_from_a_border_is_finer_than_a_pixel():
    front = disc(48, (23.3, 24.6), 11.7)
    border = border_of(front)
    index, signed = nearest(border, front)
    near = np.abs(front) < 1.5
    assert np.abs(signed - front)[near].max() < BORDER_PX
    y, x = np.nonzero(near)
    gaps = np.hypot(x[:, None] - border.points[:, 0], y[:, None] - border.points[:, 1])
    assert (np.take_along_axis(gaps, index[near][:, None], 1)[:, 0] - gaps.min(axis=1)).max() < 0.3


def test_a_mask_grown_from_a_mark_has_the_mark_at_one_depth():
    mark, hole = disc(64, (31, 32), 15), disc(64, (31, 32), 20) > 0
    depth = Depth(distance_within(hole), 0.0, 1.0).of(border_of(mark))
    assert abs(depth.depth - 5) < 0.3
    there, beside = border_of(mark), border_of(disc(64, (31, 32), 12))
    assert depth.cost(there.points).mean() < depth.cost(beside.points).mean() - 2


def test_a_shape_is_1_where_it_covers_most():
    hole = np.ones((40, 40), bool)
    for front in (disc(40, (20, 20), 12), disc(40, (20, 20), 1.2)):
        shape = covering(front, 1.0, hole)
        assert shape.max() == pytest.approx(1)
        assert shape.min() >= 0


def test_a_border_moves_where_all_its_points_want_to():
    offsets = np.linspace(-1, 1, 17)
    costs = 200 * (offsets[None] - 0.5) ** 2 + np.zeros((40, 1))
    np.testing.assert_allclose(_mean_offsets(costs, (slice(0, 40),), offsets), 0.5, atol=0.02)
    np.testing.assert_allclose(_mean_offsets(np.zeros((40, 17)), (slice(0, 40),), offsets), 0, atol=1e-9)


def test_a_point_that_knows_nothing_moves_with_its_neighbours():
    offsets = np.linspace(-1, 1, 17)
    costs = 200 * (offsets[None] - 0.5) ** 2 + np.zeros((40, 1))
    costs[20] = 0
    assert _mean_offsets(costs, (slice(0, 40),), offsets)[20] == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("block", [(1, 1), (2, 2), (1, 2)])
def test_roughness_is_the_sum_of_its_density(block):
    hole = np.zeros((24, 32), bool)
    hole[6:16, 8:22] = True
    opacity = np.where(hole, np.float32(0.4), np.float32(0)).astype(np.float32)
    for layer in some_layers(hole, block=block):
        assert float(layer.density(opacity, 200.0).sum(dtype=np.float64)) == pytest.approx(
            layer.roughness(opacity, 200.0), rel=1e-5
        )


@pytest.mark.parametrize("block", [(1, 1), (2, 2)])
def test_a_window_around_the_hole_has_the_roughness_of_the_whole(block):
    hole = np.zeros((32, 48), bool)
    hole[10:20, 18:30] = True
    opacity = np.where(hole, np.float32(0.4), np.float32(0)).astype(np.float32)
    at = np.s_[4:28, 12:40]
    for layer in some_layers(hole, block=block):
        assert layer.cut(at).roughness(opacity[at], 200.0) == pytest.approx(layer.roughness(opacity, 200.0), rel=1e-6)


def test_mean_coverage_is_that_of_all_coverages():
    """Of three pixels in a row, messages are exact: every coverage of them is tried beside."""
    hole = np.zeros((9, 11), bool)
    hole[4, 4:7] = True
    layers = some_layers(hole)
    coverage = Coverage(layers, hole)
    found_likely, found_mean = coverage.mean(0.5, (200.0,))
    levels, rows = coverage.levels.astype(np.float64), []
    for chosen in itertools.product(levels, repeat=3):
        covered = np.zeros(hole.shape)
        covered[4, 4:7] = chosen
        cost = sum(_PARTLY for level in chosen if 0 < level < 1)
        for axis in (0, 1):
            gap = np.abs(np.diff(covered, axis=axis))
            cost += float((_EDGE * gap + _STEEP * np.maximum(gap - 0.5, 0)).sum())
        opacity = (0.5 * covered).astype(np.float32)
        for layer in layers:
            share = float(layer.share)
            cost += share * float(layer.steepness(opacity)[hole].sum(dtype=np.float64))
            for step in _steps(layer.beneath(opacity, 200.0), layer.typical(opacity)):
                cost += share * float(unlikeliness(step).sum(dtype=np.float64))
        rows.append((cost, *chosen))
    table = np.array(rows)
    weights = np.exp(table[:, 0].min() - table[:, 0])
    np.testing.assert_allclose(found_mean[hole], weights @ table[:, 1:] / weights.sum(), atol=COVERAGE_PARTS)
    likely = np.log(weights.sum()) - table[:, 0].min()
    assert found_likely == pytest.approx(likely, abs=0.01 + 1e-5 * abs(likely))


def square_mark(size=48, side=20, opacity=0.5):
    """Opacity of a square with a soft border, and its hole."""
    shape = np.zeros((size, size), np.float32)
    at = (size - side) // 2
    shape[at : at + side, at : at + side] = 1
    shape = cv2.GaussianBlur(shape, (0, 0), 1.0)
    return opacity * shape, cv2.dilate((shape > 0.01).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0


def test_light_that_changes_leaves_a_layer_without_the_picture_s_texture():
    random = np.random.default_rng(4)
    mean = random.normal(120, 30, (48, 64)).astype(np.float32)
    change = 0.1 * mean + random.normal(0, 0.05, mean.shape).astype(np.float32)
    hole = np.zeros(mean.shape, bool)
    hole[16:32, 20:44] = True
    first, second = layers_of(mean, [change], 0, (1, 1), hole)
    np.testing.assert_array_equal(first.picture, mean)
    assert first.lever == 1
    assert np.abs(np.diff(second.picture, axis=1)).mean() < 0.02 * np.abs(np.diff(change, axis=1)).mean()
    np.testing.assert_allclose(second.picture, change + second.lever * mean, atol=1e-4)
    assert second.lever == pytest.approx(-0.1, abs=1e-3)


def test_pictures_that_have_nothing_to_do_with_each_other_stay_what_they_are():
    random = np.random.default_rng(5)
    mean, change = random.normal(120, 20, (64, 64)), random.normal(0, 3, (64, 64))
    hole = np.zeros(mean.shape, bool)
    hole[20:40, 20:40] = True
    first, second = layers_of(mean.astype(np.float32), [change.astype(np.float32)], 0, (1, 1), hole)
    assert abs(second.lever) * 20 < 0.1 * 3
    assert first.share > second.share


def test_a_mark_over_a_smooth_plane_is_as_likely_as_a_fainter_one_of_another_colour():
    """Samples are rounded after a mark was laid on, and what is beneath has that rounding made larger."""
    opacity, hole = square_mark(opacity=0.6)
    ground = 130 + np.linspace(0, 3, 48)[None] * np.ones((48, 1))
    mixed = np.where(hole, np.rint((1 - opacity) * ground + opacity * 140), np.rint(ground)).astype(np.float32)
    layer = Layer(mixed, 0, (1, 1), hole)
    costs = [layer.roughness((part * opacity).astype(np.float32), 131.5 + 8.5 / part) for part in (0.25, 0.5, 1.0)]
    assert costs == pytest.approx([costs[2]] * 3, rel=0.01)
    layer.least = np.float32(0)  # were nothing rounded
    assert layer.roughness(opacity.astype(np.float32), 140.0) > 1.05 * costs[2]


def test_where_nothing_covers_it_a_step_is_what_it_is_around():
    _, hole = square_mark()
    for layer in some_layers(hole):
        clear = np.zeros(hole.shape, np.float32)
        np.testing.assert_allclose(layer.typical(clear), layer.scale)
        assert np.abs(layer.steepness(clear)).max() < 1e-6


def test_the_colour_of_a_mark_is_found():
    opacity, hole = square_mark()
    random = np.random.default_rng(6)
    picture = random.normal(100, 1, hole.shape)
    change = random.normal(0, 1, hole.shape)
    mixed = ((1 - opacity) * picture + opacity * 210).astype(np.float32)
    layers = layers_of(mixed, [((1 - opacity) * change).astype(np.float32)], 0, (1, 1), hole)
    assert colour_of(layers, opacity, 120.0) == pytest.approx(210, abs=2)


def test_coverage_is_looked_for_in_colour_where_luma_shows_nothing():
    opacity, hole = square_mark()
    random = np.random.default_rng(7)
    luma = random.normal(100, 1, hole.shape).astype(np.float32)
    small = opacity.reshape(24, 2, 24, 2).mean((1, 3))
    chroma = ((1 - small) * random.normal(128, 0.5, small.shape) + small * 180).astype(np.float32)
    layers = [Layer(luma, 0, (1, 1), hole), Layer(chroma, 1, (2, 2), hole)]
    _, in_luma = Coverage(layers[:1], hole).mean(0.5, (100.0,))
    _, in_both = Coverage(layers, hole).mean(0.5, (100.0, 180.0))
    covered = opacity > 0.45
    assert in_both[covered].mean() > 0.9
    assert in_both[hole & (opacity < 0.005)].mean() < 0.1
    assert in_luma[covered].mean() < 0.8
