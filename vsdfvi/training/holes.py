"""Holes as footage has them, made from a seed: boxes, shapes, logos, text, strokes, scratches, dirt."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Holes = NDArray[np.bool_]
"""``(frames, height, width)``, true = hole."""

_LETTERS = np.array(list("ABCDEFGHIKLMNOPRSTUVWXYZabcdefghiklmnoprstuvwxyz0123456789?!-"))
_FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_TRIPLEX, cv2.FONT_HERSHEY_COMPLEX)


def path(random: np.random.Generator, frames: int, speed: float, wobble: float) -> NDArray[np.float64]:
    """A smooth path ``(frames, 2)`` that begins at (0, 0): steady motion, a slow turn, and a wobble on top.

    Args:
        speed: Pixels a frame, the largest steady motion.
        wobble: Pixels, the largest departure from it.
    """
    time = np.arange(frames)[:, None]
    steady = random.uniform(0, speed) * _direction(random) * time
    turn = random.uniform(0, speed) * _direction(random) * time**2 / (2 * frames)
    period, phase = random.uniform(5, 40, 2), random.uniform(0, 2 * np.pi, 2)
    sway = random.uniform(0, wobble) * (np.sin(2 * np.pi * time / period + phase) - np.sin(phase))
    return steady + turn + sway


def _direction(random: np.random.Generator) -> NDArray[np.float64]:
    angle = random.uniform(0, 2 * np.pi)
    return np.array([np.cos(angle), np.sin(angle)])


def box(random: np.random.Generator, frames: int, size: tuple[int, int]) -> Holes:
    """A rectangle of an eighth to two fifths of each side, still or moving."""
    height, width = size
    extent = np.array([width, height]) * random.uniform(0.12, 0.4, 2)
    corner = random.uniform(0, 1, 2) * (np.array([width, height]) - extent)
    corners = corner + _motion(random, frames, size)
    holes = np.zeros((frames, *size), bool)
    for hole, (x, y) in zip(holes, corners, strict=True):
        x0, y0 = max(0, round(x)), max(0, round(y))
        hole[y0 : max(0, round(y + extent[1])), x0 : max(0, round(x + extent[0]))] = True
    return holes


def blob(random: np.random.Generator, frames: int, size: tuple[int, int]) -> Holes:
    """A roundish shape like an object's silhouette, that moves and deforms."""
    height, width = size
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    radius = min(size) * random.uniform(0.08, 0.22)
    waves = [
        (k, random.uniform(0, 0.35 / k), random.uniform(0, 2 * np.pi), random.normal(0, 0.15)) for k in (1, 2, 3, 5)
    ]
    stretch = random.uniform(0.6, 1.6)
    centres = random.uniform(0.15, 0.85, 2) * (width, height) + path(random, frames, 4.0, 4.0)
    holes = np.zeros((frames, *size), np.uint8)
    for t, (hole, centre) in enumerate(zip(holes, centres, strict=True)):
        radii = radius * (1 + sum(a * np.sin(k * angles + phase + turn * t) for k, a, phase, turn in waves))
        outline = np.stack([radii * np.cos(angles) * stretch, radii * np.sin(angles)], axis=1) + centre
        cv2.fillPoly(hole, [np.rint(outline).astype(np.int32)], 1)
    return holes.astype(bool)


def logo(random: np.random.Generator, frames: int, size: tuple[int, int]) -> Holes:
    """A small mark that stands still near a corner or anywhere: a disc, a box, or letters."""
    height, width = size
    hole = np.zeros(size, np.uint8)
    extent = max(5, round(min(size) * random.uniform(0.04, 0.12)))
    x, y = int(random.uniform(0.1, 0.9) * width), int(random.uniform(0.1, 0.9) * height)
    kind = random.integers(3)
    if kind == 0:
        cv2.ellipse(hole, (x, y), (extent * 2, extent), 0, 0, 360, 1, -1)
    elif kind == 1:
        hole[max(0, y - extent) : y + extent, max(0, x - 2 * extent) : x + 2 * extent] = 1
    else:
        _write(random, hole, (x, y), extent / 12, int(random.integers(2, 6)))
    return np.repeat(hole[None].astype(bool), frames, axis=0)


