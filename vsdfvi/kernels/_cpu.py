"""Kernels on the CPU: the plugin's shared library through ctypes, its ranges split over a pool of threads."""

import ctypes
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from vsdfvi.errors import EngineError

LIBRARY = "libdfvi" + {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")

_loaded: ctypes.CDLL | None = None
_thread = threading.local()


def use_library(path: str | os.PathLike[str]) -> None:
    """Take the kernels from this file: the plugin names itself, so that both sides are one build."""
    global _loaded
    try:
        _loaded = ctypes.CDLL(os.fspath(path))
    except OSError as error:
        raise EngineError(f"the kernel library {os.fspath(path)} cannot be opened: {error}") from error


def _search() -> Iterator[Path]:
    if extra := os.environ.get("VAPOURSYNTH_EXTRA_PLUGIN_PATH"):
        yield from sorted(Path(extra).rglob(LIBRARY))
    spec = find_spec("vapoursynth")  # finds the folder; nothing is imported
    for folder in (spec.submodule_search_locations or []) if spec else []:
        yield Path(folder) / "plugins" / "dfvi" / LIBRARY


def library() -> ctypes.CDLL:
    """The library that holds the kernels.

    Raises:
        EngineError: It is nowhere to be found, or cannot be opened.
    """
    if _loaded is None:
        for path in _search():
            if path.is_file():
                use_library(path)
                break
        else:
            raise EngineError(
                f"the kernel library {LIBRARY} is not installed: run 'pip install .', or 'make build' and set "
                "VAPOURSYNTH_EXTRA_PLUGIN_PATH=build/plugins"
            )
    assert _loaded is not None
    return _loaded


class Workers:
    """A pool of threads to split one call's work over. Inside a pool's thread everything runs in line."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._pool = ThreadPoolExecutor(count, "vsdfvi") if count > 1 else None

    def map[Item, Result](self, function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """Results of a function for each item, in order."""
        work = list(items)
        if self._pool is None or len(work) < 2 or getattr(_thread, "inside", False):
            return [function(item) for item in work]
        try:
            futures = [self._pool.submit(self._inside, function, item) for item in work[1:]]
        except RuntimeError:  # the interpreter is on its way out and has shut all pools; the frame is still owed
            return [function(item) for item in work]
        first = self._inside(function, work[0])
        return [first, *(future.result() for future in futures)]

    @staticmethod
    def _inside[Item, Result](function: Callable[[Item], Result], item: Item) -> Result:
        before = getattr(_thread, "inside", False)
        _thread.inside = True
        try:
            return function(item)
        finally:
            _thread.inside = before

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True)

    @contextmanager
    def active(self) -> Iterator[None]:
        """Let kernels launched by this thread use this pool."""
        before = getattr(_thread, "workers", None)
        _thread.workers = self
        try:
            yield
        finally:
            _thread.workers = before


def return_free_memory() -> None:
    """Give memory that was freed, and that the C library keeps, back to the system.

    Arrays that live for a second (flow) lie between arrays that live for milliseconds, so glibc's heap cannot shrink by
    itself: without this, a filter that holds 100 MiB grew by 10 MiB with each 100 frames. Elsewhere it does nothing.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(ctypes.c_size_t(0))


_first_byte, _reference = ctypes.c_char.from_buffer, ctypes.byref


def _argument(value: Any) -> Any:
    """A kernel's argument as ctypes takes it. A frame may have a thousand calls of ten arrays: these go first."""
    kind = type(value)
    if kind is np.ndarray:
        try:
            return _reference(_first_byte(value))  # a third of what asking for the address takes
        except (TypeError, ValueError):  # empty, not to be written, or not contiguous
            return _address(value)
    if kind is int:
        return value  # taken for a C int as it is
    if isinstance(value, np.ndarray):
        return _address(value)
    return ctypes.c_float(value) if isinstance(value, float) else ctypes.c_int(value)


def _address(array: np.ndarray[Any, Any]) -> ctypes.c_void_p:
    if not array.flags.c_contiguous:
        raise ValueError(f"a kernel's array must be contiguous, got strides {array.strides} for {array.shape}")
    return ctypes.c_void_p(array.__array_interface__["data"][0])


def prepared(
    name: str,
    span: tuple[int, int],
    *before: Any,
    after: tuple[Any, ...] = (),
    grain: int = 1,
    alive: tuple[Any, ...] = (),
) -> Callable[[], None]:
    """A kernel with its arguments, to be run over its range as often as wanted. It keeps its arrays alive.

    Args:
        name: The kernel.
        span: First row or item, and one past the last.
        before: Arguments that stand before the range: arrays (contiguous), ints, floats.
        after: Arguments that stand after it.
        grain: Rows or items below which a further thread does not pay.
        alive: Arrays whose addresses are among the numbers of others.
    """
    begin, end = span
    function = getattr(library(), name)
    head, tail = [_argument(value) for value in before], [_argument(value) for value in after]
    workers: Workers | None = getattr(_thread, "workers", None)
    count = min(workers.count, max(1, (end - begin) // max(1, grain))) if workers else 1
    cuts = [begin + (end - begin) * k // count for k in range(count + 1)]
    parts = [(*head, first, last, *tail) for first, last in pairwise(cuts) if first < last]

    def run(kept: Any = (before, after, alive)) -> None:
        if len(parts) > 1 and workers is not None:
            workers.map(lambda part: function(*part), parts)
        elif parts:
            function(*parts[0])

    return run


def launch(name: str, span: tuple[int, int], *before: Any, after: tuple[Any, ...] = (), grain: int = 1) -> None:
    """Run a kernel over a range once; the arguments are those of ``prepared``."""
    prepared(name, span, *before, after=after, grain=grain)()
