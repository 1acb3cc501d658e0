"""What flicker and grain cost inside the hole: the same clips with and without them, under the same masks.

    python tests/benchmarks/bench_flicker.py --settings light=0,grain=0 --settings light=1 [--jobs 2]
    python tests/benchmarks/bench_flicker.py --set FOLDER --clips bear,bikes --masks dirt,scratch,logo

Clips are photographs that move in a known way (tests/scenes.py), as YUV420P8, or those of a folder as ``vsdfvi
evaluate`` takes it. To each, nothing is added; a gain of its own on every frame, even between -10 and +10 %; grain in
luma, white or slightly correlated (a Gaussian of 0.6 pixels), of a standard deviation of 2, 4, 8 and 12 codes; or both.
What is added is added to the truth as well, so each clip is judged against its own truth. Masks: dirt, a scratch, a
logo and a small box, behind all of which the picture moves in the rendered clips.

Figures are of luma, in codes of 8 bit, pooled over clips and frames:

* ``psnr``: in the hole, against the clip's own truth. ``loss``: dB below the same clips without flicker and grain.
* Two grains that have nothing to do with each other differ by the sum of their variances, and nobody can know the grain
  under a hole. What grain must cost is therefore taken out. Every clip with grain is repaired twice, with different
  grain, the second time mirrored from left to right, so that nothing that is drawn from a frame's number repeats. With
  T the truth without grain, G its grain, R1 and R2 the two results (the second mirrored back):
  ``spread`` V = mean (R1 - R2)^2 / 2 is the variance that the fill owes to grain, its own and what grain does to flow.
  ``excess`` = mean (R1 - T) (R2 - T) + max(0, V - mean G^2): the error that both share, and what spreads more than the
  clip's grain would. It is the expectation of MSE - mean G^2 - min(V, mean G^2). Without grain it is the MSE.
* ``beyond``: dB by which the PSNR lies below that of an ideal repair of the same clips, one that has the error there is
  without flicker and grain, and the grain that this one has. That much of the loss is the method's.
* ``excess loss``: 10 log10 of excess over the MSE of the same clips without flicker and grain, in dB: how much worse
  what is beneath the grain has become, as if nobody saw grain beside it. The bar of 1 dB is held to this one.
  A mean of products of grain is itself known so well only: with two standard errors on both sides the bar is met,
  missed, or open. The standard error takes pixels as independent, which those of one source are not over time.
* ``ring``, ``step`` and ``grain`` are those of docs/evaluation.md.
"""

import argparse
import math
import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import vapoursynth as vs
from measured import show, use_checkout, words
from numpy.typing import NDArray

use_checkout()

import scenes  # noqa: E402  which needs the path
from clips import clip_of, mask_of  # noqa: E402

from vsdfvi.engine.cache import Cache  # noqa: E402
from vsdfvi.evaluation.borders import border_steps  # noqa: E402
from vsdfvi.evaluation.flow import repaired  # noqa: E402
from vsdfvi.evaluation.masks import make_mask  # noqa: E402
from vsdfvi.evaluation.plan import Plan, cases_of  # noqa: E402
from vsdfvi.evaluation.report import table  # noqa: E402
from vsdfvi.evaluation.results import settings_text  # noqa: E402
from vsdfvi.evaluation.shared_flow import SharedFlow  # noqa: E402
from vsdfvi.evaluation.sources import Case, damaged, each_frame, open_case  # noqa: E402
from vsdfvi.evaluation.texture import fine_of  # noqa: E402
from vsdfvi.films.clips import video_format  # noqa: E402
from vsdfvi.settings import Settings, settings_from  # noqa: E402

SCENES: dict[str, Callable[[scenes.VideoFormat], scenes.Scene]] = {
    "coffee": lambda form: scenes.translation(form, (3.3, 0.7), scenes.empty(form)),
    "gravel": lambda form: scenes.translation(form, (-2.6, 1.2), scenes.empty(form), picture="gravel"),
    "behind": lambda form: scenes.occluder(form, (2.4, 0.6), (-1.5, 0.5), form.height / 6, scenes.empty(form)),
}
MASKS = ("dirt", "scratch", "logo", "box")
GRAINS = (2.0, 4.0, 8.0, 12.0)  # codes
CORRELATED = 0.6  # pixels
GAIN = 0.1
BRIGHTNESS = 0.85  # of the photographs, so that neither gain nor grain runs into the range's end
BAR_DB = 1.0
BLACK, RANGE = (16, 128), (219, 224)  # of luma and chroma, in codes

Frames = list[tuple[NDArray, ...]]


