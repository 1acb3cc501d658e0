"""``vsdfvi clean``."""

import shlex
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

INTERRUPTED = 130
"""Exit status after ctrl-C, as shells have it."""

FILES = ("av", "filelock", "jinja2", "rich")
"""Packages that are needed for files."""

WHERE = [
    click.option(
        "--scheduler", metavar="WHERE", default="here", show_default=True,
        help="Who computes: 'here', this process; 'local', processes of this machine; or a Dask scheduler's address.",
    ),
    click.option("--workers", type=click.IntRange(min=1), help="Of 'local'. Default: one a GPU, or one for two cores."),
    click.option("--overwrite", is_flag=True, help="Replace an output that is there."),
    click.option("-q", "--quiet", is_flag=True, help="No bar and no lines but errors."),
]  # fmt: skip
"""Options that one film and many have."""


def where_options(command: Any) -> Any:
    """Give a command the options of ``WHERE``."""
    for option in reversed(WHERE):
        command = option(command)
    return command


@contextmanager
def stopped_cleanly(kept: str) -> Iterator[Callable[[], None]]:
    """Ctrl-C and a request to end leave by the exit, with a sentence.

    Yields:
        What is to be called now and then: libraries that call Python swallow what a signal raises there, as VapourSynth
        does where it has a message, and it is raised then.

    Args:
        kept: What it says of what is done so far.
    """
    asked = False

    def end(number: int, frame: Any) -> None:
        nonlocal asked
        asked = True
        raise KeyboardInterrupt

    def go_on() -> None:
        if asked:
            raise KeyboardInterrupt

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield go_on
    except KeyboardInterrupt:
        click.echo(f"\nstopped: {kept}", err=True)
        raise SystemExit(INTERRUPTED) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def require(extra: str = "files") -> None:
    """Refuse to begin without the packages that files need."""
    from importlib.util import find_spec

    missing = [name for name in FILES if find_spec(name) is None]
    if missing:
        raise click.ClickException(f"{', '.join(missing)} must be installed: pip install 'vsdfvi[{extra}]'")


def device_of(settings: dict[str, Any]) -> str:
    """The device that the settings mean, found out once for all who compute."""
    from vsdfvi.engine.computing import open_device
    from vsdfvi.settings import Settings

    return open_device(Settings.from_arguments(settings)).name.partition(":")[0]


