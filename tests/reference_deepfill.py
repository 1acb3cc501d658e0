"""DeepFill v1 as it is stated: attention one position at a time, the generator layer by layer. Slow, and not clever."""

import numpy as np
import torch
from torch.nn import functional as F

# Yu et al., "Generative image inpainting with contextual attention", CVPR 2018, sections 3 and 4 and the supplement,
# with the halvings, activations and names of the weights published with DFVI. A layer is its name, step, dilation and
# activation.
DOWN = [("0", 1, 1, F.elu), ("1", 2, 1, F.elu), ("2", 1, 1, F.elu), ("3", 2, 1, F.elu), ("4", 1, 1, F.elu)]
LAST = {"down": F.elu, "down_conv_branch": F.elu, "down_attn_branch": F.relu}
DILATED = [("0", 1, 2, F.elu), ("1", 1, 4, F.elu), ("2", 1, 8, F.elu), ("3", 1, 16, F.elu)]
UP = [("0", 1, 1, F.elu), ("1", 1, 1, F.elu), "larger", ("3", 1, 1, F.elu), ("4", 1, 1, F.elu), "larger",
      ("6", 1, 1, F.elu), ("7", 1, 1, F.elu), ("8", 1, 1, None)]  # fmt: skip


def patch(plane, y, x, size):
    """Values ``(C, size, size)`` from row y and column x on; 0 beyond the picture."""
    channels, height, width = plane.shape
    out = np.zeros((channels, size, size))
    for v, u in np.ndindex(size, size):
        if 0 <= y + v < height and 0 <= x + u < width:
            out[:, v, u] = plane[:, y + v, x + u]
    return out


def likeness(features):
    """Scores M[foreground, background] of positions counted row by row."""
    small = features[:, ::2, ::2]
    positions = list(np.ndindex(small.shape[1:]))
    scores = np.zeros((len(positions), len(positions)))
    for j, (y, x) in enumerate(positions):
        background = patch(small, y - 1, x - 1, 3)
        background = background / max(np.sqrt((background**2).sum()), 1e-4)
        for i, (v, u) in enumerate(positions):
            scores[i, j] = (patch(small, v - 1, u - 1, 3) * background).sum()
    return scores


def diagonal_sum(scores):
    """M'[i, j] = M[i - 1, j - 1] + M[i, j] + M[i + 1, j + 1], 0 beyond the ends."""
    count = len(scores)
    out = np.zeros_like(scores)
    for i, j in np.ndindex(count, count):
        for step in (-1, 0, 1):
            if 0 <= i + step < count and 0 <= j + step < count:
                out[i, j] += scores[i + step, j + step]
    return out


def fuse(scores, height, width):
    """Scores summed along the diagonals with positions counted row by row, then column by column."""
    by_columns = [y * width + x for x in range(width) for y in range(height)]
    first = diagonal_sum(scores)
    second = diagonal_sum(first[np.ix_(by_columns, by_columns)])
    out = np.zeros_like(scores)
    out[np.ix_(by_columns, by_columns)] = second
    return out


def valid_backgrounds(hole):
    """1 for positions whose three by three neighbourhood has no hole, else 0; beyond the picture there is none."""
    height, width = hole.shape
    valid = np.zeros(hole.size)
    for j, (y, x) in enumerate(np.ndindex(height, width)):
        around = [
            hole[y + v, x + u]
            for v in (-1, 0, 1)
            for u in (-1, 0, 1)
            if 0 <= y + v < height and 0 <= x + u < width
        ]  # fmt: skip
        valid[j] = not any(around)
    return valid


def softmax(values):
    """Shares that add up to 1."""
    powers = np.exp(values - values.max())
    return powers / powers.sum()


def attend(features, hole):
    """Features ``(C, h, w)`` pasted from known patches, where hole is ``(h / 2, w / 2)``."""
    channels, rows, columns = features.shape
    height, width = hole.shape
    scores = fuse(likeness(features), height, width)
    valid = valid_backgrounds(hole)
    positions = list(np.ndindex(height, width))
    out = np.zeros((channels, rows, columns))
    for i, (v, u) in enumerate(positions):
        shares = softmax(10 * (scores[i] * valid)) * valid
        for j, (y, x) in enumerate(positions):
            pasted = patch(features, 2 * y - 1, 2 * x - 1, 4)
            for b, a in np.ndindex(4, 4):
                row, column = 2 * v - 1 + b, 2 * u - 1 + a
                if 0 <= row < rows and 0 <= column < columns:
                    out[:, row, column] += shares[j] * pasted[:, b, a] / 4
    return out


def convolve(features, weight, bias):
    """A three by three convolution, with zeros beyond the picture, then ELU."""
    _, height, width = features.shape
    out = np.zeros((len(weight), height, width))
    for y, x in np.ndindex(height, width):
        seen = patch(features, y - 1, x - 1, 3)
        for channel in range(len(weight)):
            value = (weight[channel] * seen).sum() + bias[channel]
            out[channel, y, x] = value if value > 0 else np.exp(value) - 1
    return out


def layers(values, weights, name, table):
    """Values ``(1, C, H, W)`` after the layers of a table."""
    for layer in table:
        if layer == "larger":
            values = values.repeat_interleave(2, 2).repeat_interleave(2, 3)
            continue
        stem, step, dilation, activation = layer
        stem = f"{name}.out.{stem}.conv.{step - 1}"
        weight, bias = weights[f"{stem}.weight"], weights[f"{stem}.bias"]
        if step == 2:  # one row below and one column to the right
            values = F.conv2d(F.pad(values, (0, 1, 0, 1)), weight, bias, stride=2)
        else:
            padding = dilation * (weight.shape[2] // 2)
            values = F.conv2d(values, weight, bias, padding=padding, dilation=dilation)
        values = activation(values) if activation else values
    return values


def generator(weights, image, hole):
    """Coarse and refined picture ``(1, 3, H, W)`` of a picture in -1..1, its hole ``(1, 1, H, W)`` being 1."""

    def down(picture, name):
        table = [*DOWN, ("5", 1, 1, LAST[name.split(".")[1]])]
        return layers(torch.cat([picture, torch.ones_like(hole), hole], 1), weights, name, table)

    known = image * (1 - hole)
    inside = layers(down(known, "stage_1.down"), weights, "stage_1.atrous", DILATED)
    coarse = layers(inside, weights, "stage_1.up", UP).clamp(-1, 1)
    merged = coarse * hole + known * (1 - hole)
    convolved = layers(down(merged, "stage_2.down_conv_branch"), weights, "stage_2.atrous", DILATED)
    compared = down(merged, "stage_2.down_attn_branch")
    attended = torch.from_numpy(attend(compared[0].numpy(), hole[0, 0, ::8, ::8].numpy()))[None]
    attended = layers(attended, weights, "stage_2.CAttn", UP[:2])
    refined = layers(torch.cat([convolved, attended], 1), weights, "stage_2.up", UP).clamp(-1, 1)
    return coarse, refined
