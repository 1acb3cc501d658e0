"""An account of what is done to each frame, one line of JSON for each. docs/record.md says what is in it."""

import hashlib
import json
import logging
import secrets
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vsdfvi.engine.account import TRACED, Repair
from vsdfvi.engine.record_facts import facts_of
from vsdfvi.errors import EngineError, SettingError
from vsdfvi.frames.digests import digest
from vsdfvi.frames.pixels import VideoFormat
from vsdfvi.kernels import Device
from vsdfvi.settings import Settings

FORMAT = "vsdfvi 1"
"""Name and number of the record's format. A reader refuses another number."""

BEGINNING = f'{{"record":"{FORMAT}",'.encode()
"""How every record begins, so that no other file is taken for one and written to."""

_NAME = BEGINNING[: BEGINNING.index(b" ")]

ORIGINS = ("invented", "traced", "reference", "recovered")
"""Names of the counts, in the order of the numbers of origin."""

STATES = ("repaired", "empty", "rejected")
"""What became of a frame: its hole was filled, it has none, or the user wanted it left as it is."""

_DECIMALS = 6  # of confidence: float32 knows no more
_LOG = logging.getLogger(__name__)

Planes = tuple[NDArray[np.generic], ...]


class Record:
    """The account of one run of a filter, added to the end of a file.

    Each line is one write to the end of the file, and names its run: several filters, also of several processes, may
    share a file. The header is written with the first frame, so that opening a script leaves no trace. A frame that is
    asked for again is not written again: one bit for each frame of the clip remembers that, and nothing else here grows
    with the clip.

    Args:
        facts: What the header says beside the run's name and time.
        frames: Of the clip.

    Raises:
        SettingError: The file cannot be written to, or is something else than a record.
    """

    def __init__(self, path: str, facts: Mapping[str, Any], frames: int) -> None:
        self.run = secrets.token_hex(8)
        self._path = path
        self._facts = facts
        self._written = bytearray(-(-frames // 8))
        self._begun = False
        self._half_a_line = False  # is what the file ends with: the next line must not be joined to it
        self._lines = hashlib.sha256()
        self._counts = dict.fromkeys((*STATES, "hole", *ORIGINS), 0)
        self._farthest = 0
        self._lowest: float | None = None
        try:
            self._file = _opened(Path(path).expanduser())
        except OSError as error:
            raise SettingError("record", f"the path of a file that can be written ({error.strerror})", path) from error

    @contextmanager
    def repaired(self, n: int, repair: Repair, planes: Planes) -> Iterator[None]:
        """While it lasts, frame n's hole is filled in ``planes``, which hold the source before.

        Raises:
            EngineError: The file can no longer be written to.
        """
        if self._knows(n):
            yield
            return
        before = digest_outside(repair, planes)
        yield
        self.add(repaired_line(n, repair, before, planes))

    def handed_through(self, n: int, planes: Planes, state: Literal["empty", "rejected"] = "empty") -> None:
        """Frame n is its source, whose planes these are.

        Raises:
            EngineError: The file can no longer be written to.
        """
        if not self._knows(n):
            self.add(untouched_line(n, planes, state))

    def close(self) -> None:
        """Write the summary, if there is anything to sum up. Says in the log where that fails: the frames are there."""
        try:
            if self._begun:
                last = {"kind": "end", "run": self.run, "time": _now()}
                sums = {**self._counts, "farthest": self._farthest, "lowest_confidence": self._lowest}
                self._write(_line({**last, **sums, "lines": self._lines.hexdigest()}))
        except EngineError as error:
            _LOG.warning("no summary is on record: %s", error)
        finally:
            self._file.close()

    def _knows(self, n: int) -> bool:
        return bool(self._written[n >> 3] >> (n & 7) & 1)

    def add(self, frame: Mapping[str, Any]) -> None:
        """Write a frame's line, and before the first the header.

        Args:
            frame: As ``repaired_line`` or ``untouched_line`` made it.

        Raises:
            EngineError: The file can no longer be written to.
        """
        n = frame["frame"]
        text = _line({"kind": "frame", "run": self.run, **frame})
        if not self._begun:
            text = _line({"record": FORMAT, "kind": "run", "run": self.run, "time": _now(), **self._facts}) + text
        self._write(text)
        self._begun = True
        self._written[n >> 3] |= 1 << (n & 7)
        self._lines.update(text)
        for name, count in {frame["state"]: 1, "hole": frame["hole"], **{k: frame[k] for k in ORIGINS}}.items():
            self._counts[name] += count
        self._farthest = max(self._farthest, frame["farthest"])
        lowest = frame["lowest_confidence"]
        self._lowest = min((value for value in (self._lowest, lowest) if value is not None), default=None)

    def _write(self, text: bytes) -> None:
        """Add lines to the file: at once, unless its disk is nearly full."""
        rest = whole = b"\n" + text if self._half_a_line else text
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self._half_a_line |= len(rest) < len(whole)
            raise EngineError(
                f"record must be a file that can be written to, got {self._path!r}: {error.strerror}"
            ) from error
        self._half_a_line = False


def digest_outside(repair: Repair, planes: Planes) -> str:
    """Digest of the samples of a frame that are not in its hole."""
    return digest(planes, list(zip(repair.pixels.row, repair.pixels.column, strict=True)))


def repaired_line(n: int, repair: Repair, before: str, planes: Planes) -> dict[str, Any]:
    """What is said of frame n once its hole is filled in ``planes``; docs/record.md names the fields.

    Args:
        before: ``digest_outside`` of the source.
    """
    traced = repair.origin == TRACED
    distance, confidence = repair.distance[traced], repair.confidence[traced].astype(np.float64)
    found = distance.size > 0
    first = int(distance.min()) if found else 0
    pixels = np.bincount(distance - first)  # a sort would take longer than the digests
    return _frame_line(
        n,
        "repaired",
        dict(zip(ORIGINS, repair.counts(), strict=True)),
        {str(n + first + k): int(pixels[k]) for k in np.flatnonzero(pixels).tolist()},
        farthest=farthest_of(repair),
        lowest=round(float(confidence.min()), _DECIMALS) if found else None,
        mean=round(float(confidence.mean()), _DECIMALS) if found else None,
        digests=(before, digest_outside(repair, planes), digest(planes)),
    )


def untouched_line(n: int, planes: Planes, state: Literal["empty", "rejected"]) -> dict[str, Any]:
    """What is said of frame n that is its source, whose planes these are."""
    return _frame_line(n, state, dict.fromkeys(ORIGINS, 0), {}, 0, None, None, (digest(planes),) * 3)


def _frame_line(
    n: int,
    state: str,
    counts: dict[str, int],
    sources: dict[str, int],
    farthest: int,
    lowest: float | None,
    mean: float | None,
    digests: tuple[str, str, str],
) -> dict[str, Any]:
    return {
        "frame": n, "state": state, "hole": sum(counts.values()), **counts, "sources": sources,
        "farthest": farthest, "lowest_confidence": lowest, "mean_confidence": mean,
        "outside_before": digests[0], "outside_after": digests[1], "result": digests[2],
    }  # fmt: skip


def open_record(settings: Settings, clip: VideoFormat, mask: VideoFormat, device: Device) -> Record | None:
    """The record that the settings ask for.

    Raises:
        SettingError: Its file cannot be written to, or is something else than a record.
    """
    if not settings.record:
        return None
    if settings.view != "result":
        _LOG.warning("record: a view is no result, and nothing is written to %s", settings.record)
        return None
    return Record(settings.record, facts_of(settings, clip, mask, device), clip.frames)


def noted(record: Record | None, n: int, repair: Repair | None, planes: Planes) -> AbstractContextManager[None]:
    """While it lasts, frame n's hole is filled in ``planes``: on record, where there is one."""
    return nullcontext() if record is None or repair is None else record.repaired(n, repair, planes)


def farthest_of(repair: Repair) -> int:
    """Frames to the farthest of the pixels' nearest sources; 0 where nothing was traced."""
    return int(np.abs(repair.distance[repair.origin == TRACED]).max(initial=0))


def properties_of(repair: Repair) -> dict[str, int | float]:
    """The frame properties that tell of a repair."""
    counts = {f"Dfvi{name.capitalize()}": count for name, count in zip(ORIGINS, repair.counts(), strict=True)}
    traced = repair.confidence[repair.origin == TRACED]
    return {
        "DfviHole": repair.pixels.count,
        **counts,
        "DfviFarthest": farthest_of(repair),
        "DfviConfidence": float(traced.min()) if traced.size else 0.0,
    }


def _opened(path: Path) -> Any:
    """A record's file, to be written to at its end, without a buffer.

    Raises:
        OSError: It cannot be.
        SettingError: It is something else.
    """
    file = path.open("ab", buffering=0)
    try:
        with path.open("rb") as there:
            beginning = there.read(len(BEGINNING))
            start = beginning.split(b"\n")[0]  # a full disk may have cut the first line
            if beginning and not (start.startswith(_NAME) and BEGINNING.startswith(start)):
                raise SettingError("record", "a new file or a record, which is added to", str(path))
            if beginning:
                there.seek(-1, 2)
                if there.read(1) != b"\n":  # half a line of a run that was killed
                    file.write(b"\n")
    except BaseException:
        file.close()
        raise
    return file


def _line(fields: Mapping[str, Any]) -> bytes:
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
