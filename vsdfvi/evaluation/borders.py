"""The hole's border: does the picture step there as it should?

A border pair is two pixels, side by side or one above the other, of which one is hole and the other known. Its step is
the difference of their luma in codes of 8 bit. A fill that is too bright, too dark or out of place steps where the
truth does not: what the eye sees as a seam.
"""

import numpy as np
from numpy.typing import NDArray

from vsdfvi.evaluation.mean import Mean
from vsdfvi.evaluation.motion import Hole, Luma

CUTS = 8
"""Random places in each frame that a hole's border is laid at."""


def border_steps(luma: Luma, hole: Hole) -> NDArray[np.float32]:
    """Steps over all border pairs, in one order for all pictures: the right or lower pixel less the other."""
    across = hole[:, 1:] != hole[:, :-1]
    down = hole[1:] != hole[:-1]
    return np.concatenate([(luma[:, 1:] - luma[:, :-1])[across], (luma[1:] - luma[:-1])[down]])


class Border:
    """Steps of a repair at the hole's border beside those of the truth, pooled over the clip.

    Attributes:
        ring: Mean absolute difference between a step of the repair and that of the truth, in codes.
        step: Mean absolute step of the repair, in codes.
        step_truth: The same of the truth.
    """

    def __init__(self) -> None:
        self._ring, self._step, self._truth = Mean(), Mean(), Mean()

    def add(self, found: Luma, truth: Luma, hole: Hole) -> None:
        """Take the next frame."""
        steps, true = border_steps(found, hole), border_steps(truth, hole)
        self._ring.add(np.abs(steps - true))
        self._step.add(np.abs(steps))
        self._truth.add(np.abs(true))

    @property
    def ring(self) -> float:
        """How far steps are from the truth's."""
        return self._ring.value

    @property
    def step(self) -> float:
        """How large steps are."""
        return self._step.value

    @property
    def step_truth(self) -> float:
        """How large steps should be."""
        return self._truth.value


class RandomCuts:
    """Steps of clean footage at the border of a hole that is laid at random: what a seam must not stand out from.

    Each frame's hole is moved ``CUTS`` times by whole pixels, what leaves the frame on one side coming back on the
    other. The places depend on the frame's number alone.
    """

    def __init__(self) -> None:
        self._step = Mean()
        self._frames = 0

    def add(self, truth: Luma, hole: Hole) -> None:
        """Take the next frame."""
        # RandomState: NumPy keeps its streams for ever (NEP 19).
        random = np.random.RandomState(self._frames)
        self._frames += 1
        for _ in range(CUTS if hole.any() else 0):
            by = random.randint(hole.shape[0]), random.randint(hole.shape[1])
            self._step.add(np.abs(border_steps(truth, np.roll(hole, by, axis=(0, 1)))))

    @property
    def step(self) -> float:
        """Mean absolute step, in codes."""
        return self._step.value
