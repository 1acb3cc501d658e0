"""Whatever is killed, at whatever moment: the same command goes on, and ends with the same bytes."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import films
import psutil
import pytest

from vsdfvi.cleaning.encoding import frames_of

FILMS, KILLS, CHUNK = 20, 10, 8
SEED = 6
STAGES = ("encoding", "writing the record", "encoding", "writing the record", "repairing")
"""After which lines it is killed at once, in every other run; in the others it is killed by the clock."""

LOCAL = (2, 5, 8)
"""Runs whose chunks are made by two workers."""


def write_jobs(folder: Path, sources: list[Path]) -> Path:
    """A batch of all films; of every other one the chunks stay, so that all may be looked at in the end."""
    text = (
        '[defaults]\nchunk = 8\nreport = false\n[defaults.settings]\ncompletion = "laplace"\nradius = 2\nthreads = 1\n'
    )
    for number, source in enumerate(sources):
        out = folder / f"out-{number:02d}.mkv"
        mask = f"rectangle:{10 + number},{8 + number},12,10"
        keep = "true" if number % 2 else "false"
        text += f'[[job]]\nsource = "{source}"\nmask = "{mask}"\noutput = "{out}"\nkeep = {keep}\n'
    folder.mkdir()
    path = folder / "jobs.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """Films, what a batch makes of them that nobody disturbs, and how many seconds it took beyond its beginning."""
    folder = tmp_path_factory.mktemp("films")
    sources = [films.film(folder / f"film-{number:02d}.mkv", seed=number) for number in range(FILMS)]
    jobs = write_jobs(folder / "plain", sources)
    begun = time.monotonic()
    with films.begun("batch", jobs) as process:
        for line in process.stderr:
            if "repairing" in line:
                ready = time.monotonic() - begun
                break
        process.stderr.read()
        assert process.wait() == 0
    return sources, jobs.parent, ready, time.monotonic() - begun - ready


def notes(folder: Path) -> dict[Path, tuple[int, int, str, str]]:
    """The chunks that are done: when their notes were written, where they lie on the disk, and what both files are."""
    found = {}
    for note in folder.glob("*.vsdfvi/chunk-*.json"):
        status = note.stat()
        found[note] = (status.st_mtime_ns, status.st_ino, films.digest(note), films.digest(note.with_suffix(".zip")))
    return found


def children(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def still_there(processes: list[psutil.Process], seconds: float = 60) -> list[psutil.Process]:
    """Those that have not ended by then. Who is ended and not waited for, as nobody's child is, is not there."""
    end = time.monotonic() + seconds
    while True:
        left = []
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                if process.status() != psutil.STATUS_ZOMBIE:
                    left.append(process)
        if not left or time.monotonic() > end:
            return left
        time.sleep(0.1)


def outputs(folder: Path) -> dict[str, str]:
    return {path.name: films.digest(path) for path in sorted(folder.glob("*.mkv"))}