@click.command()
@click.argument("source", metavar="IN")
@click.option(
    "-m", "--mask", "masks", multiple=True, required=True, metavar="MASK",
    help="What is broken is white: a picture, a video file, a sequence. Or rectangle:X,Y,WIDTH,HEIGHT, "
    "band:bottom,HEIGHT, letters:bottom,HEIGHT, where lengths are pixels or 18%. Several are joined.",
)  # fmt: skip
@click.option("-o", "--output", required=True, metavar="OUT", help="File to make; frame_%05d.dpx makes pictures.")
@click.option("--set", "words", multiple=True, metavar="NAME=VALUE", help="A setting of the filter; several times.")
@click.option("--preset", metavar="NAME", help="The same as --set preset=NAME; `vsdfvi presets` prints them.")
@click.option("--frames", metavar="FIRST-LAST", help="Only these; the output has nothing else.")
@click.option("--encoder", default="", metavar="NAME", help="Default: what suits OUT's name. 'list' lists them.")
@click.option("--ffmpeg", default="", metavar="ARGUMENTS", help="Further arguments of ffmpeg's output, in one text.")
@click.option("--filter", "filters", default="", metavar="CHAIN", help="ffmpeg's filters, before the encoder.")
@click.option("--rate", metavar="FPS", help="Of a sequence of pictures, such as 24000/1001. Default: 24.")
@click.option("--reference", default="", metavar="FILM", help="What the place looks like without the damage.")
@click.option("--exclude", multiple=True, metavar="MASK", help="As -m: what is never taken from.")
@click.option("--chunk", type=int, default=None, help="Frames that are written at once. Default: 120.")
@click.option("--preview", type=click.IntRange(min=0), metavar="N", help="Write a picture of frame N, and stop.")
@click.option("--report/--no-report", default=True, help="Whether OUT.report.html is written.")
@click.option("--keep", is_flag=True, help="Keep the folder OUT.vsdfvi of chunks.")
@where_options
def clean(
    source: str,
    masks: tuple[str, ...],
    output: str,
    words: tuple[str, ...],
    preset: str | None,
    frames: str | None,
    encoder: str,
    ffmpeg: str,
    filters: str,
    rate: str | None,
    reference: str,
    exclude: tuple[str, ...],
    chunk: int | None,
    preview: int | None,
    report: bool,
    keep: bool,
    scheduler: str,
    workers: int | None,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Clean one film: IN without what MASK marks, into OUT, with its sound, subtitles, chapters, times and tags.

    IN is a video file, a folder of numbered pictures, or a name such as scan_%05d.dpx or scan_#####.dpx. A single dash
    for IN or OUT is standard input or output, YUV4MPEG2. Killed at whatever moment, the same command goes on from where
    it was. The exit status is 0 if OUT is there, 1 if something failed, 2 if the command was wrong, 130 after ctrl-C.
    """
    require()
    if encoder == "list":
        _list_encoders()
        return
    from vsdfvi.cleaning.files import sentence_of
    from vsdfvi.cleaning.jobs import CHUNK, Job, rate_of, span
    from vsdfvi.errors import SettingError, VsdfviError
    from vsdfvi.settings import settings_from

    job: Job | None = None
    try:
        settings = settings_from([*words, *([f"preset={preset}"] if preset else [])])
        if "-" in (source, output):
            from vsdfvi.cleaning.piping import clean_pipe

            with stopped_cleanly("nothing is kept of a pipe"):
                clean_pipe(source, masks, output, settings, quiet=quiet)
            return
        job = Job(
            source=source, masks=masks, output=output, settings=settings, frames=span(frames) if frames else None,
            encoder=encoder, ffmpeg=_words(ffmpeg), filters=filters, rate=rate_of(rate) if rate else None,
            reference=reference, exclude=exclude, chunk=CHUNK if chunk is None else chunk, report=report, keep=keep,
        )  # fmt: skip
        with stopped_cleanly(f"what is done is kept in {job.work}, and the same command goes on from there") as go_on:
            if preview is not None:
                _preview(job, preview)
            else:
                _clean(job, scheduler, workers or 0, go_on, overwrite=overwrite, quiet=quiet)
    except (VsdfviError, OSError) as error:
        if job is None and isinstance(error, SettingError):  # nothing was looked at but the command
            raise click.UsageError(str(error)) from error
        raise click.ClickException(sentence_of(error)) from error


def _words(text: str) -> tuple[str, ...]:
    """The words of a text, as a shell splits it."""
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise click.BadParameter(
            f"must be words as a shell takes them ({error}), got {text}", param_hint="--ffmpeg"
        ) from error


def _list_encoders() -> None:
    from vsdfvi.cleaning.encoders import ENCODERS

    for encoder in ENCODERS.values():
        click.echo(f"{encoder.name:8}  {' '.join(encoder.endings):28}  {encoder.about}")
        click.echo(f"{'':8}  ffmpeg -c:v {' '.join((encoder.codec, *encoder.arguments))}")


def _preview(job: Any, n: int) -> None:
    from vsdfvi.cleaning.cleaning import check_paths
    from vsdfvi.cleaning.preview import preview

    check_paths(job)
    made = preview(job, device_of(dict(job.settings)), n)
    invented = f", {made.invented / made.hole:.0%} of them invented" if made.hole else ""
    click.echo(f"{made.path}: before, after, difference; {made.hole} pixels of hole{invented}")


def _clean(job: Any, where: str, workers: int, go_on: Callable[[], None], *, overwrite: bool, quiet: bool) -> None:
    from vsdfvi.cleaning.cleaning import check_paths
    from vsdfvi.cleaning.cleaning import clean as run
    from vsdfvi.cleaning.progress import bar
    from vsdfvi.cleaning.schedulers import scheduler

    check_paths(job)  # before a cluster is started for nothing
    device = device_of(dict(job.settings))
    with (
        scheduler(where, workers, device, int(job.settings.get("threads", 0))) as computing,
        bar(quiet, go_on) as watcher,
    ):
        outcome = run(job, computing, device, watcher, overwrite=overwrite)
    if not quiet:
        click.echo(summary(job.output, outcome))
        if job.report and Path(job.page).is_file():
            click.echo(f"report: {job.page}")


def summary(output: str, outcome: Any) -> str:
    """A line that says what came of a job."""
    if outcome.state != "cleaned":
        return f"{output}: {outcome.state}, {outcome.frames} frames"
    share = f"{outcome.invented / outcome.hole:.1%} of the hole invented" if outcome.hole else "no hole"
    speed = f"{outcome.computed / outcome.seconds:.2f} frames/s" if outcome.computed else "all chunks were there"
    return f"{output}: {outcome.frames} frames, {share}, {outcome.seconds:.0f} s, {speed}"
