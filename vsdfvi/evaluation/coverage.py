"""What the account that a repair gives of itself is worth: is what it calls seen right, and does confidence tell?"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from vsdfvi.evaluation.motion import Luma
from vsdfvi.evaluation.results import Key

WRONG_CODES = 10.0
"""Error in luma, in codes of 8 bit, from which a pixel counts as wrong."""

COVERAGES = tuple(range(5, 101, 5))  # per cent

_STEPS = 1024  # of confidence that are told apart, so that memory does not grow with the clip


@dataclass(frozen=True, slots=True)
class Curve:
    """Risk over coverage: how wrong the most confident pixels are.

    Attributes:
        square: For each of ``COVERAGES``, mean squared error in luma of the most confident so many per cent.
        wrong: Likewise the share of them that is wrong, 0 to 1.

    Source:
        El-Yaniv and Wiener, "On the foundations of noise-free selective classification", JMLR 2010.
    """

    square: tuple[float, ...]
    wrong: tuple[float, ...]


class Coverage:
    """Errors of hole pixels by the confidence that was claimed for them, pooled over the clip.

    Pixels of equal confidence count as one: a part of them has their mean.
    """

    def __init__(self) -> None:
        self._count, self._square, self._wrong = np.zeros((3, _STEPS + 1))
        self._traced = self._traced_right = 0

    def add(self, error: Luma, distance: NDArray[np.int32], confidence: NDArray[np.float32]) -> None:
        """Take pixels: error of luma in codes, frames to the source (0 is invented), and confidence, 0 to 1."""
        wrong = np.abs(error) >= WRONG_CODES
        traced = distance != 0
        self._traced += int(traced.sum())
        self._traced_right += int((traced & ~wrong).sum())
        step = np.clip(np.ceil(confidence * _STEPS), 0, _STEPS).astype(np.int64)
        step[~traced] = 0
        for total, weights in (
            (self._count, np.ones(error.size)),
            (self._square, error.astype(np.float64) ** 2),
            (self._wrong, wrong.astype(np.float64)),
        ):
            total += np.bincount(step, weights, _STEPS + 1)

    def curve(self) -> Curve | None:
        """The curve; None where no pixel was added."""
        if not self._count.any():
            return None
        count, square, wrong = (
            np.concatenate([[0.0], np.cumsum(of[::-1])]) for of in (self._count, self._square, self._wrong)
        )
        taken = count[-1] * np.array(COVERAGES) / 100
        return Curve(*(tuple((np.interp(taken, count, risk) / taken).tolist()) for risk in (square, wrong)))

    def figures(self) -> dict[str, float]:
        """Shares, 0 to 1: of pixels that are traced; of these that are right; of all that are wrong; and risk.

        Risk is the area under the curve: the mean, over ``COVERAGES``, of the share that is wrong.
        """
        total, curve = float(self._count.sum()), self.curve()
        return {
            "traced": self._traced / total if total else float("nan"),
            "traced_right": self._traced_right / self._traced if self._traced else float("nan"),
            "wrong": float(self._wrong.sum()) / total if total else float("nan"),
            "risk": float(np.mean(curve.wrong)) if curve else float("nan"),
        }


_NAMED = ("clip", "kind", "method", "settings", "limit", "seed")


def read_curves(path: Path) -> dict[Key, Curve]:
    """The curves of a CSV file by the keys of their rows; none where there is no file."""
    found: dict[Key, dict[int, tuple[float, float]]] = {}
    if path.is_file():
        with path.open(newline="", encoding="utf-8") as file:
            for cells in csv.DictReader(file):
                clip, kind, method, settings, limit, seed = (cells[name] for name in _NAMED)
                points = found.setdefault((clip, kind, method, settings, limit, seed), {})
                points[int(cells["coverage"])] = float(cells["square"]), float(cells["wrong"])
    whole = {key: points for key, points in found.items() if set(points) == set(COVERAGES)}
    return {key: Curve(*(tuple(points[at][k] for at in COVERAGES) for k in (0, 1))) for key, points in whole.items()}


def write_curves(path: Path, curves: Mapping[Key, Curve]) -> None:
    """Write a CSV file of curves, a line for each point; it is there whole or not at all."""
    unfinished = path.with_suffix(".part")
    with unfinished.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow((*_NAMED, "coverage", "square", "wrong"))
        for key, curve in curves.items():
            for at, square, wrong in zip(COVERAGES, curve.square, curve.wrong, strict=True):
                writer.writerow((*key, at, f"{square:.7g}", f"{wrong:.7g}"))
    unfinished.replace(path)


_PLOT = 320, 480  # (height, width) of the plotting area
_MARGIN = 50
_INKS = ((200, 80, 30), (40, 140, 40), (40, 40, 210), (170, 60, 170), (30, 140, 200), (90, 90, 90), (150, 150, 20))


def write_plot(path: Path, curves: Mapping[str, Sequence[Curve]]) -> None:
    """A picture of the share that is wrong over coverage: a line for each name, the mean of its curves."""
    height, width = _PLOT
    picture = np.full((height + 2 * _MARGIN, width + 3 * _MARGIN, 3), 255, np.uint8)
    means = {name: np.mean([curve.wrong for curve in of], axis=0) for name, of in curves.items() if of}
    top = max(0.05, np.ceil(20 * max((mean.max() for mean in means.values()), default=0)) / 20)
    for k in range(5):
        row, column = _MARGIN + height - k * height // 4, _MARGIN + k * width // 4
        cv2.line(picture, (_MARGIN, row), (_MARGIN + width, row), (220, 220, 220))
        _write(picture, f"{100 * top * k / 4:.3g} %", (4, row + 4))
        _write(picture, f"{25 * k} %", (column - 12, _MARGIN + height + 18))
    _write(picture, "wrong, of the most confident so many per cent of the hole", (_MARGIN, _MARGIN - 18))
    for number, (name, mean) in enumerate(means.items()):
        ink = _INKS[number % len(_INKS)]
        x = _MARGIN + width * np.array(COVERAGES) / 100
        y = _MARGIN + height * (1 - mean / top)
        cv2.polylines(picture, [np.rint(np.stack([x, y], axis=1)).astype(np.int32)], False, ink, 2, cv2.LINE_AA)
        _write(picture, name, (_MARGIN + width + 8, _MARGIN + 14 + 18 * number), ink)
    if not cv2.imwrite(str(path), picture):
        raise OSError(f"{path} must be writable")


def _write(picture: NDArray[np.uint8], text: str, at: tuple[int, int], ink: Iterable[int] = (60, 60, 60)) -> None:
    cv2.putText(picture, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.4, tuple(ink), 1, cv2.LINE_AA)
