"""What the stand-in pretends to be, what it counts, and its memory."""

import threading
import weakref
from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

GARBAGE = 0xA5
"""Every byte of memory that nobody has written yet."""

_ALIGNMENT = 512  # bytes: where CuPy's pool places an allocation, and what it rounds its size up to
_GUARD = 256  # bytes before and after an allocation, by which a kernel that writes beside its array is found

lock = threading.RLock()  # taken again by finalizers, which run whenever memory is freed


@dataclass
class Machine:
    """The machine, as CuPy would describe it. Tests set what they need; ``reset()`` puts all back.

    Attributes:
        devices: Number of GPUs. With 0 there is a driver, but no device.
        compute_capability: Without the point.
        memory_bytes: Of the device.
        taken_bytes: Of those, what other programs hold.
        driver: Version, as 1000 * major + 10 * minor.
    """

    devices: int = 1
    name: str = "Stand-in"
    compute_capability: str = "90"
    multiprocessors: int = 4
    memory_bytes: int = 8 << 30
    taken_bytes: int = 0
    driver: int = 13000

    def reset(self) -> None:
        _put_back(self)


@dataclass
class Counters:
    """What was done since ``reset()``.

    Attributes:
        uploads, downloads: Number of copies from and to the host.
        uploaded_bytes, downloaded_bytes: Their size.
        launches: Number of launches of each kernel.
        synchronisations: Times that the host waited for the device, asked for (a stream's ``synchronize``, a blocking
            ``get``) or not (a mask as an index, ``nonzero``, a number taken from an array).
        current_bytes: Allocated now, each allocation rounded up as in CuPy's pool. ``reset()`` leaves it.
        peak_bytes: The most that was allocated at once.
    """

    uploads: int = 0
    downloads: int = 0
    uploaded_bytes: int = 0
    downloaded_bytes: int = 0
    launches: Counter[str] = field(default_factory=Counter)
    synchronisations: int = 0
    current_bytes: int = 0
    peak_bytes: int = 0

    def reset(self) -> None:
        with lock:
            held = self.current_bytes
            _put_back(self)
            self.current_bytes = self.peak_bytes = held

    def upload(self, size: int) -> None:
        with lock:
            self.uploads += 1
            self.uploaded_bytes += size

    def download(self, size: int) -> None:
        with lock:
            self.downloads += 1
            self.downloaded_bytes += size

    def launch(self, name: str) -> None:
        with lock:
            self.launches[name] += 1

    def synchronise(self) -> None:
        with lock:
            self.synchronisations += 1


def _put_back(record: Any) -> None:
    """Give every field the value of a new one."""
    new = type(record)()
    for each in fields(record):
        setattr(record, each.name, getattr(new, each.name))


machine = Machine()
counters = Counters()


class CUDARuntimeError(RuntimeError):
    """What the CUDA runtime refuses."""


class CUDADriverError(RuntimeError):
    """What the CUDA driver refuses."""


class OutOfMemoryError(MemoryError):
    """An allocation beyond the pool's limit or the device's memory."""

    def __init__(self, size: int, total: int, limit: int = 0) -> None:
        super().__init__(
            f"Out of memory allocating {size:,} bytes (allocated so far: {total:,} bytes"
            + (f", limit set to: {limit:,} bytes)." if limit else ").")
        )


class MemoryPool:
    """CuPy's pool: what is freed stays with it until ``free_all_blocks``."""

    def __init__(self) -> None:
        self._limit = 0
        self._total = 0

    def set_limit(self, size: int | None = None, fraction: float | None = None) -> None:
        if (size is None) == (fraction is None):
            raise ValueError("size and fraction cannot be specified at one time" if size else "size or fraction needed")
        self._limit = int(size if size is not None else (fraction or 0) * machine.memory_bytes)

    def get_limit(self) -> int:
        return self._limit

    def used_bytes(self) -> int:
        return counters.current_bytes

    def total_bytes(self) -> int:
        return max(self._total, counters.current_bytes)

    def free_bytes(self) -> int:
        return self.total_bytes() - self.used_bytes()

    def free_all_blocks(self, stream: object = None) -> None:
        self._total = counters.current_bytes

    def take(self, size: int) -> None:
        """Count an allocation, or refuse it."""
        with lock:
            used, limit = counters.current_bytes, self._limit
            if (limit and used + size > limit) or used + size > machine.memory_bytes - machine.taken_bytes:
                raise OutOfMemoryError(size, used, limit)
            counters.current_bytes += size
            counters.peak_bytes = max(counters.peak_bytes, counters.current_bytes)
            self._total = max(self._total, counters.current_bytes)

    def reset(self) -> None:
        self._limit, self._total = 0, counters.current_bytes


def _give_back(size: int) -> None:
    with lock:
        counters.current_bytes -= size


pool = MemoryPool()


class Block:
    """A piece of device memory.

    Attributes:
        root: The NumPy array that holds it; what else shows it is a view of this one.
        device: Number of the device.
        begin, size: The part of ``root`` that was asked for, in bytes; the rest is guard.
        writes: What was written last, and when: first byte's address, one past the last, queue, number of the work.
    """

    def __init__(self, root: np.ndarray, device: int, begin: int = 0, size: int = 0) -> None:
        self.root, self.device, self.begin, self.size = root, device, begin, size
        self.writes: list[tuple[int, int, Any, int]] = []

    @classmethod
    def allocate(cls, size: int, device: int) -> "Block":
        """Return new memory, full of garbage. It counts until the last view of it is gone, torch's views included."""
        rounded = -(-size // _ALIGNMENT) * _ALIGNMENT
        pool.take(rounded)
        root = np.full(size + 2 * _GUARD + _ALIGNMENT, GARBAGE, np.uint8)
        weakref.finalize(root, _give_back, rounded).atexit = False
        begin = _GUARD + -(root.ctypes.data + _GUARD) % _ALIGNMENT
        return cls(root, device, begin, size)

    def part(self, shape: tuple[int, ...], dtype: np.dtype, order: str = "C", strides: Any = None, at: int = 0) -> Any:
        """Return an array over the memory, from byte ``at`` on."""
        return np.ndarray(shape, dtype, self.root, self.begin + at, strides, order)  # type: ignore[call-overload]

    def is_whole(self) -> bool:
        """Whether nothing was written beside the memory; true for memory of others, which has no guard."""
        if self.root.dtype != np.uint8 or not self.begin:
            return True
        before, after = self.root[: self.begin], self.root[self.begin + self.size :]
        return bool((before == GARBAGE).all() and (after == GARBAGE).all())
