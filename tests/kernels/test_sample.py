"""sample_lanczos and sample_flow, held to equality with their statements in reference_kernels.py."""

import numpy as np
import pytest
import reference_kernels as reference
from hypothesis import given, settings
from hypothesis import strategies as st
from tolerance import assert_same_bits

from vsdfvi.kernels import Workers, _cpu, lanczos_table, pack, sample_flow, sample_lanczos

PHASES = len(lanczos_table()) - 1
SIZES = [(1, 1), (1, 9), (9, 1), (13, 17), (40, 33)]  # (height, width) of the plane
EVERY_SUBSAMPLING = [(right, down) for right in (0, 1, 2) for down in (0, 1, 2)]


def scene(size, rng, items=50, subsampling=(0, 0)):
    """Return a source of one box, and samples whose trajectories end anywhere, also some way outside the plane."""
    height, width = size
    source = pack([(0, 0)], [rng.uniform(0, 255, (1, height, width)).astype(np.float32)])
    column, row = (rng.integers(0, extent, items).astype(np.int32) for extent in (width, height))
    index = rng.permutation(items + 5)[:items].astype(np.int32)
    start = tuple(rng.integers(0, extent << by, items + 5).astype(np.int32)
                  for extent, by in zip((width, height), subsampling, strict=True))  # fmt: skip
    end = tuple((begun + rng.normal(0, 3, items + 5)).astype(np.float32) for begun in start)
    whole = rng.random(items + 5) < 0.2
    for to in end:
        to[whole] = np.rint(to[whole])
    state = rng.integers(-1, 4, items + 5).astype(np.int32)
    return source, column, row, index, start, end, state


def sampled(arguments, **how):
    """Return what the kernel writes over an ``out`` of nines."""
    out, got = np.full(arguments[1].size, 9, np.float32), np.zeros(arguments[1].size, np.uint8)
    sample_lanczos(*arguments, out, got, **how)
    return out, got


def check(arguments, **how):
    found = sampled(arguments, **how)
    nines = np.full(arguments[1].size, 9, np.float32)
    for mine, expected in zip(found, reference.sample_lanczos(*arguments, nines, phases=PHASES, **how), strict=True):
        assert_same_bits(mine, expected)
    return found


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("subsampling", EVERY_SUBSAMPLING, ids=str)
def test_equals_its_statement(size, subsampling):
    arguments = scene(size, np.random.default_rng(1), subsampling=subsampling)
    _, got = check(arguments, step=2, subsampling=subsampling)
    assert got.any()
    assert not got.all()


def test_the_table_is_the_kernel_at_each_phase():
    table = lanczos_table()
    assert table.shape == (PHASES + 1, 8)
    for phase in range(PHASES + 1):
        np.testing.assert_array_equal(table[phase], reference.lanczos_weights(np.float32(phase / PHASES), PHASES))
    np.testing.assert_allclose(table.sum(axis=1), 1, rtol=0, atol=3e-7)  # eight roundings of float32
    # Turned round, the weights of a phase are those of its complement.
    np.testing.assert_allclose(table, table[::-1, ::-1], rtol=0, atol=1e-7)
    np.testing.assert_allclose(table[0], [0, 0, 0, 1, 0, 0, 0, 0], rtol=0, atol=1e-15)


def test_several_boxes_and_positions_outside_all_of_them():
    rng = np.random.default_rng(2)
    stacks = [rng.uniform(0, 255, (1, 6, 9)).astype(np.float32), rng.uniform(0, 255, (1, 1, 5)).astype(np.float32)]
    source = pack([(2, 3), (20, 5)], stacks)
    column, row = (grid.ravel().astype(np.int32) for grid in np.meshgrid(np.arange(30), np.arange(14)))
    count = column.size
    start = column, row
    end = (column + rng.uniform(-0.5, 0.5, count)).astype(np.float32), row.astype(np.float32)
    arguments = source, column, row, np.arange(count, dtype=np.int32), start, end, np.ones(count, np.int32)
    out, got = check(arguments, step=1, subsampling=(0, 0))
    assert got.all()
    # Beyond all boxes the nearest one's border is held.
    np.testing.assert_allclose(out[(row < 3) & (column < 2)], stacks[0][0, 0, 0], rtol=1e-6)
    np.testing.assert_allclose(out[(row > 6) & (column > 25)], stacks[1][0, 0, 4], rtol=1e-6)


def test_without_a_box_nothing_is_got():
    at = np.arange(3, dtype=np.int32)
    arguments = pack([], []), at, at, at, (at, at), (at.astype(np.float32),) * 2, np.ones(3, np.int32)
    out, got = sampled(arguments, step=1, subsampling=(0, 0))
    assert not got.any()
    assert (out == 9).all()


