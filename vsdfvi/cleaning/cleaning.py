"""One film cleaned, the story on one page: chunks, the finished film, its record, its report.

Whatever ends the process, at whatever moment, what is done stays done, and the same call goes on from there: chunks are
there whole or not at all, and the output gets its name when it is complete.
"""

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from vsdfvi.cleaning import accounts, files
from vsdfvi.cleaning.chunk_files import ChunkName, ChunkReader, Patch, chunks_of
from vsdfvi.cleaning.computing import Material, open_material
from vsdfvi.cleaning.encoders import encoder_of, is_pictures, require_codec, stored_as
from vsdfvi.cleaning.encoding import Finish, encode, repaired_frames
from vsdfvi.cleaning.jobs import Job
from vsdfvi.cleaning.masks import is_made
from vsdfvi.cleaning.opening import is_named, pictures_named, sequence_of, spelled_number
from vsdfvi.cleaning.schedulers import Scheduler
from vsdfvi.engine.record_facts import facts_of
from vsdfvi.engine.rejection import rejected_frames
from vsdfvi.errors import EngineError, FormatError, SettingError, VsdfviError
from vsdfvi.films.clips import video_format
from vsdfvi.frames.pixels import VideoFormat
from vsdfvi.kernels.device import device_of
from vsdfvi.settings import Settings


class Watcher(Protocol):
    """Is told how a job goes on."""

    def open(self, job: Job) -> None:
        """A job is looked at."""

    def begin(self, job: Job, frames: int, done: int, size: tuple[int, int]) -> None:
        """A job of so many frames of a size (width, height) begins, of which some are done already."""

    def stage(self, text: str) -> None:
        """What is done now."""

    def frame(self, n: int, hole: int, invented: int) -> None:
        """A frame is done: pixels of its hole, and how many of them are invented."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a job.

    Attributes:
        state: ``cleaned``, or ``done already``.
        frames: Of the output.
        computed: Of them in this call.
        seconds: This call took.
        hole, invented: Pixels of all frames.
    """

    state: str
    frames: int
    computed: int
    seconds: float
    hole: int = 0
    invented: int = 0


def clean(job: Job, workers: Scheduler, device: str, watcher: Watcher, *, overwrite: bool = False) -> Outcome:
    """Clean one film.

    Args:
        workers: Who computes the chunks.
        device: ``cpu`` or ``cuda``: what ``auto`` is has been found out.
        overwrite: Whether an output may be replaced that this job did not make.

    Raises:
        VsdfviError: The job cannot be done as it is; the text says why.
        OSError: A file cannot be read or written.
    """
    begun = time.monotonic()
    watcher.open(job)
    check_paths(job)
    Settings.from_arguments(job.settings)
    encoder = encoder_of(job.encoder, job.output, job.ffmpeg)
    if encoder is not None:
        require_codec(encoder.codec)
    key = job.key(device)
    account = accounts.of_output(job.record)
    own = account if accounts.is_of(account, job, key) else None
    if own is not None and accounts.is_whole(own, job.output):
        if not job.keep:
            _remove(job.work)
        return Outcome("done already", own.frames, 0, time.monotonic() - begun)
    if not overwrite:
        if _is_there(job.output, own):
            raise SettingError("output", "a new file, or overwriting is to be allowed (--overwrite)", job.output)
        if account is not None and own is None and accounts.are_there(account, job.output):
            other = account.files[0][0]
            raise SettingError("output", f"of a name beside which {job.record.name} is not the record of {other}, "
                               "or overwriting is to be allowed (--overwrite)", job.output)  # fmt: skip

    with ExitStack() as stack:
        work = stack.enter_context(_work_folder(job, key))
        watcher.stage("reading the film")
        material = open_material(job)
        form = video_format(material.clip)
        first, last = _range(job, form.frames)
        rejected_frames(Settings.from_arguments(job.settings).reject, form.frames)
        with material.clip.get_frame(first) as frame:
            properties = dict(frame.props)
        finish = Finish(
            source=job.source, opened=material.source, form=form, first=first, last=last, encoder=encoder,
            ffmpeg=job.ffmpeg, filters=job.filters, properties=properties,
        )  # fmt: skip
        stored_as(form)
        _try_out(finish, work, job.output)
        chunks = chunks_of(work, first, last, job.chunk)
        missing = [chunk for chunk in chunks if not chunk.is_done()]
        computed = sum(chunk.last - chunk.first + 1 for chunk in missing)
        watcher.begin(job, last - first + 1, last - first + 1 - computed, (form.width, form.height))
        if missing:
            watcher.stage("repairing")
            workers.compute(job, device, missing, watcher.frame, lambda chunk: None)
        seconds = time.monotonic() - begun
        _finish(job, key, device, material, finish, chunks, watcher, (computed, seconds))
        hole, invented = accounts.sums(job.record)
        if not job.keep:
            stack.callback(_remove, job.work)
    return Outcome("cleaned", last - first + 1, computed, time.monotonic() - begun, hole, invented)


