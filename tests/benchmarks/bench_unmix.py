"""Half-transparent marks of many shapes over real clips: how near ``unmix=1`` comes to what was beneath.

    python tests/benchmarks/bench_unmix.py --set FOLDER [--set FOLDER] [--clips NAMES] [--marks 40] [--jobs 2]

Folders are laid out as ``vsdfvi evaluate`` takes them; of each clip up to 48 frames are taken, evenly from its first
300. Mark k of a seed is the same on every machine: letters, a ring with a number, a disc with a hole, rings, a star, or
a plate with letters cut out; a seventh to a fourth of the frame's height tall, anywhere in the frame, with soft edges;
in one of six colours and of an opacity of 0.3, 0.4, 0.5, 0.6 or 0.7. The mask is the mark grown by 0 to 3 pixels, or
one in four times the box around it and three pixels more.

For each mark: PSNR in luma, over the whole hole of four frames, of ours with ``unmix=1``, of ours without, and of
Telea; and the share of the hole that was recovered. The table says how many reach 35 dB. ``--out`` holds a picture of
the worst ones: marked, unmixed, truth.
"""

import argparse
import json
import math
import multiprocessing
import statistics
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import vapoursynth as vs
from measured import show, use_checkout, words
from numpy.typing import NDArray

use_checkout()

from clips import mask_of  # noqa: E402  which needs the path
from overlays import LEAST, Matte, marked  # noqa: E402

from vsdfvi.engine.account import RECOVERED  # noqa: E402
from vsdfvi.engine.inpainter import Inpainter  # noqa: E402
from vsdfvi.evaluation.layouts import find_clips  # noqa: E402
from vsdfvi.evaluation.report import table  # noqa: E402
from vsdfvi.evaluation.sources import Case, open_case  # noqa: E402
from vsdfvi.films.clips import planes_of, video_format  # noqa: E402
from vsdfvi.films.repairing import Repairing  # noqa: E402
from vsdfvi.settings import Settings  # noqa: E402

FRAMES, FIRST = 48, 300
OPACITIES = 0.3, 0.4, 0.5, 0.6, 0.7
COLOURS = {
    "white": (235, 128, 128), "grey": (150, 128, 128), "dark": (30, 128, 128), "red": (90, 95, 215),
    "blue": (110, 190, 90), "pale": (200, 120, 140),
}  # fmt: skip
"""Codes of 8 bit, limited range."""

GROWN = 0, 1, 2, 3
BAR_DB = 35.0
_FINER = 4  # the grid that marks are drawn on

