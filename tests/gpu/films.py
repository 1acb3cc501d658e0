"""Film that is made as it is wanted, and who lends it: what checks and benchmarks of a GPU repair.

A machine with a GPU may have little else, so this needs NumPy and OpenCV alone.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vsdfvi.engine.inpainter import Inpainter
from vsdfvi.frames.pixels import Frame, VideoFormat
from vsdfvi.settings import Settings

Planes = tuple[NDArray, ...]

GRAIN = 2.0  # standard deviation, in codes of 8 bits
_KEPT = 80  # frames that a lender keeps


def video_format(
    family: str = "YUV",
    *,
    size: tuple[int, int],
    bits: int = 8,
    is_float: bool = False,
    subsampling: tuple[int, int] = (1, 1),
    frames: int = 12,
) -> VideoFormat:
    """Return a format; ``size`` is (height, width), ``subsampling`` log2, for YUV only."""
    right, down = subsampling if family == "YUV" else (0, 0)
    return VideoFormat(
        family=family, is_float=is_float, bits=bits, subsampling_w=right, subsampling_h=down, width=size[1],
        height=size[0], frames=frames,
    )  # fmt: skip


# Holes, one for each kind of damage: ``(height, width)`` bool, of frame n.


def _rows_and_columns(form: VideoFormat) -> tuple[NDArray, NDArray]:
    return np.ogrid[: form.height, : form.width]


def _to_and_fro(n: int, step: float, reach: float) -> float:
    """A place between 0 and ``reach``, ``step`` further each frame, and back again."""
    at = n * step % (2 * reach)
    return min(at, 2 * reach - at)


def logo(form: VideoFormat, n: int) -> NDArray[np.bool_]:
    """Return a box of 2 % of the frame, twice as wide as high, that stands near the upper right corner."""
    height = round((0.01 * form.height * form.width) ** 0.5)
    y, x = _rows_and_columns(form)
    left, top = form.width - 2 * height - form.width // 20, form.height // 14
    return (y >= top) & (y < top + height) & (x >= left) & (x < left + 2 * height)


def scratch(form: VideoFormat, n: int) -> NDArray[np.bool_]:
    """Return an upright line over the whole height, 3 pixels wide at 1080 lines, that wanders."""
    width = max(2, round(form.height / 360))
    left = int(form.width * (0.5 + 0.04 * np.sin(n / 5)))
    _, x = _rows_and_columns(form)
    return np.broadcast_to((x >= left) & (x < left + width), (form.height, form.width))


def _ellipse(form: VideoFormat, n: int, share: float) -> NDArray[np.bool_]:
    """An ellipse, twice as high as wide, that goes to the right while what is behind it goes to the left."""
    half_width = (share * form.height * form.width / (2 * np.pi)) ** 0.5
    reach = form.width / 2
    x0 = form.width * 0.25 + _to_and_fro(n, 0.006 * form.width, reach)
    y, x = _rows_and_columns(form)
    return ((x - x0) / half_width) ** 2 + ((y - form.height / 2) / (2 * half_width)) ** 2 < 1


def person(form: VideoFormat, n: int) -> NDArray[np.bool_]:
    """Return an object of 10 % of the frame that moves."""
    return _ellipse(form, n, 0.10)


def everywhere(form: VideoFormat, n: int) -> NDArray[np.bool_]:
    """Return an object of a quarter of the frame that moves, and 25 specks that stand all over it.

    With the margin that flow is measured on, the boxes around these are one: the whole frame.
    """
    hole = _ellipse(form, n, 0.25)
    size = max(2, form.height // 40)
    for k in range(25):
        top, left = (form.height - size) * (k // 5) // 4, (form.width - size) * (k % 5) // 4
        hole[top : top + size, left : left + size] = True
    return hole


def quarter_box(form: VideoFormat, n: int) -> NDArray[np.bool_]:
    """Return a box of a quarter of each side that moves."""
    height, width = form.height // 4, form.width // 4
    left, top = int(_to_and_fro(n, form.width / 43, form.width - width)), form.height // 3
    y, x = _rows_and_columns(form)
    return (y >= top) & (y < top + height) & (x >= left) & (x < left + width)


KINDS = {
    "logo": logo, "scratch": scratch, "object": person, "whole frame": everywhere, "box": quarter_box,
}  # fmt: skip
STILL = ("logo",)


@cache
def _world(height: int, width: int, seed: int) -> NDArray[np.float32]:
    """A landscape of blobs of several sizes, 0 to 1."""
    random = np.random.default_rng(seed)
    picture = np.zeros((height, width), np.float32)
    for cell, weight in ((48, 0.4), (16, 0.3), (6, 0.3)):
        coarse = random.random((height // cell + 2, width // cell + 2), np.float32)
        picture += np.float32(weight) * cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(picture, 0, 1)


@dataclass(frozen=True, slots=True)
class Film:
    """A camera that pans over a landscape, grain, and one kind of damage. A frame is a function of its number.

    Attributes:
        kind: Of damage, one of ``KINDS``.
        pan: Pixels that the picture moves a frame.
    """

    format: VideoFormat
    kind: str
    pan: int
    seed: int = 1
    _frames: "OrderedDict[int, tuple[Frame, Frame]]" = field(default_factory=OrderedDict, compare=False, repr=False)
    kept: int = _KEPT

    @classmethod
    def of(cls, kind: str, *, seed: int = 1, kept: int = _KEPT, **fields: Any) -> "Film":
        """Return a film of a format; the camera pans by 1/280 of its width a frame, to an even number of pixels."""
        form = video_format(**fields)
        return cls(form, kind, max(2, 2 * round(form.width / 560)), seed, kept=kept)

    @property
    def mask_format(self) -> VideoFormat:
        frames = 1 if self.kind in STILL else self.format.frames
        return video_format("GRAY", size=(self.format.height, self.format.width), frames=frames)

    def lent(self, n: int) -> tuple[Frame, Frame]:
        """Return frame n and its mask; the last few are kept."""
        if n not in self._frames:
            while len(self._frames) >= self.kept:
                self._frames.popitem(last=False)
            hole = self.hole(n)
            mask = Frame((hole.astype(np.uint8) * np.uint8(255),))
            self._frames[n] = Frame(self._damaged(self.picture(n), hole)), mask
        return self._frames[n]

    def hole(self, n: int) -> NDArray[np.bool_]:
        """Return the hole of frame n."""
        return KINDS[self.kind](self.format, n)

    def plane_hole(self, n: int, plane: int) -> NDArray[np.bool_]:
        """Return the hole on a plane: a chroma sample is in it when any pixel of its block is."""
        right, down = self.format.subsampling(plane)
        hole = self.hole(n)
        return hole.reshape(hole.shape[0] >> down, 1 << down, hole.shape[1] >> right, 1 << right).any(axis=(1, 3))

    def picture(self, n: int) -> Planes:
        """Return frame n without damage."""
        form = self.format
        room = form.width // 2 * 2
        at = int(_to_and_fro(n, self.pan, room)) // 2 * 2
        planes = []
        for plane in range(form.planes):
            right, _ = form.subsampling(plane)
            height, width = form.plane_shape(plane)
            world = _world(height, width + (room >> right) + 2, self.seed + plane)
            view = world[:, at >> right : (at >> right) + width]
            planes.append(self._coded(view, n, plane))
        return tuple(planes)

    def _coded(self, view: NDArray[np.float32], n: int, plane: int) -> NDArray:
        form = self.format
        chroma = form.family == "YUV" and plane > 0
        codes = np.float32(0.1) + np.float32(0.8) * view - np.float32(0.5 if chroma and form.is_float else 0)
        if not chroma:
            height, width = view.shape
            grain = _grain(height, width)
            y, x = 37 * n % 64, 53 * (n + plane) % 64
            codes = codes + grain[y : y + height, x : x + width]
        if form.is_float:
            return codes.astype(form.dtype)
        return np.clip(np.rint(codes * np.float32(form.peak)), 0, form.peak).astype(form.dtype)

    def _damaged(self, planes: Planes, hole: NDArray[np.bool_]) -> Planes:
        """The planes with white, or red, in the hole."""
        damaged = []
        for plane, samples in enumerate(planes):
            right, down = self.format.subsampling(plane)
            rows, columns = samples.shape
            there = hole.reshape(rows, 1 << down, columns, 1 << right).any(axis=(1, 3))
            damaged.append(np.where(there, samples.dtype.type(self.format.peak), samples))
        return tuple(damaged)


@cache
def _grain(height: int, width: int) -> NDArray[np.float32]:
    random = np.random.default_rng(9)
    return np.float32(GRAIN / 255) * random.standard_normal((height + 64, width + 64), np.float32)


class Lender:
    """A host in a few lines: lends an inpainter the frames it asks for, and next time the frames it will ask for.

    Attributes:
        film: What is lent.
        properties: Of the frame made last, as the inpainter set them.
    """

    def __init__(self, film: Film, **settings: Any) -> None:
        self.film = film
        self.properties: dict[str, Any] = {}
        self.inpainter = Inpainter(Settings(**settings), film.format, film.mask_format)
        self._span = 0, 0

    def render(self, n: int) -> Planes:
        """Return the planes of frame n."""
        last = self.film.format.frames - 1
        span = max(0, n - self._span[0]), min(last, n + self._span[1])
        for _ in range(2 * self.inpainter.reach + 2):
            lent = {k: self.film.lent(k) for k in range(span[0], span[1] + 1)}
            masks = {0: self.film.lent(0)[1]} if self.film.kind in STILL else {k: lent[k][1] for k in lent}
            answer = self.inpainter.prepare(n, {k: frames[0] for k, frames in lent.items()}, masks)
            if answer[0] == "source":
                return lent[n][0].planes
            if answer[0] == "ready":
                self._span = answer[1], answer[2]
                planes = tuple(plane.copy() for plane in lent[n][0].planes)
                self.properties = self.inpainter.finish(n, planes)
                return planes
            span = answer[1], answer[2]
        raise AssertionError(f"frame {n} is never ready")

    def film_of(self, frames: range) -> list[Planes]:
        """Return some frames, in order, and close the filter."""
        try:
            return [self.render(n) for n in frames]
        finally:
            self.inpainter.close()
