"""A half-transparent mark that stands still: its opacity is found, the picture beneath comes back, and nothing else."""

import logging
from dataclasses import replace

import cv2
import lender
import numpy as np
import pytest
import scenes
from gpus import pretended
from tolerance import OPACITY_OFF, UNMIXED_DB, assert_same_bits, psnr

from vsdfvi.engine.plan import survey_of
from vsdfvi.engine.unmixing import FEWEST, fit_of, mark_of, recovered_frame
from vsdfvi.frames.pixels import Frame

SIZE = 96, 128
SETTINGS = {"completion": "laplace", "unmix": 1, "radius": 2, "scene_threshold": 0}
WHITE = 235.0, 128.0, 128.0


def letters(form, softness=1.0):
    """Shape of a mark, 0 to 1: an upright and a lying bar, and a ring, with soft edges."""
    drawn = np.zeros((form.height, form.width), np.float32)
    x, y = form.width // 2 - 30, form.height // 2 - 14
    drawn[y : y + 28, x : x + 8] = 1
    drawn[y : y + 8, x : x + 26] = 1
    cv2.circle(drawn, (x + 44, y + 14), 11, 1.0, 6)
    return cv2.GaussianBlur(drawn, (0, 0), softness)


def lit(form, frames=12, seed=3, drift=0.12):
    """A still photograph in changing light, with grain: static camera, nothing moves."""
    still = scenes.still(replace(form, frames=1), scenes.empty(replace(form, frames=1))).truth[0]
    random = np.random.default_rng(seed)
    film = []
    for t in range(frames):
        gain = 1 + drift * np.sin(2 * np.pi * t / frames)
        planes = []
        for plane, samples in enumerate(still):
            middle = 0.0 if form.family == "RGB" or plane == 0 or form.is_float else (form.peak + 1) / 2
            grain = random.normal(0, form.peak / 255, samples.shape)
            planes.append(coded(form, middle + gain * (samples.astype(np.float64) - middle) + grain))
        film.append(tuple(planes))
    return film


def coded(form, values):
    return values.astype(form.dtype) if form.is_float else np.clip(np.rint(values), 0, form.peak).astype(form.dtype)


