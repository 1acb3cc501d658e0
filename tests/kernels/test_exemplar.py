"""exemplar_fill keeps its promises, and each of its kernels equals its statement in reference_exemplar.py."""

import numpy as np
import pytest
import reference_exemplar as reference
from hypothesis import given, settings
from hypothesis import strategies as st

from vsdfvi.kernels import Workers, _cpu
from vsdfvi.kernels.exemplar import exemplar_fill

SIZES = [(1, 1), (1, 9), (9, 1), (7, 7), (13, 18)]  # (height, width): degenerate, one patch, odd


def scene(size, channels=3, seed=1):
    """Random planes, hole and source of a size."""
    rng = np.random.default_rng(seed)
    planes = rng.random((channels, *size), np.float32)
    hole = (rng.random(size) < 0.4).astype(np.uint8)
    return planes, hole, (1 - hole) * (rng.random(size) < 0.8).astype(np.uint8)


def search_scene():
    """Depth, hole, allowed centres, targets and random matches of a picture whose hole is a box."""
    rng = np.random.default_rng(2)
    size = (20, 23)
    depth = rng.integers(-1024, 1025, (*size, 4), np.int16)
    hole = np.zeros(size, np.uint8)
    hole[8:13, 9:15] = 1
    centres = np.zeros(size, bool)
    centres[3:-3, 3:-3] = True
    near = np.zeros(size, bool)
    near[5:16, 6:18] = True
    allowed = (centres & ~near).astype(np.uint8)
    sources = np.flatnonzero(allowed).astype(np.int32)
    targets = np.flatnonzero(centres & near).astype(np.int32)
    match = np.full(size, -1, np.int32)
    match.ravel()[targets] = rng.choice(sources, targets.size)
    return depth, hole, allowed, sources, targets, match


