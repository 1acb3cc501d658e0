"""Small films as files, and the command line at work on them in processes of its own."""

import contextlib
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vsdfvi.cleaning.encoders import ffmpeg_program

SIZE = (48, 64)
"""Height and width of a film."""

FRAMES = 24

HOLE = "rectangle:20,12,12,12"
"""A mask within such a picture."""

QUICK = {"completion": "laplace", "radius": 2, "threads": 1}
"""Settings with which a frame takes hundredths of a second."""

SET = [word for name, value in QUICK.items() for word in ("--set", f"{name}={value}")]
"""The same as words of a command."""

FFV1 = ("-c:v", "ffv1", "-g", "1")


def luma(frames: int = FRAMES, size: tuple[int, int] = SIZE, seed: int = 0) -> np.ndarray:
    """A pan over noise, ``(T, H, W)`` uint8, limited range."""
    height, width = size
    wide = np.random.default_rng(seed).integers(30, 220, (2 * height, 2 * width), dtype=np.uint8)
    views = [(k % height, k % width) for k in range(frames)]
    return np.stack([wide[y : y + height, x : x + width] for y, x in views])


def film(
    path: Path,
    frames: int = FRAMES,
    size: tuple[int, int] = SIZE,
    seed: int = 0,
    *,
    rate: str = "24",
    samples: str = "yuv420p",
    arguments: tuple[str, ...] = FFV1,
) -> Path:
    """Write a film of that pan, with chroma that runs across."""
    height, width = size
    chroma = np.tile(np.linspace(90, 160, width // 2).astype(np.uint8), (height // 2, 1))
    planes = [
        b"".join((picture.tobytes(), chroma.tobytes(), chroma.T.tobytes())) for picture in luma(frames, size, seed)
    ]
    run_ffmpeg(
        *("-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{width}x{height}", "-r", rate, "-i", "-"),
        *("-pix_fmt", samples, *arguments, f"file:{path}"),
        sent=b"".join(planes),
    )
    return path


def run_ffmpeg(*words: str, sent: bytes = b"") -> bytes:
    """What ffmpeg writes to its output."""
    command = [ffmpeg_program(), "-v", "error", "-y", *words]
    answer = subprocess.run(command, input=sent, capture_output=True, check=False)
    assert answer.returncode == 0, answer.stderr.decode()
    return answer.stdout


def pixel_format(path: Path | str) -> str:
    """How a film's samples are stored, as ffmpeg names it."""
    import av

    with av.open(f"file:{path}") as container:
        return str(container.streams.video[0].codec_context.pix_fmt)


def samples_of(path: Path | str, samples: str = "yuv420p") -> np.ndarray:
    """All samples of a film's picture, as they are stored, one row of uint8 a frame."""
    assert pixel_format(path) == samples
    raw = run_ffmpeg("-i", f"file:{path}", "-map", "0:v:0", "-fps_mode", "passthrough", "-f", "rawvideo",
                     "-pix_fmt", samples, "-")  # fmt: skip
    count = sum(1 for line in run_ffmpeg("-i", f"file:{path}", "-map", "0:v:0", "-fps_mode", "passthrough",
                "-f", "framecrc", "-").splitlines() if not line.startswith(b"#"))  # fmt: skip
    return np.frombuffer(raw, np.uint8).reshape(count, -1)


def command(*words: object) -> list[str]:
    """A command of this checkout's."""
    return [sys.executable, "-m", "vsdfvi", *map(str, words)]


def run(*words: object, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        command(*words), cwd=cwd, capture_output=True, text=True, check=False, timeout=300,
        env={**os.environ, **environment},
    )  # fmt: skip


def clean(source: object, output: object, *words: object, cwd: Path | None = None, **environment: str):
    """Clean a film with quick settings and no report; it has to succeed."""
    options = () if any(str(word) in ("-m", "--mask") for word in words) else ("-m", HOLE)
    answer = run("clean", source, "-o", output, *options, "--no-report", "--chunk", 8, *SET, *words, cwd=cwd,
                 **environment)  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    return answer


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def record_of(path: Path) -> list[dict]:
    """The lines of a record without what is another in each run: its name and time, and the digest of such lines."""
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for line in lines:
        for name in ("run", "time"):
            assert line.pop(name, "") or name == "time"
    assert lines[-1].pop("lines")
    return lines


def leftovers(folder: Path) -> list[str]:
    """Files that were in the making, and folders of jobs."""
    return sorted(path.name for path in folder.rglob("*") if ".part-" in path.name or path.name.endswith(".vsdfvi"))


@contextlib.contextmanager
def begun(*words: object, cwd: Path | None = None) -> Iterator[subprocess.Popen[str]]:
    """A command at work; it is killed when the block ends, if it has not ended itself."""
    with subprocess.Popen(
        command(*words), cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()
