"""The results as Markdown: means for each kind of mask, what completing flow is worth, then clip by clip."""

import math
import statistics
from collections.abc import Iterable, Sequence

from vsdfvi.evaluation.results import OK, Row

COLUMNS = {
    "psnr": ("PSNR", ".2f"),
    "ssim65": ("SSIM 65", ".4f"),
    "ssim7": ("SSIM 7", ".4f"),
    "hole_psnr": ("hole PSNR", ".2f"),
    "hole_mae": ("hole MAE", ".2f"),
    "epe": ("flow error", ".3f"),
    "epe_visible": ("flow error, seen", ".3f"),
    "ewarp": ("warp", ".3f"),
    "ewarp_hole": ("warp, hole", ".3f"),
    "ewarp_truth": ("warp, truth", ".3f"),
    "flicker": ("flicker", ".2f"),
    "ring": ("ring", ".2f"),
    "step": ("step", ".3f"),
    "step_random": ("step, random", ".3f"),
    "grain": ("grain", ".3f"),
    "flat": ("grain_flat", ".3f"),
    "grain_still": ("still", ".3f"),
    "grain_still_truth": ("still, truth", ".3f"),
    "grain_along": ("along", ".3f"),
    "grain_along_truth": ("along, truth", ".3f"),
    "traced": ("traced", ".3f"),
    "traced_right": ("traced right", ".3f"),
    "wrong": ("wrong", ".3f"),
    "risk": ("risk", ".3f"),
    "changed_outside": ("changed outside", ".0f"),
    "fps": ("frames/s", ".1f"),
    "peak_mib": ("peak MiB", ".0f"),
}
"""Heading and number format of each figure."""

_WORST = ("changed_outside", "peak_mib")
"""Figures whose mean would hide what matters: the largest is shown."""


def markdown(rows: Sequence[Row], methods: Sequence[str], settings: str) -> str:
    """The report on rows of one run, as a text."""
    good = [row for row in rows if row.status == OK]
    lines = [
        "# Results",
        "",
        f"Settings of ours: {settings or 'defaults'}. Figures are explained in docs/evaluation.md.",
    ]
    lines += ["", "## Means for each kind of mask", "", *_means(good, methods)]
    gap = _gap(good)
    if gap:
        lines += ["", "## What completing flow is worth: hole PSNR", "", *gap]
    for clip in dict.fromkeys(row.clip for row in good):
        of_clip = [row for row in good if row.clip == clip]
        ordered = sorted(of_clip, key=lambda row: (row.kind, methods.index(row.method)))
        cells = [[row.kind, row.method, *_cells([row])] for row in ordered]
        lines += ["", f"## {clip}, {of_clip[0].frames} frames", "", *table(["mask", "method", *_headings()], cells)]
    failed = [[row.clip, row.kind, row.method, row.status] for row in rows if row.status != OK]
    if failed:
        lines += ["", "## What failed", "", *table(["clip", "mask", "method", "why"], failed)]
    return "\n".join(lines) + "\n"


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table."""
    written = [headings, ["---"] * len(headings), *rows]
    return ["| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in row) + " |" for row in written]


def _means(rows: Sequence[Row], methods: Sequence[str]) -> list[str]:
    cells = []
    for kind in dict.fromkeys(row.kind for row in rows):
        for method in methods:
            chosen = [row for row in rows if (row.kind, row.method) == (kind, method)]
            if chosen:
                cells.append([kind, method, str(len(chosen)), *_cells(chosen)])
    return table(["mask", "method", "clips", *_headings()], cells)


def _gap(rows: Sequence[Row]) -> list[str]:
    """Laplace, ours and the oracle side by side, over the clips that have all three."""
    of = {(row.clip, row.kind, row.method): row.figures.get("hole_psnr", math.nan) for row in rows}
    cells, means = [], []
    for kind in dict.fromkeys(row.kind for row in rows):
        clips = [
            clip
            for clip in dict.fromkeys(row.clip for row in rows if row.kind == kind)
            if all((clip, kind, method) in of for method in ("laplace", "ours", "oracle"))
        ]
        if clips:
            mean = [
                statistics.fmean(of[clip, kind, method] for clip in clips) for method in ("laplace", "ours", "oracle")
            ]
            means.append(mean)
            cells.append([kind, str(len(clips)), *_gap_cells(mean)])
    if len(means) > 1:
        cells.append(
            ["mean of the kinds", "", *_gap_cells([statistics.fmean(column) for column in zip(*means, strict=True)])]
        )
    return table(["mask", "clips", "laplace", "ours", "oracle", "share of the gap closed"], cells) if cells else []


def _gap_cells(mean: Sequence[float]) -> list[str]:
    laplace, ours, oracle = mean
    # Where the true flow is worth nothing there is no gap that could be closed.
    share = f"{100 * (ours - laplace) / (oracle - laplace):.0f} %" if oracle - laplace > 0.05 else ""
    return [*(f"{value:.2f}" for value in mean), share]


def _headings() -> list[str]:
    return [heading for heading, _ in COLUMNS.values()]


def _cells(rows: Sequence[Row]) -> list[str]:
    """The figures of one row, or their means over several."""
    cells = []
    for name, (_, form) in COLUMNS.items():
        values = [row.figures[name] for row in rows if name in row.figures and math.isfinite(row.figures[name])]
        value = (max(values) if name in _WORST else statistics.fmean(values)) if values else math.nan
        cells.append(format(value, form) if values else "")
    return cells
