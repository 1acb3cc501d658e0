"""Light: what brightness and contrast of another frame have to be changed by to be those of this one.

Film flickers, fades and is exposed anew; what is carried from another frame brings that frame's light along. The ring
of known picture around a hole is seen in both, so it tells gain and offset. Each is believed as far as it stands out
from its own uncertainty, and no further: a correction that the ring's grain alone suggests would add error where the
light is steady. The host does it, wherever the rest is done: sums in one order are then the same.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vsdfvi.kernels.light import light_lines, light_shift

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Light:
    """The light of one source against that of the target, for each part of the hole.

    Attributes:
        gain, offset: float64 ``(groups)``: value in the target = gain * value in the source + offset, in codes.
        error: float64 ``(groups)``: root mean square difference that is left in the ring, in codes; infinite where
            the ring says nothing.
        shift: float64 ``(2, groups)``: pixels, x and y, by which the source has to be sampled elsewhere than the
            composed trajectories say.
    """

    gain: Values
    offset: Values
    error: Values
    shift: Values

    @staticmethod
    def unchanged(groups: int) -> "Light":
        """No difference of light, of unknown error."""
        return Light(np.ones(groups), np.zeros(groups), np.full(groups, np.inf), np.zeros((2, groups)))

    def of(self, values: NDArray[np.float32], group: NDArray[np.int32]) -> NDArray[np.float32]:
        """Values of the source in the target's light, given the part of the hole that each belongs to."""
        return (self.gain[group] * values + self.offset[group]).astype(np.float32)


def match_light(
    target: NDArray[np.float32],
    sources: NDArray[np.float32],
    there: NDArray[np.bool_],
    group: NDArray[np.int32],
    groups: int,
    *,
    corrects: bool,
) -> list[Light]:
    """Gain and offset that turn each source's ring samples into the target's: of all, then of each part by that.

    Shapes:
        target, group: ``(ring)``, in codes, and the part of the hole that each sample belongs to.
        sources, there: ``(sources, ring)``, and where each is known.

    Args:
        groups: How many parts there are.
        corrects: Whether light is to be matched; else the error that is left without is all that is asked for.

    Source:
        Reweighting: Holland and Welsch, "Robust regression using iteratively reweighted least-squares", Communications
        in Statistics A6, 1977. The line through two noisy measurements: Deming, "Statistical adjustment of data", 1943.
        How far an estimate is believed: James and Stein, "Estimation with quadratic loss", 1961.
    """
    still = np.zeros((2, groups))
    lines = light_lines(target, sources, there.view(np.uint8), group, groups, corrects=corrects)
    return [Light(*line, still) for line in zip(*lines, strict=True)]


def match_shift(
    missed: NDArray[np.float32],
    gradient: NDArray[np.float32],
    there: NDArray[np.bool_],
    group: NDArray[np.int32],
    groups: int,
) -> Values:
    """How far composed trajectories have drifted, ``(sources, 2, groups)`` in pixels: what makes the ring agree best.

    A trajectory is composed of many steps, each a little off. Around the hole its end can be held against the target
    itself: this is one step of registration straight between target and source.

    Shapes:
        missed, there: ``(sources, ring)``, target less source, in codes, in one light, and where the source is known.
        gradient: ``(2, ring)``, of the target along x and y, in codes; not a number where it is not known.
        group: ``(ring)``.

    Source:
        Lucas and Kanade, "An iterative image registration technique with an application to stereo vision", IJCAI 1981.
    """
    return light_shift(missed, gradient, there.view(np.uint8), group, groups)
