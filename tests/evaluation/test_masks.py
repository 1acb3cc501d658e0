"""Masks from a seed: the same again, of their kind, and a pure function of the frame."""

import zlib

import numpy as np
import pytest

from vsdfvi.errors import SettingError
from vsdfvi.evaluation.masks import KINDS, SUBTITLE_FRAMES, make_mask

WIDTH, HEIGHT, FRAMES = 160, 120, 60

# zlib.crc32 over np.packbits(draw(n)) of every tenth frame, seed 7, clip "somewhere". (Nov 2026)
FROZEN = {
    "box": 218213692,
    "object": 265017674,
    "logo": 350967682,
    "subtitle": 2523976839,
    "scratch": 1983189356,
    "dirt": 2991263466,
}


def drawn(kind, seed=7, name="somewhere", size=(WIDTH, HEIGHT)):
    mask = make_mask(kind, *size, FRAMES, seed, name)
    return [mask.draw(n) for n in range(mask.frames)]


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_makes_the_same_masks_on_any_machine(kind):
    number = 0
    for picture in drawn(kind)[::10]:
        number = zlib.crc32(np.packbits(picture).tobytes(), number)
    assert number == FROZEN[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_frames_do_not_depend_on_the_order_they_are_drawn_in(kind):
    mask = make_mask(kind, WIDTH, HEIGHT, FRAMES, 3, "a")
    there = [mask.draw(n) for n in range(mask.frames)]
    back = [mask.draw(n) for n in reversed(range(mask.frames))][::-1]
    assert all(np.array_equal(a, b) for a, b in zip(there, back, strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_seeds_and_clips_have_masks_of_their_own(kind):
    first = drawn(kind)[0]
    assert not np.array_equal(first, drawn(kind, seed=8)[0])
    assert not np.array_equal(first, drawn(kind, name="elsewhere")[0])


@pytest.mark.parametrize(
    ("kind", "least", "most"),
    [
        ("box", 0.06, 0.065), ("object", 0.01, 0.12), ("logo", 0.02, 0.04),
        ("subtitle", 0.005, 0.15), ("scratch", 0.0015, 0.12), ("dirt", 0.002, 0.03),
    ],
)  # fmt: skip
@pytest.mark.parametrize("seed", range(4))
def test_areas(kind, least, most, seed):
    shares = [picture.mean() for picture in drawn(kind, seed)]
    assert least <= min(shares)
    assert max(shares) <= most


def test_stationary_masks_are_one_frame():
    assert {kind for kind in KINDS if make_mask(kind, WIDTH, HEIGHT, FRAMES, 1, "a").frames == 1} == {"box", "logo"}


def test_a_subtitle_stays_and_then_changes():
    pictures = drawn("subtitle")
    assert all(np.array_equal(picture, pictures[0]) for picture in pictures[:SUBTITLE_FRAMES])
    assert not np.array_equal(pictures[SUBTITLE_FRAMES], pictures[0])
    assert not any(picture[: HEIGHT // 2].any() for picture in pictures)


def test_an_object_moves_and_dirt_is_new_on_each_frame():
    first, later = (drawn("object")[n] for n in (0, 30))
    centres = [np.argwhere(picture).mean(axis=0) for picture in (first, later)]
    assert np.hypot(*(centres[1] - centres[0])) > 5
    dirt = drawn("dirt")
    assert (dirt[0] & dirt[1]).sum() < 0.2 * dirt[0].sum()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(16, 16), (64, 48), (17, 90)], ids=str)
def test_small_frames_have_a_hole_and_are_not_all_hole(kind, size):
    picture = drawn(kind, size=size)[0]
    assert picture.shape == size[::-1]
    assert 0 < picture.mean() < 1


def test_an_unknown_kind_is_refused():
    with pytest.raises(
        SettingError, match=r"^masks must be a kind that the folder holds, or one of box, .* got 'hat'$"
    ):
        make_mask("hat", 64, 48, 1, 1, "a")
