"""Flow inside the hole against the flow of the clean clip: how far off it is, and what the true one would be worth."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import cv2
import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from vsdfvi.engine.account import Repair
from vsdfvi.engine.cache import Cache
from vsdfvi.engine.footage import Footage
from vsdfvi.engine.inpainter import Inpainter
from vsdfvi.films.clips import video_format
from vsdfvi.films.repairing import LentFrames, Repairing
from vsdfvi.frames.masks import Box
from vsdfvi.frames.pixels import Frame, VideoFormat
from vsdfvi.kernels import Packed, Plane, Workers
from vsdfvi.settings import Settings

OCCLUDED_PX = 1.5
"""Forward/backward disagreement of the clean clip's flow from which a pixel counts as occluded: its true flow is
itself a guess."""

_KEPT_MIB = 64  # of the clean clip's flow

Note = Callable[[Repair | None], object]
"""Takes how a frame was filled; None where nothing was."""


class CleanFootage(Footage):
    """The clean clip on the boxes of a damaged one, with nothing unknown: its flow is the truth.

    It is made by the estimator and the passes that the damaged clip's flow is made by, so that they differ by what the
    hole does.
    """

    def __init__(self, damaged: Footage, clip: Mapping[int, Frame], mask: VideoFormat, workers: Workers) -> None:
        settings = replace(damaged.settings, completion="laplace")  # nothing is left to complete
        super().__init__(settings, damaged.format, mask, Cache(_KEPT_MIB << 20), workers)
        self._damaged = damaged
        self.lend(clip, {})

    def hole(self, n: int) -> Plane:
        """Nothing is missing."""
        return Plane(0, 0, np.zeros((0, 0), np.uint8))

    def boxes(self, n: int) -> list[Box]:
        """The damaged clip's."""
        return self._damaged.boxes(n)


class TrueFlowFootage(Footage):
    """A damaged clip whose flow is that of the clean one."""

    def __init__(
        self,
        settings: Settings,
        clip: VideoFormat,
        mask: VideoFormat,
        cache: Cache,
        workers: Workers,
        truth: Mapping[int, Frame],
    ) -> None:
        super().__init__(settings, clip, mask, cache, workers)
        self._clean = CleanFootage(self, truth, mask, workers)

    def flow(self, n: int) -> Packed:
        """True flow between frames n and n + 1."""
        return self._clean.flow(n)


class Examined(Inpainter):
    """An inpainter whose flow can be looked at."""

    @property
    def footage(self) -> Footage:
        """What it knows of the clip."""
        return self._footage


class Oracle(Examined):
    """An inpainter that is told the true flow: what is left to it is propagation, synthesis and compositing."""

    def __init__(self, settings: Settings, clip: VideoFormat, mask: VideoFormat, truth: Mapping[int, Frame]) -> None:
        super().__init__(settings, clip, mask)
        self._footage = TrueFlowFootage(settings, clip, mask, self._cache, self._workers, truth)


class OnceEstimatedFootage(Footage):
    """A damaged clip whose flow is estimated once around the hole, and then filled by the Laplace equation."""

    refinements = ()


class Prefilled(Examined):
    """An inpainter that has the initial flow of DFVI and no more: one estimate, filled by the Laplace equation.

    Source:
        Xu et al., "Deep flow-guided video inpainting", CVPR 2019, section 3.1.
    """

    def __init__(self, settings: Settings, clip: VideoFormat, mask: VideoFormat) -> None:
        super().__init__(replace(settings, completion="laplace"), clip, mask)
        self._footage = OnceEstimatedFootage(self.settings, clip, mask, self._cache, self._workers)


def repaired(
    inpainter: Inpainter, damaged: vs.VideoNode, mask: vs.VideoNode, note: Note | None = None
) -> Iterator[tuple[NDArray[np.generic], ...]]:
    """The planes of each frame as an inpainter repairs it, in this thread and without the plugin; it is closed.

    Args:
        note: Told of each frame how it was filled.
    """
    repairing = Repairing(inpainter, damaged, mask)
    for n in range(len(damaged)):
        planes, repair = repairing.repair(n)
        if note is not None:
            note(repair)
        yield planes
    inpainter.close()


