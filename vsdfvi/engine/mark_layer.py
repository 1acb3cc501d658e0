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

    def beneath(self, covered: Array, colour: float, picture: Array | None = None) -> Array:
        """The picture, or another, without the mark."""
        mark = covered * np.float32(colour) if self.still else np.float32(0)
        without: Array = ((self.picture if picture is None else picture) - mark) / (np.float32(1) - covered)
        return without

    def roughness(self, opacity: Array, colour: float) -> float:
        """How unlike the picture around what is beneath is."""
        covered = self.covered(opacity)
        total = 0.0
        for step, edge in zip(self._steps(self.beneath(covered, colour)), self.edges, strict=True):
            total += float(unlikeliness(step[edge]).sum(dtype=np.float64))
        total += float(self.balance) * float(np.log(1 - covered[self.hole]).sum(dtype=np.float64))
        return float(self.share) * total

    def density(self, opacity: Array, colour: float) -> Array:
        """``roughness`` as it lies over the pixels of plane 0: half of a step's at either end."""
        covered = self.covered(opacity)
        each: Array = np.where(self.hole, self.balance * np.log(np.float32(1) - covered), np.float32(0))
        for step, edge, axis in zip(self._steps(self.beneath(covered, colour)), self.edges, (1, 0), strict=True):
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


def unlikeliness(step: Array) -> Array:
    """What a step costs, in typical ones."""
    squared = step * step + np.float32(_SOFT)
    # OpenCV's power takes a fifth of NumPy's time.
    return np.asarray(cv2.pow(squared.reshape(1, -1), _POWER / 2), np.float32).reshape(step.shape)


def _blocks[Sample: np.generic](plane: NDArray[Sample], block: tuple[int, int]) -> NDArray[Sample]:
    height, width = plane.shape
    return plane.reshape(height // block[0], block[0], width // block[1], block[1])
