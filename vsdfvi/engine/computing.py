"""The device that a filter computes on: opened, its memory bounded, and what to do when that runs out."""

import logging
import sys
from collections.abc import Callable

import numpy as np

from vsdfvi.engine import devices
from vsdfvi.engine.cache import Cache, CacheShare, shared_cache
from vsdfvi.errors import EngineError
from vsdfvi.kernels import HOST, Device
from vsdfvi.kernels.device import device_of
from vsdfvi.kernels.laplace import laplace_fill
from vsdfvi.settings import Settings

_LOG = logging.getLogger(__name__)

LARGEST_SHARE = 4 << 30
"""Bytes of a GPU that results may occupy by default, where half of what is free is more. A scratch over the height of
3840x2160 pixels, 4:2:0 of 8 bit, keeps 22 MiB a frame, and works in 50 beside that, networks not counted. (Nov 2026)"""

_ADVICE = "`vsdfvi doctor` says what is missing; CuPy may lack headers of CUDA: pip install 'cupy-cuda13x[ctk]'"


def open_device(settings: Settings) -> Device:
    """The device that the settings ask for, and a line in the log that says which it is.

    Raises:
        EngineError: It is not there.
    """
    if settings.device == "cpu":
        return HOST
    auto = settings.device == "auto"
    found = devices.probe(whole=not auto)  # torch is slow to import, and not always needed
    name = devices.choose(settings.device, found)
    failure = None if name == "cpu" else failure_of(name)
    if failure is None:
        _LOG.info("%s", devices.explain(found) if auto else f"device: {name}")
        return device_of(name)
    if not auto:
        raise EngineError(f"device must be one that works, got {name!r}: {failure}. {_ADVICE}")
    _LOG.warning("device: cpu (%s was tried and failed: %s). %s", name, failure, _ADVICE)
    return HOST


def failure_of(name: str) -> str | None:
    """What went wrong when a GPU was given small pieces of work whose results are known; None where nothing did.

    One is for our kernels, one for CuPy's own, which are compiled with headers of CUDA, one for torch if it is there.
    """
    planes = np.random.default_rng(1).random((2, 24, 40), np.float32)
    hole = np.zeros((24, 40), np.uint8)
    hole[6:18, 9:31] = 1
    try:
        device = device_of(name)
        with device.active():
            found = device.get(laplace_fill(device.put(planes), hole, 1e-3))
            numbers = device.put(np.arange(64, dtype=np.float32))
            total = float(device.arrays.where(numbers > 31, numbers * 2, 0).sum())
            if "torch" in sys.modules:
                total += float(sys.modules["torch"].utils.dlpack.from_dlpack(numbers).sum()) - 2016
    except Exception as error:  # a driver, a compiler, a library: whatever it is, the CPU is there
        return devices.first_line(error)
    right = np.array_equal(found, laplace_fill(planes, hole, 1e-3)) and total == 3040
    return None if right else "its result is not the CPU's"


def device_cache(device: Device, settings: Settings) -> CacheShare:
    """A filter's share of what results may occupy on a GPU."""
    budget_bytes = settings.device_memory << 20
    if not budget_bytes:
        with device.active():
            budget_bytes = min(LARGEST_SHARE, device.free_bytes() // 2)
    return shared_cache(device.name, budget_bytes)


def retried[Made](make: Callable[[], Made], device: Device, cache: Cache | CacheShare) -> Made:
    """What is made; where a GPU's memory runs out, made again with what was kept there given up, and less kept.

    Raises:
        EngineError: It runs out again.
    """
    for again in (False, True):
        try:
            return make()
        except Exception as error:
            if not device.is_out_of_memory(error):
                raise
        # Outside the clause: its traceback would keep alive what was half made. First what nothing lives in: CuPy and
        # torch keep memory for themselves, and cannot use each other's.
        if again:
            assert isinstance(cache, CacheShare)
            cache.give_up()
            _LOG.warning("%s ran out of memory: half as much as now is kept there from now on", device.name)
        device.release()
    try:
        return make()
    except Exception as error:
        if not device.is_out_of_memory(error):
            raise
        raise EngineError(
            f"device must be one whose memory suffices, got {device.name}, which ran out of it: repair less at a time "
            "(the mask, dilate), lower radius, or set device to 'cpu'"
        ) from error
