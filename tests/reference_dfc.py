"""What surrounds DFC-Net's published networks, as it is stated: one pixel, one map, one frame after another."""

from math import floor

import numpy as np
from numpy.typing import NDArray
from reference_kernels import laplace_solution

Floats = NDArray[np.float64]

# The rule of DFVI (Xu, Li, Zhou and Loy, "Deep flow-guided video inpainting", CVPR 2019, section 3.1) as the authors'
# program does it, in doubles, with the faults mended that dfc_chain.py names.


def clipped_window(centre, first, last):
    """Return the eleven numbers around a centre; where there is none, the nearest that there is."""
    numbers = []
    for i in range(11):
        number = centre - 5 + i
        if number < first:
            number = first
        if number > last:
            number = last
        numbers.append(number)
    return numbers


def shares(out, count, size):
    """Return which samples of a row of ``count`` the sample ``out`` of a row of ``size`` is made of, with weights."""
    at = (out + 0.5) * count / size - 0.5
    left = floor(at)
    return [(min(max(left, 0), count - 1), 1 - (at - left)), (min(max(left + 1, 0), count - 1), at - left)]


def bilinear(plane, size) -> Floats:
    """Return a plane at another size."""
    resized = np.zeros(size)
    for y, x in np.ndindex(*size):
        for row, down in shares(y, plane.shape[0], size[0]):
            for column, across in shares(x, plane.shape[1], size[1]):
                resized[y, x] += down * across * plane[row, column]
    return resized


def resize_flow(flow, size, bounded=True) -> Floats:
    """Return flow at another size: resize, then clip to the old size, then scale."""
    height, width = flow.shape[1:]
    resized = np.zeros((2, *size))
    for plane, (side, new_side) in enumerate(((width, size[1]), (height, size[0]))):
        coarse = bilinear(flow[plane], size)
        for at in np.ndindex(*size):
            value = coarse[at]
            if bounded:
                value = min(max(value, -side), side)
            resized[plane][at] = value * new_side / side
    return resized


