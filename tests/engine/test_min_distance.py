"""``min_distance``: a source is at least so many frames away."""

from dataclasses import replace

import lender
import numpy as np
import pytest
import scenes
from gpus import pretended
from tolerance import assert_same_bits

from vsdfvi.engine.footage import Footage
from vsdfvi.kernels import pack

SETTINGS = {"completion": "laplace", "scene_threshold": 0, "radius": 6}


def film(**fields):
    form = scenes.video_format(size=(64, 80), frames=9, **fields)
    mask = scenes.box(form, (12, 14), (20, 24))
    mask[[1, 2, 3, 5, 6, 7]] = False  # every frame but 0, 4 and 8 is whole
    return scenes.still(form, mask)


def spoiled(scene, frames):
    """The scene with noise in the place of some frames."""
    noise = scenes.noise(scene.format, scenes.empty(scene.format), seed=5)
    return replace(
        scene, damaged=tuple(noise.damaged[t] if t in frames else planes for t, planes in enumerate(scene.damaged))
    )


@pytest.fixture
def true_flow(monkeypatch):
    """Flow is the truth, whatever the frames hold."""
    monkeypatch.setattr(Footage, "flow", lambda self, n: pack([(0, 0)], [np.zeros((4, *self.size), np.float32)]))


@pytest.mark.parametrize(
    "family", [{"family": "GRAY"}, {"subsampling": (1, 1)}, {"family": "RGB", "bits": 12}], ids=str
)
@pytest.mark.parametrize(("distance", "unread"), [(2, (3, 5)), (3, (2, 3, 5, 6))])
def test_nearer_frames_are_passed(true_flow, family, distance, unread):
    scene = film(**family)
    host, other = (lender.of_scene(each, **SETTINGS, min_distance=distance) for each in (scene, spoiled(scene, unread)))
    for a, b in zip(host.render(4), other.render(4), strict=True):
        assert_same_bits(a, b)
    first = (4 - distance, 4 + distance)
    # Of more sources, those that are spoiled would count next to nothing.
    one, third = (
        lender.of_scene(each, **SETTINGS, min_distance=distance, sources=1) for each in (scene, spoiled(scene, first))
    )
    assert (third.render(4)[0] != one.render(4)[0]).any()


def test_what_is_seen_only_nearer_is_invented(true_flow):
    scene = film(family="GRAY")
    host = lender.of_scene(scene, **SETTINGS, min_distance=5)  # the clip ends four frames away
    host.render(4)
    assert host.properties[4]["DfviTraced"] == 0
    assert host.properties[4]["DfviInvented"] == int(scene.mask[4].sum())


def test_random_order_is_sequential_order_and_a_gpu_s_bytes_are_the_cpu_s():
    form = scenes.video_format(size=(48, 64), frames=6)
    scene = scenes.translation(form, (1.3, 0.4))
    settings = {"completion": "laplace", "flow": "dis", "min_distance": 2, "radius": 4}
    sequential = lender.of_scene(scene, **settings).film()
    host = lender.of_scene(scene, **settings)
    with pretended():
        there = lender.of_scene(scene, **settings, device="cuda").film()
    for n in (4, 1, 5, 0, 3, 2):
        for a, b, c in zip(host.render(n), sequential[n], there[n], strict=True):
            assert_same_bits(a, b)
            assert_same_bits(c, b)


def test_flow_exists_where_walks_pass_whole_frames():
    host = lender.of_scene(film(family="GRAY"), **SETTINGS, min_distance=3)
    host.render(4)
    assert host.properties[4]["DfviInvented"] == 0
    assert {len(host.inpainter._footage.boxes(pair)) for pair in (1, 2, 5, 6)} == {1}
