"""Records read back, and what can be checked of one without any film. docs/record.md says what is in them."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vsdfvi.engine.record import FORMAT, ORIGINS, STATES
from vsdfvi.errors import FormatError, SettingError
from vsdfvi.frames.pixels import VideoFormat
from vsdfvi.settings import Settings

PASSED, FAILED, NOT_DONE = "passed", "failed", "not done"

_MACHINE = ("record", "memory", "device_memory", "threads")
"""Settings that no sample depends on: runs that are joined may differ in them."""

_HEADER = {"run": str, "time": str, "program": str, "settings": dict, "weights": list, "clip": dict, "mask": dict}
_FRAME: dict[str, Any] = {
    "frame": int,
    "state": str,
    "hole": int,
    **dict.fromkeys(ORIGINS, int),
    "sources": dict,
    "farthest": int,
}
_FRAME |= dict.fromkeys(("lowest_confidence", "mean_confidence"), int | float | None)
_FRAME |= dict.fromkeys(("outside_before", "outside_after", "result"), str)


@dataclass(frozen=True, slots=True)
class Check:
    """One question to a record, and its answer.

    Attributes:
        name: What is checked.
        status: ``PASSED``, ``FAILED`` or ``NOT_DONE``.
        text: A sentence.
        frames: The frames that it failed for, where it is about frames.
    """

    name: str
    status: str
    text: str
    frames: tuple[int, ...] = ()


@dataclass(slots=True)
class Run:
    """One run of a filter, as its lines say.

    Attributes:
        header, end: Its first line, and its last: None where the run was killed, or goes on.
        frames: Lines by frame number.
        faults: Sentences about lines that cannot be right as they stand.
    """

    header: dict[str, Any]
    frames: dict[int, dict[str, Any]] = field(default_factory=dict)
    end: dict[str, Any] | None = None
    faults: list[str] = field(default_factory=list)
    lines: Any = field(default_factory=hashlib.sha256)

    @property
    def name(self) -> str:
        return str(self.header["run"])

    @property
    def clip(self) -> VideoFormat:
        return VideoFormat(**self.header["clip"])

    @property
    def mask(self) -> VideoFormat:
        return VideoFormat(**self.header["mask"])

    @property
    def span(self) -> tuple[int, int]:
        """First and last frame of the clip that the result is of: all, but where ``vsdfvi clean`` did some only."""
        first, last = self.header.get("job", {}).get("frames", (0, self.clip.frames - 1))
        return int(first), int(last)


def read_record(path: Path) -> tuple[list[Run], list[int]]:
    """The runs of a record, in the order of their headers, and the numbers of lines that are not whole.

    Such lines are left by runs that were killed, or by a full disk: they say nothing, and no other line suffers.

    Raises:
        FormatError: It is no record, or one of another format.
        OSError: It cannot be read.
    """
    runs: dict[str, Run] = {}
    broken = []
    with path.open("rb") as file:
        for number, text in enumerate(file, 1):
            try:
                line = json.loads(text)
            except ValueError:
                line = None
            if isinstance(line, dict) and text.endswith(b"\n"):
                _take(runs, line, text, number, path)
            else:
                broken.append(number)
    if not runs:
        raise FormatError(f"record must be a file that Inpaint wrote, got {path}, which holds no run")
    return list(runs.values()), broken


def _take(runs: dict[str, Run], line: dict[str, Any], text: bytes, number: int, path: Path) -> None:
    """Put one line where it belongs."""
    kind, name = line.get("kind"), line.get("run")
    if kind == "run":
        if line.get("record") != FORMAT:
            raise FormatError(f"record must be of the format {FORMAT!r}, got {line.get('record')!r} in {path}")
        wrong = _wrong_fields(line, _HEADER)
        if wrong:
            raise FormatError(f"record must have whole headers, got one without {wrong} in line {number} of {path}")
        run = runs.setdefault(str(name), Run(line))
        try:
            run.clip, run.mask  # noqa: B018
        except TypeError as error:
            raise FormatError(
                f"record must have formats in its headers, got line {number} of {path}: {error}"
            ) from error
        run.lines.update(text)
        return
    if name not in runs:
        raise FormatError(f"record must have a header for each run, got none for line {number} of {path}")
    run = runs[str(name)]
    if run.end is not None:
        run.faults.append(f"line {number} follows the end of its run")
    if kind == "end":
        run.end = line
    elif kind != "frame" or (wrong := _wrong_fields(line, _FRAME)):
        run.faults.append(f"line {number} has no right {wrong if kind == 'frame' else 'kind'}")
    elif line["frame"] in run.frames:
        run.faults.append(f"line {number} is frame {line['frame']} once more")
    else:
        run.frames[line["frame"]] = line
    if kind != "end":
        run.lines.update(text)


def _wrong_fields(line: Mapping[str, Any], expected: Mapping[str, Any]) -> str:
    """Names of fields that are missing or of another type."""
    return ", ".join(name for name, kind in expected.items() if not isinstance(line.get(name, ...), kind))


def checks_of_run(run: Run) -> list[Check]:
    """What one run says of itself, held against itself."""
    settings: Check
    try:
        Settings.from_arguments(run.header["settings"])
        settings = Check("settings", PASSED, f"{len(run.header['settings'])} settings, as this version knows them")
    except (SettingError, TypeError) as error:
        settings = Check("settings", FAILED, str(error))
    return [_lines(run), settings, _counts(run), _untouched(run)]


def _lines(run: Run) -> Check:
    """Whether the run's lines are those that were written."""
    if run.faults:
        return Check("lines", FAILED, "; ".join(run.faults[:5]))
    if run.end is None:
        return Check("lines", NOT_DONE, f"run {run.name} has no end: it was killed, or goes on")
    if run.end.get("lines") != run.lines.hexdigest():
        return Check("lines", FAILED, f"the lines of run {run.name} are not those that it wrote")
    return Check("lines", PASSED, "as they were written")