def check_paths(job: Job) -> None:
    """Refuse what would destroy something, or fail when the work is done.

    Raises:
        SettingError, FormatError: A path cannot be what it is to be.
    """
    output = Path(job.output)
    if not output.suffix:
        raise SettingError("output", "a file whose name has an ending, such as .mkv", job.output)
    if output.is_dir():
        raise SettingError("output", "a file, and not a folder that is there", job.output)
    if is_pictures(job.output) and sequence_name(job.output) is None:
        raise SettingError("output", "pictures with a number in their name, such as frame_%05d.png", job.output)
    pictures = sequence_of(job.source)
    if pictures is None and not Path(job.source).is_file():
        raise FormatError(f"source must be a file that is there, got {job.source}")
    made = {job.record: "the record", job.page: "the report"}
    inputs = [job.source, *(spec for spec in (*job.masks, *job.exclude) if not is_made(spec)), job.reference]
    for path in filter(None, inputs):
        if _same(Path(path), output):
            raise SettingError("output", "another file than those that are read", job.output)
        for other, name in made.items():
            if _same(Path(path), other):
                raise SettingError("output", f"of a name beside which {name} takes no file that is read", job.output)
    if is_pictures(job.output):
        _check_pictures(job.output, inputs)
    folder = output.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = files.part_of(output)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise SettingError("output", f"in a folder that can be written to ({error.strerror})", job.output) from error


def _check_pictures(output: str, inputs: Sequence[str]) -> None:
    """Refuse pictures as an output that would take the place of what is read."""
    for path in filter(None, inputs):
        read = sequence_of(path)
        for file in read.files if read is not None else [Path(path)]:
            if _same(file.parent, Path(output).parent) and is_named(file.name, Path(output).name):
                raise SettingError("output", "other pictures than those that are read", output)


def sequence_name(path: str) -> str | None:
    """The path of a sequence of pictures with ``%d`` for the number, as ffmpeg has it; None where there is no place."""
    spelled = spelled_number(Path(path).name)
    if spelled is None:
        return None
    before, digits, after = spelled
    number = f"%0{digits}d" if digits else "%d"
    return str(Path(path).with_name(before.replace("%", "%%") + number + after.replace("%", "%%")))


def _same(one: Path, other: Path) -> bool:
    with suppress(OSError):
        return one.exists() and other.exists() and one.samefile(other)
    return False


def _is_there(output: str, own: accounts.Account | None) -> bool:
    """Whether an output is there; pictures that this job made are not counted: it was killed while they got names."""
    if not is_pictures(output):
        return Path(output).exists()
    made = {name: (size, digest) for name, size, digest in own.files} if own else {}
    return any(made.get(path.name) != (path.stat().st_size, files.sha256_of(path)) for path in pictures_named(output))


def _range(job: Job, frames: int) -> tuple[int, int]:
    if job.frames is None:
        return 0, frames - 1
    if job.frames[1] >= frames:
        raise SettingError("frames", f"within the film's, 0 to {frames - 1}", f"{job.frames[0]}-{job.frames[1]}")
    return job.frames


