"""Measures the filter on a GPU: kernels beside a plain copy, frames a second, stages, memory, first frames.

    python tests/benchmarks/bench_gpu.py [--quick] [--minutes 5] [--only kernels,first,films] [--case 0]
                                         [--out gpu.json] [--stand-in]

Prints a table in Markdown; with ``--out`` the same and more as JSON, written anew after each part, so that nothing is
lost where time runs out. Films are made before they are repaired: a camera pans over a landscape, with grain, 8 bits,
4:2:0. An engine repairs them frame by frame on one thread, as the plugin has it do; decoding and VapourSynth are not in
it. What is measured begins when everything around the first frame is known, and goes on for blocks of 12 frames, of
which each has one key frame. ``--stand-in`` runs it all, tiny, on a stand-in for a GPU: to see that it runs.
"""

import time

_BEGUN = time.perf_counter()  # before anything is imported: a first frame waits for that, too

import argparse  # noqa: E402
import hashlib  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import platform  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
from concurrent.futures import ThreadPoolExecutor  # noqa: E402
from contextlib import nullcontext  # noqa: E402
from dataclasses import dataclass  # noqa: E402
from functools import lru_cache  # noqa: E402
from itertools import product  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import measured  # noqa: E402

measured.use_checkout()

from gpu.films import Film, Lender  # noqa: E402  which needs the path

BLOCK = 12  # frames: one key frame in each, by default
PARTS = ("kernels", "first", "films")
CHILD_S = 120


@dataclass(frozen=True, slots=True)
class Case:
    """A film to repair, by the name of its damage."""

    width: int
    height: int
    kind: str
    note: str = ""

    @property
    def name(self) -> str:
        return f"{self.width}x{self.height}, {self.kind}{self.note}"