def text(random: np.random.Generator, frames: int, size: tuple[int, int]) -> Holes:
    """One or two lines of lettering that stand still and change now and then."""
    height, width = size
    scale = height / 240 * random.uniform(0.45, 0.8)
    changes = random.random(frames) < 1 / 30
    holes = np.zeros((frames, *size), np.uint8)
    for t in range(frames):
        if t and not changes[t]:
            holes[t] = holes[t - 1]
            continue
        base = random.uniform(0.2, 0.95) * height
        for line in range(int(random.integers(1, 3))):
            start = int(random.uniform(0.02, 0.3) * width), int(base - 32 * scale * line)
            _write(random, holes[t], start, scale, int(random.integers(5, 24)))
    return holes.astype(bool)


def strokes(random: np.random.Generator, frames: int, size: tuple[int, int]) -> Holes:
    """A few strokes of a brush, still or moving."""
    height, width = size
    motion = _motion(random, frames, size)
    lines = []
    for _ in range(int(random.integers(1, 4))):
        points = random.uniform(0, 1, 2) * (width, height) + np.cumsum(random.normal(0, min(size) / 9, (6, 2)), axis=0)
        lines.append((points, max(2, round(min(size) * random.uniform(0.015, 0.07)))))
    holes = np.zeros((frames, *size), np.uint8)
    for hole, shift in zip(holes, motion, strict=True):
        for points, thick in lines:
            cv2.polylines(hole, [np.rint(points + shift).astype(np.int32)], False, 1, thick)
    return holes.astype(bool)


def scratches(random: np.random.Generator, frames: int, size: tuple[int, int]) -> Holes:
    """Vertical lines a few pixels wide that wander and come and go."""
    width = size[1]
    holes = np.zeros((frames, *size), bool)
    for _ in range(int(random.integers(1, 4))):
        thick, x = int(random.integers(1, 6)), random.uniform(0, width)
        lasting = random.uniform(0.6, 1.0)
        for t in range(frames):
            x += random.normal(0, 1.2)
            if random.random() < lasting and 0 <= x < width:
                holes[t, :, int(x) : int(x) + thick] = True
    return holes


def dirt(random: np.random.Generator, frames: int, size: tuple[int, int]) -> Holes:
    """Specks that last one frame each."""
    height, width = size
    density = random.uniform(2, 12)
    holes = np.zeros((frames, *size), np.uint8)
    for hole in holes:
        for _ in range(int(random.poisson(density))):
            centre = int(random.uniform(0, width)), int(random.uniform(0, height))
            axes = max(1, int(random.gamma(2, 2.0))), max(1, int(random.gamma(2, 1.2)))
            cv2.ellipse(hole, centre, axes, random.uniform(0, 180), 0, 360, 1, -1)
    return holes.astype(bool)


KINDS: dict[str, Callable[[np.random.Generator, int, tuple[int, int]], Holes]] = {
    "box": box,
    "blob": blob,
    "logo": logo,
    "text": text,
    "strokes": strokes,
    "scratches": scratches,
    "dirt": dirt,
}


def make_holes(random: np.random.Generator, frames: int, size: tuple[int, int]) -> tuple[str, Holes]:
    """The holes of a sequence, of a kind picked at random, and the kind's name. Some pixel of some frame is hole."""
    while True:
        kind = str(random.choice(list(KINDS)))
        holes = KINDS[kind](random, frames, size)
        if holes.any() and holes.mean() < 0.35:
            return kind, holes


def _motion(random: np.random.Generator, frames: int, size: tuple[int, int]) -> NDArray[np.float64]:
    """Standing still as often as not; else a path."""
    if random.random() < 0.5:
        return np.zeros((frames, 2))
    return path(random, frames, 0.02 * min(size), 4.0)


def _write(
    random: np.random.Generator, hole: NDArray[np.uint8], start: tuple[int, int], scale: float, count: int
) -> None:
    letters = "".join(random.choice(_LETTERS, count))
    cv2.putText(hole, letters, start, int(random.choice(_FONTS)), scale, 1, max(2, round(scale * 5)))
