"""The ring around a hole: which pixels it has, whose sources they try, and what other frames show there."""

from dataclasses import replace

import numpy as np
import pytest
import scenes
from around import footage_of
from tolerance import NEAREST_PARENT, RING_EDGE, assert_same_bits

from vsdfvi.engine.propagation import hole_pixels
from vsdfvi.engine.surroundings import follow, parent_samples, ring_gradient, ring_of, ring_values

FORMATS = {
    "GRAY8": {"family": "GRAY"},
    "YUV420P8": {"subsampling": (1, 1)},
    "YUV422P10": {"bits": 10, "subsampling": (1, 0)},
    "YUV410P8": {"subsampling": (2, 2)},
    "RGB24": {"family": "RGB"},
}


def with_hole(marked, **fields):
    """Footage of one frame of noise behind a hole."""
    form = scenes.video_format(size=marked.shape, frames=1, **fields)
    return footage_of(scenes.noise(form, marked[None]))


def blob(size, seed, holes=3):
    """A hole of some discs, at the frame's border as well."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[: size[0], : size[1]]
    marked = np.zeros(size, bool)
    for _ in range(holes):
        x, y, radius = random.uniform(0, size[1]), random.uniform(0, size[0]), random.uniform(0.5, 9)
        marked |= (columns - x) ** 2 + (rows - y) ** 2 <= radius**2
    return marked


def distances(marked):
    """For each pixel of the frame, its distance to each of the hole's, in order: ``(height, width, pixels)``."""
    rows, columns = np.mgrid[: marked.shape[0], : marked.shape[1]]
    y, x = np.nonzero(marked)
    return np.hypot(rows[..., None] - y, columns[..., None] - x)


def in_known_block(marked, right, down):
    """Pixels that share no sample of any plane with the hole."""
    blocks = scenes.on_plane(marked, right, down)
    return ~blocks.repeat(1 << down, axis=0).repeat(1 << right, axis=1)


def flooded(near):
    """Parts of a picture that hang together by sides or corners, numbered from 1; one pixel at a time."""
    parts, number = np.zeros(near.shape, int), 0
    for start in zip(*np.nonzero(near), strict=True):
        if parts[start]:
            continue
        number += 1
        left = [start]
        while left:
            y, x = left.pop()
            if not (0 <= y < near.shape[0] and 0 <= x < near.shape[1]) or not near[y, x] or parts[y, x]:
                continue
            parts[y, x] = number
            left += [(y + v, x + u) for v in (-1, 0, 1) for u in (-1, 0, 1)]
    return parts


# Which pixels.


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("seed", range(4))
def test_the_ring_is_what_is_near_the_hole_and_known_in_every_plane(name, seed):
    marked = blob((48, 64), seed)
    footage = with_hole(marked, **FORMATS[name])
    ring, form = ring_of(footage, 0), footage.format
    away = distances(marked).min(axis=2)
    wide = 7 if name == "YUV410P8" else 3  # of 48 rows, 3 pixels; and over a block of chroma next to the hole's
    known = in_known_block(marked, form.subsampling_w, form.subsampling_h)
    found = np.zeros(marked.shape, bool)
    found[ring.y, ring.x] = True
    assert not (found & ~(known & (away <= wide + RING_EDGE))).any()
    assert found[known & (away <= wide - (RING_EDGE if wide > 3 else 0))].all()
    assert (np.diff(ring.y.astype(int) * 64 + ring.x) > 0).all()  # in reading order, none twice
    for plane in range(form.planes):
        right, down = form.subsampling(plane)
        v, u = ring.row[plane], ring.column[plane]
        assert not scenes.on_plane(marked, right, down)[v, u].any()
        np.testing.assert_array_equal(ring.x[ring.of_plane[plane]], u << right)
        np.testing.assert_array_equal(ring.y[ring.of_plane[plane]], v << down)
        np.testing.assert_array_equal(np.count_nonzero(found[:: 1 << down, :: 1 << right]), v.size)


