"""What time and television do to footage: a station's logo, scratches that wander, dirt on single frames.

Every damage is an opacity and a grey. The mask is where the opacity is above zero, so it covers the damage exactly.
"""

import math
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Layer = tuple[NDArray[np.float32], NDArray[np.float32]]  # opacity, 0 to 1, and luma in codes of 8 bit
Planes = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]

FAINTEST = 0.04  # an opacity below this is not drawn: it would be lost in the grain, and only widen the mask
OVERSAMPLED = 4


@dataclass(frozen=True, slots=True)
class Scratch:
    """A line that a grain of sand in the projector cuts, frame after frame, while the film runs past.

    Attributes:
        begin, end: First frame, and the frame after the last.
        x: Where it starts, in pixels.
        wander: Amplitude of its slow walk to the sides, in pixels.
        width: 1 to 3 pixels.
        luma: Its grey, in codes.
        phase: Where in its walk it starts, in radians.
    """

    begin: int
    end: int
    x: float
    wander: float
    width: float
    luma: float
    phase: float


def laid_over(planes: Planes, layers: list[Layer]) -> tuple[Planes, NDArray[np.uint8]]:
    """Return a YUV420P8 frame under the layers, and the mask that covers what they change: 255 there, 0 elsewhere."""
    luma = planes[0].astype(np.float32)
    clear = np.ones_like(luma)  # how much of the picture still shows
    for opacity, grey in layers:
        luma += opacity * (grey - luma)
        clear *= 1 - opacity
    height, width = clear.shape
    # A chroma sample lies under the damage as much as the four luma samples of its block do.
    shown = clear.reshape(height // 2, 2, width // 2, 2).mean((1, 3))
    chroma = [128 + shown * (plane.astype(np.float32) - 128) for plane in planes[1:]]
    y, u, v = (np.clip(np.rint(plane), 0, 255).astype(np.uint8) for plane in (luma, *chroma))
    return (y, u, v), np.where(clear < 1, 255, 0).astype(np.uint8)


def logo(width: int, height: int) -> Layer:
    """Return a station's logo in the lower right corner, the same on every frame."""
    return _logo(width, height)


@cache
def _logo(width: int, height: int) -> Layer:
    drawing = _Drawing(width, height)
    right, bottom = width - 26, height - 24
    drawing.pen.rounded_rectangle(drawing.box(right - 112, bottom - 40, right, bottom), 9 * OVERSAMPLED, 215)
    drawing.pen.text(drawing.box(right - 56, bottom - 20), "ARCHIVE 9", 255, _font(19), anchor="mm")
    letters = drawing.finished()
    plate = (letters > 0).astype(np.float32) * np.minimum(letters / 0.84, 1)
    # The plate is a dark glass of 60 %, the letters on it are nearly opaque and white.
    writing = np.clip((letters - 0.85) / 0.15, 0, 1)
    return _visible(plate * (0.6 + 0.35 * writing)), 40 + 190 * writing


def transparent_logo(width: int, height: int) -> Layer:
    """Return a station's letters in the upper right corner, white glass of 50 %, the same on every frame."""
    return _transparent_logo(width, height)


@cache
def _transparent_logo(width: int, height: int) -> Layer:
    drawing = _Drawing(width, height)
    drawing.pen.text(drawing.box(width - 90, 48), "TV 9", 255, _font(44), anchor="mm")
    letters = cv2.GaussianBlur(drawing.finished(), (0, 0), 0.8)
    return _visible(0.5 * letters), np.full((height, width), 235, np.float32)


def subtitle(width: int, height: int, text: str) -> Layer:
    """Return burnt-in subtitles: white letters with a black outline, at the bottom of the frame."""
    return _subtitle(width, height, text)


@cache
def _subtitle(width: int, height: int, text: str) -> Layer:
    place = (width / 2, height - 40)
    outline, letters = _Drawing(width, height), _Drawing(width, height)
    outline.pen.text(outline.box(*place), text, 255, _font(24), anchor="mm", stroke_width=2 * OVERSAMPLED)
    letters.pen.text(letters.box(*place), text, 255, _font(24), anchor="mm")
    return _visible(outline.finished()), 16 + 219 * letters.finished()


def scratches(width: int, height: int, frames: int, seed: int = 3) -> tuple[Scratch, ...]:
    """Return the scratches of a clip: one or two at any time, each for one to three seconds."""
    random = np.random.default_rng(seed)
    found: list[Scratch] = []
    for lane in range(2):
        begin = -int(random.integers(0, 30))
        while begin < frames:
            end = begin + int(random.integers(24, 72))
            found.append(
                Scratch(
                    begin=begin,
                    end=end,
                    x=width * (0.12 + 0.76 * random.random()),
                    wander=float(random.uniform(2, 9)),
                    width=float(random.uniform(1, 3)),
                    luma=float(random.choice([228, 210, 34])),
                    phase=float(random.uniform(0, 2 * math.pi)),
                )
            )
            begin = end + int(random.integers(0, 10)) + 12 * lane
    return tuple(found)


def scratch(width: int, height: int, n: int, line: Scratch) -> Layer:
    """Return one scratch on frame ``n``; nothing, outside its time."""
    rows = np.arange(height, dtype=np.float32)
    age = n - line.begin
    centre = line.x + line.wander * math.sin(age / 9 + line.phase) + 0.9 * np.sin(rows / 47 + age / 3)
    columns = np.arange(width, dtype=np.float32)
    # Coverage of a pixel by a line of this width, as exact as an upright line asks for.
    cover = np.clip(line.width / 2 + 0.5 - np.abs(columns[None] - centre[:, None]), 0, 1)
    depth = 0.8 + 0.15 * np.sin(rows / 23 + age)[:, None]
    shown = line.begin <= n < line.end
    return _visible((cover * depth * shown).astype(np.float32)), np.full((height, width), line.luma, np.float32)


def dirt(width: int, height: int, n: int, seed: int = 5) -> list[Layer]:
    """Return the dirt of frame ``n``: a few specks, now and then a hair, on that frame alone."""
    random = np.random.default_rng((seed, n))
    layers = [_speck(width, height, random) for _ in range(random.poisson(2.2))]
    if random.random() < 0.12:
        layers.append(_hair(width, height, random))
    return layers


def _speck(width: int, height: int, random: np.random.Generator) -> Layer:
    angles = np.linspace(0, 2 * math.pi, 40, endpoint=False)
    radius = random.uniform(1.5, 8) * np.ones_like(angles)
    for order in range(2, 6):
        radius *= 1 + 0.45 / order * np.sin(order * angles + random.uniform(0, 6.28))
    x = random.uniform(0, width) + radius * np.cos(angles) * random.uniform(0.6, 1.6)
    y = random.uniform(0, height) + radius * np.sin(angles)
    drawing = _Drawing(width, height)
    drawing.pen.polygon([(px * OVERSAMPLED, py * OVERSAMPLED) for px, py in zip(x, y, strict=True)], 245)
    grey = random.choice([20.0, 30.0, 222.0])
    return _visible(drawing.finished()), np.full((height, width), grey, np.float32)


def _hair(width: int, height: int, random: np.random.Generator) -> Layer:
    heading = random.uniform(0, 6.28) + np.cumsum(random.normal(0.05, 0.16, 28))
    x = random.uniform(0.1, 0.9) * width + np.cumsum(2.4 * np.cos(heading))
    y = random.uniform(0.1, 0.9) * height + np.cumsum(2.4 * np.sin(heading))
    drawing = _Drawing(width, height)
    points = [(px * OVERSAMPLED, py * OVERSAMPLED) for px, py in zip(x, y, strict=True)]
    drawing.pen.line(points, 240, width=round(1.4 * OVERSAMPLED), joint="curve")
    return _visible(drawing.finished()), np.full((height, width), 24, np.float32)


class _Drawing:
    """A sheet drawn large and brought down, so that edges are smooth."""

    def __init__(self, width: int, height: int) -> None:
        self.size = (width, height)
        self.sheet = Image.new("L", (width * OVERSAMPLED, height * OVERSAMPLED))
        self.pen = ImageDraw.Draw(self.sheet)

    def box(self, *pixels: float) -> tuple[float, ...]:
        return tuple(OVERSAMPLED * value for value in pixels)

    def finished(self) -> NDArray[np.float32]:
        return cv2.resize(np.asarray(self.sheet, np.float32) / 255, self.size, interpolation=cv2.INTER_AREA)


@cache
def _font(pixels: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(pixels * OVERSAMPLED)


def _visible(opacity: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.where(opacity < FAINTEST, 0, np.minimum(opacity, 1)).astype(np.float32)
