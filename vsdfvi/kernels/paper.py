"""Typed functions over ``paper.h``: propagation by the rule of DFVI."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vsdfvi.kernels import HOST, Device, Packed
from vsdfvi.kernels._launch import launch

_GRAIN = 4096  # pixels below which a second thread costs more than it saves

Span = tuple[int, int]
"""First number of a frame's pixels, and one past the last."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """The numbers of one frame's hole pixels as a picture, -1 where the frame is known.

    Attributes:
        x, y: Where its first sample lies in the frame.
        samples: ``(height, width)`` int32, contiguous, on the device of the pixels; may be empty.
    """

    x: int
    y: int
    samples: NDArray[np.int32]


def number_pixels(x: NDArray[np.int32], y: NDArray[np.int32], first: int, device: Device = HOST) -> Numbers:
    """The picture of the numbers ``first``, ``first + 1``... of a frame's hole pixels, which are on the host.

    Args:
        device: Where it is wanted.
    """
    if x.size == 0:
        return Numbers(0, 0, device.put(np.zeros((0, 0), np.int32)))
    left, top = int(x.min()), int(y.min())
    samples = np.full((int(y.max()) - top + 1, int(x.max()) - left + 1), -1, np.int32)
    samples[y - top, x - left] = np.arange(first, first + x.size, dtype=np.int32)
    return Numbers(left, top, device.put(samples))


def link_pixels(
    x: NDArray[np.int32],
    y: NDArray[np.int32],
    link: NDArray[np.int32],
    flow: Packed,
    neighbour: Numbers,
    *,
    later: bool,
    span: Span,
    size: tuple[int, int],
    scale: int,
    limit: float,
) -> None:
    """Find what each pixel of a frame takes from the neighbouring frame, into ``link``; ``paper.h`` states how.

    Args:
        flow: Planes fw x, fw y, bw x, bw y of the pair of frames.
        later: The neighbour is the later frame of the pair.
        size: (height, width) of the frame.
        scale: Pixels per flow sample.
        limit: Forward/backward error, in pixels, from which a pixel takes nothing.
    """
    rows, columns = neighbour.samples.shape
    launch(
        "paper_link", span, x, y, link, flow.samples, flow.table, len(flow.boxes), 0 if later else 2,
        neighbour.samples, neighbour.x, neighbour.y, columns, rows, size[1], size[0],
        after=(float(scale), float(limit)), grain=_GRAIN,
    )  # fmt: skip


def carry_names(
    link: NDArray[np.int32],
    filled: NDArray[np.uint8],
    stamp: NDArray[np.int32],
    carried: NDArray[np.int32],
    *,
    frame: int,
    neighbour: int,
    span: Span,
) -> None:
    """Take the names of source pixels over from the neighbouring frame, into ``stamp`` and ``carried``."""
    launch("paper_carry", span, link, filled, stamp, carried, frame, neighbour, grain=4 * _GRAIN)


def merge_names(
    forward: tuple[NDArray[np.int32], NDArray[np.int32]],
    backward: tuple[NDArray[np.int32], NDArray[np.int32]],
    filled: NDArray[np.uint8],
    origin: tuple[NDArray[np.int32], NDArray[np.int32]],
    invented: NDArray[np.uint8],
    *,
    frame: int,
    span: Span,
) -> None:
    """Fill the pixels of a frame that names arrived at, from the side nearer in time, in place.

    Args:
        forward, backward: Stamp and carried of each pass.
        origin: Frame and place.
    """
    launch("paper_merge", span, *forward, *backward, filled, *origin, invented, frame, grain=4 * _GRAIN)
