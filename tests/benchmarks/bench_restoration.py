"""What each part of the repair is worth: the same clips and masks under a list of settings, each adding to the last.

    python tests/benchmarks/bench_restoration.py --set FOLDER --frames 12 --jobs 2 --out build/restoration

FOLDER is laid out as ``vsdfvi evaluate`` takes it; kinds of masks that it does not hold are made. Variants are
``--variant NAME:setting=value,...``, several times; the default list adds trajectories, light, seam and grain to what
the filter is without them. Flow is made once for each clip and mask, and shared by the variants whose settings leave it
alone; ``--check`` repairs each variant of the first pair by itself as well, and compares all bytes. Rows go to
``restoration.csv`` in ``--out`` as they come; a rerun takes from there what is there, unless ``--again`` is given.
"""

import argparse
import json
import math
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from measured import show, use_checkout, words

use_checkout()

from vsdfvi.engine.cache import Cache  # noqa: E402  which needs the path
from vsdfvi.evaluation.flow import Examined, repaired  # noqa: E402
from vsdfvi.evaluation.plan import Plan, cases_of  # noqa: E402
from vsdfvi.evaluation.provenance import write_provenance  # noqa: E402
from vsdfvi.evaluation.report import table  # noqa: E402
from vsdfvi.evaluation.results import OK, Row, read_rows, settings_text, write_rows  # noqa: E402
from vsdfvi.evaluation.scoring import Repaired, score  # noqa: E402
from vsdfvi.evaluation.shared_flow import SharedFlow  # noqa: E402
from vsdfvi.evaluation.sources import Case, damaged, open_case  # noqa: E402
from vsdfvi.films.clips import video_format  # noqa: E402
from vsdfvi.settings import Settings, settings_from  # noqa: E402

LADDER = (
    "before:sources=1,refine=0,light=0,seam=0,grain=0",
    "+ trajectories:light=0,seam=0,grain=0",
    "+ light:seam=0,grain=0",
    "+ seam:grain=0",
    "+ grain:",
)
"""Each variant has the defaults but for what it names."""

COLUMNS: dict[str, tuple[tuple[str, ...], str]] = {
    "hole PSNR": (("hole_psnr",), ".2f"),
    "ring": (("ring",), ".2f"),
    "step / truth": (("step",), ".3f"),
    "step / random": (("step_random",), ".3f"),
    "flicker": (("flicker",), ".2f"),
    "grain": (("grain",), ".3f"),
    "in flats, median": (("grain_flat",), ".2f"),
    "still: result / truth": (("grain_still", "grain_still_truth"), ".3f"),
    "along: result / truth": (("grain_along", "grain_along_truth"), ".3f"),
    "traced": (("traced",), ".3f"),
    "traced right": (("traced_right",), ".4f"),
    "risk / wrong": (("risk", "wrong"), ".4f"),
    "outside": (("changed_outside",), ".0f"),
}
"""Heading: the figures shown under it, and their format."""


@dataclass(frozen=True, slots=True)
class Variant:
    """Settings under a name."""

    name: str
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Job:
    """A clip under a mask, and the variants that are still to be measured.

    Attributes:
        memory_mib: What shared flow may occupy.
        check: Whether each variant is also repaired by itself.
    """

    case: Case
    variants: Sequence[Variant]
    folder: Path
    memory_mib: int
    check: bool


def variants_of(texts: Sequence[str], common: Mapping[str, Any]) -> list[Variant]:
    """Variants as they are given on the command line, on top of settings that all have."""
    split = [text.partition(":") for text in texts]
    return [
        Variant(name.strip(), {**common, **settings_from([word for word in words.split(",") if word])})
        for name, _, words in split
    ]


def blank(case: Case, variant: Variant) -> Row:
    """The row of a case and a variant, without figures."""
    return Row(
        clip=case.clip,
        kind=case.kind,
        method=variant.name,
        settings=settings_text(variant.settings),
        limit=case.frames,
        seed=None if case.mask else case.seed,
    )


def measure(job: Job) -> tuple[list[Row], dict[str, float]]:
    """The rows of one clip and mask, and the seconds that each variant took; the first has made the flow."""
    truth, mask = open_case(job.case)
    broken = damaged(truth, mask)
    shared = Cache(job.memory_mib << 20)
    repairs, taken = [], {}
    with tempfile.TemporaryDirectory(dir=job.folder, prefix="rendering-") as folder:
        for number, variant in enumerate(job.variants):
            settings = Settings.from_arguments({"device": "cpu", "threads": 1, **variant.settings})
            formats = video_format(broken), video_format(mask)
            output = Path(folder) / f"{number}.raw"
            begin = time.perf_counter()
            with output.open("wb") as file, output.with_suffix(".provenance").open("wb") as account:

                def note(repair: Any, account: Any = account) -> None:
                    write_provenance(account, repair)

                for planes in repaired(SharedFlow(settings, *formats, shared), broken, mask, note):
                    for plane in planes:
                        file.write(np.ascontiguousarray(plane).data)
            taken[variant.name] = time.perf_counter() - begin
            if job.check:
                alone = repaired(Examined(settings, *formats), broken, mask)
                bytes_alone = b"".join(plane.tobytes() for planes in alone for plane in planes)
                if bytes_alone != output.read_bytes():
                    raise AssertionError(
                        f"{variant.name}: with shared flow the bytes must be those without, got others"
                    )
            repairs.append(Repaired(output, settings.dilate, output.with_suffix(".provenance")))
        scored = score(job.case, repairs, whole=False)
    rows = [
        replace(blank(job.case, variant), status=OK, frames=len(truth), figures=figures)
        for variant, figures in zip(job.variants, scored.figures, strict=True)
    ]
    return rows, taken


