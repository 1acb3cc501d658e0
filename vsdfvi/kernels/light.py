"""Light and drift of sources, from the ring around a hole: ``light.h`` states how."""

import numpy as np
from numpy.typing import NDArray

from vsdfvi.kernels import _check
from vsdfvi.kernels._launch import launch, module_of

_SUMS = 9  # doubles of scratch for each group
_SAMPLES = 8192  # below which a further thread costs more than it saves: some 0.2 ms

Values = NDArray[np.float64]


def light_lines(
    target: NDArray[np.float32],
    sources: NDArray[np.float32],
    there: NDArray[np.uint8],
    group: NDArray[np.int32],
    groups: int,
    *,
    corrects: bool,
) -> tuple[Values, Values, Values]:
    """Gain, offset and the error that is left, in codes, of each source and part of the hole: ``(sources, groups)``.

    Shapes:
        target, group: ``(ring)``. sources, there: ``(sources, ring)``.

    Args:
        corrects: Whether gain and offset are looked for; else they are 1 and 0.
    """
    _check(np.float32, target=target, sources=sources)
    _check(np.uint8, there=there)
    _check(np.int32, group=group)
    arrays, (count, ring) = module_of(target), sources.shape
    gain, offset, error = (arrays.empty((count, groups)) for _ in range(3))
    scratch = arrays.empty((count, 2 * ring + _SUMS * groups))
    launch(
        "light_lines", (0, count), target, sources, there, group, gain, offset, error, scratch, ring, groups,
        int(corrects), grain=_grain(ring),
    )  # fmt: skip
    return gain, offset, arrays.where(error < 0, np.inf, error)


def light_shift(
    missed: NDArray[np.float32],
    gradient: NDArray[np.float32],
    there: NDArray[np.uint8],
    group: NDArray[np.int32],
    groups: int,
) -> Values:
    """What each source has to be moved by, for each part of the hole: ``(sources, 2, groups)``, pixels along x and y.

    Shapes:
        missed, there: ``(sources, ring)``. gradient: ``(2, ring)``. group: ``(ring)``.
    """
    _check(np.float32, missed=missed, gradient=gradient)
    _check(np.uint8, there=there)
    _check(np.int32, group=group)
    arrays, (count, ring) = module_of(missed), missed.shape
    shift: Values = arrays.empty((count, 2, groups))
    scratch = arrays.empty((count, 2 * ring + _SUMS * groups))
    launch("light_shift", (0, count), missed, gradient, there, group, shift, scratch, ring, groups, grain=_grain(ring))
    return shift


def _grain(ring: int) -> int:
    """Sources of so many samples below which a further thread costs more than it saves."""
    return max(1, _SAMPLES // max(1, ring))
