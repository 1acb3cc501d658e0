"""Pictures under a mark, and how unlike the picture around it is what is recovered beneath.

The measure of all is the picture recovered beneath: its steps from pixel to pixel are to be those of the picture around
it, few large ones and many small, in the mean of the survey and in the ways it changes most.
"""

from copy import copy
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Flags = NDArray[np.bool_]

_POWER = 0.6  # of steps: pictures have more large ones than the absolute value (1) would let pass
_SOFT = 0.09  # squared, in typical steps: below this a step's size does not matter
_CHANGING = 0.15  # what the ways a clip changes count beside its mean: they lie unevenly over the picture
_ROUNDED, _ROUNDED_CHANGE = 0.25, 0.12  # codes: steps that rounding makes, in the mean and in a way it changes
_NOTHING = 0.05  # typical steps: what is smaller says nothing of how steps lie together
_FEWEST = 50  # steps that their scatter is told from
_ROUNDS = 12


class Layer:
    """One picture of a plane: a sum of its mean over the survey and of the ways it changes; and how rough it is around.

    Attributes:
        plane: Its number.
        block: (rows, columns) of plane 0 that a sample covers.
        lever: How much of the mean is in it: a mark's colour shows as strongly.
    """

    def __init__(
        self,
        picture: Array,
        plane: int,
        block: tuple[int, int],
        hole: Flags,
        *,
        lever: float = 1.0,
        least: float = _ROUNDED,
        weight: float = 1.0,
    ) -> None:
        """A layer.

        Args:
            least: Codes: a step that rounding makes.
            weight: What it counts.
        """
        self.picture, self.plane, self.block = picture.astype(np.float32), plane, block
        self.lever, self.least = np.float32(lever), np.float32(least)
        self.hole = _blocks(hole, block).max(axis=(1, 3))
        self.edges = self.hole[:, 1:] | self.hole[:, :-1], self.hole[1:] | self.hole[:-1]
        self.share = np.float32(weight * (1 if block == (1, 1) else block[0] * block[1] / 2))
        self.scale = self._scale()
        known = np.concatenate(
            [step[~edge] for step, edge in zip(_steps(self.picture, self.scale), self.edges, strict=True)]
        )
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
        scale: Array = np.maximum(np.float32(0.7) * local + np.float32(0.3) * overall, self.least)
        return scale

    def typical(self, covered: Array, scale: Array | None = None) -> Array:
        """The typical step of what is beneath at each sample: where it is covered, rounding is made larger with it.

        Args:
            scale: Of the picture around, where it is not the layer's own.
        """
        scale = self.scale if scale is None else scale
        rounding = self.least * self.least * (1 / (np.float32(1) - covered) ** 2 - 1)
        step: Array = np.sqrt(scale * scale + rounding)
        return step

    def steepness(self, covered: Array, scale: Array | None = None) -> Array:
        """The logarithm of how steep the picture is where it is covered, beside what it would be, times ``balance``."""
        around = self.scale if scale is None else scale
        steep: Array = self.balance * np.log((np.float32(1) - covered) * self.typical(covered, scale) / around)
        return steep

    def covered(self, opacity: Array) -> Array:
        """Opacity ``(height, width)`` of plane 0 on this plane: a sample is covered as the pixels of its block are."""
        return opacity if self.block == (1, 1) else _blocks(opacity, self.block).mean(axis=(1, 3), dtype=np.float32)

    def beneath(self, covered: Array, colour: float, picture: Array | None = None) -> Array:
        """The picture, or another, without the mark."""
        mark = covered * (self.lever * np.float32(colour))
        without: Array = ((self.picture if picture is None else picture) - mark) / (np.float32(1) - covered)
        return without

    def roughness(self, opacity: Array, colour: float) -> float:
        """How unlike the picture around what is beneath is."""
        covered = self.covered(opacity)
        steps = _steps(self.beneath(covered, colour), self.typical(covered))
        total = sum(
            float(unlikeliness(step[edge]).sum(dtype=np.float64)) for step, edge in zip(steps, self.edges, strict=True)
        )
        return float(self.share) * (total + float(self.steepness(covered)[self.hole].sum(dtype=np.float64)))

    def density(self, opacity: Array, colour: float) -> Array:
        """``roughness`` as it lies over the pixels of plane 0: half of a step's at either end."""
        covered = self.covered(opacity)
        each: Array = np.where(self.hole, self.steepness(covered), np.float32(0))
        steps = _steps(self.beneath(covered, colour), self.typical(covered))
        for step, edge, axis in zip(steps, self.edges, (1, 0), strict=True):
            half = np.where(edge, np.float32(0.5) * unlikeliness(step), np.float32(0))
            for end in (np.s_[:, :-1], np.s_[:, 1:]) if axis == 1 else (np.s_[:-1], np.s_[1:]):
                each[end] += half
        each = self.share * each
        if self.block == (1, 1):
            return each
        down, right = self.block
        return each.repeat(down, axis=0).repeat(right, axis=1) * np.float32(1 / (down * right))

    def cut(self, at: tuple[slice, slice]) -> Self:
        """The same on a window of plane 0, of whole blocks, with the steps that are typical of the whole."""
        part = copy(self)
        rows, columns = at
        own = np.s_[
            rows.start // self.block[0] : rows.stop // self.block[0],
            columns.start // self.block[1] : columns.stop // self.block[1],
        ]
        part.picture, part.hole, part.scale = self.picture[own], self.hole[own], self.scale[own]
        part.edges = part.hole[:, 1:] | part.hole[:, :-1], part.hole[1:] | part.hole[:-1]
        return part

    def enlarged(self) -> Self:
        """Nearly the same on the samples of plane 0, of which each has its part of what a sample counts."""
        if self.block == (1, 1):
            return self
        part, (rows, columns) = copy(self), self.block
        height, width = self.hole.shape
        size = width * columns, height * rows
        part.picture, part.scale = (
            np.asarray(cv2.resize(each, size, interpolation=cv2.INTER_LINEAR), np.float32)
            for each in (self.picture, self.scale)
        )
        finer = np.float32(max(rows, columns))
        part.scale, part.least, part.share = part.scale / finer, self.least / finer, self.share / (rows * columns)
        part.block, part.hole = (1, 1), self.hole.repeat(rows, axis=0).repeat(columns, axis=1)
        part.edges = part.hole[:, 1:] | part.hole[:, :-1], part.hole[1:] | part.hole[:-1]
        return part

    def colour_says(self, opacity: Array) -> tuple[Array, Array]:
        """Steps of what is beneath at a colour c, as ``clear + c * lever``: lever, and clear."""
        covered = self.covered(opacity)
        typical, clear = self.typical(covered), np.float32(1) - covered
        said = _steps(-covered * self.lever / clear, typical), _steps(self.picture / clear, typical)
        lever, without = (
            np.concatenate([step[edge] for step, edge in zip(steps, self.edges, strict=True)]) for steps in said
        )
        return lever, without


