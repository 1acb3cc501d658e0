"""Extra clips, rejected frames and presets through the filter, with the real engine: the same bytes as without it."""

import random

import clips
import lender
import numpy as np
import pytest
import scenes
import vapoursynth as vs
from tolerance import assert_same_bits

from vsdfvi.frames.pixels import Frame
from vsdfvi.presets import PRESETS

SETTINGS = {"completion": "laplace", "scene_threshold": 0, "radius": 4, "keyframe_interval": 3, "threads": 1}


@pytest.fixture(scope="module")
def scene():
    form = scenes.video_format(size=(64, 80), frames=7, bits=10)
    return scenes.translation(form, (1.5, 0), scenes.box(form, (16, 19), (20, 22), (1, 1)))


def extras_of(scene, plates=1):
    """An exclusion, a plate, and true flow: as frames for the engine, and as clips."""
    form, size = scene.format, scene.mask.shape[1:]
    marked = np.roll(scene.mask, 12, axis=2) & ~scene.mask
    unused = np.zeros((1, 3, *size), np.float32)
    third = np.zeros((form.frames - 1, 1, *size), np.float32)
    flow_fw, flow_bw = (np.concatenate([vectors, third], axis=1) for vectors in (scene.flow_fw, scene.flow_bw))
    kind = scenes.video_format("RGB", bits=32, is_float=True, size=size, frames=form.frames)
    grey = scenes.video_format("GRAY", size=size, frames=form.frames)
    given = {
        "exclude": ([(picture.astype(np.uint8) * 255,) for picture in marked], grey),
        "reference": (list(scene.truth[3 : 3 + plates] if plates == 1 else scene.truth), form),
        "flow_fw": (list(map(tuple, np.concatenate([flow_fw, unused]))), kind),
        "flow_bw": (list(map(tuple, np.concatenate([unused, flow_bw]))), kind),
    }
    frames = {name: ([Frame(planes) for planes in pictures], kind) for name, (pictures, kind) in given.items()}
    nodes = {name: clips.clip_of(pictures, kind) for name, (pictures, kind) in given.items()}
    return frames, nodes


@pytest.mark.parametrize("names", [("exclude",), ("reference",), ("flow_fw", "flow_bw"), None], ids=str)
@pytest.mark.parametrize("plates", [1, 7])
def test_extra_clips_reach_the_engine_in_any_order(scene, threads, log, names, plates):
    threads(4)
    frames, nodes = extras_of(scene, plates)
    names = names or tuple(frames)
    host = lender.of_scene(scene, extras={name: frames[name] for name in names}, **SETTINGS)
    clip, mask = clips.clip_of(scene.damaged, scene.format), clips.mask_of(scene.mask)
    output = clip.dfvi.Inpaint(mask, **SETTINGS, **{name: nodes[name] for name in names})
    order = list(range(7))
    random.Random(3).shuffle(order)
    for n in order:
        expected = host.render(n)
        with output.get_frame(n) as frame:
            for plane, samples in enumerate(expected):
                assert_same_bits(np.asarray(frame[plane]).copy(), samples)
            assert {key: frame.props[key] for key in frame.props if key.startswith("Dfvi")} == host.properties[n]
    assert not any("kept a view" in text for _, text in log)


def test_a_rejected_frame_is_the_source_frame_itself(scene, tmp_path):
    clip, mask = clips.clip_of(scene.damaged, scene.format), clips.mask_of(scene.mask)
    clip = clip.std.SetFrameProps(Title="film")
    file = tmp_path / "rejected.txt"
    file.write_text("2-3  # better as it was\n")
    for given in ("2, 3", str(file)):
        output = clip.dfvi.Inpaint(mask, **SETTINGS, reject=given)
        with output.get_frame(2) as frame, clip.get_frame(2) as source:
            assert dict(frame.props) == dict(source.props)
            assert all(np.array_equal(np.asarray(frame[p]), np.asarray(source[p])) for p in range(3))
        with output.get_frame(4) as frame:
            assert frame.props["DfviHole"] == int(scene.mask[4].sum())


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"reject": "7"}, "reject must be frames of the clip, 0 to 6, got 7"),
        ({"preset": "hair"}, f"preset must be one of {', '.join(PRESETS)}, got 'hair'"),
        ({"min_distance": 5, "radius": 4}, "min_distance must be at most radius, 4 frames, got 5"),
    ],
    ids=str,
)
def test_what_is_wrong_is_said_at_creation(scene, given, sentence):
    clip, mask = clips.clip_of(scene.damaged, scene.format), clips.mask_of(scene.mask)
    with pytest.raises(vs.Error) as refusal:
        clip.dfvi.Inpaint(mask, **{**SETTINGS, **given})
    assert str(refusal.value) == f"Inpaint: {sentence}"


def test_an_exclusion_with_the_papers_rule_is_refused_at_creation(scene):
    clip, mask = clips.clip_of(scene.damaged, scene.format), clips.mask_of(scene.mask)
    with pytest.raises(vs.Error, match=r"^Inpaint: propagation must be trace where exclude is given, got 'paper'$"):
        clip.dfvi.Inpaint(mask, exclude=mask, propagation="paper")


def test_a_preset_arrives_and_what_is_given_beside_it_counts_more(engine, clip, mask):
    clip.dfvi.Inpaint(mask, preset="logo", radius=5)
    assert (engine.rules.settings.preset, engine.rules.settings.radius, engine.rules.settings.dilate) == ("logo", 5, 2)
