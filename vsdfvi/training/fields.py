"""Windows of motion that is made, not measured: a camera, things before it, and errors like an estimator's."""

import cv2
import numpy as np
from numpy.typing import NDArray

from vsdfvi.engine.completion import unknown_flow
from vsdfvi.kernels.laplace import laplace_fill
from vsdfvi.networks.dfc_compact import CENTRE, WINDOW
from vsdfvi.training.holes import make_holes, path
from vsdfvi.training.motion import make_camera
from vsdfvi.training.window import Window

_STILL = 0.02  # pixels: movement of a sweep at which completed flow has settled
_MARGIN = 19, 28  # pixels of half size around a hole that flow is measured on, from 192 lines to 288


def make_window(random: np.random.Generator, side: int) -> Window | None:
    """A window whose true flow is known exactly; None where luck put no hole into its middle.

    Unlike flow that is measured on a film, such flow costs next to nothing, is never the same, and is true to its last
    edge. What an estimator does to it is imitated: edges are moved and softened, noise as large as a patch is laid over
    it, more where there is no texture, and around the hole it is drawn towards what the filling does.

    Args:
        side: Height and width, pixels of half size.
    """
    size = side, side
    _, holes = make_holes(random, WINDOW + 1, size)
    pairs = [holes[t] | holes[t + 1] for t in range(WINDOW)]
    rim = int(random.integers(1, 3))
    unknown = [unknown_flow(pair.astype(np.uint8), rim) for pair in pairs]
    if not pairs[CENTRE].any():
        return None
    truth = _motion(random, size)
    margin = int(random.integers(*_MARGIN))
    edge_noise, soft = random.uniform(0, 2.0), random.uniform(0.3, 1.5)
    strength = float(np.exp(random.uniform(np.log(0.001), np.log(0.03))))
    smooth = _bumps(random, size, 10.0)
    flows = np.empty((WINDOW, 4, *size), np.float32)
    there = np.empty((WINDOW, *size), bool)
    for k in range(WINDOW):
        measured = _measured(random, truth[k], edge_noise, soft, strength * (1 + 3 * np.clip(smooth, 0, 2)))
        _spoil_rim(random, measured, unknown[k])
        flows[k] = laplace_fill(measured, unknown[k], _STILL)
        there[k] = _near(pairs[k], margin)
    flows = np.where(there[:, None], flows, flows[CENTRE])
    masks = np.stack(unknown).astype(bool) | ~there
    inside = there[CENTRE]
    hole = masks[CENTRE] & inside & _seen(truth[CENTRE])
    return Window(flows, masks.astype(np.float32), truth[CENTRE], hole)


def _motion(random: np.random.Generator, size: tuple[int, int]) -> NDArray[np.float32]:
    """True flow of a window ``(11, 4, H, W)``: of the topmost thing at each pixel, or of the ground."""
    speed = float(np.exp(random.uniform(np.log(0.3), np.log(6.0))))
    height, width = size
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    pixels = np.stack([x, y, np.ones_like(x)]).reshape(3, -1)
    frames = WINDOW + 1
    ground = make_camera(random, frames, size, size, speed if random.random() < 0.8 else 0.05).maps
    layers = [(np.linalg.inv(ground), np.ones((frames, height, width), bool))]
    for _ in range(int(random.choice([0, 1, 1, 2, 2, 3, 4]))):
        layers.append(_thing(random, size, speed))
    flow = np.zeros((WINDOW, 4, height, width), np.float32)
    for k in range(WINDOW):
        for poses, shapes in layers:  # later ones lie over earlier ones
            for first, here, other in ((0, k, k + 1), (2, k + 1, k)):
                moved = poses[other] @ np.linalg.inv(poses[here]) @ pixels
                vectors = (moved[:2] / moved[2:] - pixels[:2]).reshape(2, height, width).astype(np.float32)
                inside = shapes[here]
                flow[k, first : first + 2][:, inside] = vectors[:, inside]
    return flow


