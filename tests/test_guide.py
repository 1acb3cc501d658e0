"""The guide's scripts and commands run as they are printed, and its links lead somewhere."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import vapoursynth as vs

from vsdfvi.cli.main import COMMANDS

ROOT = Path(__file__).parent.parent
DOCS = sorted([*ROOT.glob("docs/*.md"), ROOT / "README.md"])
GUIDE = (ROOT / "docs/guide.md").read_text(encoding="utf-8")
SCRIPTS = re.findall(r"^```python\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
LINES = re.findall(r"^    (vsdfvi .*)$", GUIDE, re.MULTILINE)
WIDTH, HEIGHT, FRAMES = 96, 64, 6

OPENED = """
import vapoursynth as vs

core = vs.core
clip = core.bs.VideoSource("film.mkv")
mask = core.bs.VideoSource("mask.mkv")
dirt = logo = mask
clock = core.std.CropAbs(mask, 8, 8).std.AddBorders(0, 88, 0, 56)
"""
"""What a script of the guide may take as given."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The files that the guide names: a film that pans over a picture, a mask, a plate."""
    import imageio_ffmpeg

    folder = tmp_path_factory.mktemp("guide")
    ffmpeg = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-f", "lavfi", "-i"]
    film = f"testsrc2=size=192x128:rate=25,crop={WIDTH}:{HEIGHT}:n*3:n"
    box = "drawbox=x=40:y=24:w=12:h=10:color=white:t=fill"
    black = f"color=black:size={WIDTH}x{HEIGHT}:rate=25"
    count = ["-frames:v", str(FRAMES), "-c:v", "ffv1"]
    for source, options, name in (
        (film, [*count, "-pix_fmt", "yuv420p"], "film.mkv"),
        (f"{black},{box}", [*count, "-pix_fmt", "gray", "-color_range", "pc"], "mask.mkv"),
        (film, ["-frames:v", "1"], "plate.png"),
    ):
        subprocess.run([*ffmpeg, source, *options, name], cwd=folder, check=True)
    return folder


def run(command, folder, **more):
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder), **more}
    process = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


@pytest.mark.parametrize("number", range(len(SCRIPTS)))
def test_a_script_runs(folder, number):
    (folder / "script.vpy").write_text(OPENED + SCRIPTS[number], encoding="utf-8")
    program = "from sys import argv; import vapoursynth as vs; exec(open(argv[1]).read());"
    program += (
        "print(*(max(f.props.get('DfviHole', -1) for f in out.clip.frames()) for out in vs.get_outputs().values()))"
    )
    holes = [int(word) for word in run([sys.executable, "-c", program, "script.vpy"], folder).split()]
    assert len(holes) == SCRIPTS[number].count("set_output(")
    # A view of the mask has no count; every other frame says that something was missing.
    views = re.findall(r'view="(\w+)"', SCRIPTS[number])
    assert holes[0] > 0 or views == ["mask"]


@pytest.mark.parametrize("line", LINES)
def test_a_command_runs(folder, line):
    words = shlex.split(line)
    if words[1] not in COMMANDS:
        pytest.skip(f"there is no command {words[1]} in this version")
    for output in folder.glob("repaired*"):
        if output.is_file():
            output.unlink()
    run([sys.executable, "-m", "vsdfvi", *words[1:]], folder)
    if "--preview" not in words:
        made = vs.core.bs.VideoSource(str(folder / words[words.index("-o") + 1]), cachemode=0)
        assert (made.num_frames, made.width, made.height) == (FRAMES, WIDTH, HEIGHT)


@pytest.mark.parametrize("command", sorted(set(re.findall(r"`vsdfvi\s+(\w+)", GUIDE))))
def test_a_command_that_is_named_is_there(command):
    assert command in COMMANDS


def anchors(path):
    """The anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_links_lead_somewhere(path):
    text = re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"\w+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (path.parent / name).resolve() if name else path
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file), target


def test_every_document_is_in_the_index():
    index = (ROOT / "docs/index.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\]\((\w+\.md)\)", index))
    assert named == {path.name for path in (ROOT / "docs").glob("*.md")} - {"index.md"}
