"""What goes in comes out: streams, times, tags, samples outside the hole; and inside it what the filter gives."""

import json
import re
import shutil
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

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
        "field_order": "of FFV1: it says progressive where nothing was said",
        "codec_tag": "of FFV1 in Matroska, which has two names for it",
        "codec_tag_string": "of FFV1 in Matroska, which has two names for it",
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
        elif isinstance(value, list):
            listed = sorted(value, key=lambda each: str(each.get("side_data_type")))
            found |= flat({str(number): each for number, each in enumerate(listed)}, f"{before}{name}.")
        elif isinstance(value, str) and re.fullmatch(r"\d+/[1-9]\d*", value):
            found[before + name] = round(float(Fraction(value)), 9)  # programs write one number in several ways
        else:
            found[before + name] = value
    return found


def probed(path) -> dict[str, list[dict]]:
    """What ffprobe says, field by field."""
    command = ["ffprobe", "-v", "error", "-show_format", "-show_streams", "-show_chapters", "-show_packets",
               "-show_data_hash", "md5", "-of", "json", f"file:{path}"]  # fmt: skip
    told = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    packets = sorted(told["packets"], key=lambda packet: (packet["stream_index"], float(packet.get("pts_time", 0))))
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
                allowed = name == "pos" if copied else name in fields or name in more
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
        *("-f", "lavfi", "-i", "anoisesrc=duration=1:sample_rate=48000:seed=3", "-i", f"{folder}/s.srt"),
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


@requires_ffprobe
def test_a_newer_ffmpeg_keeps_as_much(full, tmp_path):
    imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg", reason="needs imageio-ffmpeg: pip install imageio-ffmpeg")
    (tmp_path / "newer").mkdir()
    (tmp_path / "newer" / "ffmpeg").symlink_to(imageio_ffmpeg.get_ffmpeg_exe())
    path = f"{tmp_path / 'newer'}:{Path(sys.executable).parent}"
    films.clean(full, tmp_path / "out.mkv", PATH=path)
    found = differences(full, tmp_path / "out.mkv", ("duration",))
    # It says how long all of the film is by the end of its last packet.
    assert [each for each in found if not each.startswith("format 0 duration")] == []
    durations = [[packet.get("duration") for packet in probed(film)["packet"] if packet["codec_type"] == "video"]
                 for film in (full, tmp_path / "out.mkv")]  # fmt: skip
    assert durations[0] == durations[1]
    assert np.array_equal(outside(full, "yuv420p10le"), outside(tmp_path / "out.mkv", "yuv420p10le"))


@requires_ffprobe
def test_a_range_has_its_frames_and_its_part_of_the_sound(full, tmp_path):
    first, last = 6, 17
    films.clean(full, tmp_path / "out.mkv", "--frames", f"{first}-{last}")
    assert np.array_equal(outside(full, "yuv420p10le")[first : last + 1], outside(tmp_path / "out.mkv", "yuv420p10le"))
    assert_as_the_filter_gives(full, tmp_path / "out.mkv", first=first, last=last)
    before, after = probed(full), probed(tmp_path / "out.mkv")
    times = [[float(packet["pts_time"]) for packet in each["packet"] if packet["stream_index"] == 0]
             for each in (before, after)]  # fmt: skip
    assert np.allclose(np.diff(times[0])[first:last], np.diff(times[1]), atol=1e-9)
    length = times[0][last + 1] - times[0][first]
    assert [stream.get("codec_name") for stream in after["stream"]] == [
        stream.get("codec_name") for stream in before["stream"]
    ]
    for index in (1, 2):
        spans = [(float(packet["pts_time"]), float(packet["pts_time"]) + float(packet["duration_time"]))
                 for packet in after["packet"] if packet["stream_index"] == index]  # fmt: skip
        longest = max(end - start for start, end in spans)
        assert abs(spans[0][0] - times[1][0]) <= longest
        assert abs(spans[-1][1] - (times[1][0] + length)) <= longest
    # The sound is that of the range: its packets are those of the source that are shown then.
    sound = [[packet["data_hash"] for packet in each["packet"] if packet["stream_index"] == 2]
             for each in (before, after)]  # fmt: skip
    start = next(n for n in range(len(sound[0])) if sound[0][n] == sound[1][0])
    assert sound[0][start : start + len(sound[1])] == sound[1]
    source_start = next(
        float(packet["pts_time"]) for packet in before["packet"] if packet.get("data_hash") == sound[1][0]
    )
    assert abs((source_start - times[0][first]) - (spans[0][0] - times[1][0])) < 0.002


