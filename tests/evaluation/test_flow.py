"""Error of flow in the hole, and the oracle that has none."""

import numpy as np
import pytest
import scenes
import vapoursynth as vs
from lender import of_scene

from vsdfvi.engine.completion import RIM, complete_flow, unknown_flow
from vsdfvi.engine.flow import estimate_flow, neutralise
from vsdfvi.engine.footage import Footage
from vsdfvi.errors import EngineError
from vsdfvi.evaluation import render
from vsdfvi.evaluation.flow import CleanFootage, Examined, FlowError, Oracle, Prefilled, disagreement, repaired
from vsdfvi.frames.masks import hole_of
from vsdfvi.frames.pixels import Frame, luma
from vsdfvi.kernels import pack
from vsdfvi.settings import Settings

FORM = scenes.video_format(size=(48, 64), frames=6)
HOLE = scenes.box(FORM, (16, 21), (10, 16), (4, 0))


def lent(scene):
    truth = {n: Frame(planes) for n, planes in enumerate(scene.truth)}
    masks = {n: Frame((picture.astype(np.uint8) * 255,)) for n, picture in enumerate(scene.mask)}
    return truth, dict(enumerate(scene.frames())), masks


def mask_format(scene):
    form = scene.format
    return scenes.video_format("GRAY", size=(form.height, form.width), frames=form.frames)


def examined(scene, **settings):
    """The footage of a scene, and the clean one beside it."""
    truth, clip, masks = lent(scene)
    footage = Examined(Settings(threads=1, **settings), scene.format, mask_format(scene)).footage
    footage.lend(clip, masks)
    return footage, CleanFootage(footage, truth, mask_format(scene), footage.workers)


def test_flow_of_the_clean_clip_is_the_motion_of_its_scene():
    scene = scenes.translation(FORM, (1.5, -0.5), HOLE)
    _, clean = examined(scene)
    flow = clean.flow(2)
    (box,) = flow.boxes.tolist()
    assert box[:4] == [0, 0, 64, 48]
    gap = np.abs(flow.planes(0) - np.concatenate([scene.flow_fw[2], scene.flow_bw[2]]))
    # DIS within the frame, in pixels; were the hole neutralised here too, it would be 1. Measured: 0.07. (Nov 2026)
    assert gap[:, 8:-8, 8:-8].mean() < 0.15


