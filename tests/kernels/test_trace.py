"""trace_step, held to equality with its statement in reference_kernels.py."""

import numpy as np
import pytest
import reference_kernels as reference
from hypothesis import given, settings
from hypothesis import strategies as st
from tolerance import assert_same_bits

from vsdfvi.kernels import LOST, Plane, Workers, _cpu, pack, trace_step

SIZES = [(1, 1), (1, 9), (9, 1), (13, 17), (40, 33)]  # (height, width): degenerate, odd
NOT_NUMBERS = (np.nan, np.inf, -np.inf)


def whole_flow(size, scale, motion_px, rng):
    """Return random flow and nearly its opposite, on one box that covers the frame at 1/scale."""
    rows, columns = (-(-extent // scale) for extent in size)
    out = rng.normal(0, motion_px, (2, rows, columns))
    stack = np.concatenate([out, -out + rng.normal(0, 0.3, out.shape)]).astype(np.float32)
    return pack([(0, 0)], [stack])


def walkers(size, count, rng):
    """Return x, y, error, state of trajectories anywhere in the frame, some ended before."""
    x, y = (rng.uniform(0, extent - 1, count).astype(np.float32) for extent in size[::-1])
    whole = rng.random(count) < 0.3
    x[whole], y[whole] = np.rint(x[whole]), np.rint(y[whole])
    error = rng.uniform(0, 1, count).astype(np.float32)
    return x, y, error, rng.choice(np.array([0, 0, 0, 0, LOST, 2], np.int32), count)


def random_hole(size, rng):
    """Return a hole that is smaller than the frame and stands somewhere in it."""
    height, width = (int(rng.integers(1, extent + 1)) for extent in size)
    y, x = int(rng.integers(0, size[0] - height + 1)), int(rng.integers(0, size[1] - width + 1))
    return Plane(x, y, (rng.random((height, width)) < 0.6).astype(np.uint8))


def stepped(trajectories, flow, hole, **how):
    """Return trajectories after the kernel, the given ones left as they are."""
    moved = tuple(values.copy() for values in trajectories)
    trace_step(*moved, flow, hole, **how)
    return moved


def check(trajectories, flow, hole, **how):
    """Fail unless kernel and statement agree; returns the result."""
    moved = stepped(trajectories, flow, hole, **how)
    for found, expected in zip(moved, reference.trace_step(*trajectories, flow, hole, **how), strict=True):
        assert_same_bits(found, expected)
    return moved


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("scale", [1, 2, 4])
@pytest.mark.parametrize("later", [False, True], ids=["earlier", "later"])
@pytest.mark.parametrize("motion_px", [0.3, 3.0])
def test_equals_its_statement(size, scale, later, motion_px):
    rng = np.random.default_rng(1)
    flow, hole = whole_flow(size, scale, motion_px, rng), random_hole(size, rng)
    for stop in (True, False):
        how = {"size": size, "later": later, "step": 3, "stop": stop, "scale": scale, "limit": 1.0}
        check(walkers(size, 60, rng), flow, hole, **how)


def test_all_that_can_happen_happens_in_these_inputs():
    """The random inputs above reach every branch: found, lost and walking on."""
    rng = np.random.default_rng(2)
    size = (13, 17)
    trajectories = walkers(size, 200, rng)
    _, _, error, state = check(
        trajectories, whole_flow(size, 1, 1.0, rng), random_hole(size, rng), size=size, later=True, step=3, stop=True,
        scale=1, limit=0.6,
    )  # fmt: skip
    began = trajectories[3] == 0
    assert {value: int((state[began] == value).sum() > 5) for value in (LOST, 0, 3)} == {LOST: 1, 0: 1, 3: 1}
    assert (error[began] > trajectories[2][began]).any()
    assert (error[began] == trajectories[2][began]).any()


@pytest.mark.parametrize("value", NOT_NUMBERS, ids=str)
@pytest.mark.parametrize("plane", range(4))
def test_flow_that_is_not_finite_loses_those_that_read_it_and_no_others(value, plane):
    size = (5, 7)
    stack = np.zeros((4, *size), np.float32)
    stack[plane, 2, 3] = value
    y, x = (grid.ravel().astype(np.float32) for grid in np.mgrid[:5, :7])
    start = x, y, np.zeros(35, np.float32), np.zeros(35, np.int32)
    how = {"size": size, "later": True, "step": 1, "stop": True, "scale": 1, "limit": 1.5}
    _, _, error, state = check(start, pack([(0, 0)], [stack]), Plane(0, 0, np.zeros((0, 0), np.uint8)), **how)
    lost = np.argwhere(state.reshape(size) == LOST).tolist()
    # A weight of 0 times NaN is NaN: the neighbours whose four samples include it are lost too.
    assert [2, 3] in lost
    assert set(map(tuple, lost)) <= {(2, 3), (1, 3), (2, 2), (1, 2)}
    assert np.isfinite(error).all()


def test_random_flow_with_what_is_not_a_number():
    rng = np.random.default_rng(3)
    size = (13, 17)
    flow = whole_flow(size, 1, 1.0, rng)
    spoiled = rng.choice(flow.samples.size, 60, replace=False)
    flow.samples[spoiled] = rng.choice(np.array(NOT_NUMBERS, np.float32), 60)
    moved = check(
        walkers(size, 300, rng), flow, random_hole(size, rng), size=size, later=False, step=1, stop=True, scale=1,
        limit=float("inf"),
    )  # fmt: skip
    assert all(np.isfinite(values).all() for values in moved[:2])


@pytest.mark.parametrize("how", [{"limit": float("nan")}, {"limit": 0.0}], ids=str)
def test_any_limit(how):
    rng = np.random.default_rng(4)
    size = (9, 9)
    start = walkers(size, 50, rng)
    settled = {"size": size, "later": True, "step": 1, "stop": True, "scale": 1}
    *_, state = check(start, whole_flow(size, 1, 1.0, rng), random_hole(size, rng), **settled, **how)
    assert (state[start[3] == 0] == LOST).all()


def test_positions_outside_the_boxes_are_lost():
    size = (20, 40)
    stacks = [np.zeros((4, 6, 8), np.float32), np.zeros((4, 5, 6), np.float32)]
    stacks[0][0] = 20  # from the first box into the second ...
    stacks[1][2] = -20  # ... from which flow leads back
    flow = pack([(2, 3), (22, 3)], stacks)
    y, x = (grid.ravel().astype(np.float32) for grid in np.mgrid[:20, :40])
    start = x, y, np.zeros(x.size, np.float32), np.zeros(x.size, np.int32)
    how = {"size": size, "later": True, "step": 1, "stop": True, "scale": 1, "limit": 1.0}
    *_, state = check(start, flow, Plane(0, 0, np.zeros((0, 0), np.uint8)), **how)
    arrived = np.argwhere(state.reshape(size) == 1)
    # Of the first box those whose target lies in the second, which is smaller; of the second none: back is -20.
    assert {tuple(at) for at in arrived.tolist()} == {(row, column) for row in range(3, 8) for column in range(2, 8)}


def test_half_of_the_weight_is_enough():
    """A position midway between a known and an unknown sample is known; nearer to the unknown one it is not."""
    hole = Plane(5, 0, np.ones((4, 5), np.uint8))
    x = np.array([4.5, np.nextafter(np.float32(4.5), np.float32(5)), 4.75, 9.5], np.float32)
    start = x, np.full(4, 1.25, np.float32), np.zeros(4, np.float32), np.zeros(4, np.int32)
    flow = pack([(0, 0)], [np.zeros((4, 4, 12), np.float32)])
    how = {"size": (4, 12), "later": True, "step": 7, "stop": True, "scale": 1, "limit": 1.0}
    assert check(start, flow, hole, **how)[3].tolist() == [7, 0, 0, 7]


@given(split=st.integers(0, 50), seed=st.integers(0, 2**31), scale=st.sampled_from([1, 2, 4]), later=st.booleans())
@settings(max_examples=25, deadline=None)
def test_any_split_of_the_range(split, seed, scale, later):
    rng = np.random.default_rng(seed)
    size = (11, 14)
    start, flow, hole = walkers(size, 50, rng), whole_flow(size, scale, 1.5, rng), random_hole(size, rng)
    how = {"size": size, "later": later, "step": 2, "stop": True, "scale": scale, "limit": 1.0}
    moved = tuple(values.copy() for values in start)
    rows, columns = hole.samples.shape
    for part in ((split, 50), (0, split)):  # in the wrong order
        _cpu.launch(
            "trace_step", part, *moved, flow.samples, flow.boxes, 1, 0 if later else 2, hole.samples, hole.x, hole.y,
            columns, rows, size[1], size[0], 2, 1, after=(float(scale), 1.0),
        )  # fmt: skip
    for found, expected in zip(moved, reference.trace_step(*start, flow, hole, **how), strict=True):
        assert_same_bits(found, expected)


def test_any_number_of_threads_gives_the_same_bytes():
    rng = np.random.default_rng(5)
    size = (64, 96)
    start, flow, hole = walkers(size, 20000, rng), whole_flow(size, 1, 1.5, rng), random_hole(size, rng)
    how = {"size": size, "later": True, "step": 1, "stop": True, "scale": 1, "limit": 2.0}
    alone = stepped(start, flow, hole, **how)
    for count in (1, 2, 3):
        workers = Workers(count)
        with workers.active():
            for found, expected in zip(stepped(start, flow, hole, **how), alone, strict=True):
                assert_same_bits(found, expected)
        workers.close()


def test_no_trajectory_and_no_box_are_no_mistake():
    nothing = np.zeros(0, np.float32)
    no_boxes = pack([], [])
    no_hole = Plane(0, 0, np.zeros((0, 0), np.uint8))
    how = {"size": (4, 4), "later": True, "step": 1, "stop": True, "scale": 1, "limit": 1.0}
    trace_step(nothing, nothing.copy(), nothing.copy(), np.zeros(0, np.int32), no_boxes, no_hole, **how)
    one = np.ones(1, np.float32), np.ones(1, np.float32), np.zeros(1, np.float32), np.zeros(1, np.int32)
    assert check(one, no_boxes, no_hole, **how)[3].tolist() == [LOST]
