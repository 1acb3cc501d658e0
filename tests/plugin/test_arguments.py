"""What the filter takes, and the sentence for everything it does not."""

from dataclasses import fields

import pytest
import vapoursynth as vs

from vsdfvi.settings import Settings

SAMPLES = "8 to 16 bit integer or 16 or 32 bit float samples"


def blank(**kinds):
    return vs.core.std.BlankClip(**{"format": vs.YUV420P8, "width": 64, "height": 48, "length": 20, **kinds})


def gray(**kinds):
    return blank(**{"format": vs.GRAY8, **kinds})


def varying(**changed):
    return vs.core.std.Splice([blank(length=1), blank(length=1, **changed)], mismatch=True)


def coarse_chroma(right, down):
    return vs.core.query_video_format(vs.YUV, vs.INTEGER, 8, right, down).id


REFUSED = {
    "clip of any format": (
        lambda: (varying(format=vs.YUV444P8), gray(length=2)),
        "clip must be of constant format and size, got varying format and 64x48",
    ),
    "clip of any size": (
        lambda: (varying(width=32), gray(length=2)),
        "clip must be of constant format and size, got YUV420P8 and varying size",
    ),
    "clip of 32 bit integers": (lambda: (blank(format=vs.GRAY32), gray()), f"clip must be of {SAMPLES}, got Gray32"),
    "clip with chroma an eighth as wide": (
        lambda: (blank(format=coarse_chroma(3, 0)), gray()),
        "clip must be subsampled by 4 at most, got YUVssw3ssh0P8",
    ),
    "clip with chroma an eighth as high": (
        lambda: (blank(format=coarse_chroma(0, 3)), gray()),
        "clip must be subsampled by 4 at most, got YUVssw0ssh3P8",
    ),
    "narrow clip": (lambda: (blank(width=14), gray(width=14)), "clip must be at least 16x16 pixels, got 14x48"),
    "low clip": (lambda: (blank(height=14), gray(height=14)), "clip must be at least 16x16 pixels, got 64x14"),
    "mask of any format": (
        lambda: (blank(length=2), varying(format=vs.YUV444P8)),
        "mask must be of constant format and size, got varying format and 64x48",
    ),
    "mask of any size": (
        lambda: (blank(length=2), varying(width=32)),
        "mask must be of constant format and size, got YUV420P8 and varying size",
    ),
    "mask of another family": (
        lambda: (blank(), blank(format=vs.RGB24)),
        "mask must be GRAY or of the clip's own format, YUV420P8, got RGB24",
    ),
    "mask of another depth": (
        lambda: (blank(), blank(format=vs.YUV420P10)),
        "mask must be GRAY or of the clip's own format, YUV420P8, got YUV420P10",
    ),
    "mask of another subsampling": (
        lambda: (blank(), blank(format=vs.YUV444P8)),
        "mask must be GRAY or of the clip's own format, YUV420P8, got YUV444P8",
    ),
    "narrow mask": (lambda: (blank(), gray(width=62)), "mask must be of the clip's size, 64x48, got 62x48"),
    "low mask": (lambda: (blank(), gray(height=46)), "mask must be of the clip's size, 64x48, got 64x46"),
    "short mask": (
        lambda: (blank(), gray(length=2)),
        "mask must be as long as the clip, 20 frames, or one frame, got 2 frames",
    ),
    "long mask": (
        lambda: (blank(), gray(length=21)),
        "mask must be as long as the clip, 20 frames, or one frame, got 21 frames",
    ),
    "long mask of one frame": (
        lambda: (blank(length=1), gray(length=2)),
        "mask must be one frame long, got 2 frames",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refuses_inputs_in_a_sentence(engine, case):
    make, sentence = REFUSED[case]
    clip, mask = make()
    with pytest.raises(vs.Error) as refusal:
        clip.dfvi.Inpaint(mask)
    assert str(refusal.value) == f"Inpaint: {sentence}"
    assert not engine.rules.calls


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ({"radius": 0}, "radius must be between 1 and 128 frames, got 0"),
        ({"radius": 2**32 + 3}, "radius must be between 1 and 128 frames, got 4294967299"),
        ({"consistency": float("nan")}, "consistency must be finite and above 0 pixels, got nan"),
        ({"view": "everything"}, "view must be one of "),
        ({"view": b"\xff\x00"}, "view must be one of "),
    ],
    ids=str,
)
def test_settings_are_checked_by_the_engines_rules(engine, clip, mask, setting, sentence):
    with pytest.raises(vs.Error) as refusal:
        clip.dfvi.Inpaint(mask, **setting)
    assert str(refusal.value).startswith(f"Inpaint: {sentence}")
    assert not engine.rules.calls


def test_names_and_types_are_those_of_the_settings():
    kinds = {int: "int", float: "float", str: "data"}
    expected = "clip:vnode;mask:vnode;" + "".join(f"{f.name}:{kinds[f.type]}:opt;" for f in fields(Settings))
    expected += "exclude:vnode:opt;reference:vnode:opt;flow_fw:vnode:opt;flow_bw:vnode:opt;"
    assert vs.core.dfvi.Inpaint.signature == expected
    assert vs.core.dfvi.Inpaint.return_signature == "clip:vnode;"


def test_what_is_not_given_has_its_default(engine, clip, mask):
    clip.dfvi.Inpaint(mask)
    assert engine.rules.settings == Settings()


def test_every_setting_arrives(engine, clip, mask):
    other = {"radius": 5, "consistency": 2.5, "propagation": "paper", "scene_threshold": 1, "threads": 3}
    clip.dfvi.Inpaint(mask, **other)
    assert engine.rules.settings == Settings(**other)


@pytest.mark.parametrize("name", ["GRAY8", "GRAYH", "YUV410P8", "YUV422P10", "YUV444PS", "RGB48", "RGBH"])
@pytest.mark.parametrize("own_mask", [False, True], ids=["gray mask", "mask of the clip's format"])
def test_formats_arrive(engine, name, own_mask):
    clip = blank(format=getattr(vs, name), width=68, height=52)
    clip.dfvi.Inpaint(clip if own_mask else gray(width=68, height=52, length=1))
    for given, node in zip(engine.rules.formats, (clip, clip if own_mask else None), strict=True):
        if node is None:
            assert (given.family, given.bits, given.frames) == ("GRAY", 8, 1)
            continue
        assert given.family == node.format.color_family.name
        assert given.is_float is (node.format.sample_type == vs.FLOAT)
        assert (given.bits, given.planes) == (node.format.bits_per_sample, node.format.num_planes)
        assert (given.subsampling_w, given.subsampling_h) == (node.format.subsampling_w, node.format.subsampling_h)
        assert (given.width, given.height, given.frames) == (68, 52, 20)
