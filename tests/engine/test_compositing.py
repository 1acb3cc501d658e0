"""The seam: what the fill misses around the hole is taken out of it, and chance is not spread."""

import numpy as np
import pytest
import scenes
from around import footage_of
from tolerance import GRAIN_SPREAD, LAPLACE_TOLERANCES, SLOPE_OFF

from vsdfvi.engine.compositing import close_seam
from vsdfvi.engine.propagation import hole_pixels
from vsdfvi.engine.surroundings import ring_of, ring_values
from vsdfvi.engine.tracing import RingFill

FORMATS = {
    "GRAY8": {"family": "GRAY"},
    "GRAYS": {"family": "GRAY", "bits": 32, "is_float": True},
    "YUV420P8": {"subsampling": (1, 1)},
    "YUV422P10": {"bits": 10, "subsampling": (1, 0)},
    "YUV410P8": {"subsampling": (2, 2)},
    "YUV444P16": {"bits": 16, "subsampling": (0, 0)},
    "RGB24": {"family": "RGB"},
}


class Seam:
    """A frame, its hole, and a fill that is the truth and an error."""

    def __init__(self, mask, **fields):
        form = scenes.video_format(size=mask.shape, frames=1, **fields)
        self.scene = scenes.still(form, mask[None])
        self.footage = footage_of(self.scene)
        self.form, self.unit = form, form.peak / 255
        self.pixels, self.ring = hole_pixels(self.footage, 0), ring_of(self.footage, 0)
        self.truth = [
            plane[row, column].astype(np.float32)
            for plane, row, column in zip(self.scene.truth[0], self.pixels.row, self.pixels.column, strict=True)
        ]

    def left(self, error, *, reached=None, invented=None):
        """What is left, in codes of 8 bits, of errors given as functions of (plane, column, row) in such codes."""
        values, of_ring = [], []
        for plane, (truth, target) in enumerate(zip(self.truth, ring_values(self.footage, 0, self.ring), strict=True)):
            here = error(plane, self.pixels.column[plane], self.pixels.row[plane])
            there = error(plane, self.ring.column[plane], self.ring.row[plane])
            values.append((truth + self.unit * here).astype(np.float32))
            of_ring.append((target + self.unit * there).astype(np.float32))
        if reached is None:
            reached = [np.ones(each.size, bool) for each in of_ring]
        before = [each.tobytes() for each in (*values, *of_ring)]
        fill = RingFill(tuple(of_ring), tuple(reached), invented)
        closed = close_seam(self.footage, 0, self.pixels, tuple(values), self.ring, fill)
        assert before == [each.tobytes() for each in (*values, *of_ring)]  # what was given is as it was
        return [(found - truth) / self.unit for found, truth in zip(closed, self.truth, strict=True)]


def middle(size=(96, 128)):
    mask = np.zeros(size, bool)
    mask[31:60, 41:75] = True
    return mask


SETTLED = 255 / 4096 * LAPLACE_TOLERANCES  # codes of 8 bits


@pytest.mark.parametrize("name", FORMATS)
def test_a_constant_error_is_taken_out_in_every_plane(name):
    levels = (6, -4, 9)
    for plane, left in enumerate(
        Seam(middle(), **FORMATS[name]).left(lambda plane, x, y: np.full(x.size, levels[plane]))
    ):
        assert np.abs(left).max() < SETTLED, plane


@pytest.mark.parametrize("name", ["GRAYS", "YUV420P8"])
def test_a_slope_is_followed_across_the_hole(name):
    for left in Seam(middle(), **FORMATS[name]).left(lambda _, x, y: 0.2 * x + 0.1 * y):
        assert np.abs(left).max() < SLOPE_OFF


def test_holes_apart_are_corrected_apart():
    mask = np.zeros((96, 128), bool)
    mask[30:50, 10:30] = mask[40:60, 90:110] = True
    (left,) = Seam(mask, family="GRAY").left(lambda _, x, y: np.where(x < 60, 8, -8))
    assert np.abs(left).max() < SETTLED


