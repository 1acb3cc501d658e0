"""The record: what its lines say is so, each is whole, none is lost, and what is hashed is what the docs say."""

import json
import os
import subprocess
import sys
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

import lender
import numpy as np
import programs
import pytest
import scenes

from vsdfvi import __version__
from vsdfvi.engine.account import Repair
from vsdfvi.engine.propagation import HolePixels
from vsdfvi.engine.record import Record, properties_of
from vsdfvi.errors import EngineError, SettingError
from vsdfvi.networks import weights
from vsdfvi.settings import Settings

FRAMES = 6
EMPTY = 4
SETTINGS = {"completion": "laplace", "radius": 3, "keyframe_interval": 2, "scene_threshold": 0}


def scene(form=None):
    """A picture that moves behind a moving hole; frame ``EMPTY`` has none."""
    form = form or scenes.video_format(size=(48, 64), frames=FRAMES)
    mask = scenes.box(form, (12, 14), (8, 16), (9.0, 0.0))
    mask[EMPTY] = False
    return scenes.translation(form, (0.5, 0.0), mask)


def lines_of(path):
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def record(path, order=range(FRAMES), made=None, close=True, **settings):
    """Render frames with a record; returns the lender, the frames and the record's lines."""
    lent = lender.of_scene(made or scene(), record=str(path), **{**SETTINGS, **settings})
    film = {n: [plane.copy() for plane in lent.render(n)] for n in order}
    if close:
        lent.inpainter.close()
    return lent, film, lines_of(path) if path.stat().st_size else []


def test_a_run_is_a_header_a_line_for_each_frame_and_a_summary(tmp_path):
    lent, _, lines = record(tmp_path / "record.jsonl")
    assert [line["kind"] for line in lines] == ["run", *["frame"] * FRAMES, "end"]
    assert {line["run"] for line in lines} == {lines[0]["run"]}
    assert [line["frame"] for line in lines[1:-1]] == list(range(FRAMES))
    assert [line["state"] for line in lines[1:-1]] == ["empty" if n == EMPTY else "repaired" for n in range(FRAMES)]
    for line in lines[1:-1]:
        properties = lent.properties.get(line["frame"], dict.fromkeys(("DfviHole", "DfviTraced", "DfviInvented"), 0))
        assert (line["hole"], line["traced"], line["invented"]) == tuple(
            properties[name] for name in ("DfviHole", "DfviTraced", "DfviInvented")
        )
        assert sum(line["sources"].values()) == line["traced"]
        if line["frame"] != EMPTY:
            assert line["farthest"] == properties["DfviFarthest"] > 0
            assert line["lowest_confidence"] == pytest.approx(properties["DfviConfidence"], abs=1e-6)
            assert line["traced"] > 0
    end = lines[-1]
    assert (end["repaired"], end["empty"], end["rejected"]) == (FRAMES - 1, 1, 0)
    for name in ("hole", "invented", "traced", "reference", "recovered"):
        assert end[name] == sum(line[name] for line in lines[1:-1])
    written = (tmp_path / "record.jsonl").read_bytes().splitlines(keepends=True)
    assert end["lines"] == sha256(b"".join(written[:-1])).hexdigest()


def test_the_header_says_what_was_used(tmp_path):
    made = scene()
    lent, _, lines = record(tmp_path / "a", made=made, completion="dfc", order=[0])
    header = lines[0]
    assert (header["record"], header["program"]) == ("vsdfvi 1", f"vsdfvi {__version__}")
    assert header["settings"] == asdict(lent.inpainter.settings)
    assert Settings.from_arguments(header["settings"]) == lent.inpainter.settings
    assert header["resolved"] == {"device": "cpu", "flow": "dis", "threads": 1}
    packaged = weights.CHECKPOINTS["dfc_compact"]
    size = weights.find(None, "dfc_compact").stat().st_size
    assert header["weights"] == [{"file": packaged.file, "sha256": packaged.sha256, "bytes": size}]
    assert header["clip"] == asdict(made.format)
    assert header["mask"]["family"] == "GRAY"
    assert header["versions"]["numpy"] == np.__version__
    assert set(header["versions"]) == {"python", "numpy", "opencv", "torch", "cupy"}
    assert header["time"].endswith("Z")