@pytest.mark.parametrize(("height", "wide"), [(48, 3), (240, 4), (360, 6), (1080, 8)])
def test_its_width_grows_with_the_frame_within_bounds(height, wide):
    marked = np.zeros((height, 64), bool)
    marked[20:26, 30:33] = True
    ring = ring_of(with_hole(marked, family="GRAY"), 0)
    away = distances(marked).min(axis=2)
    assert away[ring.y, ring.x].max() <= wide + RING_EDGE
    assert np.count_nonzero((away > 0) & (away <= wide - RING_EDGE)) <= ring.x.size
    assert wide - 1 < away[ring.y, ring.x].max()


@pytest.mark.parametrize("name", ["GRAY8", "YUV420P8", "YUV410P8"])
@pytest.mark.parametrize("seed", range(4))
def test_a_parent_is_the_nearest_pixel_of_the_hole(name, seed):
    marked = blob((48, 64), seed)
    footage = with_hole(marked, **FORMATS[name])
    ring, pixels = ring_of(footage, 0), hole_pixels(footage, 0)
    to_each = distances(marked)[ring.y, ring.x]
    np.testing.assert_array_equal(np.nonzero(marked), (pixels.y, pixels.x))  # numbered as by the statement
    of_parent = to_each[np.arange(ring.x.size), ring.parent]
    assert (of_parent <= to_each.min(axis=1) * NEAREST_PARENT).all()
    np.testing.assert_array_equal(ring.beside, to_each.min(axis=1) < 2)
    for plane in range(footage.format.planes):
        right, down = footage.format.subsampling(plane)
        sample, parent = parent_samples(ring, pixels, plane), ring.parent[ring.of_plane[plane]]
        np.testing.assert_array_equal(pixels.column[plane][sample], pixels.x[parent] >> right)
        np.testing.assert_array_equal(pixels.row[plane][sample], pixels.y[parent] >> down)


@pytest.mark.parametrize("seed", range(6))
def test_holes_whose_rings_touch_are_one_group(seed):
    marked = blob((48, 64), seed, holes=4)
    footage = with_hole(marked, family="GRAY")
    ring, pixels = ring_of(footage, 0), hole_pixels(footage, 0)
    parts = flooded(distances(marked).min(axis=2) <= 3)
    assert ring.groups == parts.max()
    np.testing.assert_array_equal(ring.group[np.argsort(ring.parent)], ring.hole_group[np.sort(ring.parent)])
    pairs = {*zip(ring.hole_group.tolist(), parts[pixels.y, pixels.x].tolist(), strict=True)}
    pairs |= {*zip(ring.group.tolist(), parts[ring.y, ring.x].tolist(), strict=True)}
    assert len(pairs) == ring.groups  # one number of ours for each of the statement's
    assert {ours for ours, _ in pairs} == set(range(ring.groups))


def test_holes_are_counted_apart_from_two_rings_on():
    for gap, groups in ((6, 1), (7, 1), (8, 2)):
        marked = np.zeros((48, 64), bool)
        marked[20:24, 10:20] = marked[20:24, 19 + gap : 40] = True
        assert ring_of(with_hole(marked, family="GRAY"), 0).groups == groups


@pytest.mark.parametrize("name", FORMATS)
def test_a_frame_that_is_all_hole_has_no_ring_and_one_group(name):
    footage = with_hole(np.ones((48, 64), bool), **FORMATS[name])
    ring = ring_of(footage, 0)
    assert (ring.x.size, ring.groups, ring.hole_group.max()) == (0, 1, 0)
    assert all(values.size == 0 for values in ring_values(footage, 0, ring))
    assert follow(footage, 0, ring, later=True, steps=[1], picture=None) == {}


def test_a_ring_is_each_frame_s_own_where_what_is_excluded_moves():
    form = scenes.video_format("GRAY", size=(48, 64), frames=2)
    scene = scenes.noise(form, scenes.box(form, (8, 8), (20, 20)))
    excluded = scenes.box(form, (48, 3), (16, 0), (13, 0))  # left of the hole, then right of it
    footage = footage_of(replace(scene, mask=scene.mask[:1]), exclude=excluded)
    rings = [ring_of(footage, n) for n in range(2)]
    for n, ring in enumerate(rings):
        assert not excluded[n][ring.y, ring.x].any()
    assert not np.isin(rings[0].x, np.arange(16, 19)).any()
    assert np.isin(rings[1].x, np.arange(17, 19)).any()


