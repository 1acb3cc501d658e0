"""laplace_fill solves its equation, and each of its kernels equals its statement in reference_kernels.py."""

import numpy as np
import pytest
import reference_kernels as reference
from hypothesis import given, settings
from hypothesis import strategies as st
from tolerance import LAPLACE_TOLERANCES, assert_same_bits

from vsdfvi.kernels import Workers, _cpu
from vsdfvi.kernels.laplace import laplace_fill

SIZES = [(1, 1), (1, 9), (9, 1), (2, 2), (13, 17), (16, 12)]  # (height, width): degenerate, odd, even
NOT_NUMBERS = np.array([np.nan, np.inf, -np.inf], np.float32)


def scene(size, planes=2, share=0.5, seed=1):
    """Return random planes and a random hole."""
    rng = np.random.default_rng(seed)
    values = rng.uniform(0, 255, (planes, *size)).astype(np.float32)
    return values, (rng.random(size) < share).astype(np.uint8)


SHAPES = {
    "box": lambda v, u: (v > 4) & (v < 15) & (u > 6) & (u < 20),
    "column": lambda v, u: u == 9,
    "corner": lambda v, u: (v < 9) & (u < 12),
    "frame": lambda v, u: (v < 4) | (u < 4) | (v > 17) | (u > 24),
    "all but one": lambda v, u: (v != 8) | (u != 20),
    "two parts": lambda v, u: (u < 5) | ((u > 20) & (v > 3)),
    "specks": lambda v, u: (v * 7 + u * 3) % 5 == 0,
}


def shape(name):
    """Return a hole with a name, 23 x 29."""
    return SHAPES[name](*np.mgrid[:23, :29]).astype(np.uint8)