class FlowError:
    """End-point error of completed flow in the hole: at hole pixels of frame n forward, of frame n + 1 backward."""

    def __init__(self) -> None:
        self._total = {"epe": 0.0, "epe_visible": 0.0}
        self._count = {"epe": 0, "epe_visible": 0}

    def add(self, footage: Footage, clean: CleanFootage, n: int) -> None:
        """Take the pair of frames n and n + 1. Nothing moves across a cut: such a pair does not count."""
        if clean.cut(n) or not footage.boxes(n):
            return
        found, true = footage.flow(n), clean.flow(n)
        scale, (frame_height, frame_width) = footage.flow_scale, footage.size
        for number, (column, row, *_) in enumerate(true.boxes.tolist()):
            x, y = column * scale, row * scale
            ours, theirs = (_finer(flow.planes(number), scale) for flow in (found, true))
            height, width = min(ours.shape[1], frame_height - y), min(ours.shape[2], frame_width - x)
            ours, theirs = ours[:, :height, :width], theirs[:, :height, :width]
            for frame, way in ((n, 0), (n + 1, 2)):
                hole = footage.hole(frame).crop(x, y, width, height) > 0
                gap = np.hypot(*(ours - theirs)[way : way + 2])
                visible = disagreement(theirs[way : way + 2], theirs[2 - way : 4 - way]) <= OCCLUDED_PX
                self._take("epe", gap[hole])
                self._take("epe_visible", gap[hole & visible])

    def _take(self, name: str, gap: NDArray[np.float32]) -> None:
        self._total[name] += float(gap.sum(dtype=np.float64))
        self._count[name] += gap.size

    def figures(self) -> dict[str, float]:
        """Mean error in pixels of the frame: of all hole pixels, and of those that the other frame shows."""
        return {name: self._total[name] / count if count else float("nan") for name, count in self._count.items()}


def flow_error(
    examined: Examined, truth: vs.VideoNode, damaged: vs.VideoNode, mask: vs.VideoNode, note: Note | None = None
) -> dict[str, float]:
    """End-point error of an inpainter's completed flow over a clip; the inpainter is closed.

    Args:
        note: Told of each frame how it is filled; each is then repaired as well.
    """
    footage = examined.footage
    kept = 2 * examined.reach + 2
    clip, masks = LentFrames(damaged, kept), LentFrames(mask, kept)
    clean = CleanFootage(footage, LentFrames(truth, 4), video_format(mask), footage.workers)
    error = FlowError()
    for n in range(len(damaged)):
        if note is not None:
            ready = examined.prepare(n, clip, masks)[0] == "ready"
            note(examined.account(n) if ready else None)
            examined.discard(n)
        footage.lend(clip, masks)  # which prepare takes back
        if n > 0:
            with footage.workers.active():
                error.add(footage, clean, n - 1)
    examined.close()
    return error.figures()


def disagreement(flow: NDArray[np.float32], back: NDArray[np.float32]) -> NDArray[np.float32]:
    """Pixels by which going there and back again misses the start; infinite where the way leaves the picture.

    Shapes:
        flow, back: ``(2, height, width)``; returns ``(height, width)``.
    """
    height, width = flow.shape[1:]
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    x, y = columns + flow[0], rows + flow[1]
    returned = [cv2.remap(part, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) for part in back]
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return np.where(inside, np.hypot(flow[0] + returned[0], flow[1] + returned[1]), np.float32(np.inf))


def _finer(flow: NDArray[np.float32], scale: int) -> NDArray[np.float32]:
    """Flow of a coarser grid at every pixel, bilinear."""
    if scale == 1:
        return flow
    size = flow.shape[2] * scale, flow.shape[1] * scale
    return np.stack([cv2.resize(part, size, interpolation=cv2.INTER_LINEAR) for part in flow])
