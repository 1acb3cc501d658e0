"""Sequences to learn from: flow as the filter measures it around a hole, and flow of the whole picture."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from vsdfvi.engine.cache import Cache
from vsdfvi.engine.completion import halved
from vsdfvi.engine.footage import Footage
from vsdfvi.errors import SettingError
from vsdfvi.frames.pixels import Frame, VideoFormat
from vsdfvi.kernels import Workers
from vsdfvi.kernels.planes import at_ends
from vsdfvi.settings import Settings
from vsdfvi.training.holes import Holes, make_holes
from vsdfvi.training.motion import Pictures, add_grain, make_camera, paste_object

_AGREEMENT = 0.75  # pixels of half size
VIDEO = (".mkv", ".mp4", ".webm", ".mov", ".avi", ".m4v", ".mpg", ".ogv")


@dataclass(frozen=True, slots=True)
class Sequence:
    """Consecutive flows at half the size of the pictures, in pixels of that half size.

    Attributes:
        flow: float16 ``(pairs, 4, height, width)``, fw x, fw y, bw x, bw y, completed by the Laplace equation.
        unknown: bool ``(pairs, height, width)``, where flow is not measured: the hole and a rim; and all outside the
            boxes around holes, where ``flow`` is 0.
        target: float16, as ``flow``: measured without a hole.
        sure: bool ``(pairs, height, width)``, where ``target`` agrees with itself forward and backward.
        kind: How the holes and the motion were made.
    """

    flow: NDArray[np.float16]
    unknown: NDArray[np.bool_]
    target: NDArray[np.float16]
    sure: NDArray[np.bool_]
    kind: str


class Library:
    """Clips of a folder, as luma; read when first asked for, and kept.

    Raises:
        SettingError: The folder holds no clip that can be read.
    """

    def __init__(self, folder: Path, limit: int = 400) -> None:
        self.files = sorted(path for path in folder.glob("*") if path.suffix.lower() in VIDEO)
        if not self.files:
            raise SettingError("clips", f"a folder with video files ({', '.join(VIDEO)})", str(folder))
        self._limit = limit
        self._films: dict[Path, NDArray[np.uint8]] = {}

    def film(self, path: Path) -> NDArray[np.uint8]:
        """The first frames of a clip, ``(frames, height, width)``."""
        if path not in self._films:
            self._films[path] = _read(path, self._limit)
        return self._films[path]

    def excerpt(self, random: np.random.Generator, frames: int) -> NDArray[np.float32]:
        """Consecutive frames of some clip; forwards or backwards, and mirrored as often as not."""
        film = self.film(self.files[random.integers(len(self.files))])
        step = int(random.choice([1, 1, 1, 2])) if len(film) >= 2 * frames else 1
        first = int(random.integers(max(1, len(film) - frames * step)))
        part = film[first : first + frames * step : step]
        part = part[::-1] if random.random() < 0.5 else part
        part = part[:, :, ::-1] if random.random() < 0.5 else part
        return np.ascontiguousarray(part, np.float32)


def _read(path: Path, limit: int) -> NDArray[np.uint8]:
    capture = cv2.VideoCapture(str(path))
    frames: list[NDArray[np.generic]] = []
    while len(frames) < limit:
        found, frame = capture.read()
        if not found:
            break
        frames.append(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY))
    capture.release()
    if len(frames) < 2:
        raise SettingError("clips", "video files of two frames or more", str(path))
    return np.stack(frames).astype(np.uint8, copy=False)


def make_film(
    random: np.random.Generator, library: Library, frames: int, size: tuple[int, int]
) -> tuple[str, Pictures]:
    """A film with motion of some kind, and the kind's name.

    ``real``: a clip as it is, cut to size. ``shaken``: a clip seen by a made camera. ``made``: a still picture seen by
    a made camera, with things that move before it. Objects are laid over the other two now and then.
    """
    kind = str(random.choice(["real", "shaken", "made"], p=[0.2, 0.4, 0.4]))
    speed = float(np.exp(random.uniform(np.log(0.3), np.log(9.0))))
    clip = library.excerpt(random, frames)
    if kind == "made":
        clip = clip[:1]
    if kind == "real":
        if len(clip) < frames:
            clip = np.concatenate([clip, clip[::-1]])[:frames]
        film = _cut(random, clip, size)
    else:
        if len(clip) < frames and len(clip) > 1:
            clip = np.concatenate([clip, clip[::-1]])
        film = make_camera(random, frames, size, clip.shape[1:], speed).look(clip, size)
    for _ in range(int(random.integers(1, 5)) if kind == "made" else int(random.random() < 0.5)):
        paste_object(random, film, library.excerpt(random, 1)[0], speed)
    add_grain(random, film)
    return kind, film


def _cut(random: np.random.Generator, clip: NDArray[np.float32], size: tuple[int, int]) -> Pictures:
    """A window of the clip's pictures, at a scale picked at random."""
    height, width = size
    smallest = max(height / clip.shape[1], width / clip.shape[2])
    scale = random.uniform(smallest, max(1.3, smallest))
    shape = max(width, round(clip.shape[2] * scale)), max(height, round(clip.shape[1] * scale))
    y, x = random.integers(shape[1] - height + 1), random.integers(shape[0] - width + 1)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.stack(
        [cv2.resize(picture, shape, interpolation=method)[y : y + height, x : x + width] for picture in clip]
    )


