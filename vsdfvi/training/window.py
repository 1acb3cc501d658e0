"""What flow completion learns from: eleven consecutive flows, and what the middle one should be."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Window:
    """Eleven consecutive flows, and what the middle one should be.

    Attributes:
        flow: ``(11, 4, height, width)`` float32: fw x, fw y, bw x, bw y, pixels, completed.
        unknown: ``(11, height, width)`` float32, 1 where flow is not measured.
        target: ``(4, height, width)`` float32, the middle flow as it is without a hole.
        hole: ``(height, width)`` bool, pixels of the middle that are unknown and whose target can be trusted.
    """

    flow: Floats
    unknown: Floats
    target: Floats
    hole: NDArray[np.bool_]

    def arrays(self) -> tuple[NDArray[np.generic], ...]:
        """The four, each in memory of its own."""
        return tuple(np.ascontiguousarray(part) for part in (self.flow, self.unknown, self.target, self.hole))
