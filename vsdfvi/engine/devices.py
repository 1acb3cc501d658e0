"""What there is to compute on, and which of it is taken."""

import ctypes
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from vsdfvi.errors import EngineError

OLDEST_CAPABILITY = (7, 5)
"""Turing. NVRTC 13 compiles for none before it (nvrtcGetSupportedArchs of 13.2, 2026-11)."""

# NVIDIA, CUDA Compatibility, table 1: a driver serves every CUDA of its major version and of those before.
_DRIVERS = {12: "525", 13: "580"}
_DRIVER_PAGE = "https://www.nvidia.com/drivers"
_TORCH_PAGE = "https://pytorch.org/get-started/locally"


@dataclass(frozen=True, slots=True)
class Device:
    """A CUDA device, as a library sees it.

    Attributes:
        capability: Compute capability, such as (9, 0).
    """

    index: int
    name: str
    capability: tuple[int, int]
    memory_bytes: int

    def __str__(self) -> str:
        return f"{self.name}, {self.memory_bytes / 2**30:.1f} GiB"


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """What is known of torch or of CuPy.

    Attributes:
        version: Its version; empty where it cannot be imported.
        cuda: The version of CUDA that it is made for; empty where for none.
        devices: Those that it sees.
        problem: Why it cannot be imported, or sees no device, in its own words; empty if it is just not installed.
    """

    version: str = ""
    cuda: str = ""
    devices: tuple[Device, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What there is to compute on, processors apart.

    Attributes:
        driver: The highest version of CUDA that NVIDIA's driver serves; empty where there is no driver.
        cupy, torch: None where it was not looked at.
    """

    driver: str = ""
    cupy: Library | None = None
    torch: Library | None = None


@dataclass(frozen=True, slots=True)
class Lack:
    """Something without which no GPU is used.

    Attributes:
        part: ``driver``, ``torch``, ``cupy`` or ``device``.
        text: What is missing.
        advice: What to do about it.
    """

    part: str
    text: str
    advice: str


def probe(whole: bool = True) -> Found:
    """What there is. Nothing raises, warns or prints.

    Args:
        whole: Look at everything. Otherwise torch is left alone where CuPy is missing or sees no device: to import it
            takes 1.6 s, and not every filter needs it.
    """
    driver, cupy = _driver(), _library("cupy", _look_at_cupy)
    if not (cupy.devices or whole):
        return Found(driver=driver, cupy=cupy)
    return Found(driver=driver, cupy=cupy, torch=_library("torch", _look_at_torch))


def choose(setting: str, found: Found | None = None) -> str:
    """The device to compute on: ``cpu`` or ``cuda:N``.

    Args:
        setting: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``. ``auto`` is the first CUDA device, where torch and CuPy both
            see it and can use it, or else the processor; ``cuda`` is the first, or an error.
        found: What there is; looked for where it is needed.

    Raises:
        EngineError: The device that was asked for is not there. The text says what is missing and what to do.
    """
    if setting == "cpu":
        return "cpu"
    if setting == "auto":
        return "cpu" if lacks(probe(whole=False) if found is None else found) else "cuda:0"
    index = int(setting.partition(":")[2] or 0)
    missing = lacks(probe() if found is None else found, index)
    if missing:
        sentences = "; ".join(f"{lack.text}: {lack.advice}" for lack in missing)
        raise EngineError(f"device must be what is here, got {setting!r}: {sentences}")
    return f"cuda:{index}"


def explain(found: Found) -> str:
    """What ``auto`` takes, and why, as a sentence for the log."""
    missing = lacks(found)
    if not missing:
        assert found.torch is not None
        return f"device: cuda:0 ({found.torch.devices[0]})"
    return f"device: cpu ({missing[0].text})"


def lacks(found: Found, index: int = 0) -> tuple[Lack, ...]:
    """What is missing for a CUDA device to be used; the first is what to mend first. Nothing, if it can be used."""
    parts = (_lacks_driver(found), _lacks_torch(found.torch), _lacks_cupy(found))
    return tuple(lack for lack in parts if lack) or tuple(_lacks_device(found, index))


def first_line(error: BaseException) -> str:
    """The first line of an error that says something; its kind where it has no text."""
    lines = [line.strip() for line in str(error).splitlines()]
    return next((line[:300] for line in lines if any(map(str.isalnum, line))), type(error).__name__)


def _lacks_driver(found: Found) -> Lack | None:
    libraries = [library for library in (found.torch, found.cupy) if library]
    if any(library.devices for library in libraries):
        return None
    if not found.driver:
        return Lack("driver", "no NVIDIA driver was found", f"install the one for your card from {_DRIVER_PAGE}")
    newest = max((library.cuda for library in libraries), key=_major, default="")
    if _major(newest) > _major(found.driver):
        version = f" to {_DRIVERS[_major(newest)]} or later" if _major(newest) in _DRIVERS else ""
        text = f"the NVIDIA driver serves CUDA up to {found.driver}, and CUDA {newest} is asked of it"
        return Lack("driver", text, f"update it{version}, from {_DRIVER_PAGE}")
    return None


def _lacks_torch(torch: Library | None) -> Lack | None:
    if torch is None or torch.cuda:
        return None
    if torch.problem:
        return Lack("torch", f"PyTorch cannot be used ({torch.problem})", "pip install --force-reinstall torch")
    if not torch.version:
        return Lack("torch", "PyTorch is not installed", "pip install torch")
    advice = "pip uninstall torch, then pip install torch"  # on Linux, what is on PyPI is made for CUDA
    if sys.platform != "linux":
        advice = f"pip uninstall torch, then the command for CUDA from {_TORCH_PAGE}"
    return Lack("torch", f"PyTorch {torch.version} is made without CUDA", advice)


def _lacks_cupy(found: Found) -> Lack | None:
    if found.cupy is None or found.cupy.version:
        return None
    # The one for the CUDA that torch brings, whose compiler it then uses.
    package = f"cupy-cuda{_major(found.torch.cuda if found.torch else '') or 13}x"
    if found.cupy.problem:
        text = f"CuPy cannot be imported ({found.cupy.problem})"
        return Lack("cupy", text, f"pip install --force-reinstall {package}")
    return Lack("cupy", "CuPy is not installed", f"pip install {package}")


def _lacks_device(found: Found, index: int) -> Iterator[Lack]:
    """Say why a device cannot be used although driver and libraries are there."""
    for title, library in (("CuPy", found.cupy), ("PyTorch", found.torch)):
        if library is None:
            yield Lack("device", f"{title} was not looked at", "look at everything")
        elif not library.devices:
            reason = f" ({library.problem})" if library.problem else ""
            yield Lack("device", f"{title} sees no CUDA device{reason}", _advice_on_devices())
        elif index >= (count := len(library.devices)):
            names = " or ".join(f"cuda:{device.index} ({device.name})" for device in library.devices)
            yield Lack("device", f"{title} sees {count} CUDA device{'s' if count > 1 else ''}", f"name {names}")
        elif (device := library.devices[index]).capability < OLDEST_CAPABILITY:
            own, oldest = (".".join(map(str, each)) for each in (device.capability, OLDEST_CAPABILITY))
            text = f"{device.name} has compute capability {own}, and {oldest} is the least"
            yield Lack("device", text, "use the processor, or a card of the GTX 16 or RTX 20 series or later")
            return


def _advice_on_devices() -> str:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return f"CUDA_VISIBLE_DEVICES is set to {visible!r}, which may hide it: unset it"
    return "see whether nvidia-smi lists one; if not, restart the machine, or install the driver again"


def _major(version: str) -> int:
    """Return 13 of 13.2, and 0 of nothing."""
    major = version.partition(".")[0]
    return int(major) if major.isdecimal() else 0


def _driver() -> str:
    """Return the version of CUDA that the driver serves, asked of the driver itself, or nothing."""
    version = ctypes.c_int()
    try:
        library = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
        if library.cuDriverGetVersion(ctypes.byref(version)) != 0:
            return ""
    except (OSError, AttributeError):
        return ""
    return _cuda_version(version.value)


def _cuda_version(number: int) -> str:
    """Return 13.2 of 13020, which is how CUDA writes it."""
    return f"{number // 1000}.{number % 1000 // 10}" if number > 0 else ""


def _library(name: str, look_at: Callable[[Any], Library]) -> Library:
    """Import a library and look at it, without a word."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # both warn where there is no driver, and CuPy of a second CuPy
        try:
            module = import_module(name)
        except Exception as error:  # a library that is half installed can fail with anything
            if isinstance(error, ModuleNotFoundError) and error.name == name:
                return Library()
            # CuPy explains at length what to do, and has the reason as the error's cause.
            return Library(problem=first_line(error.__cause__ or error))
        try:
            return look_at(module)
        except Exception as error:
            return Library(version=_version(module), problem=first_line(error))


def _version(module: Any) -> str:
    return str(getattr(module, "__version__", "of unknown version"))


def _look_at_torch(torch: Any) -> Library:
    version, cuda = _version(torch), torch.version.cuda or ""
    if not cuda:  # made for AMD, it has devices that it calls CUDA's
        return Library(version=version)
    try:
        torch.cuda.init()  # says in words why there is none, where counting answers 0
        devices = tuple(_torch_device(torch, index) for index in range(torch.cuda.device_count()))
    except Exception as error:
        return Library(version=version, cuda=cuda, problem=first_line(error))
    return Library(version=version, cuda=cuda, devices=devices)


def _torch_device(torch: Any, index: int) -> Device:
    facts = torch.cuda.get_device_properties(index)
    return Device(index, str(facts.name), (int(facts.major), int(facts.minor)), int(facts.total_memory))


def _look_at_cupy(cupy: Any) -> Library:
    version, runtime = _version(cupy), cupy.cuda.runtime
    cuda = ""
    try:
        cuda = _cuda_version(int(runtime.runtimeGetVersion()))
        devices = tuple(_cupy_device(runtime, index) for index in range(runtime.getDeviceCount()))
    except Exception as error:  # CUDARuntimeError where there is no driver; another where libraries of CUDA are missing
        return Library(version=version, cuda=cuda, problem=first_line(error))
    return Library(version=version, cuda=cuda, devices=devices)


def _cupy_device(runtime: Any, index: int) -> Device:
    facts = runtime.getDeviceProperties(index)
    name = facts["name"]
    text = name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)
    return Device(index, text, (int(facts["major"]), int(facts["minor"])), int(facts["totalGlobalMem"]))
