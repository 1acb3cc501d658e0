"""Files of moving pictures: what is in them, and the clip that BestSource makes of them."""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import vapoursynth as vs

from vsdfvi.errors import EngineError, FormatError

PICTURES = (".dpx", ".exr", ".jpeg", ".jpg", ".png", ".tif", ".tiff")
"""Endings of the pictures that a sequence is made of."""

_DECODED_MB = 32  # that BestSource may keep: frames are asked for in order
_INDEX_BESIDE = 4  # BestSource's cachemode: read and write the index, with ``cachepath`` as the beginning of its name
_NO_INDEX = 0
_FILM = Fraction(24)  # frames a second
_PATTERN = re.compile(r"%0?(\d*)d")
_HASHES = re.compile(r"#+")
_NUMBERED = re.compile(r"^(.*?)(\d+)$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Sequence:
    """Pictures with numbers.

    Attributes:
        pattern: Their path, with ``%d`` or ``%0Nd`` for the number.
        first: The first number.
        count: Pictures.
    """

    pattern: str
    first: int
    count: int

    @property
    def files(self) -> list[Path]:
        """The pictures, in order."""
        return [Path(self.pattern % number) for number in range(self.first, self.first + self.count)]


@dataclass(frozen=True, slots=True)
class Opened:
    """A film that was opened.

    Attributes:
        clip: Its frames.
        times: Presentation times of the frames in units of ``time_base``, as the file has them; empty for a sequence.
        time_base: Seconds.
    """

    clip: vs.VideoNode
    times: tuple[int, ...]
    time_base: Fraction


def sequence_of(path: str) -> Sequence | None:
    """The sequence of pictures that a path names; None where it names a single file.

    A path names one by ``%05d`` or ``#####`` in its name, or by being a folder of numbered pictures.

    Raises:
        FormatError: There are no such pictures, numbers are missing, or a folder holds more than one sequence.
    """
    spelled = None if Path(path).exists() else spelled_number(Path(path).name)
    if spelled is not None:
        before, digits, after = spelled
        return _sequence(Path(path).parent, before, digits, after, path)
    if not Path(path).is_dir():
        return None
    kinds: dict[tuple[str, str], int] = {}
    for file in Path(path).iterdir():
        match = _NUMBERED.match(file.stem)
        if file.suffix.lower() in PICTURES and match:
            kinds[match[1], file.suffix] = min(len(match[2]), kinds.get((match[1], file.suffix), 99))
    if len(kinds) != 1:
        found = ", ".join(f"{before}#{after}" for before, after in sorted(kinds)) or "none"
        raise FormatError(f"a folder must hold one sequence of numbered pictures, got {found} in {path}")
    ((before, after), digits) = next(iter(kinds.items()))
    return _sequence(Path(path), before, digits, after, path)


def spelled_number(name: str) -> tuple[str, int, str] | None:
    """What stands before ``%05d`` or ``#####`` in a name, its digits (0 for ``%d``), and what stands after it."""
    if match := _PATTERN.search(name):
        return name[: match.start()], int(match[1] or 0), name[match.end() :]
    if match := _HASHES.search(name):
        return name[: match.start()], len(match[0]), name[match.end() :]
    return None


def is_named(name: str, spelled: str) -> bool:
    """Whether a file's name is one of those that a name with ``%05d`` or ``#####`` stands for."""
    parts = spelled_number(spelled)
    return parts is not None and _number_in(name, *parts) is not None


def pictures_named(path: str) -> list[Path]:
    """The files that a path with ``%05d`` or ``#####`` in its name stands for, whatever numbers are missing."""
    folder = Path(path).parent
    return [file for file in (folder.iterdir() if folder.is_dir() else ()) if is_named(file.name, Path(path).name)]


def _number_in(name: str, before: str, digits: int, after: str) -> int | None:
    match = re.fullmatch(re.escape(before) + r"([0-9]+)" + re.escape(after), name)
    return int(match[1]) if match and match[1] == f"{int(match[1]):0{digits}d}" else None


def _sequence(folder: Path, before: str, digits: int, after: str, path: str) -> Sequence:
    """The pictures whose names differ in a number."""
    found = (_number_in(file.name, before, digits, after) for file in (folder.iterdir() if folder.is_dir() else ()))
    numbers = [number for number in found if number is not None]
    if not numbers:
        raise FormatError(f"pictures must be there, got none that is named {path}")
    first, last = min(numbers), max(numbers)
    missing = sorted(set(range(first, last + 1)) - set(numbers))
    if missing:
        listed = ", ".join(map(str, missing[:8])) + (" and more" if len(missing) > 8 else "")
        raise FormatError(f"a sequence must have every picture from {first} to {last}, got {path} without {listed}")
    literal = [text.replace("%", "%%") for text in (str(folder / before) if before else f"{folder}/", after)]
    return Sequence(f"{literal[0]}%0{digits}d{literal[1]}" if digits else f"{literal[0]}%d{literal[1]}", first,
                    len(numbers))  # fmt: skip


def open_film(path: str, index: Path | None = None, rate: Fraction | None = None, name: str = "source") -> Opened:
    """A film: a file, or a sequence of pictures.

    Args:
        index: Beginning of the name of the file that keeps where frames are in the film, so that it is read through
            once and not by each who opens it. None keeps it in memory.
        rate: Frames a second of a sequence, 24 where it is not given. A file has times of its own.
        name: What errors call it.

    Raises:
        FormatError: It is not there, or cannot be read.
        EngineError: The plugin that opens it is missing.
    """
    if not hasattr(vs.core, "bs"):
        raise EngineError("video files are opened by BestSource: pip install vapoursynth-bestsource")
    pictures = sequence_of(path)
    if pictures is None and not Path(path).exists():
        raise FormatError(f"{name} must be a file that is there, got {path}")
    arguments: dict[str, Any] = {"cachemode": _NO_INDEX, "cachesize": _DECODED_MB, "exporttimestamps": 1}
    if pictures is not None:
        arguments["start_number"] = pictures.first
        _of_one_size(pictures, name)
    elif index is not None:
        arguments |= {"cachemode": _INDEX_BESIDE, "cachepath": str(index)}
    log = logging.getLogger("vapoursynth")
    log.addFilter(_is_news)
    try:
        opened: Mapping[str, Any] = vs.core.bs.VideoSource(pictures.pattern if pictures else path, **arguments)
    except vs.Error as error:
        raise FormatError(f"{name} must be video that can be read, got {path}: {error}") from error
    finally:
        log.removeFilter(_is_news)
    clip = opened["clip"]
    if clip.format is None or clip.width == 0:
        raise FormatError(f"{name} must have one format and size throughout, got {path}, which changes them")
    if pictures is not None:
        rate = rate or _FILM
        clip = clip.std.AssumeFPS(fpsnum=rate.numerator, fpsden=rate.denominator)
        return Opened(clip, (), Fraction(rate.denominator, rate.numerator))
    base = Fraction(int(opened["timebasenum"]), int(opened["timebaseden"]))
    times = opened["timestamps"]  # of a single frame, a number and no list
    return Opened(clip, (times,) if isinstance(times, int) else tuple(times), base)


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a message of VapourSynth's is one: it says at each call that times are more than BestSource announced."""
    return "no return value(s) named" not in record.getMessage()


def _of_one_size(pictures: Sequence, name: str) -> None:
    """Refuse an empty picture: what wrote it was cut off, and a reader would stop there or show the one before."""
    empty = [file.name for file in pictures.files if file.stat().st_size == 0]
    if empty:
        raise FormatError(f"{name} must be of whole pictures, got {empty[0]}, which is empty")
