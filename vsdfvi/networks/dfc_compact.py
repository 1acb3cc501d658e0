"""DFC-Net in a compact form: the paper's three stages, small enough for every frame of a film on a CPU."""

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WINDOW = 11
"""Consecutive flows that a completed flow is made from, as in the paper: five on each side."""

CENTRE = WINDOW // 2
_SMALLEST_SCALE = 0.1  # pixels: below this, differences between vectors are the estimator's noise
_NOISELESS = 4.0  # octaves above the smallest scale
_LARGEST = 6.0  # scales: a vector that differs more is of another thing, however much it differs
_FARTHEST = 8.0  # octaves of pixels
_NEAR = 8  # pixels beside the hole that the stages see; of what lies farther away the candidates tell
_MULTIPLE = 4  # stage 1 works at a quarter of the size
NEVER = -1e9  # logit of what must not be chosen
_LAPLACE_FIRST = 3.0  # logit of the Laplace filling before anything is learned; the others begin at 0
_RAYS = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1))  # (down, right)


class Stage(nn.Module):
    """One DFC-S: looks at the window at its own resolution, and corrects what the coarser stage said.

    Shapes:
        window: ``(B, inputs, H, W)``.
        before: ``(B, outputs, H, W)``, the answer so far.
        returns: as ``before``.
    """

    def __init__(self, inputs: int, outputs: int, channels: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.enter = nn.Conv2d(inputs + outputs, channels, 3, padding=1)
        self.trunk = nn.ModuleList(
            nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation) for dilation in dilations
        )
        self.head = nn.Conv2d(channels, outputs, 3, padding=1)
        # The first answer of an untrained stage is what it was given.
        nn.init.zeros_(self.head.weight)
        assert self.head.bias is not None
        nn.init.zeros_(self.head.bias)

    def forward(self, window: Tensor, before: Tensor) -> Tensor:
        features = F.relu(self.enter(torch.cat([window, before], dim=1)))
        for layer in self.trunk:
            features = features + F.relu(layer(features))
        corrected: Tensor = before + self.head(features)
        return corrected


