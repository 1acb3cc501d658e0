"""The laws, on the engine alone: what may change, what other frames show comes back, and mirrors change nothing."""

from dataclasses import replace

import lender
import numpy as np
import pytest
import scenes
from tolerance import FLOAT_BLEND, MIRRORED, RESAMPLED_ONCE_DB, assert_same_bits, psnr

from vsdfvi.engine.footage import Footage
from vsdfvi.frames.pixels import Frame
from vsdfvi.kernels import pack

SETTINGS = {"scene_threshold": 0}  # the clips here are too short and small for cuts to be of interest


def with_true_flow(monkeypatch, scene):
    """Let every footage find the scene's own flow, on the whole frame."""

    def flow(self, n):
        return pack([(0, 0)], [np.concatenate([scene.flow_fw[n], scene.flow_bw[n]])])

    monkeypatch.setattr(Footage, "flow", flow)


def traced_only(lent, n):
    """Return the planes of frame n, and that all of its hole was traced."""
    planes = lent.render(n)
    return planes, lent.properties.get(n, {}).get("DfviInvented", 0) == 0


# Nothing outside the hole changes.


def test_without_a_mask_the_source_comes_back_itself():
    form = scenes.video_format(frames=5, size=(48, 64))
    lent = lender.of_scene(scenes.noise(form, scenes.empty(form)))
    for n in range(form.frames):
        for found, given in zip(lent.render(n), lent.clip[n].planes, strict=True):
            assert found is given
        assert lent.asked[n] == [(n, n)]


@pytest.mark.parametrize("dilate", [0, 3])
@pytest.mark.parametrize(
    "make_mask", [scenes.default_hole, scenes.scratch, scenes.dirt], ids=lambda make: make.__name__
)
def test_outside_the_hole_nothing_changes(make_mask, dilate):
    form = scenes.video_format(frames=6, size=(48, 64))
    scene = scenes.noise(form, make_mask(form))
    lent = lender.of_scene(scene, dilate=dilate)
    before = [tuple(plane.copy() for plane in frame.planes) for frame in lent.clip]
    rows, columns = np.mgrid[-3:4, -3:4]
    disc = [(v, u) for v, u in zip(rows.flat, columns.flat, strict=True) if v * v + u * u <= dilate * dilate]
    for n, planes in enumerate(lent.film()):
        grown = np.zeros((48 + 6, 64 + 6), bool)
        for v, u in disc:
            grown[3 + v : 51 + v, 3 + u : 67 + u] |= scene.mask[n]
        for plane, found in enumerate(planes):
            hole = scenes.on_plane(grown[3:51, 3:67], *form.subsampling(plane))
            assert_same_bits(found[~hole], before[n][plane][~hole])
            assert (found[hole] != before[n][plane][hole]).mean() > 0.5
    for frame, planes in zip(lent.clip, before, strict=True):  # and what was lent is as it was
        for found, expected in zip(frame.planes, planes, strict=True):
            assert_same_bits(found, expected)


def test_what_the_hole_held_has_no_influence():
    form = scenes.video_format(frames=8, size=(64, 80))
    scene = scenes.translation(form, (0.7, 0.3))
    other = replace(scene, damaged=scene.truth)
    for a, b in zip(lender.of_scene(scene).film(), lender.of_scene(other).film(), strict=True):
        for found, expected in zip(a, b, strict=True):
            assert_same_bits(found, expected)


def test_hole_pixels_are_counted_and_are_either_traced_or_invented():
    form = scenes.video_format(frames=6, size=(64, 80))
    scene = scenes.translation(form, (0.7, 0.3))
    lent = lender.of_scene(scene, **SETTINGS)
    lent.film()
    for n, said in lent.properties.items():
        assert said["DfviHole"] == int(scene.mask[n].sum())
        assert said["DfviTraced"] + said["DfviInvented"] == said["DfviHole"]
        assert 0 <= said["DfviTraced"] <= said["DfviHole"]
    assert len(lent.properties) == form.frames


# Given the true flow, what other frames show comes back.

