"""Optical flow between neighbours, estimated around the holes of both."""

from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from vsdfvi.kernels import HOST, Device, Workers, module_of
from vsdfvi.kernels.laplace import laplace_fill
from vsdfvi.kernels.light import light_lines
from vsdfvi.kernels.planes import at_ends
from vsdfvi.kernels.search import search_flow

SMALLEST = 48
"""DIS builds a pyramid of 8-pixel patches; smaller pictures are padded to this."""

_LIGHT_SAMPLES = 16384  # of a picture, from which the light of a pair is told
_SAME_LIGHT = 1.0  # mean change, of 255, below which what moved, not light, may be what differs: objects lost 0.07 dB

_LEVEL = 0.25  # movement of a sweep, in 8-bit codes, at which a neutralised hole is smooth enough to carry no edge

# DIS cuts the picture into as many stripes as OpenCV has threads and searches each on its own, so its result would
# depend on the machine's cores. OpenCV knows this number for the whole process only, and changing it back and forth
# tears its pool down each time (1 ms), so it is set once; the engine brings its own threads.
cv2.setNumThreads(1)


class Estimator(Protocol):
    """What finds the motion between two pictures.

    Attributes:
        concurrent: Whether several threads may call it at a time.
        on_device: It takes and gives arrays of the device; else the host's.
    """

    concurrent: bool
    on_device: bool

    def both_ways(
        self,
        earlier: NDArray[np.float32],
        later: NDArray[np.float32],
        start: NDArray[np.float32] | None,
        workers: Workers,
        *,
        full: bool,
    ) -> NDArray[np.float32]:
        """Flow between two pictures.

        Shapes:
            earlier, later: ``(height, width)``, 0 to 255.
            start: Flow to start from, ``(4, height, width)``; returned likewise: fw x, fw y, bw x, bw y.

        Args:
            full: Search down to the full size, where that is another thing.
        """
        ...


def estimator_of(flow: str, device: Device = HOST) -> Estimator:
    """The estimator that the setting ``flow`` asks for, loaded where it is a file.

    Args:
        device: Where to compute.

    Raises:
        WeightsError: The file is not there, or is not what it should be.
    """
    if flow == "auto":
        flow = "dis" if device.is_host else "search"
    if flow == "dis":
        return DenseInverseSearch()
    if flow == "search":
        return KernelSearch(device)
    from vsdfvi.engine.flow_program import FlowProgram  # torch is imported only where it is used

    return FlowProgram(flow, device)


def neutralise(
    earlier: NDArray[np.float32], later: NDArray[np.float32], hole: NDArray[np.uint8]
) -> NDArray[np.float32]:
    """Two pictures, ``(2, height, width)``, with the hole of either filled smoothly in both.

    Were each filled in its own hole only, the edge of the filling would move with the hole and flow would follow the
    hole, not the picture.

    Shapes:
        earlier, later: luma ``(height, width)``, 0 to 255.
        hole: ``(height, width)`` uint8, on the host, 1 = hole in either.
    """
    return laplace_fill(module_of(earlier).stack([earlier, later]), hole, _LEVEL)


def estimate_flow(neutral: NDArray[np.float32], estimator: Estimator, workers: Workers) -> NDArray[np.float32]:
    """Flow between two neutralised pictures, both ways.

    Shapes:
        neutral: ``(2, height, width)``, of ``neutralise``.
        returns: ``(4, height, width)``: fw x, fw y, bw x, bw y in pixels of these pictures. What it says inside the
            hole is of no worth.
    """
    return estimator.both_ways(neutral[0], neutral[1], None, workers, full=False)