def layers_of(mean: Array, changes: list[Array], plane: int, block: tuple[int, int], hole: Flags) -> list[Layer]:
    """Layers of a plane, from its mean and the ways it changes: each without the steps of those before it.

    Light that changes changes most where the picture is bright, so that a way of changing has the picture's own steps.
    What is left of it without them is nearly smooth, and a mark stands out from it, whatever the texture beneath is.
    """
    pictures, least = [mean, *changes], np.array([_ROUNDED] + [_ROUNDED_CHANGE] * len(changes))
    edge = _blocks(hole, block).max(axis=(1, 3))
    apart = ~(edge[:, 1:] | edge[:, :-1]), ~(edge[1:] | edge[:-1])
    steps = np.array(
        [
            np.concatenate([np.diff(picture, axis=axis)[there] for axis, there in zip((1, 0), apart, strict=True)])
            for picture in pictures
        ],
        np.float64,
    )
    unit = np.maximum(np.abs(steps).mean(axis=1) if steps.size else 0, least)
    scatter = _scatter(steps / unit[:, None])
    layers = []
    for number in range(len(pictures)):
        weights = np.zeros(len(pictures))
        weights[number] = 1
        before = np.s_[:number]
        weights[before] = (
            -np.linalg.solve(scatter[before, before], scatter[before, number]) * unit[number] / unit[before]
        )
        picture = sum(
            (np.float32(weight) * each for weight, each in zip(weights, pictures, strict=True)), np.zeros_like(mean)
        )
        rounded = float(np.sqrt(((weights * least) ** 2).sum()))
        counts = _CHANGING if number else 1.0
        layers.append(Layer(picture, plane, block, hole, lever=float(weights[0]), least=rounded, weight=counts))
    return layers


