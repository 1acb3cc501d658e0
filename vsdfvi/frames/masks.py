"""From a mask to the hole, and to the boxes of the frame that are worth computing on."""

import cv2
import numpy as np
from numpy.typing import NDArray

from vsdfvi.kernels import Plane

Box = tuple[int, int, int, int]
"""x0, y0, x1, y1 in pixels of the frame; x1 and y1 are one past the last."""

CELL = 16
"""Boxes begin and end on multiples of this, or at the frame's border: every subsampling and flow scale divides it."""

MAX_BOXES = 12


def hole_of(mask: NDArray[np.generic], dilate: int) -> Plane:
    """The hole of a frame: where its mask is not zero, grown by a disc.

    Shapes:
        mask: ``(height, width)`` of any sample type; not zero (NaN included) = repair.

    Args:
        dilate: Radius of the disc in pixels.
    """
    marked = mask != 0
    rows, columns = np.flatnonzero(marked.any(axis=1)), np.flatnonzero(marked.any(axis=0))
    if rows.size == 0:
        return Plane(0, 0, np.zeros((0, 0), np.uint8))
    height, width = marked.shape
    y0, y1 = max(0, int(rows[0]) - dilate), min(height, int(rows[-1]) + 1 + dilate)
    x0, x1 = max(0, int(columns[0]) - dilate), min(width, int(columns[-1]) + 1 + dilate)
    part = marked[y0:y1, x0:x1].astype(np.uint8)
    if dilate and not part.all():
        distance = cv2.distanceTransform(1 - part, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        part = (distance <= dilate).astype(np.uint8)
    return Plane(x0, y0, np.ascontiguousarray(part))


def joined(first: Plane, second: Plane) -> Plane:
    """Two holes, neither empty, as one."""
    corners = [
        (plane.x, plane.y, plane.x + plane.samples.shape[1], plane.y + plane.samples.shape[0])
        for plane in (first, second)
    ]
    x0, y0, x1, y1 = _hull(corners)
    parts = [plane.crop(x0, y0, x1 - x0, y1 - y0) for plane in (first, second)]
    return Plane(x0, y0, np.maximum(*parts))


def regions(holes: list[Plane], margin: int, size: tuple[int, int]) -> list[Box]:
    """Disjoint boxes that hold the holes with a margin around each, in reading order.

    Args:
        margin: Pixels around a hole that its repair may look at.
        size: (height, width) of the frame.
    """
    height, width = size
    cells = np.zeros((-(-height // CELL), -(-width // CELL)), np.uint8)
    for hole in holes:
        rows, columns = np.nonzero(hole.samples)
        cells[(rows + hole.y) // CELL, (columns + hole.x) // CELL] = 1
    if not cells.any():
        return []
    reach = -(-margin // CELL)
    grown = cv2.dilate(cells, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    count, _, stats, _ = cv2.connectedComponentsWithStats(grown, connectivity=8)
    boxes = [(int(x), int(y), int(x + w), int(y + h)) for x, y, w, h, _ in stats[1:count]]
    boxes = _merge(boxes)
    if len(boxes) > MAX_BOXES:
        boxes = [_hull(boxes)]
    return [(x0 * CELL, y0 * CELL, min(x1 * CELL, width), min(y1 * CELL, height)) for x0, y0, x1, y1 in boxes]


def _hull(boxes: list[Box]) -> Box:
    x0, y0, x1, y1 = zip(*boxes, strict=True)
    return min(x0), min(y0), max(x1), max(y1)


def _merge(boxes: list[Box]) -> list[Box]:
    """The boxes with those that overlap or touch made one, until none do."""
    done: list[Box] = []
    for box in sorted(boxes):
        merged = True
        while merged:
            merged = False
            for other in done:
                if box[0] <= other[2] and other[0] <= box[2] and box[1] <= other[3] and other[1] <= box[3]:
                    done.remove(other)
                    box = _hull([box, other])
                    merged = True
                    break
        done.append(box)
    return sorted(done, key=lambda box: (box[1], box[0]))


def subsampled(hole: NDArray[np.uint8], right: int, down: int) -> NDArray[np.uint8]:
    """The hole of a subsampled plane: a sample is hole when any pixel that it covers is.

    Shapes:
        hole: ``(height, width)``, both multiples of the subsampling.
        returns: ``(height >> down, width >> right)``.
    """
    return largest_of_blocks(hole, 1 << down, 1 << right)


def largest_of_blocks(values: NDArray[np.uint8], rows: int, columns: int) -> NDArray[np.uint8]:
    """The largest value of each block of so many rows and columns.

    As many views are compared as a block has values: NumPy reduces over axes as short as these ten times slower.

    Shapes:
        values: ``(height, width)``, multiples of the block's; returns: ``(height / rows, width / columns)``.
    """
    largest = values[::rows, ::columns].copy()
    for row in range(rows):
        for column in range(columns):
            if row or column:
                np.maximum(largest, values[row::rows, column::columns], out=largest)
    return largest