CASES = (
    Case(432, 240, "whole frame"),
    Case(1920, 1080, "logo", " 2 %"),
    Case(1920, 1080, "scratch"),
    Case(1920, 1080, "object", " 10 %"),
    Case(1280, 720, "logo", " 2 %"),
    Case(1280, 720, "scratch"),
    Case(1280, 720, "object", " 10 %"),
    Case(3840, 2160, "scratch"),
)
FIRST = (CASES[0], CASES[1])


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured.

    Attributes:
        blocks: Of frames, of each film.
        seconds: After which a film ends, once it has had a block.
        smaller: By which sizes of films are divided.
        settings: Of the filter, beside its defaults.
    """

    blocks: int
    seconds: float
    repeats: int
    halves: tuple[int, ...]
    block: int = BLOCK
    smaller: int = 1
    buffer_bytes: int = 256 << 20
    settings: tuple[tuple[str, Any], ...] = ()

    def film(self, case: Case) -> Film:
        """Return a case's film, long enough, all of its frames made as they are wanted first."""
        size = tuple(max(48, extent // self.smaller // 4 * 4) for extent in (case.height, case.width))
        frames = self.warm + (self.blocks + 1) * self.block + self.ahead
        return Film.of(case.kind, size=size, frames=frames, kept=frames)

    @property
    def warm(self) -> int:
        """The frame after which everything around a frame is known."""
        return self.ahead

    @property
    def ahead(self) -> int:
        """Frames around a frame that may be looked at."""
        return dict(self.settings).get("radius", 24) + 14


FULL = Scale(blocks=6, seconds=60, repeats=50, halves=(0, 1))
QUICK = Scale(blocks=3, seconds=9, repeats=20, halves=(0,))
TINY = Scale(
    blocks=2, seconds=5, repeats=2, halves=(0,), block=2, smaller=10, buffer_bytes=1 << 16,
    settings=(("radius", 2), ("keyframe_interval", 2)),
)  # fmt: skip


@lru_cache(maxsize=1)
def film_of(scale: Scale, case: Case) -> Film:
    """Return a film whose frames are made; the last is kept, for who asks again."""
    film = scale.film(case)
    made(film, film.format.frames)
    return film


def made(film: Film, frames: int) -> None:
    """Make frames of a film now, so that nobody waits for them later."""
    film.lent(0)  # what all frames share is made once
    with ThreadPoolExecutor() as threads:
        list(threads.map(film.lent, range(min(frames, film.format.frames))))


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="less of everything: some four minutes")
    parser.add_argument("--minutes", type=float, default=60, help="begin no other film after so many")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, of " + ", ".join(PARTS))
    parser.add_argument("--case", type=int, help="one film, by its number from 0")
    parser.add_argument("--out", type=Path, help="where the JSON goes")
    parser.add_argument("--stand-in", action="store_true", help="tiny, without a GPU: says nothing of speed")
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.stand_in:
        from gpus import pretended

        place = pretended()
    else:
        place = nullcontext()
        from vsdfvi.engine import devices

        if options.child is None and (missing := devices.lacks(devices.probe())):
            print(f"No GPU is measured: {missing[0].text}.")
            return
    scale = TINY if options.stand_in else QUICK if options.quick else FULL
    with place:
        if options.child is not None:
            print(json.dumps(first_frame_of_a_process(scale, FIRST[options.child])))
            return
        report = Report(options, scale)
        report.write()
        for part in options.only.split(","):
            {"kernels": kernels, "films": films, "first": first_frames}[part](report)
    print(report.table())


class Report:
    """What is found, and where."""

    def __init__(self, options: argparse.Namespace, scale: Scale) -> None:
        from vsdfvi.kernels.device import Cuda

        self.options, self.scale = options, scale
        self.device = Cuda(0)
        self.results: dict[str, Any] = {}
        self._where = self._machine()

    def _machine(self) -> dict[str, Any]:
        import cv2
        import numpy as np
        import torch

        cupy = self.device.arrays
        facts = cupy.cuda.runtime.getDeviceProperties(0)
        name = facts["name"]
        commit = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=measured.ROOT, capture_output=True, text=True, check=False
        )
        texts = sorted(measured.ROOT.glob("vsdfvi/**/*.py")) + sorted(measured.ROOT.glob("vsdfvi/**/*.h"))
        digest = hashlib.sha256(b"".join(path.read_bytes() for path in texts)).hexdigest()
        return {
            "subject": "the filter on a GPU",
            "stand_in": self.options.stand_in,
            "quick": self.options.quick,
            "commit": commit.stdout.strip() or None,
            "package_sha256": digest[:16],
            "device": {
                "name": name.decode() if isinstance(name, bytes) else str(name),
                "capability": f"{facts['major']}.{facts['minor']}",
                "processors": facts["multiProcessorCount"],
                "memory_GiB": round(facts["totalGlobalMem"] / 2**30, 1),
                "driver_serves_cuda": cupy.cuda.runtime.driverGetVersion(),
                "driver": driver_version(),
            },
            "machine": {"processor": platform.processor() or platform.machine(), "cores": len(os.sched_getaffinity(0))},
            "versions": {
                "python": platform.python_version(), "numpy": np.__version__, "opencv": cv2.__version__,
                "torch": torch.__version__, "cupy": cupy.__version__,
                "cuda_of_cupy": cupy.cuda.runtime.runtimeGetVersion(), "cuda_of_torch": torch.version.cuda,
            },
            "threads": len(os.sched_getaffinity(0)),
            "settings": dict(self.scale.settings),
            "seed": 1,
        }  # fmt: skip

    def write(self) -> None:
        """Write what there is so far."""
        if self.options.out:
            self.options.out.parent.mkdir(parents=True, exist_ok=True)
            whole = {**self._where, "peak_resident_MiB": measured.peak_mib(), "results": self.results}
            self.options.out.write_text(json.dumps(whole, indent=1, allow_nan=False), encoding="utf-8")

    def is_late(self) -> bool:
        """Whether no film is begun any more."""
        return time.perf_counter() - _BEGUN > 60 * self.options.minutes

    def note(self, text: str) -> None:
        print(f"[{time.perf_counter() - _BEGUN:6.1f} s] {text}", flush=True)

    def table(self) -> str:
        from gpu_table import markdown

        return markdown(self._where, self.results)


def driver_version() -> str | None:
    """Return the version of NVIDIA's driver, as the system has it."""
    path = Path("/proc/driver/nvidia/version")
    found = [word for word in path.read_text().split() if word[:1].isdigit()] if path.is_file() else []
    return found[0] if found else None


