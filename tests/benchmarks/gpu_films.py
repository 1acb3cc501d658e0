"""What ``bench_gpu.py`` says of films: frames a second, where the time goes, and memory."""

import functools
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import measured
import torch
from gpu.films import Film, Lender

from vsdfvi.engine import bridging, dfc, footage, inpainter, synthesis
from vsdfvi.kernels import Device
from vsdfvi.kernels import device as kernels_device

if TYPE_CHECKING:
    from bench_gpu import Scale

STAGES: tuple[tuple[Any, str, str], ...] = (
    (footage.Footage, "hole", "holes, by the host"),
    (footage.Footage, "_make_cut", "cuts, by the host"),
    (footage.Footage, "_make_flow", "flow"),
    (dfc.CompactCompletion, "__call__", "network"),
    (bridging.BridgedCompletion, "__call__", "across the hole"),
    (footage.Footage, "_make_source", "sources"),
    (inpainter, "trace", "walks and samples"),
    (synthesis, "_make_keyframe", "invented"),
    (inpainter, "synthesise", "blending"),
    (kernels_device.Cuda, "_stage", "staging of uploads"),
)
"""Functions of the engine that are stages, and what they are called. Time is what one takes without the others."""

TOP = 10  # kernels that a profile names


def measure(film: Film, device: Device, scale: "Scale", settings: dict[str, Any]) -> dict[str, Any]:
    """Return speed of a film, its stages and its memory."""
    device.release()
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    with device.active():
        free_before = device.free_bytes()
    lender = Lender(film, **settings)
    try:
        begun = time.perf_counter()
        lender.render(scale.warm - 1)
        first = time.perf_counter() - begun
        rates, cpu, counts, at = _blocks(lender, device, scale)
        with stages(device) as spent:
            begun = time.perf_counter()
            for n in range(at, at + scale.block):
                lender.render(n)
            _wait(device)
            spent["rest"] = time.perf_counter() - begun - sum(spent.values())
        pool = device.arrays.get_default_memory_pool()
        return {
            "frames_per_s": measured.spread(rates, 2),
            "ms_per_frame": measured.spread([1e3 / rate for rate in rates], 2),
            "host_cpu_ms_per_frame": round(1e3 * cpu, 2),
            "first_frame_s": round(first, 3),
            "hole_%": round(100 * float(film.hole(scale.warm).mean()), 2),
            "invented_%": round(100 * counts["DfviInvented"] / max(1, counts["DfviHole"]), 1),
            "ms_per_frame_by_stage": {name: round(1e3 * taken / scale.block, 2) for name, taken in spent.most_common()},
            "on_the_gpu": gpu_profile(lender, device, at, scale),
            "memory_MiB": {
                "kept_by_the_engine": _mib(lender.inpainter.statistics()["device_cache_bytes"]),
                "pool_of_cupy": _mib(pool.total_bytes()),
                "peak_of_torch": _mib(torch.cuda.max_memory_reserved()) if torch.cuda.is_available() else 0.0,
                "of_the_device": _mib(free_before - device.free_bytes()),
            },
            "peak_resident_MiB": measured.peak_mib(),
        }
    finally:
        lender.inpainter.close()
        device.release()


def _mib(size_bytes: int) -> float:
    return round(size_bytes / 2**20, 1)


def _wait(device: Device) -> None:
    if not device.is_host:
        device.arrays.cuda.Device().synchronize()


def _blocks(lender: Lender, device: Device, scale: "Scale") -> tuple[list[float], float, Counter[str], int]:
    """Frames a second of each block, seconds of the processor a frame, what was invented, and the frame after."""
    rates, counts, n = [], Counter[str](), scale.warm
    processor, begun = time.process_time(), time.perf_counter()
    for _ in range(scale.blocks):
        _wait(device)
        block = time.perf_counter()
        for _ in range(scale.block):
            lender.render(n)
            counts.update({name: lender.properties.get(name, 0) for name in ("DfviHole", "DfviInvented")})
            n += 1
        _wait(device)
        rates.append(scale.block / (time.perf_counter() - block))
        if time.perf_counter() - begun > scale.seconds:
            break
    return rates, (time.process_time() - processor) / (n - scale.warm), counts, n


@contextmanager
def stages(device: Device) -> Iterator[Counter[str]]:
    """Time spent in each stage. The device is waited for at both ends of each, so that the whole is slower."""
    spent: Counter[str] = Counter()
    inside: list[float] = []

    def timed(label: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            _wait(device)
            inside.append(0.0)
            begun = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                _wait(device)
                taken = time.perf_counter() - begun
                spent[label] += taken - inside.pop()
                if inside:
                    inside[-1] += taken

        return run

    kept = [(owner, name, getattr(owner, name)) for owner, name, _ in STAGES]
    kept.append((synthesis, "trace", synthesis.trace))  # key frames trace too, by a name of their own
    for owner, name, label in STAGES:
        setattr(owner, name, timed(label, getattr(owner, name)))
    synthesis.trace = inpainter.trace
    try:
        yield spent
    finally:
        for owner, name, function in kept:
            setattr(owner, name, function)


def gpu_profile(lender: Lender, device: Device, at: int, scale: "Scale") -> dict[str, Any]:
    """Return how long the GPU computes for a frame, and its longest kernels, by CUPTI; those of CuPy are in it too."""
    if not torch.cuda.is_available():
        return {"failed": "torch sees no GPU"}
    frames = range(at + scale.block, min(at + 2 * scale.block, lender.film.format.frames))
    try:
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
            for n in frames:
                lender.render(n)
            _wait(device)
        found = {event.key: (event.self_device_time_total, event.count) for event in profile.key_averages()}
    except Exception as error:  # a profile is worth having, and no reason to lose the rest
        return {"failed": f"{type(error).__name__}: {error}"[:300]}
    longest = sorted(found.items(), key=lambda each: -each[1][0])[:TOP]
    count = max(1, len(frames))
    return {
        "ms_per_frame": round(sum(taken for taken, _ in found.values()) / 1e3 / count, 3),
        "launches_per_frame": round(sum(times for _, times in found.values()) / count, 1),
        "longest": {
            key[:80]: {"ms_per_frame": round(taken / 1e3 / count, 3), "per_frame": round(times / count, 1)}
            for key, (taken, times) in longest
        },
    }


def on_the_cpu(film: Film, scale: "Scale", settings: dict[str, Any]) -> float:
    """Return frames a second of the same film on this machine's cores, of one block after the first frame."""
    lender = Lender(film, **{**settings, "device": "cpu"})
    try:
        lender.render(scale.warm - 1)
        begun = time.perf_counter()
        for n in range(scale.warm, scale.warm + scale.block):
            lender.render(n)
        return round(scale.block / (time.perf_counter() - begun), 2)
    finally:
        lender.inpainter.close()