def test_programs_that_are_in_use_are_hashed(tmp_path):
    file = tmp_path / "paint.pt"
    programs.written(file, programs.Paint(0.2, 0.4, 0.6))
    _, _, lines = record(tmp_path / "record", synthesis=str(file), order=[0])
    content = file.read_bytes()
    assert lines[0]["weights"] == [{"file": "paint.pt", "sha256": sha256(content).hexdigest(), "bytes": len(content)}]


FORMS = {
    "GRAY8": scenes.video_format("GRAY", size=(48, 64), frames=FRAMES),
    "YUV420P8": scenes.video_format(size=(48, 64), frames=FRAMES),
    "YUV422P10": scenes.video_format(bits=10, subsampling=(1, 0), size=(48, 64), frames=FRAMES),
    "RGBH": scenes.video_format("RGB", bits=16, is_float=True, size=(48, 64), frames=FRAMES),
    "YUV410PS": scenes.video_format(bits=32, is_float=True, subsampling=(2, 2), size=(48, 64), frames=FRAMES),
}


def documented():
    """The function of docs/record.md."""
    text = (Path(__file__).parents[2] / "docs" / "record.md").read_text(encoding="utf-8")
    names = {}
    exec("import hashlib" + text.split("```python\nimport hashlib")[1].split("```")[0], names)
    return names["digest"]


@pytest.mark.parametrize("name", FORMS)
def test_a_stranger_can_compute_the_digests(tmp_path, name):
    """By the words of docs/record.md, from the frames alone."""

    def stated(planes, holes):
        data = b""
        for plane, hole in zip(planes, holes, strict=True):
            for row in range(plane.shape[0]):
                for column in range(plane.shape[1]):
                    sample = bytes(plane[row, column : column + 1].astype(plane.dtype.newbyteorder("<")))
                    data += bytes(len(sample)) if hole[row, column] else sample
        return sha256(data).hexdigest()

    made = scene(FORMS[name])
    _, film, lines = record(tmp_path / "record", made=made, order=[1, EMPTY])
    for line in lines[1:-1]:
        n = line["frame"]
        holes = [made.plane_hole(n, plane) for plane in range(made.format.planes)]
        nowhere = [np.zeros_like(hole) for hole in holes]
        assert line["outside_before"] == line["outside_after"] == stated(made.damaged[n], holes)
        assert line["result"] == stated(film[n], nowhere)
        assert line["outside_after"] == documented()(film[n], made.mask[n])
        assert line["result"] == documented()(film[n])


def test_a_sample_that_changes_outside_the_hole_would_be_on_record(tmp_path):
    planes = (np.zeros((4, 4), np.uint8),)
    one = np.array([1], np.int32)
    repair = Repair(
        HolePixels(one, one, (one,), (one,), (one[:, None],)), (np.array([9], np.uint8),), -one,
        np.ones(1, np.float32), np.ones(1, np.uint8),
    )  # fmt: skip
    digests = []
    for place in ((1, 1), (2, 3)):
        written = Record(str(tmp_path / str(place)), {}, 9)
        with written.repaired(5, repair, planes):
            planes[0][place] = 9
        written.close()
        line = lines_of(tmp_path / str(place))[1]
        digests.append((line["outside_before"], line["outside_after"]))
        assert line["sources"] == {"4": 1}
    assert digests[0][0] == digests[0][1]
    assert digests[1][0] != digests[1][1]


def test_the_record_does_not_depend_on_order_but_for_the_order_of_its_lines(tmp_path):
    orders = {"forth": range(FRAMES), "back": range(FRAMES)[::-1], "twice": [3, 3, 0, EMPTY, 1, EMPTY, 2, 5, 0]}
    told = []
    for name, order in orders.items():
        _, _, lines = record(tmp_path / name, order)
        told.append(sorted(json.dumps({**line, "run": ""}) for line in lines[1:-1]))
        assert len(lines) == FRAMES + 2  # what is asked for again is not told again
        told[-1].append(json.dumps({**lines[-1], "run": "", "time": "", "lines": ""}))
    assert told[0] == told[1] == told[2]


