"""The report of a run: one HTML file, beside its record, for people who judge pictures. docs/report.md is its guide."""

import base64
import hashlib
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray

from vsdfvi.cleaning import report_numbers as numbers
from vsdfvi.cleaning.report_pictures import SMALL_BYTES, SMALL_SIDE, Image, image_of
from vsdfvi.cleaning.report_tally import INVENTED, TRACED, FrameLine, Tally, tally_of
from vsdfvi.cleaning.report_timeline import timeline
from vsdfvi.engine.record import ORIGINS
from vsdfvi.settings import Settings

KINDS = ("before", "after", "confidence", "invented")
"""The pictures of a frame, in the order of the keys 1 to 4."""

_FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Pictures:
    """One frame before and after, and the views of how it was made.

    Shapes:
        each: ``(H, W, 3)`` uint8, RGB: the whole frame, or the same cut-out around its hole.
    """

    before: NDArray[np.uint8]
    after: NDArray[np.uint8]
    confidence: NDArray[np.uint8]
    invented: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Run:
    """What a report tells of a run besides its frames.

    Attributes:
        title: The page's.
        source, output: Names of the films.
        frames: Of the film.
        size: Width and height of a frame, in pixels.
        rate: Frames a second; None where they have no one rate.
        header: The record's first line (docs/record.md).
        seconds: Time spent in this run.
        computed: Frames made in it: those of an earlier run that it went on from are not among them.
        files: Names of files, and their SHA-256.
    """

    title: str
    source: str
    output: str
    frames: int
    size: tuple[int, int]
    rate: Fraction | None
    header: Mapping[str, Any]
    seconds: float
    computed: int
    files: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class _Shown:
    """A worst frame as the template shows it."""

    number: int
    name: str
    time: str
    facts: Sequence[tuple[str, str]]
    images: Mapping[str, Image]
    small: Image


def write_report(path: Path, run: Run, lines: Iterable[Mapping[str, Any]], pictures: Callable[[int], Pictures]) -> None:
    """Write the report of a run to a file, whole or not at all: what is there is replaced when all is done.

    Args:
        lines: The record's lines of frames, in the order of frames. They are read once, and none is kept.
        pictures: Gives the pictures of a frame. It is asked for some of those that have a hole, each once, in order.

    Raises:
        ValueError: A line is of no frame of this film, or a picture is no such picture.
        OSError: The file cannot be written.
    """
    tally = tally_of(lines, run.frames)
    page = _page(run, tally, pictures)
    # Names of files may hold what is no text; it is shown as a question mark.
    data = page.encode("utf-8", errors="replace")
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _page(run: Run, tally: Tally, pictures: Callable[[int], Pictures]) -> str:
    """The page as text."""
    area = run.size[0] * run.size[1]
    worst, sheet = tally.worst(), tally.sheet()
    large: dict[int, dict[str, Image]] = {}
    small: dict[int, dict[str, Image]] = {}
    for number in sorted({line.number for line in worst} | set(sheet)):
        given = _checked(pictures(number))
        if any(line.number == number for line in worst):
            large[number] = {kind: image_of(picture) for kind, picture in given.items()}
        small[number] = {
            kind: image_of(given[kind], largest_side=SMALL_SIDE, largest_bytes=SMALL_BYTES)
            for kind in ("before", "after")
        }
    script = (_FOLDER / "report.js").read_text(encoding="utf-8")
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2").render(
        run=run,
        program=run.header.get("program", ""),
        when=run.header.get("time", ""),
        kinds=KINDS,
        style=Markup((_FOLDER / "report.css").read_text(encoding="utf-8")),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii"),
        warnings=_warnings(run, tally),
        figures=_figures(run, tally, area),
        timeline=timeline(tally, worst, area, run.rate),
        worst=[_shown(line, run, area, large[line.number], small[line.number]["after"]) for line in worst],
        sheet=[(numbers.grouped(each), numbers.time_of(each, run.rate), small[each]) for each in sheet],
        changed=_settings(run.header, changed=True),
        unchanged=_settings(run.header, changed=False),
        facts=_facts(run.header),
    )


def _checked(given: Pictures) -> dict[str, NDArray[np.uint8]]:
    """The pictures of a frame by their kind. They lie over each other, so they must be of one size."""
    pictures = {each.name: getattr(given, each.name) for each in fields(given)}
    sizes = {picture.shape for picture in pictures.values()}
    if len(sizes) > 1:
        raise ValueError(f"pictures must be of one size, got {', '.join(map(str, sorted(sizes)))}")
    return pictures


def _warnings(run: Run, tally: Tally) -> list[str]:
    """What has to be read first."""
    warnings = []
    if tally.changed_outside:
        named = ", ".join(map(str, tally.first_changed))
        rest = ", ..." if tally.changed_outside > len(tally.first_changed) else ""
        frames = numbers.counted(tally.changed_outside, "frame")
        warnings.append(f"Outside the hole something was changed, on {frames}: {named}{rest}.")
    if missing := run.frames - tally.on_record:
        count = numbers.counted(missing, "frame")
        warnings.append(
            f"{count} of the film {'is' if missing == 1 else 'are'} not on record. Nothing here tells of them."
        )
    return warnings


