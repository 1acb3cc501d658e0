"""From mask to hole, and from hole to boxes, held to their definitions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tolerance import assert_same_bits

from vsdfvi.frames.masks import CELL, MAX_BOXES, hole_of, regions, subsampled
from vsdfvi.kernels import Plane


def grown(mask, radius):
    """Return where any marked pixel lies within a radius, pixel by pixel."""
    hole = np.zeros(mask.shape, np.uint8)
    marked = np.argwhere(mask != 0)
    for y, x in np.ndindex(mask.shape):
        hole[y, x] = any((y - v) ** 2 + (x - u) ** 2 <= radius**2 for v, u in marked)
    return hole


def on_frame(hole: Plane, shape):
    """Return the hole on the whole frame."""
    return hole.crop(0, 0, shape[1], shape[0])


@given(st.integers(1, 14), st.integers(1, 14), st.integers(0, 5), st.floats(0, 0.3), st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_the_hole_is_the_mask_grown_by_a_disc(height, width, dilate, share, seed):
    mask = (np.random.default_rng(seed).random((height, width)) < share).astype(np.uint8) * 255
    hole = hole_of(mask, dilate)
    assert_same_bits(on_frame(hole, mask.shape), grown(mask, dilate))
    assert hole.samples.dtype == np.uint8
    assert hole.samples.flags.c_contiguous
    assert hole.is_empty == (not mask.any())


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float16, np.float32])
def test_whatever_is_not_zero_is_hole(dtype):
    mask = np.zeros((4, 6), dtype)
    mask[1, 2] = 1
    mask[2, 4] = np.finfo(dtype).smallest_subnormal if np.dtype(dtype).kind == "f" else 200
    if np.dtype(dtype).kind == "f":
        mask[3, 1:4] = np.nan, -np.inf, -0.0
    marked = {(1, 2), (2, 4)} | ({(3, 1), (3, 2)} if np.dtype(dtype).kind == "f" else set())
    found = np.argwhere(on_frame(hole_of(mask, 0), mask.shape))
    assert {tuple(at) for at in found.tolist()} == marked


def test_a_strided_mask_is_read_where_it_lies():
    wide = np.zeros((8, 40), np.uint8)
    wide[:, 17:] = 255  # what lies beyond the row is not of the picture
    wide[2, 3] = 1
    assert_same_bits(on_frame(hole_of(wide[:, :17], 0), (8, 17)), wide[:, :17].copy())


@pytest.mark.parametrize("dilate", [0, 3, 300])
def test_a_mask_that_is_all_hole_stays_so_and_one_that_is_empty_stays_empty(dilate):
    assert on_frame(hole_of(np.full((9, 5), 7, np.uint8), dilate), (9, 5)).all()
    empty = hole_of(np.zeros((9, 5), np.uint8), dilate)
    assert empty.is_empty
    assert not on_frame(empty, (9, 5)).any()


def test_the_mask_itself_is_left_alone():
    mask = np.full((6, 6), 2, np.uint8)
    hole_of(mask, 0).samples[:] = 9
    assert (mask == 2).all()


def apart(a, b):
    """Whether two boxes share no pixel."""
    return a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


@given(
    st.integers(1, 200),
    st.integers(1, 200),
    st.integers(0, 40),
    st.lists(st.tuples(st.integers(0, 199), st.integers(0, 199)), max_size=12),
)
@settings(max_examples=100, deadline=None)
def test_boxes_hold_every_hole_with_its_margin_and_do_not_overlap(height, width, margin, specks):
    specks = [(x % width, y % height) for x, y in specks]
    holes = [Plane(x, y, np.ones((1, 1), np.uint8)) for x, y in specks]
    boxes = regions(holes, margin, (height, width))
    assert bool(boxes) == bool(specks)
    for x0, y0, x1, y1 in boxes:
        assert 0 <= x0 < x1 <= width
        assert 0 <= y0 < y1 <= height
        assert (x0 % CELL, y0 % CELL) == (0, 0)
        assert x1 % CELL == 0 or x1 == width
        assert y1 % CELL == 0 or y1 == height
    assert all(apart(a, b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert boxes == sorted(boxes, key=lambda box: (box[1], box[0]))
    assert len(boxes) <= MAX_BOXES
    for x, y in specks:
        around = max(0, x - margin), max(0, y - margin), min(width, x + margin + 1), min(height, y + margin + 1)
        assert any(
            x0 <= around[0] and y0 <= around[1] and around[2] <= x1 and around[3] <= y1 for x0, y0, x1, y1 in boxes
        )


def test_holes_far_apart_have_boxes_of_their_own_and_near_ones_share():
    speck = np.ones((1, 1), np.uint8)
    far = regions([Plane(8, 8, speck), Plane(300, 200, speck)], 16, (400, 600))
    assert far == [(0, 0, 32, 32), (272, 176, 320, 224)]
    assert regions([Plane(8, 8, speck), Plane(40, 8, speck)], 16, (400, 600)) == [(0, 0, 64, 32)]


def test_boxes_that_would_be_too_many_become_one():
    speck = np.ones((1, 1), np.uint8)
    holes = [Plane(48 * i, 48 * j, speck) for i in range(5) for j in range(5)]
    assert regions(holes, 0, (240, 240)) == [(0, 0, 208, 208)]
    assert len(regions(holes[:MAX_BOXES], 0, (240, 240))) == MAX_BOXES


@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 2), st.integers(0, 2), st.integers(0, 2**31))
@settings(max_examples=40, deadline=None)
def test_a_subsampled_sample_is_hole_when_any_pixel_it_covers_is(rows, columns, right, down, seed):
    hole = (np.random.default_rng(seed).random((rows << down, columns << right)) < 0.3).astype(np.uint8)
    expected = np.zeros((rows, columns), np.uint8)
    for y, x in np.argwhere(hole):
        expected[y >> down, x >> right] = 1
    assert_same_bits(subsampled(hole, right, down), expected)