class StubFootage:
    """Flow that is given, on one box that does not begin at the frame's corner."""

    size = 20, 24

    def __init__(self, flow, holes, scale=2):
        self._flow, self._holes, self.flow_scale = flow, holes, scale

    def boxes(self, n):
        return [(4, 2, 20, 14)]

    def cut(self, n):
        return n == 1

    def flow(self, n):
        return pack([(4 // self.flow_scale, 2 // self.flow_scale)], [self._flow])

    def hole(self, n):
        return hole_of(self._holes[n], 0)


def test_the_error_is_the_mean_over_hole_pixels_of_both_ways():
    holes = np.zeros((3, 20, 24), bool)
    holes[0, 4:6, 6:10] = True  # 8 pixels
    holes[1, 8:12, 14:18] = True  # 16 pixels
    true = np.zeros((4, 6, 8), np.float32)
    found = true.copy()
    found[0], found[1] = 3, 4  # forward: 5 pixels off
    found[2] = 1  # backward: 1 off
    error = FlowError()
    error.add(StubFootage(found, holes), StubFootage(true, holes), 0)
    error.add(StubFootage(found, holes), StubFootage(true, holes), 1)  # across a cut: does not count
    expected = (8 * 5 + 16 * 1) / 24
    assert error.figures() == {"epe": pytest.approx(expected), "epe_visible": pytest.approx(expected)}


def test_a_box_is_where_it_says():
    holes = np.zeros((2, 20, 24), bool)
    holes[0, 2:7, 4:9] = True  # the box's first pixels
    true = np.zeros((4, 6, 8), np.float32)
    found = true.copy()
    found[0, :3, :3] = 1  # pixels 4 to 9, rows 2 to 7; between samples it falls to 0 beyond the fifth
    error = FlowError()
    error.add(StubFootage(found, holes), StubFootage(true, holes), 0)
    assert error.figures()["epe"] == 1


def test_occluded_pixels_are_left_out_of_the_second_figure():
    holes = np.zeros((2, 20, 24), bool)
    holes[0, 6:8, 6:18] = True  # columns 2 to 13 of the box, on 2 rows
    true = np.zeros((4, 12, 16), np.float32)
    true[1, :, 12:] = 2  # from there nothing comes back: occluded by 2 pixels
    found = true.copy()
    found[0, :, 12:] = 7
    found[0, :, :12] = 1
    error = FlowError()
    error.add(StubFootage(found, holes, 1), StubFootage(true, holes, 1), 0)
    assert error.figures() == {"epe": pytest.approx((2 * 10 * 1 + 2 * 2 * 7) / 24), "epe_visible": pytest.approx(1)}


def test_disagreement_by_hand():
    flow = np.zeros((2, 4, 6), np.float32)
    back = np.zeros((2, 4, 6), np.float32)
    flow[0, 1, 1], back[0, 1, 3] = 2, -2  # there and back
    flow[1, 2, 2], back[1, 3, 2] = 1, 0.5  # there, and another pixel and a half on
    flow[0, 0, 5] = 3  # out of the picture
    found = disagreement(flow, back)
    assert found[1, 1] == 0
    assert found[2, 2] == 1.5
    assert found[0, 5] == np.inf
    assert found[1, 3] == 2


def test_an_empty_hole_has_no_error():
    assert np.isnan(list(FlowError().figures().values())).all()


def hole_psnr(scene, films):
    gaps = [(planes[0].astype(float) - scene.truth[n][0])[scene.mask[n]] for n, planes in enumerate(films)]
    return 10 * np.log10(255**2 / np.mean(np.concatenate(gaps) ** 2))


def test_the_oracle_sees_what_moves_behind_the_hole_and_laplace_does_not():
    scene = scenes.occluder(FORM, (1, 0), (-2, 1), 8, HOLE)
    truth, clip, masks = lent(scene)
    oracle = Oracle(Settings(threads=1), scene.format, mask_format(scene), truth)
    told = []
    for n in range(FORM.frames):
        planes = tuple(plane.copy() for plane in clip[n].planes)
        assert oracle.prepare(n, clip, masks)[0] == "ready"
        oracle.finish(n, planes)
        told.append(planes)
        for plane, samples in enumerate(planes):
            outside = ~scene.plane_hole(n, plane)
            np.testing.assert_array_equal(samples[outside], clip[n].planes[plane][outside])
    guessed = of_scene(scene, completion="laplace").film()
    # Measured: 47.6 against 10.8 dB. (Nov 2026)
    assert hole_psnr(scene, told) > hole_psnr(scene, guessed) + 20
    footage, clean = examined(scene, completion="laplace")
    error = FlowError()
    with footage.workers.active():
        for n in range(FORM.frames - 1):
            error.add(footage, clean, n)
    assert isinstance(footage, Footage)
    assert error.figures()["epe"] > 0.5  # measured: 1.5 pixels (Nov 2026)


def test_prefill_is_one_estimate_filled_by_laplace():
    scene = scenes.occluder(FORM, (1, 0), (-2, 1), 8, HOLE)
    prefilled = Prefilled(Settings(threads=1), scene.format, mask_format(scene))
    footage, (_, clip, masks) = prefilled.footage, lent(scene)
    footage.lend(clip, masks)
    (box,) = footage.boxes(3)
    x0, y0, x1, y1 = box
    pictures = [luma(clip[k], scene.format, box) for k in (3, 4)]
    hole = np.maximum(*(footage.hole(k).crop(x0, y0, x1 - x0, y1 - y0) for k in (3, 4)))
    with footage.workers.active():
        found = footage.flow(3).planes(0)
        once = estimate_flow(neutralise(*pictures, hole), footage.estimator, footage.workers)
    rim = round(RIM * FORM.height)
    np.testing.assert_array_equal(found, complete_flow(once, unknown_flow(hole, rim)))
    refined, _ = examined(scene, completion="laplace")
    with refined.workers.active():
        assert np.abs(refined.flow(3).planes(0) - found).max() > 0.1


@pytest.mark.parametrize(
    ("arguments", "device", "flow"),
    [
        ({}, "cpu", "auto"),
        ({}, "cuda:0", "search"),
        ({"device": "cuda:1"}, "cuda:1", "search"),
        ({"flow": "dis"}, "cuda:0", "dis"),
    ],
    ids=str,
)
def test_what_runs_beside_a_gpu_takes_its_estimator_of_flow(monkeypatch, arguments, device, flow):
    monkeypatch.setattr(render.devices, "choose", lambda setting: device)
    settings = render._on_the_host({**arguments, "radius": 5})
    assert (settings.device, settings.flow, settings.radius) == ("cpu", flow, 5)


@pytest.mark.parametrize("masks", [1, 4])
def test_a_survey_is_lent_where_it_is_asked_for(masks):
    class Asking:
        reach, survey = 1, (0, 2)

        def __init__(self):
            self.lent = []

        def prepare(self, n, clip, mask, extras=None, survey=None):
            if survey is None:
                return ("survey",)
            self.lent.append(tuple(sorted(frames) for frames in survey))
            return ("ready", 0, 0)

        def account(self, n):
            return None

        def finish(self, n, planes):
            planes[0][:] = 7 + n

        def close(self):
            pass

    clip = vs.core.std.BlankClip(format=vs.GRAY8, width=16, height=16, length=4, color=1)
    asking = Asking()
    found = [int(planes[0][0, 0]) for planes in repaired(asking, clip, clip[:masks])]
    assert found == [7, 8, 9, 10]
    assert asking.lent == [([0, 2], [0, 2] if masks > 1 else [0])] * 4


def test_an_inpainter_that_asks_for_what_it_has_is_refused():
    class Asking:
        reach, survey = 1, ()

        def prepare(self, n, clip, mask, extras=None, survey=None):
            return ("need", 0, 1)

    clip = vs.core.std.BlankClip(format=vs.GRAY8, width=16, height=16, length=2, color=1)
    with pytest.raises(EngineError, match="prepare must answer ready or source"):
        list(repaired(Asking(), clip, clip))
