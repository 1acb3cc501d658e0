"""Rules of the program as they are stated, one pixel at a time. Slow, and not clever."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

# Propagation by the rule of DFVI (Xu, Li, Zhou and Loy, "Deep flow-guided video inpainting", CVPR 2019, section 3.3),
# as the authors' program does it, with its faults mended: the last frame is treated like all others; known samples are
# never altered, fills are rounded; vectors that are not finite lead nowhere. Colours travel here, with one more that
# says "invented", and whole frames are warped, stamps too.

Picture = NDArray[np.float32]  # (C, H, W)
Map = NDArray[np.float32]  # (2, H, W), plane 0 = x

HALF = np.float32(0.5)


def bilinear(plane: NDArray[np.float32], x: np.float32, y: np.float32) -> np.float32:
    """Return a plane's value between four samples; x and y are inside the plane."""
    height, width = plane.shape
    x0, y0 = int(np.floor(x)), int(np.floor(y))
    x1, y1 = min(x0 + 1, width - 1), min(y0 + 1, height - 1)
    wx, wy = x - np.float32(x0), y - np.float32(y0)
    if wx == wy == 0:
        return plane[y0, x0]
    one = np.float32(1)
    top = (one - wx) * plane[y0, x0] + wx * plane[y0, x1]
    bottom = (one - wx) * plane[y1, x0] + wx * plane[y1, x1]
    return (one - wy) * top + wy * bottom


def paper_source(p: tuple[int, int], out: Map, back: Map, limit: float) -> tuple[int, int] | None:
    """Return the pixel (x, y) of the neighbour that pixel p of a frame takes its picture from, or None.

    ``out`` points from the frame into the neighbour, ``back`` from the neighbour into the frame.
    """
    _, height, width = out.shape
    px, py = np.float32(p[0]), np.float32(p[1])
    out_x, out_y = out[:, p[1], p[0]]
    qx, qy = px + out_x, py + out_y
    if not (np.isfinite(qx) and np.isfinite(qy)):
        return None
    if not (0 <= np.floor(qx) < width - 1 and 0 <= np.floor(qy) < height - 1):
        return None
    back_x, back_y = bilinear(back[0], qx, qy), bilinear(back[1], qx, qy)
    gap_x, gap_y = (qx + back_x) - px, (qy + back_y) - py
    if not np.sqrt(gap_x * gap_x + gap_y * gap_y) < np.float32(limit):
        return None
    ex, ey = px + (out_x - back_x) * HALF, py + (out_y - back_y) * HALF
    if not (0 <= ex < width - 1 and 0 <= ey < height - 1):
        return None
    return int(np.rint(ex)), int(np.rint(ey))


def paper_warp(label: NDArray, out: Map, back: Map, limit: float, fill: float) -> NDArray:
    """Return the neighbour's label image ``(C, H, W)`` as this frame sees it; ``fill`` where it sees nothing."""
    warped = np.full_like(label, fill)
    for y, x in np.ndindex(*label.shape[1:]):
        source = paper_source((x, y), out, back, limit)
        if source is not None:
            warped[:, y, x] = label[:, source[1], source[0]]
    return warped


def paper_pass(colours, holes, ways, order, step):
    """Return colours and stamps after one pass; ``ways(t)`` are the flows between frame t and the one before it."""
    got, stamps = [None] * len(colours), [None] * len(colours)
    for number, t in enumerate(order):
        if number == 0:
            colour, stamp = np.zeros_like(colours[t]), np.full((1, *holes[t].shape), -1)
        else:
            colour = paper_warp(got[t - step], *ways(t), 0)
            stamp = paper_warp(stamps[t - step], *ways(t), -1)
        known = ~holes[t]
        colour[:, known] = colours[t][:, known]
        stamp[:, known] = t
        got[t], stamps[t] = colour, stamp
    return got, stamps


def paper_merge(t, forward, backward, stamp_forward, stamp_backward):
    """Return frame t from the source that is nearer in time, pixel by pixel, and what is still missing."""
    merged, missing = np.zeros_like(forward), np.zeros(forward.shape[1:], bool)
    for y, x in np.ndindex(*missing.shape):
        f, b = int(stamp_forward[0, y, x]), int(stamp_backward[0, y, x])
        if f != -1 and b != -1:
            chosen = backward if (t - f) / max(b - f, 1) > 0.5 else forward
        elif f != -1 or b != -1:
            chosen = forward if f != -1 else backward
        else:
            missing[y, x] = True
            continue
        merged[:, y, x] = chosen[:, y, x]
    return merged, missing


def paper_key_frames(missing: list[bool]) -> list[int]:
    """Return the frames to fill: two pointers walk inwards from both ends, each with a state of its own."""
    found = set()
    left_inside = right_inside = False
    for step in range((len(missing) + 1) // 2):
        left, right = step, len(missing) - 1 - step
        if missing[left] != left_inside:
            found.add(left if missing[left] else left - 1)
            left_inside = missing[left]
        if missing[right] != right_inside:
            found.add(right if missing[right] else right + 1)
            right_inside = missing[right]
    return sorted(found)


def paper_propagation(
    frames: list[Picture],
    holes: NDArray[np.bool_],
    flow_fw: list[Map],
    flow_bw: list[Map],
    limit: float,
    fill: Callable[[int, Picture, NDArray[np.bool_]], Picture],
    rounded: Callable[[Picture], Picture],
) -> tuple[list[Picture], NDArray[np.bool_]]:
    """Return frames without holes, and which pixels were invented.

    ``flow_fw[t]`` is at frame t and points into t + 1, ``flow_bw[t]`` is at t + 1 and points into t. ``fill`` gets a
    key frame and what is missing of it; ``rounded`` makes samples of what it returns.
    """
    count = len(frames)
    missing = [hole.copy() for hole in holes]
    colours = []
    for frame, hole in zip(frames, holes, strict=True):
        colour = np.concatenate([frame, np.zeros((1, *hole.shape), np.float32)])
        colour[:, hole] = 0
        colours.append(colour)

    while any(hole.any() for hole in missing):
        forward, stamps_forward = paper_pass(
            colours, missing, lambda t: (flow_bw[t - 1], flow_fw[t - 1], limit), range(count), 1
        )
        backward, stamps_backward = paper_pass(
            colours, missing, lambda t: (flow_fw[t], flow_bw[t], limit), range(count - 1, -1, -1), -1
        )
        for t in range(count):
            colours[t], missing[t] = paper_merge(t, forward[t], backward[t], stamps_forward[t], stamps_backward[t])
        for t in paper_key_frames([bool(hole.any()) for hole in missing]):
            filled = rounded(fill(t, colours[t][:-1], missing[t]))
            colours[t][:-1, missing[t]] = filled[:, missing[t]]
            colours[t][-1, missing[t]] = 1
            missing[t] = np.zeros_like(missing[t])
    return [colour[:-1] for colour in colours], np.stack([colour[-1] == 1 for colour in colours])
