"""``vsdfvi verify``: a whole job passes, and whatever is changed afterwards is found and named."""

import gc
import json
import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import scenes
import vapoursynth as vs
from click.testing import CliRunner
from clips import clip_of, mask_of, planes_of

from vsdfvi.cli.main import main
from vsdfvi.evaluation.records import frames_text

FRAMES, EMPTY = 8, 5
FORM = scenes.video_format(bits=10, size=(48, 64), frames=FRAMES)
SETTINGS = {
    "completion": "laplace",
    "radius": 3,
    "keyframe_interval": 2,
    "scene_threshold": 0,
    "threads": 1,
    "dilate": 2,
}
IN_HOLE, OUTSIDE = (20, 12), (40, 60)  # row and column in plane 0, on frame 0


def made():
    mask = scenes.box(FORM, (12, 14), (8, 16), (4.0, 0.0))
    mask[EMPTY] = False
    return scenes.translation(FORM, (0.5, 0.0), mask)


def write(path, clip):
    with path.open("wb") as file:
        clip.output(file, y4m=True)


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    """A folder with source, mask, result and record of a job."""
    folder = tmp_path_factory.mktemp("job")
    scene = made()
    clip, mask = clip_of(scene.damaged, FORM), mask_of(scene.mask)
    write(folder / "source.y4m", clip)
    write(folder / "mask.y4m", mask)
    result = clip.dfvi.Inpaint(mask, record=str(folder / "record.jsonl"), **SETTINGS)
    write(folder / "result.y4m", result)
    frames = [planes_of(result, n) for n in range(FRAMES)]
    del result
    gc.collect()  # the filter ends with its last reference
    return folder, scene, frames


def ask(folder, *options, record=None, **films):
    """The exit status, and the checks by name; of several of one name, the last that failed counts."""
    paths = {name: folder / f"{name}.y4m" for name in ("source", "result", "mask")} | films
    words = [word for name, path in paths.items() if path for word in (f"--{name}", str(path))]
    command = ["verify", str(record or folder / "record.jsonl"), *words, *options]
    answer = CliRunner().invoke(main, [*command, "--json"])
    plain = CliRunner().invoke(main, command)
    assert plain.exit_code == answer.exit_code, plain.output
    if answer.exit_code == 2:
        return 2, answer.output
    told = json.loads(answer.output)
    assert told["passed"] == (answer.exit_code == 0)
    checks = {}
    for check in told["checks"]:
        assert f"  {check['status']:8}  {check['name']:8}  {check['text']}\n" in plain.output
        if checks.get(check["name"], {}).get("status") != "failed":
            checks[check["name"]] = check
    return answer.exit_code, checks


def failed(checks):
    return {name: check["frames"] for name, check in checks.items() if check["status"] == "failed"}


def test_a_whole_job_passes_every_check(job):
    status, checks = ask(job[0])
    assert status == 0, checks
    assert {name for name, check in checks.items() if check["status"] != "passed"} == set()
    assert set(checks) == {
        "lines", "settings", "counts", "outside", "complete", "weights", "length", "mask", "source", "result", "law"
    }  # fmt: skip


def changed(path, frames, n, plane, place):
    """A film with one sample of frame n changed by one code."""
    planes = [list(frame) for frame in frames]
    planes[n][plane] = planes[n][plane].copy()
    planes[n][plane][place] ^= 1
    write(path, clip_of(planes, FORM))
    return path


@pytest.mark.parametrize(("n", "plane", "place"), [(0, 0, OUTSIDE), (3, 2, (0, 0)), (EMPTY, 1, (23, 31))])
def test_one_sample_outside_the_hole_of_the_result_is_found(job, tmp_path, n, plane, place):
    folder, _, frames = job
    status, checks = ask(folder, result=changed(tmp_path / "result.y4m", frames, n, plane, place))
    assert status == 1
    assert failed(checks) == {"result": [n], "law": [n]}
    where = f"1 outside the hole differ from the source, the first at plane {plane}, x {place[1]}, y {place[0]}"
    assert where in checks["law"]["text"]


def test_one_sample_inside_the_hole_of_the_result_is_found(job, tmp_path):
    folder, _, frames = job
    status, checks = ask(folder, result=changed(tmp_path / "result.y4m", frames, 0, 0, IN_HOLE))
    assert (status, failed(checks)) == (1, {"result": [0]})


