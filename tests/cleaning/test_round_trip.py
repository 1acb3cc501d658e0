"""What goes through comes out: streams, times, tags, samples outside the hole; and inside it what the filter gives."""

import json
import shutil
import subprocess

import films
import numpy as np
import pytest
from clips import planes_of

from vsdfvi.cleaning.masks import open_mask
from vsdfvi.cleaning.opening import open_film

X, Y, WIDTH, HEIGHT = (int(number) for number in films.HOLE.partition(":")[2].split(","))

MAY_DIFFER = {
    "format": {
        "filename": "is another file",
        "size": "follows from the samples",
        "bit_rate": "follows from the size",
        "tags.ENCODER": "names the program that wrote the file",
        "tags.encoder": "names the program that wrote the file",
        "tags.creation_time": "of mkvmerge, which wrote the source: bit-exact files name none",
    },
    "stream": {
        "bit_rate": "follows from the size",
        "extradata_size": "of FFV1: follows from its arguments",
        "extradata_hash": "of FFV1: follows from its arguments",
        "tags.DURATION": "the end of the last packet, which programs round this way or that",
        "tags.ENCODER": "names the encoder",
        "tags.encoder": "names the encoder",
        "level": "of FFV1: it tells its arguments",
    },
    "chapter": {"id": "Matroska numbers them as it likes"},
    "packet": {"size": "of the picture, which is encoded anew", "pos": "follows from sizes",
               "data_hash": "of the picture, which is encoded anew"},
}  # fmt: skip
"""Fields of ffprobe's that may be another in the output, and why."""

requires_ffprobe = pytest.mark.skipif(shutil.which("ffprobe") is None, reason="needs ffprobe: apt-get install ffmpeg")
requires_mkvmerge = pytest.mark.skipif(
    shutil.which("mkvmerge") is None, reason="needs mkvmerge: apt-get install mkvtoolnix"
)


def flat(facts: dict, before: str = "") -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in facts.items():
        if isinstance(value, dict):
            found |= flat(value, f"{before}{name}.")
        else:
            found[before + name] = value
    return found


def probed(path) -> dict[str, list[dict]]:
    """What ffprobe says, field by field."""
    command = ["ffprobe", "-v", "error", "-show_format", "-show_streams", "-show_chapters", "-show_packets",
               "-show_data_hash", "md5", "-of", "json", f"file:{path}"]  # fmt: skip
    told = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    packets = sorted(told["packets"], key=lambda packet: (packet["stream_index"], float(packet.get("dts_time", 0))))
    kinds = {"format": [told["format"]], "stream": told["streams"], "chapter": told["chapters"], "packet": packets}
    return {kind: [flat(each) for each in listed] for kind, listed in kinds.items()}


def differences(one, other, more=()) -> list[str]:
    """What may not differ, and does."""
    one, other = probed(one), probed(other)
    found = []
    for kind, fields in MAY_DIFFER.items():
        if len(one[kind]) != len(other[kind]):
            found.append(f"{len(one[kind])} of {kind}, then {len(other[kind])}")
            continue
        for number, (before, after) in enumerate(zip(one[kind], other[kind], strict=True)):
            copied = kind == "packet" and before["codec_type"] != "video"
            for name in sorted(before.keys() | after.keys()):
                differs = before.get(name) != after.get(name)
                allowed = (name in fields and not (copied and name != "pos")) or name in more
                if differs and not allowed:
                    found.append(f"{kind} {number} {name}: {before.get(name)}, then {after.get(name)}")
    return found


