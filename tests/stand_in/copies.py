"""Pinned memory, and copies between host and device.

Pinned memory that is copied into holds garbage until the host has waited for the copy, and such that is copied from may
not change until then: a GPU copies whenever it gets to it.
"""

import numpy as np

from stand_in import streams
from stand_in.machine import GARBAGE, Block, counters, lock

_PINNED_UNIT = 512  # bytes, to which CuPy's pool of pinned memory rounds up: a buffer is longer than was asked for


class PinnedMemoryPointer:
    """Host memory that the device can copy by itself; as long as the pool made it, which is longer than asked for."""

    def __init__(self, size: int) -> None:
        self._bytes = np.full(max(1, -(-size // _PINNED_UNIT)) * _PINNED_UNIT, GARBAGE, np.uint8)
        self.ptr = self._bytes.ctypes.data
        with lock:
            _pinned[self.ptr] = self.size()

    def size(self) -> int:
        return self._bytes.size

    def __buffer__(self, flags: int) -> memoryview:
        return memoryview(self._bytes)

    def __del__(self) -> None:
        with lock:
            _pinned.pop(self.ptr, None)


_pinned: dict[int, int] = {}


class PinnedMemoryPool:
    """The pool of pinned memory; it keeps nothing."""

    def malloc(self, size: int) -> PinnedMemoryPointer:
        return PinnedMemoryPointer(size)

    def free_all_blocks(self) -> None:
        pass

    def n_free_blocks(self) -> int:
        return 0


def alloc_pinned_memory(size: int) -> PinnedMemoryPointer:
    """Return pinned memory, full of garbage."""
    return PinnedMemoryPointer(size)


def is_pinned(array: np.ndarray) -> bool:
    """Whether an array of the host lies in pinned memory."""
    address = array.ctypes.data
    with lock:
        return any(begin <= address < begin + size for begin, size in _pinned.items())


def copy_in(block: Block, target: np.ndarray, source: np.ndarray, stream: streams.Stream | None, *, wait: bool) -> None:
    """Copy from the host to the device. Pinned memory must stay as it is until the host has waited for that.

    Raises:
        UnorderedUse: Later, when the host waits: pinned memory was changed too early.
    """
    counters.upload(target.nbytes)
    queue = (stream or streams.get_current_stream()).queue
    streams.check(block, target, queue)
    target[...] = source
    streams.mark(block, target, queue)
    if wait:
        streams.wait_for(queue)
    elif is_pinned(source):
        kept = source.tobytes()

        def compare() -> None:
            if source.tobytes() != kept:
                raise streams.UnorderedUse("pinned memory was changed before its copy to the device was waited for")

        queue.submit(compare)


def copy_out(
    block: Block, target: np.ndarray, source: np.ndarray, stream: streams.Stream | None, *, wait: bool
) -> None:
    """Copy from the device to the host. Pinned memory holds garbage until the host has waited for the copy."""
    counters.download(source.nbytes)
    queue = (stream or streams.get_current_stream()).queue
    streams.check(block, source, queue)
    # To memory that is not pinned, cudaMemcpyAsync returns when the copy is made (CUDA Runtime API, section 2).
    if wait or not is_pinned(target):
        streams.wait_for(queue)
        target[...] = source
        return
    kept = source.copy()
    (target if target.flags.c_contiguous else target.T).reshape(-1).view(np.uint8).fill(GARBAGE)

    def copy() -> None:
        target[...] = kept

    queue.submit(copy)
