"""Many films: a file of jobs, or a folder by convention; a plan, and jobs of which one that fails stops no other."""

import tomllib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from vsdfvi.cleaning import accounts
from vsdfvi.cleaning.cleaning import Outcome, Watcher, check_paths, clean
from vsdfvi.cleaning.encoders import encoder_of
from vsdfvi.cleaning.files import sentence_of
from vsdfvi.cleaning.jobs import Job, rate_of, span
from vsdfvi.cleaning.masks import is_made
from vsdfvi.cleaning.opening import PICTURES
from vsdfvi.cleaning.schedulers import Scheduler
from vsdfvi.errors import FormatError, SettingError, VsdfviError
from vsdfvi.settings import Settings

FILMS = (".avi", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpg", ".mxf", ".nut", ".ts", ".webm", ".y4m")
"""Endings of the films that a folder is searched for."""

MASK_MARKS = (".mask", "_mask", "-mask")
"""How the names of masks end, before their own ending, that lie beside their film."""

_KEYS = {
    "source": str, "mask": str | list, "output": str, "settings": dict, "frames": str, "encoder": str, "ffmpeg": list,
    "filter": str, "rate": str | int, "reference": str, "exclude": str | list, "chunk": int, "report": bool,
    "keep": bool,
}  # fmt: skip


_RULES: Mapping[Any, str] = {
    str: "text", bool: "true or false", int: "a whole number", dict: "a table", list: "a list of texts",
    str | list: "text, or a list of texts", str | int: "text, or a whole number",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Planned:
    """A job of a batch, before it is done.

    Attributes:
        name: What it is called in a plan: its output.
        job: It; None where it cannot be one.
        fault: Why not; empty where it can.
        state: ``new``, ``begun`` or ``done``.
    """

    name: str
    job: Job | None
    fault: str = ""
    state: str = "new"


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a job of a batch: an outcome, or why there is none."""

    name: str
    outcome: Outcome | None
    fault: str = ""


def read_jobs(path: Path) -> list[Planned]:
    """The jobs of a TOML file: tables ``[[job]]``, each with what ``[defaults]`` says where it does not say it itself.

    Paths count from the file's folder. A job that cannot be one is planned with its fault; the others are not hurt.

    Raises:
        FormatError: The file is no TOML, or holds other things than jobs.
        OSError: It cannot be read.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FormatError(f"jobs must be a TOML file, got {path}: {error}") from error
    unknown = set(content) - {"defaults", "job"}
    jobs = content.get("job", [])
    if unknown or not isinstance(jobs, list) or not jobs:
        found = ", ".join(sorted(unknown)) or "no [[job]]"
        raise FormatError(f"jobs must be tables [[job]], and [defaults] if wanted, got {found} in {path}")
    defaults = content.get("defaults", {})
    return _unlike([_planned(each, defaults, path.parent, number) for number, each in enumerate(jobs, 1)])


def find_jobs(folder: Path, out: Path, common: Mapping[str, Any]) -> list[Planned]:
    """The films of a folder that have a mask: ``NAME.mask.*``, ``NAME_mask.*`` or ``masks/NAME.*`` beside ``NAME.*``.

    One mask for all that have none of their own is ``mask.*``.

    Args:
        out: Folder of the outputs, which have the names of their films, and the ending ``.mkv``.
        common: What all jobs have: keys of a job in a file.

    Raises:
        FormatError: There is no film with a mask.
    """
    films = sorted(path for path in folder.iterdir() if path.suffix.lower() in FILMS and not _is_mask(path))
    planned = []
    for film in films:
        mask = _mask_of(film)
        name = str(out / f"{film.stem}.mkv")
        if mask is None and "mask" not in common:
            planned.append(Planned(name, None, f"no mask: {film.stem}.mask.* or masks/{film.stem}.* is not there"))
            continue
        given = {"source": str(film), "output": name, **({} if mask is None else {"mask": str(mask)})}
        planned.append(_planned(given, common, Path(), len(planned) + 1))
    if not any(each.job for each in planned):
        raise FormatError(f"a folder must hold films with masks ({', '.join(MASK_MARKS)}, or in masks/), got {folder}")
    return _unlike(planned)


def _is_mask(path: Path) -> bool:
    return path.stem == "mask" or path.stem.endswith(MASK_MARKS)


def _mask_of(film: Path) -> Path | None:
    """The mask that lies beside a film."""
    folder = film.parent
    for stem, place in (
        *((film.stem + mark, folder) for mark in MASK_MARKS),
        (film.stem, folder / "masks"),
        ("mask", folder),
    ):
        for ending in (*FILMS, *PICTURES):
            path = place / (stem + ending)
            if path.is_file():
                return path
    return None


def _planned(given: Any, defaults: Any, folder: Path, number: int) -> Planned:
    name = f"job {number}"
    try:
        if not isinstance(given, dict) or not isinstance(defaults, dict):
            raise FormatError("a job must be a table")
        merged = {**defaults, **given}
        tables = [table.get("settings", {}) for table in (defaults, given)]
        if all(isinstance(table, dict) for table in tables):
            merged["settings"] = {**tables[0], **tables[1]}
        name = str(merged.get("output", name))
        job = _job(merged, folder)
        encoder_of(job.encoder, job.output, job.ffmpeg)
        return Planned(name, job, state=_state(job))
    except (VsdfviError, OSError) as error:
        return Planned(name, None, str(error))


def _job(given: Mapping[str, Any], folder: Path) -> Job:
    for key, value in given.items():
        if key not in _KEYS:
            raise SettingError("job", f"of the keys {', '.join(_KEYS)}", key)
        if not isinstance(value, _KEYS[key]) or (isinstance(value, bool) and _KEYS[key] is not bool):
            raise SettingError(key, _RULES[_KEYS[key]], value)
        if isinstance(value, list) and not all(isinstance(each, str) for each in value):
            raise SettingError(key, _RULES[list], value)
    for key in ("source", "mask", "output"):
        if key not in given:
            raise SettingError(key, "given for each job", "nothing")
    wrong = [name for name in given["settings"] if name not in {field.name for field in fields(Settings)}]
    if wrong:
        raise SettingError("settings", "names of the filter's settings", ", ".join(wrong))
    Settings.from_arguments(given["settings"])

    def at(text: str) -> str:
        return text if is_made(text) or Path(text).is_absolute() else str(folder / text)

    def each(value: str | list[str]) -> tuple[str, ...]:
        return tuple(at(text) for text in ([value] if isinstance(value, str) else value))

    rate = str(given["rate"]) if "rate" in given else ""
    frames = given.get("frames")
    optional = {name: given[name] for name in ("chunk", "report", "keep", "encoder") if name in given}
    return Job(
        source=at(given["source"]), masks=each(given["mask"]), output=at(given["output"]), settings=given["settings"],
        frames=None if frames is None else span(frames), ffmpeg=tuple(given.get("ffmpeg", ())),
        filters=given.get("filter", ""), rate=rate_of(rate) if rate else None,
        reference=at(given["reference"]) if given.get("reference") else "", exclude=each(given.get("exclude", [])),
        **optional,
    )  # fmt: skip


def _state(job: Job) -> str:
    account = accounts.of_output(job.record)
    if account is not None and account.encoding == job.encoding and accounts.are_there(account, job.output):
        return "done"
    return "begun" if job.work.is_dir() else "new"


def _unlike(planned: list[Planned]) -> list[Planned]:
    """The jobs, of which those that would write the same output, or record, are none."""
    records = Counter(each.job.record.resolve() for each in planned if each.job)
    return [
        Planned(
            each.name, None, f"output must be of another name for each job, its ending apart, got {each.name} twice"
        )
        if each.job and records[each.job.record.resolve()] > 1
        else each
        for each in planned
    ]


def run(
    planned: Sequence[Planned],
    workers: Scheduler,
    device: Callable[[Job], str],
    watcher: Watcher,
    told: Callable[[Result], object],
    *,
    overwrite: bool = False,
) -> list[Result]:
    """Do the jobs, one after the other: each uses all workers. What fails is told, and the next begins.

    Args:
        device: Of a job: ``cpu`` or ``cuda``.
        told: Told of each job what came of it.
    """
    results = []
    for each in planned:
        if each.job is None:
            result = Result(each.name, None, each.fault)
        else:
            try:
                check_paths(each.job)
                result = Result(each.name, clean(each.job, workers, device(each.job), watcher, overwrite=overwrite))
            except (VsdfviError, OSError) as error:
                result = Result(each.name, None, sentence_of(error))
        results.append(result)
        told(result)
    return results
