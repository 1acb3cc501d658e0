"""What ``bench_gpu.py`` says of kernels: microseconds, and bytes moved beside what a plain copy moves."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import measured
from gpu import kernel_work, walk_work
from gpu.kernel_work import Work

from vsdfvi.kernels import Device, _gpu, _launch

SWEEPS = 16
"""Of the over-relaxation that is measured: as many as one of its runs over a plane takes, roughly."""

READ_AND_WRITTEN = {
    "trace_step": ("x", "y", "error", "state"),
    "trace_walk": ("x", "y", "error", "state"),
    "blend_sources": ("blend",),
    "paper_merge": ("filled", "origin_frame", "origin_place", "invented"),
    "laplace_settle": ("planes",),
    "meld_settle": ("planes",),
}
"""Arrays that a kernel reads and writes. Of all others its text says by ``const`` which of the two it does."""

HOW = (
    "bytes moved: every array that a kernel takes, once if it is read or written, twice if both; laplace_settle as "
    f"often as it sweeps ({SWEEPS} times), though its planes stay in the cache. What several threads read counts once. "
    "Of frames that a call is given the addresses of, all counts, though a walk may not come to them. "
    "Before each launch a copy of the buffers below empties the cache, and keeps the device busy while the launch is "
    "prepared, so that its time is the kernel's alone"
)


@dataclass(slots=True)
class Launch:
    """A launch that was made once, to be made again: its arrays, as they were before."""

    name: str
    span: tuple[int, int]
    before: tuple[Any, ...]
    how: dict[str, Any]
    arrays: list[tuple[Any, Any]]  # as it stands, as it was

    def restore(self) -> None:
        for array, was in self.arrays:
            array[...] = was

    def moved_bytes(self) -> int:
        """Return what must be moved at least; ``HOW`` says how it is counted."""
        text = (_gpu.FOLDER / _gpu.headers()[self.name]).read_text(encoding="utf-8")
        declared = re.search(rf"^VSDFVI_KERNEL {self.name}\(([^)]*)\)", text, re.MULTILINE)
        assert declared is not None
        total = sum(array.nbytes for array in self.how.get("alive", ()))
        for parameter, value in zip(declared[1].split(","), self.before, strict=False):
            if "*" in parameter:
                name = parameter.split("*")[-1].split()[-1]
                total += value.nbytes * (2 if name in READ_AND_WRITTEN.get(self.name, ()) else 1)
        return total * (SWEEPS if self.name == "laplace_settle" else 1)


@contextmanager
def recorded() -> Iterator[dict[str, Launch]]:
    """Of each kernel that is launched inside, its largest launch."""
    kept: dict[str, Launch] = {}
    prepared = _launch.prepared

    def record(name: str, span: tuple[int, int], *before: Any, **how: Any) -> Callable[[], None]:
        size = sum(value.nbytes for value in before if hasattr(value, "nbytes"))
        if name not in kept or size > sum(array.nbytes for array, _ in kept[name].arrays):
            arrays = [(value, value.copy()) for value in before if hasattr(value, "nbytes")]
            kept[name] = Launch(name, span, before, how, arrays)
        return prepared(name, span, *before, **how)

    _launch.prepared = record
    try:
        yield kept
    finally:
        _launch.prepared = prepared


class Clock:
    """Times work of a device by its events, the cache empty and the device busy before each piece.

    Args:
        buffer_bytes: Of each of the two buffers that are copied between: larger than any cache.
    """

    def __init__(self, device: Device, buffer_bytes: int) -> None:
        self.device, self.buffer_bytes = device, buffer_bytes
        self._from, self._to = (device.arrays.zeros(buffer_bytes, "uint8") for _ in range(2))

    def fill_queue(self) -> None:
        self.device.arrays.copyto(self._to, self._from)

    def seconds(
        self, work: Callable[[], object], repeats: int, before: Callable[[], object] = lambda: None
    ) -> tuple[list[float], list[float]]:
        """Return the device's time of each repeat, and the host's, after three that warm up."""
        cuda = self.device.arrays.cuda
        there, here, events = [], [], []
        for _ in range(repeats + 3):
            before()
            self.fill_queue()
            pair = cuda.Event(), cuda.Event()
            pair[0].record()
            begun = time.perf_counter()
            work()
            here.append(time.perf_counter() - begun)
            pair[1].record()
            events.append(pair)
        for first, last in events:
            last.synchronize()
            there.append(cuda.get_elapsed_time(first, last) / 1e3)
        return there[3:], here[3:]


def copy_bandwidth(clock: Clock, repeats: int) -> dict[str, Any]:
    """Return bytes that a copy from the device to itself moves in a second, read and written counted both."""
    there, _ = clock.seconds(clock.fill_queue, repeats)
    moved = 2 * clock.buffer_bytes
    return {
        "buffer_MiB": clock.buffer_bytes / 2**20,
        "us": measured.spread([1e6 * taken for taken in there], 1),
        "GB_per_s": measured.spread([moved / taken / 1e9 for taken in there], 1),
    }


def works(tiny: bool) -> dict[str, Work]:
    """Return what each kernel is given, of frames of 1920x1080: a million trajectories and more."""
    size, items = ((108, 192), 600) if tiny else ((1080, 1920), 1 << 20)
    half = size[0] // 2, size[1] // 2
    return {
        "trajectories, flow at half the size": kernel_work.trace(size, items, scale=2, stop=True, spoiled=0),
        "trajectories of 5 steps, flow at half the size": walk_work.walked(size, items, scale=2, spoiled=0),
        "pixels followed for 5 steps": walk_work.followed(size, items // 4, scale=2, spoiled=0),
        "samples of 3 planes": walk_work.sampled(size, items // 2, turns=2, spoiled=0),
        "samples of 3 planes, blended": walk_work.blended(size, items, spoiled=0),
        "48 rings of 4,000 samples": walk_work.lit(48, 4000, 2),
        "the same, moved": walk_work.drifted(48, 4000, 2),
        "samples of a plane": kernel_work.lanczos(size, items, spoiled=0),
        "flow at ends": kernel_work.flow_ends(size, items, scale=2, spoiled=0),
        "links of 1.7 M pixels": kernel_work.links(size, spoiled=0),
        "names carried": kernel_work.names_carried(2 * items),
        "names merged": kernel_work.names_merged(2 * items),
        "4 planes, to half": kernel_work.restricted(size, 4, spoiled=0),
        "4 planes, from half": kernel_work.prolonged(size, 4, share=1.0, spoiled=0),
        f"4 planes of a quarter, {SWEEPS} sweeps": kernel_work.settled(
            (half[0] // 2, half[1] // 2), 4, share=1.0, sweeps=SWEEPS, tolerance=0.0, spoiled=0
        ),
        "4 planes, moved": kernel_work.warped(size, 4, spoiled=0),
        "4 planes, median": kernel_work.medians(size, 4),
        "flow of a pair at half the size": kernel_work.searched(half, started=True),
        "the same, searched to a quarter": kernel_work.searched(half, full=False),
        "a hole of 1/9 of a picture at half the size": kernel_work.patched(
            half, hole=(half[0] // 3, half[1] // 3), melded=True
        ),
    }


def measure(device: Device, clock: Clock, repeats: int, *, tiny: bool, bandwidth: float | None) -> dict[str, Any]:
    """Return time, bytes and share of a copy's bandwidth of every kernel.

    Args:
        bandwidth: Bytes a second of a copy; None where shares would say nothing.
    """
    found: dict[str, Any] = {}
    for what, work in works(tiny).items():
        with recorded() as launches:
            work(device)
        for name, launch in launches.items():
            if name in found:
                continue
            run = _launch.prepared(name, launch.span, *launch.before, **launch.how)
            there, here = clock.seconds(run, repeats, launch.restore)
            moved = launch.moved_bytes()
            row = {
                "what": what,
                "us": measured.spread([1e6 * taken for taken in there], 1),
                "host_us": measured.spread([1e6 * taken for taken in here], 1),
                "moved_MiB": round(moved / 2**20, 2),
            }
            if bandwidth:
                rates = [moved / taken for taken in there if taken > 0]
                row["GB_per_s"] = measured.spread([rate / 1e9 for rate in rates], 1)
                row["of_copy"] = round(row["GB_per_s"]["median"] * 1e9 / bandwidth, 3)
            found[name] = row
            del run
        launches.clear()
        device.release()
    return found
