"""Footage whose motion is made: a camera that pans, zooms and turns over pictures, and things that move before it."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vsdfvi.training.holes import path

Pictures = NDArray[np.float32]
"""``(frames, height, width)`` luma, 0 to 255."""


@dataclass(frozen=True, slots=True)
class Camera:
    """Where each frame of a camera looks: a projective map for each frame, of frame pixels to picture pixels.

    Attributes:
        maps: ``(frames, 3, 3)``.
    """

    maps: NDArray[np.float64]

    def look(self, pictures: Pictures, size: tuple[int, int]) -> Pictures:
        """What the camera sees of a picture for each frame; one picture serves all frames."""
        seen = np.empty((len(self.maps), *size), np.float32)
        for t, matrix in enumerate(self.maps):
            cv2.warpPerspective(
                pictures[min(t, len(pictures) - 1)], matrix, size[::-1], seen[t],
                cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP, cv2.BORDER_REFLECT_101,
            )  # fmt: skip
        return seen


def make_camera(
    random: np.random.Generator, frames: int, size: tuple[int, int], picture_size: tuple[int, int], speed: float
) -> Camera:
    """A camera over a picture: pan, zoom, roll and a slant that changes with its place (a plane in perspective).

    Args:
        size: (height, width) of the frames.
        picture_size: The same of the picture that is looked at.
        speed: Pixels a frame that a pan may reach; zoom, roll and slant go with it.
    """
    height, width = size
    pan = path(random, frames, speed, 0.4 * speed)
    share = speed / 8
    zoom = np.exp(path(random, frames, 0.008 * share, 0.01 * share)[:, 0])
    roll = path(random, frames, 0.006 * share, 0.006 * share)[:, 0]
    slant = path(random, frames, 4e-5 * share, 2e-5 * share) + random.normal(0, 4e-4 * share, 2)
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    middle = np.array(picture_size[::-1]) / 2 + random.uniform(-0.15, 0.15, 2) * picture_size[::-1]
    scale = random.uniform(0.7, 1.3)
    maps = []
    for t in range(frames):
        turn = scale * zoom[t] * np.array([[np.cos(roll[t]), -np.sin(roll[t])], [np.sin(roll[t]), np.cos(roll[t])]])
        to_centre = np.array([[1, 0, -centre[0]], [0, 1, -centre[1]], [0, 0, 1]])
        plane = np.array([[*turn[0], 0], [*turn[1], 0], [*slant[t], 1]])
        # The slant must not turn the plane over within the frame.
        shift = np.array([[1, 0, middle[0] + pan[t, 0]], [0, 1, middle[1] + pan[t, 1]], [0, 0, 1]])
        maps.append(shift @ plane @ to_centre)
    return Camera(np.array(maps))


def paste_object(random: np.random.Generator, film: Pictures, picture: NDArray[np.float32], speed: float) -> None:
    """Lay a thing with a picture of its own over a film, in place: it moves, turns, grows and bends.

    Shapes:
        film: ``(frames, height, width)``.
        picture: ``(height, width)``, larger than the thing.
    """
    frames, height, width = film.shape
    radius = min(height, width) * random.uniform(0.06, 0.35)
    place = random.uniform(0.05, 0.95, 2) * (width, height) + path(random, frames, speed, 0.5 * speed)
    turn = path(random, frames, 0.02, 0.05)[:, 0]
    grow = np.exp(path(random, frames, 0.008, 0.03)[:, 0])
    waves = [(k, random.uniform(0, 0.4 / k), random.uniform(0, 2 * np.pi)) for k in (1, 2, 3, 5, 8)]
    stretch = random.uniform(0.5, 2.0)
    bend = radius * random.uniform(0, 0.15), random.uniform(1.0, 3.0) / radius, random.uniform(0, 0.4)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    middle = np.array(picture.shape[::-1]) / 2
    for t in range(frames):
        dx, dy = x - np.float32(place[t, 0]), y - np.float32(place[t, 1])
        cosine, sine = np.cos(turn[t]) / grow[t], np.sin(turn[t]) / grow[t]
        u = (cosine * dx + sine * dy).astype(np.float32)
        v = (cosine * dy - sine * dx).astype(np.float32)
        u = u + np.float32(bend[0]) * np.sin(np.float32(bend[1]) * v + np.float32(bend[2] * t))
        angle = np.arctan2(v * np.float32(stretch), u)
        outline = radius * (1 + sum(a * np.sin(k * angle + phase) for k, a, phase in waves))
        inside = np.clip(outline - np.hypot(u, v * np.float32(stretch)) + 0.5, 0, 1).astype(np.float32)
        cover = cv2.remap(
            picture, u + np.float32(middle[0]), v + np.float32(middle[1]), cv2.INTER_CUBIC, None, cv2.BORDER_REFLECT_101
        )
        film[t] += inside * (cover - film[t])


def add_grain(random: np.random.Generator, film: Pictures) -> None:
    """Give a film grain and a flickering light, in place; now and then none."""
    np.clip(film, 0, 255, out=film)
    if random.random() < 0.3:
        return
    strength, size = random.gamma(2.0, 1.5), random.uniform(0.3, 0.9)
    flicker = random.choice([0.0, 0.0, 0.01, 0.03])
    for picture in film:
        grain = cv2.GaussianBlur(random.normal(0, 1, picture.shape).astype(np.float32), (0, 0), size)
        picture *= np.float32(1 + random.normal(0, flicker))
        picture += np.float32(strength / max(float(grain.std()), 1e-6)) * grain
    np.clip(film, 0, 255, out=film)
