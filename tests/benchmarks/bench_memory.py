"""Prints, as JSON, the peak memory of a long clip beside that of a short one: it must not grow with the clip.

    python tests/benchmarks/bench_memory.py [--frames 3000] [--size 432x240] [--memory 64]

Each clip is repaired in a process of its own, from its first frame to its last, as a host does it: with two frames
asked for ahead. Frames are made as they are asked for. The short clip has a tenth of the frames. A clip of as many
frames as the long one passes through VapourSynth alone, too: that much is the host's.
"""

import argparse
import json
import subprocess
import sys
import time

import measured

HOLES = ("moving", "still", "scratch")
PEAK_RULE = 1.10  # of the long clip to the short one


def clip_and_mask(size: tuple[int, int], frames: int, hole: str):
    """Return a film that pans over noise, and its mask: both made frame by frame."""
    import numpy as np
    import vapoursynth as vs

    width, height = size
    random = np.random.default_rng(1)
    world = random.integers(16, 236, (height * 2 // 8 + 1, width * 2 // 8 + 1)).repeat(8, axis=0).repeat(8, axis=1)
    world = world.astype(np.uint8)
    blank = vs.core.std.BlankClip(format=vs.YUV420P8, width=width, height=height, length=frames, keep=True)
    black = vs.core.std.BlankClip(blank, format=vs.GRAY8, color=0, length=1 if hole == "still" else frames, keep=True)

    def film(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        out = f.copy()
        x, y = (int(extent * (0.5 + 0.4 * np.sin(n / period))) for extent, period in ((width, 97), (height, 61)))
        np.asarray(out[0])[:] = world[y : y + height, x : x + width]
        return out

    def mask(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        out = f.copy()
        if hole == "scratch":
            x = int(width * (0.5 + 0.3 * np.sin(n / 13)))
            np.asarray(out[0])[:, x : x + 3] = 255
        else:
            x = int((width - width // 4) * (0.5 + 0.4 * np.sin(n / 40))) if hole == "moving" else width // 3
            np.asarray(out[0])[height // 3 : height // 3 + height // 4, x : x + width // 4] = 255
        return out

    return vs.core.std.ModifyFrame(blank, blank, film), vs.core.std.ModifyFrame(black, black, mask)


def measure(size: tuple[int, int], frames: int, hole: str, memory: int, through: bool) -> dict[str, float]:
    """Return peak memory and speed of one clip in this process."""
    measured.use_checkout()
    clip, mask = clip_and_mask(size, frames, hole)
    output = clip.dfvi.Inpaint(mask, memory=memory) if through else clip
    start = time.perf_counter()
    for _ in output.frames(prefetch=2, close=True):
        pass
    taken = time.perf_counter() - start
    return {"peak_MiB": measured.peak_mib(), "frames_per_s": round(frames / taken, 2)}


def in_a_process(options: argparse.Namespace, frames: int, hole: str, through: bool = True) -> dict[str, float]:
    """Return the same of a process of its own."""
    measured.use_checkout()
    command = [
        sys.executable,
        __file__,
        "--frames",
        str(frames),
        "--size",
        options.size,
        "--memory",
        str(options.memory),
    ]
    command += ["--only", hole if through else "none"]
    process = subprocess.run(command, capture_output=True, text=True, check=True)
    said: dict[str, float] = json.loads(process.stdout)
    return said


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=3000)
    parser.add_argument("--size", default="432x240")
    parser.add_argument("--memory", type=int, default=64, help="MiB that the filter may remember")
    parser.add_argument("--hole", choices=HOLES, action="append", help="the kinds of mask, all by default")
    parser.add_argument("--only", choices=(*HOLES, "none"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    width, height = (int(extent) for extent in options.size.split("x"))
    if options.only:
        hole = HOLES[0] if options.only == "none" else options.only
        print(json.dumps(measure((width, height), options.frames, hole, options.memory, options.only != "none")))
        return
    results: dict[str, object] = {}
    for hole in options.hole or HOLES:
        short, long = (in_a_process(options, frames, hole) for frames in (options.frames // 10, options.frames))
        ratio = long["peak_MiB"] / short["peak_MiB"]
        results[hole] = {"short": short, "long": long, "ratio": round(ratio, 3), "within_rule": ratio <= PEAK_RULE}
    results["host alone"] = in_a_process(options, options.frames, HOLES[0], through=False)
    measured.show(
        f"peak memory of {options.frames} frames against {options.frames // 10}",
        results,
        size=options.size,
        memory_MiB=options.memory,
        rule=PEAK_RULE,
    )


if __name__ == "__main__":
    main()
