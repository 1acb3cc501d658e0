"""Footage whose truth is known: a camera over real photographs, something moving before it, and film grain.

The photographs are those that the scikit-image wheel carries, in the public domain, CC0 or without known restrictions.
A frame is computed from its number alone, so a clip is streamed and never held.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
import skimage.data
from numpy.typing import NDArray

WIDTH, HEIGHT = 640, 360
FRAMES_PER_SECOND = 24

Planes = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]
Picture = NDArray[np.float32]

# Standard deviation of the grain in codes, at medium grey: what a scan of a 16 mm print shows.
GRAIN_LUMA, GRAIN_CHROMA = 3.2, 1.1


@dataclass(frozen=True, slots=True)
class View:
    """What the camera sees.

    Attributes:
        x, y: Centre of the view, in pixels of the photograph.
        scale: Pixels of the photograph to a pixel of the frame; below 1 magnifies.
        degrees: Rotation of the camera.
    """

    x: float
    y: float
    scale: float
    degrees: float


@dataclass(frozen=True, slots=True)
class Actor:
    """Something that moves before the photograph.

    Attributes:
        picture: Colour ``(H, W, 3)`` and opacity ``(H, W)``, 0 to 1.
        place: Progress of the shot, 0 to 1, to the actor's centre in the frame (x, y), its scale and its degrees.
        shadow: Offset and blur of the shadow it casts, in pixels of the frame, and its darkness, 0 to 1.
    """

    picture: Callable[[], tuple[Picture, Picture]]
    place: Callable[[float], tuple[float, float, float, float]]
    shadow: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Shot:
    """One take: frames, the photograph, the camera's way from one view to another, and who walks through."""

    frames: int
    photograph: Callable[[], Picture]
    begin: View
    end: View
    actor: Actor


def length(shots: tuple[Shot, ...]) -> int:
    """Return the number of frames of a clip."""
    return sum(shot.frames for shot in shots)


def render(shots: tuple[Shot, ...], n: int, seed: int = 7) -> Planes:
    """Return frame ``n`` of the shots in sequence, YUV420P8, BT.709, limited range, chroma sited left."""
    shot, progress = _take(shots, n)
    random = np.random.default_rng((seed, n))

    picture = _seen(shot, progress, _weave(n, random))
    picture = _with_actor(picture, shot.actor, progress)
    return _as_yuv420p8(picture * (1 + 0.006 * random.standard_normal()), random)  # the lamp flickers a little


def actor_mask(shots: tuple[Shot, ...], n: int) -> NDArray[np.uint8]:
    """Return a mask of who walks through frame ``n``, with the shadow: 255 there, 0 elsewhere."""
    shot, progress = _take(shots, n)
    layers, shadow = _appearance(shot.actor, progress)
    return np.where((layers[..., 3] > 0.01) | (shadow > 0.02), 255, 0).astype(np.uint8)


def _take(shots: tuple[Shot, ...], n: int) -> tuple[Shot, float]:
    """Return the shot that frame ``n`` is in, and its progress there, 0 to 1."""
    for shot in shots:
        if n < shot.frames:
            return shot, n / max(1, shot.frames - 1)
        n -= shot.frames
    raise ValueError(f"n must be below the {length(shots)} frames of the clip, got {n + length(shots)}")


def _weave(n: int, random: np.random.Generator) -> tuple[float, float]:
    """Return how far the film has slipped in the gate, in pixels: a slow swing and a little jitter."""
    sway = 0.45 * math.sin(n / 5.3) + 0.25 * math.sin(n / 2.1), 0.5 * math.sin(n / 6.7 + 1)
    return sway[0] + 0.08 * random.standard_normal(), sway[1] + 0.12 * random.standard_normal()


def _seen(shot: Shot, progress: float, weave: tuple[float, float]) -> Picture:
    eased = progress * progress * (3 - 2 * progress)
    begin, end = shot.begin, shot.end

    def between(a: float, b: float) -> float:
        return a + (b - a) * eased

    scale, angle = between(begin.scale, end.scale), math.radians(between(begin.degrees, end.degrees))
    along, across = scale * math.cos(angle), scale * math.sin(angle)
    x, y = WIDTH / 2 - 0.5 + weave[0], HEIGHT / 2 - 0.5 + weave[1]
    to_photograph = np.array(
        [
            [along, -across, between(begin.x, end.x) - along * x + across * y],
            [across, along, between(begin.y, end.y) - across * x - along * y],
        ]
    )
    flags = cv2.INTER_LANCZOS4 | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(shot.photograph(), to_photograph, (WIDTH, HEIGHT), flags=flags, borderMode=cv2.BORDER_REFLECT)


def _with_actor(picture: Picture, actor: Actor, progress: float) -> Picture:
    layers, shadow = _appearance(actor, progress)
    return picture * (1 - shadow[..., None]) * (1 - layers[..., 3:]) + layers[..., :3]


def _appearance(actor: Actor, progress: float) -> tuple[Picture, Picture]:
    """Return the actor in the frame, colour times opacity and opacity ``(H, W, 4)``, and its shadow ``(H, W)``."""
    colour, opacity = actor.picture()
    x, y, scale, degrees = actor.place(progress)
    height, width = opacity.shape
    to_frame = cv2.getRotationMatrix2D((width / 2 - 0.5, height / 2 - 0.5), degrees, scale)
    to_frame[:, 2] += x - (width / 2 - 0.5), y - (height / 2 - 0.5)

    # Colour travels multiplied by its opacity, or the background that it was cut from would bleed through the edge.
    layers = np.dstack((colour * opacity[..., None], opacity))
    layers = np.clip(cv2.warpAffine(layers, to_frame, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC), 0, 1)

    offset, blur, darkness = actor.shadow
    shift = np.array([[1, 0, offset], [0, 1, offset]], np.float32)
    cast = cv2.warpAffine(layers[..., 3], shift, (WIDTH, HEIGHT))
    return layers, darkness * cv2.GaussianBlur(cast, (0, 0), blur)


