"""Frames to and from files, one at a time, through ffmpeg."""

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

# Without these a previewer refuses the clip: it cannot know how to show it.
BT709 = ("-color_range", "tv", "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709")
PIXEL_FORMATS = {1: "gray", 3: "yuv420p"}  # by the number of planes


@cache
def ffmpeg() -> str:
    """Return the ffmpeg to run: the system's, else the one that the package imageio-ffmpeg carries.

    Raises:
        SystemExit: There is neither.
    """
    if found := shutil.which("ffmpeg"):
        return found
    try:
        import imageio_ffmpeg
    except ImportError:
        raise SystemExit("ffmpeg must be on the PATH, or come with: pip install imageio-ffmpeg") from None
    return str(imageio_ffmpeg.get_ffmpeg_exe())


class LosslessWriter:
    """A file of FFV1, written frame by frame: YUV420P8 BT.709 for three planes, full-range grey for one."""

    def __init__(self, path: Path, width: int, height: int, planes: int, frames_per_second: int = 24) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        pixel_format = PIXEL_FORMATS[planes]
        command = [ffmpeg(), "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", pixel_format]
        command += ["-s", f"{width}x{height}", "-r", str(frames_per_second), "-i", "-", "-c:v", "ffv1"]
        # Every frame of FFV1 is a key frame here: a mask and its clip are sought in step.
        command += ["-g", "1", "-pix_fmt", pixel_format, *(BT709 if planes == 3 else ("-color_range", "pc")), str(path)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE)

    def write(self, planes: Sequence[NDArray[np.uint8]]) -> None:
        """Append one frame."""
        assert self._process.stdin
        for plane in planes:
            self._process.stdin.write(np.ascontiguousarray(plane).data)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        if self._process.wait() and error is None:
            raise SystemExit(f"ffmpeg must write the file to its end, got exit code {self._process.returncode}")


@contextmanager
def reading(path: Path, width: int, height: int, planes: int) -> Iterator[Iterator[tuple[NDArray[np.uint8], ...]]]:
    """Give the frames of a file of 8 bit, one after the other, each a tuple of its planes."""
    command = [
        ffmpeg(),
        "-loglevel",
        "error",
        "-i",
        str(path),
        "-f",
        "rawvideo",
        "-pix_fmt",
        PIXEL_FORMATS[planes],
        "-",
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout
    shapes = [(height, width), (height // 2, width // 2), (height // 2, width // 2)][:planes]
    size_bytes = sum(rows * columns for rows, columns in shapes)
    stream = process.stdout

    def frames() -> Iterator[tuple[NDArray[np.uint8], ...]]:
        while len(samples := stream.read(size_bytes)) == size_bytes:
            frame, at = [], 0
            for rows, columns in shapes:
                frame.append(np.frombuffer(samples, np.uint8, rows * columns, at).reshape(rows, columns))
                at += rows * columns
            yield tuple(frame)

    try:
        yield frames()
    finally:
        stream.close()
        process.wait()
