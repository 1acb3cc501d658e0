"""The border of a mark: points along its outline, each of which moves along its normal to where it is likely to be.

For each of some offsets the whole border is moved by it, and what becomes rougher or smoother beneath is counted to the
point of the border that is nearest. So every point has a cost for each offset, neighbours along the border move alike,
and the mean over all ways to move is found exactly, from point to point and back.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vsdfvi.engine.mark_layer import Array, Flags, Layer

_FINER = 4  # the grid on which outlines are followed
_SPACING = 1.1  # pixels from point to point
_SHORTEST = 24  # steps of the finer grid: what is smaller is no outline
_OFFSETS = 17
_WALK = 0.12  # pixels, deviation: how much further a point moves than its neighbour
_CORNER = 1e-3  # how often a neighbour moves as it likes
_LAP = 30  # points at which the ends of a closed border overlap
_SPREAD = 0.35  # pixels, deviation: a mask of whole pixels tells the depth of a border no better
_ASTRAY = 0.05  # share of a border that the mask says nothing of: where gaps of the mark are closed
_ROOM = 8.0  # pixels over which it may then lie

Doubles = NDArray[np.float64]
Numbers = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Border:
    """Closed outlines.

    Attributes:
        points: float32 ``(points, 2)``, x and y of points along them, about a pixel apart.
        normals: float32 ``(points, 2)``, of length 1, pointing out of the mark.
        rings: Which of them make an outline, in order.
    """

    points: Array
    normals: Array
    rings: tuple[slice, ...]


@dataclass(frozen=True, slots=True)
class Depth:
    """How deep within the mask a border lies: masks are drawn by growing a mark by some pixels.

    Attributes:
        distance: ``(height, width)``, of each pixel from the outline of the hole, above 0 inside.
        depth: Pixels.
        spread: Deviation of it.
    """

    distance: Array
    depth: float
    spread: float

    def of(self, border: Border) -> "Depth":
        """The same for what is usual along a border."""
        deep = _read(self.distance, border.points)
        middle = float(np.median(deep))
        return Depth(self.distance, middle, max(_SPREAD, 1.4826 * float(np.median(np.abs(deep - middle)))))

    def cost(self, points: Array) -> Doubles:
        """How unlikely a border is at points ``(points, 2)``."""
        off = _read(self.distance, points).astype(np.float64) - self.depth
        usual = np.exp(-(off**2) / (2 * self.spread**2)) / (self.spread * np.sqrt(2 * np.pi))
        cost: Doubles = -np.log((1 - _ASTRAY) * usual + _ASTRAY / _ROOM)
        return cost


def distance_within(hole: Flags) -> Array:
    """Distance of each pixel from the outline of a hole, in pixels, above 0 inside; the outline is smoothed first."""
    height, width = hole.shape
    finer = cv2.resize(hole.astype(np.float32), (width * _FINER, height * _FINER), interpolation=cv2.INTER_NEAREST)
    inside = (cv2.GaussianBlur(finer, (0, 0), _FINER) > 0.5).astype(np.uint8)
    far = cv2.distanceTransform(inside, cv2.DIST_L2, 5) - cv2.distanceTransform(1 - inside, cv2.DIST_L2, 5)
    distance: Array = cv2.resize(far, (width, height), interpolation=cv2.INTER_AREA) / np.float32(_FINER)
    return distance


def border_of(front: Array) -> Border | None:
    """The outlines along which a front ``(height, width)`` is 0; None where there are none."""
    height, width = front.shape
    finer = cv2.resize(front, (width * _FINER, height * _FINER), interpolation=cv2.INTER_LINEAR)
    outlines, _ = cv2.findContours((finer > 0).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    down, right = np.gradient(cv2.GaussianBlur(front, (0, 0), 0.7))
    points, normals, rings, count = [], [], [], 0
    for outline in outlines:
        if len(outline) < _SHORTEST:
            continue
        at = _resampled((outline[:, 0].astype(np.float32) + np.float32(0.5)) / np.float32(_FINER) - np.float32(0.5))
        for _ in range(3):
            slope = np.stack([_read(right, at), _read(down, at)], axis=1)
            steep = np.sqrt((slope**2).sum(axis=1)) + np.float32(1e-3)
            off = np.clip(_read(front, at) / np.maximum(steep, np.float32(0.4)), np.float32(-0.4), np.float32(0.4))
            at = (at - (off / steep)[:, None] * slope).astype(np.float32)
        slope = np.stack([_read(right, at), _read(down, at)], axis=1)
        points.append(at)
        normals.append(-slope / (np.sqrt((slope**2).sum(axis=1)) + np.float32(1e-3))[:, None])
        rings.append(slice(count, count + len(at)))
        count += len(at)
    if not points:
        return None
    return Border(np.concatenate(points), np.concatenate(normals).astype(np.float32), tuple(rings))


def _resampled(outline: Array) -> Array:
    """Points of a closed outline, evenly apart."""
    closed = np.concatenate([outline, outline[:1]])
    way = np.concatenate([[0.0], np.cumsum(np.sqrt((np.diff(closed, axis=0) ** 2).sum(axis=1)), dtype=np.float64)])
    count = max(6, round(way[-1] / _SPACING))
    along = np.arange(count) * (way[-1] / count)
    return np.stack([np.interp(along, way, closed[:, axis]) for axis in (0, 1)], axis=1).astype(np.float32)


def _read(picture: Array, points: Array) -> Array:
    """A picture between its pixels."""
    x, y = (np.ascontiguousarray(points[:, axis], np.float32)[None] for axis in (0, 1))
    read: Array = cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[0]
    return read


def nearest(border: Border, front: Array) -> tuple[Numbers, Array]:
    """The point of a border that is nearest to each pixel, and the distance from the border, above 0 inside."""
    height, width = front.shape
    points = border.points
    apart = np.ones((height * _FINER, width * _FINER), np.uint8)
    finer = np.clip(np.rint((points + 0.5) * _FINER - 0.5), 0, [width * _FINER - 1, height * _FINER - 1]).astype(
        np.intp
    )
    apart[finer[:, 1], finer[:, 0]] = 0
    far, labels = cv2.distanceTransformWithLabels(apart, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    numbers = np.zeros(int(labels.max()) + 1, np.intp)
    numbers[labels[finer[:, 1], finer[:, 0]]] = np.arange(len(points))
    middle = np.s_[_FINER // 2 :: _FINER, _FINER // 2 :: _FINER]
    index, distance = numbers[labels[middle]], far[middle] / np.float32(_FINER)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    normal, point = border.normals[index], points[index]
    off = -((x - point[..., 0]) * normal[..., 0] + (y - point[..., 1]) * normal[..., 1])
    near = np.clip(off, -distance - np.float32(0.3), distance + np.float32(0.3))
    signed: Array = np.where(distance < 2, near, np.copysign(distance, front)).astype(np.float32)
    return index, signed


def covering(front: Array, softness: float, hole: Flags) -> Array:
    """The shape of a mark whose border is where a front is 0: 0 to 1, and 1 where it covers most."""
    inside = np.where(hole, np.clip(np.float32(0.5) + front, 0, 1), np.float32(0))
    soft = cv2.GaussianBlur(inside, (0, 0), softness, borderType=cv2.BORDER_CONSTANT) * hole
    # Of thin strokes nothing would reach 1: the opacity is that of what covers most.
    shape: Array = soft / max(np.float32(soft.max()), np.float32(0.2))
    return shape


def moved(
    layers: list[Layer],
    hole: Flags,
    front: Array,
    mark: tuple[float, tuple[float, ...], float],
    depth: Depth,
    reach: float,
    turn: float,
) -> tuple[Array, float] | None:
    """A border where it is likely to be, and how unlikely it is by its depth; None where there is no border.

    Args:
        front: Above 0 inside.
        mark: Opacity, colours and softness.
        reach: Pixels that it may move.
        turn: Radians. Of a stroke's two sides one is moved first and then the other, so that it is moved or made wider
            as need be: first that which faces this way.

    Source:
        Sums over all paths: Rabiner, "A tutorial on hidden Markov models", Proc. IEEE 77, 1989. Outlines as chains:
        Amini, Weymouth and Jain, "Using dynamic programming for solving variational problems in vision", PAMI 12, 1990.
    """
    border = border_of(front)
    if border is None:
        return None
    opacity, colours, softness = mark
    offsets = np.linspace(-reach, reach, _OFFSETS)
    depth = depth.of(border)
    index, signed = nearest(border, front)
    facing = border.normals[:, 0] * np.cos(turn) + border.normals[:, 1] * np.sin(turn)
    total = np.zeros(len(border.points))
    for side in (facing > 0, facing <= 0):
        costs = np.empty((len(border.points), _OFFSETS))
        moves = side[index].astype(np.float32)
        for column, offset in enumerate(offsets):
            covered = np.float32(opacity) * covering(signed + np.float32(offset) * moves, softness, hole)
            density = np.zeros(hole.shape, np.float32)
            for layer in layers:
                density += layer.density(covered, colours[layer.plane])
            costs[:, column] = np.bincount(index.ravel(), density.ravel().astype(np.float64), len(border.points))
            costs[:, column] += depth.cost(border.points + np.float32(offset) * border.normals)
        step = np.where(side, _mean_offsets(costs, border.rings, offsets), 0.0)
        total += step
        signed = signed + step[index].astype(np.float32)
    there = (border.points + total[:, None] * border.normals).astype(np.float32)
    return signed, float(depth.cost(there).sum())


def _mean_offsets(costs: Doubles, rings: tuple[slice, ...], offsets: Doubles) -> Doubles:
    """Of each point the mean offset over all ways to move the border, from the costs ``(points, offsets)``."""
    gap = offsets[:, None] - offsets[None]
    step = np.exp(-(gap**2) / (2 * _WALK**2))
    step = (1 - _CORNER) * step / step.sum(axis=1, keepdims=True) + _CORNER / len(offsets)
    likely = np.exp(costs.min(axis=1, keepdims=True) - costs) + 1e-12
    mean = np.zeros(len(costs))
    for ring in rings:
        own = likely[ring]
        count, lap = len(own), min(len(own), _LAP)
        own = np.concatenate([own[count - lap :], own, own[:lap]])
        before, after = np.empty_like(own), np.ones_like(own)
        before[0] = own[0] / own[0].sum()
        for point in range(1, len(own)):
            told = (before[point - 1] @ step) * own[point]
            before[point] = told / told.sum()
        for point in range(len(own) - 2, -1, -1):
            told = step @ (own[point + 1] * after[point + 1])
            after[point] = told / told.sum()
        both = (before * after)[lap : lap + count]
        mean[ring] = (both * offsets).sum(axis=1) / both.sum(axis=1)
    return mean