def results(jobs: Sequence[Job], processes: int) -> Iterator[tuple[Job, list[Row], dict[str, float]]]:
    """What the jobs give, as it comes. Each process takes one clip and mask at a time."""
    if processes == 1:
        for job in jobs:
            yield job, *measure(job)
        return
    # Not forked: VapourSynth and torch have threads by now.
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        waiting = {pool.submit(measure, job): job for job in jobs}
        for future in as_completed(waiting):
            yield waiting[future], *future.result()


def means(rows: Sequence[Row], variants: Sequence[Variant]) -> list[str]:
    """A table: for each kind of mask and variant, the middle of each figure over the clips; then over the kinds."""
    kinds = list(dict.fromkeys(row.kind for row in rows))
    cells, over_kinds = [], {variant.name: [] for variant in variants}
    for kind in kinds:
        for variant in variants:
            chosen = [row.figures for row in rows if (row.kind, row.method) == (kind, variant.name)]
            mean = {
                name: _middle(name, [f.get(name, math.nan) for f in chosen])
                for names, _ in COLUMNS.values()
                for name in names
            }
            mean["changed_outside"] = max((f["changed_outside"] for f in chosen), default=math.nan)
            over_kinds[variant.name].append(mean)
            cells.append([kind, variant.name, str(len(chosen)), *_cells(mean)])
    if len(kinds) > 1:
        for name, of in over_kinds.items():
            mean = {figure: _mean([each[figure] for each in of]) for figure in of[0]}
            mean["changed_outside"] = max(each["changed_outside"] for each in of)
            cells.append(["mean of the kinds", name, "", *_cells(mean)])
    return table(["mask", "variant", "clips", *COLUMNS], cells)


def _mean(values: Sequence[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return statistics.fmean(finite) if finite else math.nan


def _middle(name: str, values: Sequence[float]) -> float:
    """The mean; of grain in flats the median, since it is a quotient of what may be nearly nothing."""
    finite = [value for value in values if math.isfinite(value)]
    return statistics.median(finite) if finite and name == "grain_flat" else _mean(values)


def _cells(figures: Mapping[str, float]) -> list[str]:
    def text(value: float, form: str) -> str:
        return format(value, form) if math.isfinite(value) else "-"

    return [" / ".join(text(figures[name], form) for name in names) for names, form in COLUMNS.values()]


def main() -> None:
    """Measure what is missing, and print the table of everything that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", type=Path, help="folder of clips and masks")
    parser.add_argument("--out", type=Path, default=Path("build/restoration"))
    parser.add_argument("--clips", type=words, default=[], help="names; default all")
    parser.add_argument("--masks", type=words, default=[], help="kinds; default those that are there, or all")
    parser.add_argument("--frames", type=int, default=0, help="first frames of each clip; default all")
    parser.add_argument("--seed", type=int, default=1, help="of masks that are made")
    parser.add_argument("--variant", action="append", metavar="NAME:SETTINGS", help="default: the ladder of all parts")
    parser.add_argument("--settings", type=words, default=[], help="of all variants, such as radius=12,dilate=1")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--memory", type=int, default=2048, help="MiB of shared flow in each process")
    parser.add_argument("--again", action="store_true", help="measure what is there already, too")
    parser.add_argument("--check", action="store_true", help="compare bytes without shared flow, on the first pair")
    arguments = parser.parse_args()
    if arguments.set is None:
        print("bench_restoration: skipped, needs --set with clips and masks")
        return
    plan = Plan(
        folder=arguments.set, out=arguments.out, clips=arguments.clips, kinds=arguments.masks,
        frames=arguments.frames, seed=arguments.seed,
    )  # fmt: skip
    variants = variants_of(arguments.variant or LADDER, settings_from(arguments.settings))
    arguments.out.mkdir(parents=True, exist_ok=True)
    path = arguments.out / "restoration.csv"
    known, cases, jobs = read_rows(path), cases_of(plan), []
    for case in cases:
        missing = [variant for variant in variants if arguments.again or blank(case, variant).key not in known]
        if missing:
            jobs.append(Job(case, missing, arguments.out, arguments.memory, arguments.check and not jobs))
    for done, (job, rows, taken) in enumerate(results(jobs, arguments.jobs), 1):
        known |= {row.key: row for row in rows}
        write_rows(path, known.values())
        spent = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in taken.items())
        print(f"{done}/{len(jobs)} {job.case.clip} {job.case.kind}: {spent}", flush=True)
    rows = [known[blank(case, variant).key] for case in cases for variant in variants]
    lines = means(rows, variants)
    (arguments.out / "restoration.md").write_text("\n".join(lines) + "\n")
    figures = [{"clip": row.clip, "kind": row.kind, "variant": row.method, **row.figures} for row in rows]
    (arguments.out / "restoration.json").write_text(json.dumps(figures, indent=1))
    given = {variant.name: settings_text(variant.settings) or "defaults" for variant in variants}
    show("restoration", {"rows": len(rows), "table": str(arguments.out / "restoration.md")}, variants=given)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