def test_a_batch_that_is_killed_ten_times_ends_with_the_same_bytes_and_makes_no_chunk_twice(plain, tmp_path):
    sources, undisturbed, ready, seconds = plain
    jobs = write_jobs(tmp_path / "killed", sources)
    folder = jobs.parent
    chance = random.Random(SEED)
    seen: dict[Path, tuple] = {}
    told, progress = [], []
    for run in range(KILLS):
        where = ("--scheduler", "local", "--workers", 2) if run in LOCAL else ()
        with films.begun("batch", jobs, *where) as process:
            if run % 2:
                stage, skipped = STAGES[run // 2], chance.randrange(3)
                for line in process.stderr:
                    if line.rstrip().endswith(stage):
                        skipped -= 1
                        if skipped < 0:
                            break
                time.sleep(chance.uniform(0, 0.05))
                told.append(stage)
            else:
                # Those that begin workers take longer to begin. All is so early that together they are through with
                # half at most, also on a machine that has become twice as fast.
                limit = ready + (4 if where else 0) + chance.uniform(0, seconds / 12)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(limit)
                told.append(f"{limit:.1f} s")
            others = children(process.pid)
            assert process.poll() is None, f"it was to be killed, and had ended ({told})"
            process.kill()
            process.wait()
            assert process.returncode == -signal.SIGKILL
            assert still_there(others) == [], told[-1]
        now = notes(folder)
        for note, facts in seen.items():
            if note in now:
                assert now[note] == facts, f"{note} was made again ({told})"
            else:  # its folder is gone, because its job is done
                assert (folder / note.parent.name.removesuffix(".vsdfvi")).is_file(), f"{note} is gone ({told})"
        seen |= now
        progress.append(len(outputs(folder)))
    answer = films.run("batch", jobs)
    assert answer.returncode == 0, answer.stderr
    assert f"{FILMS} of {FILMS} films are there" in answer.stdout

    last = notes(folder)
    kept = {note for note in seen if note.parent.is_dir()}
    assert len(kept) >= 1, f"too little was done when it was killed: {progress}, {told}"
    assert {note: last[note] for note in kept} == {note: seen[note] for note in kept}
    assert outputs(folder) == outputs(undisturbed)
    assert len(outputs(folder)) == FILMS
    for record in sorted(undisturbed.glob("*.record.jsonl")):
        assert films.record_of(folder / record.name) == films.record_of(record)
    assert films.leftovers(folder) == [f"out-{number:02d}.mkv.vsdfvi" for number in range(1, FILMS, 2)]


DIES = """
import os, signal, sys
from pathlib import Path
from vsdfvi.cli.main import main

left, rename = int(sys.argv.pop(1)), Path.replace

def replace(self, target):
    global left
    if left == 0:
        print(Path(target).name, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1
    return rename(self, target)

Path.replace = replace
main(sys.argv[1:])
"""

CHUNKS = [
    (0, "job.json"), (1, "chunk-000000.zip"), (1, "chunk-000000.json"), (2, "chunk-000001.zip"),
    (1, "chunk-000001.json"),
]  # fmt: skip
"""Files that get their names in a run, and the one before whose name it dies, written and all."""

DEATHS = {
    "out.mkv": [*CHUNKS, (2, "out.record.jsonl"), (0, "out.record.jsonl"), (1, "out.mkv")],
    "out_%02d.png": [(6, "out_00.png"), (4, "out_03.png"), (0, "out__02d.record.jsonl")],
}


@pytest.mark.parametrize("output", DEATHS)
def test_a_film_that_dies_before_each_file_has_its_name_is_made_in_the_end(output, tmp_path):
    source = films.film(tmp_path / "film.mkv", frames=10)
    plain, folder = tmp_path / "plain", tmp_path / "killed"
    films.clean(source, plain / output)
    words = ["clean", source, "-m", films.HOLE, "-o", folder / output, "--no-report", "--chunk", 8, *films.SET]
    for renamed, before in DEATHS[output]:
        command = [sys.executable, "-c", DIES, str(renamed), *map(str, words)]
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (answer.returncode, answer.stdout.strip()) == (-signal.SIGKILL, before), answer.stderr
    answer = films.run(*words)
    assert answer.returncode == 0, answer.stderr
    ending = f"*{output[-4:]}"
    assert {path.name: films.digest(path) for path in folder.glob(ending)} == {
        path.name: films.digest(path) for path in plain.glob(ending)
    }
    assert len(list(folder.glob(ending))) == (1 if output == "out.mkv" else 10)
    assert films.leftovers(folder) == []


def test_workers_that_are_killed_cost_no_chunk_and_no_byte(tmp_path):
    source = films.film(tmp_path / "film.mkv", frames=96)
    films.clean(source, tmp_path / "here.mkv")
    words = ("clean", source, "-m", films.HOLE, "-o", tmp_path / "out.mkv", "--no-report", "--chunk", 8, *films.SET)
    work = tmp_path / "out.mkv.vsdfvi"
    with films.begun(*words, "--keep", "--scheduler", "local", "--workers", 2) as process:
        seen: dict[Path, tuple] = {}
        killed = 0
        while process.poll() is None and killed < 3:
            now = notes(tmp_path)
            if len(now) > len(seen):
                workers = [
                    each for each in children(process.pid) if "multiprocessing.spawn" in " ".join(each.cmdline())
                ]
                if workers and len(now) < 11:
                    os.kill(workers[killed % len(workers)].pid, signal.SIGKILL)
                    killed += 1
                seen |= now
            time.sleep(0.01)
        error = process.stderr.read()
        assert process.wait(120) == 0, error
    assert killed >= 1
    last = notes(tmp_path)
    assert len(last) == 12
    assert {note: last[note] for note in seen} == seen
    assert films.digest(tmp_path / "out.mkv") == films.digest(tmp_path / "here.mkv")
    assert [path.name for path in work.iterdir() if ".part-" in path.name] == []


def test_ffmpeg_ends_with_the_command_that_is_killed(tmp_path):
    frames = 600
    source = films.film(tmp_path / "film.mkv", frames, (240, 320))
    with films.begun(
        "clean", source, "-m", "rectangle:20,12,12,12", "--frames", "0-599", "-o", tmp_path / "out.mkv", "--no-report",
        "--chunk", 600, "--encoder", "x265", "--ffmpeg", "-preset medium", "--set", "reject=0-599",
    ) as process:  # fmt: skip
        while not any(part.stat().st_size for part in tmp_path.glob(".out.part-*.mkv")):
            assert process.poll() is None
            time.sleep(0.01)
        others = children(process.pid)
        assert [each.name() for each in others if "ffmpeg" in each.name()], "it is not encoding yet, or no longer"
        process.kill()
        process.wait()
        assert still_there(others, 60) == []
    # It went to the end of what it had been sent, and not on to the end of the film with its last frame.
    (part,) = tmp_path.glob(".out.part-*.mkv")
    assert 0 < frames_of(part) < frames
