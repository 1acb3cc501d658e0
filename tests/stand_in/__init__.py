"""A stand-in for CuPy where there is no GPU: its interface over NumPy, its kernels from the host-compiled library.

    with stand_in.installed() as cupy:
        ...  # whoever imports cupy now gets the stand-in
        assert stand_in.counters.launches["trace_step"] == 3

It refuses what CuPy refuses and counts what a GPU would do. ``machine`` says what is pretended to be there.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from stand_in import copies, functions, kernels, names, streams
from stand_in.arrays import MemoryPointer
from stand_in.machine import (
    Counters,
    CUDADriverError,
    CUDARuntimeError,
    Machine,
    MemoryPool,
    OutOfMemoryError,
    counters,
    machine,
    pool,
)

__all__ = ["Counters", "Machine", "counters", "installed", "machine", "reset", "stand_in"]


def reset() -> None:
    """Put machine, counters, pool and streams back to what they were at first; memory in use stays counted."""
    machine.reset()
    counters.reset()
    pool.reset()
    streams.forget()


def stand_in() -> ModuleType:
    """Return a module that behaves like ``cupy``."""
    module = _module("cupy", __version__=names.version(), __path__=[], __getattr__=functions.lookup)
    module.cuda = _cuda()  # type: ignore[attr-defined]
    module.RawModule, module.RawKernel = kernels.RawModule, kernels.RawKernel  # type: ignore[attr-defined]
    module.is_available = module.cuda.is_available  # type: ignore[attr-defined]
    return module


@contextmanager
def installed() -> Iterator[ModuleType]:
    """Let ``import cupy`` give a new stand-in, with everything reset; afterwards it gives what it gave before."""
    reset()
    module = stand_in()
    modules = {"cupy": module, "cupy.cuda": module.cuda}
    modules |= {
        f"cupy.cuda.{name}": getattr(module.cuda, name) for name in ("driver", "memory", "nvrtc", "runtime", "stream")
    }
    before = {name: each for name, each in sys.modules.items() if name == "cupy" or name.startswith("cupy.")}
    for name in before:
        del sys.modules[name]
    sys.modules.update(modules)
    try:
        yield module
    finally:
        for name in modules:
            del sys.modules[name]
        sys.modules.update(before)
        reset()


def _module(name: str, **contents: Any) -> ModuleType:
    module = ModuleType(name)
    module.__spec__ = ModuleSpec(name, None)  # by which find_spec answers while it is installed
    vars(module).update(contents)
    return module


def _device_count() -> int:
    if machine.devices == 0:
        raise CUDARuntimeError("cudaErrorNoDevice: no CUDA-capable device is detected")
    return machine.devices


def _device_properties(device: int) -> dict[str, Any]:
    if not 0 <= device < machine.devices:
        raise CUDARuntimeError("cudaErrorInvalidDevice: invalid device ordinal")
    major, minor = divmod(int(machine.compute_capability), 10)
    return {
        "name": machine.name.encode(),
        "totalGlobalMem": machine.memory_bytes,
        "multiProcessorCount": machine.multiprocessors,
        "major": major,
        "minor": minor,
    }


def _cuda() -> ModuleType:
    """What CuPy has under ``cupy.cuda``, as far as the engine may need it."""
    runtime = _module(
        "cupy.cuda.runtime",
        CUDARuntimeError=CUDARuntimeError,
        deviceSynchronize=lambda: streams.Device().synchronize(),
        driverGetVersion=lambda: machine.driver,
        getDevice=streams.current_device,
        getDeviceCount=_device_count,
        getDeviceProperties=_device_properties,
        is_hip=False,
        memGetInfo=lambda: streams.Device().mem_info,
        runtimeGetVersion=lambda: machine.driver,
        setDevice=lambda device: streams.Device(device).use(),
    )
    memory = _module(
        "cupy.cuda.memory",
        MemoryPointer=MemoryPointer,
        MemoryPool=MemoryPool,
        OutOfMemoryError=OutOfMemoryError,
    )
    shared = {
        name: getattr(streams, name)
        for name in ("Event", "ExternalStream", "Stream", "get_current_stream", "get_elapsed_time")
    }
    return _module(
        "cupy.cuda",
        **shared,
        Device=streams.Device,
        MemoryPointer=MemoryPointer,
        MemoryPool=MemoryPool,
        PinnedMemoryPointer=copies.PinnedMemoryPointer,
        PinnedMemoryPool=copies.PinnedMemoryPool,
        __path__=[],
        alloc_pinned_memory=copies.alloc_pinned_memory,
        driver=_module("cupy.cuda.driver", CUDADriverError=CUDADriverError),
        get_device_id=streams.current_device,
        is_available=lambda: machine.devices > 0,
        memory=memory,
        nvrtc=_module("cupy.cuda.nvrtc", getVersion=lambda: (machine.driver // 1000, machine.driver % 1000 // 10)),
        runtime=runtime,
        stream=_module("cupy.cuda.stream", **shared),
    )
