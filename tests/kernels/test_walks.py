"""Kernels that take many frames in one call, held to equality with many calls of one, and light with NumPy's sums."""

import numpy as np
import pytest
import reference_kernels as reference
import reference_light
from gpu import walk_work
from tolerance import assert_same_bits

from vsdfvi.kernels import HOST, LOST, Workers, _cpu, lanczos_table, pack
from vsdfvi.kernels.light import light_lines, light_shift
from vsdfvi.kernels.walks import blend_sources, sample_sources, trace_follow, trace_walk

PHASES = len(lanczos_table()) - 1
SIZES = [(1, 1), (1, 9), (9, 1), (13, 17), (40, 33)]  # (height, width): degenerate, odd
LIMIT = 1.5


def check_walk(size, frames, start, **how):
    """Fail unless kernel and statement agree; returns the result."""
    moved = [each.copy() for each in start]
    how = {"size": size, "later": True, "first": 1, "most": 9, "nearest": 1, "scale": 1, "limit": LIMIT} | how
    met, walking = trace_walk(HOST, *moved, walk_work.crossings(HOST, frames), **how)
    *expected, expected_met, expected_walking = reference.trace_walk(*start, frames, **how)
    for mine, theirs in zip(moved[:4], expected, strict=True):
        assert_same_bits(mine, theirs)
    assert (met, walking) == (expected_met, expected_walking)
    assert_same_bits(moved[4], start[4])
    return moved[3], met, walking


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("scale", [1, 2])
@pytest.mark.parametrize("later", [False, True], ids=["earlier", "later"])
def test_a_walk_is_its_steps(size, scale, later):
    random = np.random.default_rng(1)
    frames = walk_work.crossed(size, 5, scale, 0.02, random)
    start = walk_work.walkers(size, 60, random)
    check_walk(size, frames, start, scale=scale, later=later, first=2, most=3, nearest=3)


@pytest.mark.parametrize("first", [1, 3])
@pytest.mark.parametrize("most", [1, 2, 9])
@pytest.mark.parametrize("nearest", [1, 4, 99])
def test_steps_behind_steps_at_most_and_the_nearest_source_are_kept(first, most, nearest):
    random = np.random.default_rng(2)
    frames = walk_work.crossed((40, 33), 4, 1, 0, random)
    state, met, _ = check_walk(
        (40, 33), frames, walk_work.walkers((40, 33), 300, random), first=first, most=most, nearest=nearest, limit=9.0
    )
    assert all(step >= nearest for step in met)
    assert {*state[state > 2].tolist()} <= {*met}


def test_two_calls_are_one():
    random = np.random.default_rng(3)
    frames = walk_work.crossed((40, 33), 6, 1, 0, random)
    start = walk_work.walkers((40, 33), 300, random)
    how = {"size": (40, 33), "later": True, "most": 5, "nearest": 1, "scale": 1, "limit": 9.0}
    whole, parts = ([each.copy() for each in start] for _ in range(2))
    met, walking = trace_walk(HOST, *whole, walk_work.crossings(HOST, frames), first=1, **how)
    first, _ = trace_walk(HOST, *parts, walk_work.crossings(HOST, frames[:2]), first=1, **how)
    second, still = trace_walk(HOST, *parts, walk_work.crossings(HOST, frames[2:]), first=3, **how)
    assert (met, walking) == (first + second, still)
    for mine, theirs in zip(whole, parts, strict=True):
        assert_same_bits(mine, theirs)


def test_who_has_still_to_walk_is_told():
    size = (8, 8)
    flow = pack([(0, 0)], [np.zeros((4, *size), np.float32)])
    hole = walk_work.Plane(0, 0, np.ones(size, np.uint8))
    place, zero, none = np.full(1, 3, np.float32), np.zeros(1, np.float32), np.zeros(1, np.int32)
    start = [place, place, zero, none, none]
    assert check_walk(size, [(flow, hole)] * 2, start)[1:] == ((), True)
    assert check_walk(size, [(flow, hole)] * 3, start, most=2)[0] == LOST
    known = walk_work.Plane(0, 0, np.zeros((0, 0), np.uint8))
    assert check_walk(size, [(flow, hole), (flow, known)], start)[1:] == ((2,), False)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("later", [False, True], ids=["earlier", "later"])
@pytest.mark.parametrize("wanted", [[1], [2, 5], [1, 2, 3, 4, 5]], ids=str)
def test_pixels_are_followed_as_they_are_walked(size, later, wanted):
    random = np.random.default_rng(4)
    frames = walk_work.crossed(size, 5, 1, 0.02, random)
    x, y = (random.integers(0, extent, 60).astype(np.int32) for extent in size[::-1])
    how = {"size": size, "later": later, "scale": 1, "limit": LIMIT}
    found = trace_follow(HOST, x, y, walk_work.crossings(HOST, frames), wanted, **how)
    for mine, theirs in zip(
        (found.x, found.y, found.state), reference.trace_follow(x, y, frames, wanted, **how), strict=True
    ):
        assert_same_bits(mine, theirs)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("subsampling", [(0, 0), (1, 1), (2, 0)], ids=str)