def marked(form, film, opacity, colour=WHITE):
    """The film under a mark, and the mask of it: what it changes, and two pixels around."""
    shape = letters(form)
    covered = np.where(shape < 0.01, 0, shape) * opacity
    frames = []
    for planes in film:
        mixed = []
        for plane, samples in enumerate(planes):
            right, down = form.subsampling(plane)
            share = covered.reshape(form.height >> down, 1 << down, form.width >> right, 1 << right).mean((1, 3))
            ink = colour[plane] if form.family != "RGB" else colour[0]
            ink = ink / 255 * form.peak - (0.5 if form.is_float and form.family == "YUV" and plane else 0)
            mixed.append(coded(form, (1 - share) * samples.astype(np.float64) + share * ink))
        frames.append(Frame(tuple(mixed)))
    mask = cv2.dilate((covered > 0).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    return frames, mask, covered


def host_of(form, opacity, *, film=None, frames=12, colour=WHITE, **settings):
    """A lender of a marked film under one mask, its truth, and the opacity."""
    form = replace(form, frames=frames)
    film = lit(form, frames) if film is None else film
    lent, mask, covered = marked(form, film, opacity, colour)
    return lender.Lender(lent, mask[None], form, **{**SETTINGS, **settings}), film, mask, covered


def surveyed(host):
    """The footage of a host, with all its frames lent."""
    clip, masks = dict(enumerate(host.clip)), dict(enumerate(host.masks))
    survey = {n: clip[n] for n in host.inpainter.survey}
    footage = host.inpainter._footage
    footage.lend(clip, masks, {}, (survey, masks))
    return footage


def in_hole(found, truth, mask, form):
    """PSNR of plane 0 in the hole, over all frames."""
    return psnr(*(np.stack([planes[0][mask] for planes in film]) for film in (found, truth)), form.peak)


DARK, RED = (30.0, 128.0, 128.0), (120.0, 90.0, 190.0)


@pytest.mark.parametrize(
    ("opacity", "colour"),
    # A dark mark of 0.7 in changing light is taken for an opaque one: it multiplies, as light does (docs/unmixing.md).
    [(0.3, WHITE), (0.5, WHITE), (0.7, WHITE), (0.3, RED), (0.5, RED), (0.7, RED), (0.3, DARK), (0.5, DARK)],
)
def test_opacity_is_found_and_the_picture_comes_back(opacity, colour):
    form = scenes.video_format(size=SIZE)
    host, truth, mask, _ = host_of(form, opacity, colour=colour)
    [part] = mark_of(surveyed(host)).planes[0]
    # A faint mark is taken for a stronger one of another colour, under which nearly the same picture comes back.
    if colour != DARK and opacity > 0.3:
        assert abs(part.opacity.max() - opacity) < OPACITY_OFF
    host.inpainter._footage.lend({}, {})
    assert in_hole(host.film(), truth, mask, form) > UNMIXED_DB
    for said in host.properties.values():
        assert said["DfviHole"] == mask.sum()
        assert said["DfviRecovered"] + said["DfviTraced"] + said["DfviInvented"] == mask.sum()
        assert said["DfviRecovered"] > 0.9 * mask.sum()


@pytest.mark.parametrize(
    "fields",
    [
        {"family": "GRAY"},
        {"family": "GRAY", "bits": 16},
        {"bits": 10},
        {"bits": 16, "subsampling": (1, 0)},
        {"subsampling": (2, 2)},
        {"subsampling": (0, 0), "bits": 32, "is_float": True},
        {"bits": 16, "is_float": True},
        {"family": "RGB"},
        {"family": "RGB", "bits": 32, "is_float": True},
    ],
    ids=str,
)
def test_every_family_and_depth(fields):
    form = scenes.video_format(size=SIZE, **fields)
    host, truth, mask, _ = host_of(form, 0.5)
    assert in_hole([host.render(n) for n in (0, 3)], [truth[0], truth[3]], mask, form) > UNMIXED_DB
    for n in (0, 3):
        for plane, samples in enumerate(host.render(n)):
            outside = ~scenes.on_plane(mask, *form.subsampling(plane))
            assert_same_bits(samples[outside], host.clip[n].planes[plane][outside])


def test_any_order_and_any_memory_give_the_same_bytes():
    form = scenes.video_format(size=SIZE)
    host = host_of(form, 0.5)[0]
    film = host.film()
    for settings in ({}, {"memory": 16}, {"threads": 2}):
        other = host_of(form, 0.5, **settings)[0]
        for n in (7, 0):  # each time the mark is estimated anew
            for a, b in zip(other.render(n), film[n], strict=True):
                assert_same_bits(a, b)
            other.inpainter._cache.clear()


def test_on_a_gpu_the_bytes_are_the_cpu_s():
    form = scenes.video_format(size=SIZE)
    here = host_of(form, 0.5, device="cpu", flow="dis")[0].render(4)
    with pretended():
        there = host_of(form, 0.5, device="cuda", flow="dis")[0].render(4)
    for a, b in zip(here, there, strict=True):
        assert_same_bits(a, b)


def test_what_is_opaque_is_not_recovered_and_said_so(caplog):
    form = scenes.video_format("GRAY", size=SIZE)
    with caplog.at_level(logging.INFO, logger="vsdfvi"):
        host, *_ = host_of(form, 1.0)
        host.film()
    assert caplog.text.count("unmix: nothing is recovered: ") == 1
    assert all(said["DfviRecovered"] == 0 for said in host.properties.values())
    plain = host_of(form, 1.0, unmix=0)[0]
    for mine, theirs in zip(host.film(), plain.film(), strict=True):
        assert_same_bits(mine[0], theirs[0])
    assert all(said["DfviRecovered"] == 0 for said in plain.properties.values())


def test_under_a_mask_that_moves_nothing_is_recovered_and_said_so_once(caplog):
    form = scenes.video_format("GRAY", size=SIZE, frames=12)
    film = lit(form)
    lent, mask, _ = marked(form, film, 0.5)
    masks = np.stack([np.roll(mask, t, axis=1) for t in range(12)])
    with caplog.at_level(logging.INFO, logger="vsdfvi"):
        host = lender.Lender(lent, masks, form, **SETTINGS)
        found = host.film()
    assert caplog.text.count("unmix:") == 1
    assert "the mask moves" in caplog.text
    for mine, theirs in zip(found, lender.Lender(lent, masks, form, **{**SETTINGS, "unmix": 0}).film(), strict=True):
        assert_same_bits(mine[0], theirs[0])


def test_a_mask_that_is_missing_on_one_frame_in_twenty_stands_still():
    form = scenes.video_format("GRAY", size=SIZE, frames=20)
    film = lit(form, 20)
    lent, mask, _ = marked(form, film, 0.5)
    masks = np.stack([mask if t != 9 else np.zeros_like(mask) for t in range(20)])
    host = lender.Lender(lent, masks, form, **SETTINGS)
    assert host.render(9)[0] is lent[9].planes[0]
    host.render(8)
    assert host.properties[8]["DfviRecovered"] > 0.9 * mask.sum()


@pytest.mark.parametrize("frames", range(1, FEWEST))
def test_a_clip_of_few_frames_is_repaired_the_ordinary_way(frames):
    host, *_ = host_of(scenes.video_format("GRAY", size=(48, 96)), 0.5, frames=frames)
    for planes in host.film():
        assert planes[0].shape == (48, 96)
    assert all(said["DfviRecovered"] == 0 for said in host.properties.values())


def test_where_there_is_no_mark_nothing_outside_reason_is_done():
    """A mask without a mark beneath: the picture as it is, or the ordinary way; never anything rougher."""
    form = scenes.video_format("GRAY", size=SIZE)
    host, truth, mask, _ = host_of(form, 0.0)
    host.masks = [Frame((marked(form, truth, 0.5)[1].astype(np.uint8),))]
    mask = marked(form, truth, 0.5)[1]
    plain = host_of(form, 0.0, unmix=0)[0]
    plain.masks = host.masks
    assert in_hole(host.film(), truth, mask, form) >= in_hole(plain.film(), truth, mask, form) - 1


def test_no_outline_of_the_mark_is_left():
    """Across the mark's border the recovered picture steps as the true one does."""
    form = scenes.video_format("GRAY", size=SIZE)
    host, truth, mask, covered = host_of(form, 0.5)
    left = np.mean(
        [found[0] - true[0].astype(np.float64) for found, true in zip(host.film(), truth, strict=True)], axis=0
    )
    body, rim = covered > 0.45, mask & (covered < 0.02)
    assert abs(left[body].mean() - left[rim].mean()) < 2


@pytest.mark.parametrize("mark", ["outlined", "two tones"])
def test_a_mark_of_another_kind_is_left_no_worse_than_the_ordinary_way(mark):
    """Of an outline or a second tone, which no single opacity and colour can tell, nothing is left that stands out."""
    form = replace(scenes.video_format("GRAY", size=SIZE), frames=12)
    drawn, truth = letters(form, 0.01), lit(form)
    grown = cv2.GaussianBlur(cv2.dilate(drawn, np.ones((5, 5))), (0, 0), 0.8)
    inner = cv2.GaussianBlur(drawn, (0, 0), 0.8)
    if mark == "outlined":
        opacity, ink = 0.6 * grown, 235 * inner + 20 * (1 - inner)
    else:
        opacity, ink = 0.5 * grown * np.where(np.arange(form.width) < form.width // 2 + 2, 1, 0.6), 235 * np.ones(SIZE)
    opacity = np.where(opacity < 0.004, 0, opacity)
    mask = cv2.dilate((opacity > 0).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    lent = [Frame((coded(form, (1 - opacity) * planes[0].astype(np.float64) + opacity * ink),)) for planes in truth]
    host = lender.Lender(lent, mask[None], form, **SETTINGS)
    found = in_hole(host.film(), truth, mask, form)
    plain = lender.Lender(lent, mask[None], form, **{**SETTINGS, "unmix": 0})
    assert host.properties[0]["DfviRecovered"] > 0.4 * mask.sum()
    assert found > in_hole(plain.film(), truth, mask, form) + 1


def test_a_recovered_frame_says_what_is_certain():
    form = scenes.video_format(size=SIZE)
    host, *_ = host_of(form, 0.5)
    footage = surveyed(host)
    got = recovered_frame(footage, 2, mark_of(footage))
    assert got.recovered.dtype == bool
    assert got.recovered.shape == got.certainty.shape == got.pixels.x.shape
    np.testing.assert_array_equal(got.recovered, got.certainty > 0)
    assert got.certainty.max() <= 1
    for flags, values, column in zip(got.samples, got.values, got.pixels.column, strict=True):
        assert flags.shape == values.shape == column.shape
        assert values.dtype == np.float32


def test_the_survey_is_asked_for_once_and_then_remembered():
    form = scenes.video_format("GRAY", size=SIZE)
    host, *_ = host_of(form, 0.5)
    assert host.inpainter.survey == survey_of(12, 32)
    assert host.inpainter.prepare(0, {0: host.clip[0]}, {0: host.masks[0]}) == ("survey",)
    host.render(0)
    assert host.inpainter.prepare(1, {1: host.clip[1]}, {0: host.masks[0]})[0] == "ready"  # no neighbour is wanted


def test_the_survey_is_read_from_its_own_frames_and_widens_no_span():
    """A survey's frames lie far beyond what is lent around a frame."""
    form = scenes.video_format("GRAY", size=SIZE)
    host, *_ = host_of(form, 0.5, frames=60, film=lit(form, 60))
    host.render(30)
    assert set(host.asked[30]) == {(30, 30)}
    assert host.properties[30]["DfviRecovered"] > 0


def test_a_part_that_shows_in_colour_alone_is_found():
    """Two squares of one mark: the ground of the second is as bright as they are."""
    form, size = scenes.video_format(size=(64, 112), frames=10), (64, 112)
    shape = np.zeros(size, np.float32)
    shape[22:42, 16:38] = shape[22:42, 74:96] = 1
    shape = cv2.GaussianBlur(shape, (0, 0), 1.0)
    opacity = 0.5 * np.where(shape < 0.01, 0, shape)
    hole = cv2.dilate((opacity > 0).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    random = np.random.default_rng(0)
    ground = np.where(np.arange(112) < 56, 60.0, 150.0) + cv2.GaussianBlur(random.normal(0, 6, size), (0, 0), 1.5)
    luma = np.stack([ground + random.normal(0, 1, size) for _ in range(form.frames)])
    pictures = [np.rint((1 - opacity) * luma + opacity * 150).astype(np.float32)]
    covered = opacity.reshape(32, 2, 56, 2).mean((1, 3))
    for colour in (180, 90):
        chroma = np.stack([128 + random.normal(0, 0.6, covered.shape) for _ in range(form.frames)])
        pictures.append(np.rint((1 - covered) * chroma + covered * colour).astype(np.float32))
    fit, _ = fit_of(pictures, hole, form)
    off = np.abs(fit.opacity * fit.shape - opacity)
    for half in (np.s_[:, :56], np.s_[:, 56:]):
        assert off[half][hole[half]].mean() < 0.02
    assert abs(fit.opacity - 0.5) < OPACITY_OFF
