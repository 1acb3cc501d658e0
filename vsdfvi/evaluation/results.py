"""The table of results: a row for each clip, kind of mask and method, kept as CSV so that a run can be resumed."""

import csv
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FIGURES = (
    "psnr", "ssim65", "ssim7", "hole_psnr", "hole_mae", "epe", "epe_visible", "ewarp", "ewarp_hole", "ewarp_truth",
    "flicker", "ring", "step", "step_random", "grain", "grain_flat", "grain_still", "grain_still_truth", "grain_along",
    "grain_along_truth", "traced", "traced_right", "wrong", "risk", "changed_outside", "fps", "peak_mib",
)  # fmt: skip
OK = "ok"

Key = tuple[str, str, str, str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one method reached on one clip under one mask.

    Attributes:
        settings: Of the filter, as ``settings_text`` writes them; empty for methods that have none.
        limit: Frames of the clip that were asked for, 0 for all.
        seed: Of a mask that was made; None for one that was there.
        status: ``OK``, or what went wrong.
        frames: Frames that the figures are over.
        figures: By name; what was not measured is missing.
    """

    clip: str
    kind: str
    method: str
    settings: str
    limit: int
    seed: int | None
    status: str = OK
    frames: int = 0
    figures: Mapping[str, float] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        """What the figures depend on."""
        return self.clip, self.kind, self.method, self.settings, str(self.limit), _text(self.seed)


_NAMED = ("clip", "kind", "method", "settings", "limit", "seed", "status", "frames")


def settings_text(settings: Mapping[str, Any]) -> str:
    """Settings as one line, in the order of their names."""
    return " ".join(f"{name}={value}" for name, value in sorted(settings.items()))


def read_rows(path: Path) -> dict[Key, Row]:
    """The rows of a CSV file by their keys; none where there is no file."""
    if not path.is_file():
        return {}
    rows = {}
    with path.open(newline="", encoding="utf-8") as file:
        for cells in csv.DictReader(file):
            row = Row(
                clip=cells["clip"],
                kind=cells["kind"],
                method=cells["method"],
                settings=cells["settings"],
                limit=int(cells["limit"]),
                seed=int(cells["seed"]) if cells["seed"] else None,
                status=cells["status"],
                frames=int(cells["frames"]),
                figures={name: float(cells[name]) for name in FIGURES if cells.get(name)},
            )
            rows[row.key] = row
    return rows


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Write a CSV file of rows; it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")
    with unfinished.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow((*_NAMED, *FIGURES))
        for row in rows:
            named = [_text(getattr(row, name)) for name in _NAMED]
            writer.writerow([*named, *(_text(row.figures.get(name)) for name in FIGURES)])
    unfinished.replace(path)


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.7g}" if math.isfinite(value) else ""
    return "" if value is None else str(value)