# What is there.


@pytest.mark.parametrize("name", FORMATS)
def test_its_values_are_the_frame_s_own(name):
    marked = blob((48, 64), 1)
    footage = with_hole(marked, **FORMATS[name])
    ring = ring_of(footage, 0)
    for plane, values in enumerate(ring_values(footage, 0, ring)):
        assert values.dtype == np.float32
        expected = footage.frame(0).planes[plane][ring.row[plane], ring.column[plane]]
        np.testing.assert_array_equal(values, expected.astype(np.float32))


def test_a_gradient_is_that_of_a_slope_and_unknown_where_a_neighbour_is():
    form = scenes.video_format("GRAY", bits=32, is_float=True, size=(48, 64), frames=1)
    marked = np.zeros((48, 64), bool)
    marked[0:6, 20:30] = True
    scene = scenes.noise(form, marked[None])
    rows, columns = np.mgrid[:48, :64].astype(np.float32)
    plane = np.where(marked, np.float32(99), columns * 3 - rows * 2)
    plane[8, 25], plane[7, 31] = np.inf, np.nan
    footage = footage_of(replace(scene, damaged=((plane,),)))
    ring = ring_of(footage, 0)
    found = ring_gradient(footage, 0, ring, 0)
    for number, (dx, dy) in enumerate(((1, 0), (0, 1))):
        for x, y, value in zip(ring.x, ring.y, found[number], strict=True):
            ends = [(y + sign * dy, x + sign * dx) for sign in (-1, 1)]
            known = all(v >= 0 and not marked[v, u] and np.isfinite(plane[v, u]) for v, u in ends)
            assert value == (3, -2)[number] if known else np.isnan(value)
    assert np.isfinite(found).all(axis=0).sum() > 20


# What other frames show there.


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("later", [False, True])
def test_a_ring_is_followed_through_whole_pixels_exactly(name, later):
    form = scenes.video_format(size=(48, 64), frames=9, **FORMATS[name])
    scene = scenes.translation(form, (4, -4), scenes.box(form, (8, 8), (28, 20)))
    footage = footage_of(scene)
    ring = ring_of(footage, 4)
    found = follow(
        footage, 4, ring, later=later, steps=[3, 1], picture=lambda n, pair: footage.source(n, [(0, 0, 64, 48)])
    )
    assert sorted(found) == [1, 3]
    for step, shown in found.items():
        n = 4 + step if later else 4 - step
        for plane, (values, there) in enumerate(zip(shown.values, shown.there, strict=True)):
            right, down = form.subsampling(plane)
            v, u = ring.row[plane], ring.column[plane]
            # Known in every plane there, and not gone over the frame's border.
            way = (4 if later else -4) * step
            y, x = (v << down) - way, (u << right) + way
            inside = (x >= 0) & (x < 64) & (y >= 0) & (y < 48)
            expected = np.zeros(there.shape, bool)
            known = in_known_block(scene.mask[n], form.subsampling_w, form.subsampling_h)
            expected[inside] = known[y[inside], x[inside]]
            np.testing.assert_array_equal(there, expected)
            assert there.sum() >= 4
            np.testing.assert_array_equal(np.rint(values[there]), scene.truth[4][plane][v, u][there])


def test_a_ring_is_walked_on_through_known_picture_to_later_steps():
    """What was known after one step is there again after more: its walk does not end as a hole's does."""
    form = scenes.video_format("GRAY", size=(48, 64), frames=9)
    scene = scenes.translation(form, (1, 0), scenes.box(form, (8, 8), (28, 20)))
    footage = footage_of(scene)

    def shown(steps):
        return follow(
            footage, 0, ring_of(footage, 0), later=True, steps=steps,
            picture=lambda n, pair: footage.source(n, [(0, 0, 64, 48)]),
        )  # fmt: skip

    all_steps = shown(range(1, 9))
    for step in (1, 4, 8):
        alone = shown([step])[step]
        assert_same_bits(alone.values[0], all_steps[step].values[0])
        assert_same_bits(alone.there[0], all_steps[step].there[0])
    assert all_steps[8].there[0].mean() > 0.5