def _counts(run: Run) -> Check:
    """Whether numbers agree with each other."""
    wrong = {n: fault for n, frame in run.frames.items() if (fault := _fault_of(run, frame))}
    if wrong:
        first = min(wrong)
        text = f"{frames_text(wrong)} do not add up; frame {first}: {wrong[first]}"
        return Check("counts", FAILED, text, tuple(sorted(wrong)))
    if run.end is not None:
        sums = {name: sum(frame[name] for frame in run.frames.values()) for name in ("hole", *ORIGINS)}
        sums |= {state: sum(frame["state"] == state for frame in run.frames.values()) for state in STATES}
        sums["farthest"] = max((frame["farthest"] for frame in run.frames.values()), default=0)
        lowest = [frame["lowest_confidence"] for frame in run.frames.values()]
        sums["lowest_confidence"] = min((value for value in lowest if value is not None), default=None)
        for name, value in sums.items():
            if run.end.get(name) != value:
                return Check("counts", FAILED, f"{name} is {value} over all frames, and {run.end.get(name)} at the end")
    return Check("counts", PASSED, f"they add up in {len(run.frames)} frames")


def _fault_of(run: Run, frame: Mapping[str, Any]) -> str:
    """What cannot be right in a frame's numbers; nothing where all can."""
    n, sources = frame["frame"], frame["sources"]
    if not 0 <= n < run.clip.frames:
        return f"the clip has {run.clip.frames} frames"
    if frame["state"] not in STATES:
        return f"its state is {frame['state']!r}"
    if min(frame["hole"], *(frame[name] for name in ORIGINS)) < 0:
        return "a count is below 0"
    if sum(frame[name] for name in ORIGINS) != frame["hole"]:
        return f"{', '.join(ORIGINS)} are not {frame['hole']} pixels, the hole, together"
    if (frame["state"] == "repaired") != (frame["hole"] > 0):
        return f"{frame['hole']} pixels of hole, and {frame['state']}"
    if not all(key.isdecimal() and isinstance(count, int) and count > 0 for key, count in sources.items()):
        return "its sources are no frames and counts"
    if sum(sources.values()) != frame["traced"]:
        return f"its sources are {sum(sources.values())} pixels, traced are {frame['traced']}"
    if any(int(key) == n or not int(key) < run.clip.frames for key in sources):
        return "a source is no other frame of the clip"
    if max((abs(int(key) - n) for key in sources), default=0) != frame["farthest"]:
        return f"its farthest source is not {frame['farthest']} frames away"
    lowest, mean = frame["lowest_confidence"], frame["mean_confidence"]
    if frame["traced"] == 0:
        return "" if lowest is None and mean is None else "it has confidence in nothing"
    # Both are rounded, each by itself.
    return "" if lowest is not None and mean is not None and 0 <= lowest <= mean <= 1 else "its confidence cannot be"


