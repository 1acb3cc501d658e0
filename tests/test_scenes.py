"""The scenes are what they say: flow leads from a pixel to the same place, and the hole holds nothing of the truth."""

import numpy as np
import pytest
import scenes
from scipy.ndimage import map_coordinates

FORM = scenes.video_format("GRAY", is_float=True, bits=32, size=(72, 96), frames=5)
MOVING = {
    "still": lambda form: scenes.still(form),
    "translation": lambda form: scenes.translation(form, (1.3, -0.6)),
    "zoom": lambda form: scenes.zoom(form, 1.01),
    "rotation": lambda form: scenes.rotation(form, 0.7),
}
MARGIN = 8  # pixels, the border that motion brings in and the kernel's support
# Mean error of one spline interpolation of a frame, in parts of full scale: 0.0006 measured for the translation, the
# largest. A flow with its sign turned gives 0.009 or more.
INTERPOLATION = 0.002


def carried(source, flow):
    rows, columns = np.mgrid[: source.shape[0], : source.shape[1]].astype(np.float64)
    return map_coordinates(source.astype(np.float64), (rows + flow[1], columns + flow[0]), order=5, mode="reflect")


@pytest.mark.parametrize("make", MOVING.values(), ids=MOVING)
def test_flow_leads_to_the_same_place(make):
    scene = make(FORM)
    inner = np.s_[MARGIN:-MARGIN, MARGIN:-MARGIN]
    for t in range(FORM.frames - 1):
        here, there = scene.truth[t][0], scene.truth[t + 1][0]
        assert np.abs(carried(there, scene.flow_fw[t]) - here)[inner].mean() < INTERPOLATION
        assert np.abs(carried(here, scene.flow_bw[t]) - there)[inner].mean() < INTERPOLATION


def test_flow_of_a_translation_is_its_step():
    scene = scenes.translation(FORM, (1.3, -0.6))
    np.testing.assert_allclose(scene.flow_fw[:, 0], 1.3, rtol=0, atol=1e-4)
    np.testing.assert_allclose(scene.flow_fw[:, 1], -0.6, rtol=0, atol=1e-4)
    np.testing.assert_allclose(scene.flow_bw, -scene.flow_fw, rtol=0, atol=1e-4)


def test_a_still_scene_is_one_picture():
    scene = scenes.still(scenes.video_format(frames=3))
    for planes in scene.truth[1:]:
        for plane, first in zip(planes, scene.truth[0], strict=True):
            np.testing.assert_array_equal(plane, first)


FORMATS = [
    scenes.video_format("GRAY", bits=16, frames=2),
    scenes.video_format("YUV", bits=10, subsampling=(1, 0), frames=2),
    scenes.video_format("YUV", is_float=True, bits=16, subsampling=(0, 0), frames=2),
    scenes.video_format("YUV", bits=8, subsampling=(2, 2), frames=2),
    scenes.video_format("RGB", bits=12, frames=2),
]


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: f"{form.family}{form.bits}")
def test_planes_fit_the_format_and_damage_stays_in_the_hole(form):
    scene = scenes.translation(form, (0.5, 0.25))
    for t in range(form.frames):
        for plane, (damaged, truth) in enumerate(zip(scene.damaged[t], scene.truth[t], strict=True)):
            hole = scene.plane_hole(t, plane)
            assert damaged.dtype == form.dtype
            assert damaged.shape == form.plane_shape(plane)
            np.testing.assert_array_equal(damaged[~hole], truth[~hole])
            assert (damaged[hole] != truth[hole]).mean() > 0.9


def test_the_occluder_moves_by_itself_before_its_background():
    scene = scenes.occluder(FORM, (0.5, 0), (-2, 0), radius=12)
    middle = FORM.frames // 2
    assert scene.flow_fw[middle, 0, FORM.height // 2, FORM.width // 2] == -2
    assert scene.flow_fw[middle, 0, 2, 2] == 0.5


def test_nothing_crosses_a_cut():
    scene = scenes.cut(scenes.still(FORM), scenes.translation(FORM, (1, 0), picture="astronaut"))
    assert scene.cuts == (5,)
    assert np.isnan(scene.flow_fw[4]).all()
    assert np.isfinite(np.delete(scene.flow_fw, 4, axis=0)).all()
    marked = [frame.properties["_SceneChangePrev"] for frame in scene.frames(mark_cuts=True)]
    assert marked == [0, 0, 0, 0, 0, 1, 0, 0, 0, 0]
    assert [frame.properties["_SceneChangeNext"] for frame in scene.frames(mark_cuts=True)].index(1) == 4


def test_a_seed_gives_one_scene():
    for first, second in zip(scenes.noise(FORM, seed=3).damaged, scenes.noise(FORM, seed=3).damaged, strict=True):
        np.testing.assert_array_equal(first[0], second[0])
    assert (scenes.noise(FORM, seed=3).truth[0][0] != scenes.noise(FORM, seed=4).truth[0][0]).any()