class CompactDFCNet(nn.Module):
    """Completes the flow of a window's centre, both ways, by weighing what could be there against each other.

    For each pixel of the hole there are eleven candidates: the Laplace filling; the first measured vector in each of
    eight directions; and what the pixel's own trajectory through the window says, before and after, set right by how
    much flow around the hole has changed since. Three stages, each twice as fine as the one before, give them weights
    that add up to one. A blend cannot leave the range of what was measured, however odd the film; and where the
    candidates agree nothing can go wrong. All that the stages see is divided by how much flow varies in the picture, so
    that the answer does not depend on the resolution or on the speed of motion. Flow to the earlier frame is completed
    as flow to the later one of the film run backwards, by the same weights.

    Shapes:
        flow: ``(B, 11, 4, H, W)``: fw x, fw y, bw x, bw y of consecutive pairs of frames, in pixels of this size,
            completed; fw at pixels of the pair's earlier frame, bw at pixels of its later one.
        unknown: ``(B, 11, H, W)`` float, 1 where flow is not measured.
        returns: the correction to add to the centre's fw, ``(B, 2, H, W)``, 0 where it is measured, after each of the
            three stages; the last is the answer. Its bw is the fw of ``run_backwards``.

    Source:
        Xu, Li, Zhou and Loy, "Deep flow-guided video inpainting", CVPR 2019, section 3.1: coarse to fine, eleven
        consecutive flows and their masks, a result for the middle one. Candidates, trajectories and scales are ours:
        the paper's network makes flow up, and stacks the window at the same place, where a camera that pans five
        pixels a frame has moved on by 25 at the window's end.
    """

    CANDIDATES = 1 + len(_RAYS) + 2
    INPUTS = 2 + 1 + 2 + 1 + 4 * len(_RAYS) + 3 * 2

    def __init__(self) -> None:
        super().__init__()
        self.stage1 = Stage(self.INPUTS, self.CANDIDATES, 64, (1, 2, 4, 2, 1))
        self.stage2 = Stage(self.INPUTS, self.CANDIDATES, 32, (1, 2, 1))
        self.stage3 = Stage(self.INPUTS, self.CANDIDATES, 16, (1, 2))

    def forward(self, flow: Tensor, unknown: Tensor) -> list[Tensor]:
        hole = unknown[:, CENTRE : CENTRE + 1]
        rows, columns = _around(hole)
        window, candidates, there = (part[..., rows, columns] for part in self._described(flow, unknown))
        answers = self._weigh(window, candidates, there).corrections()
        corrections = []
        for answer in answers:
            correction = torch.zeros_like(flow[:, CENTRE, :2])
            part = correction[..., rows, columns]
            part[:] = answer[..., : part.shape[2], : part.shape[3]]
            corrections.append(correction * hole)
        return corrections

    def weigh(self, flow: Tensor, unknown: Tensor) -> "Weighing":
        """What could be there, and what each stage thinks of it; shapes as for the network."""
        return self._weigh(*self._described(flow, unknown))

    @staticmethod
    def _described(flow: Tensor, unknown: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """``describe``, on sides that are multiples of 4."""
        height, width = flow.shape[-2:]
        padding = 0, -width % _MULTIPLE, 0, -height % _MULTIPLE
        if any(padding):
            count = len(flow)
            flow = F.pad(flow.flatten(1, 2), padding, mode="replicate")
            flow = flow.reshape(count, WINDOW, 4, *flow.shape[2:])
            unknown = F.pad(unknown, padding, value=1.0)
        return describe(flow, 1 - unknown)

    def _weigh(self, window: Tensor, candidates: Tensor, there: Tensor) -> "Weighing":
        weights = window.new_zeros(len(window), self.CANDIDATES, window.shape[2] // 4, window.shape[3] // 4)
        weights[:, 0] = _LAPLACE_FIRST
        answers = []
        for stage, factor in ((self.stage1, 4), (self.stage2, 2), (self.stage3, 1)):
            if factor != 4:
                weights = F.interpolate(weights, scale_factor=2.0, mode="bilinear", align_corners=False)
            weights = stage(F.avg_pool2d(window, factor) if factor > 1 else window, weights)
            full = F.interpolate(weights, scale_factor=float(factor), mode="bilinear") if factor > 1 else weights
            answers.append(full.float().masked_fill(there == 0, NEVER))
        return Weighing(answers, candidates, there)


@dataclass(frozen=True, slots=True)
class Weighing:
    """What flow in the hole could be, and what the stages think of it. Height and width are multiples of 4.

    Attributes:
        logits: ``(B, CANDIDATES, H, W)`` for each stage: their softmax are the candidates' weights.
        candidates: ``(B, CANDIDATES, 2, H, W)``: differences from the Laplace filling, in pixels.
        there: ``(B, CANDIDATES, H, W)``, 1 where there is such a candidate; its logit is ``NEVER`` elsewhere.
    """

    logits: list[Tensor]
    candidates: Tensor
    there: Tensor

    def corrections(self) -> list[Tensor]:
        """The blend of candidates that each stage asks for, ``(B, 2, H, W)``."""
        return [(logits.softmax(1)[:, :, None] * self.candidates).sum(1) for logits in self.logits]


def run_backwards(flow: Tensor, unknown: Tensor) -> tuple[Tensor, Tensor]:
    """The window of the same film run backwards: what was flow to the earlier frame is flow to the later one."""
    return flow.flip(1)[:, :, [2, 3, 0, 1]], unknown.flip(1)


def _around(hole: Tensor) -> tuple[slice, slice]:
    """Rows and columns with some hole and what lies near, from a multiple of 4 on."""
    parts = []
    for kept in (2, 3):
        (at,) = torch.nonzero(hole.amax((0, 1, 5 - kept)), as_tuple=True)
        first, last = (int(at[0]), int(at[-1]) + 1) if len(at) else (0, 1)
        first = max(0, (first - _NEAR) // _MULTIPLE * _MULTIPLE)
        parts.append(slice(first, -(-(last + _NEAR) // _MULTIPLE) * _MULTIPLE))
    return parts[0], parts[1]


def describe(flow: Tensor, known: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What the stages see, the candidates, and where there are such.

    Shapes:
        flow, known: as the network is given, of the film and of the film run backwards.
        returns: ``(B, INPUTS, H, W)``; ``(B, CANDIDATES, 2, H, W)``, fw as the difference from the Laplace filling in
            pixels; ``(B, CANDIDATES, H, W)``, 1 where there is one.
    """
    centre, measured = flow[:, CENTRE], known[:, CENTRE : CENTRE + 1]
    here = centre[:, :2]
    mean = here.mean(dim=(2, 3), keepdim=True)
    scale = (here - mean).square().mean(dim=(1, 2, 3), keepdim=True).sqrt().clamp_min(_SMALLEST_SCALE)
    grid = _grid(flow)
    gap = here + sample(centre[:, 2:], grid + here)
    # How much of the differences is noise. Beyond a few pixels none of it is, whatever the speed.
    noise = torch.log2(_SMALLEST_SCALE / scale).clamp_min(-_NOISELESS) / _NOISELESS
    parts = [(here - mean) / scale, measured, _limited(gap / scale), noise.expand(-1, 1, *flow.shape[-2:])]
    candidates, there = [torch.zeros_like(here)], [torch.ones_like(measured)]
    for direction in _RAYS:
        seen, distance = along_ray(here, measured, direction)
        found = (distance > 0).to(here.dtype)
        difference = (seen - here) * found
        candidates.append(difference)
        there.append(found)
        parts += [_limited(difference / scale), found, (distance + 1).log2() / _FARTHEST]
    for sign in (1, -1):
        carried, weight = _carried(flow, known, grid, sign)
        candidates.append(carried * (weight > 0))
        there.append((weight > 0).to(here.dtype))
        parts += [_limited(carried / scale) * (weight > 0), weight]
    return torch.cat(parts, dim=1), torch.stack(candidates, dim=1), torch.cat(there, dim=1)


def _limited(difference: Tensor) -> Tensor:
    return difference.clamp(-_LARGEST, _LARGEST)


def along_ray(values: Tensor, known: Tensor, direction: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """The first known value that each pixel meets in a direction, and how many steps away it is: 0 where there is none.

    Shapes:
        values: ``(B, C, H, W)``, returned likewise, of no meaning where the distance is 0; known: ``(B, 1, H, W)``,
            as the distance.

    Args:
        direction: Steps (down, right), each -1, 0 or 1.
    """
    down, right = direction
    if not down:  # the same on its side
        seen, distance = along_ray(values.transpose(2, 3), known.transpose(2, 3), (right, 0))
        return seen.transpose(2, 3), distance.transpose(2, 3)
    flips = [dim for dim, step in ((2, -down), (3, right)) if step < 0]
    both = torch.cat([values, known], dim=1).flip(flips)
    count, channels, height, width = both.shape
    if right:
        # Rows are shifted against each other until what lies on a diagonal is one below the other.
        both = F.pad(both, (0, height)).flatten(2)[..., :-height]
        both = both.reshape(count, channels, height, width + height - 1)
    rows = torch.arange(height, device=both.device)[:, None]
    last = torch.where(both[:, -1:] > 0, rows, -1)
    # Strictly above: a known pixel looks for another.
    last = F.pad(last.cummax(dim=2).values[:, :, :-1], (0, 0, 1, 0), value=-1)
    seen = both[:, :-1].gather(2, last.clamp_min(0).expand(-1, values.shape[1], -1, -1))
    distance = torch.where(last >= 0, rows - last, 0).to(values.dtype)
    if right:
        seen, distance = (
            F.pad(planes.flatten(2), (0, height)).reshape(count, -1, height, width + height)[..., :width]
            for planes in (seen, distance)
        )
    return seen.flip(flips), distance.flip(flips)


def _carried(flow: Tensor, known: Tensor, grid: Tensor, sign: int) -> tuple[Tensor, Tensor]:
    """What flow was measured along each pixel's trajectory, as the difference from the centre's, and how near in time.

    In the hole it is set right by what has changed since: the difference that pixels around the hole show.

    Args:
        sign: 1 for later pairs, -1 for earlier ones.

    Returns:
        ``(B, 2, H, W)``, and ``(B, 1, H, W)`` from 0 for never to 1 for in all pairs.
    """
    here, measured = flow[:, CENTRE, :2], known[:, CENTRE : CENTRE + 1]
    differences, seens = [], []
    place = grid
    for step in range(1, CENTRE + 1):
        # fw of a pair lives in its earlier frame: later pairs are reached by fw of the pair before, earlier ones by bw.
        crossed, planes = (CENTRE + step - 1, slice(0, 2)) if sign > 0 else (CENTRE - step, slice(2, 4))
        place = place + sample(flow[:, crossed, planes], place)
        at = CENTRE + sign * step
        seen = sample(torch.cat([flow[:, at, :2], known[:, at : at + 1]], dim=1), place)
        differences.append(seen[:, :2] - here)
        seens.append(seen[:, 2:] * _inside(place))
    difference, seen = torch.stack(differences, dim=1).flatten(0, 1), torch.stack(seens, dim=1).flatten(0, 1)
    both = seen * measured.repeat_interleave(CENTRE, dim=0)
    changed = spread(difference, both)
    inside = 1 - measured.repeat_interleave(CENTRE, dim=0)
    difference = (difference - changed * inside).reshape(-1, CENTRE, *difference.shape[1:])
    nearness = 2.0 ** -torch.arange(1, CENTRE + 1, device=flow.device, dtype=flow.dtype)
    weight = seen.reshape(-1, CENTRE, *seen.shape[1:]) * nearness[:, None, None, None]
    total = weight.sum(1)
    return (weight * difference).sum(1) / total.clamp_min(1e-6), total / nearness.sum()


def spread(values: Tensor, weight: Tensor) -> Tensor:
    """Values where they have weight, and elsewhere what those around say: weighted means, pulled down and pushed up.

    Shapes:
        values: ``(B, C, H, W)``, returned likewise. weight: ``(B, 1, H, W)``, 0 to 1.
    """
    height, width = values.shape[2:]
    if min(height, width) < 2:
        total = weight.sum((2, 3), keepdim=True).clamp_min(1e-6)
        return ((values * weight).sum((2, 3), keepdim=True) / total).expand_as(values)
    pooled = F.avg_pool2d(torch.cat([values * weight, weight], dim=1), 2, ceil_mode=True)
    coarse = spread(pooled[:, :-1] / pooled[:, -1:].clamp_min(1e-6), (4 * pooled[:, -1:]).clamp_max(1.0))
    finer = F.interpolate(coarse, scale_factor=2.0, mode="bilinear", align_corners=False)[..., :height, :width]
    return weight * values + (1 - weight) * finer


def _grid(flow: Tensor) -> Tensor:
    height, width = flow.shape[-2:]
    y, x = torch.meshgrid(
        torch.arange(height, device=flow.device, dtype=flow.dtype),
        torch.arange(width, device=flow.device, dtype=flow.dtype),
        indexing="ij",
    )
    return torch.stack([x, y]).expand(flow.shape[0], -1, -1, -1)


def _inside(place: Tensor) -> Tensor:
    height, width = place.shape[-2:]
    x, y = place[:, :1], place[:, 1:]
    return ((x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)).to(place.dtype)


def sample(planes: Tensor, place: Tensor) -> Tensor:
    """Planes ``(B, C, H, W)`` at places ``(B, 2, H, W)`` in pixels, bilinear; the border's value beyond it."""
    height, width = planes.shape[-2:]
    normal = place.permute(0, 2, 3, 1) * _twice_over(width, height, planes.device, planes.dtype) - 1
    return F.grid_sample(planes, normal, mode="bilinear", padding_mode="border", align_corners=True)


@lru_cache(maxsize=64)
def _twice_over(width: int, height: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Two over the last column and the last row. Made for every sample, it would let a GPU's host wait each time."""
    with torch.inference_mode(False):
        return 2 / torch.tensor([max(1, width - 1), max(1, height - 1)], device=device, dtype=dtype)
