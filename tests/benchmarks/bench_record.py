"""Prints, as JSON, what a record costs: a frame's line, by size and depth, and its share of a repair.

    python tests/benchmarks/bench_record.py [--frames 32] [--repeats 5]

A line is written as the engine does it, hashing included, for a frame with a hole of 1/16 and for one without. A sample
is one of any plane. Beside it stands one SHA-256 of as many bytes. The share is that of a whole repair of 432x240 with
a moving box of 1/16, all frames in order, on one thread: with a record and without, by turns. All times are the
processor's.
"""

import argparse
import hashlib
import itertools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import measured
import numpy as np

measured.use_checkout()

import lender  # noqa: E402  which needs the path
import scenes  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

from vsdfvi.engine.account import Repair  # noqa: E402
from vsdfvi.engine.propagation import HolePixels  # noqa: E402
from vsdfvi.engine.record import Record  # noqa: E402
from vsdfvi.frames.pixels import VideoFormat  # noqa: E402

SIZES = ((240, 432), (1080, 1920), (2160, 3840))
LINES = 1 << 20  # frames that a record is made for: each call is another frame


def repair_of(form: VideoFormat) -> Repair:
    """Return a repair of a box of 1/16 of the frame, half from the frame before and half from the next."""
    column, row = [], []
    for plane in range(form.planes):
        height, width = form.plane_shape(plane)
        rows, columns = np.mgrid[height // 4 : height // 2, width // 4 : width // 2].astype(np.int32)
        column.append(columns.ravel())
        row.append(rows.ravel())
    x, y = column[0], row[0]
    samples = tuple(np.zeros(each.size, form.dtype) for each in column)
    cover = tuple(np.zeros((each.size, 1), np.int32) for each in column)
    distance = np.where(x % 2, -1, 1).astype(np.int32)
    pixels = HolePixels(x, y, tuple(column), tuple(row), cover)
    return Repair(pixels, samples, distance, np.ones(x.size, np.float32), np.ones(x.size, np.uint8))


def line(size: tuple[int, int], bits: int, repeats: int, folder: Path) -> dict[str, object]:
    """Return what one frame's line costs."""
    form = scenes.video_format(bits=bits, size=size, frames=1)
    random = np.random.default_rng(1)
    planes: tuple[NDArray, ...] = tuple(
        random.integers(0, 1 << bits, form.plane_shape(plane)).astype(form.dtype) for plane in range(form.planes)
    )
    samples = sum(plane.size for plane in planes)
    repair, numbers = repair_of(form), itertools.count()
    record = Record(str(folder / f"{size[1]}x{size[0]}, {bits} bit"), {}, LINES)

    def repaired() -> None:
        with record.repaired(next(numbers), repair, planes):
            pass

    def stated() -> None:
        record.handed_through(next(numbers), planes)

    whole = b"".join(plane.tobytes() for plane in planes)
    calls = {"repaired": repaired, "without a hole": stated, "sha256": lambda: hashlib.sha256(whole).digest()}
    taken = {name: cpu_seconds(call, repeats) for name, call in calls.items()}
    record.close()
    return {
        "ms": {name: measured.spread([1e3 * value for value in values]) for name, values in taken.items()},
        "ns_per_sample": {name: round(1e9 * float(np.median(values)) / samples, 3) for name, values in taken.items()},
    }


def cpu_seconds(call: Callable[[], object], repeats: int) -> list[float]:
    """Return the processor's time of each call, after one that warms up: others use the machine too."""
    call()
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        taken.append(time.process_time() - start)
    return taken


def share(frames: int, repeats: int, folder: Path) -> dict[str, object]:
    """Return seconds of the processor for a repair with a record and without, by turns."""
    form = scenes.video_format(size=(240, 432), frames=frames)
    mask = scenes.box(form, (60, 108), (108, 90), (108 / frames, 0.0))
    scene = scenes.translation(form, (0.5, 0.25), mask)
    taken: dict[str, list[float]] = {"without": [], "with": []}
    for repeat in range(repeats):
        for name, values in taken.items():
            path = str(folder / f"share {repeat}") if name == "with" else ""
            lent = lender.of_scene(scene, record=path)
            lent.render(0)  # imports and first calls
            start = time.process_time()
            lent.film()
            values.append(time.process_time() - start)
            lent.inpainter.close()
    return {name: measured.spread(values) for name, values in taken.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lines = {
            f"{size[1]}x{size[0]}, {bits} bit": line(size, bits, given.repeats, Path(folder))
            for size in SIZES
            for bits in (8, 10)
        }
        results = {"line": lines, "cpu_seconds": share(given.frames, given.repeats, Path(folder))}
    measured.show("record", results, frames=given.frames)


if __name__ == "__main__":
    main()
