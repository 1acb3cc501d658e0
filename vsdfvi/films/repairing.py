"""Frames of a clip, lent to an engine and repaired by it, in this thread and without the plugin."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Self

import vapoursynth as vs

from vsdfvi.engine.account import Repair
from vsdfvi.engine.inpainter import Inpainter
from vsdfvi.errors import EngineError
from vsdfvi.films.clips import Planes, planes_of
from vsdfvi.frames.pixels import Frame


class LentFrames(Mapping[int, Frame]):
    """Every frame of a clip, read when it is asked for: all that an engine may ever want is lent at once.

    Args:
        kept: Frames that stay in memory.
    """

    def __init__(self, clip: vs.VideoNode, kept: int) -> None:
        self._clip = clip
        self._kept = kept
        self._frames: OrderedDict[int, Frame] = OrderedDict()

    def __getitem__(self, n: int) -> Frame:
        if not 0 <= n < len(self._clip):
            raise KeyError(n)
        if n not in self._frames:
            with self._clip.get_frame(n) as frame:
                numbers = {name: int(value) for name, value in frame.props.items() if isinstance(value, int)}
                self._frames[n] = Frame(planes_of(frame), numbers)
            while len(self._frames) > self._kept:
                self._frames.popitem(last=False)
        self._frames.move_to_end(n)
        return self._frames[n]

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self._clip)))

    def __len__(self) -> int:
        return len(self._clip)


class Repairing:
    """A clip's frames as an inpainter repairs them, in any order.

    Args:
        extras: The clips given besides clip and mask, by name, as ``Inpainter`` takes their formats.

    Attributes:
        clip: The clip's frames.
    """

    def __init__(
        self,
        inpainter: Inpainter,
        clip: vs.VideoNode,
        mask: vs.VideoNode,
        extras: Mapping[str, vs.VideoNode] | None = None,
    ) -> None:
        kept = 2 * inpainter.reach + 2
        lent = {name: LentFrames(extra, kept) for name, extra in (extras or {}).items()}
        self._begin(inpainter, LentFrames(clip, kept), LentFrames(mask, kept), lent)

    @classmethod
    def of(cls, inpainter: Inpainter, clip: Mapping[int, Frame], mask: Mapping[int, Frame]) -> Self:
        """The same of frames that are at hand in another way."""
        made = cls.__new__(cls)
        made._begin(inpainter, clip, mask, {})
        return made

    def _begin(
        self,
        inpainter: Inpainter,
        clip: Mapping[int, Frame],
        masks: Mapping[int, Frame],
        extras: Mapping[str, Mapping[int, Frame]],
    ) -> None:
        self.clip, self._inpainter, self._masks, self._extras = clip, inpainter, masks, extras
        self._survey: tuple[dict[int, Frame], dict[int, Frame]] | None = None

    def repair(self, n: int) -> tuple[Planes, Repair | None]:
        """The planes of frame n, repaired, and how; None where it is the source."""
        planes = tuple(plane.copy() for plane in self.clip[n].planes)
        answer = self._inpainter.prepare(n, self.clip, self._masks, self._extras, self._survey)
        if answer[0] == "survey":
            of_mask = self._inpainter.survey if len(self._masks) > 1 else (0,)
            self._survey = {k: self.clip[k] for k in self._inpainter.survey}, {k: self._masks[k] for k in of_mask}
            answer = self._inpainter.prepare(n, self.clip, self._masks, self._extras, self._survey)
        if answer[0] == "source":
            return planes, None
        if answer[0] != "ready":
            raise EngineError(f"prepare must answer ready or source where all frames are lent, got {answer}")
        repair = self._inpainter.account(n)
        self._inpainter.finish(n, planes)
        return planes, repair

    def close(self) -> None:
        """End the inpainter."""
        self._inpainter.close()
