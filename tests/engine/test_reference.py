"""The clip ``reference``: what no walk reaches is taken from a clean plate, registered, and counted as such."""

from dataclasses import replace

import lender
import numpy as np
import pytest
import scenes
from gpus import pretended
from tolerance import assert_same_bits, psnr

from vsdfvi.engine.tracing import trace
from vsdfvi.errors import SettingError
from vsdfvi.frames.pixels import Frame

SETTINGS = {"completion": "laplace", "scene_threshold": 0, "radius": 4}
FORMATS = {
    "GRAY8": {"family": "GRAY"},
    "YUV420P10": {"bits": 10, "subsampling": (1, 1)},
    "YUV411P8": {"subsampling": (2, 0)},
    "YUV444PS": {"bits": 32, "is_float": True, "subsampling": (0, 0)},
    "RGB48": {"family": "RGB", "bits": 16},
}


def film(step=(0, 0), still=True, **fields):
    """A picture behind a hole that no frame shows, or behind one that moves."""
    form = scenes.video_format(size=(64, 96), frames=5, **fields)
    return scenes.translation(form, step, scenes.box(form, (18, 22), (36, 22), (0, 0) if still else (9, 1)))


def render(scene, plates, **settings):
    extras = {"reference": ([Frame(planes) for planes in plates], scene.format)} if plates else None
    return lender.Lender(scene.frames(), scene.mask, scene.format, extras=extras, **{**SETTINGS, **settings})


def hole_psnr(scene, n, planes):
    worst = np.inf
    for plane, samples in enumerate(planes):
        hole = scenes.on_plane(scene.mask[n], *scene.format.subsampling(plane))
        peak = 1.0 if scene.format.is_float else scene.format.peak
        worst = min(worst, psnr(samples[hole], scene.truth[n][plane][hole], peak))
    return worst


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("step", [(0, 0), (1.5, -0.5)], ids=["still", "moving"])
def test_what_no_frame_shows_is_the_plates(name, step):
    scene = film(step, **FORMATS[name])
    host = render(scene, scene.truth[2:3])
    for n in (0, 2, 4):
        planes = host.render(n)
        said = host.properties[n]
        assert said["DfviReference"] > 0.85 * said["DfviHole"] - said["DfviTraced"]
        assert said["DfviTraced"] + said["DfviReference"] + said["DfviInvented"] == said["DfviHole"]
        assert min(said.values()) >= 0
        assert hole_psnr(scene, n, planes) > 34
        # Behind the still hole nothing is seen without it; of the moving picture, most is.
        gained = hole_psnr(scene, n, planes) - hole_psnr(scene, n, render(scene, None).render(n))
        assert gained > (6 if step == (0, 0) else 0)
        for plane, found in enumerate(planes):
            hole = scenes.on_plane(scene.mask[n], *scene.format.subsampling(plane))
            assert_same_bits(found[~hole], host.clip[n].planes[plane][~hole])


def test_what_a_walk_reaches_is_seen_and_not_taken_from_the_plate():
    scene = film(still=False, family="GRAY")
    garbage = scenes.noise(scene.format, scenes.empty(scene.format)).truth[:1]
    host, plain = render(scene, garbage), render(scene, None)
    for n in (1, 2):
        assert_same_bits(host.render(n)[0], plain.render(n)[0])
        assert plain.properties[n]["DfviInvented"] == 0
        assert host.properties[n] == {**plain.properties[n], "DfviReference": 0}


def test_a_plate_is_put_in_beside_what_is_seen_and_not_over_it():
    scene = film((1.5, -0.5), family="GRAY")
    brighter = [(np.minimum(scene.truth[2][0].astype(int) + 60, 255).astype(np.uint8),)]
    # What is put in has no influence on what is beside it where nothing is spread, and is as bright as it is.
    alone = {"light": 0, "seam": 0, "grain": 0.0}
    host, plain = render(scene, brighter, **alone), render(scene, None, **alone)
    found, seen = host.render(2)[0], plain.render(2)[0]
    footage = plain.inpainter._footage
    footage.lend(dict(enumerate(plain.clip)), dict(enumerate(plain.masks)))
    traced = trace(footage, 2)
    at = traced.pixels.y, traced.pixels.x
    assert 0 < traced.found.sum() < traced.pixels.count
    assert_same_bits(found[at][traced.found], seen[at][traced.found])
    assert np.median(found[at][~traced.found].astype(int) - seen[at][~traced.found]) > 40