def test_a_new_run_is_added_and_old_lines_stay(tmp_path):
    path = tmp_path / "record"
    record(path, [0, 1])
    before = path.read_bytes()
    _, _, lines = record(path, [1])
    assert path.read_bytes().startswith(before)
    assert [line["kind"] for line in lines] == ["run", "frame", "frame", "end", "run", "frame", "end"]
    assert len({line["run"] for line in lines}) == 2


def test_a_run_without_a_frame_leaves_no_line(tmp_path):
    path = tmp_path / "record"
    record(path, [])
    assert path.read_bytes() == b""
    record(path, [0])
    before = path.read_bytes()
    record(path, [])
    assert path.read_bytes() == before


def test_lines_are_there_as_soon_as_a_frame_is(tmp_path):
    path = tmp_path / "record"
    lent, _, lines = record(path, [0], close=False)
    assert [line["kind"] for line in lines] == ["run", "frame"]
    lent.render(EMPTY)
    assert lines_of(path)[2]["state"] == "empty"
    lent.inpainter.close()


def test_two_filters_share_a_file(tmp_path):
    path = tmp_path / "record"
    first = lender.of_scene(scene(), record=str(path), **SETTINGS)
    second = lender.of_scene(scene(), record=str(path), **SETTINGS)
    for n in range(FRAMES):
        first.render(n)
        second.render(n)
    for lent in (second, first):
        lent.inpainter.close()
    runs = {}
    for line in lines_of(path):
        runs.setdefault(line["run"], []).append(line)
    assert len(runs) == 2
    for lines in runs.values():
        assert [line["kind"] for line in lines] == ["run", *["frame"] * FRAMES, "end"]
        text = b"".join(
            json.dumps(line, separators=(",", ":"), ensure_ascii=False).encode() + b"\n" for line in lines[:-1]
        )
        assert lines[-1]["lines"] == sha256(text).hexdigest()


