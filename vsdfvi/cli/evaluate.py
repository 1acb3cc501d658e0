"""``vsdfvi evaluate``."""

from pathlib import Path

import click


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=Path("evaluation"), show_default=True,
    help="Folder for results.csv, results.md and contact.png. Rows that it holds are not computed again.",
)  # fmt: skip
@click.option("--masks", default="", help="Kinds of masks, such as box,object. Default: those that are there, or all.")
@click.option("--clips", default="", help="Names of clips, such as bear,bmx. Default: all.")
@click.option(
    "--settings", multiple=True, metavar="NAME=VALUE",
    help="A setting of the filter; may be given several times, or as NAME=VALUE,NAME=VALUE.",
)  # fmt: skip
@click.option(
    "--baselines", default="telea,median,laplace,oracle", show_default=True,
    help="What stands beside ours. An empty text for nothing.",
)  # fmt: skip
@click.option("--frames", type=click.IntRange(min=0), default=0, help="First frames of each clip. Default: all.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Of masks that are made.")
@click.option("--again", is_flag=True, help="Compute rows that are there already: the code has changed.")
def evaluate(
    folder: Path,
    out: Path,
    masks: str,
    clips: str,
    settings: tuple[str, ...],
    baselines: str,
    frames: int,
    seed: int,
    again: bool,
) -> None:
    """Damage the clips of FOLDER, repair them and measure how near that comes to the truth.

    FOLDER holds video files and masks/CLIP/KIND.mkv, or is laid out as DAVIS or YouTube-VOS is. Masks that are not
    there are made. The exit status is 1 if a row of the table could not be computed.
    """
    try:
        from tqdm import tqdm  # type: ignore[import-untyped]

        from vsdfvi.evaluation.evaluate import evaluate as run
        from vsdfvi.evaluation.plan import Plan, cases_of
        from vsdfvi.evaluation.results import OK
        from vsdfvi.settings import settings_from
    except ModuleNotFoundError as error:
        raise click.ClickException(f"{error.name} is missing: pip install 'vsdfvi[evaluation]'") from error
    from vsdfvi.errors import VsdfviError

    try:
        plan = Plan(
            folder=folder,
            out=out,
            clips=_words(clips),
            kinds=_words(masks),
            settings=settings_from([word for text in settings for word in _words(text)]),
            baselines=_words(baselines),
            frames=frames,
            seed=seed,
            again=again,
        )
        with tqdm(total=len(cases_of(plan)) * len(plan.methods), unit="row") as bar:
            rows = run(plan, bar.set_description, bar.update)
    except VsdfviError as error:
        raise click.ClickException(str(error)) from error
    failed = [row for row in rows if row.status != OK]
    for row in failed:
        click.echo(f"{row.clip} {row.kind} {row.method}: {row.status}", err=True)
    click.echo(f"{len(rows) - len(failed)} of {len(rows)} rows: {out / 'results.md'}, {out / 'contact.png'}")
    if failed:
        raise SystemExit(1)


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.replace(" ", ",").split(",") if word.strip()]
