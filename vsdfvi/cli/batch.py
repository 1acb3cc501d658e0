"""``vsdfvi batch``."""

import sys
from pathlib import Path
from typing import Any

import click

from vsdfvi.cli.clean import device_of, require, stopped_cleanly, summary, where_options

_LINE = 160  # columns of a plan that goes into a file


@click.command()
@click.argument("jobs", type=click.Path(exists=True, path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(file_okay=False, path_type=Path),
    help="Where JOBS is a folder: the folder of the outputs. Default: 'cleaned' in it.",
)  # fmt: skip
@click.option("--set", "words", multiple=True, metavar="NAME=VALUE", help="Where JOBS is a folder: a setting for all.")
@click.option("-m", "--mask", "masks", multiple=True, metavar="MASK", help="Where JOBS is a folder: as of `clean`, for "
              "films that have none of their own.")  # fmt: skip
@click.option("--encoder", default="", metavar="NAME", help="Where JOBS is a folder: as of `clean`, for all.")
@click.option("--dry-run", is_flag=True, help="Print the plan, and stop.")
@where_options
def batch(
    jobs: Path,
    output: Path | None,
    words: tuple[str, ...],
    masks: tuple[str, ...],
    encoder: str,
    dry_run: bool,
    scheduler: str,
    workers: int | None,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Clean many films: those of JOBS, a TOML file of them, or a folder of films with masks beside them.

    The plan is printed first. A film that fails stops no other. Killed at whatever moment, the same command redoes only
    what was not finished. The exit status is 0 if all outputs are there, 1 if one failed, 2 if the command was wrong,
    130 after ctrl-C.
    """
    require()
    from vsdfvi.cleaning.batch import Result, find_jobs, read_jobs, run
    from vsdfvi.cleaning.jobs import Job
    from vsdfvi.cleaning.progress import bar
    from vsdfvi.cleaning.schedulers import scheduler as scheduling
    from vsdfvi.errors import VsdfviError
    from vsdfvi.settings import settings_from

    try:
        if jobs.is_dir():
            common: dict[str, Any] = {"settings": settings_from(words)}
            common |= {"mask": list(masks)} if masks else {}
            common |= {"encoder": encoder} if encoder else {}
            planned = find_jobs(jobs, output or jobs / "cleaned", common)
        elif output is not None or words or masks or encoder:
            raise click.UsageError("-o, -m, --set and --encoder go with a folder; a file of jobs says it for each")
        else:
            planned = read_jobs(jobs)
    except (VsdfviError, OSError) as error:
        raise click.ClickException(str(error)) from error
    _print_plan(planned)
    if dry_run:
        raise SystemExit(1 if any(each.job is None for each in planned) else 0)

    possible = [each.job for each in planned if each.job is not None]
    devices = {str(job.settings.get("device", "auto")) for job in possible}

    def device(job: Job) -> str:
        return device_of(dict(job.settings))

    results: list[Result] = []
    try:
        with stopped_cleanly("what is done is kept, and the same command goes on from there") as go_on:
            first = device(possible[0]) if len(devices) == 1 and possible else "cpu"
            threads = {int(job.settings.get("threads", 0)) for job in possible}
            with (
                scheduling(scheduler, workers or 0, first, threads.pop() if len(threads) == 1 else 0) as computing,
                bar(quiet, go_on) as watcher,
            ):

                def told(result: Result) -> None:
                    if result.outcome is None:
                        click.echo(f"{result.name}: failed: {result.fault}", err=True)
                    elif not quiet:
                        click.echo(summary(result.name, result.outcome))

                results = run(planned, computing, device, watcher, told, overwrite=overwrite)
    except (VsdfviError, OSError) as error:
        raise click.ClickException(str(error)) from error
    failed = [result for result in results if result.outcome is None]
    if not quiet or failed:
        click.echo(f"{len(results) - len(failed)} of {len(results)} films are there", err=bool(failed))
    if failed:
        raise SystemExit(1)


def _print_plan(planned: list[Any]) -> None:
    """What is to be done, as a table."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE)
    for heading in ("output", "state", "source", "mask", "settings"):
        table.add_column(heading, overflow="fold")
    for each in planned:
        if each.job is None:
            continue
        settings = " ".join(f"{name}={value}" for name, value in each.job.settings.items())
        masks = ", ".join(spec if ":" in spec else Path(spec).name for spec in each.job.masks)
        cells = (each.name, each.state, Path(each.job.source).name, masks, settings)
        table.add_row(*(Text(cell) for cell in cells))
    console = Console(stderr=True, width=None if sys.stderr.isatty() else _LINE)
    if table.row_count:
        console.print(table)
    for each in planned:
        if each.job is None:
            console.print(f"{each.name}: cannot be done: {each.fault}", markup=False, highlight=False, soft_wrap=True)