def test_a_source_sample_is_returned_as_it_is():
    source = pack([(0, 0)], [np.random.default_rng(3).integers(0, 65536, (1, 20, 24)).astype(np.float32)])
    column, row = (grid.ravel().astype(np.int32) for grid in np.meshgrid(np.arange(24), np.arange(20)))
    end = column.astype(np.float32), row.astype(np.float32)
    at = np.arange(column.size, dtype=np.int32)
    out, _ = sampled(
        (source, column, row, at, (column, row), end, np.ones(at.size, np.int32)), step=1, subsampling=(0, 0)
    )
    np.testing.assert_array_equal(np.rint(out), source.planes(0)[0].ravel())
    np.testing.assert_allclose(out, source.planes(0)[0].ravel(), rtol=3e-7, atol=1e-9)


@pytest.mark.parametrize("value", [np.nan, np.inf], ids=str)
def test_what_is_not_a_number_spoils_only_what_its_taps_reach(value):
    plane = np.zeros((1, 24, 24), np.float32)
    plane[0, 12, 12] = value
    column, row = (grid.ravel().astype(np.int32) for grid in np.meshgrid(np.arange(24), np.arange(24)))
    end = tuple((own + 0.5).astype(np.float32) for own in (column, row))
    at = np.arange(column.size, dtype=np.int32)
    out, _ = sampled(
        (pack([(0, 0)], [plane]), column, row, at, (column, row), end, np.ones(at.size, np.int32)), step=1,
        subsampling=(0, 0),
    )  # fmt: skip
    spoiled = np.argwhere(~np.isfinite(out.reshape(24, 24)))
    assert spoiled.min(axis=0).tolist() == [8, 8]  # eight taps: 12 - 4 ...
    assert spoiled.max(axis=0).tolist() == [15, 15]  # ... to 12 + 3


@given(split=st.integers(0, 50), seed=st.integers(0, 2**31), subsampling=st.sampled_from(EVERY_SUBSAMPLING))
@settings(max_examples=25, deadline=None)
def test_any_split_of_the_range(split, seed, subsampling):
    arguments = scene((11, 14), np.random.default_rng(seed), subsampling=subsampling)
    source, column, row, index, start, end, state = arguments
    out, got = np.full(50, 9, np.float32), np.zeros(50, np.uint8)
    shrink = tuple(1.0 / (1 << by) for by in subsampling)
    for part in ((split, 50), (0, split)):
        _cpu.launch(
            "sample_lanczos", part, source.samples, source.boxes, 1, column, row, index, *start, *end, state,
            lanczos_table(), out, got, 1, PHASES, after=shrink,
        )  # fmt: skip
    nines = np.full(50, 9, np.float32)
    expected = reference.sample_lanczos(*arguments, nines, step=1, subsampling=subsampling, phases=PHASES)
    assert_same_bits(out, expected[0])
    assert_same_bits(got, expected[1])


def test_any_number_of_threads_gives_the_same_bytes():
    arguments = scene((40, 60), np.random.default_rng(6), items=20000)
    alone = sampled(arguments, step=2, subsampling=(0, 0))
    for count in (1, 2, 3):
        workers = Workers(count)
        with workers.active():
            for found, expected in zip(sampled(arguments, step=2, subsampling=(0, 0)), alone, strict=True):
                assert_same_bits(found, expected)
        workers.close()


# sample_flow.


def flow_scene(size, scale, rng, items=60):
    rows, columns = (-(-extent // scale) for extent in size)
    flow = pack([(0, 0)], [rng.normal(0, 2, (4, rows, columns)).astype(np.float32)])
    x, y = (rng.uniform(-1, extent, items).astype(np.float32) for extent in size[::-1])
    return flow, x, y, rng.integers(-1, 3, items).astype(np.int32)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("scale", [1, 2, 4])
@pytest.mark.parametrize("plane", [0, 2])
@pytest.mark.parametrize("split", [0, 23])
def test_flow_equals_its_statement(size, scale, plane, split):
    flow, x, y, state = flow_scene(size, scale, np.random.default_rng(7))
    flow.samples[::7] = np.nan
    flow.samples[::11] = np.inf
    x[5] = np.nan
    out = np.full((2, 60), 9, np.float32)
    expected = reference.sample_flow(flow, plane, x, y, state, out, size=size, step=1, scale=scale)
    for part in ((split, 60), (0, split)):
        _cpu.launch(
            "sample_flow", part, flow.samples, flow.boxes, 1, plane, x, y, state, out, 60, 1, size[1], size[0],
            after=(float(scale),),
        )  # fmt: skip
    assert_same_bits(out, expected)
    whole = np.full((2, 60), 9, np.float32)
    sample_flow(flow, plane, x, y, state, whole, size=size, step=1, scale=scale)
    assert_same_bits(whole, expected)
    assert (expected[:, state != 1] == 9).all()
    assert (expected[:, state == 1] != 9).any()