def by_colour(hole):
    """Return the hole's red pixels and its black ones."""
    where = np.flatnonzero(hole).astype(np.int32)
    width = hole.shape[1]
    black = (where // width + where % width) % 2 == 1
    return where[~black], where[black]


def settle(planes, hole, part=None, look=1, most=1, tolerance=0.0, turned=False):
    """Let planes settle in place, those of a part of the range if one is given."""
    colours = [pixels[::-1] if turned else pixels for pixels in by_colour(hole)]
    _cpu.launch(
        "laplace_settle", part or (0, len(planes)), planes, np.concatenate(colours), colours[0].size,
        sum(pixels.size for pixels in colours), hole.shape[1], hole.shape[0], look, most, after=(1.7, tolerance),
    )  # fmt: skip


@pytest.mark.parametrize("size", [size for size in SIZES if size != (1, 1)], ids=str)
@pytest.mark.parametrize("sweeps", [1, 3])
@pytest.mark.parametrize("split", [0, 1])
def test_sweeps_equal_their_statement(size, sweeps, split):
    planes, hole = scene(size)
    expected = planes
    for _ in range(sweeps):
        for pixels in by_colour(hole):
            expected = reference.laplace_sweep(expected, pixels, 1.7)
    for part in ((split, 2), (0, split)):
        settle(planes, hole, part, most=sweeps)
    assert_same_bits(planes, expected)


def test_a_plane_is_left_alone_once_it_moves_no_further():
    """Two planes, of which one is at rest from the start: it is swept until it is looked at, the other to the end."""
    planes, hole = scene((13, 17))
    planes[1] = 7
    expected = planes.copy()
    for _ in range(6):
        for pixels in by_colour(hole):
            expected[:1] = reference.laplace_sweep(expected[:1], pixels, 1.7)
    planes[1, hole == 1] = np.float32(7.5)  # a sweep moves this by less than the tolerance
    at_rest = planes[1:].copy()
    for _ in range(2):
        for pixels in by_colour(hole):
            at_rest = reference.laplace_sweep(at_rest, pixels, 1.7)
    settle(planes, hole, look=2, most=6, tolerance=2.0)
    assert np.abs(expected[0] - planes[0]).max() == 0
    assert_same_bits(planes[1:], at_rest)


def test_the_order_within_a_colour_is_of_no_matter():
    planes, hole = scene((13, 17))
    other = planes.copy()
    settle(planes, hole)
    settle(other, hole, turned=True)
    assert_same_bits(planes, other)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("split", [0, 3])
def test_restriction_equals_its_statement_and_reads_no_hole(size, split):
    planes, hole = scene(size)
    planes[:, hole == 1] = np.random.default_rng(2).choice(NOT_NUMBERS, (2, int(hole.sum())))
    rows, columns = -(-size[0] // 2), -(-size[1] // 2)
    coarse, coarse_hole = np.full((2, rows, columns), 9, np.float32), np.full((rows, columns), 9, np.uint8)
    for part in ((min(split, rows), rows), (0, min(split, rows))):
        _cpu.launch("laplace_restrict", part, planes, hole, coarse, coarse_hole, 2, size[1], size[0])
    expected = reference.laplace_restrict(planes, hole)
    assert_same_bits(coarse, expected[0])
    assert_same_bits(coarse_hole, expected[1])
    assert np.isfinite(coarse).all()


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("split", [0, 5])
def test_prolongation_equals_its_statement(size, split):
    planes, hole = scene(size)
    coarse, _ = scene((-(-size[0] // 2), -(-size[1] // 2)), seed=3)
    pixels = np.flatnonzero(hole).astype(np.int32)
    expected = reference.laplace_prolong(coarse, pixels, planes)
    for part in ((min(split, pixels.size), pixels.size), (0, min(split, pixels.size))):
        _cpu.launch("laplace_prolong", part, coarse, pixels, planes, 2, size[1], size[0])
    assert_same_bits(planes, expected)


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("tolerance", [1 / 64, 1 / 1024])
def test_solves_the_equation(name, tolerance):
    hole = shape(name)
    planes, _ = scene(hole.shape, seed=4)
    filled = laplace_fill(planes, hole, tolerance)
    expected = np.stack([reference.laplace_solution(plane, hole) for plane in planes])
    worst = np.abs(filled - expected).max()
    assert worst <= LAPLACE_TOLERANCES * tolerance
    assert_same_bits(filled[:, hole == 0], planes[:, hole == 0])


@pytest.mark.parametrize("name", SHAPES)
def test_the_harmonic_is_found_where_it_is_known(name):
    """A linear plane solves the equation, unless the hole lies at the border, across which nothing flows."""
    hole = np.zeros((23, 29), np.uint8)
    hole[2:-2, 2:-2] = shape(name)[2:-2, 2:-2]
    v, u = np.mgrid[:23, :29].astype(np.float32)
    plane = (3 * u - 2 * v + 60)[None]
    damaged = np.where(hole, np.float32(np.nan), plane)
    np.testing.assert_allclose(laplace_fill(damaged, hole, 1 / 1024), plane, rtol=0, atol=LAPLACE_TOLERANCES / 1024)


@pytest.mark.parametrize("name", SHAPES)
def test_what_lies_in_the_hole_has_no_influence(name):
    hole = shape(name)
    planes, _ = scene(hole.shape)
    other = planes.copy()
    other[:, hole == 1] = np.random.default_rng(5).choice(NOT_NUMBERS, (2, int(hole.sum())))
    assert_same_bits(laplace_fill(planes, hole, 1 / 64), laplace_fill(other, hole, 1 / 64))


def test_the_fill_lies_between_what_surrounds_it():
    hole = shape("box")
    planes, _ = scene(hole.shape)
    filled = laplace_fill(planes, hole, 1 / 1024)[:, hole == 1]
    assert planes[:, hole == 0].min() <= filled.min()
    assert filled.max() <= planes[:, hole == 0].max()


@given(seed=st.integers(0, 2**31), height=st.integers(1, 12), width=st.integers(1, 12), share=st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_any_hole(seed, height, width, share):
    planes, hole = scene((height, width), planes=1, share=share, seed=seed)
    given_planes = planes.copy()
    filled = laplace_fill(planes, hole, 1 / 64)
    assert_same_bits(planes, given_planes)  # what is given is left alone
    if hole.all():
        assert not filled.any()
        return
    assert_same_bits(filled[:, hole == 0], planes[:, hole == 0])
    np.testing.assert_allclose(
        filled[0], reference.laplace_solution(planes[0], hole), rtol=0, atol=LAPLACE_TOLERANCES / 64
    )


def test_without_a_hole_the_planes_come_back_as_a_copy():
    planes, hole = scene((5, 6), share=0)
    assert_same_bits(laplace_fill(planes, hole, 1 / 64), planes)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_any_number_of_threads_gives_the_same_bytes(count):
    planes, _ = scene((250, 250), planes=1)
    hole = np.zeros((250, 250), np.uint8)
    hole[5:245, 5:245] = 1  # large enough to be split into three
    alone = laplace_fill(planes, hole, 1.0)
    workers = Workers(count)
    with workers.active():
        assert_same_bits(laplace_fill(planes, hole, 1.0), alone)
    workers.close()