def test_grain_alone_is_not_spread():
    """In a blend of two sources the ring misses its own grain; a membrane through it would be blotches."""
    random = np.random.default_rng(1)
    seam = Seam(middle(), **FORMATS["GRAYS"])
    ring = random.normal(0, 4, seam.ring.x.size)
    (left,) = seam.left(lambda _, x, y: ring if x.size == ring.size else np.zeros(x.size))
    assert np.sqrt((left**2).mean()) < GRAIN_SPREAD * 4


def test_an_error_is_told_from_grain():
    random = np.random.default_rng(1)
    seam = Seam(middle(), **FORMATS["GRAYS"])
    ring = 8 + random.normal(0, 4, seam.ring.x.size)
    (left,) = seam.left(lambda _, x, y: ring if x.size == ring.size else np.full(x.size, 8.0))
    assert np.sqrt((left**2).mean()) < 2


def test_what_was_not_reached_in_the_ring_says_nothing():
    seam = Seam(middle(), **FORMATS["GRAYS"])
    lost = seam.ring.x < 50
    (left,) = seam.left(
        lambda _, x, y: np.where(lost, 99.0, 6.0) if x.size == lost.size else np.full(x.size, 6.0), reached=[~lost]
    )
    # On the side where nothing is known, nothing is corrected; on the other, all of it is.
    far = seam.pixels.x > 70
    assert np.abs(left[far]).max() < 2
    assert np.abs(left).max() < 6 + SETTLED
    (untouched,) = seam.left(lambda _, x, y: np.full(x.size, 6.0), reached=[np.zeros(lost.size, bool)])
    np.testing.assert_allclose(untouched, 6, atol=1e-4)


def test_what_is_invented_begins_where_the_picture_ends():
    """Its border follows the picture sample by sample, where a traced fill's is smoothed."""
    random = np.random.default_rng(1)
    seam = Seam(middle(), **FORMATS["GRAYS"])
    ring, left = random.normal(0, 4, seam.ring.x.size), {}
    for invented in (False, True):
        (left[invented],) = seam.left(
            lambda _, x, y: ring if x.size == ring.size else np.zeros(x.size),
            reached=[seam.ring.beside],
            invented=(np.full(ring.size, invented),),
        )
    rim = (seam.pixels.y == 31) & (seam.pixels.x > 45) & (seam.pixels.x < 70)
    # A pixel at the rim takes a good quarter of its neighbour beyond it; of what was averaged, next to nothing.
    above = [ring[(seam.ring.y == 30) & (seam.ring.x == x)].item() for x in seam.pixels.x[rim]]
    assert np.corrcoef(left[True][rim], -np.array(above))[0, 1] > 0.7
    assert np.sqrt((left[False][rim] ** 2).mean()) < 0.5 * np.sqrt((left[True][rim] ** 2).mean())


@pytest.mark.parametrize("name", ["GRAY8", "YUV410P8"])
def test_a_frame_that_is_all_hole_is_left(name):
    seam = Seam(np.ones((48, 64), bool), **FORMATS[name])
    for left in seam.left(lambda plane, x, y: np.full(x.size, 5.0)):
        np.testing.assert_allclose(left, 5, atol=1e-4)


def test_a_ring_without_chroma_leaves_chroma():
    mask = np.zeros((48, 64), bool)
    mask[3::4, 3::4] = True  # in each block of 4 x 4 but the first, whose sample stands at its far corner
    mask[3, 3] = False
    seam = Seam(mask, **FORMATS["YUV410P8"])
    assert [of.size > 0 for of in seam.ring.of_plane] == [True, False, False]
    luma, *chroma = seam.left(lambda plane, x, y: np.full(x.size, 5.0))
    assert luma.min() < 4
    for left in chroma:
        np.testing.assert_allclose(left, 5, atol=1e-4)