INTEGERS = [(8, False), (10, False), (16, False), (32, True)]
FAMILIES = {"GRAY": ("GRAY", (0, 0)), "420": ("YUV", (1, 1)), "422": ("YUV", (1, 0)), "444": ("YUV", (0, 0))} | {
    "410": ("YUV", (2, 2)),
    "RGB": ("RGB", (0, 0)),
}
STEPS = {"still": (0, 0), "by whole samples of every plane": (4, -4)}


def moving_hole(form):
    """Return a hole that every place of a still or slowly moving picture is free of, some frames away."""
    return scenes.box(form, (form.height // 4, form.width // 6), (form.width // 8, form.height // 3), (5.0, 1.0))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("bits", "is_float"), INTEGERS, ids=str)
@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_whole_pixels_of_motion_are_restored_exactly(monkeypatch, family, bits, is_float, step):
    name, subsampling = FAMILIES[family]
    form = scenes.video_format(name, bits=bits, is_float=is_float, subsampling=subsampling, size=(64, 96), frames=9)
    mask = moving_hole(form)
    mask[1::2] = False  # every second frame is whole
    scene = scenes.translation(form, step, mask)
    with_true_flow(monkeypatch, scene)
    lent = lender.of_scene(scene, **SETTINGS)
    complete = 0
    for n in range(0, form.frames, 2):
        planes, traced = traced_only(lent, n)
        complete += traced
        if traced:
            for found, truth in zip(planes, scene.truth[n], strict=True):
                if is_float:
                    np.testing.assert_allclose(found, truth, rtol=0, atol=FLOAT_BLEND)
                else:
                    assert_same_bits(found, truth)
    assert complete >= 4


@pytest.mark.parametrize("family", ["GRAY", "444", "422", "420", "RGB"])
def test_a_hole_that_moves_over_a_still_picture_is_restored_exactly(monkeypatch, family):
    """No frame is whole: each place of the hole is seen several frames away, on one side or on both."""
    name, subsampling = FAMILIES[family]
    form = scenes.video_format(name, subsampling=subsampling, size=(64, 96), frames=12)
    scene = scenes.still(form, moving_hole(form), picture="astronaut")
    assert scene.mask.any(axis=(1, 2)).all()
    with_true_flow(monkeypatch, scene)
    lent = lender.of_scene(scene, **SETTINGS)
    for n, planes in enumerate(lent.film()):
        assert lent.properties[n]["DfviInvented"] == 0
        for found, truth in zip(planes, scene.truth[n], strict=True):
            assert_same_bits(found, truth)


MOTIONS = {
    "translation": lambda form, mask: scenes.translation(form, (0.37, -0.21), mask, picture="brick"),
    "half a pixel": lambda form, mask: scenes.translation(form, (0.5, 0.5), mask, picture="brick"),
    "zoom": lambda form, mask: scenes.zoom(form, 1.004, mask, picture="brick"),
    "rotation": lambda form, mask: scenes.rotation(form, 0.3, mask, picture="brick"),
}


def restored(scene, frames, least=1.0):
    """Return the mean squared error in the hole as PSNR over some frames of a scene in floats, luma only.

    At least so large a share of the hole has to be traced.
    """
    lent = lender.of_scene(scene, **SETTINGS)
    found, truth = [], []
    for n in frames:
        planes = lent.render(n)
        assert lent.properties[n]["DfviTraced"] >= least * lent.properties[n]["DfviHole"]
        hole = scene.mask[n]
        found.append(planes[0][hole])
        truth.append(scene.truth[n][0][hole])
    return psnr(np.concatenate(found), np.concatenate(truth), 1.0)


@pytest.mark.parametrize("motion", MOTIONS)
def test_parts_of_a_pixel_are_restored_to_the_limit_of_one_resampling(monkeypatch, motion):
    form = scenes.video_format("GRAY", bits=32, is_float=True, size=(96, 128), frames=17)
    scene = MOTIONS[motion](form, scenes.box(form, (24, 20), (40, 34), (2.0, 0.0)))
    with_true_flow(monkeypatch, scene)
    # Content travels up to eight frames here. Resampled at each of them it would lose 12 dB and more.
    assert restored(scene, range(4, 13, 2)) >= RESAMPLED_ONCE_DB[motion]


def test_flow_with_its_sign_turned_restores_nothing_of_the_kind(monkeypatch):
    """What shows that the tests above look at the picture."""
    form = scenes.video_format("GRAY", bits=32, is_float=True, size=(96, 128), frames=17)
    scene = MOTIONS["translation"](form, scenes.box(form, (24, 20), (40, 34), (2.0, 0.0)))
    with_true_flow(monkeypatch, replace(scene, flow_fw=-scene.flow_fw, flow_bw=-scene.flow_bw))
    # A few pixels are not believed, and invented.
    assert restored(scene, range(4, 13, 2), least=0.9) < RESAMPLED_ONCE_DB["translation"] - 10


# Propagation has no preferred direction in space or time.


def mirrored(scene, *, columns=False, rows=False, time=False):
    """Return a scene in a mirror, flow and all."""
    picture = np.s_[:: -1 if rows else 1, :: -1 if columns else 1]
    sign = np.array([-1 if columns else 1, -1 if rows else 1], np.float32)[:, None, None]

    def turned(flow):
        return np.ascontiguousarray((flow * sign)[:: -1 if time else 1, :, *picture])

    def film(frames):
        planes = [tuple(np.ascontiguousarray(plane[picture]) for plane in frame) for frame in frames]
        return tuple(planes[::-1] if time else planes)

    there, back = turned(scene.flow_fw), turned(scene.flow_bw)
    return replace(
        scene,
        truth=film(scene.truth),
        damaged=film(scene.damaged),
        mask=np.ascontiguousarray(scene.mask[:: -1 if time else 1, *picture]),
        flow_fw=back if time else there,
        flow_bw=there if time else back,
    )


def mirror_scene():
    form = scenes.video_format("YUV", subsampling=(0, 0), bits=32, is_float=True, size=(64, 96), frames=11)
    return scenes.rotation(form, 0.8, scenes.box(form, (20, 16), (30, 20), (3.0, 0.0)))


def traced_film(monkeypatch, scene):
    with_true_flow(monkeypatch, scene)
    lent = lender.of_scene(scene, **SETTINGS)
    film = lent.film()
    assert all(lent.properties[n]["DfviInvented"] == 0 for n in range(2, 9))
    return film


def test_a_clip_backwards_gives_the_result_backwards(monkeypatch):
    scene = mirror_scene()
    film = traced_film(monkeypatch, scene)
    backwards = traced_film(monkeypatch, mirrored(scene, time=True))
    for n in range(2, 9):
        for found, expected in zip(backwards[10 - n], film[n], strict=True):
            np.testing.assert_allclose(found, expected, rtol=0, atol=FLOAT_BLEND)


@pytest.mark.parametrize("axes", [{"columns": True}, {"rows": True}, {"columns": True, "rows": True}], ids=str)
def test_a_clip_in_a_mirror_gives_the_result_in_the_mirror(monkeypatch, axes):
    scene = mirror_scene()
    film = traced_film(monkeypatch, scene)
    reflected = traced_film(monkeypatch, mirrored(scene, **axes))
    picture = np.s_[:: -1 if axes.get("rows") else 1, :: -1 if axes.get("columns") else 1]
    for n in range(2, 9):
        for found, expected in zip(reflected[n], film[n], strict=True):
            np.testing.assert_allclose(found[picture], expected, rtol=0, atol=MIRRORED)


# Frame n is a function of clip, mask and settings alone.


@pytest.mark.parametrize("memory", [16, 1024])
def test_the_order_of_requests_is_of_no_matter(memory):
    form = scenes.video_format(frames=12, size=(64, 80))
    scene = scenes.translation(form, (0.7, 0.3))
    first = lender.of_scene(scene).film()
    settings = {"memory": memory, "threads": 3}
    lent = lender.of_scene(scene, **settings)
    for n in (7, 0, 11, 3, 4, 7, 10, 1):
        for found, expected in zip(lent.render(n), first[n], strict=True):
            assert_same_bits(found, expected)


def test_a_cache_that_keeps_nothing_costs_time_alone(monkeypatch):
    form = scenes.video_format(frames=8, size=(64, 80))
    scene = scenes.translation(form, (0.7, 0.3), scenes.box(form, (20, 20), (30, 20)))  # in part never seen
    expected = lender.of_scene(scene, radius=2, keyframe_interval=3).film()
    lent = lender.of_scene(scene, radius=2, keyframe_interval=3)
    lent.inpainter._cache.budget_bytes = 0
    # One frame: it makes all that lies around it many times over.
    for found, remembered in zip(lent.render(1), expected[1], strict=True):
        assert_same_bits(found, remembered)


EVERYTHING = {
    "GRAY8": {"family": "GRAY"},
    "GRAYH": {"family": "GRAY", "bits": 16, "is_float": True},
    "YUV420P8": {"subsampling": (1, 1)},
    "YUV422P10": {"bits": 10, "subsampling": (1, 0)},
    "YUV444P16": {"bits": 16, "subsampling": (0, 0)},
    "RGB24": {"family": "RGB"},
    "RGBS": {"family": "RGB", "bits": 32, "is_float": True},
}


def restless(**fields):
    """Return a picture that moves in changing light and in grain, behind a hole that is in part never seen."""
    form = scenes.video_format(size=(48, 64), frames=7, **fields)
    moving = scenes.translation(form, (0.7, 0.3), scenes.box(form, (20, 24), (18, 12), (1.0, 0.0)))
    return scenes.aged(moving, gains=(1.0, 0.93, 1.06, 0.97), grain=5)


@pytest.mark.parametrize("name", EVERYTHING)
def test_with_everything_on_a_frame_is_the_same_in_any_order_on_any_number_of_threads(name):
    """Light, seam, grain, several sources, and what is invented, carried and textured."""
    scene = restless(**EVERYTHING[name])
    settings = {"scene_threshold": 0, "completion": "laplace", "radius": 4, "keyframe_interval": 3}
    if scene.format.is_float:  # what is no number is let through outside, and in the hole nothing comes of it
        for first, *_ in scene.damaged:
            first[3, ::7], first[15, ::9] = np.nan, np.inf
    lent = lender.of_scene(scene, **settings)
    before = [tuple(plane.copy() for plane in frame.planes) for frame in lent.clip]
    film = lent.film()
    assert any(said["DfviInvented"] for said in lent.properties.values())
    assert any(said["DfviTraced"] for said in lent.properties.values())
    for n, planes in enumerate(film):
        for plane, found in enumerate(planes):
            hole = scene.plane_hole(n, plane)
            assert_same_bits(found[~hole], before[n][plane][~hole])
            assert np.isfinite(found[hole].astype(np.float64)).all()
    for threads, memory, order in ((2, 1024, (6, 0, 3, 1)), (8, 16, (2, 5, 4, 6))):
        other = lender.of_scene(scene, **settings, threads=threads, memory=memory)
        if memory == 16:
            other.inpainter._cache.budget_bytes = 1 << 16  # a few results: each request pushes others' out
        for n in order:
            for found, expected in zip(other.render(n), film[n], strict=True):
                assert_same_bits(found, expected)


@pytest.mark.parametrize("part", [{"light": 0}, {"seam": 0}, {"grain": 0.0}, {"sources": 1}], ids=str)
def test_each_part_of_it_does_something(part):
    """What shows that the test above has everything on."""
    scene = restless(family="GRAY")
    settings = {"scene_threshold": 0, "completion": "laplace", "radius": 4, "keyframe_interval": 3}
    with_all, without = (lender.of_scene(scene, **{**settings, **each}).render(3)[0] for each in ({}, part))
    assert (with_all != without).any()


def test_what_was_lent_may_be_overwritten_afterwards():
    """The host's memory is only borrowed: nothing that is kept may look into it."""
    form = scenes.video_format(frames=8, size=(64, 80))
    scene = scenes.translation(form, (0.7, 0.3))
    expected = lender.of_scene(scene).film()
    lent = lender.of_scene(scene)
    for n in range(form.frames):
        kept = lent.clip, lent.masks
        lent.clip = [Frame(tuple(p.copy() for p in frame.planes), frame.properties) for frame in kept[0]]
        lent.masks = [Frame(tuple(p.copy() for p in frame.planes)) for frame in kept[1]]
        for found, remembered in zip(lent.render(n), expected[n], strict=True):
            assert_same_bits(found, remembered)
        for frame in lent.clip + lent.masks:
            for plane in frame.planes:
                plane[:] = 1
        lent.clip, lent.masks = kept
