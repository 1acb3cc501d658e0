"""Where arrays live: in the host's memory, or in a GPU's. What is computed with them is the same text."""

import sys
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from types import ModuleType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

_OUT_OF_MEMORY = ("cudaErrorMemoryAllocation", "CUDA_ERROR_OUT_OF_MEMORY", "_STATUS_ALLOC_FAILED")
"""How CUDA's runtime, its driver and its libraries say it, whose errors have no type of their own."""

_STAGES = 4
"""Buffers of page-locked memory that uploads go through in turn: one is filled while others are still being read."""


class Upload(Protocol):
    """An array on its way to a device."""

    @property
    def nbytes(self) -> int: ...

    def take(self) -> Any:
        """The array. What is computed with it from now on waits until it is there; the caller does not."""
        ...


class Device(Protocol):
    """A place for arrays.

    Attributes:
        name: ``cpu`` or ``cuda:N``.
        arrays: The module whose arrays live there: NumPy or CuPy.
        is_host: What lives there needs no upload.
    """

    @property
    def name(self) -> str: ...

    @property
    def arrays(self) -> ModuleType: ...

    @property
    def is_host(self) -> bool: ...

    def send(self, array: NDArray[np.generic]) -> Upload:
        """Begin to upload an array of the host, which may change as soon as this returns."""
        ...

    def put(self, array: NDArray[Any]) -> Any:
        """An array of the host, there. On the host it is the same array."""
        ...

    def get(self, array: Any) -> NDArray[Any]:
        """An array from there, on the host: waits until it is computed. On the host it is the same array."""
        ...

    def active(self) -> AbstractContextManager[None]:
        """Compute there, and in one order, whoever computes: a context for one thread."""
        ...

    def release(self) -> None:
        """Give memory back that is kept for reuse, and that nothing lives in."""
        ...

    def free_bytes(self) -> int:
        """Memory that is free there; 0 for the host, where nobody asks."""
        ...

    def is_out_of_memory(self, error: BaseException) -> bool:
        """Whether an error says that memory there ran out."""
        ...

    def torch_device(self) -> Any:
        """The device as torch names it. Imports torch."""
        ...


@dataclass(frozen=True, slots=True)
class _There:
    """An array that is where it should be."""

    array: Any

    @property
    def nbytes(self) -> int:
        return int(self.array.nbytes)

    def take(self) -> Any:
        return self.array


class Host:
    """The host's own memory."""

    name = "cpu"
    arrays: ModuleType = np
    is_host = True

    def send(self, array: NDArray[np.generic]) -> Upload:
        return _There(array)

    def put(self, array: NDArray[Any]) -> Any:
        return array

    def get(self, array: Any) -> NDArray[Any]:
        return array  # type: ignore[no-any-return]

    @contextmanager
    def active(self) -> Iterator[None]:
        yield

    def release(self) -> None:
        pass

    def free_bytes(self) -> int:
        return 0

    def is_out_of_memory(self, error: BaseException) -> bool:
        return False

    def torch_device(self) -> Any:
        import torch

        return torch.device("cpu")


@dataclass(slots=True)
class _Stage:
    """Page-locked memory, and the event after which it may be written again."""

    memory: Any
    size_bytes: int
    read: Any


@dataclass(frozen=True, slots=True)
class _Sent:
    """An array that is copied on the stream of uploads, and the event that ends the copy."""

    array: Any
    copied: Any
    stream: Any

    @property
    def nbytes(self) -> int:
        return int(self.array.nbytes)

    def take(self) -> Any:
        self.stream.wait_event(self.copied)
        return self.array