@requires_ffprobe
@requires_mkvmerge
def test_matroska_keeps_what_a_screen_must_know_of_hdr(tmp_path):
    plain = films.film(tmp_path / "plain.mkv", samples="yuv420p10le")
    source = tmp_path / "hdr.mkv"
    facts = {
        "max-content-light": "1000", "max-frame-light": "400", "max-luminance": "1000", "min-luminance": "0.0001",
        "chromaticity-coordinates": "0.708,0.292,0.170,0.797,0.131,0.046", "white-colour-coordinates": "0.3127,0.3290",
        "colour-matrix-coefficients": "9", "colour-transfer-characteristics": "16", "colour-primaries": "9",
        "colour-range": "1",
    }  # fmt: skip
    words = [word for name, value in facts.items() for word in (f"--{name}", f"0:{value}")]
    subprocess.run(["mkvmerge", "-q", "-o", str(source), *words, str(plain)], check=True)
    assert any("Mastering" in str(value) for value in probed(source)["stream"][0].values())
    films.clean(source, tmp_path / "out.mkv")
    assert differences(source, tmp_path / "out.mkv") == []
    assert_as_the_filter_gives(source, tmp_path / "out.mkv")


@requires_ffprobe
def test_h265_keeps_what_a_screen_must_know_of_hdr(tmp_path):
    def told(path) -> dict[str, object]:
        command = ["ffprobe", "-v", "error", "-read_intervals", "%+#1", "-show_frames", "-of", "json", str(path)]
        frame = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)["frames"][0]
        return {name: value for name, value in flat(frame).items() if name.startswith(("side_data", "color", "chroma"))}

    display = "G(8500,39850)B(6550,2300)R(35400,14600)WP(15635,16450)L(10000000,1)"
    source = films.film(
        tmp_path / "hdr.mkv", samples="yuv420p10le",
        arguments=("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error:hdr10=1:repeat-headers=1"
                   f":colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:master-display={display}:max-cll=1000,400"),
    )  # fmt: skip
    films.clean(source, tmp_path / "out.mkv", "--encoder", "x265", "--ffmpeg", "-preset ultrafast")
    assert told(source) == told(tmp_path / "out.mkv")
    assert "Mastering display metadata" in told(source).values()


ENCODED = ("extradata_hash", "dts", "dts_time", "flags", "profile", "has_b_frames", "refs", "bit_rate")
"""Fields of a picture that was encoded anew, whose frames are stored in another order than they are shown in."""


@requires_ffprobe
@pytest.mark.parametrize("rate", ["24", "24000/1001", "25"])
def test_mp4_with_reordered_frames_keeps_its_times(rate, tmp_path):
    picture = films.film(tmp_path / "picture.mp4", rate=rate, arguments=("-c:v", "libx264", "-bf", "2", "-g", "12"))
    source = tmp_path / "film.mp4"
    films.run_ffmpeg(
        *("-i", str(picture), "-f", "lavfi", "-i", "sine=duration=1", "-c:v", "copy", "-c:a", "aac"),
        *("-metadata", "title=A film", "-metadata:s:a", "language=fra", str(source)),
    )
    films.clean(source, tmp_path / "out.mp4")
    assert differences(source, tmp_path / "out.mp4", ENCODED) == []


@requires_ffprobe
def test_mp4_that_begins_late_keeps_its_offset(tmp_path):
    picture = films.film(tmp_path / "picture.mp4", arguments=("-c:v", "libx264", "-bf", "2", "-g", "12"))
    source = tmp_path / "film.mp4"
    films.run_ffmpeg(
        *("-itsoffset", "0.5", "-i", str(picture), "-f", "lavfi", "-i", "sine=duration=1.5"),
        *("-map", "0:v", "-map", "1:a", "-c:v", "copy", "-c:a", "aac", str(source)),
    )
    films.clean(source, tmp_path / "out.mp4")
    assert differences(source, tmp_path / "out.mp4", ENCODED) == []
    assert float(probed(tmp_path / "out.mp4")["stream"][0]["start_time"]) == 0.5


@requires_ffprobe
def test_a_transport_stream_keeps_its_times(tmp_path):
    picture = films.film(tmp_path / "picture.mp4", arguments=("-c:v", "libx264", "-bf", "2", "-g", "12"))
    source = tmp_path / "film.ts"
    films.run_ffmpeg(
        *("-i", str(picture), "-f", "lavfi", "-i", "sine=duration=1", "-c:v", "copy", "-c:a", "aac", str(source)),
    )
    assert 1.3 < float(probed(source)["format"][0]["start_time"]) < 1.5
    films.clean(source, tmp_path / "out.ts")
    # A transport stream has no durations: readers take them from what an encoder says of its clock. Of all packets but
    # the file's last, ffprobe tells the stream's number; which frame that is depends on how the picture is encoded.
    told = "duration", "duration_time", "side_data_list.0.id", "side_data_list.0.side_data_type"
    assert differences(source, tmp_path / "out.ts", (*ENCODED, *told)) == []


