"""The clips that a call may give besides clip and mask: what is refused, and which of their frames are asked for."""

import numpy as np
import pytest
import vapoursynth as vs


def blank(**kinds):
    return vs.core.std.BlankClip(**{"format": vs.YUV420P8, "width": 64, "height": 48, "length": 20, **kinds})


def gray(**kinds):
    return blank(**{"format": vs.GRAY8, **kinds})


def flow(**kinds):
    return blank(**{"format": vs.RGBS, **kinds})


def varying():
    return vs.core.std.Splice([blank(length=1), blank(length=1, format=vs.YUV444P8)], mismatch=True)


OF_RGBS = "of format RGBS, x in its first plane and y in its second"

REFUSED = {
    "exclude of any format": (
        lambda: {"exclude": varying()},
        "exclude must be of constant format and size, got varying format and 64x48",
    ),
    "exclude of another format": (
        lambda: {"exclude": blank(format=vs.RGB24)},
        "exclude must be GRAY or of the clip's own format, YUV420P8, got RGB24",
    ),
    "narrow exclude": (lambda: {"exclude": gray(width=62)}, "exclude must be of the clip's size, 64x48, got 62x48"),
    "short exclude": (
        lambda: {"exclude": gray(length=19)},
        "exclude must be as long as the clip, 20 frames, or one frame, got 19 frames",
    ),
    "reference of any format": (
        lambda: {"reference": varying()},
        "reference must be of constant format and size, got varying format and 64x48",
    ),
    "reference of another format": (
        lambda: {"reference": blank(format=vs.YUV420P10)},
        "reference must be of the clip's own format, YUV420P8, got YUV420P10",
    ),
    "grey reference": (
        lambda: {"reference": gray()},
        "reference must be of the clip's own format, YUV420P8, got Gray8",
    ),
    "low reference": (
        lambda: {"reference": blank(height=46)},
        "reference must be of the clip's size, 64x48, got 64x46",
    ),
    "long reference": (
        lambda: {"reference": blank(length=21)},
        "reference must be as long as the clip, 20 frames, or one frame, got 21 frames",
    ),
    "forward flow alone": (lambda: {"flow_fw": flow()}, "flow_bw must be given with flow_fw, got none"),
    "backward flow alone": (lambda: {"flow_bw": flow()}, "flow_fw must be given with flow_bw, got none"),
    "flow of any format": (
        lambda: {"flow_fw": varying(), "flow_bw": flow()},
        "flow_fw must be of constant format and size, got varying format and 64x48",
    ),
    "flow of half floats": (
        lambda: {"flow_fw": flow(), "flow_bw": flow(format=vs.RGBH)},
        f"flow_bw must be {OF_RGBS}, got RGBH",
    ),
    "flow in YUV": (
        lambda: {"flow_fw": flow(format=vs.YUV444PS), "flow_bw": flow()},
        f"flow_fw must be {OF_RGBS}, got YUV444PS",
    ),
    "flow of whole numbers": (
        lambda: {"flow_fw": flow(format=vs.RGB24), "flow_bw": flow()},
        f"flow_fw must be {OF_RGBS}, got RGB24",
    ),
    "low flow": (
        lambda: {"flow_fw": flow(height=24), "flow_bw": flow()},
        "flow_fw must be of the clip's size, 64x48, got 64x24",
    ),
    "short flow": (
        lambda: {"flow_fw": flow(), "flow_bw": flow(length=19)},
        "flow_bw must be as long as the clip, 20 frames, got 19 frames",
    ),
    "still flow": (
        lambda: {"flow_fw": flow(length=1), "flow_bw": flow()},
        "flow_fw must be as long as the clip, 20 frames, got 1 frame",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refuses_extra_clips_in_a_sentence(engine, clip, mask, case):
    make, sentence = REFUSED[case]
    with pytest.raises(vs.Error) as refusal:
        clip.dfvi.Inpaint(mask, **make())
    assert str(refusal.value) == f"Inpaint: {sentence}"
    assert not engine.rules.calls


@pytest.mark.parametrize("name", ["exclude", "reference"])
def test_a_clip_of_one_frame_takes_extras_of_one_frame(engine, name):
    with pytest.raises(vs.Error) as refusal:
        blank(length=1).dfvi.Inpaint(gray(length=1), **{name: blank(length=2)})
    assert str(refusal.value) == f"Inpaint: {name} must be one frame long, got 2 frames"


def test_formats_of_extra_clips_arrive(engine, clip, mask):
    clip.dfvi.Inpaint(mask, exclude=mask[0], reference=clip[3], flow_fw=flow(), flow_bw=flow())
    formats = engine.rules.extra_formats
    assert list(formats) == ["exclude", "reference", "flow_fw", "flow_bw"]
    assert [given.family for given in formats.values()] == ["GRAY", "YUV", "RGB", "RGB"]
    assert [given.frames for given in formats.values()] == [1, 1, 20, 20]
    assert formats["flow_fw"].is_float


def test_without_extra_clips_none_are_lent(engine, clip, mask):
    clip.dfvi.Inpaint(mask).get_frame(4).close()
    assert engine.rules.extra_formats == {}
    assert engine.rules.seen_extras[4] == {}


def test_extra_clips_come_with_the_clips_span_as_far_as_they_are_read(engine, clip, mask):
    engine.rules.extra_reach = {"reference": 1}
    output = clip.dfvi.Inpaint(mask, exclude=mask[0], reference=clip, flow_fw=flow(), flow_bw=flow())
    for n, span, near in ((10, range(7, 14), range(9, 12)), (0, range(4), range(2)), (19, range(16, 20), (18, 19))):
        output.get_frame(n).close()
        seen = engine.rules.seen_extras[n]
        assert set(span) <= set(seen["flow_fw"])
        assert seen["flow_fw"] == seen["flow_bw"] == engine.rules.seen[n][0]
        assert seen["reference"] == list(near)
        assert seen["exclude"] == [0]


def test_planes_of_extra_clips_are_those_that_are_read(engine, clip, mask):
    engine.rules.keeps = True
    vectors = flow(color=[1.5, -2.25, 9.0], keep=True)
    clip.dfvi.Inpaint(mask, exclude=clip, reference=clip, flow_fw=vectors, flow_bw=vectors).get_frame(2).close()
    seen = {name: [plane.copy() for plane in lent[2].planes] for name, lent in engine.rules.seen_extras[2].items()}
    assert {name: len(planes) for name, planes in seen.items()} == {
        "exclude": 1, "reference": 3, "flow_fw": 2, "flow_bw": 2,
    }  # fmt: skip
    assert [float(plane[0, 0]) for plane in seen["flow_fw"]] == [1.5, -2.25]
    assert [int(plane[0, 0]) for plane in seen["reference"]] == [40, 100, 150]


def test_frames_of_extra_clips_are_rendered_once_and_only_where_they_are_read(engine, clip, mask, threads, counted):
    threads(2)
    engine.rules.extra_reach = {"reference": 0}
    excluded, excluded_renders = counted(mask)
    plate, plate_renders = counted(clip)
    output = clip.dfvi.Inpaint(mask, exclude=excluded, reference=plate)
    output.get_frame(10).close()
    assert excluded_renders == dict.fromkeys(range(7, 14), 1)
    assert plate_renders == {10: 1}
    for _ in output.frames(close=True):
        pass
    assert excluded_renders == dict.fromkeys(range(20), 1)
    assert plate_renders == dict.fromkeys(range(20), 1)


def test_an_extra_clip_that_fails_is_passed_on_and_the_frame_discarded(engine, clip, mask):
    def fail(n, f):
        if n == 12:
            raise ValueError("plate is torn")
        return f

    output = clip.dfvi.Inpaint(mask, exclude=mask.std.ModifyFrame(mask, fail))
    with pytest.raises(vs.Error, match="plate is torn"):
        output.get_frame(10)
    assert engine.rules.calls[1:] == [("prepare", 10), ("discard", 10)]
    with output.get_frame(5) as frame:
        assert (np.asarray(frame[0]) == engine.filled(5)).all()


def test_one_clip_may_be_all_of_them(engine, clip, mask):
    with clip.dfvi.Inpaint(clip, exclude=clip, reference=clip).get_frame(6) as frame:
        assert (np.asarray(frame[0]) == engine.filled(6)).all()
