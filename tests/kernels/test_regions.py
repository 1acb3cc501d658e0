"""Packed planes and placed rectangles: what is put in is found again, on several boxes, and nothing beside them."""

import numpy as np
import pytest
import reference_kernels as reference
from hypothesis import given
from hypothesis import strategies as st
from tolerance import assert_same_bits

from vsdfvi.kernels import Plane, pack, sample_flow


def test_boxes_hold_what_was_packed():
    rng = np.random.default_rng(1)
    shapes = [(2, 3, 4), (1, 1, 1), (4, 5, 2), (3, 2, 7)]
    stacks = [rng.random(shape, np.float32) for shape in shapes]
    corners = [(0, 0), (30, 2), (10, 20), (50, 60)]
    packed = pack(corners, stacks)
    assert packed.samples.size == sum(stack.size for stack in stacks)
    assert packed.nbytes == packed.samples.nbytes + packed.boxes.nbytes
    for box, (corner, stack) in enumerate(zip(corners, stacks, strict=True)):
        assert tuple(packed.boxes[box, :2]) == corner
        assert_same_bits(packed.planes(box), stack)


def test_nothing_packed_is_nothing():
    packed = pack([], [])
    assert packed.samples.size == 0
    assert packed.boxes.shape == (0, 6)


def test_a_set_too_large_for_an_index_is_refused():
    # A view of one number as 2^31 of them: nothing of that size is allocated before the check.
    huge = np.broadcast_to(np.float32(0), (1, 1 << 16, 1 << 15))
    with pytest.raises(ValueError, match=r"^a packed set must be fewer than 2\^31 samples, got 2147483648$"):
        pack([(0, 0)], [huge])


def test_a_position_belongs_to_the_box_on_or_between_whose_samples_it_lies():
    stacks = [np.full((2, 4, 5), value, np.float32) for value in (1, 2)] + [np.full((2, 1, 1), 3, np.float32)]
    flow = pack([(2, 1), (10, 1), (20, 9)], stacks)
    size = (12, 24)
    xs, ys = np.meshgrid(np.arange(0, 23.5, 0.5, np.float32), np.arange(0, 11.5, 0.5, np.float32))
    x, y = xs.ravel(), ys.ravel()
    out = np.zeros((2, x.size), np.float32)
    state = np.ones(x.size, np.int32)
    expected = reference.sample_flow(flow, 0, x, y, state, out, size=size, step=1, scale=1)
    sample_flow(flow, 0, x, y, state, out, size=size, step=1, scale=1)
    assert_same_bits(out, expected)
    value = out[0].reshape(xs.shape)
    assert_same_bits(value == 1, (xs >= 2) & (xs <= 6) & (ys >= 1) & (ys <= 4))
    assert_same_bits(value == 2, (xs >= 10) & (xs <= 14) & (ys >= 1) & (ys <= 4))
    assert_same_bits(value == 3, (xs == 20) & (ys == 9))


def test_a_position_between_samples_is_bilinear():
    stack = np.array([[[0, 8], [16, 40]]] * 2, np.float32)
    out = np.zeros((2, 3), np.float32)
    x, y = np.array([5.25, 5, 6], np.float32), np.array([7.5, 7.25, 8], np.float32)
    sample_flow(pack([(5, 7)], [stack]), 0, x, y, np.ones(3, np.int32), out, size=(20, 20), step=1, scale=1)
    assert out[0].tolist() == [0.5 * (0.75 * 0 + 0.25 * 8) + 0.5 * (0.75 * 16 + 0.25 * 40), 4, 40]


@pytest.mark.parametrize("scale", [2, 4])
def test_a_coarse_sample_stands_for_the_middle_of_the_pixels_it_covers(scale):
    """Sampled at those middles, a coarse grid returns itself; at the frame's border its last samples are held."""
    coarse = np.random.default_rng(2).random((2, 1, 6), np.float32)
    flow, width = pack([(0, 0)], [coarse]), 6 * scale - 1  # the last sample covers one pixel less
    middles = (np.arange(6, dtype=np.float32) + np.float32(0.5)) * scale - np.float32(0.5)
    x = np.concatenate([middles, np.array([0, width - 1], np.float32)])
    out = np.zeros((2, 8), np.float32)
    sample_flow(
        flow, 0, x, np.zeros(8, np.float32), np.ones(8, np.int32), out, size=(scale, width), step=1, scale=scale
    )
    assert_same_bits(out[:, :6].copy(), coarse[:, 0])
    assert out[0, 6] == coarse[0, 0, 0]


@given(st.tuples(*[st.integers(-3, 12)] * 4), st.integers(0, 8), st.integers(0, 8))
def test_a_crop_is_the_frame_there_and_nothing_beyond_the_rectangle(box, height, width):
    plane = Plane(3, 2, np.random.default_rng(3).integers(1, 3, (height, width)).astype(np.uint8))
    x, y, columns, rows = box[0], box[1], abs(box[2]), abs(box[3])
    frame = np.zeros((40, 40), np.uint8)
    frame[12 : 12 + height, 13 : 13 + width] = plane.samples  # the frame's origin at (10, 10)
    found = plane.crop(x, y, columns, rows)
    assert_same_bits(found, frame[10 + y : 10 + y + rows, 10 + x : 10 + x + columns].copy())
    assert found.flags.c_contiguous
    assert plane.is_empty == (height * width == 0)
