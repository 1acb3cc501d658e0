"""What the pictures of the documentation show: footage, damage whose truth is known, and what repairs it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np
from demo import damage, footage
from demo.footage import COFFEE, FILM, HEIGHT, LAUNCH, WIDTH, Planes
from make_clips import LINES
from numpy.typing import NDArray

Mask = NDArray[np.uint8]
Given = Mapping[str, int | float | str]

# The same table, and nobody tosses anything: what the coin hides. Grain depends on the frame's number alone.
EMPTY_TABLE = replace(COFFEE, actor=replace(COFFEE.actor, place=lambda _: (-900, -900, 1.5, 0)))


@dataclass(frozen=True, slots=True)
class Case:
    """One clip, one frame of it that is shown, and how it is repaired.

    Attributes:
        title: Written above the picture.
        frames: Length of the clip.
        damaged: Frame n as it is given, and its mask, 255 where it is broken.
        truth: Frame n as it was.
        shown: Number of the frame that is cut out.
        corner, size: Of the cut, in pixels: (x, y) and (width, height), all even.
        zoom: Times that a pixel is repeated, each way.
        repairs: By caption, the settings of one repair.
        contrast: Times that luma is spread around its mean, without its colour, to show what is faint; 1: as it is.
    """

    title: str
    frames: int
    damaged: Callable[[int], tuple[Planes, Mask]]
    truth: Callable[[int], Planes]
    shown: int
    corner: tuple[int, int]
    size: tuple[int, int]
    zoom: int
    repairs: Mapping[str, Given]
    contrast: int = 1


@lru_cache(maxsize=160)
def film(n: int) -> Planes:
    """Frame n of two shots: a launch pad, and a table."""
    return footage.render(FILM, n)


@lru_cache(maxsize=64)
def launch(n: int) -> Planes:
    """Frame n of the launch pad."""
    return footage.render((LAUNCH,), n)


def dirty(n: int) -> tuple[Planes, Mask]:
    """Specks and hairs, each on one frame."""
    return damage.laid_over(launch(n), damage.dirt(WIDTH, HEIGHT, n))


def scratched(n: int) -> tuple[Planes, Mask]:
    """Upright lines that wander."""
    lines = damage.scratches(WIDTH, HEIGHT, LAUNCH.frames)
    return damage.laid_over(launch(n), [damage.scratch(WIDTH, HEIGHT, n, line) for line in lines])


def with_logo(n: int) -> tuple[Planes, Mask]:
    """A plate with letters that nothing shines through, on a camera that moves."""
    opacity, luma = damage.logo(WIDTH, HEIGHT)
    return damage.laid_over(film(n), [(np.float32(1) * (opacity > 0), luma)])


def with_glass(n: int) -> tuple[Planes, Mask]:
    """White letters of half opacity; the mask is a box around them."""
    opacity, luma = damage.transparent_logo(WIDTH, HEIGHT)
    planes, _ = damage.laid_over(film(n), [(opacity, luma)])
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[20:76, 488:612] = 255
    return planes, mask


def with_subtitle(n: int) -> tuple[Planes, Mask]:
    """A line of letters with an outline, for 32 frames of 40."""
    if n % 40 >= 32:
        return film(n), np.zeros((HEIGHT, WIDTH), np.uint8)
    return damage.laid_over(film(n), [damage.subtitle(WIDTH, HEIGHT, LINES[n // 40])])


def with_dropout(n: int) -> tuple[Planes, Mask]:
    """Lines that the tape lost, others on every frame."""
    random = np.random.default_rng((17, n))
    opacity, luma = np.zeros((HEIGHT, WIDTH), np.float32), np.zeros((HEIGHT, WIDTH), np.float32)
    for _ in range(4):
        y, rows, x = int(random.integers(0, HEIGHT - 8)), int(random.integers(1, 4)) * 2, int(random.integers(0, 400))
        opacity[y : y + rows, x : x + int(random.integers(160, 560))] = 1
        luma[y : y + rows] = random.uniform(16, 235, (rows, 1)) + 30 * random.standard_normal((rows, WIDTH))
    if n == DROPPED:  # where the picture has something to lose
        opacity[196:204], luma[196:204] = 1, random.uniform(16, 235, (8, 1)) + 30 * random.standard_normal((8, WIDTH))
    return damage.laid_over(launch(n), [(opacity, luma.astype(np.float32))])


DROPPED = 36


def with_coin(n: int) -> tuple[Planes, Mask]:
    """A coin that is tossed across a table, and its shadow."""
    return footage.render((COFFEE,), n), footage.actor_mask((COFFEE,), n)


@lru_cache(maxsize=64)
def without_coin(n: int) -> Planes:
    """The same without the coin."""
    return footage.render((EMPTY_TABLE,), n)


@lru_cache(maxsize=64)
def grainy(n: int) -> Planes:
    """The table on film of more grain."""
    luma, *chroma = without_coin(n)
    noise = np.random.default_rng((31, n)).standard_normal(luma.shape, np.float32)
    grain = cv2.GaussianBlur(noise, (0, 0), 0.6)
    coarse = luma.astype(np.float32) + 4 * grain / grain.std()
    return (np.clip(np.rint(coarse), 16, 235).astype(np.uint8), chroma[0], chroma[1])


@lru_cache(maxsize=64)
def flickering(n: int) -> Planes:
    """The same, with light of every frame its own, and a shade that swings from side to side."""
    luma, *chroma = grainy(n)
    lamp = np.random.default_rng((32, n)).uniform(-0.1, 0.1)
    across = (np.arange(WIDTH, dtype=np.float32) - np.float32(320 + 200 * np.sin(0.9 * n))) / 110
    light = np.float32(1 + lamp) * (1 - np.float32(0.15) * np.exp(-across * across))
    lit = 16 + (luma.astype(np.float32) - 16) * light
    return (np.clip(np.rint(lit), 16, 235).astype(np.uint8), chroma[0], chroma[1])


def blotched(picture: Callable[[int], Planes]) -> Callable[[int], tuple[Planes, Mask]]:
    """A blotch where emulsion came off, on one frame."""
    opacity = np.zeros((HEIGHT, WIDTH), np.float32)
    cv2.ellipse(opacity, (330, 130), (26, 20), 60, 0, 360, 1.0, -1)
    return lambda n: damage.laid_over(picture(n), [_paint(opacity * (n == SPOILT))])


def torn(n: int) -> tuple[Planes, Mask]:
    """A tear across one frame."""
    opacity = np.zeros((HEIGHT, WIDTH), np.float32)
    opacity[124:136, 100:540] = n == SPOILT
    return damage.laid_over(flickering(n), [_paint(opacity)])


SPOILT = 35


def _paint(opacity: NDArray[np.float32]) -> damage.Layer:
    return opacity, np.full((HEIGHT, WIDTH), 225, np.float32)


def _preset(name: str, **more: int | float | str) -> dict[str, Given]:
    text = ", ".join([f'preset="{name}"', *(f"{setting}={value}" for setting, value in more.items())])
    return {text: {"preset": name, **more}}


CASES = {
    "dirt": Case("Dirt", 72, dirty, launch, 35, (448, 208), (138, 104), 2, _preset("dirt")),
    "scratch": Case("Scratch", 72, scratched, launch, 40, (96, 120), (138, 104), 2, _preset("scratch")),
    "logo": Case("Logo", 120, with_logo, film, 96, (488, 274), (138, 82), 2, _preset("logo")),
    "transparent_logo": Case(
        "Half-transparent logo", 120, with_glass, film, 96, (480, 8), (138, 82), 2, {"unmix=1": {"unmix": 1}}
    ),
    "subtitle": Case("Subtitle", 120, with_subtitle, film, 96, (250, 288), (138, 64), 2, _preset("subtitle")),
    "dropout": Case("Dropout", 72, with_dropout, launch, DROPPED, (200, 150), (138, 104), 2, _preset("dropout")),
    "object": Case("Object", 48, with_coin, without_coin, 24, (270, 100), (276, 208), 1, _preset("object")),
    "light": Case(
        "Light: every frame has its own", 48, blotched(flickering), flickering, SPOILT, (284, 92), (92, 76), 3,
        {"light=0, seam=0": {"preset": "dirt", "light": 0, "seam": 0},
         "light=1, seam=0": {"preset": "dirt", "light": 1, "seam": 0}}, 3,
    ),
    "seam": Case(
        "Seam: a shade lies over a part of the hole", 48, torn, flickering, SPOILT, (320, 92), (92, 76), 3,
        {"light=1, seam=0": {"preset": "dirt", "light": 1, "seam": 0},
         "light=1, seam=1": {"preset": "dirt", "light": 1, "seam": 1}}, 3,
    ),
    "grain": Case(
        "Grain: a blend of several frames has less", 48, blotched(grainy), grainy, SPOILT, (284, 92), (92, 76), 3,
        {"grain=0": {"preset": "dirt", "grain": 0.0}, "grain=1": {"preset": "dirt", "grain": 1.0}}, 3,
    ),
    "views": Case(
        "The seven views of one frame", 48, with_coin, without_coin, 24, (270, 100), (204, 160), 1,
        {"radius=5": {"radius": 5, "dilate": 4}},
    ),
    "report": Case(
        "A coin, tossed", 48, with_coin, without_coin, 24, (270, 100), (276, 208), 1,
        {"radius=5": {"preset": "object", "radius": 5}},
    ),
}  # fmt: skip
"""By the name of the picture's file."""
