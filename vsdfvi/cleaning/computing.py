"""Computes the chunks of a job: what runs on each worker, and in the one process where there are no others."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import vapoursynth as vs

from vsdfvi.cleaning.chunk_files import ChunkName, ChunkWriter, patch_of
from vsdfvi.cleaning.jobs import Job
from vsdfvi.cleaning.masks import open_mask
from vsdfvi.cleaning.opening import Opened, open_film
from vsdfvi.engine.account import Repair
from vsdfvi.engine.inpainter import Inpainter
from vsdfvi.engine.record import digest_outside, repaired_line, untouched_line
from vsdfvi.engine.record_facts import facts_of
from vsdfvi.engine.rejection import rejected_frames
from vsdfvi.errors import FormatError
from vsdfvi.films.clips import Planes, video_format
from vsdfvi.films.repairing import Repairing
from vsdfvi.kernels.device import device_of
from vsdfvi.settings import Settings

LEAST_SIDE = 16
MOST_SUBSAMPLED = 2  # log2

Told = Callable[[int, int, int], object]
"""Told of each frame that is done: its number, the pixels of its hole, and how many of them are invented."""


@dataclass(frozen=True, slots=True)
class Material:
    """The clips of a job, opened.

    Attributes:
        source: The film.
        mask: Its hole, GRAY8.
        extras: Further clips by name, as the engine knows them.
    """

    source: Opened
    mask: vs.VideoNode
    extras: dict[str, vs.VideoNode]

    @property
    def clip(self) -> vs.VideoNode:
        return self.source.clip


def open_material(job: Job) -> Material:
    """Open what a job names; where frames are in a file is written into the job's folder once, if there is one.

    Raises:
        FormatError: Something cannot be read, or does not fit the rest.
        SettingError: A made mask lies outside the picture.
    """
    index = job.work / "index" if job.work.is_dir() else None

    def beside(name: str) -> Path | None:
        return None if index is None else index.with_name(f"index-{name}")

    source = open_film(job.source, beside("source"), job.rate)
    clip = source.clip
    _check(clip)
    extras = {}
    if job.exclude:
        extras["exclude"] = open_mask(job.exclude, clip, beside("exclude"))
    if job.reference:
        extras["reference"] = _reference(job.reference, clip, beside("reference"))
    return Material(source, open_mask(job.masks, clip, beside("mask")), extras)


def _check(clip: vs.VideoNode) -> None:
    """Refuse what the engine cannot repair."""
    form = video_format(clip)
    if form.family not in ("GRAY", "YUV", "RGB") or not (form.is_float or 8 <= form.bits <= 16):
        raise FormatError(
            f"source must be of 8 to 16 bit integer or 16 or 32 bit float samples, got {clip.format.name}"
        )
    if max(form.subsampling_w, form.subsampling_h) > MOST_SUBSAMPLED:
        raise FormatError(f"source must be subsampled by 4 at most, got {clip.format.name}")
    if min(form.width, form.height) < LEAST_SIDE:
        raise FormatError(f"source must be at least 16x16 pixels, got {form.width}x{form.height}")
    with clip.get_frame(0) as frame:
        if frame.props.get("_FieldBased", 0):
            raise FormatError(
                "source must be progressive, got interlaced frames: clean its fields in a script "
                "(std.SeparateFields), or deinterlace it first"
            )


def _reference(path: str, clip: vs.VideoNode, index: Path | None) -> vs.VideoNode:
    """What a place looks like without the damage, in the clip's format."""
    given = open_film(path, index, name="reference").clip
    if (given.width, given.height) != (clip.width, clip.height) or len(given) not in (1, len(clip)):
        raise FormatError(
            f"reference must be {clip.width}x{clip.height} and one frame or {len(clip)}, "
            f"got {given.width}x{given.height} and {len(given)}: {path}"
        )
    if given.format.id == clip.format.id:
        return given
    with clip.get_frame(0) as frame:  # a still is mostly RGB: it gets the film's own matrix and range
        matrix, limited = int(frame.props.get("_Matrix", 2)), int(frame.props.get("_Range", 0))
    arguments: dict[str, Any] = {"format": clip.format.id}
    if clip.format.color_family != vs.RGB:
        arguments |= {"matrix": 1 if matrix == 2 else matrix, "range": limited}
    converted: vs.VideoNode = given.resize.Bicubic(**arguments)
    return converted


class Cleaner:
    """The frames of one job, repaired in any order.

    Args:
        device: The one to compute on.
        threads: To compute with; 0 leaves it to the job's settings.

    Attributes:
        material: The job's clips.
    """

    def __init__(self, job: Job, device: str, threads: int = 0) -> None:
        self.material = open_material(job)
        settings = Settings.from_arguments({**job.settings, "device": device})
        self._settings = replace(settings, threads=threads) if threads else settings
        clip, mask = self.material.clip, self.material.mask
        self.format, self._mask_format = video_format(clip), video_format(mask)
        extras = {name: video_format(node) for name, node in self.material.extras.items()}
        inpainter = Inpainter(self._settings, self.format, self._mask_format, extras)
        self._repairing = Repairing(inpainter, clip, mask, self.material.extras)
        self._rejected = rejected_frames(self._settings.reject, self.format.frames)

    def header(self) -> dict[str, Any]:
        """What a record says of the run (engine/record_facts.py)."""
        return facts_of(self._settings, self.format, self._mask_format, device_of(self._settings.device))

    def source_planes(self, n: int) -> Planes:
        """Frame n as it is in the film."""
        return tuple(plane.copy() for plane in self._repairing.clip[n].planes)

    def repair(self, n: int) -> tuple[Planes, Repair | None]:
        """Frame n repaired, and how; None where it is its source."""
        return self._repairing.repair(n)

    def compute(self, name: ChunkName, told: Told | None = None) -> None:
        """Make a chunk's file.

        Args:
            told: Called after each frame.
        """
        begun = time.monotonic()
        with ChunkWriter(name) as writer:
            for n in range(name.first, name.last + 1):
                planes, repair = self.repair(n)
                if repair is None:
                    writer.add(untouched_line(n, planes, "rejected" if n in self._rejected else "empty"), None)
                else:
                    before = digest_outside(repair, self._repairing.clip[n].planes)
                    writer.add(repaired_line(n, repair, before, planes), patch_of(repair, self.format))
                if told is not None:
                    told(n, 0 if repair is None else repair.pixels.count, 0 if repair is None else repair.counts()[0])
            writer.finish(seconds=round(time.monotonic() - begun, 3))

    def close(self) -> None:
        """End the engine."""
        self._repairing.close()