@requires_ffprobe
def test_mov_keeps_its_timecode(tmp_path):
    prores = ("-c:v", "prores_ks", "-timecode", "01:00:00:12")
    source = films.film(tmp_path / "film.mov", samples="yuv422p10le", arguments=prores)
    films.clean(source, tmp_path / "out.mov")
    assert differences(source, tmp_path / "out.mov", ("tags.handler_name",)) == []
    assert probed(tmp_path / "out.mov")["stream"][0]["tags.timecode"] == "01:00:00:12"


SEQUENCES = [
    *("dpx rgb24", "dpx gbrp10le", "dpx gbrp12le", "dpx rgb48be", "dpx gray", "tif rgb24", "tif rgb48le", "tif gray"),
    *("png rgb24", "png rgb48be", "png gray", "png gray16be", "exr gbrpf32le"),
]


@pytest.mark.parametrize("kind", SEQUENCES)
def test_pictures_are_the_same_outside_the_hole(kind, tmp_path):
    ending, samples = kind.split()
    (tmp_path / "in").mkdir()
    films.film(tmp_path / "in" / f"scan_%04d.{ending}", frames=3, samples=samples, arguments=("-start_number", "86"))
    films.clean(tmp_path / "in" / f"scan_####.{ending}", tmp_path / "out" / f"made_%03d.{ending}")
    assert sorted(path.name for path in (tmp_path / "out").glob(f"*.{ending}")) == [
        f"made_{n:03d}.{ending}" for n in (86, 87, 88)
    ]
    depth = {"8": 1, "f": 4}.get({"rgb24": "8", "gray": "8", "gbrpf32le": "f"}.get(samples, ""), 2)
    planes = 1 if samples.startswith("gray") else 3
    for n in (86, 87, 88):
        before, after = (
            np.frombuffer(run_raw(path, samples), np.uint8)
            for path in (tmp_path / "in" / f"scan_{n:04d}.{ending}", tmp_path / "out" / f"made_{n:03d}.{ending}")
        )
        height, width = films.SIZE
        assert before.size == height * width * planes * depth
        shape = (planes, height, width, depth) if samples.startswith("g") else (1, height, width, planes * depth)
        before, after = before.reshape(shape), after.reshape(shape)
        hole = np.zeros((height, width), bool)
        hole[Y : Y + HEIGHT, X : X + WIDTH] = True
        assert np.array_equal(before[:, ~hole], after[:, ~hole])
        assert not np.array_equal(before[:, hole], after[:, hole])


def run_raw(path, samples: str) -> bytes:
    """A picture's samples; ffmpeg converts nothing, for that is how the picture is stored."""
    said = films.run_ffmpeg("-i", f"file:{path}", "-f", "rawvideo", "-pix_fmt", samples, "-")
    assert films.pixel_format(path) == samples
    return said


def test_rgb_stays_what_it_is_and_keeps_its_colours(tmp_path):
    source = films.film(tmp_path / "film.mkv", frames=4, samples="bgr0")
    films.clean(source, tmp_path / "out.mkv")
    hole = np.zeros((*films.SIZE, 4), bool)
    hole[Y : Y + HEIGHT, X : X + WIDTH] = True
    before, after = (films.samples_of(path, "bgr0") for path in (source, tmp_path / "out.mkv"))
    assert np.array_equal(before[:, ~hole.ravel()], after[:, ~hole.ravel()])
    films.clean(source, tmp_path / "delivered.mp4")
    assert films.pixel_format(tmp_path / "delivered.mp4") == "yuv444p"


def test_a_sequence_with_gaps_is_refused(tmp_path):
    films.film(tmp_path / "scan_%04d.png", frames=5, samples="rgb24", arguments=())
    (tmp_path / "scan_0003.png").unlink()
    answer = films.run("clean", tmp_path / "scan_%04d.png", "-m", films.HOLE, "-o", tmp_path / "out.mkv")
    assert answer.returncode == 1
    assert answer.stderr.endswith(
        f"Error: a sequence must have every picture from 1 to 5, got {tmp_path}/scan_%04d.png without 3\n"
    )
    assert not (tmp_path / "out.mkv").exists()


def test_two_workers_give_the_bytes_of_one_process(tmp_path):
    source = films.film(tmp_path / "film.mkv", frames=48)
    one = films.clean(source, tmp_path / "one.mkv", "--keep")
    two = films.clean(source, tmp_path / "two.mkv", "--keep", "--scheduler", "local", "--workers", 2)
    assert one.stdout.replace("one", "two").partition(" s, ")[0][:-2] == two.stdout.partition(" s, ")[0][:-2]
    assert films.digest(tmp_path / "one.mkv") == films.digest(tmp_path / "two.mkv")
    chunks = [[films.digest(path) for path in sorted((tmp_path / f"{name}.mkv.vsdfvi").glob("chunk-*.zip"))]
              for name in ("one", "two")]  # fmt: skip
    assert chunks[0] == chunks[1]
    assert len(chunks[0]) == 6