def _thing(
    random: np.random.Generator, size: tuple[int, int], speed: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """A shape that moves, turns and grows: its pose ``(frames, 3, 3)`` and where it is ``(frames, H, W)``."""
    frames, (height, width) = WINDOW + 1, size
    radius = min(size) * random.uniform(0.08, 0.5)
    place = random.uniform(-0.1, 1.1, 2) * (width, height) + path(random, frames, speed, 0.5 * speed)
    turn = path(random, frames, 0.03, 0.05)[:, 0]
    grow = np.exp(path(random, frames, 0.01, 0.03)[:, 0])
    waves = [(k, random.uniform(0, 0.4 / k), random.uniform(0, 2 * np.pi)) for k in (1, 2, 3, 5, 8)]
    stretch = random.uniform(0.4, 2.5)
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    poses, shapes = np.empty((frames, 3, 3)), np.empty((frames, height, width), bool)
    for t in range(frames):
        cosine, sine = grow[t] * np.cos(turn[t]), grow[t] * np.sin(turn[t])
        poses[t] = [[cosine, -sine, place[t, 0]], [sine, cosine, place[t, 1]], [0, 0, 1]]
        dx, dy = x - place[t, 0], y - place[t, 1]
        u, v = (cosine * dx + sine * dy) / grow[t] ** 2, (cosine * dy - sine * dx) / grow[t] ** 2 * stretch
        angle = np.arctan2(v, u)
        shapes[t] = np.hypot(u, v) < radius * (1 + sum(a * np.sin(k * angle + phase) for k, a, phase in waves))
    return poses, shapes


def _measured(
    random: np.random.Generator, flow: NDArray[np.float32], edge_noise: float, soft: float, noise: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Flow ``(4, H, W)`` as an estimator sees it."""
    height, width = flow.shape[1:]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    shift = [np.float32(edge_noise) * _bumps(random, (height, width), 3.0) for _ in range(2)]
    out = np.empty_like(flow)
    for component, plane in enumerate(flow):
        moved = cv2.remap(plane, x + shift[0], y + shift[1], cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
        out[component] = cv2.GaussianBlur(moved, (0, 0), soft)
        out[component] += noise * _bumps(random, (height, width), float(random.uniform(1.5, 4.0)))
    return out


def _spoil_rim(random: np.random.Generator, flow: NDArray[np.float32], unknown: NDArray[np.uint8]) -> None:
    """Draw flow near the hole towards rest, in place, here more and there less: the filling spoils it."""
    if not unknown.any() or random.random() < 0.3:
        return
    distance = cv2.distanceTransform(1 - unknown, cv2.DIST_L2, 3)
    share = random.uniform(0, 0.4) * np.exp(-distance / random.uniform(0.5, 3.0))
    share = (share * np.clip(_bumps(random, unknown.shape, 3.0), 0, 2)).astype(np.float32)
    flow *= 1 - share


def _bumps(random: np.random.Generator, size: tuple[int, ...], scale: float) -> NDArray[np.float32]:
    """Smooth noise of standard deviation 1, with bumps of a given radius in pixels."""
    noise = cv2.GaussianBlur(random.normal(0, 1, size).astype(np.float32), (0, 0), scale)
    return (noise / max(float(noise.std()), 1e-6)).astype(np.float32)


def _near(hole: NDArray[np.bool_], margin: int) -> NDArray[np.bool_]:
    """The bounding box of a hole with a margin around it."""
    near = np.zeros(hole.shape, bool)
    ys, xs = np.nonzero(hole)
    if len(ys):
        near[max(0, ys.min() - margin) : ys.max() + margin + 1, max(0, xs.min() - margin) : xs.max() + margin + 1] = (
            True
        )
    return near


def _seen(flow: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Where flow there and back comes home, both ways: elsewhere a thing is covered in the other frame."""
    height, width = flow.shape[1:]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    seen = np.ones((height, width), bool)
    for there, back in ((flow[:2], flow[2:]), (flow[2:], flow[:2])):
        ends = x + there[0], y + there[1]
        home = [cv2.remap(part, *ends, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) for part in back]
        seen &= np.hypot(there[0] + home[0], there[1] + home[1]) < 0.75
    return seen
