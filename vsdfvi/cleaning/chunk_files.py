"""A chunk's file: of each frame the samples inside its hole and where they are from. Nothing else is kept.

Outside the hole the result is the source, so a chunk needs the room of its holes and not that of its frames.
It is a zip of arrays as NumPy writes them; two runs give the same bytes.
"""

import json
import sys
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from vsdfvi.cleaning.files import made_whole, sha256_of, write_text
from vsdfvi.engine.account import Repair
from vsdfvi.films.clips import Planes
from vsdfvi.frames.pixels import VideoFormat

_LEVEL = 1  # of deflate: samples of a repaired picture hardly get smaller by more work
_NO_TIME = (1980, 1, 1, 0, 0, 0)  # of an entry, so that bytes depend on nothing but content
_CODES = 255  # steps of a confidence


@dataclass(frozen=True, slots=True)
class Patch:
    """What replaces the hole of one frame.

    Attributes:
        index: For each plane, where in it: positions in its samples row by row, ascending.
        samples: For each plane, what is put there.
        pixels: Where the hole's pixels are, in the same way.
        origin: uint8 ``(pixels)``, as :class:`Repair` has it.
        confidence: float32 ``(pixels)``, 0 to 1, in steps of 1/255.
    """

    index: tuple[NDArray[np.int64], ...]
    samples: tuple[NDArray[np.generic], ...]
    pixels: NDArray[np.int64]
    origin: NDArray[np.uint8]
    confidence: NDArray[np.float32]

    def apply(self, planes: Planes) -> None:
        """Put it into the planes of the source frame."""
        for plane, index, samples in zip(planes, self.index, self.samples, strict=True):
            plane.reshape(-1)[index] = samples


def patch_of(repair: Repair, form: VideoFormat) -> Patch:
    """What is kept of a repair."""
    index, samples = [], []
    for plane, values in enumerate(repair.samples):
        _, width = form.plane_shape(plane)
        at = repair.pixels.row[plane].astype(np.int64) * width + repair.pixels.column[plane]
        order = np.argsort(at, kind="stable")
        index.append(at[order])
        samples.append(values[order])
    pixels = repair.pixels.y.astype(np.int64) * form.width + repair.pixels.x
    order = np.argsort(pixels, kind="stable")
    confidence = np.rint(repair.confidence[order] * _CODES) / _CODES
    return Patch(tuple(index), tuple(samples), pixels[order], repair.origin[order], confidence.astype(np.float32))


@dataclass(frozen=True, slots=True)
class ChunkName:
    """Which chunk of a job, and where its files are.

    Attributes:
        folder: Of all chunks of the job.
        number: From 0.
        first, last: Frames of the source, both included.
    """

    folder: Path
    number: int
    first: int
    last: int

    @property
    def file(self) -> Path:
        return self.folder / f"chunk-{self.number:06d}.zip"

    @property
    def note(self) -> Path:
        """What says that the file is done, and how it is known to be whole."""
        return self.folder / f"chunk-{self.number:06d}.json"

    def is_done(self) -> bool:
        """Whether the chunk is there and whole."""
        try:
            note = json.loads(self.note.read_text(encoding="utf-8"))
            return (
                (note["first"], note["last"]) == (self.first, self.last)
                and self.file.stat().st_size == note["bytes"]
                and sha256_of(self.file) == note["sha256"]
            )
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def facts(self) -> dict[str, Any]:
        """What the note says."""
        facts: dict[str, Any] = json.loads(self.note.read_text(encoding="utf-8"))
        return facts


class ChunkWriter:
    """Writes a chunk frame by frame; it is there when the block has ended without an error, and not before."""

    def __init__(self, name: ChunkName) -> None:
        self._name = name
        self._lines: list[str] = []

    def __enter__(self) -> Self:
        self._whole = made_whole(self._name.file)
        self._zip = zipfile.ZipFile(self._whole.__enter__(), "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL)
        return self

    def add(self, line: Mapping[str, Any], patch: Patch | None) -> None:
        """Add a frame: its line of the record, and what replaces its hole."""
        self._lines.append(json.dumps(line, separators=(",", ":")))
        if patch is None:
            return
        n = line["frame"]
        for plane, (index, samples) in enumerate(zip(patch.index, patch.samples, strict=True)):
            self._array(f"{n}/{plane}/gaps", np.diff(index, prepend=0).astype(np.uint32))
            self._array(f"{n}/{plane}/samples", samples)
        self._array(f"{n}/gaps", np.diff(patch.pixels, prepend=0).astype(np.uint32))
        self._array(f"{n}/origin", patch.origin)
        self._array(f"{n}/confidence", np.rint(patch.confidence * _CODES).astype(np.uint8))

    def _array(self, name: str, array: NDArray[np.generic]) -> None:
        entry = zipfile.ZipInfo(name, _NO_TIME)
        entry.compress_type = zipfile.ZIP_DEFLATED
        with self._zip.open(entry, "w") as stream:
            np.lib.format.write_array(stream, np.ascontiguousarray(array), allow_pickle=False)

    def finish(self, **facts: Any) -> None:
        """All frames are there: what the note is to say besides."""
        entry = zipfile.ZipInfo("lines", _NO_TIME)
        entry.compress_type = zipfile.ZIP_DEFLATED
        self._zip.writestr(entry, "\n".join(self._lines))
        self._facts = facts

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        try:
            self._zip.close()
        except Exception:  # a full disk, most of all
            if kind is None:
                self._whole.__exit__(*sys.exc_info())
                raise
        self._whole.__exit__(kind, error, trace)
        if kind is None:
            file = self._name.file
            facts = {"first": self._name.first, "last": self._name.last, "bytes": file.stat().st_size}
            write_text(self._name.note, json.dumps({**facts, "sha256": sha256_of(file), **self._facts}))


class ChunkReader:
    """A chunk that is done, read frame by frame."""

    def __init__(self, name: ChunkName, planes: int) -> None:
        self._zip = zipfile.ZipFile(name.file)
        self._planes = planes
        self._names = set(self._zip.namelist())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._zip.close()

    def lines(self) -> Iterator[dict[str, Any]]:
        """The frames' lines of the record, in order."""
        with self._zip.open("lines") as stream:
            for line in stream:
                yield json.loads(line)

    def patch(self, n: int) -> Patch | None:
        """What replaces the hole of frame n; None where it is its source."""
        if f"{n}/origin" not in self._names:
            return None
        index = tuple(self._positions(f"{n}/{plane}/gaps") for plane in range(self._planes))
        samples = tuple(self._array(f"{n}/{plane}/samples") for plane in range(self._planes))
        confidence = self._array(f"{n}/confidence").astype(np.float32) / np.float32(_CODES)
        return Patch(index, samples, self._positions(f"{n}/gaps"), self._array(f"{n}/origin"), confidence)

    def _positions(self, name: str) -> NDArray[np.int64]:
        return np.cumsum(self._array(name), dtype=np.int64)

    def _array(self, name: str) -> NDArray[Any]:
        with self._zip.open(name) as stream:
            array: NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
            return array


def chunks_of(folder: Path, first: int, last: int, size: int) -> list[ChunkName]:
    """The chunks of a job's frames: on multiples of ``size`` from the first."""
    starts = range(first, last + 1, size)
    return [ChunkName(folder, k, start, min(start + size - 1, last)) for k, start in enumerate(starts)]