def _figures(run: Run, tally: Tally, area: int) -> list[tuple[str, str, str]]:
    """The figures of the run: name, value, and one line of explanation."""
    total, repaired = tally.total(), tally.states["repaired"]
    untouched = ""
    if tally.states["empty"]:
        untouched = f" {numbers.grouped(tally.states['empty'])} had no hole."
    if tally.states["rejected"]:
        untouched += f" {numbers.grouped(tally.states['rejected'])} were left as they are: reject names them."
    far = f"the farthest {numbers.counted(tally.farthest, 'frame')} away" if tally.farthest else "none"
    explained = {
        "traced": f"Of all holes: seen in other frames of the film, {far}.",
        "reference": "Of all holes: taken from a reference frame that was given.",
        "recovered": "Of all holes: recovered from under a half-transparent mark, in the frame itself.",
        "invented": "Of all holes: no frame showed it.",
    }
    of_holes = [
        (name.capitalize(), numbers.percent(total.sums[ORIGINS.index(name)], total.hole), text)
        for name, text in explained.items()
        if name in ("traced", "invented") or total.sums[ORIGINS.index(name)]
    ]
    return [
        ("Film", numbers.counted(run.frames, "frame"), _film(run)),
        (
            "Repaired",
            numbers.counted(repaired, "frame"),
            f"{numbers.percent(repaired, run.frames)} of the film.{untouched}",
        ),
        (
            "Hole",
            numbers.percent(total.hole, area * repaired),
            f"Of a repaired frame, on average; the largest is {numbers.percent(total.largest, area)}.",
        ),
        *of_holes,
        (
            "Confidence",
            numbers.confidence(total.mean),
            f"Mean probability that a traced pixel is right; the lowest is {numbers.confidence(total.lowest)}.",
        ),
        (
            "Outside the holes",
            "changed" if tally.changed_outside else "unchanged",
            f"Digests of all samples there, before and after, "
            f"{'differ' if tally.changed_outside else 'are equal on every frame on record'}.",
        ),
        ("Speed", _speed(run), _speed_explained(run)),
    ]


def _film(run: Run) -> str:
    size = "\N{MULTIPLICATION SIGN}".join(map(str, run.size))
    if not run.rate:
        return f"{size} pixels, of no one frame rate."
    rate = f"{float(run.rate):.3f}".rstrip("0").rstrip(".")
    return f"{size} pixels, {rate} frames a second, {numbers.time_of(run.frames, run.rate)}."


def _speed(run: Run) -> str:
    return (
        f"{numbers.rounded(run.computed / run.seconds)} frames/s" if run.computed and run.seconds > 0 else "\N{EN DASH}"
    )


def _speed_explained(run: Run) -> str:
    device = run.header.get("resolved", {}).get("device", "")
    on = f" on {device}" if device else ""
    if not run.computed:
        return "Nothing was computed: all frames were there from an earlier run."
    text = f"{numbers.counted(run.computed, 'frame')} computed in {numbers.duration(run.seconds)}{on}"
    rest = run.frames - run.computed
    return f"{text}; {numbers.grouped(rest)} were there from an earlier run." if rest > 0 else f"{text}."


def _shown(line: FrameLine, run: Run, area: int, images: dict[str, Image], small: Image) -> _Shown:
    facts = [
        ("hole", f"{numbers.percent(line.hole, area)} of the frame"),
        *(
            (name, numbers.percent(line.counts[place], line.hole))
            for place, name in enumerate(ORIGINS)
            if line.counts[place]
        ),
    ]
    if line.counts[TRACED]:
        facts.append(("confidence", f"{numbers.confidence(line.mean)}, lowest {numbers.confidence(line.lowest)}"))
        facts.append(("farthest source", numbers.counted(line.farthest, "frame")))
    if not line.counts[INVENTED]:
        facts.append(("invented", "nothing"))
    if (scale := images["after"].scale) < 1:
        facts.append(("picture", f"at {100 * scale:.0f} % of its size"))
    return _Shown(
        line.number, numbers.grouped(line.number), numbers.time_of(line.number, run.rate), facts, images, small
    )


def _settings(header: Mapping[str, Any], *, changed: bool) -> list[tuple[str, str, str]]:
    """Settings that differ from their defaults, or those that do not: name, value, default. Unknown ones differ."""
    defaults = asdict(Settings())
    return [
        (name, _written(value), _written(defaults[name]) if name in defaults else "\N{EN DASH}")
        for name, value in header.get("settings", {}).items()
        if (name not in defaults or value != defaults[name]) == changed
    ]


def _facts(header: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Everything else that the header says, level by level."""
    facts: list[tuple[str, str]] = []

    def tell(name: str, value: Any) -> None:
        if isinstance(value, Mapping):
            for key, below in value.items():
                tell(f"{name} {key}".strip().replace("_", " "), below)
        elif isinstance(value, list | tuple):
            for each in value:
                tell(name, each)
        else:
            facts.append((name, _written(value)))

    tell("", {key: value for key, value in header.items() if key not in ("settings", "kind")})
    return facts


def _written(value: Any) -> str:
    return "none" if value in ("", None) else str(value)
