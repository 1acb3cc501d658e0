"""The commands of docs/hosts.md, run as they are printed: what comes out decodes to the frames that went in."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import vapoursynth as vs

TEXT = (Path(__file__).parents[2] / "docs" / "hosts.md").read_text(encoding="utf-8")
PIPES = re.findall(r"^    (vspipe .*\|.*)$", TEXT, re.MULTILINE)
ENCODERS = [line for line in PIPES if "| mpv" not in line]
PLAYERS = [line for line in PIPES if "| mpv" in line]
TAGS = dict(re.findall(r"^\| (x264|x265|SvtAv1EncApp|ffmpeg) \| `(.*)` \|$", TEXT, re.MULTILINE))
PACKAGES = {"SvtAv1EncApp": "svt-av1"}  # of Debian, where they have another name than the program
FRAMES = 5

# A picture that moves, with a hole that the frames beside show; larger than the least that DNxHR takes. PyTorch would
# take longer to be imported than all else takes.
SCRIPT = """
import vapoursynth as vs
core = vs.core
colors = [[37 * k % 200 + 20, 53 * k % 100 + 70, 29 * k % 100 + 70] for k in range(36)]
bands = [
    core.std.BlankClip(format=vs.YUV420P<depth>, width=8, height=128, length=1, color=[c << <shift> for c in color])
    for color in colors
]
wide = core.std.StackHorizontal(bands)
clip = core.std.Splice([wide.std.Crop(left=4 * n, right=32 - 4 * n) for n in range(<frames>)])
mask = core.std.BlankClip(format=vs.GRAY8, width=8, height=16, length=1, color=255).std.AddBorders(104, 144, 64, 48)
output = core.dfvi.Inpaint(clip, mask, completion="laplace")
"""


def script(command: str) -> str:
    """The script that goes with a command, of the depth that it names."""
    depth = 10 if re.search(r"depth 10|p10", command) else 8
    text = SCRIPT.replace("<depth>", str(depth)).replace("<shift>", str(depth - 8))
    return text.replace("<frames>", str(FRAMES))


def program_of(command: str) -> str:
    """The program that the pipe of a command leads to."""
    return command.split("| ")[1].split()[0]


def need(command: str) -> None:
    """Skip the test where a program, or one of ffmpeg's encoders, is not there."""
    for program in (program_of(command), "ffmpeg", "ffprobe"):
        if not shutil.which(program):
            pytest.skip(f"{program} is missing: apt-get install {PACKAGES.get(program, program)}")
    if encoder := re.search(r"-c:v (\w+)", command):
        listed = subprocess.run(["ffmpeg", "-hide_banner", "-encoders"], capture_output=True, text=True).stdout
        if not re.search(rf"^ V\S+ {encoder[1]} ", listed, re.MULTILINE):
            pytest.skip(f"this ffmpeg has no encoder {encoder[1]}: install one that was built with it")


def run(command: str | list[str], folder: Path) -> bytes:
    """Run a command, in a shell if it is a line of one; what it wrote to stdout."""
    environment = dict(os.environ, HOME=str(folder), XDG_CACHE_HOME=str(folder), XDG_CONFIG_HOME=str(folder))
    if isinstance(command, str):
        command = ["bash", "-c", f"set -eu -o pipefail; {command}"]
    done = subprocess.run(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=120
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout


def encoded(command: str, folder: Path) -> Path:
    """Run a command that encodes; the file that it wrote."""
    (folder / "script.vpy").write_text(script(command) + "output.set_output()\n", encoding="utf-8")
    run(command, folder)
    [output] = folder.glob("repaired.*")
    return output


def described(file: Path) -> dict[str, str]:
    """What ffprobe says of a file's video."""
    stream = ["-select_streams", "v:0", "-count_frames", "-show_streams", "-of", "default=noprint_wrappers=1"]
    lines = run(["ffprobe", "-v", "error", *stream, str(file)], file.parent).decode().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def repaired(command: str) -> bytes:
    """All samples of the script's output, frame by frame and plane by plane, as this process computes them."""
    scope: dict[str, vs.VideoNode] = {}
    exec(script(command), scope)
    return b"".join(plane.tobytes() for frame in scope["output"].frames(close=True) for plane in frame)


def is_lossless(command: str) -> bool:
    return bool(re.search(r"ffv1|-qp 0|--lossless", command))


def test_every_host_of_the_page_is_there():
    assert {program_of(line) for line in PIPES} == {"x264", "x265", "SvtAv1EncApp", "ffmpeg", "mpv"}
    assert sorted(TAGS) == ["SvtAv1EncApp", "ffmpeg", "x264", "x265"]
    assert sum(map(is_lossless, ENCODERS)) == 4


@pytest.mark.parametrize("command", ENCODERS, ids=lambda line: line.split("| ")[1])
def test_an_encoder_gets_every_frame(tmp_path, command):
    need(command)
    file = encoded(command, tmp_path)
    facts = described(file)
    assert (int(facts["width"]), int(facts["height"]), int(facts["nb_read_frames"])) == (256, 128, FRAMES)
    assert ("10le" in facts["pix_fmt"]) == ("p10" in command or "depth 10" in command)
    if is_lossless(command):
        samples = run(["ffmpeg", "-v", "error", "-i", str(file), "-f", "rawvideo", "-"], tmp_path)
        assert samples == repaired(command)


@pytest.mark.parametrize("program", TAGS)
def test_colours_arrive(tmp_path, program):
    command = next(line for line in ENCODERS if program_of(line) == program)
    need(command)
    if program == "ffmpeg":
        command = command.replace(" repaired", f" {TAGS[program]} repaired")
    else:
        command = command.replace(f"| {program} ", f"| {program} {TAGS[program]} ")
    facts = described(encoded(command, tmp_path))
    names = ("color_range", "color_space", "color_primaries", "color_transfer")
    assert [facts[name] for name in names] == ["tv", "bt709", "bt709", "bt709"]


@pytest.mark.parametrize("command", PLAYERS)
def test_a_player_shows_every_frame(tmp_path, command):
    need(command)
    # The line is run as it is printed: that pictures go into files, and not onto a screen, is said in the settings.
    settings = tmp_path / "mpv" / "mpv.conf"
    settings.parent.mkdir()
    settings.write_text("vo=image\nvo-image-format=png\nvo-image-outdir=shown\n", encoding="utf-8")
    (tmp_path / "script.vpy").write_text(script(command) + "output.set_output()\n", encoding="utf-8")
    run(command, tmp_path)
    shown = sorted((tmp_path / "shown").glob("*.png"))
    assert len(shown) == FRAMES
    assert len({file.read_bytes() for file in shown}) == FRAMES  # each another one: the picture moves
