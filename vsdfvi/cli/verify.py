"""``vsdfvi verify``."""

import json
from pathlib import Path

import click

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


class _Unreadable(click.ClickException):
    """Something could not be opened, and so nothing is known: not the status of a check that failed."""

    exit_code = 2


@click.command()
@click.argument("record", type=_FILE)
@click.option("--source", type=_FILE, help="The clip that was repaired.")
@click.option("--result", type=_FILE, help="What came of it.")
@click.option("--mask", type=_FILE, help="The mask as the filter got it: anything but 0 is hole.")
@click.option(
    "--run", "names", multiple=True, metavar="ID",
    help="The run to verify; several that did one job in parts are joined. Default: the last of the record.",
)  # fmt: skip
@click.option("--lossy", is_flag=True, help="The result is a lossy file: its samples are not compared.")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def verify(
    record: Path,
    source: Path | None,
    result: Path | None,
    mask: Path | None,
    names: tuple[str, ...],
    lossy: bool,
    as_json: bool,
) -> None:
    """Hold RECORD, which the setting `record` wrote, against the films that it tells of.

    Films are video files, or VapourSynth scripts, which are run: their output 0 counts. The exit status is 0 if
    nothing failed, 1 if something did, 2 if something could not be opened.
    """
    from vsdfvi.errors import VsdfviError
    from vsdfvi.evaluation.records import FAILED, NOT_DONE, read_record
    from vsdfvi.evaluation.verify import Films, open_film
    from vsdfvi.evaluation.verify import verify as run_checks

    try:
        runs, broken = read_record(record)
        known = {run.name: run for run in runs}
        for name in names:
            if name not in known:
                raise click.BadParameter(f"run must be one of {', '.join(known)}, got {name!r}", param_hint="--run")
        chosen = [known[name] for name in names] or runs[-1:]
        opened = {
            name: None if path is None else open_film(path, name)
            for name, path in (("source", source), ("result", result), ("mask", mask))
        }
        checks = run_checks(chosen, Films(**opened, lossy=lossy))
    except (VsdfviError, OSError) as error:
        raise _Unreadable(str(error)) from error

    failed = [check for check in checks if check.status == FAILED]
    if as_json:
        answer = {
            "record": str(record),
            "runs": [run.name for run in chosen],
            "other_runs": [name for name in known if name not in {run.name for run in chosen}],
            "broken_lines": broken,
            "passed": not failed,
            "checks": [
                {"name": check.name, "status": check.status, "text": check.text, "frames": list(check.frames)}
                for check in checks
            ],
        }
        click.echo(json.dumps(answer, indent=2))
    else:
        for run in chosen:
            header = run.header
            click.echo(f"run {run.name}, {header['time']}, {header['program']}, {len(run.frames)} frames on record")
        if len(known) > len(chosen):
            others = ", ".join(name for name in known if name not in {run.name for run in chosen})
            click.echo(f"other runs of this record: {others}")
        if broken:
            click.echo(f"lines that are not whole, and say nothing: {', '.join(map(str, broken[:12]))}")
        for check in checks:
            click.echo(f"  {check.status:8}  {check.name:8}  {check.text}")
        left = sum(check.status == NOT_DONE for check in checks)
        click.echo(f"{len(failed)} of {len(checks)} checks failed, {left} could not be done")
    if failed:
        raise SystemExit(1)
