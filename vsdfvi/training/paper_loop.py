"""Training of the published networks as it was published, a stage at a time on results of the one before."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from torch.utils.data import DataLoader, Dataset

from vsdfvi.errors import SettingError
from vsdfvi.networks.checkpoint_files import read_tensors
from vsdfvi.networks.dfc_net import (
    DFCSubNet,
    fill_trunk,
    refine_resnet50,
    refine_resnet101,
    stage1_resnet50,
    stage1_resnet101,
)
from vsdfvi.networks.weights import load
from vsdfvi.training.flow_loop import FlowTask, mean_errors
from vsdfvi.training.losses import endpoint_error, flow_loss
from vsdfvi.training.options import FlowOptions
from vsdfvi.training.paper_windows import PaperHeldOut, PaperWindows, StageStore, working_sizes
from vsdfvi.training.run import Machine
from vsdfvi.training.sgd import MOMENTUM, listed_steps, parameter_groups
from vsdfvi.training.windows import SequenceStore

_BUILD = {
    ("stage1", "resnet50"): stage1_resnet50,
    ("stage1", "resnet101"): stage1_resnet101,
    ("refine", "resnet50"): refine_resnet50,
    ("refine", "resnet101"): refine_resnet101,
}
_MIDDLE = slice(15, 17)  # channels of u and v of the sixth of eleven maps


class PaperTask(FlowTask):
    """One of the published networks.

    Args:
        initial: Weights of the network, or of an ImageNet ResNet for its trunk.
        previous: Weights of the stages before, in order.
    """

    def __init__(
        self,
        options: FlowOptions,
        machine: Machine,
        store: SequenceStore,
        initial: Path | None,
        previous: tuple[Path, ...],
    ) -> None:
        FlowTask.__init__(self, options, machine, store)
        number = int(options.phase[-1])
        if len(previous) != number - 1:
            raise SettingError("previous", f"{number - 1} files for {options.phase}", len(previous))
        stages = [(path, _stage(path, place)) for place, path in enumerate(previous, 1)]
        results = StageStore(store, options, stages, working_sizes(options))
        self.data |= {"previous": results.digest if previous else "none"}
        self.network = _network(options, initial).to(machine.device).train()
        groups = parameter_groups(self.network, listings=options.listings)
        self.optimiser = torch.optim.SGD(
            groups, options.learning_rate, momentum=MOMENTUM, weight_decay=options.weight_decay
        )
        self.networks, self.optimisers = {}, {"network": self.optimiser}
        self.samples: Dataset[Any] = PaperWindows(results, options)
        self.held_out = PaperHeldOut(results, store, options)

    def learn(self, step: int, batch: list[Tensor]) -> float:
        """Make a step, and return its loss."""
        windows, target, hole = batch
        self.set_rate(self.optimiser, step)
        with self.autocast():
            flow = self.network(windows)
        loss = flow_loss(
            flow.float(), target, hole, hard_weight=self.options.hard_weight, easy_share=self.options.easy_share
        )
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if self.options.clip_norm:
            clip_grad_norm_(self.network.parameters(), self.options.clip_norm)
        listed_steps(self.optimiser)
        return loss.item()

    def measure(self, loader: Callable[[Dataset[Any]], DataLoader[Any]]) -> dict[str, float]:
        """End-point error in the hole of the stage's flow, and of what it was given: Laplace's, or the last stage's."""
        errors = []
        self.network.eval()
        with torch.inference_mode():
            for *parts, kind in loader(self.held_out):
                windows, target, hole = (part.to(self.machine.device) for part in parts)
                before = torch.cat([maps[:, _MIDDLE] for maps in windows.split(33, dim=1)], 1)[0]
                with self.autocast():
                    flow = self.network(windows)[0].float()
                inside = hole[0].all(0)
                errors.append(
                    (
                        kind[0],
                        endpoint_error(flow, target[0], inside).item(),
                        endpoint_error(before, target[0], inside).item(),
                    )
                )
        self.network.train()
        return mean_errors(errors)


def _network(options: FlowOptions, initial: Path | None) -> DFCSubNet:
    """The network to train, from weights of its own, from an ImageNet ResNet's, or from chance."""
    stage = "stage1" if options.phase == "stage1" else "refine"
    network = _BUILD[stage, options.trunk]()
    if initial is None:
        return network
    tensors = read_tensors(initial)
    if "fc.weight" in tensors:  # the classifier of a ResNet as torchvision has it
        fill_trunk(network, tensors)
        return network
    loaded = load(initial, f"dfc_{stage}_{options.trunk}")
    assert isinstance(loaded, DFCSubNet)
    return loaded


def _stage(path: Path, number: int) -> DFCSubNet:
    """The network of an earlier stage, of either trunk."""
    kind = "stage1" if number == 1 else "refine"
    network = load(path, (f"dfc_{kind}_resnet50", f"dfc_{kind}_resnet101"))
    assert isinstance(network, DFCSubNet)
    return network.requires_grad_(False)
