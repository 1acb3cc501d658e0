"""What search.h says, literally: one pixel or one patch after another, in float32."""

from itertools import product
from math import floor

import numpy as np
from numpy.typing import NDArray

F = np.float32
Floats = NDArray[np.float32]

PATCH, STRIDE, OVERHANG = 8, 4, 2
WORST, FAR, FEWEST = F(3e38), 32768, 16
DAMPING, STILL, LEASH, OUTSIDE = F(1), F(1e-4), F(64), F(0.02)
BRIGHTNESS, GRADIENT = F(5), F(10)
ZETA, EPSILON = F(0.01), F(1e-6)
NEIGHBOURS = (-1, 0), (1, 0), (0, -1), (0, 1)  # (x, y), in the order in which they are added up


def clamp(at, size):
    return min(max(at, 0), size - 1)


def patches_over(size):
    """Return how many patches begin where at least one of their pixels is one of these."""
    return sum(STRIDE * k - OVERHANG < size for k in range(size + 2) if STRIDE * k - OVERHANG + PATCH > 0)


def in_order(values):
    """Return the sum of some numbers, one after another."""
    return np.add.accumulate(np.concatenate([np.zeros(1, F), np.asarray(values, F).ravel()]))[-1]


# Sizes.


def hold(values: Floats, low, high):
    return np.where(np.isnan(values), F(0), np.clip(values, F(low), F(high))).astype(F)


def halve(planes: Floats, scale):
    """Return planes at half the size; where a coarse pixel covers less than four, those there are count again."""
    height, width = planes.shape[1:]
    even = np.pad(planes, ((0, 0), (0, height % 2), (0, width % 2)), mode="edge")
    upper = even[:, ::2, ::2] + even[:, ::2, 1::2]
    return (F(0.25) * F(scale) * (upper + (even[:, 1::2, ::2] + even[:, 1::2, 1::2]))).astype(F)


def enlarge(coarse: Floats, size):
    """Return flow at twice the size: three quarters of the nearer sample and one of the farther, each way."""
    flow = np.empty((len(coarse), *size), F)
    rows, columns = coarse.shape[1:]
    for y, x in product(*map(range, size)):
        near_x, near_y = x // 2, y // 2
        far_x = clamp(near_x + (1 if x % 2 else -1), columns)
        far_y = clamp(near_y + (1 if y % 2 else -1), rows)
        near = F(0.75) * coarse[:, near_y, near_x] + F(0.25) * coarse[:, near_y, far_x]
        far = F(0.75) * coarse[:, far_y, near_x] + F(0.25) * coarse[:, far_y, far_x]
        flow[:, y, x] = F(2) * (F(0.75) * near + F(0.25) * far)
    return flow


def slopes(pictures: Floats):
    """Return derivatives x, y, xx, xy, yy."""
    around = np.pad(pictures, ((0, 0), (2, 2), (2, 2)), mode="edge")
    height, width = pictures.shape[1:]

    def at(x, y):
        return around[:, 2 + y : 2 + y + height, 2 + x : 2 + x + width]

    here = at(0, 0)
    return np.stack(
        [
            F(0.5) * (at(1, 0) - at(-1, 0)),
            F(0.5) * (at(0, 1) - at(0, -1)),
            F(0.25) * ((at(2, 0) - here) + (at(-2, 0) - here)),
            F(0.25) * ((at(1, 1) - at(-1, 1)) - (at(1, -1) - at(-1, -1))),
            F(0.25) * ((at(0, 2) - here) + (at(0, -2) - here)),
        ],
        axis=1,
    )


# Patches.


def begin(coarse: Floats, size):
    """Return the patches' vectors, from flow at half of this size in their middles."""
    rows, columns = (patches_over(side) for side in size)
    vectors = np.empty((len(coarse), rows, columns), F)
    for row, column in product(range(rows), range(columns)):
        x0, x1 = (clamp(2 * column + i, coarse.shape[2]) for i in (0, 1))
        y0, y1 = (clamp(2 * row + i, coarse.shape[1]) for i in (0, 1))
        upper, lower = (coarse[:, y, x0] + coarse[:, y, x1] for y in (y0, y1))
        vectors[:, row, column] = F(0.5) * (upper + lower)
    return vectors.reshape(-1, 2, rows, columns)