@contextmanager
def _work_folder(job: Job, key: str) -> Iterator[Path]:
    """The folder of the job's chunks: those of a job that was another are removed, and nobody else is at it."""
    from filelock import FileLock, Timeout

    work = job.work
    work.mkdir(exist_ok=True)
    lock = FileLock(work / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise EngineError(f"another process is at this job: {work} is locked") from None
    try:
        plan = work / "job.json"
        if not plan.is_file() or key not in plan.read_text(encoding="utf-8", errors="replace"):
            for path in (*work.glob("chunk-*"), *work.glob("index-*")):
                path.unlink()
            files.write_text(plan, f'{{"key": "{key}", "job": {job.as_json()}}}\n')
        _remove_parts_in(work)
        for made in (Path(job.output), job.record, job.page):
            files.remove_parts(made)
        yield work
        _remove_parts_in(work)  # of workers that died
    except VsdfviError:
        if not any(work.glob("chunk-*")):  # of a job that cannot be one, nothing is kept
            _remove(work)
        raise
    finally:
        lock.release()


def _remove_parts_in(work: Path) -> None:
    for path in work.iterdir() if work.is_dir() else ():
        if files.PART in path.name:
            path.unlink(missing_ok=True)


def _remove(work: Path) -> None:
    """Remove a job's folder, of which nothing is needed any more."""
    if work.is_dir():
        shutil.rmtree(work, ignore_errors=True)


def _try_out(finish: Finish, work: Path, output: str) -> None:
    """Encode one frame as it is: what ffmpeg would refuse after hours, it refuses now."""
    import dataclasses

    with suppress(FormatError):  # of one frame, times and counts say nothing yet
        one = dataclasses.replace(finish, last=finish.first)
        trial = work / f"trial{Path(output).suffix}"
        target = work / f"trial_%d{Path(output).suffix}" if is_pictures(output) else trial
        try:
            encode(one, lambda: repaired_frames(finish.opened, finish.first, finish.first, lambda n: None), target)
        finally:
            for path in work.glob("trial*"):
                path.unlink()


def _finish(
    job: Job,
    key: str,
    device: str,
    material: Material,
    finish: Finish,
    chunks: list[ChunkName],
    watcher: Watcher,
    speed: tuple[int, float],
) -> None:
    """Make the output, its record and its report of the chunks that are all there."""
    output, form = Path(job.output), finish.form
    with Patches(chunks, form) as patches:
        watcher.stage("encoding")

        def frames() -> Iterator[Any]:
            # ffmpeg may open them twice: each reader has chunks of its own.
            with Patches(chunks, form) as own:
                yield from repaired_frames(finish.opened, finish.first, finish.last, own.patch)

        header = facts_of(
            Settings.from_arguments({**job.settings, "device": device}), form, video_format(material.mask),
            device_of("cuda:0" if device == "cuda" else device),
        )  # fmt: skip

        def account(made: list[Path]) -> None:
            watcher.stage("writing the record")
            digests = accounts.digests_of(made, output)
            accounts.write(job, key, header, patches.lines(), [finish.first, finish.last], digests)
            if job.report:
                watcher.stage("writing the report")
                accounts.report(job, header, material, patches, speed, digests)

        # Record and report come before the output has its name: what is there under it is always accounted for.
        if is_pictures(job.output):
            made = _encode_pictures(job, finish, frames)
            account(made)
            for path in made:
                path.replace(output.with_name(path.name))
            files.sync_folder(output.parent)
        else:
            with files.made_whole(output) as part:
                encode(finish, frames, part)
                account([part])


def _encode_pictures(job: Job, finish: Finish, frames: Callable[[], Iterator[Any]]) -> list[Path]:
    """The pictures of an output, in the job's folder."""
    named = Path(sequence_name(job.output) or "")
    folder = job.work / "pictures"
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir()
    encode(finish, frames, folder / named.name)
    made = sorted(folder.iterdir())
    if len(made) != finish.count:
        raise EngineError(f"ffmpeg must write {finish.count} pictures, and wrote {len(made)}")
    return made


class Patches:
    """What replaces the holes, of all chunks; one of them is open at a time."""

    def __init__(self, chunks: list[ChunkName], form: VideoFormat) -> None:
        self._chunks, self._planes = chunks, form.planes
        self._open: tuple[ChunkName, ChunkReader] | None = None

    def __enter__(self) -> "Patches":
        return self

    def __exit__(self, *error: object) -> None:
        if self._open is not None:
            self._open[1].__exit__()
            self._open = None

    @property
    def span(self) -> tuple[int, int]:
        """First and last frame, both included."""
        return self._chunks[0].first, self._chunks[-1].last

    def patch(self, n: int) -> Patch | None:
        """What replaces the hole of frame n; None where it is its source."""
        first, size = self._chunks[0].first, self._chunks[0].last - self._chunks[0].first + 1
        chunk = self._chunks[(n - first) // size]
        if self._open is None or self._open[0] != chunk:
            self.__exit__()
            self._open = chunk, ChunkReader(chunk, self._planes)
        return self._open[1].patch(n)

    def lines(self) -> Iterator[dict[str, Any]]:
        """The lines of a record, in the order of frames."""
        for chunk in self._chunks:
            with ChunkReader(chunk, self._planes) as reader:
                yield from reader.lines()