def in_one_light(
    neutral: NDArray[np.float32], hole: NDArray[np.uint8], flow: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The two pictures with the later one in the light of the earlier, where that differs.

    Film flickers. Estimators take brightness at its word, or forgive a difference and no factor, and what they make of
    flicker is motion.

    Shapes:
        neutral, hole: as for ``neutralise``, luma of 0 to 255; returned likewise, the same array where light is steady.
        flow: completed flow between them, ``(4, height, width)``, in pixels of these pictures.

    Source:
        The line through both, and how far it is believed, are those of ``light.match_light``, which names the papers.
    """
    arrays = module_of(neutral)
    (shown,) = at_ends(neutral[1:], flow[:2])
    apart = max(1, round((hole.size / _LIGHT_SAMPLES) ** 0.5))
    known = hole[::apart, ::apart] == 0
    both = arrays.stack([neutral[0, ::apart, ::apart], shown[::apart, ::apart]])
    target, source = (plane[known] for plane in (both if arrays is np else both.get()))
    there, group = np.ones((1, target.size), np.uint8), np.zeros(target.size, np.int32)
    (gain,), (offset,), _ = (each[0] for each in light_lines(target, source[None], there, group, 1, corrects=True))
    lit = np.float32(gain) * source + np.float32(offset)
    if not source.size or float(np.abs(lit - source).mean(dtype=np.float64)) < _SAME_LIGHT:
        return neutral
    return arrays.stack([neutral[0], neutral[1] * np.float32(gain) + np.float32(offset)])  # type: ignore[no-any-return]


def refine_flow(
    neutral: NDArray[np.float32],
    hole: NDArray[np.uint8],
    flow: NDArray[np.float32],
    estimator: Estimator,
    workers: Workers,
    *,
    full: bool,
) -> NDArray[np.float32]:
    """Flow estimated again, with a filling that moves as the flow says.

    A filling that stands still in both pictures says "no motion" to every patch that reaches into it, and so spoils a
    rim around the hole. Here the later picture's hole shows what the earlier picture, neutral in its hole, shows there
    along the completed flow: the rim then sees one motion. (Hole PSNR of objects rises by 0.7 dB on real clips.)

    Shapes:
        neutral, hole: as for ``neutralise``.
        flow: completed flow between them ``(4, height, width)``; returned likewise, not complete.

    Args:
        full: Search down to the full size. DIS stops at half the size by default; the last step takes about three times
            as long and is worth 0.9 dB on scratches, 0.8 on dirt and 0.5 on objects.
    """
    arrays = module_of(neutral)
    (moved,) = at_ends(neutral[:1], flow[2:])
    later = arrays.where(arrays.asarray(hole) > 0, moved, neutral[1])
    return estimator.both_ways(neutral[0], later, flow, workers, full=full)


class DenseInverseSearch:
    """DIS of OpenCV, on the host's cores.

    Source:
        Kroeger, Timofte, Dai and Van Gool, "Fast optical flow using dense inverse search", ECCV 2016.
    """

    concurrent = True
    on_device = False

    def both_ways(
        self,
        earlier: NDArray[np.float32],
        later: NDArray[np.float32],
        start: NDArray[np.float32] | None,
        workers: Workers,
        *,
        full: bool,
    ) -> NDArray[np.float32]:
        """Flow between two pictures."""
        height, width = earlier.shape
        below, right = max(0, SMALLEST - height), max(0, SMALLEST - width)
        first, second = (
            cv2.copyMakeBorder(
                np.clip(np.floor(picture + np.float32(0.5)), 0, 255).astype(np.uint8),
                0, below, 0, right, cv2.BORDER_REPLICATE,
            ).astype(np.uint8, copy=False)
            for picture in (earlier, later)
        )  # fmt: skip
        forward = backward = None
        if start is not None:
            padded = np.pad(start, ((0, 0), (0, below), (0, right)), mode="edge").transpose(1, 2, 0)
            forward, backward = padded[..., :2].copy(), padded[..., 2:].copy()
        flows = workers.map(_estimate, [(first, second, forward, full), (second, first, backward, full)])
        flow = np.concatenate(flows)[:, :height, :width]
        # A vector that is not a number must not spread through the completion.
        return np.nan_to_num(flow, copy=False, nan=0.0, posinf=0.0, neginf=0.0)


def _estimate(
    job: tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.float32] | None, bool],
) -> NDArray[np.float32]:
    """One way, ``(2, height, width)``.

    The estimator is made for this call: it keeps buffers, and shrinks its own patches and scales for small pictures.
    Used again for a picture of another size it has crashed, and what it returned depended on what it saw before.
    """
    estimator = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    first, second, start, full = job
    if full:
        estimator.setFinestScale(0)
    # OpenCV takes None for "start from nothing", which its type stubs do not know.
    flow = estimator.calc(first, second, start)  # type: ignore[arg-type]
    return np.ascontiguousarray(flow.transpose(2, 0, 1), np.float32)


class KernelSearch:
    """Dense inverse search by our own kernels, where pictures are on the device: ``search.h`` says how.

    Args:
        device: On a GPU one thread alone may call it, since the stream is that thread's.
    """

    on_device = True

    def __init__(self, device: Device) -> None:
        self.concurrent = device.is_host

    def both_ways(
        self,
        earlier: NDArray[np.float32],
        later: NDArray[np.float32],
        start: NDArray[np.float32] | None,
        workers: Workers,
        *,
        full: bool,
    ) -> NDArray[np.float32]:
        """Flow between two pictures."""
        return search_flow(module_of(earlier).stack([earlier, later]), start, full=full)
