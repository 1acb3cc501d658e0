"""The optimiser of the published networks, with what its program does beside what it says."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from vsdfvi.networks.dfc_net import DFCSubNet

MOMENTUM = 0.9
_HEAD_FACTOR = 10.0
"""Of the head's rate over the trunk's (the authors' program)."""


def parameter_groups(network: DFCSubNet, *, listings: bool) -> list[dict[str, Any]]:
    """The network's weights in four groups, each with ``factor``, of the rate, and ``listings``, updates in a step.

    The authors' program names the trunk at one rate and the head at ten times that. But it walks through modules that
    lie within one another and lists their weights each time, and its optimiser updates a weight once for each time
    that it is listed: first convolution 1, bottlenecks 3, their projections 4, head 2. Momentum is shared by these
    updates, and the gradient is the same in all. It is how the published weights came about.

    Args:
        listings: Whether to do so; else each is updated once, as the paper would have it.

    Source:
        The authors' program, read and run; batch normalisation is frozen there too, and is in no group.
    """
    first, trunk, projections, head = [], [], [], []
    for name, parameter in network.named_parameters():
        if not parameter.requires_grad:
            continue
        if name.startswith("layer5."):
            head.append(parameter)
        elif name.startswith("conv1."):
            first.append(parameter)
        elif ".downsample." in name:
            projections.append(parameter)
        else:
            trunk.append(parameter)
    times = (1, 3, 4, 2) if listings else (1, 1, 1, 1)
    factors = 1.0, 1.0, 1.0, _HEAD_FACTOR
    return [
        {"params": parameters, "factor": factor, "listings": number}
        for parameters, factor, number in zip((first, trunk, projections, head), factors, times, strict=True)
    ]


def listed_steps(optimiser: torch.optim.SGD) -> None:
    """Update each group as many times as it is listed, all with the present gradients, which are then gone.

    No single rate and momentum would do the same: with momentum m and k listings, a gradient moves a weight by
    ``rate * (k + (k - 1) m + ... + m^(k-1))`` at once and by ``k * rate / (1 - m)`` in the end.
    """
    most = max(group["listings"] for group in optimiser.param_groups)
    for number in range(most):
        for group in optimiser.param_groups:
            if number >= group["listings"]:
                _forget(group["params"])
        optimiser.step()
    for group in optimiser.param_groups:
        _forget(group["params"])


def _forget(parameters: Iterable[nn.Parameter]) -> None:
    for parameter in parameters:
        parameter.grad = None
