"""Where a scene ends, and that nothing beyond its end has any influence."""

import lender
import numpy as np
import pytest
import scenes
from tolerance import assert_same_bits

from vsdfvi.engine.footage import picture_change
from vsdfvi.errors import FormatError
from vsdfvi.frames.pixels import Frame

FORM = scenes.video_format(size=(96, 128), frames=8)
THRESHOLD = 0.075  # the default of scene_threshold


def two_shots(first="astronaut", second="coffee", mask=None):
    """Return eight frames of one picture and eight of another."""
    shots = [scenes.translation(FORM, (0.6, 0.2), mask, picture=picture) for picture in (first, second)]
    return scenes.cut(*shots)


def cuts(scene, frames=None, **settings):
    """Return the first frames of new scenes, as the engine finds them."""
    lent = lender.Lender(frames or scene.frames(), scene.mask, scene.format, **settings)
    footage = lent.inpainter._footage
    footage.lend(dict(enumerate(lent.clip)), dict(enumerate(lent.masks)))
    return [n + 1 for n in range(scene.format.frames - 1) if footage.cut(n)]


# Our own detector.


@pytest.mark.parametrize("pictures", [("coffee", "astronaut"), ("astronaut", "coffee"), ("gravel", "coffee")], ids=str)
def test_a_cut_is_found(pictures):
    assert cuts(two_shots(*pictures)) == [8]


@pytest.mark.parametrize(
    ("family", "bits", "is_float"),
    [("GRAY", 8, False), ("RGB", 8, False), ("YUV", 16, False), ("YUV", 32, True)],
    ids=str,
)
def test_a_cut_is_found_in_any_format(family, bits, is_float):
    form = scenes.video_format(family, bits=bits, is_float=is_float, size=(96, 128), frames=3)
    scene = scenes.cut(*(scenes.still(form, picture=picture) for picture in ("coffee", "astronaut")))
    assert cuts(scene) == [3]


@pytest.mark.parametrize("step", [(0, 0), (2.5, 1.5), (4, -3)], ids=str)
def test_a_pan_is_no_cut(step):
    assert cuts(scenes.translation(FORM, step)) == []


def test_a_zoom_and_a_turn_are_no_cuts():
    assert cuts(scenes.zoom(FORM, 1.03)) == []
    assert cuts(scenes.rotation(FORM, 2.0)) == []


@pytest.mark.parametrize("make", [scenes.default_hole, scenes.scratch, scenes.dirt], ids=lambda make: make.__name__)
def test_damage_is_no_cut_and_hides_none(make):
    assert cuts(scenes.still(FORM, make(FORM))) == []
    assert cuts(two_shots(mask=make(FORM))) == [8]


def test_what_flickers_in_the_hole_is_no_cut():
    """The hole has a part in every cell that cuts are looked for on, and holds another pattern on every other frame."""
    mask = np.random.default_rng(5).random((8, 96, 128)) < 0.6
    scene = scenes.still(FORM, mask)
    frames = []
    for t, planes in enumerate(scene.damaged):
        pattern = np.where((np.arange(128) < 64) == (t % 2), np.uint8(255), np.uint8(0))
        frames.append(Frame((np.where(mask[t], pattern, planes[0]), *planes[1:])))
    assert cuts(scene, frames) == []


def test_a_flash_is_no_cut():
    scene = scenes.still(FORM, scenes.empty(FORM))
    frames = scene.frames()
    luma, *chroma = frames[4].planes
    frames[4] = Frame((np.minimum(luma.astype(int) + 70, 235).astype(np.uint8), *chroma))
    assert cuts(scene, frames) == []


def test_a_frame_that_is_all_hole_is_no_cut():
    mask = scenes.empty(FORM)
    mask[3] = True
    assert cuts(scenes.still(FORM, mask)) == []


def test_a_threshold_of_0_switches_the_detector_off():
    assert cuts(two_shots(), scene_threshold=0) == []


def test_a_higher_threshold_finds_less():
    assert cuts(two_shots(), scene_threshold=1) == []


def thumbnail(values, weights=None):
    values = np.asarray(values, np.float32)
    return np.stack([values, np.ones_like(values) if weights is None else np.asarray(weights, np.float32)])


def test_change_is_symmetric_and_0_for_the_same_picture():
    rng = np.random.default_rng(1)
    a, b = (thumbnail(rng.uniform(0, 255, (18, 32))) for _ in range(2))
    assert picture_change(a, a) == 0
    assert picture_change(a, b) > THRESHOLD
    assert picture_change(a, b) == pytest.approx(picture_change(b, a), rel=1e-5)


def test_change_of_brightness_and_a_small_pan_are_none():
    picture = np.random.default_rng(2).uniform(0, 200, (18, 32))
    assert picture_change(thumbnail(picture), thumbnail(picture + 40)) < 1e-6
    assert picture_change(thumbnail(picture), thumbnail(np.roll(picture, 2, axis=1))) < 1e-6


def test_cells_that_nobody_knows_have_no_influence():
    rng = np.random.default_rng(3)
    picture, known = rng.uniform(0, 255, (18, 32)), np.ones((18, 32))
    known[4:9, 10:20] = 0
    other = np.where(known, picture, 255 - picture)
    assert picture_change(thumbnail(picture), thumbnail(other, known)) < 1e-6
    assert picture_change(thumbnail(picture), thumbnail(picture, np.zeros_like(known))) == 0


