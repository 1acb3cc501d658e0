"""Flow that the user gives: taken as it is outside the holes, completed inside, whatever is built on it."""

import lender
import numpy as np
import pytest
import scenes
from gpus import pretended
from tolerance import RESAMPLED_ONCE_DB, assert_same_bits, psnr

from vsdfvi.engine import flow as estimators
from vsdfvi.frames.pixels import Frame

SETTINGS = {"completion": "laplace", "scene_threshold": 0}


def flows(scene, change=None):
    """The scene's true flow as clips: frame n of each lies on frame n, and the first of flow_bw is unused."""
    size = scene.mask.shape[1:]
    kind = scenes.video_format("RGB", bits=32, is_float=True, size=size, frames=scene.format.frames)
    unused = np.full((1, 2, *size), 1e6, np.float32)
    clips = {
        "flow_fw": np.concatenate([scene.flow_fw, unused]),
        "flow_bw": np.concatenate([unused, scene.flow_bw]),
    }
    if change:
        clips = {name: change(name, vectors.copy()) for name, vectors in clips.items()}
    nothing = np.full(size, np.nan, np.float32)  # the third plane is not read
    return {name: ([Frame((x, y, nothing)) for x, y in vectors], kind) for name, vectors in clips.items()}


def render(scene, extras, **settings):
    return lender.Lender(scene.frames(), scene.mask, scene.format, extras=extras, **{**SETTINGS, **settings})


def footage_of(host):
    """The host's footage with everything lent."""
    footage = host.inpainter._footage
    extras = {name: dict(enumerate(frames)) for name, frames in host.extras.items()}
    footage.lend(dict(enumerate(host.clip)), dict(enumerate(host.masks)), extras)
    return footage


@pytest.fixture
def no_estimate(monkeypatch):
    """Whoever measures flow fails."""

    def refuse(*arguments, **options):
        raise AssertionError("flow was measured")

    monkeypatch.setattr(estimators.DenseInverseSearch, "both_ways", refuse)
    monkeypatch.setattr(estimators.KernelSearch, "both_ways", refuse)


def turning(**fields):
    form = scenes.video_format(size=(64, 80), frames=6, **fields)
    return scenes.rotation(form, 1.5, scenes.box(form, (12, 14), (20, 24), (5, 1)))


def test_outside_the_holes_flow_is_what_was_given(no_estimate):
    scene = turning()
    footage = footage_of(render(scene, flows(scene)))
    for n in range(5):
        [box] = footage.boxes(n)
        x0, y0, x1, y1 = box
        truth = np.concatenate([scene.flow_fw[n], scene.flow_bw[n]])[:, y0:y1, x0:x1]
        hole = (scene.mask[n] | scene.mask[n + 1])[y0:y1, x0:x1]
        found = footage.flow(n).planes(0)
        assert_same_bits(found[:, ~hole], truth[:, ~hole])
        assert np.abs(found - truth)[:, hole].max() < 0.5  # smooth from around it: a turn is nearly that
        assert (found[:, hole] != truth[:, hole]).any()


def test_what_a_hole_holds_of_it_has_no_influence(no_estimate):
    scene = turning()

    def spoil(name, vectors):
        # A pair's flow is unknown in the holes of both of its frames, both ways.
        other = np.roll(scene.mask, -1 if name == "flow_fw" else 1, axis=0)
        for n, hole in enumerate(scene.mask | other):
            vectors[n][:, hole] = 37.5
        return vectors

    for n in (0, 3, 5):
        for a, b in zip(
            render(scene, flows(scene)).render(n), render(scene, flows(scene, spoil)).render(n), strict=True
        ):
            assert_same_bits(a, b)


