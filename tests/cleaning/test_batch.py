"""A batch: what a file of jobs says, what a folder holds, what is planned, and that none that fails stops another."""

from pathlib import Path

import films
import pytest
from click.testing import CliRunner

from vsdfvi.cleaning.batch import find_jobs, read_jobs
from vsdfvi.cli.main import main
from vsdfvi.errors import FormatError

JOB = '[[job]]\nsource = "a.mkv"\nmask = "band:top,5"\noutput = "{}"\n'


def planned(folder: Path, text: str):
    path = folder / "jobs.toml"
    path.write_text(text, encoding="utf-8")
    return read_jobs(path)


def fault(folder: Path, more: str, before: str = "") -> str:
    """Why a job cannot be one that has this besides."""
    (each,) = planned(folder, before + JOB.format("out.mkv") + more)
    assert each.job is None
    return each.fault


def test_a_job_says_everything(tmp_path):
    (each,) = planned(tmp_path, """
[defaults]
chunk = 16
encoder = "x265"
[defaults.settings]
radius = 3
dilate = 2
[[job]]
source = "films/a.mkv"
mask = ["masks/a.png", "band:bottom,18%", "/far/b.png"]
output = "/out/a.mkv"
frames = "100-199"
rate = "24000/1001"
reference = "clean.png"
exclude = "no.png"
ffmpeg = ["-preset", "fast"]
filter = "hflip"
report = false
keep = true
[job.settings]
dilate = 5
""")  # fmt: skip
    job = each.job
    assert (job.source, job.output) == (str(tmp_path / "films/a.mkv"), "/out/a.mkv")
    assert job.masks == (str(tmp_path / "masks/a.png"), "band:bottom,18%", "/far/b.png")
    assert job.settings == {"radius": 3, "dilate": 5}
    assert (job.frames, str(job.rate)) == ((100, 199), "24000/1001")
    assert (job.reference, job.exclude) == (str(tmp_path / "clean.png"), (str(tmp_path / "no.png"),))
    assert (job.ffmpeg, job.filters, job.encoder) == (("-preset", "fast"), "hflip", "x265")
    assert (job.chunk, job.report, job.keep) == (16, False, True)


FAULTS = {
    "unknown = 1": "job must be of the keys source, mask, output, settings, frames, encoder, ffmpeg, filter, rate, "
    "reference, exclude, chunk, report, keep, got 'unknown'",
    "chunk = true": "chunk must be a whole number, got True",
    "chunk = 1.5": "chunk must be a whole number, got 1.5",
    "chunk = 2": "chunk must be between 8 and 100000 frames, got 2",
    "report = 1": "report must be true or false, got 1",
    'settings = "radius=3"': "settings must be a table, got 'radius=3'",
    "settings.radius = 1000": "radius must be between 1 and 128 frames, got 1000",
    "settings.nothing = 1": "settings must be names of the filter's settings, got 'nothing'",
    'settings.view = "mask"': "view must be left out: a view is looked at with --preview, got 'mask'",
    'frames = "-5"': "frames must be such as 100-199, got '-5'",
    'frames = "5-"': "frames must be such as 100-199, got '5-'",
    "frames = 5": "frames must be text, got 5",
    'frames = "9-3"': "frames must be FIRST-LAST with the first not after the last, got (9, 3)",
    "rate = 0": "rate must be such as 24 or 24000/1001, got '0'",
    "rate = 23.976": "rate must be text, or a whole number, got 23.976",
    'rate = "1/0"': "rate must be such as 24 or 24000/1001, got '1/0'",
    "ffmpeg = [1]": "ffmpeg must be a list of texts, got [1]",
    "exclude = [1]": "exclude must be a list of texts, got [1]",
    "exclude = 1": "exclude must be text, or a list of texts, got 1",
}


@pytest.mark.parametrize("line", FAULTS)
def test_a_job_that_is_wrong_has_a_fault(line, tmp_path):
    assert fault(tmp_path, line + "\n") == FAULTS[line]


@pytest.mark.parametrize("name", ["source", "mask", "output"])
def test_what_a_job_must_say(name, tmp_path):
    text = "\n".join(line for line in JOB.format("out.mkv").splitlines() if not line.startswith(name))
    (each,) = planned(tmp_path, text)
    assert each.fault == f"{name} must be given for each job, got 'nothing'"