def _untouched(run: Run) -> Check:
    """Whether the record itself says that samples outside the hole are the source's."""
    wrong = sorted(n for n, frame in run.frames.items() if frame["outside_before"] != frame["outside_after"])
    handed = {n for n, frame in run.frames.items() if frame["state"] != "repaired"}
    wrong += sorted(n for n in handed if run.frames[n]["outside_after"] != run.frames[n]["result"])
    if wrong:
        return Check("outside", FAILED, f"changed beyond the hole: {frames_text(wrong)}", tuple(sorted(set(wrong))))
    return Check("outside", PASSED, "nothing but the hole was changed, says the record")


def joined(runs: list[Run]) -> tuple[dict[int, dict[str, Any]], list[Check]]:
    """Frames of runs that did one job together, and whether they fit each other and cover the clip."""
    frames: dict[int, dict[str, Any]] = {}
    differing: set[int] = set()
    for run in runs:
        for n, frame in run.frames.items():
            known = frames.setdefault(n, frame)
            if known["result"] != frame["result"] or known["outside_before"] != frame["outside_before"]:
                differing.add(n)
    checks = []
    if len(runs) > 1:
        apart = sorted({name for run in runs for name in _apart(runs[0].header, run.header)})
        if apart:
            checks.append(Check("runs", FAILED, f"they differ in {', '.join(apart)}"))
        elif differing:
            text = f"they disagree about {frames_text(differing)}"
            checks.append(Check("runs", FAILED, text, tuple(sorted(differing))))
        else:
            checks.append(Check("runs", PASSED, f"{len(runs)} runs of one job"))
    first, last = runs[0].span
    missing = sorted(set(range(first, last + 1)) - frames.keys())
    if missing:
        text = f"not on record: {frames_text(missing)} of {runs[0].clip.frames}"
        checks.append(Check("complete", FAILED, text, tuple(missing)))
    else:
        whole = "frames of the clip" if last - first + 1 == runs[0].clip.frames else f"frames from {first} to {last}"
        checks.append(Check("complete", PASSED, f"all {len(frames)} {whole} are on record"))
    return frames, checks


def _apart(first: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """What two headers differ in, of all that samples depend on."""
    names = [name for name in ("program", "clip", "mask", "weights") if first[name] != other[name]]
    both = first["settings"].keys() | other["settings"].keys()
    return names + [
        name for name in both if name not in _MACHINE and first["settings"].get(name) != other["settings"].get(name)
    ]


def frames_text(frames: Iterable[int], most: int = 12) -> str:
    """Frame numbers as people write them: ``frames 3, 10-12``."""
    numbers = sorted(set(frames))
    spans: list[list[int]] = []
    for n in numbers:
        if spans and n == spans[-1][1] + 1:
            spans[-1][1] = n
        else:
            spans.append([n, n])
    words = [str(first) if first == last else f"{first}-{last}" for first, last in spans]
    more = "" if len(words) <= most else f" and others, {len(numbers)} in all"
    return ("frame " if len(numbers) == 1 else "frames ") + ", ".join(words[:most]) + more
