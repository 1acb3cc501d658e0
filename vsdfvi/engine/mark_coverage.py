"""How much of each pixel a mark covers, at an opacity and a colour that are assumed: the mean over all that is likely.

Any coverage leaves a picture beneath, and each is as likely as the steps of that picture are. The mean over all of
them, pixel by pixel, shows a mark's outline where texture hides it from a search for the single best.
"""

import numpy as np
from numpy.typing import NDArray

from vsdfvi.engine.mark_layer import Array, Flags, Layer, unlikeliness

_LEVELS = 7  # of coverage, from 0 to 1
_SWEEPS = 2
_EDGE = 2.0  # what a step of coverage from 0 to 1 costs, and, above half of one, what more of it
_STEEP = 3.0
_PARTLY = 0.6  # what a pixel costs that is covered in part
_NEVER = 1e4

Messages = NDArray[np.float32]


class Coverage:
    """What may be covered in a hole.

    Args:
        layers: Those that are looked at. Planes of colour are looked at on the samples of plane 0.
        hole: ``(height, width)``.
    """

    def __init__(self, layers: list[Layer], hole: Flags) -> None:
        self.hole = hole
        self.layers = [layer.enlarged() for layer in layers]
        self.levels = np.linspace(0, 1, _LEVELS, dtype=np.float32)

    def mean(self, opacity: float, colours: tuple[float, ...]) -> tuple[float, Array]:
        """The logarithm of how likely the pictures are with such a mark, and its mean coverage, 0 to 1.

        Args:
            colours: For each plane that is looked at.

        Source:
            Loopy belief propagation and Bethe's free energy: Yedidia, Freeman and Weiss, "Constructing free-energy
            approximations and generalized belief propagation algorithms", IEEE Trans. Inf. Theory 51, 2005.
        """
        alone, across, down = self._costs(opacity, colours)
        least = [part.min(axis=tuple(range(2, part.ndim)), keepdims=True) for part in (alone, across, down)]
        known = -sum(float(part.sum(dtype=np.float64)) for part in least)
        own, right, below = (np.exp(low - part) for low, part in zip(least, (alone, across, down), strict=True))
        into = _passed(own, right, below)
        belief = own * into[0] * into[1] * into[2] * into[3]
        total = belief.sum(axis=-1) + np.float32(1e-30)
        likely = known + _bethe(own, right, below, into, total)
        mean: Array = (belief * self.levels).sum(axis=-1) / total
        return likely, np.where(self.hole, mean, np.float32(0))

    def _costs(self, opacity: float, colours: tuple[float, ...]) -> tuple[Array, Array, Array]:
        """Of each pixel's levels, and of the pairs of levels of neighbours across and down."""
        height, width = self.hole.shape
        gap = np.abs(self.levels[:, None] - self.levels[None])
        pair = (_EDGE * gap + _STEEP * np.maximum(gap - 0.5, 0)).astype(np.float32)
        across: Array = np.tile(pair, (height, width - 1, 1, 1))
        down: Array = np.tile(pair, (height - 1, width, 1, 1))
        covered = np.float32(opacity) * self.levels
        partly = _PARTLY * ((self.levels > 0) & (self.levels < 1)).astype(np.float32)
        alone: Array = np.tile(partly.astype(np.float32), (height, width, 1))
        for layer in self.layers:
            beneath = layer.beneath(covered, colours[layer.plane], layer.picture[..., None])
            scale = layer.typical(covered, layer.scale[..., None])
            alone += layer.share * layer.steepness(covered, layer.scale[..., None])
            step = beneath[:, :-1, :, None] - beneath[:, 1:, None, :]
            typical = np.float32(0.5) * (scale[:, :-1, :, None] + scale[:, 1:, None, :])
            across += layer.share * unlikeliness(step / typical)
            step = beneath[:-1, :, :, None] - beneath[1:, :, None, :]
            typical = np.float32(0.5) * (scale[:-1, :, :, None] + scale[1:, :, None, :])
            down += layer.share * unlikeliness(step / typical)
        alone[~self.hole] = _NEVER
        alone[~self.hole, 0] = 0
        return alone, across, down


def _passed(own: Messages, right: Messages, below: Messages) -> tuple[Messages, Messages, Messages, Messages]:
    """What the neighbours on the left, on the right, above and below say of each pixel, after some sweeps."""
    height, width, levels = own.shape
    from_left, from_right, from_above, from_below = (np.full(own.shape, 1 / levels, np.float32) for _ in range(4))
    from_left[:, 0] = from_right[:, -1] = from_above[0] = from_below[-1] = 1  # nobody is there

    def told(says: Messages, pair: Messages, way: str) -> Messages:
        heard: Messages = np.einsum(way, says, pair)
        heard /= np.maximum(heard.sum(axis=-1, keepdims=True), np.float32(1e-30))
        return heard + np.float32(1e-9)

    for _ in range(_SWEEPS):
        upright = own * from_above * from_below
        for x in range(width - 1):
            from_left[:, x + 1] = told(upright[:, x] * from_left[:, x], right[:, x], "nl,nlm->nm")
        for x in range(width - 1, 0, -1):
            from_right[:, x - 1] = told(upright[:, x] * from_right[:, x], right[:, x - 1], "nm,nlm->nl")
        lying = own * from_left * from_right
        for y in range(height - 1):
            from_above[y + 1] = told(lying[y] * from_above[y], below[y], "nl,nlm->nm")
        for y in range(height - 1, 0, -1):
            from_below[y - 1] = told(lying[y] * from_below[y], below[y - 1], "nm,nlm->nl")
    return from_left, from_right, from_above, from_below


def _bethe(
    own: Messages,
    right: Messages,
    below: Messages,
    into: tuple[Messages, Messages, Messages, Messages],
    total: Array,
) -> float:
    """Bethe's approximation to the logarithm of the sum over all coverages."""
    from_left, from_right, from_above, from_below = into
    neighbours = np.full(total.shape, 4.0)
    for side in (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1]):
        neighbours[side] -= 1
    likely = float(((1 - neighbours) * np.log(total)).sum(dtype=np.float64))
    upright, lying = own * from_above * from_below, own * from_left * from_right
    for pair, first, second in (
        (right, (upright * from_left)[:, :-1], (upright * from_right)[:, 1:]),
        (below, (lying * from_above)[:-1], (lying * from_below)[1:]),
    ):
        both = np.einsum("yxl,yxlm,yxm->yx", first, pair, second)
        likely += float(np.log(both + np.float32(1e-30)).sum(dtype=np.float64))
    return likely
