"""``vsdfvi train``: flow completion from clips, DeepFill from pictures."""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields
from importlib import import_module
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from vsdfvi.errors import SettingError, VsdfviError
from vsdfvi.training.options import DeepFillOptions, FlowOptions, RunOptions, flow_options

_PATH = click.Path(path_type=Path)
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

# Ranges are checked where the options are used from Python too: in training/options.py.
HELP = {
    "steps": "Updates of the weights in all.",
    "batch": "Samples in a step.",
    "learning_rate": "The largest rate; the schedule divides it.",
    "seed": "Of the first weights and of all samples.",
    "workers": "Processes that make samples; -1: a quarter of the cores, or all but one beside a GPU.",
    "threads": "Threads that compute; 0: the cores that are left. A resumed run keeps its number.",
    "device": "auto, cpu or cuda.",
    "precision": "auto, float32 or bfloat16. auto: bfloat16 for products on a GPU.",
    "checkpoint_every": "Steps between checkpoints; 0: at the end alone.",
    "evaluate_every": "Steps between looks at held-out data; 0: at the end alone.",
    "log_every": "Steps between rows of the log; 0: with looks at held-out data.",
    "preset": "compact: the network that comes with vsdfvi. paper: the published ones, trained as published.",
    "phase": "joint, stage1, stage2 or stage3: what learns, with the stages before it frozen.",
    "trunk": "resnet50 or resnet101, for the paper's networks.",
    "crop": "Side of windows in pixels of flow, which is half the size of pictures; 0: whole ones.",
    "schedule": "one-cycle, cosine, milestones (the paper's) or constant.",
    "weight_decay": "Of the optimiser.",
    "hard_weight": "Of hard flow examples in the loss; 0 leaves mining out.",
    "made_share": "Share of samples whose motion is made instead of measured on films.",
    "easy_share": "Share of a hole's pixels, the best ones, that mining leaves out.",
    "choice_weight": "Of the loss that teaches the compact network which candidate to choose; 0 leaves it out.",
    "clip_norm": "Longest gradient; 0: any.",
    "listings": "Update weights as often as the paper's program lists them. See docs/training.md.",
    "masks": "footage: flow as measured around holes. For the paper's networks also box, mid-box, boxes.",
    "working_height": "Pixels that stage 2 or 3 of the paper's networks works on; 0: the paper's.",
    "working_width": "The same, across.",
    "frames": "Frames of a sequence.",
    "height": "Of the pictures that sequences are made with, pixels.",
    "width": "Of the same, pixels.",
    "seeds": "Sequences to make, as FIRST:STOP; may be given several times. One in twenty is held out.",
    "opening": "Sequences to begin with.",
    "growth": "Steps after which another sequence joins; 0: all are there from the start.",
    "held_out": "Sequences to measure on, at most.",
    "size": "Side of the pictures that are learned from, pixels.",
    "holes": "box, footage or both.",
    "adversarial": "Weight of the critics' opinion; 0 trains without critics.",
    "critic_steps": "Updates of the critics for each of the generator.",
    "penalty": "Weight of the critics' gradient penalty.",
    "discount": "What a pixel weighs less for each pixel that it is away from known ones.",
}


def _ranges(context: click.Context, option: click.Parameter, texts: tuple[str, ...]) -> tuple[tuple[int, int], ...]:
    """Ranges of seeds from texts such as 0:2000."""
    ranges = []
    for text in texts:
        first, colon, stop = text.partition(":")
        if not (colon and first.isdecimal() and stop.isdecimal()):
            raise click.ClickException(f"seeds must be FIRST:STOP, such as 0:2000, got {text!r}")
        ranges.append((int(first), int(stop)))
    return tuple(ranges)


