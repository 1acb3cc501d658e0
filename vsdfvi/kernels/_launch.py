"""One way to run a kernel, wherever its arrays are."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from vsdfvi.kernels import _cpu


def module_of(array: Any) -> ModuleType:
    """NumPy for an array of the host, CuPy for one of a GPU."""
    if isinstance(array, np.ndarray):
        return np
    import cupy

    return cupy  # type: ignore[no-any-return]


def prepared(
    name: str,
    span: tuple[int, int],
    *before: Any,
    after: tuple[Any, ...] = (),
    grain: int = 1,
    columns: int = 0,
    together: bool = False,
    alive: tuple[Any, ...] = (),
) -> Callable[[], None]:
    """A kernel with its arguments, to be run over its range as often as wanted. It keeps its arrays alive.

    It runs where its arrays are: on the CPU, or on the GPU that is current, in the order of the stream that is.

    Args:
        name: The kernel.
        span: First row or item, and one past the last.
        before: Arguments that stand before the range: arrays (contiguous), ints, floats.
        after: Arguments that stand after it.
        grain: Rows or items below which a further thread of the CPU does not pay.
        columns: Of each row, where the range is one of rows.
        together: The range is one of tasks, each for a block of a GPU's threads.
        alive: Arrays whose addresses are among the numbers of others: they are kept alive, too.
    """
    if any(isinstance(value, np.ndarray) for value in before):
        return _cpu.prepared(name, span, *before, after=after, grain=grain, alive=alive)
    from vsdfvi.kernels import _gpu

    return _gpu.prepared(name, span, *before, after=after, columns=columns, together=together, alive=alive)


def launch(name: str, span: tuple[int, int], *before: Any, **how: Any) -> None:
    """Run a kernel over a range once; the arguments are those of ``prepared``."""
    prepared(name, span, *before, **how)()
