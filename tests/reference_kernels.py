"""What trace.h, sample.h, regions.h and laplace.h say, literally: one item after another, in float32."""

from math import floor

import numpy as np
from numpy.typing import NDArray

from vsdfvi.kernels import LOST, Packed, Plane

F = np.float32
Floats = NDArray[np.float32]

# Regions.


def find_box(packed: Packed, x, y):
    """Return the number of the box that holds a position, or None."""
    for number, (left, top, width, height, _, _) in enumerate(packed.boxes.tolist()):
        if left <= x <= left + width - 1 and top <= y <= top + height - 1:
            return number
    return None


def nearest_box(packed: Packed, x, y) -> int:
    """Return the number of the box that is nearest to a position, the first of several."""
    away = []
    for left, top, width, height, *_ in packed.boxes.tolist():
        dx = max(F(left) - x, x - F(left + width - 1), F(0))
        dy = max(F(top) - y, y - F(top + height - 1), F(0))
        away.append(dx * dx + dy * dy)
    return int(np.argmin(away))


def sample_box(packed: Packed, box, plane, x, y):
    """Return one plane of a box at a position inside it, bilinear."""
    left, top, width, height, _, _ = packed.boxes[box].tolist()
    samples = packed.planes(box)[plane]
    x, y = F(x - F(left)), F(y - F(top))
    x0, y0 = floor(x), floor(y)
    x1, y1 = min(x0 + 1, width - 1), min(y0 + 1, height - 1)
    wx, wy = x - F(x0), y - F(y0)
    upper = (1 - wx) * samples[y0, x0] + wx * samples[y0, x1]
    lower = (1 - wx) * samples[y1, x0] + wx * samples[y1, x1]
    return (1 - wy) * upper + wy * lower