def _with_options(kind: type[RunOptions]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A decorator that gives a command an option for each of a run's."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        for field in reversed(fields(kind)):
            command = _option(field)(command)
        return command

    return decorate


def _option(field: Field[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    flag, default, text = f"--{field.name.replace('_', '-')}", field.default, HELP[field.name]
    assert default is not MISSING
    if isinstance(default, tuple):
        texts = [f"{first}:{stop}" for first, stop in default]
        return click.option(flag, callback=_ranges, multiple=True, default=texts, show_default=True, help=text)
    if isinstance(default, bool):
        return click.option(f"{flag}/--no-{flag[2:]}", default=default, show_default=True, help=text)
    return click.option(flag, type=type(default), default=default, show_default=True, help=text)


@click.group()
def train() -> None:
    """Train the networks. An interrupted run (Ctrl-C) is kept, and goes on with --resume."""


@train.command()
@click.argument("clips", type=_FOLDER)
@click.option("--out", type=_PATH, help="Folder for checkpoint.pt and log.csv. Default with --resume: that file's.")
@click.option("--resume", type=_FILE, help="A checkpoint to go on from, with its options.")
@click.option("--export", type=_PATH, help="Write the weights there in the end, as safetensors.")
@click.option("--cache", type=_PATH, help="Folder for sequences. Default: sequences in the folder of --out.")
@click.option("--initial", type=_FILE, help="Weights to begin with; for the paper's also an ImageNet ResNet's.")
@click.option("--previous", type=_FILE, multiple=True, help="For the paper's stages 2 and 3: weights of those before.")
@_with_options(FlowOptions)
@click.pass_context
def flow(
    context: click.Context,
    /,
    clips: Path,
    out: Path | None,
    resume: Path | None,
    export: Path | None,
    cache: Path | None,
    initial: Path | None,
    previous: tuple[Path, ...],
    **_: object,
) -> None:
    """Train flow completion on motion made from the video files of the folder CLIPS.

    Flow is learned as the filter measures it: around holes that are neutralised. Defaults are those of the compact
    network; --preset paper has others.
    """
    try:
        options = flow_options(_given(context, "flow", resume))
        folder = _out(out, resume)
        outcome = _imported("vsdfvi.training.flow_loop").train_flow(
            clips, folder, options, cache=cache, initial=initial, previous=previous, resume=resume, export=export
        )
    except VsdfviError as error:
        raise click.ClickException(str(error)) from error
    _close(folder, outcome.step, options, outcome.figures)


@train.command()
@click.argument("images", type=_FOLDER)
@click.option("--out", type=_PATH, help="Folder for checkpoint.pt and log.csv. Default with --resume: that file's.")
@click.option("--resume", type=_FILE, help="A checkpoint to go on from, with its options.")
@click.option("--export", type=_PATH, help="Write the weights there in the end, as safetensors.")
@click.option("--initial", type=_FILE, help="Weights to begin with.")
@_with_options(DeepFillOptions)
@click.pass_context
def deepfill(
    context: click.Context,
    /,
    images: Path,
    out: Path | None,
    resume: Path | None,
    export: Path | None,
    initial: Path | None,
    **_: object,
) -> None:
    """Train DeepFill, which invents what no frame shows, on the pictures of the folder IMAGES."""
    try:
        options = DeepFillOptions(**_given(context, "deepfill", resume))
        folder = _out(out, resume)
        outcome = _imported("vsdfvi.training.deepfill_loop").train_deepfill(
            images, folder, options, initial=initial, resume=resume, export=export
        )
    except VsdfviError as error:
        raise click.ClickException(str(error)) from error
    _close(folder, outcome.step, options, outcome.figures)


def _given(context: click.Context, kind: str, resume: Path | None) -> dict[str, Any]:
    """Options that were given, over those of the run that is resumed."""
    given = {
        name: value
        for name, value in context.params.items()
        if name in HELP and context.get_parameter_source(name) == ParameterSource.COMMANDLINE
    }
    if resume is None:
        return given
    from vsdfvi.training.checkpoints import load_checkpoint

    return load_checkpoint(resume, kind).options | given


def _imported(module: str) -> Any:
    """A module that is heavy, or needs what only those install who train."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise click.ClickException(f"{error.name} is missing: pip install 'vsdfvi[evaluation]'") from error


def _out(out: Path | None, resume: Path | None) -> Path:
    if out is not None:
        return out
    if resume is None:
        raise SettingError("out", "a folder, or resume a checkpoint", out)
    return resume.parent


def _close(folder: Path, step: int, options: RunOptions, figures: Mapping[str, float]) -> None:
    """Say how a run ended."""
    if step < options.steps:
        click.echo(f"stopped at step {step} of {options.steps}; go on with --resume {folder / 'checkpoint.pt'}")
        return
    shown = ", ".join(f"{name} {value:.4g}" for name, value in figures.items())
    click.echo(f"{step} steps: {folder / 'checkpoint.pt'}, {folder / 'log.csv'}; held out: {shown}")