class Cuda:
    """A GPU's memory, through CuPy. One stream computes, for CuPy and torch alike; another uploads.

    Args:
        number: Of the device.
    """

    is_host = False

    def __init__(self, number: int) -> None:
        import cupy

        self.name = f"cuda:{number}"
        self.arrays = cupy
        self.number = number
        self._torch_stream: Any = None
        with cupy.cuda.Device(number):
            self._stream = cupy.cuda.Stream(non_blocking=True)
            self._uploads = cupy.cuda.Stream(non_blocking=True)
        self._stages: deque[_Stage] = deque()

    def send(self, array: NDArray[np.generic]) -> Upload:
        # Memory of the stream of uploads: what is dropped before it has come is then written by nobody else meanwhile.
        with self._uploads:
            sent = self.arrays.empty(array.shape, array.dtype)
        if not array.size:
            return _There(sent)
        stage = self._stage(array.nbytes)
        staged = np.frombuffer(stage.memory, array.dtype, array.size).reshape(array.shape)
        staged[:] = array
        # It may have belonged to an array that work in the computing stream still reads.
        self._uploads.wait_event(self._stream.record())
        sent.set(staged, stream=self._uploads)
        stage.read = self._uploads.record()
        return _Sent(sent, stage.read, self._stream)

    def _stage(self, size_bytes: int) -> _Stage:
        """The buffer that was used longest ago, free to write and large enough."""
        stage = self._stages.popleft() if len(self._stages) == _STAGES else _Stage(None, 0, None)
        if stage.read is not None:
            stage.read.synchronize()
        if stage.size_bytes < size_bytes:
            stage = _Stage(self.arrays.cuda.alloc_pinned_memory(size_bytes), size_bytes, None)
        self._stages.append(stage)
        return stage

    def put(self, array: NDArray[Any]) -> Any:
        return self.send(array).take()

    def get(self, array: Any) -> NDArray[Any]:
        return array.get()  # type: ignore[no-any-return]

    @contextmanager
    def active(self) -> Iterator[None]:
        with ExitStack() as stack:
            stack.enter_context(self.arrays.cuda.Device(self.number))
            stack.enter_context(self._stream)
            torch = sys.modules.get("torch")
            if torch is not None and torch.cuda.is_available():
                if self._torch_stream is None:
                    self._torch_stream = torch.cuda.ExternalStream(self._stream.ptr, device=self.name)
                stack.enter_context(torch.cuda.stream(self._torch_stream))
            yield

    def release(self) -> None:
        self.arrays.get_default_memory_pool().free_all_blocks()
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_available():
            torch.cuda.empty_cache()

    def free_bytes(self) -> int:
        return int(self.arrays.cuda.Device(self.number).mem_info[0])

    def is_out_of_memory(self, error: BaseException) -> bool:
        torch = sys.modules.get("torch")
        kinds = self.arrays.cuda.memory.OutOfMemoryError, *(() if torch is None else (torch.OutOfMemoryError,))
        # The engine wraps what torch raises in an error with advice.
        raised = [each for each in (error, error.__cause__) if each is not None]
        return any(isinstance(each, kinds) or any(code in str(each) for code in _OUT_OF_MEMORY) for each in raised)

    def torch_device(self) -> Any:
        import torch

        # As torch itself says of an array of ours.
        return torch.utils.dlpack.from_dlpack(self.arrays.zeros(1, np.float32)).device


HOST = Host()

_ALIGNMENT = 256  # bytes, of arrays that travel together: what CUDA's own allocations have at least


def put_together(device: Device, arrays: Sequence[NDArray[Any]]) -> list[Any]:
    """Arrays of the host on a device, in one upload."""
    if device.is_host:
        return list(arrays)
    offsets = [0, *accumulate(-(-array.nbytes // _ALIGNMENT) * _ALIGNMENT for array in arrays)]
    together = np.zeros(offsets[-1], np.uint8)
    for offset, array in zip(offsets, arrays, strict=False):
        together[offset : offset + array.nbytes] = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    there = device.put(together)
    return [
        there[offset : offset + array.nbytes].view(array.dtype).reshape(array.shape)
        for offset, array in zip(offsets, arrays, strict=False)
    ]


def get_together(device: Device, arrays: Sequence[Any]) -> list[NDArray[Any]]:
    """Arrays of a device on the host, in one download."""
    if device.is_host:
        return list(arrays)
    there = [device.arrays.ascontiguousarray(array).reshape(-1).view(np.uint8) for array in arrays]
    together = device.get(device.arrays.concatenate(there)) if there else np.zeros(0, np.uint8)
    ends = list(accumulate(array.nbytes for array in arrays))
    return [
        together[end - array.nbytes : end].view(array.dtype).reshape(array.shape)
        for end, array in zip(ends, arrays, strict=True)
    ]


@cache
def device_of(name: str) -> Device:
    """The device of a name, ``cpu`` or ``cuda:N``; whether it is there must be known.

    A process has one of each, and so one stream that computes: CuPy's pool keeps free memory for each stream apart.
    """
    return HOST if name == "cpu" else Cuda(int(name.removeprefix("cuda:")))
