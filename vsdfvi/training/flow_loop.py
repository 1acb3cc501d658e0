"""Training of the compact DFC-Net, stage by stage or all at once."""

from collections.abc import Callable, Iterable, Mapping
from math import isnan
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.utils.data import DataLoader, Dataset

from vsdfvi.networks.dfc_compact import CENTRE, CompactDFCNet, Weighing, run_backwards
from vsdfvi.networks.weights import load
from vsdfvi.training.checkpoints import export_weights
from vsdfvi.training.holes import KINDS
from vsdfvi.training.losses import choice_loss, endpoint_error, relative_loss
from vsdfvi.training.options import FlowOptions
from vsdfvi.training.run import Machine, Outcome, Task, facts, run
from vsdfvi.training.schedules import rate
from vsdfvi.training.sequences import Library
from vsdfvi.training.windows import HeldOutWindows, SequenceStore, TrainingWindows

STAGE_WEIGHTS = 0.5, 0.7, 1.0
"""Of the compact network's three stages where they learn together: the last one's answer is what is used."""


class FlowTask(Task):
    """What all flow runs share: sequences by a folder of clips, a table of errors by kind of hole."""

    kind = "flow"
    figures = (
        "epe", "epe_laplace", *(f"{kind}{suffix}" for kind in KINDS for suffix in ("", "_laplace"))
    )  # fmt: skip

    def __init__(self, options: FlowOptions, machine: Machine, store: SequenceStore) -> None:
        self.options, self.machine, self.store = options, machine, store
        self.data = {"clips": store.clips, "sequences": store.digest}
        self.samples_a_step = options.batch

    def summary(self, figures: Mapping[str, float]) -> str:
        """The error, how far it is below Laplace's."""
        ours, theirs = figures["epe"], figures["epe_laplace"]
        return f"held out {ours:.3f} px, Laplace {theirs:.3f} ({100 * (ours / theirs - 1):+.1f} %)"

    def autocast(self) -> torch.autocast:
        """Mixed precision, where it pays."""
        return torch.autocast(self.machine.device.type, torch.bfloat16, enabled=self.machine.autocast)

    def set_rate(self, optimiser: torch.optim.Optimizer, step: int) -> None:
        """Give each group of weights its rate at a step."""
        share = rate(self.options.schedule, step, self.options.steps, self.options.phase)
        for group in optimiser.param_groups:
            group["lr"] = self.options.learning_rate * group.get("factor", 1.0) * share


class CompactTask(FlowTask):
    """The compact network: some stage, or all."""

    def __init__(
        self, options: FlowOptions, machine: Machine, store: SequenceStore, initial: Path | None = None
    ) -> None:
        FlowTask.__init__(self, options, machine, store)
        network = CompactDFCNet() if initial is None else load(initial, "dfc_compact")
        assert isinstance(network, CompactDFCNet)
        self._compact = network.to(machine.device).train()
        self.network = self._compact
        learning = learning_parameters(self.network, options.phase)
        self.optimiser = torch.optim.AdamW(learning, options.learning_rate, weight_decay=options.weight_decay)
        self.networks, self.optimisers = {}, {"network": self.optimiser}
        self.samples: Dataset[Any] = TrainingWindows(store, options)
        self.held_out = HeldOutWindows(store, options)

    def learn(self, step: int, batch: list[Tensor]) -> float:
        """Make a step, and return its loss."""
        flow, unknown, target, hole = batch
        self.set_rate(self.optimiser, step)
        # Both ways: flow to the earlier frame is flow to the later one of the film run backwards.
        flow, unknown = (torch.cat(pair) for pair in zip((flow, unknown), run_backwards(flow, unknown), strict=True))
        target, hole = torch.cat(target.chunk(2, dim=1)), torch.cat([hole, hole])
        with self.autocast():
            weighing = self._compact.weigh(flow, unknown)
        loss = self.loss(weighing, flow[:, CENTRE, :2], target, hole)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if self.options.clip_norm:
            clip_grad_norm_(self.network.parameters(), self.options.clip_norm)
        self.optimiser.step()
        return loss.item()

    def loss(self, weighing: Weighing, before: Tensor, target: Tensor, hole: Tensor) -> Tensor:
        """The loss of the stage that learns, or of all, weighted."""
        options = self.options
        weights = (
            STAGE_WEIGHTS
            if options.phase == "joint"
            else tuple(float(f"stage{number}" == options.phase) for number in (1, 2, 3))
        )
        loss = options.choice_weight * choice_loss(weighing, before, target, hole, weights)
        height, width = hole.shape[1:]
        for weight, correction in zip(weights, weighing.corrections(), strict=True):
            if weight:
                loss = loss + weight * relative_loss(
                    before + correction[..., :height, :width], target, hole,
                    hard_weight=options.hard_weight, easy_share=options.easy_share,
                )  # fmt: skip
        return loss

    def measure(self, loader: Callable[[Dataset[Any]], DataLoader[Any]]) -> dict[str, float]:
        """End-point error of the stage that learns, and Laplace's, over all and for each kind of hole."""
        number = -1 if self.options.phase == "joint" else int(self.options.phase[-1]) - 1
        errors = []
        self.network.eval()
        with torch.inference_mode():
            for *parts, kind in loader(self.held_out):
                flow, unknown, target, hole = (part.to(self.machine.device) for part in parts)
                before, target, hole = flow[0, CENTRE], target[0], hole[0]
                with self.autocast():
                    ways = (flow, unknown), run_backwards(flow, unknown)
                    correction = torch.cat([self.network(*way)[number][0].float() for way in ways])
                ours, theirs = endpoint_error(before + correction, target, hole), endpoint_error(before, target, hole)
                errors.append((kind[0], ours.item(), theirs.item()))
        self.network.train()
        return mean_errors(errors)