def measure(film: Pictures, holes: Holes, workers: Workers, kind: str) -> Sequence:
    """Flow of a film around its holes, as the filter measures it, and without them.

    Shapes:
        film, holes: ``(frames, height, width)``, height and width multiples of 2.
    """
    frames, height, width = film.shape
    samples = np.rint(film).astype(np.uint8)
    box = 0, 0, width, height
    footage = _footage(samples, holes, workers)
    flows, masks, targets, sure = [], [], [], []
    for n in range(frames - 1):
        flow, there = footage.prefilled(n).crop(0, 0, width, height)
        unknown = footage.unknown(n, box).astype(bool) | ~there
        whole = np.zeros((height, width), np.uint8)
        truth = footage.measure_flow((samples[n].astype(np.float32), samples[n + 1].astype(np.float32), whole))
        if not there.any():
            flow = np.zeros_like(truth)
        flows.append(halved(flow))
        masks.append(unknown.reshape(height // 2, 2, width // 2, 2).any(axis=(1, 3)))
        targets.append(halved(truth))
        sure.append(_agrees(targets[-1]))
    return Sequence(
        np.stack(flows).astype(np.float16), np.stack(masks), np.stack(targets).astype(np.float16), np.stack(sure), kind
    )


def _footage(samples: NDArray[np.uint8], holes: Holes, workers: Workers) -> Footage:
    frames, height, width = samples.shape
    form = VideoFormat(
        family="GRAY", is_float=False, bits=8, subsampling_w=0, subsampling_h=0, width=width, height=height,
        frames=frames,
    )  # fmt: skip
    footage = Footage(Settings(completion="laplace"), form, form, Cache(1 << 28), workers)
    footage.lend(
        {n: Frame((picture,)) for n, picture in enumerate(samples)},
        {n: Frame((hole.astype(np.uint8),)) for n, hole in enumerate(holes)},
    )
    return footage


def _agrees(flow: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Where flow there and back comes home, both from this frame and from the next."""
    sure = np.ones(flow.shape[1:], bool)
    for there, back in ((flow[:2], flow[2:]), (flow[2:], flow[:2])):
        sure &= np.hypot(*(there + at_ends(back, there))) < _AGREEMENT
    return sure


def make_sequence(seed: int, library: Library, frames: int, size: tuple[int, int]) -> Sequence:
    """The sequence of a seed; the same seed, folder and versions give the same sequence."""
    random = np.random.default_rng(seed)
    motion, film = make_film(random, library, frames, size)
    damage, holes = make_holes(random, frames, size)
    return measure(film, holes, Workers(1), f"{motion} {damage}")
