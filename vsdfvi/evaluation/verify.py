"""A record held against the films and the weights that it tells of."""

import runpy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from vsdfvi.engine.record_facts import sha256_of
from vsdfvi.errors import FormatError, WeightsError
from vsdfvi.evaluation.records import FAILED, NOT_DONE, PASSED, Check, Run, checks_of_run, frames_text, joined
from vsdfvi.evaluation.sources import open_video
from vsdfvi.films.clips import Planes, planes_of, video_format
from vsdfvi.frames.digests import digest
from vsdfvi.frames.masks import hole_of, subsampled
from vsdfvi.frames.pixels import VideoFormat

Frames = Mapping[int, Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Films:
    """What a record may be held against; None for what is not at hand.

    Attributes:
        lossy: The result went through a codec that changes samples.
    """

    source: vs.VideoNode | None = None
    result: vs.VideoNode | None = None
    mask: vs.VideoNode | None = None
    lossy: bool = False


def open_film(path: Path, name: str) -> vs.VideoNode:
    """A video file, or output 0 of a VapourSynth script, which is run.

    Args:
        name: What an error calls it.

    Raises:
        FormatError: It cannot be read, or the script fails.
        EngineError: The plugin that opens video files is missing.
    """
    if path.suffix not in (".vpy", ".py"):
        return open_video(path)
    vs.clear_outputs()
    try:
        runpy.run_path(str(path), run_name="__vapoursynth__")
        node: vs.VideoNode = vs.get_output(0).clip
    except Exception as error:  # whatever a script may raise, a lack of video included
        raise FormatError(f"{name} must be a script whose output 0 is video, got {path}: {error}") from error
    finally:
        vs.clear_outputs()
    return node


def verify(runs: list[Run], films: Films) -> list[Check]:
    """All that can be checked of runs that did one job together, in order.

    Raises:
        FormatError: Source or mask are of another format than the record's.
    """
    checks = [check for run in runs for check in checks_of_run(run)]
    frames, about_runs = joined(runs)
    checks += about_runs
    checks.append(_weights(runs[-1]))
    form, dilate = runs[-1].clip, int(runs[-1].header["settings"].get("dilate", 0))
    _require_format(films.source, form, "source")
    if films.mask is not None and (films.mask.width, films.mask.height) != (form.width, form.height):
        size = f"{films.mask.width}x{films.mask.height}"
        raise FormatError(f"mask must be {form.width}x{form.height} as the record says, got {size}")
    first = runs[-1].span[0]
    if first and films.result is not None:  # which begins with that frame
        before = films.result.std.BlankClip(length=first, keep=True)
        films = replace(films, result=before + films.result)
    return [*checks, *_of_films(frames, films, form, dilate)]


def _require_format(film: vs.VideoNode | None, form: VideoFormat, name: str) -> None:
    fault = _other_format(film, form) if film is not None else ""
    if fault:
        raise FormatError(f"{name} must be {fault}")


def _other_format(film: vs.VideoNode, form: VideoFormat) -> str:
    """What a film should be and is not; nothing where it is, whatever its length."""
    expected, found = (_said(each) for each in (form, video_format(film)))
    return "" if expected == found else f"{expected} as the record says, got {found}"


def _said(form: VideoFormat) -> str:
    """Size and format by VapourSynth's name."""
    kind = vs.FLOAT if form.is_float else vs.INTEGER
    try:
        known = vs.core.query_video_format(
            vs.ColorFamily[form.family], kind, form.bits, form.subsampling_w, form.subsampling_h
        )
    except (vs.Error, KeyError) as error:
        raise FormatError(f"record must be of a clip that there can be, got {form}") from error
    return f"{form.width}x{form.height} {known.name}"


def _weights(run: Run) -> Check:
    """Whether the files that the run used are those that are here."""
    from vsdfvi.networks.weights import CHECKPOINTS, find

    names = {checkpoint.file: name for name, checkpoint in CHECKPOINTS.items()}
    folder = run.header["settings"].get("weights") or None
    wrong: list[str] = []
    absent: list[str] = []
    same: list[str] = []
    for used in run.header["weights"]:
        file = str(used["file"])
        settings = (run.header["settings"].get(name, "") for name in ("flow", "synthesis"))
        named = [Path(path).expanduser() for path in settings if Path(path).name == file]
        try:
            path = find(folder, names[file]) if file in names else named[0]
            found = sha256_of(path)
        except (WeightsError, OSError, IndexError):
            absent.append(file)
            continue
        (same if found == used["sha256"] else wrong).append(file)
    if wrong:
        here = f"{', '.join(wrong)}: here is another file of this name than {run.header['program']} used"
        return Check("weights", FAILED, here)
    if absent:
        return Check("weights", NOT_DONE, f"not here: {', '.join(absent)}")
    return Check("weights", PASSED, f"{', '.join(same)} as here" if same else "none were in use")


@dataclass(slots=True)
class _Findings:
    """Frames that failed a check, and those that were checked."""

    wrong: dict[int, str] = field(default_factory=dict)
    checked: int = 0

    def add(self, n: int, fault: str) -> None:
        self.checked += 1
        if fault:
            self.wrong[n] = fault

    def check(self, name: str, good: str, bad: str) -> Check:
        if not self.wrong:
            return Check(name, PASSED, f"{good} in {self.checked} frames")
        first = min(self.wrong)
        text = f"{bad}: {frames_text(self.wrong)}; {frames_text([first])}: {self.wrong[first]}"
        return Check(name, FAILED, text, tuple(sorted(self.wrong)))


def _of_films(frames: Frames, films: Films, form: VideoFormat, dilate: int) -> Iterator[Check]:
    """Checks of source, mask and result, which are read once, in order."""
    result, of_result = films.result, "whole frames of the result"
    if result is not None:
        yield from _of_length(frames, result, form, films.lossy)
        if films.lossy:
            text = "a lossy file holds other samples everywhere: neither its frames nor what is outside their holes"
            yield Check("result", NOT_DONE, f"{text} can be held against the record")
            result = None
        elif fault := _other_format(result, form):
            yield Check("result", FAILED, f"the result must be {fault}. Is it lossy? (--lossy)")
            result = None
    else:
        yield Check("result", NOT_DONE, "no result was given (--result)")
    found = {name: _Findings() for name in ("mask", "source", "result", "outside")}
    for n in sorted(frames):
        if 0 <= n < form.frames:
            _look(n, frames[n], _Films(films.source, result, films.mask, form, dilate), found)
    if films.mask is None:
        yield Check("mask", NOT_DONE, "no mask was given (--mask): frames with a hole are not split at its border")
    else:
        yield found["mask"].check("mask", "the hole is as large as on record", "the hole is of another size")
    if films.source is None:
        yield Check("source", NOT_DONE, "no source was given (--source)")
    elif found["source"].checked == 0:
        yield Check("source", NOT_DONE, "every frame has a hole, and no mask was given (--mask)")
    else:
        yield found["source"].check("source", "the samples outside the hole are on record", "other samples")
    if result is not None:
        check = found["result"].check("result", f"{of_result} are those on record", f"{of_result} are others")
        if len(found["result"].wrong) == found["result"].checked > 1:
            check = Check(check.name, check.status, f"{check.text}. All differ: is it lossy? (--lossy)", check.frames)
        yield check
        if found["outside"].checked:
            yield found["outside"].check("law", "outside the hole the result is the source", "changed beyond the hole")


def _of_length(frames: Frames, result: vs.VideoNode, form: VideoFormat, lossy: bool) -> Iterator[Check]:
    """Whether every frame on record is in the result, and the picture as large."""
    missing = tuple(sorted(n for n in frames if n >= len(result)))
    if missing:
        yield Check("length", FAILED, f"the result ends at frame {len(result) - 1}: no {frames_text(missing)}", missing)
    elif len(result) > form.frames:
        yield Check("length", FAILED, f"the result has {len(result)} frames, the clip had {form.frames}")
    else:
        yield Check("length", PASSED, f"every frame on record is in the result, which has {len(result)}")
    if lossy and (result.width, result.height) != (form.width, form.height):
        text = f"the result is {result.width}x{result.height}, the clip was {form.width}x{form.height}"
        yield Check("size", FAILED, text)


@dataclass(frozen=True, slots=True)
class _Films:
    """The films that can be held against the record sample by sample."""

    source: vs.VideoNode | None
    result: vs.VideoNode | None
    mask: vs.VideoNode | None
    form: VideoFormat
    dilate: int


def _look(n: int, frame: Mapping[str, Any], films: _Films, found: dict[str, _Findings]) -> None:
    """Read frame n of each film, and note what is wrong."""
    repaired = frame["state"] == "repaired"
    holes: tuple[NDArray[np.bool_], ...] | None = None
    if not repaired:
        holes = tuple(np.zeros(films.form.plane_shape(plane), bool) for plane in range(films.form.planes))
    if films.mask is not None and frame["state"] != "rejected":
        holes, pixels = _holes(films, n)
        fault = "" if pixels == frame["hole"] else f"{pixels} pixels of hole, {frame['hole']} on record"
        found["mask"].add(n, fault)
    source = _planes(films.source, n)
    result = _planes(films.result, n)
    if source is not None and holes is not None:
        same = digest(source, holes) == frame["outside_before"]
        found["source"].add(n, "" if same else "other samples than were repaired")
    if films.source is not None and source is None:
        found["source"].add(n, f"the source ends at frame {len(films.source) - 1}")
    if result is not None:
        same = digest(result) == frame["result"]
        where = "" if same else _where(source, result, holes)
        found["result"].add(n, "" if same else f"other samples than were given back{where}")
        if holes is not None:
            same = digest(result, holes) == frame["outside_before"]
            found["outside"].add(n, "" if same else f"other samples than the source had{where}")


def _where(source: Planes | None, result: Planes, holes: tuple[NDArray[np.bool_], ...] | None) -> str:
    """How many samples outside the hole differ from the source, and where the first is; nothing without the source."""
    if source is None or holes is None:
        return ""
    count, first = 0, ""
    for plane, (before, after, hole) in enumerate(zip(source, result, holes, strict=True)):
        same_bits = before.view(f"u{before.itemsize}") == after.view(f"u{after.itemsize}")
        rows, columns = np.nonzero(~(same_bits | hole))
        if rows.size and not first:
            first = f"plane {plane}, x {columns[0]}, y {rows[0]}"
        count += rows.size
    return f" ({count} outside the hole differ from the source, the first at {first})" if count else " (in the hole)"


def _holes(films: _Films, n: int) -> tuple[tuple[NDArray[np.bool_], ...], int]:
    """The hole of frame n on each plane, and its pixels."""
    assert films.mask is not None
    form, number = films.form, 0 if len(films.mask) == 1 else n
    picture = np.zeros((form.height, form.width), np.uint8)
    if number < len(films.mask):
        with films.mask.get_frame(number) as frame:
            hole = hole_of(np.asarray(frame[0]), films.dilate)
        rows, columns = hole.samples.shape
        picture[hole.y : hole.y + rows, hole.x : hole.x + columns] = hole.samples
    planes = (subsampled(picture, *form.subsampling(plane)).astype(bool) for plane in range(form.planes))
    return tuple(planes), int(np.count_nonzero(picture))


def _planes(film: vs.VideoNode | None, n: int) -> Planes | None:
    """The planes of a frame, if there is such a frame."""
    if film is None or n >= len(film):
        return None
    with film.get_frame(n) as frame:
        return planes_of(frame)