def pairs_of(first, second, left, top, u, v):
    """Return (rows, columns) of the pixels of a patch that count, and what they differ by; None if too few count."""
    height, width = first.shape
    if not (-FAR < u < FAR and -FAR < v < FAR):
        return None
    du, dv = floor(u), floor(v)
    wx, wy = u - F(du), v - F(dv)
    right, down = int(wx > 0), int(wy > 0)
    columns = [x for x in range(left, left + PATCH) if 0 <= x < width and x + du >= 0 and x + du + right < width]
    rows = [y for y in range(top, top + PATCH) if 0 <= y < height and y + dv >= 0 and y + dv + down < height]
    if len(columns) * len(rows) < FEWEST:
        return None
    place = np.ix_(rows, columns)

    def far(i, j):
        return second[np.ix_([y + dv + j for y in rows], [x + du + i for x in columns])]

    w00, w01, w10, w11 = (1 - wx) * (1 - wy), wx * (1 - wy), (1 - wx) * wy, wx * wy
    sampled = (w00 * far(0, 0) + w01 * far(right, 0)) + (w10 * far(0, down) + w11 * far(right, down))
    return place, sampled - first[place]


def cost_of(r):
    """Return the mean square of the differences, less their mean."""
    share = F(1) / F(r.size)
    mean = in_order(r) * share
    cost = in_order(r * r) * share - mean * mean
    return cost if cost < WORST else WORST


def compare(first, second, left, top, u, v):
    found = pairs_of(first, second, left, top, u, v)
    return WORST if found is None else cost_of(found[1])


def descend(first, second, slope_x, slope_y, left, top, u, v):
    """Return the cost, and the step from there."""
    found = pairs_of(first, second, left, top, u, v)
    if found is None:
        return WORST, F(0), F(0)
    place, r = found
    gx, gy = slope_x[place], slope_y[place]
    count = F(r.size)
    share = F(1) / count
    mean = in_order(r) * share
    sum_x, sum_y = in_order(gx), in_order(gy)
    xx = (in_order(gx * gx) - sum_x * sum_x * share) + DAMPING * count
    yy = (in_order(gy * gy) - sum_y * sum_y * share) + DAMPING * count
    xy = in_order(gx * gy) - sum_x * sum_y * share
    xr = in_order(gx * r) - sum_x * mean
    yr = in_order(gy * r) - sum_y * mean
    determinant = xx * yy - xy * xy
    if not determinant > 0:
        return cost_of(r), F(0), F(0)
    return cost_of(r), (xy * yr - yy * xr) / determinant, (xy * xr - xx * yr) / determinant


def improve(pictures: Floats, slopes: Floats, vectors: Floats, trials: Floats, reach, steps):
    """Return the vectors after a round."""
    better = np.empty_like(vectors)
    count, _, rows, columns = vectors.shape
    for d, row, column in product(range(count), range(rows), range(columns)):
        first, second = pictures[d], pictures[d ^ 1]
        patch = STRIDE * column - OVERHANG, STRIDE * row - OVERHANG
        u, v = vectors[d, :, row, column]
        best = None
        around = product((-reach, 0, reach), repeat=2) if reach else [(0, 0)]
        for j, i in around:
            if not (0 <= row + j < rows and 0 <= column + i < columns):
                continue
            other = trials[d, :, row + j, column + i]
            if (other == (u, v)).all():
                continue
            best = compare(first, second, *patch, u, v) if best is None else best
            cost = compare(first, second, *patch, *other)
            if cost < best:
                best, (u, v) = cost, other

        start = u, v
        here = first, second, slopes[d, 0], slopes[d, 1], *patch
        cost, step_u, step_v = descend(*here, u, v)
        for _ in range(steps):
            next_u, next_v = u + step_u, v + step_v
            away_u, away_v = next_u - start[0], next_v - start[1]
            still = not step_u * step_u + step_v * step_v > STILL
            if still or not away_u * away_u + away_v * away_v < LEASH:
                break
            next_cost, step_u, step_v = descend(*here, next_u, next_v)
            if not next_cost < cost:
                break
            cost, u, v = next_cost, next_u, next_v
        better[d, :, row, column] = u, v
    return better


# Pixels.


def bilinear(plane, x, y):
    """Return a plane at a position inside it."""
    height, width = plane.shape
    x0, y0 = floor(x), floor(y)
    x1, y1 = min(x0 + 1, width - 1), min(y0 + 1, height - 1)
    wx, wy = x - F(x0), y - F(y0)
    w00, w01, w10, w11 = (1 - wx) * (1 - wy), wx * (1 - wy), (1 - wx) * wy, wx * wy
    return (w00 * plane[y0, x0] + w01 * plane[y0, x1]) + (w10 * plane[y1, x0] + w11 * plane[y1, x1])


def is_inside(plane, x, y):
    return 0 <= x <= plane.shape[1] - 1 and 0 <= y <= plane.shape[0] - 1


