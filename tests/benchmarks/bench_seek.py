"""Prints, as JSON, how long one waits for the first frame after loading a script, after a seek, and for the next one.

    python tests/benchmarks/bench_seek.py [--repeats 1] [--threads 0] [--size 432x240] [--kind logo] [--settings A=B]

Each figure is of a process of its own, in which nothing has been imported or computed before: a script is loaded (the
call of Inpaint, which imports what the settings need), the frame at one place is asked for, then that at another, far
from it, then the one after. The film is rendered before, so that its source costs nothing: a slow pan over a photograph
with grain that is new in every frame. The kinds of damage are a station's logo of 2 % of the frame that stands still, a
thing of 1/16 of the frame that crosses the picture, and 12 specks of dirt a frame. For each, the default settings and
those of preset="preview" by turns, and the ratio of the two; on the clock, and of the processor, which a busy machine
changes less.
"""

import argparse
import json
import subprocess
import sys
import time
from statistics import median
from typing import Any

import measured
import numpy as np
from numpy.typing import NDArray

measured.use_checkout()

import clips  # noqa: E402  which needs the path
import scenes  # noqa: E402
import vapoursynth as vs  # noqa: E402

from vsdfvi.frames.pixels import VideoFormat  # noqa: E402

SIZES = {"432x240": (240, 432), "1920x1080": (1080, 1920)}  # height, width
FRAMES = 192
PLACES = 57, 130  # frames that are sought; the default settings read less than half of what lies between
SEED = 1
WAITS = "load", "first", "seek", "next"
SECONDS = "clock", "processor"
VARIANTS: dict[str, dict[str, Any]] = {"default": {}, "preview": {"preset": "preview"}}


def film(size: tuple[int, int]) -> tuple[VideoFormat, list[tuple[NDArray, ...]]]:
    """Return frames of a slow pan over a photograph, with grain."""
    random = np.random.default_rng(SEED)
    form = scenes.video_format(size=size, frames=FRAMES)
    picture = scenes.photograph("gravel")[..., 0]
    room = size[0] + FRAMES, size[1] + 2 * FRAMES
    repeats = [-(-extent // shape) for extent, shape in zip(room, picture.shape, strict=True)]
    luma = (16 + 219 * np.tile(picture, repeats)).astype(np.float32)
    # Drawn once, and shifted for each frame: half a gigabyte of random numbers would take longer than the engine.
    grain = random.normal(0, 2, room).astype(np.float32)
    chroma = np.full(form.plane_shape(1), 128, np.uint8)
    planes = []
    for n in range(FRAMES):
        y, x = random.integers(0, FRAMES, 2)
        view = luma[n : n + size[0], 2 * n : 2 * n + size[1]] + grain[y : y + size[0], x : x + size[1]]
        planes.append((np.clip(np.rint(view), 0, 255).astype(np.uint8), chroma, chroma))
    return form, planes


def mask_of_kind(kind: str, form: VideoFormat) -> NDArray[np.bool_]:
    """Return a mask, one frame where it stands still."""
    if kind == "logo":
        size = round(form.height * 0.13), round(form.width * 0.15)  # 2 % of the frame
        return scenes.box(form, size, (form.width - size[1] - form.width // 20, form.height // 14))[:1]
    if kind == "object":
        quarter = form.height // 4, form.width // 4
        return scenes.box(form, quarter, (0, form.height * 3 // 8), (form.width * 0.75 / form.frames, 0.0))
    return scenes.dirt(form, specks=12)


KINDS = "logo", "object", "dirt"


def ready(clip: vs.VideoNode) -> vs.VideoNode:
    """Return a clip whose frames are all rendered and kept."""
    stored = [frame.copy() for frame in clip.frames()]
    blank = vs.core.std.BlankClip(clip, keep=True)
    return vs.core.std.ModifyFrame(blank, blank, lambda n, f: stored[n])


def waits(size: str, kind: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Return the seconds that this process waits, and what was traced and invented where it sought."""
    form, planes = film(SIZES[size])
    clip, mask = ready(clips.clip_of(planes, form)), ready(clips.mask_of(mask_of_kind(kind, form)))
    marks, shares = [now()], []
    repaired = clip.dfvi.Inpaint(mask, **settings)
    marks.append(now())
    for n in (*PLACES, PLACES[-1] + 1):
        with repaired.get_frame(n) as frame:
            shares.append(frame.props["DfviInvented"] / frame.props["DfviHole"])
        marks.append(now())
    clock, processor = np.diff(marks, axis=0).T.tolist()
    return {
        "clock": dict(zip(WAITS, clock, strict=True)),
        "processor": dict(zip(WAITS, processor, strict=True)),
        "invented": shares[1],
        "peak_MiB": measured.peak_mib(),
    }


def now() -> tuple[float, float]:
    """Return the clock's seconds and this process's."""
    return time.perf_counter(), time.process_time()


def in_a_process(size: str, kind: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Return the same of a fresh process."""
    command = [sys.executable, __file__, "--alone", json.dumps([size, kind, settings])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def compared(size: str, kind: str, repeats: int, more: dict[str, Any]) -> dict[str, Any]:
    """Return the waits under each variant, measured by turns, and how much less one waits in the preview."""
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in VARIANTS}
    for _ in range(repeats):
        for name, settings in VARIANTS.items():
            runs[name].append(in_a_process(size, kind, {**settings, **more}))
    results: dict[str, Any] = {}
    for name, found in runs.items():
        spreads = {
            f"{of}_s": {wait: measured.spread([run[of][wait] for run in found], 2) for wait in WAITS} for of in SECONDS
        }
        results[name] = {**spreads, "invented": round(found[0]["invented"], 3), "peak_MiB": found[0]["peak_MiB"]}
    for of in SECONDS:
        longer, shorter = (
            {wait: median(run[of][wait] for run in runs[name]) for wait in WAITS} for name in ("default", "preview")
        )
        results[f"times_as_fast_{of}"] = {wait: round(longer[wait] / shorter[wait], 1) for wait in WAITS}
    return results


def value_of(text: str) -> tuple[str, int | float | str]:
    """Return name and value of a setting."""
    name, _, value = text.partition("=")
    for kind in (int, float):
        try:
            return name, kind(value)
        except ValueError:
            continue
    return name, value


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--size", choices=SIZES, action="append")
    parser.add_argument("--kind", choices=KINDS, action="append")
    parser.add_argument("--settings", metavar="NAME=VALUE", action="append", default=[], help="beside both variants")
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone:
        print(json.dumps(waits(*json.loads(options.alone))))
        return
    more = {"threads": options.threads, **dict(map(value_of, options.settings))}
    measured.show(
        "seconds to the first frame",
        {
            size: {kind: compared(size, kind, options.repeats, more) for kind in options.kind or KINDS}
            for size in options.size or SIZES
        },
        frames=FRAMES,
        places=PLACES,
        seed=SEED,
        settings=more,
    )


if __name__ == "__main__":
    main()