def learning_parameters(network: nn.Module, phase: str) -> list[nn.Parameter]:
    """Weights that learn in a phase; the others are frozen."""
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(phase == "joint" or name.startswith(f"{phase}."))
    return [parameter for parameter in network.parameters() if parameter.requires_grad]


def mean_errors(errors: Iterable[tuple[str, float, float]]) -> dict[str, float]:
    """Figures from (kind of hole, error, Laplace's error) of sequences; those without a hole are left out."""
    found = [error for error in errors if not isnan(error[1])]
    figures: dict[str, float] = {}
    for kind in ("", *KINDS):
        rows = [error[1:] for error in found if kind in ("", error[0])]
        if rows:
            ours, theirs = (sum(column) / len(rows) for column in zip(*rows, strict=True))
            figures |= {kind or "epe": ours, f"{kind or 'epe'}_laplace": theirs}
    return figures


def train_flow(
    clips: Path,
    out: Path,
    options: FlowOptions,
    *,
    cache: Path | None = None,
    initial: Path | None = None,
    previous: tuple[Path, ...] = (),
    resume: Path | None = None,
    export: Path | None = None,
    library: Library | None = None,
    stop_after: int | None = None,
) -> Outcome:
    """Train flow completion on clips of a folder, and motion made from them.

    Args:
        out: Folder for ``checkpoint.pt`` and ``log.csv``.
        cache: Folder for sequences; ``out``/sequences without.
        initial: Weights to begin with: of the network; or for ``preset="paper"`` of an ImageNet ResNet, too.
        previous: For stages 2 and 3 of ``preset="paper"``: weights of the stages before, in order.
        export: Where to write the weights when all steps are made, as safetensors.
        library: Used in place of one over ``clips``.
        stop_after: Stop at this step as if interrupted.

    Raises:
        SettingError: An option does not fit the others, the clips, or the checkpoint.
        WeightsError: A file is not what it should be.
        EngineError: The device or the loss fails.
    """
    store = SequenceStore(clips, cache or out / "sequences", options.frames, (options.height, options.width), library)

    def make_task(machine: Machine) -> Task:
        if options.preset == "paper":
            from vsdfvi.training.paper_loop import PaperTask

            return PaperTask(options, machine, store, initial, previous)
        return CompactTask(options, machine, store, initial)

    task, outcome = run(make_task, options, "flow", out, resume, stop_after)
    if export is not None and outcome.step == options.steps:
        stage = {"stage1": "stage1"}.get(options.phase, "refine")
        name = "dfc_compact" if options.preset == "compact" else f"dfc_{stage}_{options.trunk}"
        export_weights(export, task.network.state_dict(), facts(task, options, outcome, name, clips))
    return outcome
