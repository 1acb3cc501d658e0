"""What the kernels of exemplar.h say, stated slowly, one pixel at a time."""

from itertools import product

import numpy as np

RADIUS, DEPTH, AREA = 3, 4, 49
WORST = 0x7FFFFFFF


def around(x, y, width, height, first, last):
    """Places (x, y) in raster order from `first` to `last` away, those inside the picture."""
    steps = range(first, last + 1)
    return [(x + i, y + j) for j, i in product(steps, steps) if 0 <= x + i < width and 0 <= y + j < height]


def halve(planes, hole, source):
    """Planes, hole and source at half the size."""
    count, height, width = planes.shape
    half = ((height + 1) // 2, (width + 1) // 2)
    coarse = np.zeros((count, *half), np.float32)
    coarse_hole, coarse_source = np.zeros(half, np.uint8), np.zeros(half, np.uint8)
    for y, x in np.ndindex(half):
        covered = around(2 * x, 2 * y, width, height, 0, 1)
        coarse_hole[y, x] = 2 * sum(hole[q, p] for p, q in covered) > len(covered)
        coarse_source[y, x] = not coarse_hole[y, x] and all(source[q, p] for p, q in covered)
        if coarse_hole[y, x]:
            continue
        known = [(p, q) for p, q in around(2 * x, 2 * y, width, height, -1, 2) if not hole[q, p]]
        weights = [np.float32((3 if p // 2 == x else 1) * (3 if q // 2 == y else 1)) for p, q in known]
        for c in range(count):
            total = np.float32(0)
            for weight, (p, q) in zip(weights, known, strict=True):
                total += weight * planes[c, q, p]
            coarse[c, y, x] = total / np.float32(sum(weights))
    return coarse, coarse_hole, coarse_source


def texture(plane, hole):
    """Mean size of the differences between known neighbours around each pixel, across and down."""
    height, width = plane.shape
    out = np.zeros((2, height, width), np.float32)
    for (y, x), (k, dx, dy) in product(np.ndindex(height, width), ((0, 1, 0), (1, 0, 1))):
        total, count = np.float32(0), 0
        for p, q in around(x, y, width, height, -RADIUS, RADIUS):
            if p + dx < width and q + dy < height and not hole[q, p] and not hole[q + dy, p + dx]:
                total += abs(plane[q + dy, p + dx] - plane[q, p])
                count += 1
        out[k, y, x] = total / np.float32(count) if count else 0
    return out


def quantise(planes, scales):
    """Depth: planes in steps, four to a pixel."""
    depth = np.zeros((*planes.shape[1:], DEPTH), np.int16)
    for c, plane in enumerate(planes):
        depth[..., c] = np.floor(np.clip(plane * scales[c], np.float32(-1024), np.float32(1024)) + np.float32(0.5))
    return depth


def patch(array, at, width):
    y, x = divmod(int(at), width)
    return array[y - RADIUS : y + RADIUS + 1, x - RADIUS : x + RADIUS + 1]


def cost(depth, a, b, known=None):
    """Sum of squared differences of two patches, over the pixels of the first that are known."""
    width = depth.shape[1]
    difference = patch(depth, a, width).astype(np.int64) - patch(depth, b, width)
    squares = (difference**2).sum(axis=2)
    return int(squares.sum() if known is None else squares[patch(known, a, width) != 0].sum())


def search(depth, known, allowed, targets, reach):
    """The cheapest allowed centre for each target, -1 without one."""
    height, width = allowed.shape
    match = np.full(allowed.shape, -1, np.int32)
    for at in targets:
        y, x = divmod(int(at), width)
        places = [q * width + p for p, q in around(x, y, width, height, -reach, reach) if allowed[q, p]]
        if places:
            match[y, x] = min(places, key=lambda place: cost(depth, at, place, known))
    return match


def random_bits(seed, turn, place, draw):
    """32 bits that depend on four numbers."""
    mask = 0xFFFFFFFF
    h = (seed ^ turn * 0x9E3779B9 ^ place * 0x85EBCA6B ^ draw * 0xC2B2AE35) & mask
    for factor in (0x85EBCA6B, 0xC2B2AE35, 0x85EBCA6B):
        shift = 13 if factor == 0xC2B2AE35 else 16
        h = (h ^ h >> shift) * factor & mask
    return h ^ h >> 13


def improve(depth, allowed, sources, targets, match, stride, turn, seed):
    """Matches and costs after one round: neighbours, places at random around the best, places anywhere."""
    better, costs = match.copy(), np.zeros(match.shape, np.int32)
    for at in map(int, targets):
        best, lowest = improve_one(depth, allowed, sources, at, match, stride, turn, seed)
        better.ravel()[at], costs.ravel()[at] = best, lowest
    return better, costs


def improve_one(depth, allowed, sources, at, match, stride, turn, seed):
    """The match of one target, and its cost, after one round."""
    height, width = allowed.shape
    y, x = divmod(at, width)
    best = int(match[y, x])
    lowest = cost(depth, at, best)

    def consider(column, row):
        nonlocal best, lowest
        if 0 <= column < width and 0 <= row < height and allowed[row, column]:
            price = cost(depth, at, row * width + column)
            if price < lowest:
                best, lowest = row * width + column, price

    for j, i in product((-stride, 0, stride), repeat=2):
        if (i or j) and 0 <= x + i < width and 0 <= y + j < height and match[y + j, x + i] >= 0:
            row, column = divmod(int(match[y + j, x + i]), width)
            consider(column - i, row - j)
    draw, reach = 1, max(width, height) // 2
    while reach:
        bits, side = random_bits(seed, turn, at, draw), 2 * reach + 1
        row, column = divmod(best, width)
        consider(column + ((bits & 0xFFFF) * side >> 16) - reach, row + ((bits >> 16) * side >> 16) - reach)
        draw, reach = draw + 1, reach // 2
    for extra in range(2):
        row, column = divmod(int(sources[random_bits(seed, turn, at, draw + extra) % len(sources)]), width)
        consider(column, row)
    return best, lowest


def vote(planes, pixels, match, costs, confidence, sharp):
    """Planes with the hole filled from the patches that cover it."""
    count, height, width = planes.shape
    out, one, half = planes.copy(), np.float32(1), np.float32(0.5)
    for at in map(int, pixels):
        y, x = divmod(at, width)
        voters = [(p, q) for p, q in around(x, y, width, height, -RADIUS, RADIUS) if match[q, p] >= 0]
        mean = np.float32(0)
        for p, q in voters:
            mean += np.float32(costs[q, p])
        mean = one + mean / np.float32(len(voters))
        total, sums, best = np.float32(0), np.zeros(count, np.float32), np.float32(0)
        for p, q in voters:
            ratio = mean / (np.float32(costs[q, p]) + half * mean)
            weight = confidence[q, p] * (ratio * ratio)
            row, column = divmod(int(match[q, p]), width)
            said = planes[:, row + y - q, column + x - p]
            if sharp:
                if weight > best:
                    best, out[:, y, x] = weight, said
            else:
                total += weight
                sums += weight * said
        if not sharp:
            out[:, y, x] = sums / total
    return out
