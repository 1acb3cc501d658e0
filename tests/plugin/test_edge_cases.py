"""What a person may well hand over: one frame, all hole, no hole, fields, samples that are no numbers."""

import clips
import numpy as np
import pytest
import scenes
import vapoursynth as vs
from tolerance import assert_same_bits

FLOATS = {"half": (16, True), "single": (32, True)}


def inpaint(scene, mask=None, **settings):
    """Return the repaired clip of a scene."""
    mask = clips.mask_of(scene.mask if mask is None else mask)
    return clips.clip_of(scene.damaged, scene.format).dfvi.Inpaint(mask, **settings)


def told(clip, n):
    """Return the counts of a frame."""
    with clip.get_frame(n) as frame:
        return tuple(frame.props[name] for name in ("DfviHole", "DfviTraced", "DfviInvented"))


@pytest.mark.parametrize("family", clips.FAMILIES)
def test_a_clip_of_one_frame_is_invented(family):
    name, subsampling = clips.FAMILIES[family]
    form = scenes.video_format(name, subsampling=subsampling, size=(48, 64), frames=1)
    scene = scenes.still(form)
    repaired = inpaint(scene)
    hole = int(scene.mask.sum())
    assert told(repaired, 0) == (hole, 0, hole)
    for plane, (found, source) in enumerate(zip(clips.planes_of(repaired, 0), scene.damaged[0], strict=True)):
        inside = scene.plane_hole(0, plane)
        assert_same_bits(found[~inside], source[~inside])
        known = source[~inside]
        assert known.min() <= found[inside].min()
        assert found[inside].max() <= known.max()


@pytest.mark.parametrize("synthesis", ["exemplar", "diffusion"])
@pytest.mark.parametrize("frames", [1, 4])
@pytest.mark.parametrize("family", ["GRAY", "420", "RGB"])
def test_a_clip_that_is_all_hole_ends_in_a_picture(family, frames, synthesis):
    name, subsampling = clips.FAMILIES[family]
    form = scenes.video_format(name, subsampling=subsampling, size=(32, 48), frames=frames)
    scene = scenes.noise(form, ~scenes.empty(form))
    repaired = inpaint(scene, synthesis=synthesis)
    for n in range(frames):
        assert told(repaired, n) == (32 * 48, 0, 32 * 48)
        for plane in clips.planes_of(repaired, n):
            assert plane.min() == plane.max()  # nothing is known: nothing has a shape


def test_a_frame_that_is_all_hole_between_others_is_traced():
    form = scenes.video_format(size=(64, 96), frames=3)
    mask = scenes.empty(form)
    mask[1] = True
    scene = scenes.still(form, mask)
    repaired = inpaint(scene, scene_threshold=0)
    assert told(repaired, 1)[0] == 64 * 96
    for n in (0, 2):
        assert_same_bits(clips.planes_of(repaired, n)[0], scene.damaged[n][0])


def test_an_empty_mask_gives_the_source_frame_itself():
    form = scenes.video_format(size=(48, 64), frames=4)
    scene = scenes.noise(form, scenes.empty(form))
    clip = clips.clip_of(scene.damaged, form)
    for mask in (scene.mask, scene.mask[:1]):
        repaired = clip.dfvi.Inpaint(clips.mask_of(mask))
        for n in range(4):
            for found, source in zip(clips.planes_of(repaired, n), scene.damaged[n], strict=True):
                assert_same_bits(found, source)
            with repaired.get_frame(n) as frame:
                assert "DfviHole" not in frame.props


def test_a_speck_in_every_corner_is_repaired():
    form = scenes.video_format(size=(48, 64), frames=3)
    mask = scenes.empty(form)
    mask[:, [0, 0, -1, -1], [0, -1, 0, -1]] = True
    scene = scenes.noise(form, mask)
    repaired = inpaint(scene, dilate=1)
    for n in range(3):
        assert told(repaired, n)[0] == 4 * 3
        changed = clips.planes_of(repaired, n)[0] != scene.damaged[n][0]
        assert changed.sum() <= 12
        assert changed.any()


@pytest.mark.parametrize("field", [1, 2])
def test_fields_are_refused_with_the_way_out(field):
    form = scenes.video_format(size=(48, 64), frames=3)
    scene = scenes.still(form)
    clip = clips.clip_of(scene.damaged, form, _FieldBased=[0, field, 0])
    repaired = clip.dfvi.Inpaint(clips.mask_of(scene.mask))
    with pytest.raises(vs.Error) as caught:
        repaired.get_frame(1)
    assert str(caught.value) == (
        f"Inpaint: clip must be progressive, got _FieldBased={field} at frame 1: "
        "call std.SeparateFields on clip and mask first, and std.DoubleWeave on the result"
    )


def test_the_way_out_is_one():
    """What the error tells, done: fields are repaired, and woven again nothing but the hole has changed."""
    form = scenes.video_format(size=(64, 64), frames=3)
    scene = scenes.still(form, scenes.box(form, (16, 16), (20, 24)))
    clip = clips.clip_of(scene.damaged, form, _FieldBased=[2] * 3)
    fields, mask = clip.std.SeparateFields(), clips.mask_of(scene.mask).std.SeparateFields(tff=True)
    woven = fields.dfvi.Inpaint(mask).std.DoubleWeave(tff=True).std.SelectEvery(2, 0)
    for n in range(3):
        for plane, (found, source) in enumerate(zip(clips.planes_of(woven, n), scene.damaged[n], strict=True)):
            # A chroma row of a field covers two rows of the field, which are four of the frame.
            outside = ~scene.plane_hole(n, plane) if plane == 0 else np.ones(source.shape, bool)
            if plane:
                outside[10:22, 10:18] = False
            assert_same_bits(found[outside], source[outside])


