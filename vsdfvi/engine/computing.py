"""The device that a filter computes on: opened, its memory bounded, and what to do when that runs out."""

import logging
from collections.abc import Callable

from vsdfvi.engine import devices
from vsdfvi.engine.cache import Cache, CacheShare, shared_cache
from vsdfvi.errors import EngineError
from vsdfvi.kernels import HOST, Device
from vsdfvi.kernels.device import device_of
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
    found = devices.probe(whole=settings.device != "auto")  # torch is slow to import, and not always needed
    device = device_of(devices.choose(settings.device, found))
    _LOG.info("%s", devices.explain(found) if settings.device == "auto" else f"device: {device.name}")
    return device


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