def test_a_plate_of_another_place_is_refused_by_its_flow():
    scene = film(family="GRAY")
    garbage = scenes.noise(scene.format, scenes.empty(scene.format)).truth[:1]
    host = render(scene, garbage, consistency=0.25)
    host.render(2)
    said = host.properties[2]
    assert said["DfviReference"] < said["DfviHole"] / 2
    assert said["DfviInvented"] > said["DfviHole"] / 2


def test_a_plate_for_each_frame_is_that_frames():
    scene = film((1.5, -0.5), family="GRAY")
    plates = [(luma // 2 + 20 * t,) for t, (luma,) in enumerate(scene.truth)]  # each brighter than the one before
    # Frames with nothing invented are what is compared: key frames have plates of their own.
    alone = [render(scene, plates[k : k + 1]).render(4)[0] for k in (4, 0)]
    assert_same_bits(render(scene, plates).render(4)[0], alone[0])
    assert (alone[0] != alone[1]).any()


def test_plates_are_asked_for_no_farther_than_key_frames():
    host = render(film(), film().truth, keyframe_interval=3)
    assert host.inpainter.extra_reach == {"reference": 3}


@pytest.mark.parametrize("view", ["source", "invented"])
def test_views_tell_it_from_what_is_invented(view):
    scene = film(family="RGB")
    host = render(scene, scene.truth[2:3], view=view)
    plain = render(scene, None, view=view)
    hole = scene.mask[2]
    one, other = (np.stack(each.render(2)).astype(int)[:, hole] for each in (host, plain))
    assert host.properties[2]["DfviReference"] > 0
    assert (other[1] < other[0]).mean() > 0.9  # magenta
    yellow = (one[0] > one[1]) & (one[1] > one[2] + 50)
    assert 0.4 < yellow.mean() < 0.6  # bars
    assert not (one[2] > one[1]).any()


def test_random_order_is_sequential_order():
    scene = film((1.5, -0.5))
    sequential = render(scene, scene.truth, keyframe_interval=3).film()
    host = render(scene, scene.truth, keyframe_interval=3, memory=16, threads=2)
    for n in (4, 0, 2, 3, 1):
        for a, b in zip(host.render(n), sequential[n], strict=True):
            assert_same_bits(a, b)


@pytest.mark.parametrize("flow", ["dis", "search"])
@pytest.mark.parametrize("name", ["YUV420P10", "RGB48"])
def test_the_bytes_are_the_cpu_s_on_a_gpu(flow, name):
    scene = film((1.5, -0.5), **FORMATS[name])
    here = render(scene, scene.truth[:1], device="cpu", flow=flow)
    with pretended():
        there = render(scene, scene.truth[:1], device="cuda", flow=flow)
        theirs = there.film()
    for a, b in zip(here.film(), theirs, strict=True):
        for mine, other in zip(a, b, strict=True):
            assert_same_bits(mine, other)
    assert here.properties == there.properties


def test_on_large_frames_flow_is_coarser():
    form = scenes.video_format("GRAY", size=(608, 96), frames=2)
    scene = scenes.translation(form, (2, 2), scenes.box(form, (24, 30), (30, 280)))
    host = render(scene, scene.truth[1:])
    assert hole_psnr(scene, 0, host.render(0)) > 34


def test_samples_that_are_no_numbers_are_zero():
    scene = film(bits=32, is_float=True, subsampling=(1, 1))
    luma = scene.truth[2][0].copy()
    luma[30, 45] = np.nan
    host = render(replace(scene), [(luma, *scene.truth[2][1:])])
    assert all(np.isfinite(plane).all() for plane in host.render(2))


def test_the_rule_of_the_paper_knows_no_reference():
    scene = film()
    with pytest.raises(SettingError, match=r"^propagation must be trace where reference is given, got 'paper'$"):
        render(scene, scene.truth, propagation="paper")