def test_one_sample_outside_the_hole_of_the_source_is_found(job, tmp_path):
    folder, scene, _ = job
    for n, place in ((2, OUTSIDE), (EMPTY, IN_HOLE)):
        status, checks = ask(folder, source=changed(tmp_path / "source.y4m", scene.damaged, n, 0, place))
        assert (status, failed(checks)) == (1, {"source": [n]})
    status, checks = ask(folder, source=changed(tmp_path / "source.y4m", scene.damaged, 0, 0, IN_HOLE))
    assert status == 0  # what is broken there is not on record


def test_another_mask_is_found(job, tmp_path):
    folder, scene, _ = job
    mask = scene.mask.copy()
    mask[1, 40:44, 50:60] = True
    write(tmp_path / "mask.y4m", mask_of(mask))
    status, checks = ask(folder, mask=tmp_path / "mask.y4m")
    assert (status, checks["mask"]["frames"]) == (1, [1])
    assert "pixels of hole" in checks["mask"]["text"]


def test_a_result_that_is_too_short_is_found(job, tmp_path):
    folder, _, frames = job
    write(tmp_path / "result.y4m", clip_of(frames[:6], FORM))
    status, checks = ask(folder, result=tmp_path / "result.y4m")
    assert (status, failed(checks)) == (1, {"length": [6, 7]})


def test_frames_in_another_order_are_found(job, tmp_path):
    folder, _, frames = job
    write(tmp_path / "result.y4m", clip_of([*frames[:2], frames[3], frames[2], *frames[4:]], FORM))
    status, checks = ask(folder, result=tmp_path / "result.y4m")
    assert (status, failed(checks)) == (1, {"result": [2, 3], "law": [2, 3]})


def lossy(frames):
    random = np.random.default_rng(3)
    for frame in frames:
        yield tuple(plane ^ random.integers(0, 2, plane.shape).astype(plane.dtype) for plane in frame)


def test_a_lossy_result_is_no_tampering_where_one_says_so(job, tmp_path):
    folder, _, frames = job
    write(tmp_path / "result.y4m", clip_of(list(lossy(frames)), FORM))
    status, checks = ask(folder, result=tmp_path / "result.y4m")
    assert status == 1
    assert "--lossy" in checks["result"]["text"]
    status, checks = ask(folder, "--lossy", result=tmp_path / "result.y4m")
    assert (status, checks["result"]["status"]) == (0, "not done")
    assert checks["source"]["status"] == checks["length"]["status"] == "passed"
    write(tmp_path / "short.y4m", clip_of(list(lossy(frames[:-1])), FORM))
    status, checks = ask(folder, "--lossy", result=tmp_path / "short.y4m")
    assert (status, failed(checks)) == (1, {"length": [FRAMES - 1]})


def test_a_result_of_another_format_is_said_to_be_one(job, tmp_path):
    folder, _, frames = job
    write(tmp_path / "result.y4m", clip_of(frames, FORM).resize.Point(format=vs.YUV420P8))
    status, checks = ask(folder, result=tmp_path / "result.y4m")
    assert (status, failed(checks)) == (1, {"result": []})
    assert checks["result"]["text"] == (
        "the result must be 64x48 YUV420P10 as the record says, got 64x48 YUV420P8. Is it lossy? (--lossy)"
    )
    assert ask(folder, "--lossy", result=tmp_path / "result.y4m")[0] == 0


# The record itself.


def edited(job, tmp_path, edit):
    """The record with its lines changed by a function of them: dictionaries in, dictionaries out."""
    lines = [json.loads(line) for line in (job[0] / "record.jsonl").read_bytes().splitlines()]
    path = tmp_path / "edited.jsonl"
    path.write_bytes(b"".join(json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in edit(lines)))
    return path


def with_new_end(lines):
    """Lines whose end is made to fit what stands before it, as a careful forger would."""
    text = b"".join(json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in lines[:-1])
    return [*lines[:-1], {**lines[-1], "lines": sha256(text).hexdigest()}]


def test_the_editing_of_these_tests_changes_nothing_by_itself(job, tmp_path):
    path = edited(job, tmp_path, with_new_end)
    assert path.read_bytes() == (job[0] / "record.jsonl").read_bytes()


def change(n, **fields):
    def edit(lines):
        return [{**line, **fields} if line.get("frame") == n else line for line in lines]

    return edit


def test_any_change_of_a_line_is_found_by_the_digest_of_all(job, tmp_path):
    status, checks = ask(job[0], record=edited(job, tmp_path, change(2, mean_confidence=0.987)))
    assert (status, failed(checks)) == (1, {"lines": []})


