"""The shape of a mark: the border, softness, opacity and colour under which what is beneath is a picture.

A mark is taken as one opacity and one colour inside a border that is soft. The measure of all is the picture recovered
beneath: its steps from pixel to pixel are to be those of the picture around it, few large ones and many small, in the
mean of the survey and in the ways it changes most.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Flags = NDArray[np.bool_]

_POWER = 0.6  # of steps: pictures have more large ones than the absolute value (1) would let pass
_SOFT = 0.09  # squared, in typical steps: below this a step's size does not matter
_OPAQUE = 0.92
_LENGTH = 6.0  # what a pixel of border costs, in typical steps. 2 lets borders follow the picture's edges
_CHANGING = 0.15  # what the ways a clip changes count beside its mean: they lie unevenly over the picture
_ROUNDS = 8
_MOVES = 12
_SMOOTH = 1.5  # pixels over which a border moves as one


class Layer:
    """One picture of a plane: its mean over the survey, or one of the ways it changes; and how rough it is around.

    Attributes:
        plane: Its number.
        block: (rows, columns) of plane 0 that a sample covers.
        still: It is the mean, in which the mark's colour shows.
    """

    def __init__(self, picture: Array, plane: int, block: tuple[int, int], hole: Flags, *, still: bool) -> None:
        self.picture, self.plane, self.block, self.still = picture.astype(np.float32), plane, block, still
        self.hole = _blocks(hole, block).max(axis=(1, 3))
        self.edges = self.hole[:, 1:] | self.hole[:, :-1], self.hole[1:] | self.hole[:-1]
        self.share = np.float32(1 if block == (1, 1) else block[0] * block[1] / 2)
        if not still:
            self.share *= np.float32(_CHANGING)
        self.scale = self._scale()
        steps = self._steps(self.picture)
        known = np.concatenate([step[~edge] for step, edge in zip(steps, self.edges, strict=True)])
        # Pictures that are made steeper by so much are as likely as they were: of (1 - alpha) ** balance.
        of_step = known**2 * (known**2 + _SOFT) ** (_POWER / 2 - 1)
        self.balance = np.float32(2 * _POWER * of_step.mean() if known.size else 1)

    def _scale(self) -> Array:
        """The typical step at each sample, from what is known around."""
        total, count = np.zeros_like(self.picture), np.zeros_like(self.picture)
        for axis, edge in zip((1, 0), self.edges, strict=True):
            step = np.abs(np.diff(self.picture, axis=axis))
            at = np.s_[:, 1:] if axis == 1 else np.s_[1:]
            total[at] += np.where(edge, 0, step)
            count[at] += ~edge
        overall = np.float32(total.sum(dtype=np.float64) / max(float(count.sum()), 1.0))
        radius = max(4, 12 // max(self.block))
        near, weight = (cv2.GaussianBlur(part, (0, 0), radius) for part in (total, count))
        local = (near + np.float32(0.02) * overall) / (weight + np.float32(0.02))
        least = np.float32(0.25 if self.still else 0.12)
        scale: Array = np.maximum(np.float32(0.7) * local + np.float32(0.3) * overall, least)
        return scale

    def _steps(self, picture: Array) -> tuple[Array, Array]:
        """Steps between neighbours, across and down, in typical ones."""
        scale = self.scale
        across = np.diff(picture, axis=1) / (np.float32(0.5) * (scale[:, 1:] + scale[:, :-1]))
        down = np.diff(picture, axis=0) / (np.float32(0.5) * (scale[1:] + scale[:-1]))
        return across, down

    def covered(self, opacity: Array) -> Array:
        """Opacity ``(height, width)`` of plane 0 on this plane: a sample is covered as the pixels of its block are."""
        return opacity if self.block == (1, 1) else _blocks(opacity, self.block).mean(axis=(1, 3), dtype=np.float32)

    def beneath(self, covered: Array, colour: float) -> Array:
        """The picture without the mark."""
        mark = covered * np.float32(colour) if self.still else np.float32(0)
        picture: Array = (self.picture - mark) / (np.float32(1) - covered)
        return picture

    def roughness(self, opacity: Array, colour: float) -> float:
        """How unlike the picture around what is beneath is."""
        covered = self.covered(opacity)
        total = 0.0
        for step, edge in zip(self._steps(self.beneath(covered, colour)), self.edges, strict=True):
            total += float(((step[edge] ** 2 + np.float32(_SOFT)) ** (_POWER / 2)).sum(dtype=np.float64))
        total += float(self.balance) * float(np.log(1 - covered[self.hole]).sum(dtype=np.float64))
        return float(self.share) * total

    def slope(self, opacity: Array, colour: float) -> Array:
        """The derivative of ``roughness`` by the opacity of each pixel of plane 0."""
        covered = self.covered(opacity)
        beneath = self.beneath(covered, colour)
        across, down = self._steps(beneath)
        scale = self.scale
        pull: Array = np.zeros_like(beneath)
        for step, edge, axis in ((across, self.edges[0], 1), (down, self.edges[1], 0)):
            first, second = (np.s_[:, :-1], np.s_[:, 1:]) if axis == 1 else (np.s_[:-1], np.s_[1:])
            size = np.float32(0.5) * (scale[first] + scale[second])
            force = np.float32(_POWER) * step * (step**2 + np.float32(_SOFT)) ** np.float32(_POWER / 2 - 1) / size
            force = np.where(edge, force, np.float32(0))
            pull[second] += force
            pull[first] -= force
        lever = beneath - np.float32(colour) if self.still else beneath
        each: Array = (
            self.share * (pull * lever - self.balance * self.hole.astype(np.float32)) / (np.float32(1) - covered)
        )
        if self.block == (1, 1):
            return each
        down_by, right_by = self.block
        return each.repeat(down_by, axis=0).repeat(right_by, axis=1) * np.float32(1 / (down_by * right_by))

    def colour_of(self, opacity: Array, colour: float) -> float:
        """The colour under which what is beneath is smoothest, by least squares weighted again and again; 0 to 255."""
        covered = self.covered(opacity)
        lever, clear = (
            self._steps(-covered / (np.float32(1) - covered)),
            self._steps(self.picture / (np.float32(1) - covered)),
        )
        x, z = (
            np.concatenate([step[edge] for step, edge in zip(both, self.edges, strict=True)]) for both in (lever, clear)
        )
        for _ in range(6):
            weight = ((z + np.float32(colour) * x) ** 2 + np.float32(_SOFT)) ** np.float32(_POWER / 2 - 1)
            colour = -float((weight * x * z).sum(dtype=np.float64)) / max(
                float((weight * x * x).sum(dtype=np.float64)), 1e-6
            )
        return min(max(colour, 0.0), 255.0)


def _blocks[Sample: np.generic](plane: NDArray[Sample], block: tuple[int, int]) -> NDArray[Sample]:
    height, width = plane.shape
    return plane.reshape(height // block[0], block[0], width // block[1], block[1])


@dataclass(frozen=True, slots=True)
class Fit:
    """A mark that was fitted.

    Attributes:
        cost: Roughness of all layers, and what was known before.
        opacity: Of its body, 0 to 1.
        colours: For each plane, in codes of 8 bits.
        shape: ``(height, width)``, 0 outside to 1 in its body.
        softness: Standard deviation of its border, in pixels.
    """

    cost: float
    opacity: float
    colours: tuple[float, ...]
    shape: Array
    softness: float


type Known = tuple[float, float] | None
"""log(1 - opacity) as it is known already, and its inverse variance."""


def fitted(layers: list[Layer], hole: Flags, opacity: Array, colours: tuple[float, ...], known: Known) -> Fit | None:
    """The mark whose recovered picture is smoothest, near a first opacity ``(height, width)``.

    Source:
        Borders that move down the slope of a cost: Osher and Sethian, "Fronts propagating with curvature-dependent
        speed", J. Comput. Phys. 79, 1988. Steps of pictures: Krishnan and Fergus, "Fast image deconvolution using
        hyper-Laplacian priors", NIPS 2009.
    """
    inside = hole.astype(np.float32)
    top = np.float32(max(float(np.percentile(opacity[hole], 97)), 0.02))
    smooth = cv2.GaussianBlur(opacity, (0, 0), 0.8) * inside
    starts = []
    for share in (0.3, 0.45, 0.6):
        front = _inside(_front(smooth - np.float32(share) * top, np.float32(0.15) * top), hole)
        for softness in (0.6, 1.0, 1.5):
            shape = _shape(front, softness, inside)
            if float(shape.max()) > 0.3:
                starts.append((_levelled(layers, shape, softness, colours, known, np.arange(0.1, 0.9, 0.1)), front))
    return _evolved(layers, hole, *min(starts, key=lambda start: start[0].cost), known) if starts else None


def _evolved(layers: list[Layer], hole: Flags, best: Fit, front: Array, known: Known) -> Fit:
    """A fit after some rounds of moves, each followed by a new look at the levels."""
    inside = hole.astype(np.float32)
    fit = best
    for round_number in range(_ROUNDS):
        for _ in range(_MOVES):
            front = _moved(layers, front, fit, inside, 1 - 0.6 * round_number / _ROUNDS)
        front = _inside(_front(front, np.float32(0.3)), hole)
        around = np.clip(fit.opacity + np.array([-0.06, -0.03, 0, 0.03, 0.06]), 0.05, _OPAQUE)
        options = [width for width in (0.8 * fit.softness, fit.softness, 1.25 * fit.softness) if 0.4 < width < 3]
        tried = [_levelled(layers, _shape(front, w, inside), w, fit.colours, known, around) for w in options]
        fit = min(tried, key=lambda option: option.cost)
        if fit.cost < best.cost:
            best = fit
    return best


def _inside(front: Array, hole: Flags) -> Array:
    return np.where(hole, front, np.float32(-3))


def _shape(front: Array, softness: float, inside: Array) -> Array:
    shape: Array = cv2.GaussianBlur(
        np.clip(np.float32(0.5) + front, 0, 1), (0, 0), softness, borderType=cv2.BORDER_CONSTANT
    )
    return shape * inside


def _front(values: Array, least: np.float32) -> Array:
    """Signed distance from where values change their sign, in pixels, above 0 inside; finer than a pixel near it."""
    inside = (values > 0).astype(np.uint8)
    far = cv2.distanceTransform(inside, cv2.DIST_L2, 5) - cv2.distanceTransform(1 - inside, cv2.DIST_L2, 5)
    far = far + np.where(inside > 0, np.float32(-0.5), np.float32(0.5))
    down, right = np.gradient(values)
    near = np.clip(values / np.maximum(np.sqrt(down**2 + right**2), least), -1.5, 1.5)
    front: Array = np.where(np.abs(far) < 1.2, near, far).astype(np.float32)
    return front


def _levelled(
    layers: list[Layer],
    shape: Array,
    softness: float,
    colours: tuple[float, ...],
    known: Known,
    levels: NDArray[np.float64],
) -> Fit:
    """The best opacity, near some levels, and the best colours for a shape."""

    def at(level: float) -> Fit:
        opacity = np.float32(level) * shape
        chosen = list(colours)
        for layer in layers:
            if layer.still:
                chosen[layer.plane] = layer.colour_of(opacity, colours[layer.plane])
        cost = sum(layer.roughness(opacity, chosen[layer.plane]) for layer in layers)
        if known is not None:
            cost += known[1] * (np.log(1 - level) - known[0]) ** 2 / 2
        return Fit(cost, level, tuple(chosen), shape, softness)

    best = min((at(float(level)) for level in levels), key=lambda fit: fit.cost)
    for nearby in (0.015, 0.007, 0.003):
        others = [
            at(level) for level in (best.opacity - nearby, best.opacity + nearby) if 0.03 < level < _OPAQUE + 0.01
        ]
        best = min([best, *others], key=lambda fit: fit.cost)
    return best


def _moved(layers: list[Layer], front: Array, fit: Fit, inside: Array, stride: float) -> Array:
    """The border a little further down the slope of the cost, as far as it is smooth."""
    opacity = np.float32(fit.opacity) * _shape(front, fit.softness, inside)
    slope: Array = np.zeros_like(front)
    for layer in layers:
        slope += layer.slope(opacity, fit.colours[layer.plane])
    pull = slope * np.float32(fit.opacity) * inside
    slope = cv2.GaussianBlur(pull, (0, 0), fit.softness, borderType=cv2.BORDER_CONSTANT).astype(np.float32)
    down, right = np.gradient(cv2.GaussianBlur(front, (0, 0), 1.0))
    length = np.sqrt(down**2 + right**2) + np.float32(1e-3)
    bent = -(np.gradient(down / length, axis=0) + np.gradient(right / length, axis=1))
    band = (np.abs(front) < 1.5).astype(np.float32)
    if not band.any():
        return front
    slope = (slope + np.float32(_LENGTH) * bent) * band
    weight = cv2.GaussianBlur(band, (0, 0), _SMOOTH) + np.float32(0.05)
    slope = cv2.GaussianBlur(slope, (0, 0), _SMOOTH) / weight * band
    usual = np.percentile(np.abs(slope[band > 0]), 80) + 1e-6
    moved: Array = (front - np.float32(0.35 * stride) * np.clip(slope / np.float32(usual), -1, 1)).astype(np.float32)
    return moved
