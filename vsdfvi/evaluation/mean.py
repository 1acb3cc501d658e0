"""A mean that is gathered piece by piece."""

import numpy as np
from numpy.typing import NDArray


class Mean:
    """A mean over everything that was added."""

    def __init__(self) -> None:
        self.total, self.count = 0.0, 0

    def add(self, values: NDArray[np.floating]) -> None:
        """Take more values."""
        self.total += float(values.sum(dtype=np.float64))
        self.count += values.size

    @property
    def value(self) -> float:
        """The mean; not a number where nothing was added."""
        return self.total / self.count if self.count else float("nan")
