"""What is to be done to one film, and what its chunks depend on."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from vsdfvi import __version__
from vsdfvi.cleaning.masks import is_made
from vsdfvi.cleaning.opening import PICTURES, sequence_of
from vsdfvi.errors import SettingError

CHUNK = 120
"""Frames of a chunk: what a kill costs at most, and what a worker is given at once."""

LEAST_CHUNK = 8

NO_SAMPLES = ("memory", "device_memory", "threads")
"""Settings that no sample of the result depends on."""

NOT_HERE = {
    "view": "left out: a view is looked at with --preview",
    "record": "left out: the record is written beside the output",
}
"""Settings of the filter that a job does not have, and why."""

_ENDS = 1 << 20  # bytes at either end of a file that tell it from others


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One film to clean.

    Attributes:
        source: Path of a film: a file, or a sequence of pictures (``opening.sequence_of``).
        masks: As ``masks.open_mask`` takes them.
        output: Path of the file to make; with ``%05d`` or ``#####`` in its name, of the pictures.
        settings: Arguments of the filter.
        frames: First and last frame to do, both included; None for all. The output has these alone.
        encoder: Name of a set of ffmpeg's arguments (``encoders.ENCODERS``); empty takes what suits the output's name.
        ffmpeg: Further arguments of ffmpeg's output.
        filters: A chain of ffmpeg's filters that the repaired picture goes through before it is encoded.
        rate: Frames a second of a sequence of pictures.
        reference: Path of a film or a picture that shows the place without the damage.
        exclude: As ``masks``: what is never taken from.
        chunk: Frames of a chunk.
        report: Whether a report is written.
        keep: Whether chunks stay when the output is there.

    Raises:
        SettingError: A value is outside its range.
    """

    source: str
    masks: tuple[str, ...]
    output: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    frames: tuple[int, int] | None = None
    encoder: str = ""
    ffmpeg: tuple[str, ...] = ()
    filters: str = ""
    rate: Fraction | None = None
    reference: str = ""
    exclude: tuple[str, ...] = ()
    chunk: int = CHUNK
    report: bool = True
    keep: bool = False

    def __post_init__(self) -> None:
        if not LEAST_CHUNK <= self.chunk <= 100_000:
            raise SettingError("chunk", f"between {LEAST_CHUNK} and 100000 frames", self.chunk)
        if self.frames is not None and not 0 <= self.frames[0] <= self.frames[1]:
            raise SettingError("frames", "FIRST-LAST with the first not after the last", self.frames)
        for name, rule in NOT_HERE.items():
            if name in self.settings:
                raise SettingError(name, rule, self.settings[name])
        if not self.masks:
            raise SettingError("mask", "a film, or one that is made: rectangle, band or letters", "nothing")

    @property
    def work(self) -> Path:
        """The folder of what is in the making."""
        return Path(self.output).with_name(f"{self._name}.vsdfvi")

    def beside(self, ending: str) -> Path:
        """A file beside the output."""
        return Path(self.output).with_name(f"{Path(self._name).stem}.{ending}")

    @property
    def _name(self) -> str:
        """Of the output; of pictures, what they have in common, without what programs take for a number."""
        output = Path(self.output)
        return re.sub("[%#]", "_", output.name) if output.suffix.lower() in PICTURES else output.name

    @property
    def record(self) -> Path:
        """The record that goes with the output."""
        return self.beside("record.jsonl")

    @property
    def page(self) -> Path:
        """The report that goes with the output."""
        return self.beside("report.html")

    @property
    def encoding(self) -> str:
        """How the output is made of the chunks, as text: another text, another output."""
        return json.dumps([self.encoder, *self.ffmpeg, self.filters, str(self.rate or "")], ensure_ascii=False)

    def key(self, device: str) -> str:
        """What the samples of the chunks depend on, as one number: another key, other chunks.

        Args:
            device: The one that is computed on: ``cpu`` or ``cuda``.

        Raises:
            FormatError: A sequence is not whole.
        """
        settings = {name: value for name, value in self.settings.items() if name not in NO_SAMPLES}
        facts = {
            "version": __version__,
            "source": fingerprint(self.source),
            "masks": [spec if is_made(spec) else fingerprint(spec) for spec in self.masks],
            "exclude": [spec if is_made(spec) else fingerprint(spec) for spec in self.exclude],
            "reference": fingerprint(self.reference) if self.reference else "",
            "settings": settings,
            "files": {name: _of_path(value) for name, value in sorted(settings.items()) if isinstance(value, str)},
            "frames": self.frames,
            "chunk": self.chunk,
            "device": device,
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()

    def as_json(self) -> str:
        """The job as text, for whoever looks into its folder."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False, default=str)


def span(text: str) -> tuple[int, int]:
    """First and last frame of text such as 100-199, or 100 for one.

    Raises:
        SettingError: It is none such.
    """
    match = re.fullmatch(r"\s*([0-9]+)\s*(?:-\s*([0-9]+)\s*)?", text)
    if match is None:
        raise SettingError("frames", "such as 100-199", text)
    return int(match[1]), int(match[2] or match[1])


def rate_of(text: str) -> Fraction:
    """Frames a second of text such as 24 or 24000/1001.

    Raises:
        SettingError: It is none such.
    """
    try:
        rate = Fraction(text)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if rate <= 0:
        raise SettingError("rate", "such as 24 or 24000/1001", text)
    return rate


def fingerprint(path: str) -> str:
    """What tells a film from another without reading all of it: sizes, times of change, and both ends of each file."""
    pictures = sequence_of(path)
    hashed = hashlib.sha256()
    for file in pictures.files if pictures else [Path(path)]:
        if not file.is_file():
            return f"absent {path}"
        status = file.stat()
        hashed.update(f"{file.name} {status.st_size} {status.st_mtime_ns}\n".encode(errors="surrogateescape"))
        if pictures is None:
            with file.open("rb") as stream:
                hashed.update(stream.read(_ENDS))
                stream.seek(max(0, status.st_size - _ENDS))
                hashed.update(stream.read(_ENDS))
    return hashed.hexdigest()


def _of_path(value: str) -> str:
    """A fingerprint where a setting's value is the path of a file: a list of frames, a program."""
    try:
        return fingerprint(value) if value and Path(value).is_file() else ""
    except (OSError, ValueError):  # a value may be none that a file can have
        return ""