@pytest.mark.parametrize("name", ["hole", "traced", "invented", "reference", "recovered", "farthest"])
def test_a_count_that_does_not_add_up_is_found_even_with_a_new_end(job, tmp_path, name):
    def edit(lines):
        line = lines[3]
        return with_new_end([*lines[:3], {**line, name: line[name] + 1}, *lines[4:]])

    status, checks = ask(job[0], record=edited(job, tmp_path, edit))
    assert status == 1
    assert failed(checks)["counts"] == [2]


def test_counts_that_add_up_but_are_not_those_of_the_sources_are_found(job, tmp_path):
    def edit(lines):
        line = lines[3]
        both = {"traced": line["traced"] + 3, "invented": line["invented"] - 3 if line["invented"] > 2 else 0}
        return with_new_end([*lines[:3], {**line, **both, "hole": sum(both.values())}, *lines[4:]])

    status, checks = ask(job[0], record=edited(job, tmp_path, edit))
    assert (status, failed(checks)["counts"]) == (1, [2])


def test_a_sum_at_the_end_is_found_to_be_wrong(job, tmp_path):
    status, checks = ask(job[0], record=edited(job, tmp_path, lambda lines: [*lines[:-1], {**lines[-1], "empty": 0}]))
    assert status == 1
    assert checks["counts"]["text"] == "empty is 1 over all frames, and 0 at the end"


def test_a_record_that_says_the_law_was_broken_fails(job, tmp_path):
    record = edited(job, tmp_path, lambda lines: with_new_end(change(1, outside_after="0" * 64)(lines)))
    status, checks = ask(job[0], record=record)
    assert (status, failed(checks)) == (1, {"outside": [1]})


def test_a_setting_that_is_out_of_range_is_found(job, tmp_path):
    def edit(lines):
        settings = {**lines[0]["settings"], "radius": 999}
        return with_new_end([{**lines[0], "settings": settings}, *lines[1:]])

    status, checks = ask(job[0], record=edited(job, tmp_path, edit))
    assert status == 1
    assert checks["settings"]["text"] == "radius must be between 1 and 128 frames, got 999"


def test_other_weights_than_those_here_are_found(job, tmp_path):
    def edit(sha):
        used = [{"file": "dfc_compact.safetensors", "sha256": sha, "bytes": 1}]
        return lambda lines: with_new_end([{**lines[0], "weights": used}, *lines[1:]])

    from vsdfvi.networks.weights import CHECKPOINTS

    right = CHECKPOINTS["dfc_compact"].sha256
    assert ask(job[0], record=edited(job, tmp_path, edit(right)))[0] == 0
    status, checks = ask(job[0], record=edited(job, tmp_path, edit("0" * 64)))
    assert (status, failed(checks)) == (1, {"weights": []})


def test_a_line_that_is_gone_is_found(job, tmp_path):
    status, checks = ask(job[0], record=edited(job, tmp_path, lambda lines: lines[:4] + lines[5:]))
    assert status == 1
    assert failed(checks)["complete"] == [3]
    assert "lines" in failed(checks)


@pytest.mark.parametrize("cut", [20, 1])
def test_a_record_whose_last_line_is_cut_is_read_and_said_to_have_no_end(job, tmp_path, cut):
    path = tmp_path / "cut.jsonl"
    path.write_bytes((job[0] / "record.jsonl").read_bytes()[:-cut])
    status, checks = ask(job[0], record=path)
    assert status == 0
    assert checks["lines"]["status"] == "not done"
    assert "no end" in checks["lines"]["text"]


def test_a_killed_run_is_said_to_lack_frames_and_may_be_joined_with_the_next(job, tmp_path):
    folder, scene, _ = job
    lines = (folder / "record.jsonl").read_bytes().splitlines(keepends=True)
    path = tmp_path / "killed.jsonl"
    path.write_bytes(b"".join(lines[:4]) + lines[4][:50])
    status, checks = ask(folder, record=path)
    assert (status, failed(checks)) == (1, {"complete": [3, 4, 5, 6, 7]})
    assert "frames 3-7 of 8" in checks["complete"]["text"]

    output = clip_of(scene.damaged, FORM).dfvi.Inpaint(
        mask_of(scene.mask), record=str(path), **{**SETTINGS, "threads": 2}
    )
    for n in range(2, FRAMES):
        output.get_frame(n).close()
    del output
    gc.collect()
    status, checks = ask(folder, record=path)
    assert (status, failed(checks)) == (1, {"complete": [0, 1]})
    names = [json.loads(line)["run"] for line in path.read_bytes().splitlines() if b'"kind":"run"' in line]
    status, checks = ask(folder, "--run", names[0], "--run", names[1], record=path)
    assert status == 0, checks
    assert checks["runs"]["text"] == "2 runs of one job"
    status, answer = ask(folder, "--run", "nobody", record=path)
    assert status == 2
    assert f"run must be one of {names[0]}, {names[1]}, got 'nobody'" in answer


