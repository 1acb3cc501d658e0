"""What training of flow completion makes small: errors in the hole, and once more those that are large."""

from collections.abc import Sequence

import torch
from torch import Tensor

from vsdfvi.networks.dfc_compact import NEVER, Weighing

TEMPERATURE = 0.05
"""Error, as a part of how much flow varies, by which a candidate must be worse to be e times less likely."""

EASY_SHARE = 0.5
"""Share of a picture's hole, its best pixels, that hard flow example mining leaves out (the authors' program)."""

SMALLEST_VARIATION = 0.25  # pixels: flow that varies less is as good as constant, and its noise is not to be learned


def hard_examples(error: Tensor, hole: Tensor, easy_share: float = EASY_SHARE) -> Tensor:
    """Which pixels of the hole are off by more than most: hard flow example mining.

    In each picture the errors of the hole's n pixels are sorted; hard are those strictly above the one at place
    ``floor(easy_share * n)``, counted from 0. Ties with it are not hard, so that an even error has no hard pixels,
    and neither has a hole of one pixel.

    Shapes:
        error: ``(B, H, W)``, 0 or more. hole: ``(B, H, W)`` bool. Returned like ``hole``.

    Args:
        easy_share: 0 or more and below 1.

    Source:
        Xu, Li, Zhou and Loy, "Deep flow-guided video inpainting", CVPR 2019, section 3.1 (after online hard example
        mining of Shrivastava, Gupta and Girshick, CVPR 2016); the exact rule is the authors' program's.
    """
    error = error.detach()
    ordered = torch.where(hole, error, torch.inf).flatten(1).sort(dim=1).values
    # In float64, as Python counts: a share such as 0.1 must fall on the same place everywhere.
    place = (easy_share * hole.flatten(1).sum(1).double()).floor().long()
    threshold = ordered.gather(1, place[:, None])
    return hole & (error > threshold[:, :, None])


def flow_loss(
    output: Tensor, target: Tensor, hole: Tensor, *, hard_weight: float, easy_share: float = EASY_SHARE
) -> Tensor:
    """The paper's loss: mean error in the hole for each component, and the mean over hard pixels of both.

    The second is a mean of sums of two components and the first a mean of components, so that a weight of 1 counts
    hard pixels twice. Both are means over all pixels of the batch, whatever picture they are in. Directions are
    added. A hole without pixels, or without hard ones, adds nothing.

    Shapes:
        output, target: ``(B, 2 D, H, W)`` for D directions, x and y of each in turn, pixels.
        hole: ``(B, D, H, W)`` bool.

    Args:
        hard_weight: Of the mean over hard pixels; 2 for stage 1 and 1 for stages 2 and 3 in the authors' program.

    Source:
        Xu et al., section 3.1; means, sums and weights from the authors' program.
    """
    batch, _, height, width = output.shape
    difference = (output - target).abs().reshape(batch, -1, 2, height, width).sum(2)
    total = output.new_zeros(())
    for error, inside in zip(difference.unbind(1), hole.unbind(1), strict=True):
        total = total + _mean(error, inside) / 2
        if hard_weight:
            total = total + hard_weight * _mean(error, hard_examples(error, inside, easy_share))
    return total


def relative_loss(
    flow: Tensor, target: Tensor, hole: Tensor, *, hard_weight: float, easy_share: float = EASY_SHARE
) -> Tensor:
    """Mean error in the hole as a part of how much the target varies, and that of its hard pixels; a mean of windows.

    The paper's loss is in pixels: a fast film weighs as much as ten slow ones. Here each window weighs the same,
    however fast it moves and however large its hole is.

    Shapes:
        flow, target: ``(B, 2 D, H, W)`` for D directions, pixels.
        hole: ``(B, H, W)`` bool; windows without any are left out.
    """
    mean = target.mean((2, 3), keepdim=True)
    variation = (target - mean).square().mean((1, 2, 3)).sqrt().clamp_min(SMALLEST_VARIATION)
    ways = flow.shape[1] // 2
    error = (flow - target).abs().sum(1) / (ways * variation[:, None, None])
    losses = _means(error, hole)
    if hard_weight:
        losses = losses + hard_weight * _means(error, hard_examples(error, hole, easy_share))
    return losses.sum() / hole.flatten(1).any(1).sum().clamp_min(1)


def choice_loss(
    weighing: Weighing, flow: Tensor, target: Tensor, hole: Tensor, stage_weights: Sequence[float]
) -> Tensor:
    """How far the weights of candidates are from those that the truth would give: cross-entropy, a mean of windows.

    The truth prefers a candidate the nearer it is, softly: ``exp(-error / (TEMPERATURE * variation))``. The error of a
    blend alone teaches next to nothing once one candidate has all of the weight, and a network that is new to this
    gives it to the Laplace filling within a hundred steps, and for good.

    Shapes:
        weighing: of the compact network, given windows ``(B, ...)``.
        flow: the Laplace filling's fw ``(B, 2, H, W)``, pixels. target: likewise. hole: ``(B, H, W)`` bool.
    """
    height, width = hole.shape[1:]
    mean = target.mean((2, 3), keepdim=True)
    variation = (target - mean).square().mean((1, 2, 3)).sqrt().clamp_min(SMALLEST_VARIATION)
    error = (weighing.candidates[..., :height, :width] - (target - flow)[:, None]).square().sum(2).sqrt()
    error = error / (TEMPERATURE * variation[:, None, None, None])
    there = weighing.there[..., :height, :width] > 0
    wanted = (-error).masked_fill(~there, NEVER).softmax(1)
    total = flow.new_zeros(())
    for weight, logits in zip(stage_weights, weighing.logits, strict=True):
        likelihood = logits[..., :height, :width].log_softmax(1).masked_fill(~there, 0.0)
        total = total + weight * _means(-(wanted * likelihood).sum(1), hole).sum()
    return total / hole.flatten(1).any(1).sum().clamp_min(1)


def endpoint_error(flow: Tensor, target: Tensor, hole: Tensor) -> Tensor:
    """How far vectors end from where they should, in pixels: the mean over the hole and over directions; NaN for none.

    Shapes:
        flow, target: ``(2 D, H, W)``. hole: ``(H, W)`` bool.
    """
    _, height, width = flow.shape
    lengths = (flow - target).reshape(-1, 2, height, width).square().sum(1).sqrt()
    return lengths.mean(0)[hole].mean()


def _mean(error: Tensor, where: Tensor) -> Tensor:
    """The mean over pixels of all pictures; 0 for none, with a gradient of 0."""
    return torch.where(where, error, 0.0).sum() / where.sum().clamp_min(1)


def _means(error: Tensor, where: Tensor) -> Tensor:
    """The mean over pixels of each picture; 0 for none."""
    return torch.where(where, error, 0.0).sum((1, 2)) / where.sum((1, 2)).clamp_min(1)
