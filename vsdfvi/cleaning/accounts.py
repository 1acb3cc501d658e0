"""What is told of a job: the record beside its output, by which it is known to be done, and the report."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vsdfvi.cleaning.files import PART, made_whole, sha256_of
from vsdfvi.cleaning.jobs import Job
from vsdfvi.cleaning.masks import is_made
from vsdfvi.cleaning.opening import sequence_of
from vsdfvi.engine.record import Record
from vsdfvi.errors import FormatError

if TYPE_CHECKING:
    from vsdfvi.cleaning.cleaning import Patches
    from vsdfvi.cleaning.computing import Material

_PAGE = 960  # pixels, width of a report's pictures at most


@dataclass(frozen=True, slots=True)
class Account:
    """What a record says of the output that it stands beside.

    Attributes:
        key: Of the job (``Job.key``).
        encoding: Of the job (``Job.encoding``).
        frames: Of the output.
        files: Name, size in bytes and SHA-256 of each.
    """

    key: str
    encoding: str
    frames: int
    files: tuple[tuple[str, int, str], ...]


def write(
    job: Job,
    key: str,
    header: Mapping[str, Any],
    lines: Iterable[Mapping[str, Any]],
    span: list[int],
    named: Sequence[Mapping[str, Any]],
) -> None:
    """Write the record of a job, with what it is known by.

    Args:
        span: First and last frame of the source that the output has.
        named: The output, as ``digests_of`` tells of it.
    """
    facts = {
        **header,
        "job": {"key": key, "encoding": job.encoding, "frames": span, "source": Path(job.source).name, "output": named},
    }
    with made_whole(job.record) as part:
        record = Record(str(part), facts, header["clip"]["frames"])
        for line in lines:
            record.add(line)
        record.close()


def digests_of(made: Sequence[Path], output: Path) -> list[dict[str, Any]]:
    """Name, size and SHA-256 of an output, or of its pictures.

    Args:
        made: The file, under whatever name it has now; or the pictures.
    """
    one = len(made) == 1 and PART in made[0].name
    return [
        {"file": output.name if one else path.name, "bytes": path.stat().st_size, "sha256": sha256_of(path)}
        for path in made
    ]


def of_output(record: Path) -> Account | None:
    """What the record beside an output says of it; None where there is none, or it is of another kind."""
    try:
        with record.open(encoding="utf-8") as file:
            job = json.loads(file.readline())["job"]
        first, last = job["frames"]
        named = tuple((each["file"], int(each["bytes"]), each["sha256"]) for each in job["output"])
        return Account(job["key"], job["encoding"], last - first + 1, named)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def is_of(account: Account | None, job: Job, key: str) -> bool:
    """Whether an account is of this job, and of an output that it would make in the same way again."""
    return account is not None and (account.key, account.encoding) == (key, job.encoding)


def is_whole(account: Account, output: str) -> bool:
    """Whether an output is there and is what its record says."""
    for name, size, digest in account.files:
        path = Path(output).with_name(name)
        if not path.is_file() or path.stat().st_size != size or sha256_of(path) != digest:
            return False
    return True


def are_there(account: Account, output: str) -> bool:
    """Whether files of their names and sizes are there: what can be said at a glance."""
    paths = ((Path(output).with_name(name), size) for name, size, _ in account.files)
    return all(path.is_file() and path.stat().st_size == size for path, size in paths)


def sums(record: Path) -> tuple[int, int]:
    """Pixels of all holes, and how many of them are invented: from the record's last line."""
    with record.open("rb") as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - (1 << 16)))
        last = json.loads(file.read().rstrip().rsplit(b"\n", 1)[-1])
    return int(last["hole"]), int(last["invented"])


def report(
    job: Job,
    header: Mapping[str, Any],
    material: "Material",
    patches: "Patches",
    speed: tuple[int, float],
    named: Sequence[Mapping[str, Any]],
) -> None:
    """Write the report of a job.

    Args:
        speed: Frames that were computed, and the seconds that took.
        named: The output, as ``digests_of`` tells of it.
    """
    from vsdfvi.cleaning.pictures import Pictured
    from vsdfvi.cleaning.report import Pictures, Run, write_report

    pictured = Pictured(material.clip, patches.patch)
    first, last = patches.span

    def pictures(shown: int) -> Pictures:
        n = first + shown
        return Pictures(pictured.before(n), pictured.after(n), pictured.confidence(n), pictured.invented(n))

    # Numbered as in the output: that is what the reader opens beside it.
    lines = ({**line, "frame": line["frame"] - first} for line in patches.lines())
    computed, seconds = speed
    clip = material.clip
    part = "" if last - first + 1 == len(clip) else f", frames {first} to {last}"
    run = Run(
        title=Path(job.output).name,
        source=job.source + part,
        output=job.output,
        frames=last - first + 1,
        size=(clip.width, clip.height),
        rate=Fraction(clip.fps.numerator, clip.fps.denominator) if clip.fps else None,
        header=header,
        seconds=seconds,
        computed=computed,
        files=[*_digests(job), *((f"output: {each['file']}", each["sha256"]) for each in named[:1])],
    )
    write_report(job.page, run, lines, pictures)


def _digests(job: Job) -> list[tuple[str, str]]:
    """Name and SHA-256 of what was read, where it is one file."""
    found = []
    masks = [("mask", spec) for spec in job.masks if not is_made(spec)]
    for role, path in (("source", job.source), *masks, ("reference", job.reference)):
        try:
            if path and sequence_of(path) is None and Path(path).is_file():
                found.append((f"{role}: {Path(path).name}", sha256_of(Path(path))))
        except FormatError:
            continue
    return found