# Samples that are no numbers.

NOT_NUMBERS = (np.nan, np.inf, -np.inf)


def spoiled(scene, frame, at):
    """Return a scene's frames with three samples of every plane of a frame that are no numbers."""
    frames = [tuple(plane.copy() for plane in planes) for planes in scene.damaged]
    for plane in frames[frame]:
        for (y, x), value in zip(at, NOT_NUMBERS, strict=True):
            plane[y * plane.shape[0] // 64, x * plane.shape[1] // 96] = value
    return frames


@pytest.mark.parametrize("depth", FLOATS)
@pytest.mark.parametrize("family", ["GRAY", "420", "RGB"])
def test_what_is_no_number_outside_the_hole_stays_as_it_is(family, depth):
    name, subsampling = clips.FAMILIES[family]
    bits, is_float = FLOATS[depth]
    form = scenes.video_format(name, bits=bits, is_float=is_float, subsampling=subsampling, size=(64, 96), frames=4)
    scene = scenes.still(form, scenes.box(form, (16, 16), (40, 24)))
    frames = spoiled(scene, 1, [(4, 4), (60, 90), (30, 20)])
    repaired = clips.clip_of(frames, form).dfvi.Inpaint(clips.mask_of(scene.mask))
    for n in range(4):
        for plane, (found, source) in enumerate(zip(clips.planes_of(repaired, n), frames[n], strict=True)):
            inside = scene.plane_hole(n, plane)
            unsigned = {2: np.uint16, 4: np.uint32}[found.itemsize]
            # As bits: also a NaN's own.
            assert_same_bits(found[~inside].view(unsigned), source[~inside].view(unsigned))
            assert np.isfinite(found[inside].astype(np.float32)).all()


TOUCHING = [np.nan, np.inf, -np.inf]


@pytest.mark.parametrize("value", TOUCHING, ids=str)
@pytest.mark.parametrize("width", [16, 2], ids=["a box", "a scratch"])
def test_one_that_touches_the_hole_does_not_fill_it(value, width):
    """It is known picture, wrong as it is. The hole around it is filled with numbers of the picture's own range."""
    form = scenes.video_format("GRAY", bits=32, is_float=True, size=(64, 96), frames=1)
    scene = scenes.still(form, scenes.box(form, (16, width), (40, 24)))
    plane = scene.damaged[0][0].copy()
    plane[23, 40] = value
    repaired = clips.clip_of([(plane,)], form).dfvi.Inpaint(clips.mask_of(scene.mask), synthesis="diffusion")
    [found] = clips.planes_of(repaired, 0)
    inside = found[scene.mask[0]]
    assert np.isfinite(inside).all()
    assert inside.min() >= -0.5
    assert inside.max() <= 1.5


@pytest.mark.parametrize("value", TOUCHING, ids=str)
def test_one_where_the_hole_is_traced_to_spoils_no_more_than_its_taps(value):
    """Frame 0 looks for its hole in frame 1: there, one sample is no number."""
    form = scenes.video_format("GRAY", bits=32, is_float=True, size=(64, 96), frames=2)
    mask = scenes.empty(form)
    mask[0, 24:44, 40:60] = True
    scene = scenes.still(form, mask)
    expected = clips.planes_of(inpaint(scene), 0)[0]
    frames = [tuple(plane.copy() for plane in planes) for planes in scene.damaged]
    frames[1][0][34, 50] = value
    found = clips.planes_of(clips.clip_of(frames, form).dfvi.Inpaint(clips.mask_of(mask)), 0)[0]
    spoiled_samples = np.argwhere(np.abs(found - expected) > 0.05)
    assert len(spoiled_samples) <= 64
    assert (np.abs(spoiled_samples - (34, 50)) <= 4).all()
    assert np.abs(found).max() < 10


@pytest.mark.parametrize("value", NOT_NUMBERS, ids=str)
def test_what_is_no_number_in_the_hole_has_no_influence(value):
    form = scenes.video_format("GRAY", bits=32, is_float=True, size=(64, 96), frames=4)
    scene = scenes.translation(form, (0.5, 0.25))
    frames = [
        (np.where(hole, np.float32(value), plane),) for (plane,), hole in zip(scene.damaged, scene.mask, strict=True)
    ]
    expected, found = inpaint(scene), clips.clip_of(frames, form).dfvi.Inpaint(clips.mask_of(scene.mask))
    for n in range(4):
        assert clips.bytes_of(found, n) == clips.bytes_of(expected, n)


def test_a_clip_of_floats_beyond_their_range_is_repaired():
    form = scenes.video_format("GRAY", bits=32, is_float=True, size=(64, 96), frames=3)
    scene = scenes.still(form)
    loud = [(plane * np.float32(40) - np.float32(7),) for (plane,) in scene.damaged]
    repaired = clips.clip_of(loud, form).dfvi.Inpaint(clips.mask_of(scene.mask))
    for n in range(3):
        [found] = clips.planes_of(repaired, n)
        assert_same_bits(found[~scene.mask[n]], loud[n][0][~scene.mask[n]])
        assert np.isfinite(found).all()


def test_the_largest_settings_on_the_smallest_clip():
    form = scenes.video_format(size=(16, 16), frames=2)
    scene = scenes.noise(form)
    repaired = inpaint(scene, radius=128, window=512, dilate=256, keyframe_interval=512, threads=16)
    assert told(repaired, 1)[0] == 256


def test_the_smallest_settings():
    form = scenes.video_format(size=(48, 64), frames=4)
    scene = scenes.translation(form, (0.5, 0.25))
    repaired = inpaint(scene, radius=1, window=2, keyframe_interval=1, memory=16, consistency=1e-3)
    hole, traced, invented = told(repaired, 2)
    assert hole == traced + invented == int(scene.mask[2].sum())