KILLED = """
import os, sys
sys.path.insert(0, {tests!r})
from engine.test_record import lender, scene, SETTINGS
lent = lender.of_scene(scene(), record={path!r}, **SETTINGS)
lent.render(0)
lent.render(1)
os.kill(os.getpid(), 9)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no signal 9 there")
def test_a_killed_process_leaves_whole_lines_and_the_next_goes_on(tmp_path):
    path = tmp_path / "record"
    tests = Path(__file__).parent.parent
    script = KILLED.format(tests=str(tests), path=str(path))
    folders = os.pathsep.join([str(tests), str(tests.parent)])
    process = subprocess.run([sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": folders})
    assert process.returncode == -9
    assert [line["kind"] for line in lines_of(path)] == ["run", "frame", "frame"]
    with path.open("ab") as file:
        file.write(b'{"kind":"frame","run":"0')  # what a full disk leaves
    record_of_next = lender.of_scene(scene(), record=str(path), **SETTINGS)
    record_of_next.render(2)
    record_of_next.inpainter.close()
    lines = path.read_bytes().splitlines()
    assert lines[3] == b'{"kind":"frame","run":"0'
    assert [json.loads(line)["kind"] for line in lines[4:]] == ["run", "frame", "end"]


def refusal(path):
    with pytest.raises(SettingError) as caught:
        lender.of_scene(scene(), record=str(path), **SETTINGS)
    assert caught.value.name == "record"
    return str(caught.value)


def test_what_cannot_be_written_is_refused_when_the_filter_is_made(tmp_path):
    rule = "record must be the path of a file that can be written"
    assert refusal(tmp_path) == f"{rule} (Is a directory), got {str(tmp_path)!r}"
    nowhere = tmp_path / "nowhere" / "record"
    assert refusal(nowhere) == f"{rule} (No such file or directory), got {str(nowhere)!r}"


@pytest.mark.parametrize(
    "content",
    [b"import vapoursynth\n", b'{"kind":"frame"}\n', b'{\n "record": 1\n}', b"\0\0\0", b'{"record":"vsdfvi 2",'],
)
def test_a_file_that_is_no_record_is_not_written_to(tmp_path, content):
    path = tmp_path / "film.vpy"
    path.write_bytes(content)
    assert refusal(path) == f"record must be a new file or a record, which is added to, got {str(path)!r}"
    assert path.read_bytes() == content


class FullDisk:
    """A file on a disk with room for so many bytes more."""

    def __init__(self, file, room):
        self.file, self.room = file, room

    def write(self, text):
        if not self.room:
            raise OSError(28, "No space left on device")
        part, self.room = text[: self.room], max(0, self.room - len(text))
        return self.file.write(part)

    def close(self):
        self.file.close()


def test_a_full_disk_is_an_error_of_the_frame_which_is_written_when_there_is_room(tmp_path):
    path = tmp_path / "record"
    written = Record(str(path), {}, 3)
    planes = (np.zeros((2, 2), np.uint8),)
    written._file = full = FullDisk(written._file, 30)
    for _ in range(2):  # the second time as well: the frame is not on record
        with pytest.raises(EngineError) as caught:
            written.handed_through(0, planes)
        assert str(caught.value) == (
            f"record must be a file that can be written to, got {str(path)!r}: No space left on device"
        )
    full.room = 10000
    written.handed_through(0, planes)
    written.close()
    half, *lines = path.read_bytes().splitlines()
    assert half == b'{"record":"vsdfvi 1","kind":"run","run":'[:30]
    assert [json.loads(line)["kind"] for line in lines] == ["run", "frame", "end"]
    lender.of_scene(scene(), record=str(path), **SETTINGS).inpainter.close()  # and it still is a record


def test_a_view_is_not_recorded_and_the_log_says_so(tmp_path, caplog):
    path = tmp_path / "record"
    lent = lender.of_scene(scene(), record=str(path), view="invented", **SETTINGS)
    lent.render(0)
    lent.inpainter.close()
    assert not path.exists()
    assert [message.getMessage() for message in caplog.records if "record" in message.getMessage()] == [
        f"record: a view is no result, and nothing is written to {path}"
    ]


def test_a_record_changes_no_sample(tmp_path):
    plain = lender.of_scene(scene(), **SETTINGS)
    _, film, _ = record(tmp_path / "record")
    for n, planes in film.items():
        for found, expected in zip(planes, plain.render(n), strict=True):
            np.testing.assert_array_equal(found, expected)


def test_nothing_is_hashed_without_a_record(monkeypatch):
    monkeypatch.setattr("vsdfvi.engine.record.digest", None)
    lender.of_scene(scene(), **SETTINGS).film()


def test_all_origins_are_counted(tmp_path):
    x = np.arange(5, dtype=np.int32)
    y = np.zeros(5, np.int32)
    pixels = HolePixels(x, y, (x,), (y,), (x[:, None],))
    distance, confidence = np.array([-3, 7, 0, 0, 0], np.int32), np.array([0.5, 0.25, 0, 0.125, 1], np.float32)
    origin = np.array([1, 1, 0, 2, 3], np.uint8)
    repair = Repair(pixels, (np.ones(5, np.uint8),), distance, confidence, origin)
    expected = {"DfviHole": 5, "DfviInvented": 1, "DfviTraced": 2, "DfviReference": 1, "DfviRecovered": 1}
    assert properties_of(repair) == {**expected, "DfviFarthest": 7, "DfviConfidence": 0.25}
    written = Record(str(tmp_path / "record"), {}, 20)
    planes = (np.zeros((1, 5), np.uint8),)
    with written.repaired(10, repair, planes):
        pass
    written.close()
    _, frame, end = lines_of(tmp_path / "record")
    counts = {"hole": 5, "invented": 1, "traced": 2, "reference": 1, "recovered": 1}
    assert counts.items() <= frame.items()
    assert counts.items() <= end.items()
    assert frame["sources"] == {"7": 1, "17": 1}
    assert (frame["farthest"], frame["lowest_confidence"], frame["mean_confidence"]) == (7, 0.25, 0.375)
    assert (end["farthest"], end["lowest_confidence"]) == (7, 0.25)
