"""The record through the plugin: from many threads, from several filters, in every kind of end; and the properties."""

import gc
import json
import random
from functools import cache

import clips
import pytest
import scenes
import vapoursynth as vs
from click.testing import CliRunner

from vsdfvi.cli.main import main

FRAMES, EMPTY = 10, 6
FORM = scenes.video_format(size=(64, 96), frames=FRAMES)
SETTINGS = {"completion": "laplace", "radius": 4, "keyframe_interval": 3, "scene_threshold": 0.0}
PROPERTIES = ("DfviHole", "DfviTraced", "DfviInvented", "DfviReference", "DfviRecovered")


@cache
def scene():
    """A pan behind a hole that moves with it for some frames, so that a part is never seen; one frame without."""
    mask = scenes.box(FORM, (20, 24), (16, 20), (3.0, 0.0))
    mask[EMPTY] = False
    return scenes.translation(FORM, (1.5, 0.5), mask)


def node(**settings):
    made = scene()
    return clips.clip_of(made.damaged, FORM).dfvi.Inpaint(clips.mask_of(made.mask), **{**SETTINGS, **settings})


def lines_of(path):
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def told(lines):
    """What frames' lines say, whatever the run and the order."""
    return sorted(json.dumps({**line, "run": ""}) for line in lines if line["kind"] == "frame")


def run(path, order=range(FRAMES), prefetch=1, **settings):
    output = node(record=str(path), **settings)
    futures = []
    for k, n in enumerate(order):
        futures.append(output.get_frame_async(n))
        if k % prefetch == prefetch - 1:
            while futures:
                futures.pop().result().close()
    for future in futures:
        future.result().close()
    del output
    gc.collect()
    return lines_of(path)


def test_threads_and_order_change_nothing_in_what_is_told(tmp_path, threads):
    threads(1)
    plain = run(tmp_path / "in order", threads=1)
    assert [line["kind"] for line in plain] == ["run", *["frame"] * FRAMES, "end"]
    threads(4)
    shuffled = random.Random(3).sample(range(FRAMES), FRAMES)
    for name, order in (("at once", range(FRAMES)), ("at random", shuffled), ("again", [*shuffled, 3, 3, EMPTY, 0])):
        lines = run(tmp_path / name, order, prefetch=8, threads=2)
        assert told(lines) == told(plain)
        assert len(lines) == FRAMES + 2
    assert [line["state"] for line in plain[1:-1]].count("empty") == 1
    assert plain[1 + EMPTY]["state"] == "empty"


def test_what_is_told_is_what_the_host_got(tmp_path):
    path = tmp_path / "record"
    output = node(record=str(path))
    for n in range(FRAMES):
        with output.get_frame(n) as frame:
            line = lines_of(path)[1 + n]
            assert line["frame"] == n
            if n == EMPTY:
                assert not set(PROPERTIES) & set(frame.props)
                assert line["hole"] == line["farthest"] == 0
                continue
            assert [frame.props[name] for name in PROPERTIES] == [
                line[name.removeprefix("Dfvi").lower()] for name in PROPERTIES
            ]
            assert frame.props["DfviHole"] == scene().mask[n].sum()
            assert frame.props["DfviFarthest"] == line["farthest"] == max(abs(int(k) - n) for k in line["sources"])
            assert frame.props["DfviConfidence"] == pytest.approx(line["lowest_confidence"], abs=1e-6)
            assert 0 < frame.props["DfviConfidence"] <= 1


def test_properties_need_no_record_and_are_0_where_nothing_was_seen():
    made = scene()
    still = clips.mask_of(made.mask[:1])  # of one frame, for all
    alone = clips.clip_of(made.damaged[:1], scenes.video_format(size=(64, 96), frames=1))
    with alone.dfvi.Inpaint(still, **SETTINGS).get_frame(0) as frame:
        hole = int(made.mask[0].sum())
        assert [frame.props[name] for name in PROPERTIES] == [hole, 0, hole, 0, 0]
        assert (frame.props["DfviFarthest"], frame.props["DfviConfidence"]) == (0, 0.0)
        assert isinstance(frame.props["DfviConfidence"], float)


def test_filters_that_live_at_once_may_share_a_record(tmp_path):
    path = tmp_path / "record"
    outputs = [node(record=str(path)), node(record=str(path), radius=2)]
    for future in [output.get_frame_async(n) for n in range(FRAMES) for output in outputs]:
        future.result().close()
    outputs.clear()
    gc.collect()
    lines = lines_of(path)
    assert [line["settings"]["radius"] for line in lines if line["kind"] == "run"].count(2) == 1
    for name in {line["run"] for line in lines}:
        answer = CliRunner().invoke(main, ["verify", str(path), "--run", name])
        assert answer.exit_code == 0, answer.output


def test_a_reloaded_script_leaves_no_trace_until_a_frame_is_shown(tmp_path):
    path = tmp_path / "record"
    for _ in range(3):
        node(record=str(path))
        gc.collect()
    assert path.read_bytes() == b""


def test_a_record_that_cannot_be_written_is_refused_when_the_script_is_loaded(tmp_path):
    path = tmp_path / "nowhere" / "record"
    with pytest.raises(vs.Error) as caught:
        node(record=str(path))
    assert str(caught.value) == (
        f"Inpaint: record must be the path of a file that can be written (No such file or directory), got {str(path)!r}"
    )


SCRIPT = """
import vapoursynth as vs
core = vs.core
clip = core.std.BlankClip(format=vs.YUV420P8, width=64, height=48, length=5, color=[40, 100, 150])
mask = core.std.BlankClip(format=vs.GRAY8, width=16, height=16, length=1, color=255).std.AddBorders(24, 24, 16, 16)
output = clip.dfvi.Inpaint(mask, record={path!r}, completion="laplace")
"""


def test_vspipe_and_python_end_a_record_each(processes, tmp_path):
    path = tmp_path / "record"
    script = SCRIPT.format(path=str(path))
    process = processes.vspipe(script + "output.set_output()", "-c", "y4m")
    assert process.returncode == 0, process.stderr
    process = processes.python(script + "output.get_frame(2).close()\n")
    assert process.returncode == 0, process.stderr
    assert [line["kind"] for line in lines_of(path)] == ["run", *["frame"] * 5, "end", "run", "frame", "end"]