def _as_yuv420p8(picture: Picture, random: np.random.Generator) -> Planes:
    red, green, blue = np.moveaxis(np.clip(picture, 0, 1), 2, 0)
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    chroma = [_halved((blue - luma) / 1.8556), _halved((red - luma) / 1.5748)]
    # Grain is strongest in the middle tones: in the blacks and whites of a print there is nothing left to vary.
    strength = GRAIN_LUMA * (0.45 + 2.2 * luma * (1 - luma))
    planes = [16 + 219 * luma + strength * _grain(luma.shape, random)]
    planes += [128 + 224 * plane + GRAIN_CHROMA * _grain(plane.shape, random) for plane in chroma]
    y, u, v = (np.clip(np.rint(plane), 16, 235 if at == 0 else 240).astype(np.uint8) for at, plane in enumerate(planes))
    return y, u, v


def _halved(plane: Picture) -> Picture:
    """Return the plane at half the size; a sample sits on the left column of its block, between the rows."""
    smooth = cv2.sepFilter2D(plane, -1, np.float32([0.25, 0.5, 0.25]), np.float32([1]))[:, ::2]
    return (smooth[::2] + smooth[1::2]) / 2


def _grain(shape: tuple[int, ...], random: np.random.Generator) -> Picture:
    """Return noise of standard deviation 1 whose grains are a little larger than a pixel."""
    noise = cv2.GaussianBlur(random.standard_normal(shape, np.float32), (0, 0), 0.65)
    return noise / noise.std()


# The photographs and the actors.


@cache
def launch_pad() -> Picture:
    """Return a rocket on its pad at dusk (SpaceX, CC0)."""
    return (skimage.data.rocket() / 255).astype(np.float32)


@cache
def coffee_table() -> Picture:
    """Return a cup of coffee on a wooden table (Rachel Michetti, CC0)."""
    return (skimage.data.coffee() / 255).astype(np.float32)


@cache
def astronaut() -> tuple[Picture, Picture]:
    """Return Eileen Collins in her launch suit (NASA, public domain), cut from her portrait and graded for dusk."""
    portrait = skimage.data.astronaut()
    guess = np.full(portrait.shape[:2], cv2.GC_BGD, np.uint8)
    cv2.ellipse(guess, (225, 100), (75, 110), 0, 0, 360, cv2.GC_PR_FGD, -1)
    around = [(130, 130), (300, 130), (370, 300), (510, 345), (511, 511), (5, 511), (15, 330), (60, 220)]
    within = [(150, 190), (280, 190), (340, 320), (340, 511), (40, 511), (40, 360), (90, 250)]
    cv2.fillPoly(guess, [np.array(around)], cv2.GC_PR_FGD)
    cv2.ellipse(guess, (222, 85), (38, 55), 0, 0, 360, cv2.GC_FGD, -1)
    cv2.fillPoly(guess, [np.array(within)], cv2.GC_FGD)
    cv2.ellipse(guess, (400, 440), (100, 80), 0, 0, 360, cv2.GC_FGD, -1)
    cv2.setRNGSeed(1)  # GrabCut starts from a random clustering of the colours
    cv2.grabCut(portrait, guess, None, np.zeros((1, 65)), np.zeros((1, 65)), 6, cv2.GC_INIT_WITH_MASK)
    person = np.isin(guess, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(person)
    largest = 1 + int(statistics[1:, cv2.CC_STAT_AREA].argmax())
    opacity = _soft_edge((labels == largest).astype(np.float32))
    return (portrait / 255).astype(np.float32) * np.float32([0.74, 0.70, 0.82]), opacity


@cache
def coin() -> tuple[Picture, Picture]:
    """Return an ancient coin (Brooklyn Museum, no known restrictions), tinted bronze."""
    x, y, radius = 345, 187, 31
    grey = cv2.getRectSubPix((skimage.data.coins() / 255).astype(np.float32), (2 * radius + 8,) * 2, (x, y))
    opacity = np.zeros_like(grey)
    cv2.circle(opacity, (radius + 4, radius + 4), radius - 3, 1, -1)  # the coin is not quite round
    struck = np.clip(1.7 * (grey - 0.28), 0, 1)  # the museum's print is flat
    return struck[..., None] * np.float32([1.05, 0.86, 0.58]), _soft_edge(opacity)


def _soft_edge(opacity: Picture) -> Picture:
    return cv2.GaussianBlur(cv2.erode(opacity, np.ones((3, 3))), (0, 0), 0.9)


def _walking(progress: float) -> tuple[float, float, float, float]:
    step = math.sin(progress * 2 * math.pi * 3)
    return -40 + 250 * progress, 262 + 5 * abs(step), 0.56 + 0.05 * progress, 1.2 * step


def _tossed(progress: float) -> tuple[float, float, float, float]:
    return 560 - 380 * progress, 400 - 900 * progress * (1 - progress), 1.5, 300 * progress


LAUNCH = Shot(
    72, launch_pad, View(262, 275, 0.78, -0.6), View(376, 205, 0.74, 0.7), Actor(astronaut, _walking, (6, 9, 0.45))
)
COFFEE = Shot(
    48, coffee_table, View(342, 243, 0.72, 0.8), View(258, 165, 0.66, -0.8), Actor(coin, _tossed, (38, 12, 0.4))
)
FILM = (LAUNCH, COFFEE)
