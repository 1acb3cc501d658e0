"""``vsdfvi clean``: what it refuses and with which words, what it leaves when it is stopped, and what it takes up."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import films
import pytest
from click.testing import CliRunner

from vsdfvi.cli.main import main

USAGE = "Usage: main clean [OPTIONS] IN\nTry 'main clean --help' for help.\n\n"
ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder of films, and of files that are none."""
    folder = tmp_path_factory.mktemp("made")
    films.film(folder / "film.mkv")
    films.film(folder / "wide.mkv", size=(48, 80))
    films.film(folder / "short.mkv", frames=10)
    films.film(folder / "tall.mkv", size=(8, 64), frames=2)
    films.run_ffmpeg(
        "-f", "lavfi", "-i", "color=white:s=64x48", "-frames:v", "1", "-update", "1", f"{folder}/white.png"
    )
    films.run_ffmpeg("-f", "lavfi", "-i", "sine=duration=1", f"{folder}/sound.mkv")
    films.run_ffmpeg(
        *("-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", "64x48", "-i", "-", "-vf", "setfield=tff"),
        *("-flags", "+ilme+ildct", "-c:v", "mpeg2video", f"{folder}/fields.mpg"),
        sent=bytes(64 * 48 * 3 // 2 * 5),
    )
    (folder / "text.txt").write_text("no film\n", encoding="utf-8")
    (folder / "noise.mkv").write_bytes(bytes(range(256)) * 20)
    (folder / "empty.mkv").touch()
    (folder / "cut.mkv").write_bytes((folder / "film.mkv").read_bytes()[:3000])
    (folder / "there.mkv").write_bytes(b"old")
    (folder / "link.mkv").symlink_to("film.mkv")
    (folder / "hard.mkv").hardlink_to(folder / "film.mkv")
    (folder / "folder.mkv").mkdir()
    return folder


@pytest.fixture
def folder(made, tmp_path, monkeypatch):
    """A copy of it to work in."""
    shutil.copytree(made, tmp_path, symlinks=True, dirs_exist_ok=True)
    (tmp_path / "hard.mkv").unlink()
    (tmp_path / "hard.mkv").hardlink_to(tmp_path / "film.mkv")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def content(folder: Path) -> dict[str, bytes | None]:
    return {str(path): None if path.is_dir() else path.read_bytes() for path in sorted(folder.rglob("*"))}


def asked(*words: object, source="film.mkv", mask=films.HOLE, output="out.mkv") -> tuple[int, str]:
    """The exit status, and all that is said."""
    command = ["clean", source, *(("-m", mask) if mask else ()), "-o", output, "--no-report", "--chunk", "8", "-q",
               *films.SET, *map(str, words)]  # fmt: skip
    answer = CliRunner().invoke(main, command)
    assert answer.exception is None or isinstance(answer.exception, SystemExit), answer.exception
    return answer.exit_code, answer.output


NO_FILM = "source must be video that can be read, got {}: VideoSource: "
REFUSED = {
    "no source": ({"source": "absent.mkv"}, "source must be a file that is there, got absent.mkv"),
    "text": ({"source": "text.txt"}, NO_FILM.format("text.txt") + "Couldn't open '{folder}/text.txt'"),
    "noise": ({"source": "noise.mkv"}, NO_FILM.format("noise.mkv") + "Couldn't open '{folder}/noise.mkv'"),
    "nothing in it": ({"source": "empty.mkv"}, NO_FILM.format("empty.mkv") + "Couldn't open '{folder}/empty.mkv'"),
    "cut off": ({"source": "cut.mkv"}, NO_FILM.format("cut.mkv") + "Indexing of '{folder}/cut.mkv' track #0 failed"),
    "no picture": ({"source": "sound.mkv"}, NO_FILM.format("sound.mkv") + "Invalid track index"),
    "no pictures": (
        {"source": "folder.mkv"}, "a folder must hold one sequence of numbered pictures, got none in folder.mkv",
    ),
    "fields": (
        {"source": "fields.mpg"},
        "source must be progressive, got interlaced frames: clean its fields in a script (std.SeparateFields), or "
        "deinterlace it first",
    ),
    "too small": ({"source": "tall.mkv"}, "source must be at least 16x16 pixels, got 64x8"),
    "no mask": ({"mask": "absent.png"}, "mask must be a file that is there, got absent.png"),
    "mask of no kind": ({"mask": "circle:1,2"}, "mask must be a file that is there, got circle:1,2"),
    "mask of another size": ({"mask": "wide.mkv"}, "mask must be 64x48 as the source, got 80x48: wide.mkv"),
    "mask of another length": ({"mask": "short.mkv"}, "mask must be 1 frame or 24 as the source, got 10: short.mkv"),
    "rectangle outside": (
        {"mask": "rectangle:60,0,10,10"},
        "mask must be a rectangle within the 64x48 pixels of the picture, got 'rectangle:60,0,10,10'",
    ),
    "rectangle of three": (
        {"mask": "rectangle:1,2,3"},
        "mask must be rectangle:X,Y,WIDTH,HEIGHT in pixels, or shares such as 18%, got 'rectangle:1,2,3'",
    ),
    "band nowhere": (
        {"mask": "band:middle,10"},
        "mask must be band:top,HEIGHT or band:bottom,HEIGHT in pixels, or a share such as 18%, got 'band:middle,10'",
    ),
    "band of nothing": (
        {"mask": "band:top,0"}, "mask must be a band within the 48 rows of the picture, got 'band:top,0'",
    ),
    "letters too bright": (
        {"mask": "letters:top,10,256"},
        "mask must be letters of a level between 1 and 255, got 'letters:top,10,256'",
    ),
    "onto the source": (
        {"output": "film.mkv", "words": ("--overwrite",)},
        "output must be another file than those that are read, got 'film.mkv'",
    ),
    "onto the source by a link": (
        {"output": "link.mkv", "words": ("--overwrite",)},
        "output must be another file than those that are read, got 'link.mkv'",
    ),
    "onto the source by another name": (
        {"output": "hard.mkv", "words": ("--overwrite",)},
        "output must be another file than those that are read, got 'hard.mkv'",
    ),
    "onto the mask": (
        {"mask": "wide.mkv", "output": "wide.mkv", "words": ("--overwrite",)},
        "output must be another file than those that are read, got 'wide.mkv'",
    ),
    "onto a file": (
        {"output": "there.mkv"},
        "output must be a new file, or overwriting is to be allowed (--overwrite), got 'there.mkv'",
    ),
    "onto a folder": (
        {"output": "folder.mkv"}, "output must be a file, and not a folder that is there, got 'folder.mkv'",
    ),
    "no ending": ({"output": "out"}, "output must be a file whose name has an ending, such as .mkv, got 'out'"),
    "unknown ending": (
        {"output": "out.xyz"},
        "output must be a file of .avi, .dpx, .exr, .m4v, .mkv, .mov, .mp4, .mxf, .nut, .png, .tif, .tiff, .ts, .webm, "
        "got 'out.xyz'",
    ),
    "one picture": (
        {"output": "out.png"},
        "output must be pictures with a number in their name, such as frame_%05d.png, got 'out.png'",
    ),
    "beyond the film": ({"words": ("--frames", "0-24")}, "frames must be within the film's, 0 to 23, got '0-24'"),
    "reject beyond": (
        {"words": ("--set", "reject=0-100")}, "reject must be frames of the clip, 0 to 23, got 100",
    ),
    "reference of another size": (
        {"words": ("--reference", "wide.mkv")},
        "reference must be 64x48 and one frame or 24, got 80x48 and 24: wide.mkv",
    ),
    "unknown encoder": (
        {"words": ("--encoder", "mp3")},
        "encoder must be one of ffv1, x264, x265, svtav1, prores, dnxhr, dpx, tiff, png, exr, or none, got 'mp3'",
    ),
    "encoder for another ending": (
        {"words": ("--encoder", "prores"), "output": "out.mp4"},
        "output must be a file of .mov, .mkv for the encoder prores, got 'out.mp4'",
    ),
    "no encoder": (
        {"words": ("--encoder", "none")},
        "encoder must be none only where --ffmpeg names one, such as -c:v libx264, got 'none'",
    ),
    "ffmpeg refuses": (
        {"words": ("--ffmpeg", "-nothing 1")},
        "ffmpeg failed: Unrecognized option 'nothing'.; Error splitting the argument list: Option not found",
    ),
    "no scheduler": (
        {"words": ("--scheduler", "nowhere")},
        "scheduler must be here, local, or the address of a Dask scheduler (missing port number in address 'nowhere'), "
        "got 'nowhere'",
    ),
    "preview beyond": (
        {"words": ("--preview", 24)}, "preview must be a frame of the film, 0 to 23, got 24",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_done_is_refused_in_a_sentence_and_leaves_nothing(case, folder):
    given, sentence = REFUSED[case]
    before = content(folder)
    words = given.get("words", ())
    said = asked(*words, **{name: value for name, value in given.items() if name != "words"})
    assert said == (1, f"Error: {sentence.replace('{folder}', str(folder))}\n")
    assert content(folder) == before


WRONG = {
    "setting out of range": (("--set", "radius=1000"), "radius must be between 1 and 128 frames, got 1000"),
    "unknown setting": (
        ("--set", "nothing=1"), "settings must be name=value with the name of a setting, got 'nothing=1'",
    ),
    "setting of a view": (
        ("--set", "view=mask"), "view must be left out: a view is looked at with --preview, got 'mask'",
    ),
    "record": (
        ("--set", "record=x"), "record must be left out: the record is written beside the output, got 'x'",
    ),
    "unknown preset": (
        ("--preset", "none"),
        "preset must be one of dirt, scratch, logo, subtitle, dropout, object, preview, got 'none'",
    ),
    "short chunk": (("--chunk", "2"), "chunk must be between 8 and 100000 frames, got 2"),
    "frames backwards": (
        ("--frames", "9-3"), "frames must be FIRST-LAST with the first not after the last, got (9, 3)",
    ),
    "frames of nothing": (("--frames", "-5"), "frames must be such as 100-199, got '-5'"),
    "rate": (("--rate", "0"), "rate must be such as 24 or 24000/1001, got '0'"),
    "open quotation": (
        ("--ffmpeg", "'"),
        "Invalid value for --ffmpeg: must be words as a shell takes them (No closing quotation), got '",
    ),
    "no workers": (("--workers", "0"), "Invalid value for '--workers': 0 is not in the range x>=1."),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_command_that_is_wrong_ends_with_2(case, folder):
    words, sentence = WRONG[case]
    before = content(folder)
    assert asked(*words) == (2, f"{USAGE}Error: {sentence}\n")
    assert content(folder) == before


def test_a_mask_has_to_be_given(folder):
    assert asked(mask="") == (2, f"{USAGE}Error: Missing option '-m' / '--mask'.\n")


NAMES = ["a b", "it's", 'q"', "étoile 映画", "100%", "a%03d", "#1", "co:lon", "http:x", "br[0]{1}", "new\nline",
         "a,b;c", "back\\slash", "-dash"]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_a_name(name, folder):
    name = f"{name}.mkv"
    (folder / name).hardlink_to(folder / "film.mkv")
    masked = (folder / f"mask {name}").with_suffix(".png")
    shutil.copy(folder / "white.png", masked)
    answer = films.run(
        "clean", *films.SET, "--no-report", "--frames", "0-3", "-m", masked.name, "-o", f"out {name}", "--", name,
        cwd=folder,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    assert (folder / f"out {name}").stat().st_size > 500
    assert films.leftovers(folder) == []


def test_pictures_in_a_folder_with_a_percent_sign(folder):
    (folder / "100% #1").mkdir()
    status, said = asked("--frames", "0-2", output="100% #1/f%_%02d.png")
    assert (status, said) == (0, "")
    assert sorted(path.name for path in (folder / "100% #1").glob("*.png")) == [f"f%_{n:02d}.png" for n in range(3)]
    # And onto its own pictures it does not write.
    before = content(folder)
    status, said = asked(
        "--rate", "24", "--overwrite", source="100% #1/f%_##.png", mask="white.png", output="100% #1/f%_%02d.png"
    )
    assert said == "Error: output must be other pictures than those that are read, got '100% #1/f%_%02d.png'\n"
    status, said = asked("--overwrite", mask="100% #1/f%_01.png", output="100% #1/f%_%02d.png")
    assert said == "Error: output must be other pictures than those that are read, got '100% #1/f%_%02d.png'\n"
    status, said = asked("--frames", "1-3", output="100% #1/f%_%02d.png")
    assert said == (
        "Error: output must be a new file, or overwriting is to be allowed (--overwrite), got '100% #1/f%_%02d.png'\n"
    )
    assert content(folder) == before


def test_what_is_there_is_replaced_where_that_is_allowed(folder):
    assert asked("--overwrite", output="there.mkv") == (0, "")
    assert asked(output="new.mkv") == (0, "")
    assert films.digest(folder / "there.mkv") == films.digest(folder / "new.mkv")
    assert films.leftovers(folder) == []


def test_a_record_is_of_one_output(folder):
    assert asked(output="out.mkv") == (0, "")
    before = content(folder)
    assert asked("--frames", "0-3", output="out.nut") == (
        1,
        "Error: output must be of a name beside which out.record.jsonl is not the record of out.mkv, or overwriting is "
        "to be allowed (--overwrite), got 'out.nut'\n",
    )
    assert content(folder) == before
    assert asked("--frames", "0-3", "--overwrite", output="out.nut") == (0, "")


@pytest.mark.skipif(ROOT, reason="root may read and write everything: run as another user")
def test_what_may_not_be_read_or_written_is_said(folder):
    (folder / "film.mkv").chmod(0)
    status, said = asked()
    assert status == 1
    assert "Permission denied" in said
    (folder / "film.mkv").chmod(0o644)
    (folder / "closed").mkdir(mode=0o555)
    assert asked(output="closed/out.mkv") == (
        1, "Error: output must be in a folder that can be written to (Permission denied), got 'closed/out.mkv'\n",
    )  # fmt: skip


def test_a_folder_that_cannot_be_is_said(folder):
    assert asked(output="text.txt/out.mkv") == (
        1, "Error: output must be in a folder that can be written to (File exists), got 'text.txt/out.mkv'\n",
    )  # fmt: skip


def test_an_ffmpeg_without_the_encoder_is_found_out_at_once(folder):
    real = shutil.which("ffmpeg")
    (folder / "bin").mkdir()
    program = folder / "bin" / "ffmpeg"
    program.write_text(f'#!/bin/sh\n"{real}" "$@" | grep -v libx265\n', encoding="utf-8")
    program.chmod(0o755)
    answer = films.run("clean", "film.mkv", "-m", films.HOLE, "-o", "out.mkv", "--encoder", "x265", cwd=folder,
                       PATH=f"{folder / 'bin'}:/usr/bin:/bin")  # fmt: skip
    assert answer.returncode == 1
    assert answer.stderr == (
        f"Error: ffmpeg must have the encoder libx265, which {program} lacks: take another encoder or ffmpeg\n"
    )
    assert not list(folder.glob("out*"))


ROOM = {"chunks": "200k", "output": "640k"}
"""Of a disk that gets full then: chunks take some 3 kB a frame here, and the output 4 kB."""


@pytest.fixture
def small_disk(phase, tmp_path):
    """A folder of a disk of its own."""
    if not ROOT or shutil.which("mount") is None or sys.platform != "linux":
        pytest.skip("needs to mount a disk: run as root on Linux")
    place = tmp_path / "small"
    place.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={ROOM[phase]}", "tmpfs", str(place)], check=False
    ).returncode:
        pytest.skip("needs to mount a disk: this machine forbids it, as containers without CAP_SYS_ADMIN do")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.parametrize("phase", ROOM)
def test_a_full_disk_is_said_and_costs_nothing_that_is_done(phase, folder, small_disk):
    films.film(folder / "long.mkv", frames=120)
    words = ("--overwrite",)
    output = str(small_disk / "out.mkv")
    (small_disk / "out.mkv").write_bytes(b"old")
    status, said = asked(*words, source="long.mkv", output=output)
    assert (status, said) == (
        1, "Error: the disk is full: no room is left. What is done is kept; make room, and go on\n",
    )  # fmt: skip
    assert (small_disk / "out.mkv").read_bytes() == b"old"
    assert [path.name for path in small_disk.rglob("*") if ".part-" in path.name] == []
    done = {path: path.stat().st_mtime_ns for path in small_disk.glob("out.mkv.vsdfvi/chunk-*.json")}
    assert done
    assert (len(done) == 15) == (phase == "output")
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    assert asked(*words, "--keep", source="long.mkv", output=output) == (0, "")
    assert {path: path.stat().st_mtime_ns for path in done} == done
    films.clean(folder / "long.mkv", folder / "plain.mkv")
    assert films.digest(small_disk / "out.mkv") == films.digest(folder / "plain.mkv")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-C", "SIGTERM"])
@pytest.mark.parametrize("stage", ["reading the film", "repairing", "encoding", "writing the record"])
def test_who_is_stopped_says_so_and_goes_on_later(stage, number, made, tmp_path):
    source = made / "film.mkv"
    output = tmp_path / "out.mkv"
    output.write_bytes(b"old")
    words = ("clean", source, "-m", films.HOLE, "-o", output, "--overwrite", "--no-report", "--chunk", 8, *films.SET)
    with films.begun(*words) as process:
        for line in process.stderr:
            if line.rstrip().endswith(stage):
                break
        time.sleep(0.02)
        process.send_signal(number)
        said = process.stderr.read()
        process.wait(30)
    if process.returncode in (0, -number):  # it was on its way out already, with nothing left to stop
        assert stage == "writing the record"
        films.clean(source, tmp_path / "plain.mkv")
        assert films.digest(output) == films.digest(tmp_path / "plain.mkv")
        return
    assert process.returncode == 130, said
    assert said.endswith(f"stopped: what is done is kept in {output}.vsdfvi, and the same command goes on from there\n")
    interrupted = output.read_bytes()
    assert interrupted == b"old" or stage == "writing the record"  # after which it is there at once
    assert [path.name for path in tmp_path.rglob("*") if ".part-" in path.name] == []
    answer = films.run(*words)
    assert answer.returncode == 0, answer.stderr
    films.clean(source, tmp_path / "plain.mkv")
    assert films.digest(output) == films.digest(tmp_path / "plain.mkv")
    assert interrupted in (b"old", output.read_bytes())


def test_two_at_one_job(made, tmp_path):
    words = ("clean", made / "film.mkv", "-m", films.HOLE, "-o", tmp_path / "out.mkv", "--no-report", "--chunk", 8,
             *films.SET)  # fmt: skip
    with films.begun(*words) as process:
        for line in process.stderr:
            if line.rstrip().endswith("repairing"):
                break
        process.send_signal(signal.SIGSTOP)
        second = films.run(*words)
        process.send_signal(signal.SIGCONT)
        assert process.wait(60) == 0
    assert second.returncode == 1
    assert second.stderr.endswith(f"Error: another process is at this job: {tmp_path}/out.mkv.vsdfvi is locked\n")
    assert films.run(*words).stdout == f"{tmp_path}/out.mkv: done already, 24 frames\n"
    assert films.leftovers(tmp_path) == []


def test_another_way_to_encode_is_another_output(made, tmp_path):
    words = ("clean", made / "film.mkv", "-m", films.HOLE, "-o", tmp_path / "out.mkv", "--no-report", *films.SET)
    assert films.run(*words).returncode == 0
    before = films.digest(tmp_path / "out.mkv")
    refused = films.run(*words, "--ffmpeg", "-slices 16")
    assert refused.returncode == 1
    assert "output must be a new file, or overwriting is to be allowed" in refused.stderr
    assert films.digest(tmp_path / "out.mkv") == before
    assert films.run(*words, "--ffmpeg", "-slices 16", "--overwrite").returncode == 0
    assert films.digest(tmp_path / "out.mkv") != before


def test_the_record_is_one_that_verify_knows(folder):
    assert asked(mask="white.png", output="out.mkv") == (0, "")
    answer = CliRunner().invoke(
        main,
        ["verify", "out.record.jsonl", "--source", "film.mkv", "--result", "out.mkv", "--mask", "white.png", "--json"],
    )
    assert answer.exit_code == 0, answer.output
    assert {check["status"] for check in json.loads(answer.output)["checks"]} == {"passed"}