def nearest_hole(hole, size):
    """Return the hole at another size, from the one pixel that each is nearest to."""
    resized = np.zeros(size, bool)
    for y, x in np.ndindex(*size):
        resized[y, x] = hole[y * hole.shape[0] // size[0], x * hole.shape[1] // size[1]]
    return resized


def covering_hole(hole, size):
    """Return the hole at another size: where a part of anything unknown is read."""
    resized = np.zeros(size, bool)
    for y, x in np.ndindex(*size):
        for row, down in shares(y, hole.shape[0], size[0]):
            for column, across in shares(x, hole.shape[1], size[1]):
                if hole[row, column] and down * across > 0:
                    resized[y, x] = True
    return resized


def initial_filling(flow, hole) -> Floats:
    """Return flow with the hole solved at half the size, by elimination."""
    half = max(1, hole.shape[0] // 2), max(1, hole.shape[1] // 2)
    unknown = covering_hole(hole, half)
    filled = np.array(flow, np.float64)
    for plane in range(2):
        coarse = bilinear(flow[plane], half)
        solved = np.zeros(half) if unknown.all() else laplace_solution(coarse, unknown)
        fine = bilinear(solved, hole.shape)
        for at in np.ndindex(*hole.shape):
            if hole[at]:
                filled[plane][at] = fine[at]
    return filled


def composite(output, known, hole) -> Floats:
    """Return the network's flow in the hole and the known flow elsewhere."""
    return output * hole + known * (1 - hole)


def channels(flows, holes, numbers) -> list[Floats]:
    """Return u, v and mask of map after map."""
    found = []
    for number in numbers:
        found += [flows[number][0], flows[number][1], holes[number].astype(np.float64)]
    return found


def complete(flow_fw, flow_bw, hole, networks, sizes, first_backward="zero", working_hole="covering"):
    """Return both flows completed; ``networks`` map channels ``(33 or 66, h, w)`` to ``(2 or 4, h, w)``."""
    frames, height, width = hole.shape
    forward = {t: np.array(flow_fw[t], np.float64) for t in range(frames - 1)}
    backward = {t: np.array(flow_bw[t - 1], np.float64) for t in range(1, frames)}
    if first_backward == "zero":
        backward[0] = np.zeros((2, height, width))

    size = max(1, height // 2), max(1, width // 2)
    smaller = covering_hole if working_hole == "covering" else nearest_hole
    small_holes = [smaller(hole[t], size) for t in range(frames)]
    lists = []
    for flows in (forward, backward):
        filled = {t: initial_filling(resize_flow(flow, size), small_holes[t]) for t, flow in flows.items()}
        completed = {}
        for t in flows:
            window = np.array(channels(filled, small_holes, clipped_window(t, min(flows), max(flows))))
            completed[t] = composite(networks[0](window), filled[t], small_holes[t])
        lists.append(completed)

    for network, size in zip(networks[1:], sizes, strict=False):
        before = [{t: resize_flow(flow, size) for t, flow in flows.items()} for flows in lists]
        sized_holes = [nearest_hole(hole[t], size) for t in range(frames)]
        after = [{}, {}]
        for t in range(frames):
            window, centres = [], []
            for flows in before:
                numbers = clipped_window(t, min(flows), max(flows))
                window += channels(flows, sized_holes, numbers)
                centres.append(numbers[5])
            output = network(np.array(window))
            for way, centre in enumerate(centres):
                if centre == t:  # else the window is of another frame than the map, which has one of its own
                    part = output[2 * way : 2 * way + 2]
                    after[way][t] = composite(part, before[way][t], sized_holes[t])
        lists = after

    result = np.array(flow_fw, np.float64), np.array(flow_bw, np.float64)
    for t in range(frames - 1):
        ahead = resize_flow(lists[0][t], (height, width), bounded=False)
        back = resize_flow(lists[1][t + 1], (height, width), bounded=False)
        result[0][t] = composite(ahead, result[0][t], hole[t])
        result[1][t] = composite(back, result[1][t], hole[t + 1])
    return result


def bottleneck(features, weights, stride, dilation) -> Floats:
    """Return features after a bottleneck whose first convolution strides; ``weights`` are named as in the module."""

    def normal(planes, name):
        scaled = np.zeros_like(planes)
        for channel in range(planes.shape[0]):
            mean, variance = (weights[f"{name}.{part}"][channel] for part in ("running_mean", "running_var"))
            gain, shift = weights[f"{name}.weight"][channel], weights[f"{name}.bias"][channel]
            scaled[channel] = (planes[channel] - mean) / np.sqrt(variance + 1e-5) * gain + shift
        return scaled

    inner = np.maximum(normal(convolution(features, weights["conv1.weight"], None, stride), "bn1"), 0)
    inner = convolution(inner, weights["conv2.weight"], None, 1, padding=dilation, dilation=dilation)
    inner = np.maximum(normal(inner, "bn2"), 0)
    inner = normal(convolution(inner, weights["conv3.weight"], None, 1), "bn3")
    if "downsample.0.weight" in weights:
        features = normal(convolution(features, weights["downsample.0.weight"], None, stride), "downsample.1")
    return np.maximum(inner + features, 0)


def convolution(planes, weight, bias, stride, padding=0, dilation=1) -> Floats:
    """Return planes convolved, zeros around them."""
    outputs, _, rows, columns = weight.shape
    height, width = planes.shape[1:]
    reach_y, reach_x = dilation * (rows - 1), dilation * (columns - 1)
    size = (height + 2 * padding - reach_y - 1) // stride + 1, (width + 2 * padding - reach_x - 1) // stride + 1
    result = np.zeros((outputs, *size))
    for y, x in np.ndindex(*size):
        for j, i in np.ndindex(rows, columns):
            row, column = y * stride - padding + j * dilation, x * stride - padding + i * dilation
            if 0 <= row < height and 0 <= column < width:
                result[:, y, x] += weight[:, :, j, i] @ planes[:, row, column]
    return result if bias is None else result + bias[:, None, None]


def along_ray(values, known, direction):
    """The first known value strictly beyond each pixel in a direction, 0 where there is none, and the steps to it."""
    batch, channels, height, width = values.shape
    found, distance = np.zeros_like(values), np.zeros((batch, 1, height, width), np.float32)
    for b in range(batch):
        for y in range(height):
            for x in range(width):
                steps = 1
                while True:
                    v, u = y + steps * direction[0], x + steps * direction[1]
                    if not (0 <= v < height and 0 <= u < width):
                        break
                    if known[b, 0, v, u] > 0:
                        distance[b, 0, y, x] = steps
                        for c in range(channels):
                            found[b, c, y, x] = values[b, c, v, u]
                        break
                    steps += 1
    return found, distance
