"""Flow by a program that the user names: it takes the place of DIS in every pass, and nothing else changes."""

import lender
import numpy as np
import programs
import pytest
import scenes
import torch
from tolerance import assert_same_bits

from vsdfvi.engine import flow_program
from vsdfvi.errors import EngineError, WeightsError

SETTINGS = {"scene_threshold": 0, "completion": "laplace"}
STEP = (4, -2)  # whole samples of every plane


@pytest.fixture(scope="module")
def shift(tmp_path_factory):
    return programs.written(tmp_path_factory.mktemp("programs") / "shift.pt", programs.Shift(*STEP))


def moving(form):
    """A picture that moves by whole samples behind a hole, which moves too."""
    mask = scenes.box(form, (16, 20), (30, 24), (-3.0, 1.0))
    mask[1::2] = False
    return scenes.translation(form, STEP, mask)


FORMATS = [("GRAY", (0, 0), 8, False), ("YUV", (1, 1), 10, False), ("RGB", (0, 0), 8, False), ("RGB", (0, 0), 32, True)]


@pytest.mark.parametrize(("family", "subsampling", "bits", "is_float"), FORMATS, ids=str)
def test_true_flow_from_a_program_brings_back_what_other_frames_show(shift, family, subsampling, bits, is_float):
    """Both ways of it: one taken for the other would lead nowhere."""
    form = scenes.video_format(family, subsampling=subsampling, bits=bits, is_float=is_float, frames=5)
    scene = moving(form)
    lent = lender.of_scene(scene, flow=shift, **SETTINGS)
    for n in (0, 2, 4):
        planes = lent.render(n)
        assert lent.properties[n]["DfviInvented"] == 0
        for found, expected in zip(planes, scene.truth[n], strict=True):
            if is_float:
                np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
            else:
                assert_same_bits(found, expected)


@pytest.mark.parametrize(("family", "size"), [("GRAY", (96, 128)), ("RGB", (61, 75)), ("YUV", (600, 128))], ids=str)
def test_a_program_gives_the_flow_of_every_pair_in_pixels_of_the_frame(tmp_path, family, size):
    """From 600 lines on, flow is estimated at half the size."""
    form = scenes.video_format(family, size=size, subsampling=(0, 0), frames=2)
    scene = scenes.translation(form, (0.0, 0.0), scenes.box(form, (16, 20), (30, 24)))
    path = programs.written(tmp_path / "program.pt", programs.Always(1.5, -0.5))
    lent = lender.of_scene(scene, flow=path, **SETTINGS)
    footage = lent.inpainter._footage
    footage.lend(dict(enumerate(lent.clip)), dict(enumerate(lent.masks)))
    found = footage.flow(0)
    scale = 2 if size[0] == 600 else 1
    assert len(found.boxes) == 1
    for plane, value in enumerate((1.5, -0.5, 1.5, -0.5)):
        np.testing.assert_allclose(found.planes(0)[plane], value * scale, atol=0.05)


@pytest.mark.parametrize("family", ["GRAY", "YUV", "RGB"])
def test_a_program_is_shown_luma_in_three_channels_from_0_to_1(tmp_path, family):
    form = scenes.video_format(family, bits=32, is_float=True, subsampling=(0, 0), frames=2)
    scene = scenes.still(form, scenes.box(form, (16, 20), (30, 24), (8.0, 0.0)))
    for frame in scene.damaged:
        frame[0][:5, :5], frame[0][5:9, :5] = -3, 7  # beyond the range
    path = programs.written(tmp_path / "program.pt", programs.GreyOnly())
    lent = lender.of_scene(scene, flow=path, **SETTINGS)
    assert len(lent.film()) == 2


def test_every_pass_and_both_ways_are_the_program_s_and_the_last_sees_a_moved_filling(shift, monkeypatch):
    form = scenes.video_format("GRAY", frames=2)
    scene = moving(form)
    seen = []
    real = flow_program.FlowProgram.both_ways

    def watched(self, earlier, later, start, workers, *, full):
        seen.append((earlier.copy(), later.copy(), start, full))
        return real(self, earlier, later, start, workers, full=full)

    monkeypatch.setattr(flow_program.FlowProgram, "both_ways", watched)
    lender.of_scene(scene, flow=shift, **SETTINGS).render(0)
    assert [full for *_, full in seen] == [False, False, True]
    assert_same_bits(seen[1][0], seen[0][0].copy())
    assert (seen[1][1] != seen[0][1]).any()


def test_frames_are_the_same_in_any_order_and_with_any_threads(shift):
    form = scenes.video_format(frames=5, size=(64, 96))
    mask = scenes.box(form, (12, 14), (10, 10), (1.0, 0.0)) | scenes.box(form, (12, 14), (70, 44))
    scene = scenes.translation(form, STEP, mask)
    film = lender.of_scene(scene, flow=shift, **SETTINGS).film()
    before = torch.get_num_threads()
    try:
        for n, threads in ((4, 1), (1, 2), (2, 8)):
            torch.set_num_threads(threads)
            lent = lender.of_scene(scene, flow=shift, threads=threads, **SETTINGS)
            for plane, (found, expected) in enumerate(zip(lent.render(n), film[n], strict=True)):
                assert_same_bits(found, expected)
                hole = scene.plane_hole(n, plane)
                assert_same_bits(found[~hole], scene.damaged[n][plane][~hole])
    finally:
        torch.set_num_threads(before)


# Errors.


def test_a_missing_or_wrong_program_is_refused_when_the_filter_is_made(tmp_path):
    scene = scenes.still(scenes.video_format(frames=2))
    path = tmp_path / "gone.pt"
    with pytest.raises(WeightsError) as caught:
        lender.of_scene(scene, flow=str(path))
    assert str(caught.value) == f"{path} must be a weights file, got nothing of that name. Check the path."
    programs.written(path, programs.Paint(0, 1, 0))
    with pytest.raises(WeightsError) as caught:
        lender.of_scene(scene, flow=str(path))
    assert str(caught.value).startswith(f"{path} must be a program that returns ")


def test_a_program_that_lacks_memory_says_what_to_lower(tmp_path):
    form = scenes.video_format(size=(96, 256), frames=2)
    scene = scenes.still(form, scenes.box(form, (20, 200), (20, 30)))
    path = programs.written(tmp_path / "memory.pt", programs.Failing(2, "memory"))
    threads = torch.get_num_threads()
    with pytest.raises(EngineError) as caught:
        lender.of_scene(scene, flow=path, **SETTINGS).render(0)
    assert torch.get_num_threads() == threads
    assert str(caught.value) == (
        f"flow must be what memory suffices for, got '{path}' for 256x96 pixels, which ran out of it: "
        "repair less at a time (the mask, dilate), lower memory, or set flow to 'dis'"
    )


def test_a_program_that_answers_wrongly_later_on_is_told(tmp_path):
    form = scenes.video_format(size=(96, 256), frames=2)
    scene = scenes.still(form, scenes.box(form, (20, 200), (20, 30)))
    path = programs.written(tmp_path / "nan.pt", programs.Failing(2, "nan"))
    with pytest.raises(WeightsError) as caught:
        lender.of_scene(scene, flow=path, **SETTINGS).render(0)
    assert str(caught.value) == (
        f"{path} must be a program that returns finite numbers, got NaN or infinity. "
        "It is for something else, or made another way."
    )