def outside(path, samples="yuv420p", size=films.SIZE) -> np.ndarray:
    """The samples of 4:2:0 that are not in the hole, a row a frame."""
    height, width = size
    kept = []
    for step, hole in (
        (1, np.s_[Y : Y + HEIGHT, X : X + WIDTH]),
        *[(2, np.s_[Y // 2 : (Y + HEIGHT) // 2, X // 2 : (X + WIDTH) // 2])] * 2,
    ):
        plane = np.ones((height // step, width // step), bool)
        plane[hole] = False
        kept.append(plane.ravel())
    depth = 2 if "10" in samples else 1
    rows = films.samples_of(path, samples)
    return rows[:, np.repeat(np.concatenate(kept), depth)]


def assert_as_the_filter_gives(source, output, *, first=0, last=None, **arguments):
    """The output's frames are those of the plugin for the same clip, mask and settings."""
    clip = open_film(str(source)).clip
    expected = clip.dfvi.Inpaint(open_mask((films.HOLE,), clip), **{**films.QUICK, **arguments})
    found = open_film(str(output)).clip
    last = len(clip) - 1 if last is None else last
    assert len(found) == last - first + 1
    changed = 0
    for n in range(len(found)):
        for ours, theirs, source_plane in zip(
            planes_of(found, n), planes_of(expected, first + n), planes_of(clip, first + n), strict=True
        ):
            assert np.array_equal(ours, theirs), f"frame {n}"
            changed += int((ours != source_plane).sum())
    assert changed


CHAPTERS = """;FFMETADATA1
[CHAPTER]
TIMEBASE=1/1000
START=0
END=400
title=The beginning
[CHAPTER]
TIMEBASE=1/1000
START=400
END=1000
title=Le reste: fin & "suite"
"""

SRT = "1\n00:00:00,100 --> 00:00:00,700\n<i>One line</i>\n\n2\n00:00:00,750 --> 00:00:00,950\nétoile\n\n"

ASS = """[Script Info]
ScriptType: v4.00+
PlayResX: 64

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, Bold, Alignment, MarginL, MarginR, MarginV
Style: Sign,Sans,20,&H00FFFFFF,0,8,0,0,0

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Dialogue: 0,0:00:00.20,0:00:00.80,Sign,,0,0,0,,{\\an7}A sign
"""

UNEVEN = "setpts='(N*40+mod(N\\,3)*9)/1000/TB'"
"""Frames of 49, 49 and 22 milliseconds: a variable rate."""


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """A Matroska file of everything."""
    folder = tmp_path_factory.mktemp("full")
    for name, text in {"chapters": CHAPTERS, "s.srt": SRT, "s.ass": ASS, "font.txt": "not a font"}.items():
        (folder / name).write_text(text, encoding="utf-8")
    film = films.film(folder / "picture.mkv", samples="yuv420p10le")
    path = folder / "full.mkv"
    films.run_ffmpeg(
        *("-i", f"{film}", "-f", "lavfi", "-i", "sine=frequency=440:duration=1"),
        *("-f", "lavfi", "-i", "sine=frequency=550:duration=1:sample_rate=48000", "-i", f"{folder}/s.srt"),
        *("-i", f"{folder}/s.ass", "-i", f"{folder}/chapters", "-map_chapters", "5"),
        *("-map", "0:v", "-map", "1:a", "-map", "2:a", "-map", "3:s", "-map", "4:s", *films.FFV1),
        *("-vf", UNEVEN, "-fps_mode", "passthrough", "-enc_time_base", "1/1000"),
        *("-c:a:0", "flac", "-c:a:1", "ac3", "-c:s", "copy", "-attach", f"{folder}/font.txt"),
        *("-metadata:s:t", "mimetype=text/plain", "-metadata:s:a:0", "language=fra", "-metadata:s:a:1", "language=eng"),
        *("-metadata:s:a:1", "title=Commentary", "-disposition:a:0", "default", "-disposition:a:1", "comment"),
        *("-metadata:s:s:0", "language=deu", "-disposition:s:1", "forced", "-metadata", "title=A film & more"),
        *("-metadata", "DIRECTOR=Somebody", "-metadata:s:v", "language=fra", "-metadata:s:v", "title=The picture"),
        *("-color_primaries", "bt709", "-color_trc", "bt709", "-colorspace", "bt709", "-color_range", "tv"),
        *("-aspect", "16:9", str(path)),
    )  # fmt: skip
    return path


@requires_ffprobe
def test_matroska_keeps_everything(full, tmp_path):
    films.clean(full, tmp_path / "out.mkv")
    assert differences(full, tmp_path / "out.mkv") == []
    assert np.array_equal(outside(full, "yuv420p10le"), outside(tmp_path / "out.mkv", "yuv420p10le"))
    assert_as_the_filter_gives(full, tmp_path / "out.mkv")
