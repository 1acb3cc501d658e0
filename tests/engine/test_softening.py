"""``soften``: over the outermost pixels of the hole the fill fades into what the clip has there."""

from dataclasses import replace

import lender
import numpy as np
import pytest
import scenes
from gpus import pretended
from tolerance import HALF_STEP, assert_same_bits

from vsdfvi.engine.propagation import hole_pixels
from vsdfvi.engine.softening import softened

SETTINGS = {"completion": "laplace", "scene_threshold": 0, "radius": 4}
FORMATS = {
    "GRAY8": {"family": "GRAY"},
    "YUV420P8": {"subsampling": (1, 1)},
    "YUV422P16": {"bits": 16, "subsampling": (1, 0)},
    "YUV410PS": {"bits": 32, "is_float": True, "subsampling": (2, 2)},
    "RGBH": {"family": "RGB", "bits": 16, "is_float": True},
}


def film(mask=None, **fields):
    form = scenes.video_format(size=(48, 64), frames=4, **fields)
    if mask is None:
        mask = scenes.box(form, (17, 19), (19, 13), (8, 1))
        mask[:, 20:24, 5:9] = True  # two parts, off the grid of chroma
    return scenes.still(form, mask)


def expected_shares(hole, soften):
    """The share of the fill in each pixel, pixel by pixel; 0 outside the hole."""
    known = np.argwhere(~hole)
    shares = np.zeros(hole.shape)
    for y, x in np.argwhere(hole):
        away = np.hypot(*(known - (y, x)).T).min() if len(known) else np.inf
        shares[y, x] = min(1.0, away / (soften + 1))
    return shares


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("soften", [1, 4, 64])
def test_the_fill_is_mixed_by_the_distance_to_the_border(name, soften):
    scene = film(**FORMATS[name])
    form, n = scene.format, 2
    soft, hard = (lender.of_scene(scene, **SETTINGS, soften=width).render(n) for width in (soften, 0))
    share = expected_shares(scene.mask[n], soften)
    for plane, (mixed, fill) in enumerate(zip(soft, hard, strict=True)):
        right, down = form.subsampling(plane)
        height, width = form.plane_shape(plane)
        of_samples = share.reshape(height, 1 << down, width, 1 << right).mean(axis=(1, 3))
        own = scene.damaged[n][plane].astype(np.float64)
        hole = scenes.on_plane(scene.mask[n], right, down)
        # The fill that is mixed is not rounded yet, and the mixture is.
        bound = 2e-3 if form.is_float else 2 * HALF_STEP
        wanted = own + of_samples * (fill.astype(np.float64) - own)
        np.testing.assert_allclose(mixed.astype(np.float64)[hole], wanted[hole], rtol=0, atol=bound)
        assert_same_bits(mixed[~hole], scene.damaged[n][plane][~hole])
        assert (mixed != fill).any()


def test_at_0_nothing_is_mixed_and_the_values_are_handed_through():
    host = lender.of_scene(film(), **SETTINGS)
    footage = host.inpainter._footage
    footage.lend(dict(enumerate(host.clip)), dict(enumerate(host.masks)))
    pixels = hole_pixels(footage, 1)
    values = tuple(np.zeros(column.size, np.float32) for column in pixels.column)
    assert softened(footage, 1, pixels, values) is values


def test_beyond_the_softened_rim_the_fill_stands():
    scene = film(family="GRAY")
    soft, hard = (lender.of_scene(scene, **SETTINGS, soften=width).render(1)[0] for width in (3, 0))
    deep = expected_shares(scene.mask[1], 3) == 1
    assert deep.any()
    assert_same_bits(soft[deep], hard[deep])


def test_the_frame_s_border_is_none_of_the_hole_s():
    form = scenes.video_format("GRAY", size=(48, 64), frames=4)
    mask = scenes.empty(form)
    mask[1, 30:, 40:] = mask[1, :9] = True  # a corner, and a whole side
    scene = film(mask, family="GRAY")
    soft, hard = (lender.of_scene(scene, **SETTINGS, soften=width).render(1)[0] for width in (4, 0))
    for place in (np.s_[40:, 50:], np.s_[:3]):
        assert_same_bits(soft[place], hard[place])
    assert (soft[30:34, 50:] != hard[30:34, 50:]).any()


def test_a_hole_that_is_the_whole_frame_has_no_border():
    form = scenes.video_format("GRAY", size=(48, 64), frames=4)
    mask = scenes.empty(form)
    mask[1] = True
    scene = film(mask, family="GRAY")
    soft, hard = (lender.of_scene(scene, **SETTINGS, soften=width).render(1)[0] for width in (4, 0))
    assert_same_bits(soft, hard)


def test_where_the_clip_has_no_number_the_fill_stands():
    scene = film(bits=32, is_float=True, subsampling=(1, 1))
    spoiled = []
    for planes, mask in zip(scene.damaged, scene.mask, strict=True):
        new = [plane.copy() for plane in planes]
        for plane, value in enumerate((np.nan, np.inf, -np.inf)):
            new[plane][scenes.on_plane(mask, *scene.format.subsampling(plane))] = value
        spoiled.append(tuple(new))
    scene = replace(scene, damaged=tuple(spoiled))
    soft, hard = (lender.of_scene(scene, **SETTINGS, soften=width).render(1) for width in (6, 0))
    for a, b in zip(soft, hard, strict=True):
        assert np.isfinite(a).all()
        assert_same_bits(a, b)


def test_the_rule_of_the_paper_is_softened_too():
    scene = film()
    soft, hard = (lender.of_scene(scene, **SETTINGS, propagation="paper", soften=w).render(1) for w in (6, 0))
    share = expected_shares(scene.mask[1], 6)
    own, fill = scene.damaged[1][0].astype(np.float64), hard[0].astype(np.float64)
    np.testing.assert_allclose(soft[0], own + share * (fill - own), rtol=0, atol=2 * HALF_STEP)


def test_random_order_is_sequential_order_and_a_gpu_s_bytes_are_the_cpu_s():
    scene = film()
    settings = {**SETTINGS, "soften": 5, "flow": "dis"}
    sequential = lender.of_scene(scene, **settings).film()
    host = lender.of_scene(scene, **settings, memory=16)
    with pretended():
        there = lender.of_scene(scene, **settings, device="cuda").film()
    for n in (3, 0, 2, 1):
        for a, b, c in zip(host.render(n), sequential[n], there[n], strict=True):
            assert_same_bits(a, b)
            assert_same_bits(c, b)
