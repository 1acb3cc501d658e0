"""Masks that are made from a seed: a picture of each frame's hole, a pure function of its number."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vsdfvi.errors import SettingError

KINDS = ("box", "object", "logo", "subtitle", "scratch", "dirt")

Draw = Callable[[int], NDArray[np.bool_]]
Point = tuple[float, float]

BOX_SIDE = 1 / 4  # of the frame's sides: a sixteenth of its area
LOGO_AREA = 0.02  # of the frame
SUBTITLE_FRAMES = 40  # that a text stays: a second and a half
DIRT_AREA = (0.002, 0.01)  # of the frame, least and most

# Corners of a letter's strokes on a grid two cells wide and two high. Letters are drawn by these rather than by a font:
# OpenCV's change with its version, and with them the masks.
_STROKES = (
    ((0, 0), (0, 2)), ((2, 0), (2, 2)), ((1, 0), (1, 2)), ((0, 0), (2, 0)), ((0, 1), (2, 1)), ((0, 2), (2, 2)),
    ((0, 0), (2, 2)), ((2, 0), (0, 2)), ((0, 0), (1, 1)), ((2, 0), (1, 1)),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mask:
    """A mask that is drawn frame by frame.

    Attributes:
        frames: As many as the clip has; 1 for one that never changes.
        draw: The hole of frame n, ``(height, width)``, true = hole.
    """

    frames: int
    draw: Draw


def make_mask(kind: str, width: int, height: int, frames: int, seed: int, name: str) -> Mask:
    """The mask of a kind for a clip: the same for the same arguments, on every machine.

    Args:
        kind: One of ``KINDS``.
        name: The clip's: each clip has masks of its own.

    Raises:
        SettingError: The kind is unknown.
    """
    if kind not in KINDS:
        raise SettingError("masks", "a kind that the folder holds, or one of " + ", ".join(KINDS), kind)
    frame = _Frame(width, height, frames, (seed, name, kind))
    return Mask(1 if kind in ("box", "logo") else frames, _MAKERS[kind](frame))


class _Frame:
    """Where a mask is drawn."""

    def __init__(self, width: int, height: int, frames: int, seed: tuple[int, str, str]) -> None:
        self.width, self.height, self.frames = width, height, frames
        self.unit = height / 240  # lines and specks are so many pixels at 240 rows
        self._seed = seed

    def random(self, *at: int) -> np.random.RandomState:
        """Numbers of their own for the mask, or for a place in it.

        RandomState, because NumPy keeps its streams for ever (NEP 19) and those of its newer generators it does not.
        """
        return np.random.RandomState(zlib.crc32("/".join(map(str, (*self._seed, *at))).encode()))

    def blank(self) -> NDArray[np.uint8]:
        return np.zeros((self.height, self.width), np.uint8)

    def pixels(self, share: float, least: int = 1) -> int:
        """A number of pixels at 240 rows, at this size."""
        return max(least, round(share * self.unit))


def _box(frame: _Frame) -> Draw:
    """A rectangle near the middle that stays."""
    random = frame.random()
    width, height = round(BOX_SIDE * frame.width), round(BOX_SIDE * frame.height)
    x = round((frame.width - width) / 2 + random.uniform(-0.08, 0.08) * frame.width)
    y = round((frame.height - height) / 2 + random.uniform(-0.08, 0.08) * frame.height)
    hole = frame.blank()
    hole[y : y + height, x : x + width] = 1
    return lambda n: hole > 0


def _object(frame: _Frame) -> Draw:
    """A body of about a fifth of the frame's height that crosses it, sways and changes its outline."""
    random = frame.random()
    size = random.uniform(0.10, 0.14) * frame.height
    crossing, stride = random.uniform(80, 120), random.uniform(16, 28)  # frames
    start, direction = random.uniform(0, 1), random.choice([-1, 1])
    level = random.uniform(0.4, 0.6)
    phases, speeds, heights = (
        random.uniform(0, 2 * np.pi, 5),
        random.uniform(-0.25, 0.25, 5),
        random.uniform(0.05, 0.22, 5),
    )
    angle = np.linspace(0, 2 * np.pi, 96, endpoint=False)

    def draw(n: int) -> NDArray[np.bool_]:
        along = 0.5 - 0.45 * direction * np.cos(np.pi * (n / crossing + start))
        sway = np.sin(2 * np.pi * n / stride)
        middle = (
            frame.width * along + 0.15 * size * sway,
            frame.height * level + 0.3 * size * np.sin(np.pi * n / stride),
        )
        waves = [
            heights[k] * np.cos((k + 2) * angle + phases[k] + speeds[k] * n + (sway if k == 0 else 0)) for k in range(5)
        ]
        return _filled(frame.blank(), middle, angle, 1 + np.sum(waves, axis=0), (0.8 * size, 1.3 * size)) > 0

    return draw


def _logo(frame: _Frame) -> Draw:
    """A ring and four letters in a corner, grown until they cover their share of the frame."""
    random = frame.random()
    width, height = 0.27 * frame.width, 0.16 * frame.height
    x = 0.04 * frame.width if random.uniform() < 0.5 else 0.96 * frame.width - width
    y = 0.05 * frame.height if random.uniform() < 0.5 else 0.95 * frame.height - height
    hole = frame.blank()
    middle = round(x + height / 2), round(y + height / 2)
    cv2.circle(hole, middle, max(1, round(0.42 * height)), 1, frame.pixels(1))
    letter = (width - 1.2 * height) / 4.6
    for k in range(4):
        corner = x + 1.2 * height + 1.2 * k * letter, y + 0.25 * height
        _letter(hole, random, corner, letter, 0.5 * height, frame.pixels(1))
    wanted = LOGO_AREA * hole.size
    while np.count_nonzero(hole) < wanted:
        hole = cv2.dilate(hole, np.ones((3, 3), np.uint8)).astype(np.uint8, copy=False)
    return lambda n: hole > 0


