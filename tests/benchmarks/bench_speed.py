"""Prints, as JSON, frames a second of the filter, what its stages cost, and what a logo costs at 1080p.

    python tests/benchmarks/bench_speed.py [--frames 96] [--repeats 3] [--threads 0] [--skip-1080p]

End to end: VapourSynth asks for frame after frame as vspipe does, with as many requests at once as it has threads. The
clip is rendered before, so that its source costs nothing: a photograph under a slow pan, 432x240, with a hole of 1/16
of the frame where the mask has a size. Stages are timed around the engine's own functions in a run of their own,
which says what share each has, not how fast it is. At 1080p a logo of 2 % of the frame is repaired in the whole frame,
and in the same region cut out by hand. That region has fewer lines, so its flow is estimated at full size, not at half:
by hand costs more than the same work.
"""

import argparse
import functools
import os
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import measured
import numpy as np
from numpy.typing import NDArray

measured.use_checkout()

import clips  # noqa: E402  which needs the path
import scenes  # noqa: E402
import vapoursynth as vs  # noqa: E402

from vsdfvi.engine import bridging, dfc, footage, inpainter, synthesis, tracing  # noqa: E402
from vsdfvi.frames.pixels import VideoFormat  # noqa: E402

SIZE = (240, 432)  # height, width
SEED = 1
LARGE = (1080, 1920)
LOGO = (144, 288)  # 2 % of 1080p
STAGES: tuple[tuple[Any, str], ...] = (
    (footage.Footage, "_make_cut"),
    (footage.Footage, "_make_flow"),
    (footage.Footage, "_make_source"),
    (dfc.CompactCompletion, "__call__"),
    (bridging.BridgedCompletion, "__call__"),
    (inpainter, "trace"),
    (inpainter, "synthesise"),
    (synthesis, "_make_keyframe"),
)


