"""The device that a filter computes on: opened, its memory bounded, and what to do when that runs out."""

import logging
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
"""Bytes of a GPU that results may occupy by default, where half of what is free is more: a scratch through 4K film,
with all frames that it may look at, takes less, and leaves room for networks on a card of 8 GiB."""


def open_device(settings: Settings) -> Device:
    """The device that the settings ask for, and a line in the log that says which it is.

    Raises:
        EngineError: It is not there.
    """
    if settings.device == "cpu":
        return HOST
    if settings.device != "auto":
        device = device_of(devices.choose(settings.device))
        _LOG.info("device: %s", device.name)
        return device
    found = devices.probe(whole=False)  # torch is slow to import, and not always needed
    device = device_of(devices.choose("auto", found))
    failure = None if device.is_host else failure_of(device)
    if failure is None:
        _LOG.info("%s", devices.explain(found))
        return device
    _LOG.warning("device: cpu (%s was tried and failed: %s)", device.name, failure)
    return HOST


def failure_of(device: Device) -> str | None:
    """What went wrong when a GPU was given a small piece of work whose result is known; None where nothing did."""
    planes = np.random.default_rng(1).random((2, 24, 40), np.float32)
    hole = np.zeros((24, 40), np.uint8)
    hole[6:18, 9:31] = 1
    try:
        with device.active():
            found = device.get(laplace_fill(device.put(planes), hole, 1e-3))
    except Exception as error:  # a driver, a compiler, a library: whatever it is, the CPU is there
        return devices.first_line(error)
    return None if np.array_equal(found, laplace_fill(planes, hole, 1e-3)) else "its result is not the CPU's"


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
    try:
        return make()
    except Exception as error:
        if not device.is_out_of_memory(error):
            raise
    assert isinstance(cache, CacheShare)
    # Outside the clause: its traceback would keep alive what was half made.
    cache.give_up()
    device.release()
    _LOG.warning("%s ran out of memory: half as much is kept there from now on, as device_memory does", device.name)
    try:
        return make()
    except Exception as error:
        if not device.is_out_of_memory(error):
            raise
        raise EngineError(
            f"device must be one whose memory suffices, got {device.name}, which ran out of it: repair less at a time "
            "(the mask, dilate), lower radius, or set device to 'cpu'"
        ) from error
