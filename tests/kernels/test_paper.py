"""paper.h, held to equality with the rule as tests/reference.py states it."""

import numpy as np
import pytest
import reference

from vsdfvi.kernels import Workers, pack
from vsdfvi.kernels.paper import carry_names, link_pixels, merge_names, number_pixels

SIZES = [(1, 1), (1, 9), (9, 1), (2, 2), (13, 17), (40, 61)]  # (height, width)
FOREVER = 1e9  # pixels: no test of consistency


def flow_pair(size, motion, seed, holes_in_it=0.0):
    """Flow between two frames, fw x, fw y, bw x, bw y: alike enough to pass a test of 1.5 pixels often, not always."""
    rng = np.random.default_rng(seed)
    steady = rng.uniform(-motion, motion, (2, 1, 1))
    flow = np.concatenate([steady, -steady]) + rng.normal(0, 0.7, (4, *size))
    flow = flow.astype(np.float32)
    # Half of the vectors end in .5 after rounding, so that means of flow meet ties.
    flow = np.where(rng.random(flow.shape) < 0.5, np.round(flow * 2) / 2, flow).astype(np.float32)
    broken = rng.random(flow.shape) < holes_in_it
    flow[broken] = rng.choice(np.array([np.nan, np.inf, -np.inf], np.float32), broken.sum())
    return flow