def on_grid(position, scale, size):
    """Return the grid coordinate of a pixel coordinate: grid sample i is centred on (i + 1/2) * scale - 1/2."""
    last = F(-(-size // scale) - 1)
    at = (F(position) - F(0.5) * (F(scale) - 1)) / F(scale)
    if at < 0:
        return F(0)
    return last if at > last else at  # NaN stays NaN


# Trajectories.


def known_weight(hole: Plane, x, y):
    """Return the bilinear weight of known picture at a position."""
    rows, columns = hole.samples.shape
    x0, y0 = floor(x), floor(y)
    wx, wy = x - F(x0), y - F(y0)
    known = F(0)
    for j in (0, 1):
        for i in (0, 1):
            column, row = x0 + i - hole.x, y0 + j - hole.y
            inside = 0 <= column < columns and 0 <= row < rows
            if not (inside and hole.samples[row, column]):
                known += (wx if i else 1 - wx) * (wy if j else 1 - wy)
    return known


def one_step(px, py, flow: Packed, *, size, later, scale, limit):
    """Return where a pixel lies in the neighbour, and the error of the way back; None if it is lost."""
    out, back = (0, 2) if later else (2, 0)
    height, width = size
    here = on_grid(px, scale, width), on_grid(py, scale, height)
    box = find_box(flow, *here)
    if box is None:
        return None
    qx, qy = (p + sample_box(flow, box, out + c, *here) for c, p in enumerate((px, py)))
    if not (0 <= qx <= width - 1 and 0 <= qy <= height - 1):
        return None
    there = on_grid(qx, scale, width), on_grid(qy, scale, height)
    box = find_box(flow, *there)
    if box is None:
        return None
    ex, ey = (q + sample_box(flow, box, back + c, *there) - p for c, (p, q) in enumerate(((px, qx), (py, qy))))
    error = np.sqrt(ex * ex + ey * ey)
    return (qx, qy, error) if error <= F(limit) else None


def trace_step(x, y, error, state, flow, hole, *, size, later, step, stop, scale, limit):
    """Return x, y, error and state after one step of every trajectory that walks."""
    x, y, error, state = (a.copy() for a in (x, y, error, state))
    with np.errstate(all="ignore"):
        for i in np.flatnonzero(state == 0):
            moved = one_step(x[i], y[i], flow, size=size, later=later, scale=scale, limit=limit)
            if moved is None:
                state[i] = LOST
                continue
            x[i], y[i], gap = moved
            error[i] = max(gap, error[i])
            if stop and known_weight(hole, x[i], y[i]) >= F(0.5):
                state[i] = step
    return x, y, error, state


def trace_walk(x, y, error, state, since, frames, *, size, later, first, most, nearest, scale, limit):
    """Return x, y, error and state after several steps, of ``(flow, hole)``, the steps that found, and who walks on."""
    x, y, error, state = (a.copy() for a in (x, y, error, state))
    met = []
    for step, (flow, hole) in enumerate(frames, first):
        state[(state == 0) & (step - since > most)] = LOST
        out = (state == 0) & (since < step)
        x[out], y[out], error[out], state[out] = trace_step(
            x[out], y[out], error[out], state[out], flow, hole, size=size, later=later, step=step,
            stop=step >= nearest, scale=scale, limit=limit,
        )  # fmt: skip
        met += [step] if (state[out] == step).any() else []
    return x, y, error, state, tuple(met), bool((state == 0).any())


def trace_follow(x, y, frames, wanted, *, size, later, scale, limit):
    """Return x, y and state after each wanted step, ``(wanted, pixels)``."""
    x, y, error, state = x.astype(np.float32), y.astype(np.float32), np.zeros(x.size, F), np.zeros(x.size, np.int32)
    found = []
    for step, (flow, hole) in enumerate(frames, 1):
        x, y, error, state = trace_step(
            x, y, error, state, flow, hole, size=size, later=later, step=step, stop=True, scale=scale, limit=limit
        )
        if step in wanted:
            found.append((x, y, state.copy()))
        state[state > 0] = 0
    return tuple(np.stack(each) for each in zip(*found, strict=True))


# Samples.


def lanczos(distance: float) -> float:
    """Return the kernel with a = 4."""
    return float(np.sinc(distance) * np.sinc(distance / 4)) if abs(distance) < 4 else 0.0


def lanczos_weights(fraction, phases) -> Floats:
    """Return the eight weights at a fraction of a sample, rounded to a phase."""
    phase = floor(fraction * F(phases) + F(0.5)) / phases
    weights = np.array([lanczos(tap - phase) for tap in range(-3, 5)])
    return (weights / weights.sum()).astype(np.float32)


def sample_at(source: Packed, x, y, phases) -> np.float32:
    """Return the source at a position of its own grid."""
    box = nearest_box(source, x, y)
    left, top, width, height, _, _ = source.boxes[box].tolist()
    samples = source.planes(box)[0]
    x, y = (min(max(p - F(corner), F(0)), F(extent - 1)) for p, corner, extent in ((x, left, width), (y, top, height)))
    x0, y0 = floor(x), floor(y)
    weights_x, weights_y = lanczos_weights(x - F(x0), phases), lanczos_weights(y - F(y0), phases)
    total = F(0)
    for j in range(8):
        row = samples[min(max(y0 - 3 + j, 0), height - 1)]
        part = F(0)
        for i in range(8):
            part += weights_x[i] * row[min(max(x0 - 3 + i, 0), width - 1)]
        total += weights_y[j] * part
    return total


def sample_lanczos(source, column, row, index, start, end, state, out, *, step, subsampling, phases):
    """Return the values and the flags of the samples whose trajectory ended at this step; others keep ``out``, 0."""
    out, got = out.copy(), np.zeros(out.size, np.uint8)
    shrink = [F(1) / F(1 << by) for by in subsampling]
    for item in np.flatnonzero(state[index] == step):
        i = index[item]
        x, y = (
            F(own[item]) + (to[i] - F(begun[i])) * by
            for own, to, begun, by in zip((column, row), end, start, shrink, strict=True)
        )
        out[item], got[item] = sample_at(source, x, y, phases), 1
    return out, got


def sample_sources(sources, column, row, index, start, end, state, *, subsampling, phases):
    """Return values and flags of samples ``(turns, samples)``, each of the frame that its trajectory ended in."""
    out, got = np.zeros((len(state), index.size), np.float32), np.zeros((len(state), index.size), np.uint8)
    for turn, step in np.ndindex(len(state), max(sources)):
        if step + 1 in sources:
            at = tuple(to[turn] for to in end)
            out[turn], flags = sample_lanczos(
                sources[step + 1], column, row, index, start, at, state[turn], out[turn], step=step + 1,
                subsampling=subsampling, phases=phases,
            )  # fmt: skip
            got[turn] |= flags
    return out, got


def blend_sources(sources, column, row, index, start, end, state, group, light, blend, *, subsampling, phases):
    """Return a blend with the samples added, each in its light."""
    blend, at = blend.copy(), np.maximum(state, 0)
    gain, offset, error, shift_x, shift_y = (table[at, group] for table in light)
    moved = end[0] + shift_x, end[1] + shift_y
    value, got = sample_sources(
        sources, column, row, index, start, tuple(to[None] for to in moved), state[None], subsampling=subsampling,
        phases=phases,
    )  # fmt: skip
    value = gain[index] * value[0] + offset[index]
    share = F(1) / (error * error * np.maximum(state, 1).astype(np.float32))[index]
    for row_of, each in enumerate((share * value, share * (value * value), share * error[index], share)):
        blend[row_of] += np.where(got[0] > 0, each, F(0))
    return blend


def sample_flow(flow, plane, x, y, state, out, *, size, step, scale):
    """Return ``out`` with the flow, bilinear, of the trajectories that ended at this step on one of the boxes."""
    out = out.copy()
    with np.errstate(all="ignore"):
        for i in np.flatnonzero(state == step):
            at = on_grid(x[i], scale, size[1]), on_grid(y[i], scale, size[0])
            box = find_box(flow, *at)
            if box is not None:
                out[:, i] = [sample_box(flow, box, plane + c, *at) for c in (0, 1)]
    return out


# The equation of Laplace.


def neighbours(y, x, height, width):
    """Return the neighbours that lie in the picture: left, right, up, down."""
    around = ((y, x - 1), (y, x + 1), (y - 1, x), (y + 1, x))
    return [(v, u) for v, u in around if 0 <= v < height and 0 <= u < width]


def laplace_sweep(planes: Floats, pixels, omega: float) -> Floats:
    """Return the planes after one over-relaxed sweep over some pixels."""
    planes = planes.copy()
    _, height, width = planes.shape
    for at in pixels.tolist():
        y, x = divmod(at, width)
        around = neighbours(y, x, height, width)
        for plane in planes:
            total = F(0)
            for v, u in around:
                total += plane[v, u]
            plane[y, x] += F(omega) * (total * (F(1) / F(len(around))) - plane[y, x])
    return planes


def laplace_restrict(planes: Floats, hole) -> tuple[Floats, NDArray[np.uint8]]:
    """Return planes and hole at half the size: means of what is known of the four pixels covered."""
    count, height, width = planes.shape
    coarse = np.zeros((count, -(-height // 2), -(-width // 2)), np.float32)
    coarse_hole = np.zeros(coarse.shape[1:], np.uint8)
    for y, x in np.ndindex(coarse_hole.shape):
        covered = [(v, u) for v in (2 * y, 2 * y + 1) for u in (2 * x, 2 * x + 1) if v < height and u < width]
        known = [(v, u) for v, u in covered if not hole[v, u]]
        coarse_hole[y, x] = not known
        for c in range(count if known else 0):
            total = F(0)
            for v, u in known:
                total += planes[c, v, u]
            coarse[c, y, x] = total / F(len(known))
    return coarse, coarse_hole


def laplace_prolong(coarse: Floats, pixels, planes: Floats) -> Floats:
    """Return the planes with some pixels taken from the coarse solution, bilinear between coarse centres."""
    planes = planes.copy()
    _, _, width = planes.shape
    _, coarse_height, coarse_width = coarse.shape
    for at in pixels.tolist():
        y, x = divmod(at, width)
        y0, x0 = y // 2, x // 2
        # The coarse centre on the pixel's own side of its block; at the border there is none.
        y1 = min(max(y0 + (1 if y % 2 else -1), 0), coarse_height - 1)
        x1 = min(max(x0 + (1 if x % 2 else -1), 0), coarse_width - 1)
        for out, plane in zip(planes, coarse, strict=True):
            near = F(0.75) * plane[y0, x0] + F(0.25) * plane[y0, x1]
            far = F(0.75) * plane[y1, x0] + F(0.25) * plane[y1, x1]
            out[y, x] = F(0.75) * near + F(0.25) * far
    return planes


def laplace_solution(plane, hole) -> NDArray[np.float64]:
    """Return the plane with its hole solved exactly, by elimination."""
    plane = np.array(plane, np.float64)
    pixels = [tuple(at) for at in np.argwhere(hole).tolist()]
    number = {at: row for row, at in enumerate(pixels)}
    matrix, right = np.zeros((len(pixels), len(pixels))), np.zeros(len(pixels))
    for row, at in enumerate(pixels):
        around = neighbours(*at, *plane.shape)
        matrix[row, row] = len(around)
        for other in around:
            if other in number:
                matrix[row, number[other]] -= 1
            else:
                right[row] += plane[other]
    plane[hole != 0] = np.linalg.solve(matrix, right)
    return plane
