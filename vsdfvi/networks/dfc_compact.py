"""DFC-Net in a compact form: the paper's three stages, small enough for every frame of a film on a CPU."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WINDOW = 11
"""Consecutive flows that a completed flow is made from, as in the paper: five on each side."""

CENTRE = WINDOW // 2
_SMALLEST_SCALE = 0.1  # pixels: below this, differences between vectors are the estimator's noise
_NOISELESS = 4.0  # octaves above the smallest scale
_LARGEST = 6.0  # scales: a neighbour that differs more is of another thing, however much it differs
_MULTIPLE = 4  # stage 1 works at a quarter of the size


class Stage(nn.Module):
    """One DFC-S: looks at the window at its own resolution, and corrects what the coarser stage said.

    Shapes:
        window: ``(B, inputs, H, W)``.
        before: ``(B, 4, H, W)``, the correction so far.
        returns: as ``before``.
    """

    def __init__(self, inputs: int, channels: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.enter = nn.Conv2d(inputs + 4, channels, 3, padding=1)
        self.trunk = nn.ModuleList(
            nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation) for dilation in dilations
        )
        self.head = nn.Conv2d(channels, 4, 3, padding=1)
        # The first answer of an untrained stage is "no correction".
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
    """Completes the flow of a window's centre, both ways, as a correction of its Laplace filling.

    It sees, for each pixel, the eleven flows of both directions along the pixel's own trajectory (the paper stacks them
    at the same place; a camera that pans five pixels a frame has then moved on by 25 at the window's end), each as its
    difference from the filling, and whether it was measured there. All are divided by how much flow varies in the
    window, so that the answer does not depend on the resolution or on the speed of motion.

    Shapes:
        flow: ``(B, 11, 4, H, W)``: fw x, fw y, bw x, bw y of consecutive pairs of frames, in pixels of this size,
            completed; fw at pixels of the pair's earlier frame, bw at pixels of its later one.
        unknown: ``(B, 11, H, W)`` float, 1 where flow is not measured.
        returns: the correction to add to the centre's flow, ``(B, 4, H, W)``, after each of the three stages; the last
            is the answer.

    Source:
        Xu, Li, Zhou and Loy, "Deep flow-guided video inpainting", CVPR 2019, section 3.1: coarse to fine, eleven
        consecutive flows and their masks, a result for the middle one. Trajectories, the correction of a filling, and
        scales are ours.
    """

    INPUTS = 4 + 1 + 4 + 1 + 2 * (WINDOW - 1) * 3

    def __init__(self) -> None:
        super().__init__()
        self.stage1 = Stage(self.INPUTS, 64, (1, 2, 4, 2, 1))
        self.stage2 = Stage(self.INPUTS, 48, (1, 2, 4, 1))
        self.stage3 = Stage(self.INPUTS, 24, (1, 2, 1))

    def forward(self, flow: Tensor, unknown: Tensor) -> list[Tensor]:
        height, width = flow.shape[-2:]
        padding = 0, -width % _MULTIPLE, 0, -height % _MULTIPLE
        if any(padding):
            flow = F.pad(flow.flatten(1, 2), padding, mode="replicate")
            flow = flow.reshape(len(flow), WINDOW, 4, *flow.shape[2:])
            unknown = F.pad(unknown, padding, value=1.0)
        window, scale = _describe(flow, 1 - unknown)
        correction = torch.zeros_like(window[:, :4, ::_MULTIPLE, ::_MULTIPLE])
        answers = []
        for stage, factor in ((self.stage1, 4), (self.stage2, 2), (self.stage3, 1)):
            if factor != 4:
                correction = F.interpolate(correction, scale_factor=2.0, mode="bilinear", align_corners=False)
            correction = stage(F.avg_pool2d(window, factor) if factor > 1 else window, correction)
            full = F.interpolate(correction, scale_factor=float(factor), mode="bilinear") if factor > 1 else correction
            answers.append((full * scale)[..., :height, :width])
        return answers


def _describe(flow: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """What the stages see ``(B, INPUTS, H, W)``, and the scale ``(B, 1, 1, 1)`` that it was divided by."""
    centre = flow[:, CENTRE]
    mean = centre.mean(dim=(2, 3), keepdim=True)
    scale = (centre - mean).square().mean(dim=(1, 2, 3), keepdim=True).sqrt().clamp_min(_SMALLEST_SCALE)
    grid = _grid(flow)
    parts = [(centre - mean) / scale, known[:, CENTRE : CENTRE + 1]]
    for first, back in ((0, 2), (2, 0)):
        ends = grid + centre[:, first : first + 2]
        gap = centre[:, first : first + 2] + sample(centre[:, back : back + 2], ends)
        parts.append((gap / scale).clamp(-_LARGEST, _LARGEST))
    # How much of the differences is noise. Beyond a few pixels none of it is, whatever the speed.
    noise = torch.log2(_SMALLEST_SCALE / scale).clamp_min(-_NOISELESS) / _NOISELESS
    parts.append(noise.expand(-1, 1, *flow.shape[-2:]))
    for first in (0, 2):
        here = centre[:, first : first + 2]
        for offset, place in _trajectories(flow, grid, first):
            at = CENTRE + offset
            seen = sample(torch.cat([flow[:, at, first : first + 2], known[:, at : at + 1]], dim=1), place)
            inside = _inside(place)
            weight = seen[:, 2:] * inside
            difference = ((seen[:, :2] - here) / scale).clamp(-_LARGEST, _LARGEST)
            parts += [difference * weight, weight]
    return torch.cat(parts, dim=1), scale


def _trajectories(flow: Tensor, grid: Tensor, first: int) -> list[tuple[int, Tensor]]:
    """For each other pair of the window (its offset), where each pixel of the centre's flow lies in its grid.

    Args:
        first: 0 for the flow to the later frame, which lives in the earlier frame of a pair; 2 for the other.
    """
    shift = first // 2  # fw of a pair lives one frame before its bw
    places = []
    for sign in (1, -1):
        place = grid
        for step in range(1, CENTRE + 1):
            offset = sign * step
            # The pair that is crossed to get to the frame where the next pair's flow lives.
            crossed = CENTRE + offset + shift - 1 if sign > 0 else CENTRE + offset + shift
            planes = flow[:, crossed, :2] if sign > 0 else flow[:, crossed, 2:]
            place = place + sample(planes, place)
            places.append((offset, place))
    return places


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
    size = torch.tensor([max(1, width - 1), max(1, height - 1)], device=planes.device, dtype=planes.dtype)
    normal = place.permute(0, 2, 3, 1) * (2 / size) - 1
    return F.grid_sample(planes, normal, mode="bilinear", padding_mode="border", align_corners=True)