def links(flow, hole, neighbour_hole, *, later, limit, packed=None, scale=1, first=0, workers=None):
    """What all hole pixels take from the neighbour: its pixel's (x, y), or None. And the raw links."""
    y, x = (axis.astype(np.int32) for axis in np.nonzero(hole))
    far_y, far_x = (axis.astype(np.int32) for axis in np.nonzero(neighbour_hole))
    link = np.full(x.size, 77, np.int32)
    packed = pack([(0, 0)], [flow]) if packed is None else packed
    with (workers or Workers(1)).active():
        link_pixels(
            x, y, link, packed, number_pixels(far_x, far_y, first), later=later, span=(0, x.size), size=hole.shape,
            scale=scale, limit=limit,
        )  # fmt: skip
    width = hole.shape[1]
    found = []
    for value in link.tolist():
        if value >= 0:
            found.append((int(far_x[value - first]), int(far_y[value - first])))
        else:
            found.append(None if value == -1 else ((-2 - value) % width, (-2 - value) // width))
    return found, link


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("motion", [0.4, 6.0])
@pytest.mark.parametrize("later", [True, False])
@pytest.mark.parametrize("broken", [0.0, 0.05])
def test_a_link_is_the_hop_of_the_rule(size, motion, later, broken):
    flow = flow_pair(size, motion, 1, broken)
    rng = np.random.default_rng(2)
    hole, neighbour_hole = rng.random(size) < 0.6, rng.random(size) < 0.4
    found, link = links(flow, hole, neighbour_hole, later=later, limit=1.5, first=1000)
    out, back = (flow[:2], flow[2:]) if later else (flow[2:], flow[:2])
    with np.errstate(invalid="ignore"):
        expected = [
            reference.paper_source((int(x), int(y)), out, back, 1.5) for y, x in zip(*np.nonzero(hole), strict=True)
        ]
    assert found == expected
    for value, source in zip(link.tolist(), found, strict=True):
        assert source is None or (value >= 0) == bool(neighbour_hole[source[1], source[0]])
    if size == (40, 61) and not broken:
        assert 0.1 < sum(source is not None for source in found) / len(found) < 0.98, "all alike tests nothing"


def constant(size, vector):
    return np.broadcast_to(np.array([*vector, -vector[0], -vector[1]], np.float32)[:, None, None], (4, *size)).copy()


@pytest.mark.parametrize(("vector", "offset"), [((0.5, 0), 0), ((1.5, 0), 2), ((2.5, 0), 2)])
def test_halves_go_to_the_even_pixel(vector, offset):
    hole = np.zeros((3, 12), bool)
    hole[1, 4] = True
    found, _ = links(constant(hole.shape, vector), hole, ~hole, later=True, limit=FOREVER)
    assert found == [(4 + offset, 1)]


def test_the_last_row_and_column_are_no_sources_and_the_first_are():
    hole = np.ones((5, 6), bool)
    found, _ = links(constant(hole.shape, (0, 0)), hole, hole, later=True, limit=FOREVER)
    expected = [(x, y) if x < 5 and y < 4 else None for y in range(5) for x in range(6)]
    assert found == expected


@pytest.mark.parametrize(("gap", "passes"), [(0.99, True), (1.0, False), (1.01, False)])
def test_the_consistency_test_is_strict(gap, passes):
    hole = np.zeros((9, 9), bool)
    hole[4, 4] = True
    flow = constant(hole.shape, (0, 0))
    flow[2] = gap
    found, _ = links(flow, hole, hole, later=True, limit=1.0)
    assert (found != [None]) == passes


def test_outside_the_boxes_is_outside_the_picture():
    size = (24, 40)
    flow = flow_pair(size, 3.0, 3)
    boxes = [(2, 3, 17, 20), (22, 5, 39, 22)]
    packed = pack([box[:2] for box in boxes], [flow[:, y0:y1, x0:x1] for x0, y0, x1, y1 in boxes])
    nowhere = np.full_like(flow, np.nan)
    hole = np.zeros(size, bool)
    for x0, y0, x1, y1 in boxes:
        nowhere[:, y0:y1, x0:x1] = flow[:, y0:y1, x0:x1]
        hole[y0 : y1 - 1, x0 : x1 - 1] = True  # on the far border, the picture made of NaN has a neighbour too many
    hole[0, :] = True
    found, _ = links(flow, hole, ~hole, later=True, limit=2.0, packed=packed)
    expected, _ = links(nowhere, hole, ~hole, later=True, limit=2.0)
    everywhere, _ = links(flow, hole, ~hole, later=True, limit=2.0)
    assert found == expected != everywhere


def test_flow_on_a_coarser_grid_is_read_between_its_samples():
    height, width = 32, 48
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    fine = np.stack([x / 8 - 2, y / 8 - 1, 1 - x / 8, 1 - y / 8])
    coarse_y, coarse_x = (np.mgrid[0 : height // 2, 0 : width // 2] * 2 + 0.5).astype(np.float32)
    coarse = np.stack([coarse_x / 8 - 2, coarse_y / 8 - 1, 1 - coarse_x / 8, 1 - coarse_y / 8])
    hole = np.zeros((height, width), bool)
    hole[8:24, 12:36] = True  # far enough from the border, where a coarser grid ends early
    found, _ = links(coarse, hole, ~hole, later=True, limit=3.0, scale=2)
    expected, _ = links(fine, hole, ~hole, later=True, limit=3.0)
    assert found == expected
    assert any(source is not None for source in found)


def test_any_number_of_threads_gives_the_same_links():
    size = (150, 170)
    hole = np.ones(size, bool)
    flow = flow_pair(size, 3.0, 4)
    _, expected = links(flow, hole, hole, later=True, limit=1.5)
    for count in (2, 3):
        workers = Workers(count)
        _, found = links(flow, hole, hole, later=True, limit=1.5, workers=workers)
        workers.close()
        np.testing.assert_array_equal(found, expected)


# Names, in a block of three frames with two pixels each: 0 1 | 2 3 | 4 5.

SPANS = [(0, 2), (2, 4), (4, 6)]
NAMES = np.int32


def test_names_are_handed_on_and_filled_pixels_name_themselves():
    link = np.array([-1, -1, -2 - 30, 1, 2, 3], NAMES)  # 1 got nothing, so 3 and 5 get nothing; 2 took place 30 of 0
    filled = np.array([0, 0, 0, 0, 0, 0], np.uint8)
    stamp, carried = np.full(6, 9, NAMES), np.full(6, 9, NAMES)
    for k, span in enumerate(SPANS):
        carry_names(link, filled, stamp, carried, frame=k, neighbour=k - 1, span=span)
    assert stamp.tolist() == [-1, -1, 0, -1, 0, -1]
    assert carried[[2, 4]].tolist() == [-32, -32]

    filled[[1, 2]] = 1  # in a later pass they are known picture
    for k, span in enumerate(SPANS):
        carry_names(link, filled, stamp, carried, frame=k, neighbour=k - 1, span=span)
    assert stamp.tolist() == [-1, 0, 1, 0, 1, 0]
    assert carried[1:].tolist() == [1, 2, 1, 2, 1]


@pytest.mark.parametrize(
    ("forward", "backward", "chosen"),
    [(-1, -1, None), (3, -1, 3), (-1, 9, 9), (4, 6, 4), (4, 7, 4), (3, 6, 6), (0, 10, 0), (0, 9, 9)],
)
def test_the_nearer_in_time_wins_and_a_tie_goes_to_the_earlier(forward, backward, chosen):
    frame = 5
    one = np.array
    filled, invented = np.zeros(1, np.uint8), np.zeros(1, np.uint8)
    origin = np.full(1, 77, NAMES), np.full(1, 77, NAMES)
    merge_names(
        (one([forward], NAMES), one([-2 - 100], NAMES)), (one([backward], NAMES), one([-2 - 200], NAMES)), filled,
        origin, invented, frame=frame, span=(0, 1),
    )  # fmt: skip
    assert filled[0] == (chosen is not None)
    if chosen is not None:
        assert (origin[0][0], origin[1][0]) == (chosen, 100 if chosen == forward else 200)
    both = forward >= 0 and backward >= 0
    assert not both or chosen == (backward if (frame - forward) / max(backward - forward, 1) > 0.5 else forward)


def test_what_was_filled_before_gives_its_own_origin():
    filled, invented = np.array([1, 0], np.uint8), np.array([1, 0], np.uint8)
    origin = np.array([2, 0], NAMES), np.array([31, 0], NAMES)
    nothing = np.array([0, -1], NAMES), np.array([0, -1], NAMES)
    merge_names(
        (np.array([0, 0], NAMES), np.array([0, 0], NAMES)), nothing, filled, origin, invented, frame=1, span=(0, 2)
    )
    assert (origin[0].tolist(), origin[1].tolist(), invented.tolist()) == ([2, 2], [31, 31], [1, 1])