def test_defaults_that_are_wrong_are_each_jobs_fault(tmp_path):
    assert fault(tmp_path, "", '[defaults]\nsettings = "x"\n') == "settings must be a table, got 'x'"
    assert fault(tmp_path, "", "defaults = 1\n") == "a job must be a table"


WRONG = {
    "": "jobs must be tables [[job]], and [defaults] if wanted, got no [[job]] in {}",
    "job = 1\n": "jobs must be tables [[job]], and [defaults] if wanted, got no [[job]] in {}",
    "jobs = []\n": "jobs must be tables [[job]], and [defaults] if wanted, got jobs in {}",
    "[[job\n": "jobs must be a TOML file, got {}: Expected ']]' at the end of an array declaration "
    "(at line 1, column 6)",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_file_that_holds_no_jobs_is_refused(text, tmp_path):
    with pytest.raises(FormatError) as error:
        planned(tmp_path, text)
    assert str(error.value) == WRONG[text].format(tmp_path / "jobs.toml")


def test_a_file_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "jobs.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FormatError, match="jobs must be a TOML file"):
        read_jobs(tmp_path / "jobs.toml")


@pytest.mark.parametrize("other", ["out.mkv", "./out.mkv", "x/../out.mkv", "out.mp4"])
def test_no_two_jobs_have_one_output_or_one_record(other, tmp_path):
    (tmp_path / "x").mkdir()
    found = planned(tmp_path, JOB.format("out.mkv") + JOB.format(other) + JOB.format("third.mkv"))
    assert [each.job is None for each in found] == [True, True, False]
    assert found[1].fault == f"output must be of another name for each job, its ending apart, got {other} twice"


def test_a_folder_is_read_by_convention(tmp_path):
    for name in ("a.mkv", "a.mask.png", "b.mov", "b_mask.mkv", "c.mp4", "c-mask.tif", "d.ts", "masks/d.avi", "e.mkv",
                 "notes.txt", "sub/f.mkv"):  # fmt: skip
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = find_jobs(tmp_path, tmp_path / "out", {"settings": {"radius": 3}})
    jobs = {Path(each.job.source).name: each.job for each in found if each.job}
    assert {name: Path(job.masks[0]).relative_to(tmp_path).as_posix() for name, job in jobs.items()} == {
        "a.mkv": "a.mask.png", "b.mov": "b_mask.mkv", "c.mp4": "c-mask.tif", "d.ts": "masks/d.avi",
    }  # fmt: skip
    assert all(job.output == str(tmp_path / "out" / (Path(job.source).stem + ".mkv")) for job in jobs.values())
    assert all(job.settings == {"radius": 3} for job in jobs.values())
    assert [each.fault for each in found if each.job is None] == ["no mask: e.mask.* or masks/e.* is not there"]
    (tmp_path / "mask.png").touch()  # one for all that have none
    found = find_jobs(tmp_path, tmp_path / "out", {})
    assert {Path(each.job.source).name: Path(each.job.masks[0]).name for each in found}["e.mkv"] == "mask.png"


def test_a_folder_without_masks_is_refused(tmp_path):
    (tmp_path / "a.mkv").touch()
    with pytest.raises(FormatError) as error:
        find_jobs(tmp_path, tmp_path / "out", {})
    assert str(error.value) == (
        f"a folder must hold films with masks (.mask, _mask, -mask, or in masks/), got {tmp_path}"
    )
    (each,) = find_jobs(tmp_path, tmp_path / "out", {"mask": ["band:top,10"]})
    assert each.job.masks == ("band:top,10",)


# The command ---------------------------------------------------------------------------------------------------------

SETTINGS = '[defaults]\nreport = false\nchunk = 8\nsettings = { completion = "laplace", radius = 2, threads = 1 }\n'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(("a.mkv", "b.mkv", "c.mkv")):
        films.film(tmp_path / name, frames=9, seed=seed)
    (tmp_path / "noise.mkv").write_bytes(bytes(range(256)))
    jobs = [("a.mkv", "outa.mkv"), ("noise.mkv", "outn.mkv"), ("b.mkv", "outb.mkv"), ("c.mkv", "outd.xyz"),
            ("a.mkv", "a.mkv"), ("c.mkv", "outc.mkv")]  # fmt: skip
    text = SETTINGS + "".join(f'[[job]]\nsource = "{source}"\nmask = "band:top,10"\noutput = "{output}"\n'
                              for source, output in jobs)  # fmt: skip
    text += '[[job]]\nsource = "a.mkv"\noutput = "none.mkv"\n'
    (tmp_path / "jobs.toml").write_text(text, encoding="utf-8")
    return tmp_path


def asked(*words: str):
    answer = CliRunner().invoke(main, ["batch", *words])
    assert answer.exception is None or isinstance(answer.exception, SystemExit), answer.exception
    return answer


def test_one_that_fails_stops_no_other(folder):
    answer = asked("jobs.toml")
    assert answer.exit_code == 1
    failed = dict(line.split(": failed: ") for line in answer.stderr.splitlines() if ": failed: " in line)
    assert failed == {
        "outn.mkv": "source must be video that can be read, got "
        f"{folder}/noise.mkv: VideoSource: Couldn't open '{folder}/noise.mkv'".replace(
            f"{folder}/noise.mkv:", "noise.mkv:"
        ),
        "outd.xyz": "output must be a file of .avi, .dpx, .exr, .m4v, .mkv, .mov, .mp4, .mxf, .nut, .png, .tif, .tiff, "
        ".ts, .webm, got 'outd.xyz'",
        "a.mkv": "output must be another file than those that are read, got 'a.mkv'",
        "none.mkv": "mask must be given for each job, got 'nothing'",
    }
    assert "3 of 7 films are there" in answer.stderr
    assert all((folder / name).is_file() for name in ("outa.mkv", "outb.mkv", "outc.mkv"))
    assert films.leftovers(folder) == []
    again = asked("jobs.toml")
    assert again.stdout.count("done already, 9 frames") == 3


def test_a_plan_is_printed_and_nothing_done(folder):
    before = sorted(folder.rglob("*"))
    answer = asked("jobs.toml", "--dry-run")
    assert answer.exit_code == 1  # one of them cannot be done
    rows = [line.split() for line in answer.stderr.splitlines() if " new " in f" {line} "]
    assert rows[0][:4] == ["outa.mkv", "new", "a.mkv", "band:top,10"]
    assert rows[0][4:] == ["completion=laplace", "radius=2", "threads=1"]
    assert "none.mkv: cannot be done: mask must be given for each job, got 'nothing'" in answer.stderr
    assert "outd.xyz: cannot be done: output must be a file of " in answer.stderr
    assert sorted(folder.rglob("*")) == before


def test_a_plan_says_what_is_done_and_begun(folder):
    text = SETTINGS + "".join(
        f'[[job]]\nsource = "{n}.mkv"\nmask = "band:top,10"\noutput = "out{n}.mkv"\n' for n in "abc"
    )
    (folder / "jobs.toml").write_text(text, encoding="utf-8")
    films.clean("a.mkv", "outa.mkv", "-m", "band:top,10")
    (folder / "outb.mkv.vsdfvi").mkdir()
    answer = asked("jobs.toml", "--dry-run")
    assert answer.exit_code == 0
    states = {row[0]: row[1] for line in answer.stderr.splitlines() if len(row := line.split()) > 3}
    assert [states[f"out{n}.mkv"] for n in "abc"] == ["done", "begun", "new"]


def test_a_folder_is_cleaned(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(("a.mkv", "b.mkv")):
        films.film(tmp_path / name, frames=9, seed=seed)
    words = [word for name, value in films.QUICK.items() for word in ("--set", f"{name}={value}")]
    answer = asked(".", "-m", "band:top,10", "-o", "out", *words, "-q")
    assert (answer.exit_code, answer.stdout) == (0, "")
    assert sorted(path.name for path in (tmp_path / "out").glob("*.mkv")) == ["a.mkv", "b.mkv"]
    films.clean("a.mkv", "plain.mkv", "-m", "band:top,10")
    assert films.digest(tmp_path / "plain.mkv") == films.digest(tmp_path / "out" / "a.mkv")


def test_options_of_a_folder_go_with_no_file(folder):
    answer = asked("jobs.toml", "-m", "band:top,10")
    assert answer.exit_code == 2
    assert answer.stderr.endswith(
        "Error: -o, -m, --set and --encoder go with a folder; a file of jobs says it for each\n"
    )
