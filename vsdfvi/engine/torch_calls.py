"""How the engine calls networks: with a fixed number of threads, and with errors that say what to change."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from vsdfvi.errors import EngineError, SettingError, VsdfviError
from vsdfvi.kernels import HOST, Device

THREADS = 1
"""Of torch, in every call of a network, whatever the machine has.

Convolutions round otherwise when their work is cut for another number of threads: DeepFill gave other bytes for 96x128
pixels with 1, 2, 3, 4 and 8 of them (torch 2.15), and a frame would depend on the machine's cores. Any fixed number
does; but threads of torch wait for each other by spinning, and the cores beside a filter are busy, with an encoder as a
rule. On two busy cores 240x432 pixels took 1.7 s with one thread and 7 s with two. (Nov 2026)
"""


@contextmanager
def torch_call(
    setting: str, value: str, size: tuple[int, int], instead: str, device: Device = HOST, *, half: bool = False
) -> Iterator[None]:
    """Run what is inside with the fixed number of threads, and put the number of before back.

    Args:
        setting, value: What asked for the network.
        size: (height, width) of the picture that it is given.
        instead: The value of the setting that needs no network.
        device: Where it computes.
        half: Convolutions and products of matrices in half precision, where a GPU computes them.

    Raises:
        EngineError: Memory runs out, or torch fails otherwise. Errors of vsdfvi's own pass as they are.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    try:
        if device.is_host:
            yield
        else:
            with _steady(), torch.autocast("cuda", torch.float16, enabled=half and torch.cuda.is_available()):
                yield
    except (VsdfviError, RuntimeError, MemoryError) as error:
        height, width = size
        got = f"got {value!r} for {width}x{height} pixels"
        advice = f"repair less at a time (the mask, dilate), lower memory, or set {setting} to {instead!r}"
        if _lacks_memory(error):
            raise EngineError(
                f"{setting} must be what memory suffices for, {got}, which ran out of it: {advice}"
            ) from error
        if isinstance(error, VsdfviError):
            raise
        raise EngineError(
            f"{setting} must be what runs here, {got}, which failed ({_first_line(error)}): {advice}"
        ) from error
    finally:
        torch.set_num_threads(before)


def _lacks_memory(error: BaseException) -> bool:
    """Whether memory is what an error is about: torch has a type for that on a GPU, and a sentence on a CPU."""
    if isinstance(error, SettingError):
        return error.name == "budget_bytes"  # scores of attention for a picture of ten thousand by ten thousand
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return "DefaultCPUAllocator" in str(error)  # a program's failure repeats it


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]


@contextmanager
def _steady() -> Iterator[None]:
    """Have cuDNN compute the same bits every time. Its flags are the process's, so one thread may do this at a time.

    The fastest of its algorithms differs from run to run. TF32, torch's default, keeps ten bits of a number: half
    precision is asked for by name here, or not used.
    """
    cudnn = torch.backends.cudnn
    before = cudnn.deterministic, cudnn.benchmark, cudnn.allow_tf32
    cudnn.deterministic, cudnn.benchmark, cudnn.allow_tf32 = True, False, False
    try:
        yield
    finally:
        cudnn.deterministic, cudnn.benchmark, cudnn.allow_tf32 = before


def placed[Network: nn.Module](network: Network, device: Device, *, half: bool) -> Network:
    """The network on a device. For half precision on a GPU its weights lie channels last, for fast convolutions."""
    place = device.torch_device()
    network = network.to(place)
    if half and place.type == "cuda":
        network = network.to(memory_format=torch.channels_last)
    return network
