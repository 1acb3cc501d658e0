"""Prints, as JSON, how much faster propagation by the rule of DFVI is than a plain NumPy statement of it.

    python tests/benchmarks/bench_propagation.py [--frames 24] [--repeats 7] [--threads 2]

Both get the same completed flows at 432x240 and the same holes, and do one iteration: forward, backward, merge. The
statement is written as the authors' program has it: whole frames, one image warp for colours and one for stamps, each
with its own geometry. The kernels' side is what the engine does for a block, from hole and packed flow to the colours
of the hole, launch for launch. Both results are compared before anything is measured. Holes have two sizes, since
kernels look at hole pixels alone.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT)] if not any((Path(path) / "vsdfvi").is_dir() for path in sys.path) else []
if (ROOT / "build" / "plugins").is_dir():
    os.environ.setdefault("VAPOURSYNTH_EXTRA_PLUGIN_PATH", str(ROOT / "build" / "plugins"))

from vsdfvi.kernels import Packed, Workers, pack  # noqa: E402  which needs the path
from vsdfvi.kernels.paper import carry_names, link_pixels, merge_names, number_pixels  # noqa: E402

SIZE = (240, 432)  # height, width
LIMIT = 5.0  # pixels
SEED = 1
HOLES = {"1/16 of the frame": (60, 108), "1/4 of the frame": (120, 216)}  # height, width


def make_clip(frames: int, hole: tuple[int, int]) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Return colours ``(T, H, W, 3)``, holes, and smooth flow both ways that passes the test nearly everywhere."""
    height, width = SIZE
    random = np.random.default_rng(SEED)
    colours = random.integers(0, 256, (frames, height, width, 3)).astype(np.float32)
    holes = np.zeros((frames, height, width), bool)
    for t in range(frames):
        left = (width - hole[1]) // 2 + 3 * (t - frames // 2)
        holes[t, (height - hole[0]) // 2 :, max(0, left) : left + hole[1]][: hole[0]] = True
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    wave = np.stack([1.3 + np.sin(y / 40), 0.6 * np.cos(x / 50)]).astype(np.float32)
    flow_fw = np.stack([wave + np.float32(0.01 * t) for t in range(frames - 1)])
    return colours, holes, flow_fw, -flow_fw


# The plain statement.


def bilinear(flow: NDArray, x: NDArray, y: NDArray) -> NDArray:
    """Flow ``(2, H, W)`` at positions inside the picture."""
    x0, y0 = np.floor(x).astype(np.int32), np.floor(y).astype(np.int32)
    x1, y1 = np.minimum(x0 + 1, flow.shape[2] - 1), np.minimum(y0 + 1, flow.shape[1] - 1)
    wx, wy = x - x0.astype(np.float32), y - y0.astype(np.float32)
    one = np.float32(1)
    top = (one - wx) * flow[:, y0, x0] + wx * flow[:, y0, x1]
    bottom = (one - wx) * flow[:, y1, x0] + wx * flow[:, y1, x1]
    return (one - wy) * top + wy * bottom


def warp(label: NDArray, out: NDArray, back: NDArray, fill: float) -> NDArray:
    """The neighbour's label image ``(H, W, ...)`` as this frame sees it."""
    height, width = out.shape[1:]
    y, x = (axis.ravel() for axis in np.mgrid[0:height, 0:width].astype(np.float32))
    out_x, out_y = out.reshape(2, -1)
    qx, qy = x + out_x, y + out_y
    inside = np.flatnonzero((qx >= 0) & (qx < width - 1) & (qy >= 0) & (qy < height - 1))
    x, y, out_x, out_y, qx, qy = (values[inside] for values in (x, y, out_x, out_y, qx, qy))
    back_x, back_y = bilinear(back, qx, qy)
    gap_x, gap_y = (qx + back_x) - x, (qy + back_y) - y
    half = np.float32(0.5)
    ex, ey = x + (out_x - back_x) * half, y + (out_y - back_y) * half
    passed = np.sqrt(gap_x * gap_x + gap_y * gap_y) < np.float32(LIMIT)
    passed &= (ex >= 0) & (ex < width - 1) & (ey >= 0) & (ey < height - 1)
    warped = np.full((height * width, *label.shape[2:]), fill, label.dtype)
    column, row = np.rint(ex[passed]).astype(np.int32), np.rint(ey[passed]).astype(np.int32)
    warped[inside[passed]] = label[row, column]
    return warped.reshape(label.shape)


def statement(colours: NDArray, holes: NDArray, flow_fw: NDArray, flow_bw: NDArray) -> tuple[NDArray, NDArray]:
    """Colours after one iteration, and what is still missing."""
    count = len(colours)
    sides = []
    for step in (1, -1):
        colour, stamp = [None] * count, [None] * count
        order = range(count) if step > 0 else range(count - 1, -1, -1)
        for t in order:
            if t == order[0]:
                colour[t], stamp[t] = np.where(holes[t][..., None], 0, colours[t]), np.where(holes[t], -1, t)
                continue
            pair = t - 1 if step > 0 else t
            out, back = (flow_bw[pair], flow_fw[pair]) if step > 0 else (flow_fw[pair], flow_bw[pair])
            colour[t] = warp(colour[t - step], out, back, 0)
            stamp[t] = warp(stamp[t - step], out, back, -1)
            colour[t][~holes[t]], stamp[t][~holes[t]] = colours[t][~holes[t]], t
        sides.append((np.stack(colour), np.stack(stamp)))
    (forward, stamp_forward), (backward, stamp_backward) = sides
    t = np.arange(count)[:, None, None]
    apart = np.maximum(stamp_backward - stamp_forward, 1)
    later = (stamp_forward == -1) | ((stamp_backward != -1) & ((t - stamp_forward) / apart > 0.5))
    return np.where(later[..., None], backward, forward), (stamp_forward == -1) & (stamp_backward == -1)


# The kernels.


def by_kernels(colours: NDArray, holes: NDArray, flows: list[Packed], workers: Workers) -> tuple[NDArray, NDArray]:
    """Colours of the hole pixels, frame after frame, and which are still missing: by links and names."""
    count, height, width = holes.shape
    places = [np.flatnonzero(hole).astype(np.int32) for hole in holes]
    ends = np.cumsum([place.size for place in places])
    spans = [(int(end) - place.size, int(end)) for end, place in zip(ends, places, strict=True)]
    y, x = np.divmod(np.concatenate(places), np.int32(width))
    numbers = [number_pixels(x[begin:end], y[begin:end], begin) for begin, end in spans]
    total = int(ends[-1])
    links = [np.full(total, -1, np.int32) for _ in range(2)]
    filled, invented = np.zeros(total, np.uint8), np.zeros(total, np.uint8)
    origin = np.zeros(total, np.int32), np.zeros(total, np.int32)
    with workers.active():
        for k in range(count - 1):
            for later, here in ((True, k), (False, k + 1)):
                link_pixels(
                    x, y, links[later], flows[k], numbers[2 * k + 1 - here], later=later, span=spans[here], size=SIZE,
                    scale=1, limit=LIMIT,
                )  # fmt: skip

        def carried(later: int) -> tuple[NDArray, NDArray]:
            stamp, name = np.empty(total, np.int32), np.empty(total, np.int32)
            for k in reversed(range(count)) if later else range(count):
                carry_names(
                    links[later], filled, stamp, name, frame=k, neighbour=k + (1 if later else -1), span=spans[k]
                )
            return stamp, name

        names = workers.map(carried, (0, 1))
        for k in range(count):
            merge_names(*names, filled, origin, invented, frame=k, span=spans[k])
    seen = colours.reshape(-1, 3)[origin[0] * np.int32(height * width) + origin[1]]
    return np.where(filled[:, None], seen, np.float32(0)), filled == 0


def measure(function: Callable[[], object], repeats: int) -> dict[str, float]:
    """Return median and interquartile range in ms."""
    function()  # warm-up
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        taken.append(1e3 * (time.perf_counter() - start))
    low, median, high = np.percentile(taken, (25, 50, 75))
    return {"median_ms": round(float(median), 3), "iqr_ms": round(float(high - low), 3)}


def compare(frames: int, hole: tuple[int, int], repeats: int, threads: int) -> dict[str, object]:
    """Return both sides' times for one size of hole, and their ratio."""
    clip = make_clip(frames, hole)
    workers = Workers(threads)
    colours, holes, flow_fw, flow_bw = clip
    flows = [pack([(0, 0)], [np.concatenate(pair)]) for pair in zip(flow_fw, flow_bw, strict=True)]
    found, expected = by_kernels(colours, holes, flows, workers), statement(*clip)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs[holes])
    kernels = measure(lambda: by_kernels(colours, holes, flows, workers), repeats)
    plain = measure(lambda: statement(*clip), min(3, repeats))
    workers.close()
    pixels = int(holes.sum())
    return {
        "hole_pixels": pixels,
        "filled": round(1 - float(expected[1].sum()) / pixels, 3),
        "numpy": {**plain, "ms_per_frame": round(plain["median_ms"] / frames, 3)},
        "kernels": {
            **kernels,
            "ms_per_frame": round(kernels["median_ms"] / frames, 3),
            "ns_per_hole_pixel": round(1e6 * kernels["median_ms"] / pixels, 1),
        },
        "ratio": round(plain["median_ms"] / kernels["median_ms"], 1),
    }


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    report = {
        "subject": "propagation by the rule of DFVI, one iteration, 432x240",
        "frames": options.frames,
        "threads": options.threads,
        "seed": SEED,
        "holes": {
            name: compare(options.frames, hole, options.repeats, options.threads) for name, hole in HOLES.items()
        },
        "peak_memory_MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "device": platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "versions": {"python": platform.python_version(), "numpy": np.__version__},
        "commit": commit.stdout.strip() or None,
    }
    print(json.dumps(report, indent=2, allow_nan=False))


if __name__ == "__main__":
    main()