def test_each_sample_is_of_its_own_source(size, subsampling):
    random = np.random.default_rng(5)
    sources = walk_work.planes_of(size, 0, random)
    column, row, index, *start, to_x, to_y, state = walk_work.ends(size, 50, subsampling, 3, 0.01, random)
    given = sources, column, row, index, tuple(start), (to_x, to_y), state
    out, got = sample_sources(HOST, *given, subsampling=subsampling)
    assert got.any()
    assert not got[(state[:, index] == 3) | (state[:, index] < 1)].any()
    for mine, theirs in zip(
        (out, got), reference.sample_sources(*given, subsampling=subsampling, phases=PHASES), strict=True
    ):
        assert_same_bits(mine, theirs)


@pytest.mark.parametrize("subsampling", [(0, 0), (1, 1)], ids=str)
def test_a_blend_is_what_its_parts_say(subsampling):
    random = np.random.default_rng(6)
    sources, blend = walk_work.planes_of((40, 33), 0, random), np.zeros((4, 50), np.float32)
    for _ in range(2):
        column, row, index, *start, to_x, to_y, state = walk_work.ends((40, 33), 50, subsampling, 1, 0.01, random)
        group = random.integers(0, 3, 50).astype(np.int32)
        light = (0.5 + random.random((5, 5, 3))).astype(np.float32)
        given = sources, column, row, index, tuple(start), (to_x, to_y), state, group, light
        expected = reference.blend_sources(*given, blend, subsampling=subsampling, phases=PHASES)
        blend_sources(HOST, *given, blend, subsampling=subsampling)
        assert_same_bits(blend, expected)
    assert (blend[3] > 0).any()


def test_light_must_reach_as_far_as_sources():
    random = np.random.default_rng(7)
    column, row, index, *start, to_x, to_y, state = walk_work.ends((9, 9), 5, (0, 0), 1, 0, random)
    with pytest.raises(ValueError, match="light must reach over 4 steps, got 3"):
        blend_sources(
            HOST, walk_work.planes_of((9, 9), 0, random), column, row, index, tuple(start), (to_x, to_y), state,
            np.zeros(5, np.int32), np.ones((5, 4, 1), np.float32), np.zeros((4, 5), np.float32), subsampling=(0, 0),
        )  # fmt: skip


@pytest.mark.parametrize("sources", [1, 7])
@pytest.mark.parametrize("samples", [5, 400, 3000])
@pytest.mark.parametrize("groups", [1, 4])
@pytest.mark.parametrize("corrects", [False, True])
def test_light_is_the_sums_of_its_method(sources, samples, groups, corrects):
    target, shown, there, group = walk_work.ring(sources, samples, groups, np.random.default_rng(8))
    found = light_lines(target, shown, there, group, groups, corrects=corrects)
    for number in range(sources):
        use = there[number] > 0
        expected = reference_light.match_light(target[use], shown[number][use], group[use], groups, corrects=corrects)
        for mine, theirs in zip(found, expected, strict=True):
            assert_same_bits(mine[number], theirs)


@pytest.mark.parametrize("samples", [5, 400, 3000])
@pytest.mark.parametrize("groups", [1, 4])
def test_drift_is_the_sums_of_its_method(samples, groups):
    random = np.random.default_rng(9)
    _, missed, there, group = walk_work.ring(3, samples, groups, random)
    gradient = random.normal(0, 8, (2, samples)).astype(np.float32)
    gradient[0, random.random(samples) < 0.1] = np.nan
    gradient[1, random.random(samples) < 0.1] = np.inf
    missed -= np.float32(120)
    found = light_shift(missed, gradient, there, group, groups)
    for number in range(3):
        expected = reference_light.match_shift(missed[number], gradient, there[number] > 0, group, groups)
        assert_same_bits(found[number], expected)


@pytest.mark.parametrize("name", ["walked", "followed", "sampled", "blended"])
def test_threads_change_nothing(name):
    work = getattr(walk_work, name)((120, 90), 20_000)
    alone = work(HOST)
    with Workers(3).active():
        shared = work(HOST)
    for mine, theirs in zip(shared, alone, strict=True):
        assert_same_bits(mine, theirs)


def test_what_addresses_lead_to_is_kept_alive():
    """A call that is made ready and run later: nobody else may hold its frames any more."""
    import weakref

    array = np.zeros(4, np.float32)
    watched = weakref.ref(array)
    run = _cpu.prepared("trace_walk", (0, 0), alive=(array,))
    del array
    assert watched() is not None
    del run
    assert watched() is None