@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (3, 2)], ids=str)
def test_tiny_pictures_can_be_compared(shape):
    assert 0 <= picture_change(thumbnail(np.zeros(shape)), thumbnail(np.full(shape, 255.0))) <= 1


# What a script says counts, and alone.


def marked(scene, **marks):
    """Return frames of a scene with properties on some: {name: {frame: value}}."""
    frames = scene.frames()
    return [
        Frame(frame.planes, {name: at[n] for name, at in marks.items() if n in at}) for n, frame in enumerate(frames)
    ]


@pytest.mark.parametrize(
    "marks",
    [
        {"_SceneChangePrev": {3: 1}},
        {"_SceneChangeNext": {2: 1}},
        {"_SceneChangePrev": {3: 1}, "_SceneChangeNext": {2: 1}},
    ],
    ids=str,
)
def test_either_side_may_say_that_there_is_a_cut(marks):
    scene = scenes.still(FORM)
    assert cuts(scene, marked(scene, **marks)) == [3]


def test_either_side_may_say_it_alone_where_the_other_denies_it():
    scene = scenes.still(FORM)
    assert cuts(scene, marked(scene, _SceneChangePrev={3: 0}, _SceneChangeNext={2: 1})) == [3]


def test_a_script_that_says_there_is_none_is_believed():
    scene = two_shots()
    assert cuts(scene, marked(scene, _SceneChangePrev={8: 0})) == []
    assert cuts(scene, marked(scene, _SceneChangePrev=dict.fromkeys(range(16), 0), _SceneChangeNext={7: 0})) == []


def test_what_a_script_says_counts_with_the_detector_off():
    scene = two_shots()
    assert cuts(scene, scene.frames(mark_cuts=True), scene_threshold=0) == [8]


# Nothing crosses.

HOLES = {
    "moving": lambda form: scenes.box(form, (16, 20), (20, 20), (2.0, 0.0)),
    "never seen": lambda form: scenes.box(form, (16, 20), (30, 20)),
    "whole frame": lambda form: ~scenes.empty(form),
}


def film(scene, marks, **settings):
    frames = [Frame(planes, said) for planes, said in zip(scene.damaged, marks, strict=True)]
    return lender.Lender(frames, scene.mask, scene.format, **settings).film()


@pytest.mark.parametrize(
    ("hole", "detector"),
    # Where nothing is to be seen our own detector finds no cut: there the script has to know.
    [
        ("moving", "script"),
        ("moving", "own"),
        ("never seen", "script"),
        ("never seen", "own"),
        ("whole frame", "script"),
    ],
)
def test_what_lies_beyond_a_cut_has_no_influence(hole, detector):
    """The other shot is exchanged for a third: not a byte of this one changes."""
    mask = HOLES[hole](FORM)
    scene = two_shots("astronaut", "coffee", mask)
    script = [frame.properties for frame in scene.frames(mark_cuts=True)]
    marks = script if detector == "script" else [{}] * 16
    settings = {"scene_threshold": 0 if detector == "script" else THRESHOLD, "keyframe_interval": 5}
    expected = film(scene, marks, **settings)
    for shots, same in ((("astronaut", "gravel"), range(8)), (("gravel", "coffee"), range(8, 16))):
        other = two_shots(*shots, mask)
        assert detector == "script" or cuts(other) == [8]
        found = film(other, marks, **settings)
        for n in same:
            for a, b in zip(found[n], expected[n], strict=True):
                assert_same_bits(a, b)


def test_without_the_cut_it_has_influence():
    """What shows that the test above can fail."""
    mask = HOLES["moving"](FORM)
    marks = [{}] * 16
    a = film(two_shots("astronaut", "coffee", mask), marks, scene_threshold=0)
    b = film(two_shots("astronaut", "gravel", mask), marks, scene_threshold=0)
    assert any((x != y).any() for n in range(8) for x, y in zip(a[n], b[n], strict=True))


def test_a_scene_of_one_frame_is_all_invented():
    scene = scenes.still(FORM, HOLES["never seen"](FORM))
    alone = marked(scene, _SceneChangePrev={4: 1, 5: 1})
    lent = lender.Lender(alone, scene.mask, scene.format)
    lent.render(4)
    assert lent.properties[4]["DfviTraced"] == 0
    assert lent.properties[4]["DfviInvented"] == lent.properties[4]["DfviHole"] == 16 * 20


# Fields.


@pytest.mark.parametrize("field", [1, 2])
def test_an_interlaced_frame_is_refused(field):
    scene = scenes.still(FORM)
    frames = marked(scene, _FieldBased={4: field})
    lent = lender.Lender(frames, scene.mask, scene.format)
    with pytest.raises(FormatError) as caught:
        lent.render(4)
    assert str(caught.value) == (
        f"clip must be progressive, got _FieldBased={field} at frame 4: "
        "call std.SeparateFields on clip and mask first, and std.DoubleWeave on the result"
    )


def test_a_frame_that_says_it_is_progressive_is_taken():
    scene = scenes.still(FORM)
    lent = lender.Lender(marked(scene, _FieldBased=dict.fromkeys(range(8), 0)), scene.mask, scene.format)
    lent.render(4)
    assert lent.properties[4]["DfviHole"] == int(scene.mask[4].sum())
