"""Rules of training as they are stated, one pixel or one weight at a time. Slow, and not clever."""

import math

import numpy as np


def hard_pixels(error, hole, easy_share):
    """Pixels (y, x) of one picture's hole that are off by more than the one at the given share of them, sorted."""
    inside = [(y, x) for y, x in np.ndindex(*hole.shape) if hole[y, x]]
    if not inside:
        return []
    ordered = sorted(error[y, x] for y, x in inside)
    threshold = ordered[math.floor(easy_share * len(ordered))]
    return [(y, x) for y, x in inside if error[y, x] > threshold]


def flow_loss(output, target, hole, hard_weight, easy_share):
    """Xu et al., CVPR 2019, section 3.1, for arrays ``(B, 2 D, H, W)`` and holes ``(B, D, H, W)``; float64."""
    total = 0.0
    for way in range(hole.shape[1]):
        count, base, hard_count, hard = 0, 0.0, 0, 0.0
        for n in range(len(output)):
            error = np.zeros(hole.shape[2:])
            for y, x in np.ndindex(*error.shape):
                both = [abs(output[n, c, y, x] - target[n, c, y, x]) for c in (2 * way, 2 * way + 1)]
                error[y, x] = sum(both)
                if hole[n, way, y, x]:
                    count += 2  # components
                    base += sum(both)
            for y, x in hard_pixels(error, hole[n, way], easy_share):
                hard_count += 1  # pixels
                hard += error[y, x]
        if count:
            total += base / count
        if hard_count:
            total += hard_weight * hard / hard_count
    return total


def relative_loss(flow, target, hole, hard_weight, easy_share, smallest):
    """Each window's mean error and its hard pixels', as parts of its target's variation; their mean over windows."""
    losses = []
    for n in range(len(flow)):
        if not hole[n].any():
            continue
        squares = [(target[n, c] - target[n, c].mean()) ** 2 for c in range(4)]
        variation = max(math.sqrt(np.mean(squares)), smallest)
        error = np.zeros(hole.shape[1:])
        for y, x in np.ndindex(*error.shape):
            error[y, x] = sum(abs(flow[n, c, y, x] - target[n, c, y, x]) for c in range(4)) / 2 / variation
        loss = np.mean([error[y, x] for y, x in np.ndindex(*error.shape) if hole[n, y, x]])
        hard = [error[at] for at in hard_pixels(error, hole[n], easy_share)]
        losses.append(loss + hard_weight * (np.mean(hard) if hard else 0.0))
    return float(np.mean(losses)) if losses else 0.0


def choice_loss(logits, candidates, there, flow, target, hole, weights, smallest, temperature):
    """Each window's mean cross-entropy between what errors of candidates ask for and what logits say, over stages."""
    losses = []
    for n in range(len(flow)):
        if not hole[n].any():
            continue
        squares = [(target[n, c] - target[n, c].mean()) ** 2 for c in range(2)]
        variation = max(math.sqrt(np.mean(squares)), smallest)
        total = 0.0
        for stage, weight in enumerate(weights):
            entropies = []
            for y, x in zip(*np.nonzero(hole[n]), strict=True):
                found = [k for k in range(candidates.shape[1]) if there[n, k, y, x]]
                wanted = []
                for k in found:
                    off = flow[n, :, y, x] + candidates[n, k, :, y, x] - target[n, :, y, x]
                    wanted.append(math.exp(-math.hypot(*off) / (temperature * variation)))
                said = [math.exp(logits[stage][n, k, y, x]) for k in found]
                entropies.append(
                    -sum(w / sum(wanted) * math.log(s / sum(said)) for w, s in zip(wanted, said, strict=True))
                )
            total += weight * np.mean(entropies)
        losses.append(total)
    return float(np.mean(losses)) if losses else 0.0


def listed_sgd(value, gradients, rate, momentum, decay, listings):
    """One weight after gradients, by stochastic gradient descent that comes past it several times for each."""
    buffer = None
    for gradient in gradients:
        for _ in range(listings):
            whole = gradient + decay * value
            buffer = whole if buffer is None else momentum * buffer + whole
            value = value - rate * buffer
    return value