Gray = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark over a clip.

    Attributes:
        number: Of a seed.
        grown: Pixels by which its mask is larger; None for a box.
    """

    clip: str
    footage: Path
    number: int
    shape: str
    colour: str
    opacity: float
    grown: int | None
    seed: int


@dataclass(frozen=True, slots=True)
class Found:
    """What came of a mark: PSNR in dB, and the share of the hole that was recovered."""

    mark: Mark
    unmixed: float
    plain: float
    telea: float
    recovered: float
    picture: Gray


def letters(canvas: Gray, random: np.random.Generator) -> None:
    """Two to five letters, thick or thin."""
    text = "".join(random.choice(list("ABDEHKLMNPRSTVX24580")) for _ in range(random.integers(2, 6)))
    height, width = canvas.shape
    thick = max(2, round(height * random.uniform(0.04, 0.16)))
    (wide, tall), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 1.0, 1)
    scale = min(0.8 * width / wide, 0.6 * height / tall)
    at = round(0.1 * width), round((height + scale * tall) / 2)
    cv2.putText(canvas, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, 255, thick, cv2.LINE_AA)


def ring(canvas: Gray, random: np.random.Generator) -> None:
    """A ring around a number."""
    height, width = canvas.shape
    middle = width // 2, height // 2
    cv2.circle(canvas, middle, round(0.4 * height), 255, round(height * random.uniform(0.06, 0.14)), cv2.LINE_AA)
    number = str(random.integers(1, 10))
    (wide, tall), _ = cv2.getTextSize(number, cv2.FONT_HERSHEY_SIMPLEX, 1.0, 1)
    scale = 0.35 * height / tall
    at = round(middle[0] - scale * wide / 2), round(middle[1] + scale * tall / 2)
    cv2.putText(canvas, number, at, cv2.FONT_HERSHEY_SIMPLEX, scale, 255, round(0.09 * height), cv2.LINE_AA)


def disc(canvas: Gray, random: np.random.Generator) -> None:
    """A disc with a hole beside its middle."""
    height, width = canvas.shape
    cv2.circle(canvas, (width // 2, height // 2), round(0.4 * height), 255, -1, cv2.LINE_AA)
    off = round(0.1 * height * random.uniform(-1, 1))
    cv2.circle(canvas, (width // 2 + off, height // 2 - off), round(0.18 * height), 0, -1, cv2.LINE_AA)


def rings(canvas: Gray, random: np.random.Generator) -> None:
    """Three rings that cross."""
    height, width = canvas.shape
    for part in (0.25, 0.5, 0.75):
        cv2.circle(
            canvas, (round(part * width), height // 2), round(0.33 * height), 255, round(0.1 * height), cv2.LINE_AA
        )


def star(canvas: Gray, random: np.random.Generator) -> None:
    """A star of five points, turned."""
    height, width = canvas.shape
    turns = random.uniform(0, 2 * np.pi) + np.arange(10) * np.pi / 5
    far = np.where(np.arange(10) % 2, 0.2, 0.45) * height
    points = np.stack([width / 2 + far * np.cos(turns), height / 2 + far * np.sin(turns)], axis=1)
    cv2.fillPoly(canvas, [np.rint(points).astype(np.int32)], 255, cv2.LINE_AA)


def plate(canvas: Gray, random: np.random.Generator) -> None:
    """A plate with letters cut out."""
    height, width = canvas.shape
    cut = np.zeros_like(canvas)
    letters(cut, random)
    cv2.rectangle(
        canvas, (round(0.05 * width), round(0.12 * height)), (round(0.95 * width), round(0.88 * height)), 255, -1
    )
    canvas[cut > 127] = 0


SHAPES: dict[str, tuple[Callable[[Gray, np.random.Generator], None], float]] = {
    "letters": (letters, 2.2), "ring": (ring, 1.0), "disc": (disc, 1.0), "rings": (rings, 2.0), "star": (star, 1.0),
    "plate": (plate, 2.2),
}  # fmt: skip
"""How each is drawn, and its width in heights."""


def marks_of(footage: Sequence[tuple[str, Path]], count: int, seed: int) -> list[Mark]:
    """The marks of a seed, on the clips by turns."""
    marks = []
    for number in range(count):
        random = np.random.default_rng((seed, number))
        clip, path = footage[number % len(footage)]
        grown = None if random.random() < 0.25 else int(random.choice(GROWN))
        marks.append(
            Mark(
                clip,
                path,
                number,
                str(random.choice(list(SHAPES))),
                str(random.choice(list(COLOURS))),
                float(random.choice(OPACITIES)),
                grown,
                seed,
            )
        )
    return marks


def matte_of(mark: Mark, width: int, height: int) -> Matte:
    """Its opacity at each pixel of a frame; 0 from where it would change nothing."""
    random = np.random.default_rng((mark.seed, mark.number, 1))
    draw, wide = SHAPES[mark.shape]
    tall = height * random.uniform(1 / 7, 1 / 4)
    size = round(min(wide * tall, 0.6 * width)), round(tall)
    x, y = (int(random.integers(8, room - side - 8)) for room, side in zip((width, height), size, strict=True))
    canvas = np.zeros((size[1] * _FINER, size[0] * _FINER), np.uint8)
    draw(canvas, random)
    matte = np.zeros((height, width))
    matte[y : y + size[1], x : x + size[0]] = cv2.resize(canvas / 255.0, size, interpolation=cv2.INTER_AREA)
    matte = cv2.GaussianBlur(matte, (0, 0), random.uniform(0.6, 1.3) * max(1.0, height / 480))
    matte *= mark.opacity / matte.max()
    return np.where(matte > LEAST, matte, 0.0)


def hole_of(mark: Mark, matte: Matte) -> NDArray[np.bool_]:
    """Its mask."""
    covered = matte > 0
    if mark.grown is not None:
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * mark.grown + 1,) * 2)
        return cv2.dilate(covered.astype(np.uint8), kernel) > 0
    rows, columns = np.nonzero(covered)
    hole = np.zeros_like(covered)
    hole[max(0, rows.min() - 3) : rows.max() + 4, max(0, columns.min() - 3) : columns.max() + 4] = True
    return hole


def luma_of(clip: vs.VideoNode, n: int) -> NDArray[np.float64]:
    """Plane 0 of a frame."""
    with clip.get_frame(n) as frame:
        return planes_of(frame)[0].astype(np.float64)


def measure(mark: Mark) -> Found:
    """Repair some frames under a mark."""
    clip, _ = open_case(Case(clip=mark.clip, kind="logo", footage=mark.footage, frames=FIRST))
    clip = clip.resize.Bicubic(format=vs.YUV420P8)
    clip = clip[:: max(1, len(clip) // FRAMES)][:FRAMES]
    matte = matte_of(mark, clip.width, clip.height)
    hole = hole_of(mark, matte)
    broken, mask = marked(clip, matte, COLOURS[mark.colour]), mask_of(hole[None])
    chosen = [round(n) for n in np.linspace(0, len(clip) - 1, 4)]
    truth = [luma_of(clip, n) for n in chosen]
    recovered, results = 0.0, {}
    for unmix in (1, 0):
        settings = Settings.from_arguments({"device": "cpu", "threads": 1, "unmix": unmix})
        repairing = Repairing(Inpainter(settings, video_format(broken), video_format(mask)), broken, mask)
        made = [repairing.repair(n) for n in chosen]
        results[unmix] = [planes[0].astype(np.float64) for planes, _ in made]
        if unmix:
            recovered = statistics.fmean(repair.counts()[RECOVERED] / hole.sum() for _, repair in made)
    damaged = [luma_of(broken, n) for n in chosen]
    telea = [cv2.inpaint(each.astype(np.uint8), hole.astype(np.uint8), 3, cv2.INPAINT_TELEA) for each in damaged]
    rows, columns = np.nonzero(hole)
    around = np.s_[max(0, rows.min() - 16) : rows.max() + 17, max(0, columns.min() - 16) : columns.max() + 17]
    picture = np.hstack([each[around] for each in (damaged[1], results[1][1], truth[1])]).astype(np.uint8)
    in_hole = partial(psnr, truth=truth, hole=hole)
    return Found(mark, in_hole(results[1]), in_hole(results[0]), in_hole(telea), recovered, picture)


def psnr(found: Sequence[NDArray], truth: Sequence[NDArray], hole: NDArray[np.bool_]) -> float:
    """PSNR in the hole over all frames, in dB; at most 100."""
    square = np.mean([((a.astype(np.float64) - b)[hole] ** 2).mean() for a, b in zip(found, truth, strict=True)])
    return 10 * math.log10(255**2 / max(float(square), 255**2 / 1e10))


def summary(name: str, found: Sequence[Found]) -> list[str]:
    """A line of the table."""
    values = [each.unmixed for each in found]
    return [
        name, str(len(found)), f"{statistics.fmean(values):.1f}", f"{statistics.median(values):.1f}",
        str(sum(value >= BAR_DB for value in values)), f"{statistics.fmean(each.plain for each in found):.1f}",
        f"{statistics.fmean(each.telea for each in found):.1f}",
        f"{statistics.fmean(each.recovered for each in found):.2f}",
    ]  # fmt: skip


def main() -> None:
    """Measure, and print JSON and a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", type=Path, action="append", default=[], help="folder of clips; several times")
    parser.add_argument("--clips", type=words, default=[], help="names; default all")
    parser.add_argument("--marks", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--out", type=Path, default=Path("build/unmix"))
    arguments = parser.parse_args()
    if not arguments.set:
        print("bench_unmix: skipped, needs --set with clips")
        return
    footage = [
        (clip.name, clip.path)
        for folder in arguments.set
        for clip in find_clips(folder)
        if not arguments.clips or clip.name in arguments.clips
    ]
    marks, found = marks_of(footage, arguments.marks, arguments.seed), []
    with ProcessPoolExecutor(arguments.jobs, multiprocessing.get_context("spawn")) as pool:
        for each in pool.map(measure, marks):
            found.append(each)
            mark = each.mark
            mask = "box" if mark.grown is None else f"+{mark.grown}"
            print(
                f"{mark.number} {mark.clip} {mark.shape} {mark.colour} {mark.opacity} {mask}: "
                f"unmixed {each.unmixed:.1f}, plain {each.plain:.1f}, telea {each.telea:.1f} dB, "
                f"recovered {each.recovered:.2f}",
                flush=True,
            )
    arguments.out.mkdir(parents=True, exist_ok=True)
    worst = sorted(found, key=lambda each: each.unmixed)[:12]
    wide = max(each.picture.shape[1] for each in worst)
    rows = [
        cv2.copyMakeBorder(each.picture, 0, 6, 0, wide - each.picture.shape[1], cv2.BORDER_CONSTANT) for each in worst
    ]
    cv2.imwrite(str(arguments.out / "worst.png"), cv2.vconcat(rows))
    groups = {
        "all": found,
        **{f"opacity {opacity}": [f for f in found if f.mark.opacity == opacity] for opacity in OPACITIES},
        **{shape: [f for f in found if f.mark.shape == shape] for shape in SHAPES},
        "mask is a box": [f for f in found if f.mark.grown is None],
    }
    lines = table(
        ["marks", "number", "unmix=1, mean dB", "median", "35 dB or more", "unmix=0", "Telea", "recovered"],
        [summary(name, of) for name, of in groups.items() if of],
    )
    figures = [
        {"clip": f.mark.clip, "shape": f.mark.shape, "colour": f.mark.colour, "opacity": f.mark.opacity,
         "grown": f.mark.grown, "unmixed": f.unmixed, "plain": f.plain, "telea": f.telea, "recovered": f.recovered}
        for f in found
    ]  # fmt: skip
    (arguments.out / "unmix.json").write_text(json.dumps(figures, indent=1))
    show(
        "unmix",
        {"marks": len(found), "figures": str(arguments.out / "unmix.json")},
        clips=[name for name, _ in footage],
    )
    print("\n".join(lines))


if __name__ == "__main__":
    main()