@dataclass(frozen=True, slots=True)
class Condition:
    """What is added to a clip: gain, and grain of a standard deviation in codes, white or correlated."""

    gain: bool = False
    grain: float = 0.0
    correlated: bool = False

    @property
    def name(self) -> str:
        """As it stands in the table."""
        grain = f"{'correlated' if self.correlated else 'white'} {self.grain:g}" if self.grain else ""
        return " + ".join(filter(None, ("gain" if self.gain else "", grain))) or "nothing"


@dataclass(frozen=True, slots=True)
class Job:
    """One scene under one mask and condition, with every list of settings."""

    scene: str
    mask: str
    condition: Condition
    settings: Sequence[dict[str, Any]]
    size: tuple[int, int]
    frames: int
    seed: int
    case: Case | None = None


@dataclass(slots=True)
class Sums:
    """Sums over hole pixels, border pairs and fine texture, which add up over scenes."""

    pixels: int = 0
    square: float = 0.0
    common: float = 0.0
    spread: float = 0.0
    grain: float = 0.0
    products: float = 0.0
    pairs: int = 0
    ring: float = 0.0
    step: float = 0.0
    step_truth: float = 0.0
    fine: float = 0.0
    fine_truth: float = 0.0
    of_scenes: dict[str, float] = field(default_factory=dict)

    def add(self, other: "Sums") -> None:
        """Take the sums of another scene."""
        for name in self.__slots__:
            if name != "of_scenes":
                setattr(self, name, getattr(self, name) + getattr(other, name))
        self.of_scenes |= other.of_scenes

    def excess(self) -> tuple[float, float]:
        """Mean squared error less what independent grain must cost, and its standard error."""
        if not self.grain:
            return self.square / self.pixels, 0.0
        excess = (self.common + max(0.0, self.spread - self.grain)) / self.pixels
        spread = self.products / self.pixels - (self.common / self.pixels) ** 2
        return excess, math.sqrt(max(0.0, spread) / self.pixels)


def with_gain(planes: Frames, gain: bool, seed: int) -> Frames:
    """Planes in codes, float64, with a gain of its own on every frame, or the same on all; not rounded."""
    random = np.random.default_rng((seed, 10))
    gains = BRIGHTNESS * (1 + gain * GAIN * random.uniform(-1, 1, len(planes)))
    return [
        tuple(BLACK[plane > 0] + by * (codes - BLACK[plane > 0]) for plane, codes in enumerate(of_frame))
        for by, of_frame in zip(gains, planes, strict=True)
    ]


def planes_of(job: Job) -> Frames:
    """The planes of a scene, or of a clip of the folder, in codes, float64."""
    if job.case is not None:
        clip, _ = open_case(job.case)
        clip = clip.resize.Bicubic(format=vs.YUV420P8)
        return [tuple(plane.astype(np.float64) for plane in planes) for planes in each_frame(clip)]
    form = scenes.video_format("YUV", bits=32, is_float=True, size=job.size, frames=job.frames)
    return [
        tuple(BLACK[n > 0] + RANGE[n > 0] * plane.astype(np.float64) for n, plane in enumerate(planes))
        for planes in SCENES[job.scene](form).truth
    ]


def grain_of(condition: Condition, size: tuple[int, int], frames: int, seed: Sequence[int]) -> NDArray[np.float64]:
    """Grain of each frame in codes, ``(frames, height, width)``."""
    random = np.random.default_rng((*seed, 11))
    grain = random.standard_normal((frames, *size))
    if condition.correlated:
        grain = np.stack([cv2.GaussianBlur(each, (0, 0), CORRELATED) for each in grain])
        grain /= grain.std()
    return condition.grain * grain


def rounded(planes: tuple[NDArray, ...]) -> tuple[NDArray[np.uint8], ...]:
    """Planes as samples of 8 bit."""
    return tuple(np.clip(np.rint(plane), 0, 255).astype(np.uint8) for plane in planes)


