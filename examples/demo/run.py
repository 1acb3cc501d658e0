"""The demo: make damaged film with a known truth, repair it as a user would, measure, and show.

python examples/demo/run.py        writes demo/repaired.mp4, demo/before_after.png and demo/figures.json
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import damage
import footage
import measure
from footage import FILM, HEIGHT, WIDTH
from video_files import BT709, LosslessWriter, ffmpeg

SCRIPT = Path(__file__).with_name("inpaint.vpy")
CHECKOUT = Path(__file__).resolve().parents[2]
PICKED = (30, 66, 90)  # frames of the picture: both shots, and every kind of damage


def main() -> None:
    """Run the demo."""
    parser = argparse.ArgumentParser(description="Repair damaged film whose truth is known.")
    parser.add_argument("--folder", type=Path, default=Path("demo"), help="where everything is written")
    parser.add_argument("--script", type=Path, default=SCRIPT, help="the script that repairs")
    parser.add_argument("--picture", type=Path, help="the before and after picture, else in the folder")
    options = parser.parse_args()
    folder, work = options.folder, options.folder / "work"

    render(work)
    repair(options.script, work, folder / "repaired.mp4")
    frames_per_second = speed(options.script, work)
    figures, kept = measure.compare(work, PICKED)
    measure.before_after(kept, options.picture or folder / "before_after.png")

    result = figures.as_dict() | {"frames_per_second": frames_per_second, "threads": os.cpu_count()}
    (folder / "figures.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(
        f"{WIDTH}x{HEIGHT}, {result['frames']} frames, {result['hole_percent']} % hole: "
        f"PSNR in the hole {result['hole_psnr_damaged_db']} dB -> {result['hole_psnr_repaired_db']} dB, "
        f"{frames_per_second} frames/s, samples changed outside the mask (Y, U, V) {figures.changed_outside}"
    )
    if any(figures.changed_outside):
        raise SystemExit(f"samples changed outside the mask must be 0, got {figures.changed_outside}")


def render(work: Path) -> None:
    """Write truth.mkv, damaged.mkv and mask.mkv, a frame at a time."""
    total = footage.length(FILM)
    lines = damage.scratches(WIDTH, HEIGHT, total)
    with ExitStack() as files:
        truth, damaged, mask = (
            files.enter_context(LosslessWriter(work / f"{name}.mkv", WIDTH, HEIGHT, planes))
            for name, planes in (("truth", 3), ("damaged", 3), ("mask", 1))
        )
        for n in range(total):
            clean = footage.render(FILM, n)
            layers = [damage.logo(WIDTH, HEIGHT)]
            layers += [damage.scratch(WIDTH, HEIGHT, n, line) for line in lines]
            dirty, covered = damage.laid_over(clean, layers + damage.dirt(WIDTH, HEIGHT, n))
            truth.write(clean)
            damaged.write(dirty)
            mask.write((covered,))
            _show(f"rendering {n + 1}/{total}", last=n + 1 == total)


def repair(script: Path, work: Path, output: Path) -> None:
    """Pipe the script into ffmpeg: an MP4 to look at, and a lossless file to measure."""
    print(f"repairing into {output}", file=sys.stderr)
    environment = _environment()
    command = [_vspipe(environment), "-c", "y4m", *_inputs(work), str(script), "-"]
    source = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
    encode = [ffmpeg(), "-y", "-loglevel", "error", "-i", "-"]
    encode += ["-map", "0:v", "-c:v", "libx264", "-crf", "16", "-pix_fmt", "yuv420p", "-movflags", "+faststart"]
    encode += BT709  # y4m does not carry it
    encode += [str(output), "-map", "0:v", "-c:v", "ffv1", str(work / "repaired.mkv")]
    encoded = subprocess.run(encode, stdin=source.stdout).returncode
    assert source.stdout
    source.stdout.close()
    if source.wait() or encoded:
        raise SystemExit(f"vspipe and ffmpeg must finish, got exit codes {source.returncode} and {encoded}")


def speed(script: Path, work: Path) -> float:
    """Return frames per second of the script alone, as vspipe reports them of a pass to nowhere."""
    environment = _environment()
    command = [_vspipe(environment), *_inputs(work), str(script), "--"]
    report = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stderr
    found = re.search(r"\(([\d.]+) fps\)", report)
    if not found:
        raise SystemExit(f"vspipe must report its frames per second, got {report!r}")
    return float(found[1])


def _environment() -> dict[str, str]:
    """Return the environment for vspipe: this interpreter's programs first, and what a checkout has built."""
    environment = dict(os.environ)
    # vspipe asks the program "vapoursynth" for the interpreter, so a virtual environment need not be active.
    environment["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), environment.get("PATH", "")))
    if (built := CHECKOUT / "build" / "plugins").is_dir():
        environment.setdefault("VAPOURSYNTH_EXTRA_PLUGIN_PATH", str(built))
        environment.setdefault("PYTHONPATH", str(CHECKOUT))
    return environment


def _vspipe(environment: dict[str, str]) -> str:
    if not (found := shutil.which("vspipe", path=environment["PATH"])):
        raise SystemExit("vspipe must be on the PATH; it comes with: pip install vapoursynth")
    return found


def _inputs(work: Path) -> list[str]:
    # In full, because vspipe goes to the script's folder first.
    return ["--arg", f"clip={(work / 'damaged.mkv').resolve()}", "--arg", f"mask={(work / 'mask.mkv').resolve()}"]


def _show(text: str, last: bool) -> None:
    if sys.stderr.isatty() or last:
        print(f"\r{text}", end="\n" if last else "", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
