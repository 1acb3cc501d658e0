"""The whole of an evaluation: corrupt, repair, measure, and write down."""

import json
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import vapoursynth as vs

from vsdfvi.errors import EngineError, VsdfviError
from vsdfvi.evaluation.contact_sheet import write_sheet, write_tile
from vsdfvi.evaluation.coverage import Curve, read_curves, write_curves, write_plot
from vsdfvi.evaluation.plan import Plan, cases_of
from vsdfvi.evaluation.render import provenance_of, require_plugin, write_job
from vsdfvi.evaluation.report import markdown
from vsdfvi.evaluation.results import OK, Key, Row, read_rows, settings_text, write_rows
from vsdfvi.evaluation.scoring import Repaired, score
from vsdfvi.evaluation.sources import Case
from vsdfvi.settings import Settings

Announce = Callable[[str], None]
Measured = tuple[Row, Curve | None]


def evaluate(plan: Plan, announce: Announce, advance: Callable[[], object]) -> list[Row]:
    """The rows of a plan, in its order; its folder holds the table, the curves and their pictures afterwards.

    Rows that an earlier run left are taken from there. The table is written after every case, so that an interrupted
    run loses one case at most.

    Args:
        announce: Told what comes next.
        advance: Called after each row.

    Raises:
        EngineError: The plugin is not there.
        FormatError: The folder holds no clips. A clip or a mask that is broken makes rows that say so, and no more.
    """
    require_plugin()
    table = plan.out / "results.csv"
    known = read_rows(table)
    curves = read_curves(plan.out / "coverage.csv")
    cases = cases_of(plan)
    for case in cases:
        wanted = [_blank(plan, case, method) for method in plan.methods]
        missing = [row for row in wanted if plan.again or row.key not in known or known[row.key].status != OK]
        for _ in range(len(wanted) - len(missing)):
            advance()
        if missing:
            for row, curve in _measure(plan, case, missing, announce, advance):
                known[row.key] = row
                if curve is not None:
                    curves[row.key] = curve
            write_rows(table, known.values())
            write_curves(plan.out / "coverage.csv", curves)
    rows = [known[_blank(plan, case, method).key] for case in cases for method in plan.methods]
    settings = settings_text(plan.settings)
    (plan.out / "results.md").write_text(markdown(rows, plan.methods, settings), encoding="utf-8")
    _write_contact_sheet(plan, cases)
    ours = [row for row in rows if row.method == "ours" and row.key in curves]
    kinds = dict.fromkeys(row.kind for row in ours)
    write_plot(plan.out / "coverage.png", {kind: [curves[r.key] for r in ours if r.kind == kind] for kind in kinds})
    return rows


def _blank(plan: Plan, case: Case, method: str) -> Row:
    return Row(
        clip=case.clip,
        kind=case.kind,
        method=method,
        settings=settings_text(plan.settings_of(method)),
        limit=case.frames,
        seed=None if case.mask else case.seed,
    )


def _measure(
    plan: Plan, case: Case, rows: Sequence[Row], announce: Announce, advance: Callable[[], object]
) -> list[Measured]:
    """Rows with their figures, or with what went wrong, and the curves of those that have one."""
    done: dict[Key, Measured] = {}
    rendered: list[tuple[Row, Repaired, dict[str, float]]] = []
    plan.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=plan.out, prefix="rendering-") as folder:
        for row in rows:
            announce(f"{row.clip} {row.kind} {row.method}")
            output = Path(folder) / f"{row.method}.raw"
            try:
                figures = _render(plan, case, row.method, output)
                # Ours may change what lies within its own dilation; a baseline, the mask alone.
                dilate = Settings.from_arguments(plan.settings_of(row.method)).dilate
                account = provenance_of(output) if provenance_of(output).is_file() else None
                rendered.append((row, Repaired(output, dilate, account), figures))
            except EngineError as error:
                done[row.key] = _with(row, status=str(error)), None
            advance()
        if rendered:
            announce(f"{case.clip} {case.kind} scores")
            done |= {measured[0].key: measured for measured in _scored(plan, case, rendered)}
    return [done[row.key] for row in rows]


def _scored(plan: Plan, case: Case, rendered: Sequence[tuple[Row, Repaired, dict[str, float]]]) -> list[Measured]:
    """The rows of repairs that were made; tiles for the contact sheet are kept."""
    try:
        scored = score(case, [repair for _, repair, _ in rendered])
    except (VsdfviError, vs.Error) as error:
        return [(_with(row, status=str(error)), None) for row, _, _ in rendered]
    places = [
        _beside(plan, case, "damaged"),
        *(_tile(plan, row) for row, _, _ in rendered),
        _beside(plan, case, "truth"),
    ]
    for place, tile in zip(places, scored.tiles, strict=bool(scored.tiles)):
        write_tile(place, tile)
    return [
        (_with(row, figures={**made, **found}), curve)
        for (row, _, made), found, curve in zip(rendered, scored.figures, scored.curves, strict=True)
    ]


def _with(row: Row, *, status: str = OK, figures: Mapping[str, float] | None = None) -> Row:
    figures = dict(figures or {})
    return Row(
        clip=row.clip, kind=row.kind, method=row.method, settings=row.settings, limit=row.limit, seed=row.seed,
        status=" ".join(status.split()), frames=int(figures.pop("frames", 0)), figures=figures,
    )  # fmt: skip


def _render(plan: Plan, case: Case, method: str, output: Path) -> dict[str, float]:
    """Figures of a repair that another process has made.

    Raises:
        EngineError: It failed; the text is its own.
    """
    job, report = output.with_suffix(".job"), output.with_suffix(".json")
    write_job(job, case, method, plan.settings_of(method), output, report)
    process = subprocess.run(
        [sys.executable, "-m", "vsdfvi.evaluation.render", str(job)], capture_output=True, text=True, check=False
    )
    if process.returncode or not report.is_file():
        last = process.stderr.strip().splitlines()[-1:]
        raise EngineError(f"the process ended with status {process.returncode}: {''.join(last)}")
    answer = json.loads(report.read_text(encoding="utf-8"))
    if "error" in answer:
        raise EngineError(answer["error"])
    figures: dict[str, float] = answer["figures"]
    return figures


def _tile(plan: Plan, row: Row) -> Path:
    """Where the picture of a row is kept; rows of other settings have their own."""
    number = zlib.crc32("/".join(row.key).encode())
    return plan.out / "pictures" / row.clip / f"{row.kind}-{row.method}-{number:08x}.png"


def _beside(plan: Plan, case: Case, name: str) -> Path:
    return _tile(plan, Row(clip=case.clip, kind=case.kind, method=name, settings="", limit=case.frames, seed=case.seed))


def _write_contact_sheet(plan: Plan, cases: Sequence[Case]) -> None:
    rows = {
        f"{case.clip}  {case.kind}": [
            _beside(plan, case, "damaged"),
            *(_tile(plan, _blank(plan, case, method)) for method in plan.methods),
            _beside(plan, case, "truth"),
        ]
        for case in cases
    }
    write_sheet(plan.out / "contact.png", ["damaged", *plan.methods, "truth"], rows)