def hole_of(job: Job, frames: int) -> NDArray[np.bool_]:
    """The mask ``(frames, height, width)``."""
    if job.case is not None:
        _, mask = open_case(job.case)
        drawn = np.stack([planes[0] > 0 for planes in each_frame(mask)])
        return drawn if len(drawn) > 1 else drawn.repeat(frames, axis=0)
    height, width = job.size
    if job.mask == "box":
        form = scenes.video_format("GRAY", size=job.size, frames=job.frames)
        side = max(4, height // 8)
        return scenes.box(form, (side, side), (width // 8, (height - side) // 2))  # not behind what passes the middle
    made = make_mask(job.mask, width, height, job.frames, job.seed, job.scene)
    return np.stack([made.draw(n if made.frames > 1 else 0) for n in range(job.frames)])


def films(frames: Frames, hole: NDArray[np.bool_], settings: Sequence[dict[str, Any]]) -> list[NDArray[np.float64]]:
    """Luma of a clip as each list of settings repairs it, ``(frames, height, width)``; flow is made once."""
    height, width = hole.shape[1:]
    form = scenes.video_format("YUV", size=(height, width), frames=len(frames))
    clip, mask, shared = clip_of([rounded(planes) for planes in frames], form), mask_of(hole), Cache(1 << 30)
    broken, made = damaged(clip, mask), []
    for each in settings:
        chosen = Settings.from_arguments({"device": "cpu", "threads": 1, **each})
        inpainter = SharedFlow(chosen, video_format(broken), video_format(mask), shared)
        made.append(np.stack([planes[0].astype(np.float64) for planes in repaired(inpainter, broken, mask)]))
    return made


def measure(job: Job) -> list[Sums]:
    """The sums of one job for each list of settings."""
    condition, plain = job.condition, with_gain(planes_of(job), job.condition.gain, job.seed)
    size, frames = plain[0][0].shape, len(plain)
    hole = hole_of(job, frames)
    truth_alone = np.stack([rounded(planes)[0].astype(np.float64) for planes in plain])
    results, truths = [], []
    for mirrored in (False, True) if condition.grain else (False,):
        grain = grain_of(condition, size, frames, (job.seed, int(mirrored)))
        grainy = [(luma + g, *chroma) for (luma, *chroma), g in zip(plain, grain, strict=True)]
        truths.append(np.stack([rounded(planes)[0].astype(np.float64) for planes in grainy]))
        turn = (lambda array: array[..., ::-1]) if mirrored else (lambda array: array)
        turned = [tuple(np.ascontiguousarray(turn(plane)) for plane in planes) for planes in grainy]
        results.append([turn(film) for film in films(turned, np.ascontiguousarray(turn(hole)), job.settings)])
    return [
        sums_of(job.scene, [each[k] for each in results], truths, truth_alone, hole) for k in range(len(job.settings))
    ]


def sums_of(
    scene: str,
    found: Sequence[NDArray[np.float64]],
    truths: Sequence[NDArray[np.float64]],
    alone: NDArray[np.float64],
    hole: NDArray[np.bool_],
) -> Sums:
    """Sums of one or two results beside the truths with their grain, and the truth without."""
    sums = Sums(pixels=int(hole.sum()))
    for result, truth in zip(found, truths, strict=True):
        share = 1 / len(found)
        sums.square += share * float(((result - truth)[hole] ** 2).sum())
        if len(found) > 1:
            sums.grain += share * float(((truth - alone)[hole] ** 2).sum())
        for picture, true, missing in zip(result.astype(np.float32), truth.astype(np.float32), hole, strict=True):
            steps, true_steps = border_steps(picture, missing), border_steps(true, missing)
            sums.ring += share * float(np.abs(steps - true_steps).sum())
            sums.step += share * float(np.abs(steps).sum())
            sums.step_truth += share * float(np.abs(true_steps).sum())
            sums.fine += share * float((fine_of(picture)[missing] ** 2).sum())
            sums.fine_truth += share * float((fine_of(true)[missing] ** 2).sum())
    sums.pairs = sum(border_steps(missing.astype(np.float32), missing).size for missing in hole)
    if len(found) > 1:
        first, second = ((result - alone)[hole] for result in found)
        sums.common, sums.spread = float((first * second).sum()), float(((first - second) ** 2).sum()) / 2
        sums.products = float(((first * second) ** 2).sum())
    sums.of_scenes[scene] = decibels(sums.square / sums.pixels)
    return sums


def decibels(mean_square: float) -> float:
    """PSNR of a mean squared error in codes of 8 bit."""
    return 10 * math.log10(255**2 / max(mean_square, 1e-3))


def row_of(sums: Sums, clean: Sums) -> dict[str, Any]:
    """The figures of a condition beside those of the clips without flicker and grain."""
    base, count = clean.square / clean.pixels, sums.pixels
    excess, error = sums.excess()
    grains = (sums.grain + min(sums.spread, sums.grain)) / count
    limit = base * 10 ** (BAR_DB / 10)
    verdict = "met" if excess + 2 * error <= limit else "missed" if excess - 2 * error > limit else "open"
    return {
        "psnr": decibels(sums.square / count),
        "loss": decibels(base) - decibels(sums.square / count),
        "grain_variance": sums.grain / count,
        "spread": sums.spread / count,
        "excess": excess,
        "standard_error": error,
        "beyond": decibels(base + grains) - decibels(excess + grains),
        "excess_loss": decibels(base) - decibels(excess),
        "bar": verdict,
        "ring": sums.ring / sums.pairs,
        "step": sums.step / sums.step_truth,
        "grain": sums.fine / sums.fine_truth,
        "psnr_of_scenes": dict(sums.of_scenes),
    }


def sources(arguments: argparse.Namespace, mask: str) -> list[tuple[str, Case | None]]:
    """What is repaired under a mask: rendered scenes, or clips of a folder."""
    if arguments.set is None:
        return [(name, None) for name in arguments.scenes]
    plan = Plan(
        folder=arguments.set, out=arguments.set, clips=arguments.clips, kinds=[mask], frames=arguments.frames,
        seed=arguments.seed,
    )  # fmt: skip
    return [(case.clip, case) for case in cases_of(plan)]


def main() -> None:
    """Measure, and print JSON and a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", action="append", type=words, help="a list to compare; may be given several times")
    parser.add_argument("--scenes", type=words, default=list(SCENES))
    parser.add_argument("--set", type=Path, help="folder of clips and masks, in the place of rendered scenes")
    parser.add_argument("--clips", type=words, default=[], help="of that folder; default all")
    parser.add_argument("--masks", type=words, default=list(MASKS))
    parser.add_argument("--grain", type=words, default=[f"{sigma:g}" for sigma in GRAINS], help="deviations, in codes")
    parser.add_argument("--kinds", type=words, default=["white", "correlated"], help="of grain")
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--size", default="320x240", help="WIDTHxHEIGHT, even")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    arguments = parser.parse_args()
    width, height = (int(side) for side in arguments.size.split("x"))
    lists = [settings_from(each) for each in arguments.settings or [[]]]
    grains = [(float(sigma), kind == "correlated") for kind in arguments.kinds for sigma in arguments.grain]
    conditions = [Condition(), Condition(gain=True)]
    conditions += [Condition(gain, *grain) for gain in (False, True) for grain in grains]
    jobs = [
        Job(name, mask, condition, lists, (height, width), arguments.frames, arguments.seed, case)
        for mask in arguments.masks
        for condition in conditions
        for name, case in sources(arguments, mask)
    ]
    if arguments.jobs == 1:
        measured = [measure(job) for job in jobs]
    else:  # not forked: VapourSynth and torch have threads by now
        with ProcessPoolExecutor(arguments.jobs, multiprocessing.get_context("spawn")) as pool:
            measured = list(pool.map(measure, jobs))
    pooled: dict[tuple[int, str, Condition], Sums] = {}
    for job, of_settings in zip(jobs, measured, strict=True):
        for k, sums in enumerate(of_settings):
            pooled.setdefault((k, job.mask, job.condition), Sums()).add(replace(sums))
    rows = [
        {
            "settings": settings_text(lists[k]) or "defaults",
            "mask": mask,
            "added": condition.name,
            **row_of(sums, pooled[k, mask, Condition()]),
        }
        for (k, mask, condition), sums in pooled.items()
    ]
    rows.sort(key=lambda row: arguments.masks.index(row["mask"]))
    show(
        "flicker",
        {"rows": rows},
        clips=sorted({job.scene for job in jobs}),
        frames=arguments.frames,
        size=arguments.size,
    )
    print("\n".join(table(
        [
            "mask", "added", "settings", "hole PSNR", "loss", "beyond", "excess, codes^2", "excess loss", "bar", "ring",
            "step", "grain",
        ],
        [
            [
                row["mask"], row["added"], row["settings"], f"{row['psnr']:.2f}", f"{row['loss']:+.2f}",
                f"{row['beyond']:+.2f}", f"{row['excess']:.2f} +- {row['standard_error']:.2f}",
                f"{row['excess_loss']:+.2f}", row["bar"], f"{row['ring']:.2f}",
                f"{row['step']:.3f}", f"{row['grain']:.3f}",
            ]
            for row in rows
        ],
    )))  # fmt: skip
    for k, each in enumerate(lists):
        name = settings_text(each) or "defaults"
        verdicts = [row["bar"] for row in rows if row["settings"] == name and row["added"] != "nothing"]
        counts = ", ".join(f"{word} {verdicts.count(word)}" for word in ("met", "open", "missed"))
        print(f"{k + 1}. {name}: excess loss of at most {BAR_DB:g} dB: {counts} of {len(verdicts)}")


if __name__ == "__main__":
    main()
