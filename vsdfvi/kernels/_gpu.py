"""Kernels on a GPU: the same headers, each pasted into one text and compiled by NVRTC through CuPy."""

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).parent
OPTIONS = ("--std=c++17", "--fmad=false")
"""Of NVRTC. CuPy adds the architecture and -ftz=true; without contraction, + - * / sqrt floor are what they are on the
CPU."""

THREADS = 256
"""Of a block, for items. Pixels take as many, as 32 columns of 8 rows."""

THREADS_TOGETHER = 512
"""Of a block that has a task to itself."""

_BLOCKS_A_PROCESSOR = 16  # grid-stride loops do the rest: more blocks only wait for each other
_MOST_ROWS_OF_BLOCKS = 65535
_INCLUDE = re.compile(r'^#include "(\w+\.h)"$', re.MULTILINE)
_KERNEL = re.compile(r"^VSDFVI_KERNEL (\w+)\(", re.MULTILINE)


def flatten(header: str) -> str:
    """Return a kernel header with its own includes pasted in, each once.

    CuPy's cache of compiled kernels is keyed on the text that it is given, not on files that the text includes: with
    these an edit of portable.h would go on running the old binary.
    """
    pasted: set[str] = set()

    def paste(name: str) -> str:
        if name in pasted:
            return ""
        pasted.add(name)
        text = (FOLDER / name).read_text(encoding="utf-8").replace("#pragma once\n", "")
        return _INCLUDE.sub(lambda match: paste(match[1]), text)

    return paste(header)


@cache
def headers() -> dict[str, str]:
    """The header that holds each kernel."""
    return {
        kernel: path.name for path in sorted(FOLDER.glob("*.h")) for kernel in _KERNEL.findall(path.read_text("utf-8"))
    }


@cache
def _module(header: str, device: int) -> Any:
    """A compiled header; CuPy keeps binaries in a folder of the user's, so only the first run ever compiles."""
    import cupy

    return cupy.RawModule(code=flatten(header), options=OPTIONS)


@cache
def _function(name: str, device: int) -> Any:
    return _module(headers()[name], device).get_function(name)


@cache
def _processors(device: int) -> int:
    import cupy

    return int(cupy.cuda.Device(device).attributes["MultiProcessorCount"])


def launch_shape(
    items: int, columns: int, processors: int, *, together: bool = False
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """(grid, block) for a range of items, of rows with so many columns, or of tasks that a block works on together.

    Args:
        processors: Of the device.
    """
    most = _BLOCKS_A_PROCESSOR * processors
    if together:
        return (max(1, min(most, items)),), (THREADS_TOGETHER,)
    if not columns:
        return (max(1, min(most, -(-items // THREADS))),), (THREADS,)
    across = -(-columns // 32)
    down = max(1, min(-(-most // across), -(-items // 8), _MOST_ROWS_OF_BLOCKS))
    return (across, down), (32, 8)


def _argument(value: Any) -> Any:
    """A value of the type that the kernel reads: CuPy would pass a number of Python's in 64 bits."""
    kind = type(value)
    if kind is int:  # these first: a frame may have a thousand launches of ten arguments
        return np.int32(value)
    if kind is float:
        return np.float32(value)
    if isinstance(value, np.ndarray):
        raise TypeError(f"a kernel on a GPU must be given arrays of the GPU, got one of NumPy's, {value.shape}")
    if hasattr(value, "dtype") and hasattr(value, "data"):
        if not value.flags.c_contiguous:
            raise ValueError(f"a kernel's array must be contiguous, got strides {value.strides} for {value.shape}")
        return value
    return np.float32(value) if isinstance(value, float) else np.int32(value)


def prepared(
    name: str,
    span: tuple[int, int],
    *before: Any,
    after: tuple[Any, ...] = (),
    columns: int = 0,
    together: bool = False,
    alive: tuple[Any, ...] = (),
) -> Callable[[], None]:
    """A kernel with its arguments, to be run over its range as often as wanted, on the current device and stream.

    Args:
        name: The kernel.
        span: First row or item, and one past the last.
        before: Arguments that stand before the range: arrays of the device (contiguous), ints, floats.
        after: Arguments that stand after it.
        columns: Of each row, where the range is one of rows.
        together: The range is one of tasks, each for a block.
        alive: Arrays whose addresses are among the numbers of others.
    """
    import cupy

    begin, end = span
    device = cupy.cuda.Device().id
    function = _function(name, device)
    grid, block = launch_shape(end - begin, columns, _processors(device), together=together)
    arguments = tuple(_argument(value) for value in (*before, begin, end, *after))

    def run(kept: Any = alive) -> None:
        if end > begin:
            function(grid, block, arguments)

    return run