def _scatter(steps: NDArray[np.float64]) -> NDArray[np.float64]:
    """The shape of the scatter of steps ``(pictures, steps)``: a matrix whose trace is the number of pictures.

    Source:
        Of steps of which few are large: Tyler, "A distribution-free M-estimator of multivariate scatter", Annals of
        Statistics 15, 1987.
    """
    count = len(steps)
    scatter = np.eye(count)
    steps = steps[:, np.abs(steps).sum(axis=0) > _NOTHING]
    if count == 1 or steps.shape[1] < _FEWEST:
        return scatter
    for _ in range(_ROUNDS):
        # Not by products of matrices, whose last bits depend on the number of threads.
        inverse = np.linalg.inv(scatter)
        far = np.zeros(steps.shape[1])
        for i, j in np.ndindex(count, count):
            far += inverse[i, j] * steps[i] * steps[j]
        each = steps / np.maximum(far, _NOTHING)
        scatter = np.array([[(a * b).sum() for b in steps] for a in each])
        scatter = scatter * (count / np.trace(scatter)) + 1e-4 * np.eye(count)
    return scatter


def colour_of(layers: list[Layer], opacity: Array, colour: float) -> float:
    """The colour of a plane's mark under which its layers are smoothest beneath; 0 to 255.

    By least squares that are weighted again and again, from a colour to begin with.
    """
    said = [(*layer.colour_says(opacity), layer.share) for layer in layers if layer.lever]
    x, z = (np.concatenate([each[part] for each in said]) for part in (0, 1))
    share = np.concatenate([np.full(lever.size, counts, np.float32) for lever, _, counts in said])
    for _ in range(6):
        weight = share * ((z + np.float32(colour) * x) ** 2 + np.float32(_SOFT)) ** np.float32(_POWER / 2 - 1)
        colour = -float((weight * x * z).sum(dtype=np.float64)) / max(
            float((weight * x * x).sum(dtype=np.float64)), 1e-6
        )
    return min(max(colour, 0.0), 255.0)


def _steps(picture: Array, scale: Array) -> tuple[Array, Array]:
    """Steps between neighbours, across and down, in typical ones."""
    across = np.diff(picture, axis=1) / (np.float32(0.5) * (scale[:, 1:] + scale[:, :-1]))
    down = np.diff(picture, axis=0) / (np.float32(0.5) * (scale[1:] + scale[:-1]))
    return across, down


def unlikeliness(step: Array) -> Array:
    """What a step costs, in typical ones."""
    squared = step * step + np.float32(_SOFT)
    # OpenCV's power takes a fifth of NumPy's time.
    return np.asarray(cv2.pow(squared.reshape(1, -1), _POWER / 2), np.float32).reshape(step.shape)


def _blocks[Sample: np.generic](plane: NDArray[Sample], block: tuple[int, int]) -> NDArray[Sample]:
    height, width = plane.shape
    return plane.reshape(height // block[0], block[0], width // block[1], block[1])
