"""The timeline of a report: shares of the frame as stacked areas, and confidence below them, as paths of SVG."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from vsdfvi.cleaning.report_numbers import confidence, grouped, nice_ceiling, percent, time_of
from vsdfvi.cleaning.report_tally import INVENTED, Column, FrameLine, Tally, merged
from vsdfvi.engine.record import ORIGINS

HEIGHT = 1000
"""Of both drawings, in units of their own, downwards; they are as wide as there are columns."""

_STACKED = ("invented", "traced", "reference", "recovered")  # from the ground up: what is looked for stands on it
_ROWS = 48  # of the table
_TICKS = 5
_STEPS = 150  # of a line: with one for each column it would be as wide as it jumps, and cover what lies below
_MARK_WIDTH = 3  # percent of the timeline: the width of a number on a screen of 700 pixels


@dataclass(frozen=True, slots=True)
class Mark:
    """Where one of the worst frames stands, as the ``place``-th: ``left`` in percent of the timeline's width, ``level``
    in rows above it."""

    place: int
    number: int
    left: float
    level: int


@dataclass(frozen=True, slots=True)
class Tick:
    """A label of the time axis."""

    left: float
    frame: str
    time: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """What the template draws.

    Attributes:
        columns: Width of the drawings.
        top: Share of the frame at the upper edge, in percent.
        areas: Name of the origin, and the closed path under its upper edge. Each covers those that follow it.
        mean: Path of the mean hole, in ``_STEPS`` at most.
        band: Closed path between the lowest and the mean confidence.
        confidence: Path of the mean confidence, in as many.
        readings: For each column, what the pointer over it reads: a sentence.
        table: Rows of cells: the same in fewer parts.
    """

    columns: int
    frames_each: str
    top: str
    middle: str
    areas: Sequence[tuple[str, str]]
    mean: str
    band: str
    confidence: str
    marks: Sequence[Mark]
    ticks: Sequence[Tick]
    readings: str
    table: Sequence[Sequence[str]]


def timeline(tally: Tally, worst: Sequence[FrameLine], area: int, rate: Fraction | None) -> Timeline:
    """The timeline of a run.

    Args:
        worst: Frames that are marked.
        area: Pixels of a frame.
    """
    columns = tally.columns
    top = nice_ceiling(100 * max(column.largest for column in columns) / area)

    def height(pixels: float) -> int:
        return max(0, HEIGHT - round(HEIGHT * 100 * pixels / (area * top)))

    areas = []
    total = tally.total()
    present = [name for name in _STACKED if name in ("invented", "traced") or total.sums[ORIGINS.index(name)]]
    for layer in range(len(present), 0, -1):
        below = [ORIGINS.index(name) for name in present[:layer]]
        edge = [height(sum(_shown(column)[origin] for origin in below)) for column in columns]
        areas.append((present[layer - 1], _area(edge)))
    parts = _parts_of(columns)
    frames_each = -(-tally.frames // len(columns))
    return Timeline(
        columns=len(columns),
        frames_each="a frame" if frames_each == 1 else f"up to {grouped(frames_each)} frames",
        top=f"{top:g} %",
        middle=f"{top / 2:g} %",
        areas=areas,
        mean=_line([height(part.hole / part.frames) if part.frames else None for part in parts]),
        band=_band(columns),
        confidence=_line([None if part.mean is None else _height_of(part.mean) for part in parts]),
        marks=_marks(tally, worst),
        ticks=_ticks(tally.frames, rate),
        readings="\n".join(_reading(column, area, rate) for column in columns),
        table=_table(tally, area, rate),
    )


def _marks(tally: Tally, worst: Sequence[FrameLine]) -> list[Mark]:
    """Marks from left to right, in as many rows as it takes to let all be read."""
    marks: list[Mark] = []
    for place, line in sorted(enumerate(worst, 1), key=lambda each: each[1].number):
        left = round(100 * (tally.column_of(line.number) + 0.5) / len(tally.columns), 3)
        near = {mark.level for mark in marks if left - mark.left < _MARK_WIDTH}
        marks.append(Mark(place, line.number, left, next(level for level in range(len(worst)) if level not in near)))
    return marks


def _shown(column: Column) -> tuple[int, ...]:
    """Pixels of each origin in the frame that stands for a column: a mean would hide a single bad one."""
    return column.worst.counts if column.worst else (0,) * len(ORIGINS)


def _parts_of(columns: Sequence[Column]) -> list[Column]:
    """For each column the sum of it and its neighbours: of ``_STEPS`` parts at most."""
    width = -(-len(columns) // _STEPS)
    parts = [merged(columns[first : first + width]) for first in range(0, len(columns), width)]
    return [parts[place // width] for place in range(len(columns))]


def _height_of(value: float) -> int:
    return HEIGHT - round(HEIGHT * value)


def _area(edge: Sequence[int]) -> str:
    """The closed path from the ground up to an edge of one step for each column."""
    return f"M0 {HEIGHT}V{edge[0]}{_steps(edge, 0)}V{HEIGHT}Z"


def _line(edge: Sequence[int | None]) -> str:
    """The path of an edge of one step for each column, with gaps."""
    return "".join(
        f"M{start} {run[0]}{_steps(run, start)}" for start, run in _runs(edge, lambda value: value is not None)
    )


def _band(columns: Sequence[Column]) -> str:
    """Closed paths between the lowest and the mean confidence, wherever something was traced."""
    path = []
    for start, run in _runs(columns, lambda column: column.mean is not None):
        means = [_height_of(column.mean or 0.0) for column in run]
        lows = [_height_of(column.lowest or 0.0) for column in run]
        path.append(f"M{start} {means[0]}{_steps(means, start)}V{lows[-1]}")
        # Back along the lower edge, from right to left.
        places = range(len(run) - 1, 0, -1)
        path += [f"H{start + place}V{lows[place - 1]}" for place in places if lows[place] != lows[place - 1]]
        path.append(f"H{start}Z")
    return "".join(path)


def _runs[T](items: Sequence[T], wanted: Callable[[T], bool]) -> list[tuple[int, list[T]]]:
    """Places at which runs of wanted items begin, and the runs."""
    runs: list[tuple[int, list[T]]] = []
    for place, item in enumerate(items):
        if wanted(item):
            if runs and runs[-1][0] + len(runs[-1][1]) == place:
                runs[-1][1].append(item)
            else:
                runs.append((place, [item]))
    return runs


def _steps[T](edge: Sequence[T], start: int) -> str:
    """A path along an edge, from the left end of its first step to the right end of its last."""
    path = [f"H{start + place}V{value}" for place, value in enumerate(edge) if place and value != edge[place - 1]]
    return "".join(path) + f"H{start + len(edge)}"


def _ticks(frames: int, rate: Fraction | None) -> list[Tick]:
    numbers = sorted({(frames - 1) * place // (_TICKS - 1) for place in range(_TICKS)})
    whole = slice(None, -4 if rate and frames / rate > 60 else None)  # seconds; in a short clip, their thousandths too
    return [
        Tick(round(100 * (number + 0.5) / frames, 3), grouped(number), time_of(number, rate)[whole])
        for number in numbers
    ]


def _reading(column: Column, area: int, rate: Fraction | None) -> str:
    """What is said of the frame that stands for a column."""
    line = column.worst
    if line is None:
        return "nothing to repair" if column.frames else "not on record"
    when = f", {at}" if (at := time_of(line.number, rate)) else ""
    text = f"frame {grouped(line.number)}{when}: hole {percent(line.hole, area)} of the frame, "
    return text + f"{percent(line.counts[INVENTED], line.hole)} of it invented, mean confidence {confidence(line.mean)}"


def _table(tally: Tally, area: int, rate: Fraction | None) -> list[list[str]]:
    """The timeline in few rows: frames, begin, mean and largest hole, shares of origins, mean and lowest confidence."""
    count = len(tally.columns)
    rows = []
    for row in range(min(count, _ROWS)):
        first, last = (-(-each * count // min(count, _ROWS)) for each in (row, row + 1))
        part = merged(tally.columns[first:last])
        begin, end = tally.first_frame_of(first), tally.first_frame_of(last) - 1
        rows.append(
            [
                grouped(begin) if begin == end else f"{grouped(begin)}\N{EN DASH}{grouped(end)}",
                time_of(begin, rate),
                percent(part.hole, area * part.frames) if part.frames else "not on record",
                percent(part.largest, area),
                *(percent(part.sums[ORIGINS.index(name)], part.hole) for name in _STACKED),
                confidence(part.mean),
                confidence(part.lowest),
            ]
        )
    return rows