def film(size: tuple[int, int], frames: int) -> tuple[VideoFormat, list[tuple[NDArray, ...]]]:
    """Return frames of a slow pan over a photograph, with grain."""
    picture = scenes.photograph("gravel")
    repeats = [-(-2 * extent // shape) for extent, shape in zip(size, picture.shape[:2], strict=True)]
    luma = np.tile(picture[..., 0], repeats)
    random = np.random.default_rng(SEED)
    form = scenes.video_format(size=size, frames=frames)
    chroma = np.full(form.plane_shape(1), 128, np.uint8)
    planes = []
    for n in range(frames):
        x, y = 2 * n % size[1], n % size[0]
        view = 16 + 219 * luma[y : y + size[0], x : x + size[1]] + random.normal(0, 2, size)
        planes.append((np.clip(np.rint(view), 0, 255).astype(np.uint8), chroma, chroma))
    return form, planes


def masks(form: VideoFormat) -> dict[str, NDArray[np.bool_]]:
    """Return the kinds of damage; the boxes are 1/16 of the frame."""
    quarter = form.height // 4, form.width // 4
    middle = (form.width * 3 // 8, form.height * 3 // 8)
    drift = form.width / 4 / form.frames
    return {
        "still box": scenes.box(form, quarter, middle)[:1],
        "moving box": scenes.box(form, quarter, (form.width // 4, middle[1]), (drift, 0.0)),
        "fast box": scenes.box(form, quarter, (0, middle[1]), (form.width * 0.75 / form.frames, 0.0)),
        "scratch": scenes.scratch(form),
        "dirt": scenes.dirt(form, specks=12),
    }


def ready(clip: vs.VideoNode) -> vs.VideoNode:
    """Return a clip whose frames are all rendered and kept."""
    stored = [frame.copy() for frame in clip.frames()]
    blank = vs.core.std.BlankClip(clip, keep=True)
    return vs.core.std.ModifyFrame(blank, blank, lambda n, f: stored[n])


def run(output: vs.VideoNode) -> tuple[float, float, dict[str, int]]:
    """Return seconds on the clock and of the processor for all frames, and what was traced and invented."""
    counts: Counter[str] = Counter()
    clock, cpu = time.perf_counter(), time.process_time()
    for frame in output.frames(close=True):
        counts.update({name: frame.props.get(name, 0) for name in ("DfviHole", "DfviTraced", "DfviInvented")})
    return time.perf_counter() - clock, time.process_time() - cpu, counts


def speed(clip: vs.VideoNode, mask: vs.VideoNode, repeats: int, **settings: Any) -> dict[str, Any]:
    """Return frames a second of new filters, one for each run, and of what kind the fill was."""
    run(clip[:8].dfvi.Inpaint(mask[:8] if mask.num_frames > 1 else mask, **settings))  # warm-up: imports
    runs = [run(clip.dfvi.Inpaint(mask, **settings)) for _ in range(repeats)]
    counts = runs[0][2]
    return {
        "frames_per_s": measured.spread([clip.num_frames / clock for clock, _, _ in runs], 2),
        "cpu_s_per_frame": measured.spread([cpu / clip.num_frames for _, cpu, _ in runs], 4),
        "invented": round(counts["DfviInvented"] / max(1, counts["DfviHole"]), 3),
    }


class Stopwatch:
    """Times functions of the engine without what they call of each other."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self._inside: list[float] = []

    def around(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function with its time noted. The engine's work begins on one thread, so a stack is enough."""

        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            self._inside.append(0.0)
            start = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                taken = time.perf_counter() - start
                self.seconds[name] += taken - self._inside.pop()
                if self._inside:
                    self._inside[-1] += taken

        return timed


def profile(clip: vs.VideoNode, mask: vs.VideoNode, **settings: Any) -> dict[str, float]:
    """Return milliseconds a frame of each stage, and of all that is none of them."""
    watch, kept = Stopwatch(), []
    for owner, name in STAGES:
        kept.append((owner, name, getattr(owner, name)))
        label = owner.__name__ if name == "__call__" else name.removeprefix("_")
        setattr(owner, name, watch.around(label, getattr(owner, name)))
    # The key frame of synthesis traces too, by a name of its own.
    kept.append((synthesis, "trace", synthesis.trace))
    synthesis.trace = watch.around("trace", tracing.trace)
    try:
        whole, _, _ = run(clip.dfvi.Inpaint(mask, **settings))
    finally:
        for owner, name, function in kept:
            setattr(owner, name, function)
    watch.seconds["rest"] = whole - sum(watch.seconds.values())
    return {name: round(1e3 * taken / clip.num_frames, 2) for name, taken in watch.seconds.most_common()}


def small(frames: int, repeats: int, threads: int) -> dict[str, Any]:
    """Return speed and profile at 432x240 for each kind of mask."""
    form, planes = film(SIZE, frames)
    clip = ready(clips.clip_of(planes, form))
    results = {}
    for name, mask in masks(form).items():
        node = ready(clips.mask_of(mask))
        stages = profile(clip, node, threads=threads)
        plain = speed(clip, node, repeats, threads=threads, completion="laplace")["frames_per_s"]
        results[name] = {
            **speed(clip, node, repeats, threads=threads),
            "frames_per_s_with_laplace": plain,
            "ms_per_frame_by_stage": stages,
        }
    return results


def logo(frames: int, repeats: int, threads: int) -> dict[str, Any]:
    """Return the cost of a logo at 1080p, whole and cut out by hand with the margin the engine takes itself."""
    form, planes = film(LARGE, frames)
    clip = ready(clips.clip_of(planes, form))
    x, y = LARGE[1] - LOGO[1] - 96, 80
    margin = 2 * round(footage.MARGIN * LARGE[0] / 2)
    left, top = max(0, x - margin), max(0, y - margin)
    right, bottom = max(0, LARGE[1] - x - LOGO[1] - margin), max(0, LARGE[0] - y - LOGO[0] - margin)
    mask = ready(clips.mask_of(scenes.box(scenes.video_format("GRAY", size=LARGE, frames=1), LOGO, (x, y))))
    edges = {"left": left, "right": right, "top": top, "bottom": bottom}
    cut_out, cut_mask = ready(clip.std.Crop(**edges)), ready(mask.std.Crop(**edges))
    whole = speed(clip, mask, repeats, threads=threads)
    by_hand = speed(cut_out, cut_mask, repeats, threads=threads)
    return {
        "whole": whole,
        "region_by_hand": {**by_hand, "size": f"{cut_out.width}x{cut_out.height}"},
        "cost_ratio": round(by_hand["frames_per_s"]["median"] / whole["frames_per_s"]["median"], 2),
    }


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=96)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--skip-1080p", action="store_true")
    options = parser.parse_args()
    start = time.perf_counter()
    import vsdfvi.host  # noqa: F401  what a script waits for before its first frame

    imported = time.perf_counter() - start
    results: dict[str, Any] = {"432x240": small(options.frames, options.repeats, options.threads)}
    if not options.skip_1080p:
        results["1080p logo, 2 % of the frame"] = logo(max(16, options.frames // 4), options.repeats, options.threads)
    results["peak_MiB"] = measured.peak_mib()
    measured.show(
        "frames a second, end to end",
        results,
        frames=options.frames,
        seed=SEED,
        threads=options.threads or len(os.sched_getaffinity(0)),
        host_import_s=round(imported, 4),
        vapoursynth_threads=vs.core.num_threads,
    )


if __name__ == "__main__":
    main()
