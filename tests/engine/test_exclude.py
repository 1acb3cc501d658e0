"""The clip ``exclude``: what it marks is never taken from, in any plane, and is not repaired either."""

from dataclasses import replace

import lender
import numpy as np
import pytest
import scenes
from gpus import pretended
from tolerance import assert_same_bits

from vsdfvi.engine import synthesis
from vsdfvi.engine.footage import Footage
from vsdfvi.errors import SettingError
from vsdfvi.frames.pixels import Frame
from vsdfvi.kernels import pack
from vsdfvi.kernels.meld import meld_fill

FORMATS = {
    "GRAY8": {"family": "GRAY"},
    "YUV420P10": {"bits": 10, "subsampling": (1, 1)},
    "YUV410P8": {"subsampling": (2, 2)},
    "YUV422PH": {"bits": 16, "is_float": True, "subsampling": (1, 0)},
    "YUV444PS": {"bits": 32, "is_float": True, "subsampling": (0, 0)},
    "RGB48": {"family": "RGB", "bits": 16},
}
SIZE = 64, 80


def film(still=False, **fields):
    """A still picture behind a hole that moves, or that does not: then no frame shows what is behind it."""
    form = scenes.video_format(size=SIZE, frames=7, **fields)
    return scenes.still(form, scenes.box(form, (13, 15), (21, 22), (0, 0) if still else (7, 1)))


def beside(scene):
    """A mask of what lies right beside the hole, to its right, on every frame; odd, so that blocks are cut."""
    marked = np.roll(scene.mask, 9, axis=2)
    marked[:, :5] = True  # and of a strip that no hole is near
    return marked & ~scene.mask


def lent(mask):
    form = scenes.video_format("GRAY", size=mask.shape[1:], frames=len(mask))
    return [Frame((picture.astype(np.uint8) * 200,)) for picture in mask], form


def render(scene, mask, **settings):
    extras = {} if mask is None else {"exclude": lent(mask)}
    settings = {"completion": "laplace", "scene_threshold": 0, "radius": 4, **settings}
    return lender.Lender(scene.frames(), scene.mask, scene.format, extras=extras, **settings)


def poisoned(scene, mask, seed):
    """The scene with noise wherever the mask is set and the hole is not."""
    random, frames = np.random.default_rng(seed), []
    for t, planes in enumerate(scene.damaged):
        new = []
        for plane, samples in enumerate(planes):
            hole = scenes.on_plane(scene.mask[t], *scene.format.subsampling(plane))
            where = scenes.on_plane(mask[t], *scene.format.subsampling(plane)) & ~hole
            rubbish = random.random(samples.shape) * (1 if scene.format.is_float else scene.format.peak)
            new.append(np.where(where, rubbish.astype(samples.dtype), samples))
        frames.append(tuple(new))
    return replace(scene, damaged=tuple(frames))


@pytest.fixture
def true_flow(monkeypatch):
    """Flow is the truth, so that what the pictures hold reaches the result as samples alone."""

    def flow(self, n):
        return pack([(0, 0)], [np.zeros((4, *self.size), np.float32)])

    monkeypatch.setattr(Footage, "flow", flow)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    "settings",
    [{}, {"radius": 1}, {"radius": 1, "synthesis": "diffusion", "keyframe_interval": 3}, {"dilate": 2, "radius": 2}],
    ids=str,
)
@pytest.mark.parametrize("still", [False, True], ids=["moving", "still"])
def test_what_is_excluded_has_no_influence_and_stays(true_flow, name, settings, still):
    scene = film(still, **FORMATS[name])
    marked = beside(scene)
    clean, spoiled = (
        render(each, marked, **settings) for each in (poisoned(scene, marked, 1), poisoned(scene, marked, 2))
    )
    for n in (0, 3, 6):
        one, other = clean.render(n), spoiled.render(n)
        assert clean.properties[n] == spoiled.properties[n]
        for plane, (a, b) in enumerate(zip(one, other, strict=True)):
            inside = scenes.on_plane(scene.mask[n], *scene.format.subsampling(plane))
            assert_same_bits(a[inside], b[inside])
            if not settings.get("dilate"):
                assert_same_bits(a[~inside], clean.clip[n].planes[plane][~inside])


@pytest.mark.parametrize("name", ["GRAY8", "YUV420P10"])
def test_the_kernel_s_support_does_not_reach_what_is_excluded(monkeypatch, name):
    """Between pixels a sample is made of eight by eight: right beside an exclusion some of them would lie in it."""
    form = scenes.video_format(size=SIZE, frames=7, **FORMATS[name])
    scene = scenes.translation(form, (0.5, 0.5), scenes.box(form, (13, 15), (21, 22), (7, 1)))
    true = [pack([(0, 0)], [np.concatenate(both)]) for both in zip(scene.flow_fw, scene.flow_bw, strict=True)]
    monkeypatch.setattr(Footage, "flow", lambda self, n: true[n])
    marked = beside(scene)
    one, other, plain = (
        render(poisoned(scene, marked, seed), mask).render(3) for seed, mask in ((1, marked), (2, marked), (2, None))
    )
    hole = scene.mask[3]
    for plane, (a, b) in enumerate(zip(one, other, strict=True)):
        inside = scenes.on_plane(hole, *form.subsampling(plane))
        assert_same_bits(a[inside], b[inside])
    assert (plain[0][hole] != other[0][hole]).any()