def test_runs_that_disagree_or_are_of_other_settings_cannot_be_joined(job, tmp_path):
    text = (job[0] / "record.jsonl").read_bytes()
    lines = text.splitlines(keepends=True)
    name = json.loads(lines[0])["run"]

    def joined_with(old, new):
        other = b"".join(lines[:4]).replace(name.encode(), b"other").replace(old, new)
        assert other != b"".join(lines[:4])
        path = tmp_path / "two.jsonl"
        path.write_bytes(text + other)
        return failed(ask(job[0], "--run", name, "--run", "other", record=path)[1])

    assert joined_with(b'"radius":3', b'"radius":4') == {"runs": []}
    result = json.loads(lines[2])["result"]
    assert joined_with(result.encode(), b"0" * 64) == {"runs": [1]}
    assert joined_with(b'"memory":1024', b'"memory":512') == {}


# What is given, and what is not.


def test_without_films_the_record_is_held_against_itself(job):
    status, checks = ask(job[0], source=None, result=None, mask=None)
    assert status == 0
    assert {name for name, check in checks.items() if check["status"] == "not done"} == {"mask", "source", "result"}


def test_without_a_mask_whole_frames_are_compared_and_frames_without_a_hole(job, tmp_path):
    folder, _, frames = job
    status, checks = ask(folder, mask=None)
    assert (status, checks["mask"]["status"]) == (0, "not done")
    assert checks["source"]["text"].endswith("in 1 frames")
    assert checks["result"]["text"].endswith(f"in {FRAMES} frames")
    status, checks = ask(folder, mask=None, result=changed(tmp_path / "r.y4m", frames, 0, 0, OUTSIDE))
    assert (status, failed(checks)) == (1, {"result": [0]})


def test_films_may_be_scripts(job, tmp_path):
    folder = job[0]
    for name in ("source", "result", "mask"):
        (tmp_path / f"{name}.vpy").write_text(
            "import vapoursynth as vs\n"
            f"vs.core.bs.VideoSource({str(folder / f'{name}.y4m')!r}, cachemode=0).set_output()\n"
        )
    films = {name: tmp_path / f"{name}.vpy" for name in ("source", "result", "mask")}
    status, checks = ask(folder, **films)
    assert status == 0
    assert {check["status"] for check in checks.values()} == {"passed"}
    (tmp_path / "mask.vpy").write_text("no script")
    status, answer = ask(folder, **films)
    assert status == 2
    assert "mask must be a script whose output 0 is video" in answer


def test_what_is_no_record_or_no_film_is_said_to_be_none(job, tmp_path):
    folder = job[0]
    for content, problem in (
        ("", "which holds no run"),
        ("import this\n", "which holds no run"),
        ('{"kind":"frame","run":"x","frame":1}\n', "got none for line 1"),
        ('{"record":"vsdfvi 99","kind":"run","run":"x"}\n', "of the format 'vsdfvi 1', got 'vsdfvi 99'"),
        ('{"record":"vsdfvi 1","kind":"run","run":"x"}\n', "got one without time, program"),
    ):
        (tmp_path / "record").write_text(content)
        status, answer = ask(folder, record=tmp_path / "record")
        assert status == 2
        assert problem in answer
        assert "Traceback" not in answer
    (tmp_path / "film.mkv").write_bytes(b"no film")
    assert ask(folder, source=tmp_path / "film.mkv")[0] == 2
    assert ask(folder, source=folder / "mask.y4m")[0] == 2  # which is grey
    assert CliRunner().invoke(main, ["verify", str(tmp_path / "nowhere")]).exit_code == 2


def test_it_runs_as_a_program(job):
    folder = job[0]
    root = str(Path(__file__).parent.parent.parent)
    files = str(folder / "record.jsonl"), "--result", str(folder / "result.y4m")
    process = subprocess.run(
        [sys.executable, "-m", "vsdfvi", "verify", *files],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": root},
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    assert process.stdout.endswith("0 of 11 checks failed, 2 could not be done\n")


def test_frames_are_written_as_people_write_them():
    assert frames_text([3]) == "frame 3"
    assert frames_text([12, 10, 11, 3, 3]) == "frames 3, 10-12"
    assert frames_text(range(0, 100, 2)).endswith("20, 22 and others, 50 in all")
