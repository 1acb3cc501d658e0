"""warp_planes and median_planes, held to equality with their statements."""

from math import floor

import numpy as np
import pytest
from tolerance import assert_same_bits

from vsdfvi.kernels import Workers, _cpu
from vsdfvi.kernels.planes import at_ends, median

SIZES = [(1, 1), (1, 7), (7, 1), (13, 17), (40, 64)]  # (height, width): degenerate, odd
NOT_NUMBERS = np.array([np.nan, np.inf, -np.inf], np.float32)


def warped(planes, flow):
    """What warp.h says, one sample after another."""
    count, height, width = planes.shape
    out = np.empty_like(planes)
    for y in range(height):
        for x in range(width):
            place = [np.float32(x) + flow[0, y, x], np.float32(y) + flow[1, y, x]]
            for axis, last in enumerate((width - 1, height - 1)):
                at = place[axis] if place[axis] > 0 else np.float32(0)
                place[axis] = min(at, np.float32(last))
            x0, y0 = (floor(at) for at in place)
            x1, y1 = min(x0 + 1, width - 1), min(y0 + 1, height - 1)
            wx, wy = place[0] - np.float32(x0), place[1] - np.float32(y0)
            for c in range(count):
                top = (1 - wx) * planes[c, y0, x0] + wx * planes[c, y0, x1]
                bottom = (1 - wx) * planes[c, y1, x0] + wx * planes[c, y1, x1]
                out[c, y, x] = (1 - wy) * top + wy * bottom
    return out


def scene(size, planes=2, seed=1):
    random = np.random.default_rng(seed)
    values = random.uniform(0, 255, (planes, *size)).astype(np.float32)
    flow = random.normal(0, 4, (2, *size)).astype(np.float32)
    return values, flow


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("split", [0, 1, 5])
def test_a_warp_equals_its_statement(size, split):
    planes, flow = scene(size)
    flow.ravel()[::7] = np.random.default_rng(2).choice(NOT_NUMBERS, flow.ravel()[::7].size)
    out = np.empty_like(planes)
    height, width = size
    cut = min(split, height)
    for part in ((cut, height), (0, cut)):
        _cpu.launch("warp_planes", part, planes, flow, out, len(planes), width, height)
    assert_same_bits(out, warped(planes, flow))
    assert_same_bits(at_ends(planes, flow), out)


def test_a_warp_by_whole_pixels_is_a_shift():
    planes, flow = scene((20, 30))
    flow[0], flow[1] = 3, -2
    assert_same_bits(at_ends(planes, flow)[:, 2:, :-3], planes[:, :-2, 3:])


def test_a_warp_takes_views_and_leaves_what_it_is_given():
    planes, flow = scene((20, 30), planes=4)
    before = planes.copy()
    assert_same_bits(
        at_ends(planes[::2, 3:, 4:], flow[:, 3:, 4:]), at_ends(planes[::2, 3:, 4:].copy(), flow[:, 3:, 4:].copy())
    )
    assert_same_bits(planes, before)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("levels", [3, 1 << 20], ids=["many alike", "all different"])
def test_a_median_is_the_middle_of_25(size, levels):
    planes = np.random.default_rng(3).integers(0, levels, (2, *size)).astype(np.float32)
    padded = np.pad(planes, ((0, 0), (2, 2), (2, 2)), mode="edge")
    expected = np.median(np.lib.stride_tricks.sliding_window_view(padded, (5, 5), axis=(1, 2)), axis=(-1, -2))
    out = np.empty_like(planes)
    height, width = size
    for part in ((height // 2, height), (0, height // 2)):
        _cpu.launch("median_planes", part, planes, out, 2, width, height)
    assert_same_bits(out, expected.astype(np.float32))
    assert_same_bits(median(planes), out)  # OpenCV's on the CPU


def test_any_number_of_threads_gives_the_same_bytes():
    planes, flow = scene((200, 300))
    alone = at_ends(planes, flow)
    workers = Workers(3)
    with workers.active():
        assert_same_bits(at_ends(planes, flow), alone)
    workers.close()