def test_chroma_walks_past_whole_blocks_that_are_touched():
    scene = film()
    host = render(scene, beside(scene))
    footage = host.inpainter._footage
    extras = {name: dict(enumerate(frames)) for name, frames in host.extras.items()}
    footage.lend(dict(enumerate(host.clip)), dict(enumerate(host.masks)), extras)
    for n in (0, 3):
        barred = scene.mask[n] | beside(scene)[n]
        blocks = scenes.on_plane(barred, 1, 1).repeat(2, axis=0).repeat(2, axis=1)
        np.testing.assert_array_equal(footage.barred(n).crop(0, 0, SIZE[1], SIZE[0]) > 0, barred)
        np.testing.assert_array_equal(footage.block_hole(n).crop(0, 0, SIZE[1], SIZE[0]) > 0, blocks)


def test_patches_are_not_copied_from_what_is_excluded(true_flow, monkeypatch):
    seen = []

    def recorded(image, hole, *, source):
        seen.append((hole, source))
        return meld_fill(image, hole, source=source)

    monkeypatch.setattr(synthesis, "meld_fill", recorded)
    scene = film(still=True)
    render(scene, beside(scene)).render(0)
    [(hole, source)] = seen
    barred = (scene.mask[0] | beside(scene)[0])[: hole.shape[0], : hole.shape[1]]
    assert hole.shape == SIZE
    assert not source[barred].any()
    assert source[:, 40:].sum() > 500
    assert not hole[beside(scene)[0] & ~scenes.on_plane(scene.mask[0], 1, 1).repeat(2, 0).repeat(2, 1)].any()


def test_without_it_the_same_places_are_taken_from(true_flow):
    scene = film(family="GRAY")
    marked = beside(scene)
    one, other = (render(poisoned(scene, marked, seed), None).render(3)[0] for seed in (1, 2))
    assert (one != other).any()


def test_a_walk_goes_on_to_where_it_may_stop(true_flow):
    scene = film(family="GRAY")
    everything = np.zeros_like(scene.mask)
    everything[[2, 4]] = True  # both neighbours of frame 3
    host = render(scene, everything)
    found = host.render(3)[0]
    assert_same_bits(found[scene.mask[3]], scene.truth[3][0][scene.mask[3]])
    footage = host.inpainter._footage
    footage.lend(
        dict(enumerate(host.clip)), dict(enumerate(host.masks)), {"exclude": dict(enumerate(host.extras["exclude"]))}
    )
    assert footage.barred(2).samples.shape == SIZE
    assert footage.hole(2).samples.shape == (13, 15)
    assert host.properties[3]["DfviTraced"] == int(scene.mask[3].sum())


def test_where_everything_is_excluded_all_is_invented(true_flow):
    scene = film(family="GRAY")
    host = render(scene, np.ones_like(scene.mask))
    host.render(3)
    assert host.properties[3]["DfviTraced"] == 0
    assert host.properties[3]["DfviInvented"] == int(scene.mask[3].sum())


@pytest.mark.parametrize("settings", [{"completion": "dfc"}, {"radius": 1}], ids=str)
def test_an_empty_exclusion_changes_no_byte(settings):
    scene = film()
    host, plain = render(scene, np.zeros_like(scene.mask), **settings), render(scene, None, **settings)
    for n in (1, 4):
        for a, b in zip(host.render(n), plain.render(n), strict=True):
            assert_same_bits(a, b)


def test_one_frame_stands_for_all():
    scene = film()
    marked = np.repeat(beside(scene)[:1], 7, axis=0)
    for n in (2, 5):
        one, all_of_them = render(scene, marked[:1]).render(n), render(scene, marked).render(n)
        for a, b in zip(one, all_of_them, strict=True):
            assert_same_bits(a, b)


def test_random_order_is_sequential_order():
    scene = film()
    marked = beside(scene)
    sequential = render(scene, marked).film()
    host = render(scene, marked, memory=16, threads=2)
    for n in (5, 0, 6, 3, 1, 4, 2):
        for a, b in zip(host.render(n), sequential[n], strict=True):
            assert_same_bits(a, b)


@pytest.mark.parametrize("settings", [{}, {"radius": 1}], ids=str)
def test_the_bytes_are_the_cpu_s_on_a_gpu(settings):
    scene = film(**FORMATS["YUV420P10"])
    settings = {"flow": "dis", **settings}
    here = render(scene, beside(scene), device="cpu", **settings).film()
    with pretended():
        there = render(scene, beside(scene), device="cuda", **settings).film()
    for a, b in zip(here, there, strict=True):
        for mine, theirs in zip(a, b, strict=True):
            assert_same_bits(mine, theirs)


def test_the_rule_of_the_paper_knows_no_exclusion():
    scene = film()
    with pytest.raises(SettingError, match=r"^propagation must be trace where exclude is given, got 'paper'$"):
        render(scene, beside(scene), propagation="paper")


def test_flow_exists_where_walks_pass_whole_frames_that_are_excluded():
    scene = film(family="GRAY")
    mask = scene.mask.copy()
    mask[[2, 4]] = mask[[1, 5]] = False
    marked = np.zeros_like(mask)
    marked[[2, 4]] = scene.mask[[3]]
    host = render(replace(scene, mask=mask, damaged=scene.truth), marked)
    host.render(3)
    assert host.properties[3]["DfviInvented"] == 0
