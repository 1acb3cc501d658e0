"""The examples and the command lines of the README run as they are printed."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import vapoursynth as vs

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.vpy"))
FRAMES = 4  # that are piped; the clips have some more, to be looked into

SCRIPT = """
import vapoursynth as vs
core = vs.core
clip = core.std.BlankClip(format=vs.YUV420P8, width=64, height=48, length=4, color=[90, 110, 150])
mask = core.std.BlankClip(format=vs.GRAY8, width=16, height=16, length=1, color=255).std.AddBorders(24, 24, 16, 16)
core.dfvi.Inpaint(clip, mask).set_output()
"""


def commands(text: str, indent: str) -> list[str]:
    """Return the lines of a text that call vspipe, as they are printed after an indent."""
    return re.findall(rf"^{indent}(vspipe .*)$", text, re.MULTILINE)


TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
README = commands(TEXT, "    ")


def run(command: str | list[str], folder: Path) -> str:
    """Run a command, in a shell if it is a line of one; what it said on stderr."""
    environment = dict(os.environ, HOME=str(folder), XDG_CACHE_HOME=str(folder))
    if isinstance(command, str):
        command = ["bash", "-c", f"set -eu -o pipefail; {command}"]
    process = subprocess.run(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300
    )
    assert process.returncode == 0, process.stderr
    return process.stderr


def need(command: str) -> None:
    """Skip the test where a program, or one of ffmpeg's encoders, is not there."""
    if missing := [name for name in ("ffmpeg", "x264") if f"| {name} " in command and not shutil.which(name)]:
        pytest.skip(f"not installed: {missing[0]}")
    if encoder := re.search(r"-c:v (\w+)", command):
        listed = subprocess.run(["ffmpeg", "-hide_banner", "-encoders"], capture_output=True, text=True).stdout
        if not re.search(rf"^ V\S+ {encoder[1]} ", listed, re.MULTILINE):
            pytest.skip(f"this ffmpeg has no encoder {encoder[1]}")


def frames_in(file: Path) -> int:
    """Return the number of frames of a video file."""
    return vs.core.bs.VideoSource(str(file), cachemode=0).num_frames


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A folder with the examples and the clips they open, short ones."""
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copytree(ROOT / "examples", folder / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    run([sys.executable, "examples/make_clips.py", "--frames", str(FRAMES + 4)], folder)
    return folder


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example_runs_as_its_first_comment_says(checkout, example):
    [command] = commands(example.read_text(encoding="utf-8"), "#     ")
    assert f" examples/{example.name} " in command
    need(command)
    run(command.replace("vspipe ", f"vspipe -e {FRAMES - 1} --json report.json "), checkout)
    assert frames_in(checkout / command.split()[-1]) == FRAMES
    # Its mask finds something.
    assert '"DfviHole"' in (checkout / "report.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", [line for line in README if "|" in line])
def test_readme_pipes_into_a_file(tmp_path, command):
    need(command)
    (tmp_path / "script.vpy").write_text(SCRIPT, encoding="utf-8")
    run(command, tmp_path)
    [output] = tmp_path.glob("repaired.*")
    assert frames_in(output) == 4


def test_readme_writes_the_properties_of_every_frame(tmp_path):
    [command] = re.findall(r"`(vspipe --json [^`]*)`", TEXT)
    (tmp_path / "script.vpy").write_text(SCRIPT, encoding="utf-8")
    run(command, tmp_path)
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert json.dumps(report).count('"DfviHole"') == 4