def parts(count, split):
    """A range in one piece, or in two launched in the wrong order."""
    return [(0, count)] if split is None else [(min(split, count), count), (0, min(split, count))]


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_halve_equals_its_statement(size):
    planes, hole, source = scene(size)
    planes[:, hole == 1] = np.nan
    height, width = size
    half = ((height + 1) // 2, (width + 1) // 2)
    coarse, masks = np.full((3, *half), 9, np.float32), np.full((2, *half), 9, np.uint8)
    _cpu.launch("exemplar_halve", (0, half[0]), planes, hole, source, coarse, masks[0], masks[1], 3, width, height)
    for found, expected in zip((coarse, *masks), reference.halve(planes, hole, source), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_texture_equals_its_statement(size):
    (plane,), hole, _ = scene(size, channels=1)
    plane[hole == 1] = np.inf
    across, down = np.empty((2, *size), np.float32)
    _cpu.launch("exemplar_texture", (0, size[0]), plane, hole, across, down, size[1], size[0])
    np.testing.assert_array_equal(np.stack([across, down]), reference.texture(plane, hole))


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_quantise_equals_its_statement(count):
    planes = np.random.default_rng(3).normal(0, 2, (count, 5, 8)).astype(np.float32)
    planes[0, 0, :2] = np.inf, -np.inf
    scales = np.array([512, 512, 512, 1024], np.float32)
    depth = np.full((5, 8, 4), 9, np.int16)
    _cpu.launch("exemplar_quantise", (0, 5), planes, scales, depth, count, 8, 5)
    np.testing.assert_array_equal(depth, reference.quantise(planes, scales))


@pytest.mark.parametrize("split", [None, 7])
@pytest.mark.parametrize("reach", [2, 5, 99])
def test_search_equals_its_statement(reach, split):
    depth, hole, allowed, _, targets, _ = search_scene()
    match = np.full(allowed.shape, -1, np.int32)
    for part in parts(targets.size, split):
        _cpu.launch("exemplar_search", part, depth, 1 - hole, allowed, targets, match, 23, 20, after=(reach,))
    expected = reference.search(depth, 1 - hole, allowed, targets, reach)
    np.testing.assert_array_equal(match, expected)
    assert (expected.ravel()[targets] < 0).any() == (reach < 99)


def test_search_takes_the_first_of_equals():
    depth, hole, allowed, sources, targets, _ = search_scene()
    match = np.full(allowed.shape, -1, np.int32)
    _cpu.launch(
        "exemplar_search", (0, targets.size), np.zeros_like(depth), hole, allowed, targets, match, 23, 20, after=(99,)
    )
    assert set(match.ravel()[targets]) == {sources[0]}


@given(split=st.integers(0, 140), stride=st.integers(1, 4), seed=st.integers(0, 2**31 - 1), turn=st.integers(0, 40))
@settings(max_examples=15, deadline=None)
def test_improve_equals_its_statement_in_any_split(split, stride, seed, turn):
    depth, _, allowed, sources, targets, match = search_scene()
    better, cost = match.copy(), np.zeros_like(match)
    for part in parts(targets.size, split):
        _cpu.launch(
            "exemplar_improve", part, depth, allowed, sources, sources.size, targets, match, better, cost, 23, 20,
            stride, turn, seed,
        )  # fmt: skip
    expected = reference.improve(depth, allowed, sources, targets, match, stride, turn, seed)
    np.testing.assert_array_equal(better, expected[0])
    np.testing.assert_array_equal(cost, expected[1])
    assert (better != match).any()


@pytest.mark.parametrize("sharp", [0, 1])
@pytest.mark.parametrize("split", [None, 11])
def test_vote_equals_its_statement(sharp, split):
    _, hole, _, _, _, match = search_scene()
    rng = np.random.default_rng(4)
    planes, confidence = rng.random((4, 20, 23), np.float32), rng.random((20, 23), np.float32)
    cost = rng.integers(0, 1 << 29, (20, 23), np.int32)
    pixels = np.flatnonzero(hole).astype(np.int32)
    expected = reference.vote(planes, pixels, match, cost, confidence, sharp)
    for part in parts(pixels.size, split):
        _cpu.launch("exemplar_vote", part, planes, pixels, match, cost, confidence, 4, 23, 20, sharp)
    np.testing.assert_array_equal(planes, expected)


def test_inherit_doubles_what_the_nearest_coarse_target_has_and_else_draws_an_allowed_centre():
    _, _, allowed, sources, targets, _ = search_scene()
    coarse = np.full((10, 12), -1, np.int32)
    coarse[5, 6] = 2 * 12 + 2  # 4 left and 3 up; twice that from anywhere near
    match = np.full((20, 23), -1, np.int32)
    _cpu.launch(
        "exemplar_inherit", (0, targets.size), coarse, allowed, sources, sources.size, targets, match, 23, 20, 1, 7
    )
    assert match[10, 12] == (10 - 6) * 23 + 12 - 8
    assert match[11, 13] == (11 - 6) * 23 + 13 - 8
    assert match[12, 14] == (12 - 6) * 23 + 14 - 8 or not allowed[12 - 6, 14 - 8]
    assert allowed.ravel()[match.ravel()[targets]].all()
    assert (np.delete(match.ravel(), targets) == -1).all()


def picture(channels=3, size=(64, 80)):
    """A picture of stripes and grain with a hole of 24 x 20 filled with NaN, and the truth."""
    rng = np.random.default_rng(6)
    stripes = 0.3 + 0.4 * (np.arange(size[1]) // 4 % 2)
    truth = np.stack([stripes + rng.normal(0, 0.01, size) + 0.1 * c for c in range(channels)]).astype(np.float32)
    hole = np.zeros(size, np.uint8)
    hole[20:40, 28:52] = 1
    return np.where(hole, np.float32("nan"), truth), hole, truth


@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("sharp", [False, True])
def test_stripes_continue_and_nothing_else_changes(channels, sharp):
    image, hole, truth = picture(channels)
    filled = exemplar_fill(image, hole, sharp=sharp)
    assert filled.dtype == np.float32
    np.testing.assert_array_equal(filled[:, hole == 0], image[:, hole == 0])
    # The stripes are 0.4 apart and the grain is 0.01: a stripe out of place cannot hide below a quarter of that.
    assert np.abs(filled - truth).max() < 0.1


def test_a_sharp_fill_keeps_the_grain_and_copies_every_pixel_whole():
    image, hole, truth = picture()
    filled = exemplar_fill(image, hole)
    known = {tuple(sample) for sample in truth[:, hole == 0].T.tolist()}
    assert all(tuple(sample) in known for sample in filled[:, hole == 1].T.tolist())
    averaged = exemplar_fill(image, hole, sharp=False)
    dark = (hole == 1) & (truth[0] < 0.5)
    assert filled[0][dark].std() > 0.9 * truth[0][dark].std() > averaged[0][dark].std()


def test_what_stands_in_the_hole_has_no_influence():
    image, hole, _ = picture()
    expected = exemplar_fill(image, hole)
    for value in (0, 1e30, np.inf):
        image[:, hole == 1] = value
        np.testing.assert_array_equal(exemplar_fill(image, hole), expected)


def test_only_the_source_is_copied():
    image, hole, truth = picture()
    source = 1 - hole
    source[:, :40] = 0
    filled = exemplar_fill(image, hole, source=source)
    allowed = {tuple(sample) for sample in truth[:, source == 1].T.tolist()}
    assert all(tuple(sample) in allowed for sample in filled[:, hole == 1].T.tolist())


def test_any_number_of_threads_gives_the_same_bytes():
    image, hole, _ = picture(size=(150, 170))
    hole[60:130, 40:140] = 1
    expected = exemplar_fill(image, hole)
    for count in (2, 3):
        workers = Workers(count)
        with workers.active():
            np.testing.assert_array_equal(exemplar_fill(image, hole), expected)
        workers.close()


def test_the_seed_matters_only_to_the_search():
    image, hole, _ = picture(size=(150, 170))
    hole[60:130, 40:140] = 1
    first = exemplar_fill(image, hole, seed=1)
    np.testing.assert_array_equal(exemplar_fill(image, hole, seed=1), first)
    assert (exemplar_fill(image, hole, seed=2) != first).any()


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (6, 50), (7, 7), (8, 9), (31, 16)], ids=str)
@pytest.mark.parametrize("share", [0.02, 0.5, 1.0])
def test_tiny_pictures_and_pictures_all_hole_are_filled_with_numbers(size, share):
    image = np.random.default_rng(8).random((2, *size), np.float32)
    hole = (np.random.default_rng(9).random(size) < share).astype(np.uint8)
    hole[0, 0] = 1
    image[:, hole == 1] = np.nan
    filled = exemplar_fill(image, hole)
    assert np.isfinite(filled).all()
    np.testing.assert_array_equal(filled[:, hole == 0], image[:, hole == 0])
    known = image[:, hole == 0]
    low, high = (known.min(), known.max()) if known.size else (0, 0)
    assert filled.min() >= low - 1e-3
    assert filled.max() <= high + 1e-3


def test_known_samples_that_are_not_finite_stay_and_are_not_copied():
    image, hole, _ = picture()
    image[0, 50, ::9] = np.inf
    image[1, 5, 5] = np.nan
    filled = exemplar_fill(image, hole)
    np.testing.assert_array_equal(filled[:, hole == 0], image[:, hole == 0])
    assert np.isfinite(filled[:, hole == 1]).all()

    image[1, :, ::6] = np.nan  # leaves no patch whole, so that the fill is smooth
    assert np.isfinite(exemplar_fill(image, hole)[:, hole == 1]).all()


def test_without_a_hole_the_image_comes_back():
    _, hole, truth = picture()
    filled = exemplar_fill(truth, np.zeros_like(hole))
    np.testing.assert_array_equal(filled, truth)
    assert not np.shares_memory(filled, truth)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"image": np.zeros((4, 5, 6), np.float32)}, "image must be (1 to 3, height, width) float32, got (4, 5, 6)"),
        ({"image": np.zeros((1, 5, 6))}, "image must be (1 to 3, height, width) float32, got (1, 5, 6) float64"),
        ({"hole": np.zeros((5, 7), np.uint8)}, "hole must be (5, 6) uint8 to match image, got (5, 7) uint8"),
        ({"hole": np.zeros((5, 6), bool)}, "hole must be (5, 6) uint8 to match image, got (5, 6) bool"),
        ({"source": np.zeros((4, 6), np.uint8)}, "source must be (5, 6) uint8 to match image, got (4, 6) uint8"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(change, text):
    arguments = {"image": np.zeros((1, 5, 6), np.float32), "hole": np.zeros((5, 6), np.uint8)} | change
    with pytest.raises(ValueError, match="must be") as caught:
        exemplar_fill(**arguments)
    assert text in str(caught.value)
