"""What a report tells of a run, gathered from its record's lines one at a time, in memory that has a bound."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vsdfvi.engine.record import ORIGINS, STATES

COLUMNS = 1500
"""Columns of the timeline at most: more than a screen shows side by side."""

WORST = 12
"""Worst frames that are shown."""

SHEET = 24
"""Pictures of the contact sheet."""

FAULTS = 20
"""Numbers of frames that are named where a law was broken; the rest is counted."""

_PARTS = (
    24  # the film is cut into twice as many parts as frames are chosen, so that a bad stretch does not take them all
)
_APART = 240  # frames, some ten seconds: two scenes are seldom nearer
_MOST_PARTS = 1000  # bounds memory: beyond 240,000 frames, worst frames lie further apart

INVENTED, TRACED = ORIGINS.index("invented"), ORIGINS.index("traced")


@dataclass(frozen=True, slots=True)
class FrameLine:
    """What is kept of one frame's line.

    Attributes:
        number: Of the frame.
        counts: Pixels of each origin, in the order of ``ORIGINS``.
        mean, lowest: Confidence of its traced pixels, 0 to 1; None where none was traced.
        farthest: Frames to its farthest source.
    """

    number: int
    counts: tuple[int, ...]
    mean: float | None
    lowest: float | None
    farthest: int

    @property
    def hole(self) -> int:
        """Pixels of the hole."""
        return sum(self.counts)

    @property
    def doubt(self) -> float:
        """Pixels that are to be expected wrong: all that was invented, and of the traced what confidence leaves.

        Confidence is the probability that a traced pixel is right (docs/views.md), so the sum over pixels of what it
        lacks of 1 is the number of wrong ones to be expected. It grows with the hole, with the invented share of it
        and with uncertainty, which is the order in which somebody wants to look at frames.
        """
        return self.counts[INVENTED] + self.counts[TRACED] * (1 - (self.mean or 0.0))

    @property
    def rank(self) -> tuple[float, int, int]:
        """Greater is worse; of equals, the larger hole, then the earlier frame."""
        return self.doubt, self.hole, -self.number


@dataclass(slots=True)
class Column:
    """Neighbouring frames of the film, summed up.

    Attributes:
        frames: That are on record.
        sums: Pixels of each origin over these frames.
        certain: Sum of the confidence of their traced pixels.
        lowest: The least confidence of all; None where nothing was traced.
        worst: The frame of most doubt; None where none has a hole.
        largest: Pixels of the largest hole.
    """

    frames: int = 0
    sums: list[int] = field(default_factory=lambda: [0] * len(ORIGINS))
    certain: float = 0.0
    lowest: float | None = None
    worst: FrameLine | None = None
    largest: int = 0

    @property
    def hole(self) -> int:
        """Pixels of all holes."""
        return sum(self.sums)

    @property
    def mean(self) -> float | None:
        """Mean confidence of all traced pixels; None where there is none."""
        return self.certain / self.sums[TRACED] if self.sums[TRACED] else None

    def add(self, line: FrameLine) -> None:
        """Take in a frame."""
        self.frames += 1
        if not line.hole:
            return
        self._take(line.counts, line.counts[TRACED] * (line.mean or 0.0), line.lowest, line, line.hole)

    def merge(self, other: "Column") -> None:
        """Take in all frames of another column."""
        self.frames += other.frames
        self._take(other.sums, other.certain, other.lowest, other.worst, other.largest)

    def _take(
        self,
        counts: Sequence[int],
        certain: float,
        lowest: float | None,
        worst: FrameLine | None,
        largest: int,
    ) -> None:
        for origin, count in enumerate(counts):
            self.sums[origin] += count
        self.certain += certain
        if lowest is not None and (self.lowest is None or lowest < self.lowest):
            self.lowest = lowest
        if worst is not None and (self.worst is None or worst.rank > self.worst.rank):
            self.worst = worst
        if largest > self.largest:
            self.largest = largest


class EvenlySpaced:
    """Some of the items of a sequence whose length is not known before its end, as far apart as it allows.

    Every item is kept at first; when there are twice as many as wanted, every second is let go, and of what follows
    half as many are taken.
    """

    def __init__(self, wanted: int) -> None:
        self._wanted = wanted
        self._kept: list[int] = []
        self._stride = 1
        self._seen = 0

    def add(self, item: int) -> None:
        """Take in the next item."""
        if self._seen % self._stride == 0:
            self._kept.append(item)
            if len(self._kept) > 2 * self._wanted:
                self._kept = self._kept[::2]
                self._stride *= 2
        self._seen += 1

    def chosen(self) -> list[int]:
        """The items wanted, in their order; all where there are fewer."""
        count = len(self._kept)
        if count <= self._wanted:
            return self._kept
        return [self._kept[(2 * place + 1) * count // (2 * self._wanted)] for place in range(self._wanted)]


class Tally:
    """All that a report tells of the frames of a run.

    Args:
        frames: Of the film.

    Attributes:
        columns: The film in neighbouring parts of as many frames, give or take one; ``COLUMNS`` at most.
        states: Frames of each state.
        on_record: Frames that have a line.
        farthest: Frames to the farthest source of all.
        changed_outside: Frames in which, by their digests, something outside the hole was changed.
        first_changed: The first of them.
    """

    def __init__(self, frames: int) -> None:
        self.frames = frames
        self.columns = [Column() for _ in range(min(frames, COLUMNS))]
        self.states = dict.fromkeys(STATES, 0)
        self.on_record = 0
        self.farthest = 0
        self.changed_outside = 0
        self.first_changed: list[int] = []
        self._apart = distance_apart(frames)
        self._part_worst: dict[int, FrameLine] = {}
        self._repaired = EvenlySpaced(SHEET)

    def add(self, told: Mapping[str, Any]) -> None:
        """Take in a frame's line of the record.

        Raises:
            ValueError: It is of no frame of this film.
        """
        number = told["frame"]
        if not 0 <= number < self.frames:
            raise ValueError(f"frame must be between 0 and {self.frames - 1}, got {number}")
        counts = tuple([told[origin] for origin in ORIGINS])
        line = FrameLine(number, counts, told["mean_confidence"], told["lowest_confidence"], told["farthest"])
        self.on_record += 1
        self.states[told["state"]] += 1
        self.farthest = max(self.farthest, line.farthest)
        if told["outside_before"] != told["outside_after"]:
            self.changed_outside += 1
            if len(self.first_changed) < FAULTS:
                self.first_changed.append(number)
        self.columns[self.column_of(number)].add(line)
        if line.hole:
            self._repaired.add(number)
            part = number // self._apart
            other = self._part_worst.get(part)
            if other is None or line.rank > other.rank:
                self._part_worst[part] = line

    def column_of(self, number: int) -> int:
        """The column in which a frame is."""
        return number * len(self.columns) // self.frames

    def first_frame_of(self, column: int) -> int:
        """The first frame that is in a column, or, for the number of columns, the frame after the last."""
        return -(-column * self.frames // len(self.columns))

    def total(self) -> Column:
        """All frames together."""
        return merged(self.columns)

    def worst(self) -> list[FrameLine]:
        """The frames to look at first, the worst before the others.

        The film is cut into parts, and the worst of each stands for it; a frame nearer to a worse one than the length
        of a part is passed over. So a bad stretch takes one or two places, and not all.
        """
        chosen: list[FrameLine] = []
        for line in sorted(self._part_worst.values(), key=lambda each: each.rank, reverse=True):
            if all(abs(line.number - other.number) >= self._apart for other in chosen):
                chosen.append(line)
        return chosen[:WORST]

    def sheet(self) -> list[int]:
        """Frames for the contact sheet: evenly spaced among those that have a hole."""
        return self._repaired.chosen()


def tally_of(lines: Iterable[Mapping[str, Any]], frames: int) -> Tally:
    """What there is to tell of a film of ``frames`` frames, given the lines of its frames.

    Raises:
        ValueError: A line is of no frame of this film.
    """
    tally = Tally(frames)
    for line in lines:
        tally.add(line)
    return tally


def merged(columns: Sequence[Column]) -> Column:
    """Neighbouring columns as one."""
    total = Column()
    for column in columns:
        total.merge(column)
    return total


def distance_apart(frames: int) -> int:
    """Frames that any two of the worst frames lie apart at least."""
    return max(1, min(frames // _PARTS, _APART), -(-frames // _MOST_PARTS))