def kernels(report: Report) -> None:
    """Measure the copy, and kernels beside it."""
    import gpu_kernels

    device, scale = report.device, report.scale
    with device.active():
        clock = gpu_kernels.Clock(device, scale.buffer_bytes)
        copy = gpu_kernels.copy_bandwidth(clock, scale.repeats)
        report.results["copy"] = copy
        report.note("copy measured")
        tiny = report.options.stand_in
        rate = None if tiny else copy["GB_per_s"]["median"] * 1e9
        found = gpu_kernels.measure(device, clock, scale.repeats, tiny=tiny, bandwidth=rate)
        report.results["kernels"] = {"how": gpu_kernels.HOW, **found}
    report.device.release()
    report.note(f"{len(found)} kernels measured")
    report.write()


def films(report: Report) -> None:
    """Measure the whole filter."""
    import gpu_films

    found = report.results.setdefault("films", {})
    cases = CASES if report.options.case is None else (CASES[report.options.case],)
    for case, half in product(cases, report.scale.halves):
        name = case.name + (", fp16" if half else "")
        if report.is_late():
            report.results.setdefault("left_out", []).append(name)
            report.note(f"{name}: left out, time is up")
            report.write()
            continue
        film = film_of(report.scale, case)
        settings = {**dict(report.scale.settings), "device": "cuda", "fp16": half}
        found[name] = gpu_films.measure(film, report.device, report.scale, settings)
        report.note(f"{name}: {found[name]['frames_per_s']['median']} frames/s")
        report.write()
    case = cases[0]
    if report.is_late():
        return
    film = film_of(report.scale, case)
    on_cpu = gpu_films.on_the_cpu(film, report.scale, dict(report.scale.settings))
    found[case.name]["frames_per_s_cpu"] = on_cpu
    report.note(f"{case.name} on the CPU: {on_cpu} frames/s")
    report.write()


def first_frames(report: Report) -> None:
    """Measure how long a first frame takes: after a seek, and after the start of a process."""
    found = report.results.setdefault("first", {})
    for number, case in enumerate(FIRST):
        film = film_of(report.scale, case)
        settings = {**dict(report.scale.settings), "device": "cuda"}
        Lender(film, **settings).film_of(range(1))  # kernels are compiled, libraries are loaded
        runs = []
        for _ in range(3):
            begun = time.perf_counter()
            lender = Lender(film, **settings)
            opened = time.perf_counter()
            lender.render(report.scale.warm)
            runs.append((opened - begun, time.perf_counter() - opened))
            lender.inpainter.close()
        row: dict[str, Any] = {
            "open_s": measured.spread([run[0] for run in runs]),
            "after_a_seek_s": measured.spread([run[1] for run in runs]),
        }
        found[case.name] = row
        with tempfile.TemporaryDirectory() as folder:
            for state in ("nothing_compiled", "compiled"):
                row[f"process_{state}"] = in_a_process(report.options, number, folder)
        report.note(f"first frames of {case.name}")
        report.write()


def in_a_process(options: argparse.Namespace, number: int, cache: str) -> dict[str, Any]:
    """Return what a new process says of its first frame; compiled kernels are kept in a folder."""
    command = [sys.executable, __file__, "--child", str(number)]
    command += ["--stand-in"] if options.stand_in else ["--quick"]
    begun = time.perf_counter()
    process = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=CHILD_S,
        env={**os.environ, "CUPY_CACHE_DIR": cache},
    )
    if process.returncode:
        return {"failed": process.stderr.strip().splitlines()[-1:]}
    said: dict[str, Any] = json.loads(process.stdout.splitlines()[-1])
    return {**said, "process_s": round(time.perf_counter() - begun, 3)}


def first_frame_of_a_process(scale: Scale, case: Case) -> dict[str, Any]:
    """Return what stands between the start of this process and its first frame; the film is there."""
    imported = time.perf_counter() - _BEGUN
    film = scale.film(case)
    made(film, 2 * scale.warm + 1)
    begun = time.perf_counter()
    lender = Lender(film, device="cuda", **dict(scale.settings))
    opened = time.perf_counter()
    lender.render(scale.warm)
    done = time.perf_counter()
    lender.inpainter.close()
    return {
        "import_s": round(imported, 3), "open_s": round(opened - begun, 3), "frame_s": round(done - opened, 3),
        "all_s": round(imported + done - begun, 3),
    }  # fmt: skip


if __name__ == "__main__":
    main()