def _subtitle(frame: _Frame) -> Draw:
    """One or two lines of words at the bottom, others every ``SUBTITLE_FRAMES``."""

    def draw(n: int) -> NDArray[np.bool_]:
        random = frame.random(n // SUBTITLE_FRAMES)
        hole = frame.blank()
        tall = 0.045 * frame.height
        wide = 0.6 * tall
        for line in range(random.randint(1, 3)):
            words = [int(random.randint(2, 9)) for _ in range(random.randint(3, 7))]
            letters = [True] * words[0]
            for length in words[1:]:
                if (len(letters) + 1 + length) * 1.35 * wide > 0.86 * frame.width:
                    break
                letters += [False] + [True] * length
            x = (frame.width - len(letters) * 1.35 * wide) / 2
            y = 0.94 * frame.height - (line + 1) * tall - line * 0.8 * tall
            for k, drawn in enumerate(letters):
                if drawn:
                    _letter(hole, random, (x + 1.35 * k * wide, y), wide, tall, frame.pixels(1))
        edge = frame.pixels(1.5)
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * edge + 1, 2 * edge + 1))
        return cv2.dilate(hole, disc) > 0

    return draw


def _scratch(frame: _Frame) -> Draw:
    """Up to four upright lines; each lives for a while, drifts and jitters. There is at least one at any time."""
    random = frame.random()
    lines: list[tuple[int, int, float, float, float, int, Point]] = []
    for track in range(4):
        begin = 0 if track == 0 else int(random.randint(0, 12))
        while begin < frame.frames:
            life = int(random.randint(12, 60))
            whole, top, tall = random.uniform() < 0.7, random.uniform(0, 0.6), random.uniform(0.3, 0.8)
            ends = (0.0, 1.0) if whole else (top, min(1.0, top + tall))
            x, drift = random.uniform(0.04, 0.96) * frame.width, random.uniform(-0.35, 0.35) * frame.unit
            lean, thick = random.uniform(-0.01, 0.01) * frame.height, frame.pixels(random.uniform(1, 3))
            lines.append((begin, begin + life, x, drift, lean, thick, ends))
            begin += life + (0 if track == 0 else int(random.randint(4, 40)))

    def draw(n: int) -> NDArray[np.bool_]:
        jitter = frame.random(n)
        hole = frame.blank()
        for begin, end, x, drift, lean, thick, (top, bottom) in lines:
            shaken = x + drift * (n - begin) + jitter.normal(0, 0.6 * frame.unit)
            if begin <= n < end:
                ends = [(round(shaken + lean * at), round(at * frame.height)) for at in (top, bottom)]
                cv2.line(hole, ends[0], ends[1], 1, thick)
        return hole > 0

    return draw


def _dirt(frame: _Frame) -> Draw:
    """Specks and short hairs, others on each frame."""

    def draw(n: int) -> NDArray[np.bool_]:
        random = frame.random(n)
        hole = frame.blank()
        wanted = random.uniform(*DIRT_AREA) * hole.size
        while np.count_nonzero(hole) < wanted:
            middle = random.uniform(0, frame.width), random.uniform(0, frame.height)
            if random.uniform() < 0.15:
                _hair(hole, random, middle, frame)
                continue
            angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
            waves = [random.uniform(0, 0.4 / k) * np.cos(k * angle + random.uniform(0, 2 * np.pi)) for k in range(1, 5)]
            size = max(0.8, min(12.0, 1.5 * np.exp(0.7 * random.normal())) * frame.unit)
            _filled(hole, middle, angle, 1 + np.sum(waves, axis=0), (size, size * random.uniform(0.6, 1.6)))
        return hole > 0

    return draw


_MAKERS: dict[str, Callable[[_Frame], Draw]] = {
    "box": _box,
    "object": _object,
    "logo": _logo,
    "subtitle": _subtitle,
    "scratch": _scratch,
    "dirt": _dirt,
}


def _filled(
    hole: NDArray[np.uint8], middle: Point, angle: NDArray[np.float64], radius: NDArray[np.float64], scale: Point
) -> NDArray[np.uint8]:
    """Fill a closed outline around a point, given in polar form."""
    x, y = middle[0] + scale[0] * radius * np.cos(angle), middle[1] + scale[1] * radius * np.sin(angle)
    cv2.fillPoly(hole, [np.rint(np.stack([x, y], axis=1) * 16).astype(np.int32)], 1, cv2.LINE_8, 4)
    return hole


def _letter(
    hole: NDArray[np.uint8], random: np.random.RandomState, corner: Point, width: float, height: float, thick: int
) -> None:
    """Three or four strokes that look like a letter from afar; ``corner`` is the upper left one."""
    for stroke in random.choice(len(_STROKES), random.randint(3, 5), replace=False):
        ends = [(round(corner[0] + x * width / 2), round(corner[1] + y * height / 2)) for x, y in _STROKES[stroke]]
        cv2.line(hole, ends[0], ends[1], 1, thick)


def _hair(hole: NDArray[np.uint8], random: np.random.RandomState, start: Point, frame: _Frame) -> None:
    """A thin arc."""
    along = np.linspace(0, 1, 12)
    turn = random.uniform(0, 2 * np.pi) + random.uniform(-1.5, 1.5) * along
    length = random.uniform(0.03, 0.10) * frame.height
    points = np.stack([start[0] + length * along * np.cos(turn), start[1] + length * along * np.sin(turn)], axis=1)
    cv2.polylines(hole, [np.rint(points).astype(np.int32)], False, 1, frame.pixels(1))