def blend(pictures: Floats, vectors: Floats):
    """Return flow: the mean of the vectors of the patches that a pixel lies in."""
    count, height, width = pictures.shape
    flow = np.empty((2 * count, height, width), F)
    for d, y, x in product(range(count), range(height), range(width)):
        sums, total = np.zeros(2, F), F(0)
        for row, column in product(range(vectors.shape[2]), range(vectors.shape[3])):
            left, top = STRIDE * column - OVERHANG, STRIDE * row - OVERHANG
            if not (left <= x < left + PATCH and top <= y < top + PATCH):
                continue
            vector = vectors[d, :, row, column]
            to_x, to_y = F(x) + vector[0], F(y) + vector[1]
            weight = OUTSIDE
            if is_inside(pictures[d], to_x, to_y):
                difference = abs(bilinear(pictures[d ^ 1], to_x, to_y) - pictures[d, y, x])
                weight = F(1) / difference if difference > 1 else F(1)
            sums = sums + weight * vector
            total = total + weight
        flow[2 * d : 2 * d + 2, y, x] = sums / total
    return flow


def data_term(first, second, near, far, x, y, u, v):
    """Return a11, a12, a22, b1, b2 of a pixel.

    Args:
        near, far: Derivatives of both pictures.
    """
    nothing = np.zeros(5, F)
    to_x, to_y = F(x) + u, F(y) + v
    if not is_inside(first, to_x, to_y):
        return nothing
    r = bilinear(second, to_x, to_y) - first[y, x]
    sampled = [bilinear(plane, to_x, to_y) for plane in far]
    rx, ry = (sampled[k] - near[k, y, x] for k in (0, 1))
    gx, gy, gxx, gxy, gyy = (F(0.5) * (sampled[k] + near[k, y, x]) for k in range(5))

    unit = F(1) / ((gx * gx + gy * gy) + ZETA)
    weight = BRIGHTNESS * unit / np.sqrt(r * r * unit + EPSILON)
    unit_x, unit_y = (F(1) / ((a * a + b * b) + ZETA) for a, b in ((gxx, gxy), (gxy, gyy)))
    both = GRADIENT / np.sqrt((rx * rx * unit_x + ry * ry * unit_y) + EPSILON)
    weight_x, weight_y = both * unit_x, both * unit_y
    a11 = weight * gx * gx + (weight_x * gxx * gxx + weight_y * gxy * gxy)
    a12 = weight * gx * gy + (weight_x * gxx * gxy + weight_y * gxy * gyy)
    a22 = weight * gy * gy + (weight_x * gxy * gxy + weight_y * gyy * gyy)
    b1 = weight * gx * r + (weight_x * gxx * rx + weight_y * gxy * ry)
    b2 = weight * gy * r + (weight_x * gxy * rx + weight_y * gyy * ry)
    b1, b2 = (a11 * u + a12 * v) - b1, (a12 * u + a22 * v) - b2
    sound = a11 >= 0 and a22 >= 0 and abs(b1) < WORST and abs(b2) < WORST
    return np.array([a11, a12, a22, b1, b2], F) if sound else nothing


def linearise(pictures: Floats, slopes: Floats, flow: Floats, smoothness):
    """Return the equations at this flow."""
    count, height, width = pictures.shape
    equations = np.empty((count, 6, height, width), F)
    for d, y, x in product(range(count), range(height), range(width)):
        w = flow[2 * d : 2 * d + 2]
        equations[d, :5, y, x] = data_term(
            pictures[d], pictures[d ^ 1], slopes[d], slopes[d ^ 1], x, y, w[0, y, x], w[1, y, x]
        )
        across = w[:, y, clamp(x + 1, width)] - w[:, y, clamp(x - 1, width)]
        down = w[:, clamp(y + 1, height), x] - w[:, clamp(y - 1, height), x]
        (ux, vx), (uy, vy) = across, down
        bend = F(0.25) * ((ux * ux + uy * uy) + (vx * vx + vy * vy))
        equations[d, 5, y, x] = F(0.5) * F(smoothness) / np.sqrt(bend + EPSILON)
    return equations


def relax(equations: Floats, flow: Floats, omega):
    """Return flow after a sweep: over the red pixels (x + y even), then over the black ones, in place."""
    count, _, height, width = equations.shape
    swept = flow.copy()
    for black, d, y, x in product((0, 1), range(count), range(height), range(width)):
        if (x + y) % 2 != black:
            continue
        w, smooth = swept[2 * d : 2 * d + 2], equations[d, 5]
        share, sums = F(0), np.zeros(2, F)
        for i, j in NEIGHBOURS:
            if 0 <= x + i < width and 0 <= y + j < height:
                s = smooth[y, x] + smooth[y + j, x + i]
                share = share + s
                sums = sums + s * w[:, y + j, x + i]
        a11, a12, a22, b1, b2 = equations[d, :5, y, x]
        a11, a22, b1, b2 = a11 + share, a22 + share, b1 + sums[0], b2 + sums[1]
        determinant = a11 * a22 - a12 * a12
        if determinant > 0:
            w[0, y, x] += F(omega) * ((a22 * b1 - a12 * b2) / determinant - w[0, y, x])
            w[1, y, x] += F(omega) * ((a11 * b2 - a12 * b1) / determinant - w[1, y, x])
    return swept
