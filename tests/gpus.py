"""A GPU for tests: a stand-in, wherever they run."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import stand_in

from vsdfvi import kernels
from vsdfvi.engine import cache, devices
from vsdfvi.kernels import _gpu, laplace
from vsdfvi.kernels.device import device_of


@contextmanager
def pretended() -> Iterator[ModuleType]:
    """Let the engine find a GPU where ``device="cuda"`` asks for one; ``auto`` and ``cpu`` are what they are."""
    choose = devices.choose
    devices.choose = lambda setting, found=None: "cuda:0" if setting.startswith("cuda") else choose(setting, found)
    with stand_in.installed() as cupy:
        _forget()
        try:
            yield cupy
        finally:
            devices.choose = choose
            _forget()


def _forget() -> None:
    """What this process remembers of a device."""
    for each in (_gpu._module, _gpu._function, _gpu._processors, kernels._lanczos_table_on, laplace._levels, device_of):
        each.cache_clear()
    cache._shared.clear()
