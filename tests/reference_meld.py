"""What the kernels of structure.h and meld.h say, and the newer ones of exemplar.h, stated slowly, one by one."""

import numpy as np
from reference_exemplar import DEPTH, RADIUS, around, patch

ONE, HALF, QUARTER = np.float32(1), np.float32(0.5), np.float32(0.25)
REACH = 4


def tensor(plane, pixels, slopes, bell, contrast):
    """D at some pixels, 0 elsewhere."""
    height, width = plane.shape
    padded = np.pad(plane, REACH, mode="edge")
    out = np.zeros((3, height, width), np.float32)
    for at in map(int, pixels):
        y, x = divmod(at, width)
        across, down = np.float32(0), np.float32(0)
        for j, row in enumerate(padded[y : y + 2 * REACH + 1]):
            smooth, slope = np.float32(0), np.float32(0)
            for k, value in enumerate(row[x : x + 2 * REACH + 1]):
                smooth += bell[k] * value
                slope += slopes[k] * value
            across += bell[j] * slope
            down += slopes[j] * smooth
        length = across * across + down * down
        weak = ONE / np.sqrt(ONE + length / (np.float32(contrast) * np.float32(contrast)))
        share = (ONE - weak) / length if length > np.float32(1e-20) else np.float32(0)
        out[:, y, x] = ONE - share * (across * across), -(share * (across * down)), ONE - share * (down * down)
    return out


def step(planes, weights, pixels, size):
    """The planes after one step."""
    count, _, width = planes.shape
    out = planes.copy()
    near = [np.pad(each, 1, mode="edge") for each in weights]
    for c, at in ((c, int(at)) for c in range(count) for at in pixels):
        y, x = divmod(at, width)
        v = np.pad(planes[c], 1, mode="edge")[y : y + 3, x : x + 3]
        xx, xy, yy = (each[y : y + 3, x : x + 3] for each in near)
        middle = v[1, 1]
        straight = (
            HALF * (xx[1, 1] + xx[1, 0]) * (v[1, 0] - middle) + HALF * (xx[1, 1] + xx[1, 2]) * (v[1, 2] - middle)
        ) + (HALF * (yy[1, 1] + yy[0, 1]) * (v[0, 1] - middle) + HALF * (yy[1, 1] + yy[2, 1]) * (v[2, 1] - middle))
        mixed = (xy[1, 2] * (v[2, 2] - v[0, 2]) - xy[1, 0] * (v[2, 0] - v[0, 0])) + (
            xy[2, 1] * (v[2, 2] - v[2, 0]) - xy[0, 1] * (v[0, 2] - v[0, 0])
        )
        value = middle + np.float32(size) * (straight + QUARTER * mixed)
        out[c, y, x] = min(max(value, v.min()), v.max())
    return out


def energy(depth, targets):
    """How much the first number of depth varies in the patch of each target."""
    width = depth.shape[1]
    out = []
    for at in targets:
        values = patch(depth[..., :1].astype(np.int64), at, width)
        out.append(int((values**2).sum() - values.sum() ** 2 // values.size))
    return np.array(out, np.int32)


def testify(planes, pixels, match, costs, confidence, count):
    """Mean of the patches that cover some pixels, their spread, and the origin that the likeliest names."""
    _, height, width = planes.shape
    flat = planes.reshape(len(planes), -1)
    said, spread = np.zeros((count, height, width), np.float32), np.zeros((height, width), np.float32)
    origin = np.zeros((height, width), np.int32)
    assert count <= DEPTH
    for at in map(int, pixels):
        y, x = divmod(at, width)
        voters = [q * width + p for p, q in around(x, y, width, height, -RADIUS, RADIUS) if match[q, p] >= 0]
        mean = np.float32(0)
        for voter in voters:
            mean += np.float32(costs.ravel()[voter])
        mean = ONE + mean / np.float32(len(voters))
        sums, squares, total, most = np.zeros(count, np.float32), np.float32(0), np.float32(0), np.float32(0)
        middle = flat[0, match.ravel()[voters[0]] + at - voters[0]]
        for voter in voters:
            place = int(match.ravel()[voter]) + at - voter
            ratio = mean / (np.float32(costs.ravel()[voter]) + HALF * mean)
            weight = confidence.ravel()[voter] * (ratio * ratio)
            if weight > most:
                most, origin[y, x] = weight, place
            total += weight
            away = flat[0, place] - middle
            squares += weight * (away * away)
            sums += weight * flat[:count, place]
        said[:, y, x] = sums / total
        shift = sums[0] / total - middle
        spread[y, x] = max(squares / total - shift * shift, np.float32(0))
    return said, spread, origin


def slopes(planes, hole, pixels, origin):
    """Sum over neighbours of the difference that the copied picture has there."""
    _, height, width = planes.shape
    out = np.zeros(planes.shape, np.float32)

    def known(y, x):
        return 0 <= y < height and 0 <= x < width and not hole[y, x]

    for at in map(int, pixels):
        y, x = divmod(at, width)
        here_y, here_x = divmod(int(origin[y, x]), width)
        for dy, dx in ((0, -1), (0, 1), (-1, 0), (1, 0)):
            if not (0 <= y + dy < height and 0 <= x + dx < width):
                continue
            said = []
            if known(here_y + dy, here_x + dx):
                said.append(planes[:, here_y, here_x] - planes[:, here_y + dy, here_x + dx])
            if hole[y + dy, x + dx]:
                there_y, there_x = divmod(int(origin[y + dy, x + dx]), width)
                if known(there_y - dy, there_x - dx):
                    said.append(planes[:, there_y - dy, there_x - dx] - planes[:, there_y, there_x])
            if said:
                out[:, y, x] += said[0] if len(said) == 1 else HALF * (said[0] + said[1])
    return out


def settle(planes, target, given, hole, sweeps, omega, screen):
    """The planes after some sweeps, red pixels first."""
    count, height, width = planes.shape
    out = planes.copy()
    omega, screen = np.float32(omega), np.float32(screen)
    for _ in range(sweeps):
        for colour in (0, 1):
            for c, (y, x) in ((c, place) for c in range(count) for place in zip(*np.nonzero(hole), strict=True)):
                if (x + y) % 2 != colour:
                    continue
                total, weight = given[c, y, x] + screen * target[c, y, x], screen
                for dy, dx in ((0, -1), (0, 1), (-1, 0), (1, 0)):
                    if 0 <= y + dy < height and 0 <= x + dx < width:
                        total, weight = total + out[c, y + dy, x + dx], weight + ONE
                out[c, y, x] += omega * (total / weight - out[c, y, x])
    return out
