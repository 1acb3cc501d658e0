"""Prints, as JSON, what the kernels of tracing, sampling and smooth filling cost, on one thread and on several.

    python tests/benchmarks/bench_kernels.py [--repeats 21] [--threads 2]

Sizes are those of a frame of 432x240 with a hole of 1/16, and of a hole of 2 % at 1080p. Beside each kernel stands
what a general library does for the same arrays: OpenCV's remap for sampling, NumPy copies for memory.
"""

import argparse
from collections.abc import Callable
from typing import Any

import cv2
import measured
import numpy as np

measured.use_checkout()

from vsdfvi.kernels import Plane, Workers, pack, sample_lanczos, trace_step  # noqa: E402  which needs the path
from vsdfvi.kernels.laplace import laplace_fill  # noqa: E402

SEED = 1
CASES = {"432x240, 1/16": ((240, 432), (60, 108)), "1920x1080, 2 %": ((1080, 1920), (144, 288))}  # frame, hole


class Case:
    """Arrays of one frame: smooth flow on the whole of it, and a hole in its middle."""

    def __init__(self, size: tuple[int, int], hole: tuple[int, int]) -> None:
        random = np.random.default_rng(SEED)
        self.size = size
        top, left = (size[0] - hole[0]) // 2, (size[1] - hole[1]) // 2
        y, x = np.mgrid[top : top + hole[0], left : left + hole[1]].astype(np.int32)
        self.x, self.y = x.ravel(), y.ravel()
        self.hole = Plane(left, top, np.ones(hole, np.uint8))
        self.mask = self.hole.crop(0, 0, size[1], size[0])
        rows, columns = np.mgrid[: size[0], : size[1]].astype(np.float32)
        wave = np.stack([1.3 + np.sin(rows / 40), 0.6 * np.cos(columns / 50)]).astype(np.float32)
        self.flow = pack([(0, 0)], [np.concatenate([wave, -wave])])
        self.picture = random.uniform(0, 255, size).astype(np.float32)
        self.source = pack([(0, 0)], [self.picture[None]])
        self.count = self.x.size
        self.end = tuple((at + random.uniform(-3, 3, self.count)).astype(np.float32) for at in (self.x, self.y))

    def trace(self) -> None:
        """One step of every hole pixel."""
        walkers = self.x.astype(np.float32), self.y.astype(np.float32), np.zeros(self.count, np.float32)
        state = np.zeros(self.count, np.int32)
        trace_step(
            *walkers, state, self.flow, self.hole, size=self.size, later=True, step=1, stop=True, scale=1, limit=1.5
        )

    def sample(self) -> None:
        """One plane of every hole pixel."""
        out, got = np.zeros(self.count, np.float32), np.zeros(self.count, np.uint8)
        sample_lanczos(
            self.source, self.x, self.y, np.arange(self.count, dtype=np.int32), (self.x, self.y), self.end,
            np.ones(self.count, np.int32), out, got, step=1, subsampling=(0, 0),
        )  # fmt: skip

    def remap(self) -> None:
        """The same by OpenCV: its kernel is as wide, its weights are coarser."""
        shape = self.hole.samples.shape
        cv2.remap(self.picture, *(at.reshape(shape) for at in self.end), cv2.INTER_LANCZOS4)

    def smooth(self) -> None:
        """The hole of one plane, filled."""
        laplace_fill(self.picture[None], self.mask, 0.25)

    def copy(self) -> None:
        """The hole's bytes, copied once: what memory alone costs."""
        self.picture[self.mask != 0].copy()


def cost(function: Callable[[], None], items: int, repeats: int) -> dict[str, Any]:
    """Return nanoseconds a hole sample."""
    return measured.spread([1e9 * taken / items for taken in measured.seconds(function, repeats)], 2)


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=21)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    results: dict[str, Any] = {}
    for name, arrays in CASES.items():
        case = Case(*arrays)
        kernels = {"trace_step": case.trace, "sample_lanczos": case.sample, "laplace_fill": case.smooth}
        beside = {"OpenCV remap, Lanczos": case.remap, "copy": case.copy}
        found: dict[str, Any] = {"hole_samples": case.count}
        for threads in sorted({1, options.threads}):
            workers = Workers(threads)
            with workers.active():
                found[f"{threads} threads"] = {
                    kernel: cost(function, case.count, options.repeats) for kernel, function in kernels.items()
                }
            workers.close()
        found["beside, 1 thread"] = {other: cost(call, case.count, options.repeats) for other, call in beside.items()}
        results[name] = found
    results["peak_MiB"] = measured.peak_mib()
    measured.show("kernels, ns per sample of the hole", results, seed=SEED)


if __name__ == "__main__":
    main()
