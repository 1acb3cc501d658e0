"""Memory does not grow with the film, neither the command's nor ffmpeg's; and on the disk it is holes that count."""

import contextlib
import time
from pathlib import Path

import films
import psutil

SIZE = "160x120"
SHORT, LONG = 8000, 16000
EVERY = 100  # frames, of which one has a hole

SLACK_MIB = 32
"""What peaks may differ by. BestSource keeps 32 MiB of decoded frames of either film, and the engine what its setting
memory allows: the short film fills both. What is left is threads and allocators: run by run, the peak of ffmpeg differs
by up to 15 and the command's by up to 13. One plane kept of each frame would be 146. (Nov 2026)"""

MEMORY = ("--set", "memory=16")


def made(folder: Path, frames: int) -> tuple[Path, Path]:
    """A film, and its mask: a film in which few frames have a hole."""
    source, mask = folder / f"film-{frames}.mkv", folder / f"mask-{frames}.mkv"
    count = ("-frames:v", str(frames))
    films.run_ffmpeg(
        "-f", "lavfi", "-i", f"testsrc2=s={SIZE}:r=24", *count, "-pix_fmt", "yuv420p", *films.FFV1, str(source)
    )
    hole = f"drawbox=30:20:16:16:white:fill:enable='lt(mod(n,{EVERY}),1)'"
    films.run_ffmpeg("-f", "lavfi", "-i", f"color=black:s={SIZE}:r=24,{hole}", *count, "-pix_fmt", "gray", *films.FFV1,
                     str(mask))  # fmt: skip
    return source, mask


def measured(folder: Path, frames: int) -> dict[str, float]:
    """MiB that the command and its ffmpeg had at most, and kB on the disk beside the output."""
    source, mask = made(folder, frames)
    output = folder / f"out-{frames}.mkv"
    peak = {"command": 0.0, "ffmpeg": 0.0, "disk": 0.0}
    with films.begun("clean", source, "-m", mask, "-o", output, "--no-report", "-q", *films.SET, *MEMORY) as process:
        watched = psutil.Process(process.pid)
        while process.poll() is None:
            with contextlib.suppress(psutil.Error, OSError):
                peak["command"] = max(peak["command"], watched.memory_info().rss / 2**20)
                for child in watched.children():
                    peak["ffmpeg"] = max(peak["ffmpeg"], child.memory_info().rss / 2**20)
                beside = sum(path.stat().st_size for path in Path(f"{output}.vsdfvi").glob("chunk-*.zip"))
                peak["disk"] = max(peak["disk"], beside / 1024)
            time.sleep(0.05)
        assert process.wait() == 0, process.stderr.read()
    return peak


def test_memory_does_not_grow_with_the_film(tmp_path):
    short, long = measured(tmp_path, SHORT), measured(tmp_path, LONG)
    assert long["command"] - short["command"] < SLACK_MIB, (short, long)
    assert long["ffmpeg"] - short["ffmpeg"] < SLACK_MIB, (short, long)
    # A frame without a hole costs its line of the record, compressed.
    assert (long["disk"] - short["disk"]) / (LONG - SHORT) < 0.2, (short, long)