@pytest.mark.parametrize("nowhere", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("clip", ["flow_fw", "flow_bw"])
def test_where_it_is_no_number_it_is_completed(no_estimate, nowhere, clip):
    scene = turning()

    def lose(name, vectors):
        if name == clip:
            vectors[:, 0, 44:56, 44:60] = nowhere
        return vectors

    footage = footage_of(render(scene, flows(scene, lose)))
    plain = footage_of(render(scene, flows(scene)))
    for n in range(5):
        found, expected = footage.flow(n).planes(0), plain.flow(n).planes(0)
        assert np.isfinite(found).all()
        [box] = footage.boxes(n)
        lost = np.zeros(scene.mask.shape[1:], bool)
        lost[44:56, 44:60] = True
        lost = lost[box[1] : box[3], box[0] : box[2]]
        assert np.abs(found - expected)[:, lost].max() < 0.5
        assert (found != expected)[:, lost].any()
        unknown = footage.unknown(n, box) > 0
        assert unknown[lost].all()
        assert not unknown[~lost & ~(scene.mask[n] | scene.mask[n + 1])[box[1] : box[3], box[0] : box[2]]].any()


@pytest.mark.parametrize("height", [602, 1302])
def test_on_large_frames_it_is_averaged(no_estimate, height):
    form = scenes.video_format("GRAY", size=(height, 64), frames=2)
    scene = scenes.zoom(form, 1.01, scenes.box(form, (16, 12), (20, 300)))
    footage = footage_of(render(scene, flows(scene)))
    scale = footage.flow_scale
    assert scale == (2 if height < 1300 else 4)
    [(x0, y0, x1, y1)] = footage.boxes(0)
    truth = np.concatenate([scene.flow_fw[0], scene.flow_bw[0]])[:, y0:y1, x0:x1].astype(np.float64)
    planes, rows, columns = truth.shape
    mean = truth.reshape(planes, rows // scale, scale, columns // scale, scale).mean(axis=(2, 4))
    hole = scene.mask.any(axis=0)[y0:y1, x0:x1]
    hole = hole.reshape(rows // scale, scale, columns // scale, scale).any(axis=(1, 3))
    found = footage.flow(0).planes(0)
    np.testing.assert_allclose(found[:, ~hole], mean[:, ~hole], rtol=0, atol=1e-5)


@pytest.mark.parametrize("settings", [{}, {"propagation": "paper", "window": 6}], ids=str)
@pytest.mark.parametrize(
    "fields", [{"family": "GRAY"}, {"subsampling": (1, 1), "bits": 10}, {"family": "RGB", "bits": 32, "is_float": True}]
)
def test_whole_pixels_of_motion_are_restored_exactly(no_estimate, fields, settings):
    form = scenes.video_format(size=(64, 96), frames=7, **fields)
    mask = scenes.box(form, (14, 15), (14, 20), (9, 2))
    scene = scenes.translation(form, (4, -4), mask)
    host = render(scene, flows(scene), **settings)
    found = host.render(3)
    assert host.properties[3]["DfviInvented"] == 0
    for plane, samples in enumerate(found):
        if form.is_float:
            np.testing.assert_allclose(samples, scene.truth[3][plane], rtol=0, atol=1e-6)
        else:
            assert_same_bits(samples, scene.truth[3][plane])


def test_with_completion_by_a_network_it_is_as_good():
    form = scenes.video_format("GRAY", size=(96, 128), frames=12)
    scene = scenes.translation(form, (1.3, 0.4), scenes.box(form, (24, 24), (16, 32), (4, 0)), picture="brick")
    host = render(scene, flows(scene), completion="dfc")
    n, hole = 6, scene.mask[6]
    assert psnr(host.render(n)[0][hole], scene.truth[n][0][hole], form.peak) > RESAMPLED_ONCE_DB["translation"] - 3


def test_random_order_is_sequential_order():
    scene = turning()
    sequential = render(scene, flows(scene), completion="dfc").film()
    host = render(scene, flows(scene), completion="dfc", memory=16, threads=2)
    for n in (4, 0, 5, 2, 3, 1):
        for a, b in zip(host.render(n), sequential[n], strict=True):
            assert_same_bits(a, b)


@pytest.mark.parametrize("settings", [{}, {"completion": "dfc"}], ids=str)
@pytest.mark.parametrize("flow", ["dis", "search"])
def test_the_bytes_are_the_cpu_s_on_a_gpu(settings, flow):
    scene = turning()
    here = render(scene, flows(scene), device="cpu", flow=flow, **settings).film()
    with pretended():
        there = render(scene, flows(scene), device="cuda", flow=flow, **settings).film()
    for a, b in zip(here, there, strict=True):
        for mine, theirs in zip(a, b, strict=True):
            assert_same_bits(mine, theirs)


def test_measured_flow_is_what_it_was():
    assert not footage_of(lender.of_scene(turning(), **SETTINGS)).given_flow
