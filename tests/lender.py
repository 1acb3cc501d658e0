"""A host in a few lines: lends an inpainter the frames it asks for, as the plugin does, and keeps a record."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import scenes
from numpy.typing import NDArray

from vsdfvi.engine.inpainter import Inpainter
from vsdfvi.frames.pixels import Frame, VideoFormat
from vsdfvi.settings import Settings

Planes = tuple[NDArray, ...]


class Lender:
    """A clip, its mask and one inpainter.

    Args:
        extras: Frames of the clips given besides, by name: as many as the clip has, or one; and their formats.

    Attributes:
        asked: For each frame made, the spans (first, last) that were lent one after the other.
        properties: For each frame made, what the inpainter set.
    """

    def __init__(
        self,
        frames: Sequence[Frame],
        mask: NDArray[np.bool_],
        form: VideoFormat,
        *,
        extras: Mapping[str, tuple[Sequence[Frame], VideoFormat]] | None = None,
        **settings: object,
    ) -> None:
        self.clip = list(frames)
        self.masks = [Frame((picture.astype(np.uint8) * 255,)) for picture in mask]
        mask_format = scenes.video_format("GRAY", size=(form.height, form.width), frames=len(self.masks))
        form = replace(form, frames=len(self.clip))
        self.extras = {name: list(given) for name, (given, _) in (extras or {}).items()}
        formats = {name: replace(kind, frames=len(given)) for name, (given, kind) in (extras or {}).items()}
        self.inpainter = Inpainter(Settings(**{"threads": 1, **settings}), form, mask_format, formats)
        self.asked: dict[int, list[tuple[int, int]]] = {}
        self.properties: dict[int, dict] = {}

    def _lent_masks(self, numbers: Sequence[int]) -> dict[int, Frame]:
        return {0: self.masks[0]} if len(self.masks) == 1 else {n: self.masks[n] for n in numbers}

    def _lent_extras(self, n: int, numbers: range) -> dict[str, dict[int, Frame]]:
        lent = {}
        for name, frames in self.extras.items():
            reach = self.inpainter.extra_reach[name]
            near = {k: frames[k] for k in numbers if abs(k - n) <= reach} if len(frames) > 1 else {0: frames[0]}
            lent[name] = near
        return lent

    def _lent_survey(self) -> tuple[dict[int, Frame], dict[int, Frame]]:
        numbers = self.inpainter.survey
        assert numbers, "a survey must have been announced"
        return {k: self.clip[k] for k in numbers}, self._lent_masks(numbers)

    def render(self, n: int) -> Planes:
        """Return the planes of frame n; the source's own arrays where nothing is missing."""
        first = last = n
        spans = self.asked.setdefault(n, [])
        survey = None
        for _ in range(2 * self.inpainter.reach + 2):
            spans.append((first, last))
            numbers = range(first, last + 1)
            answer = self.inpainter.prepare(
                n, {k: self.clip[k] for k in numbers}, self._lent_masks(numbers), self._lent_extras(n, numbers), survey
            )
            if answer[0] == "survey":
                assert survey is None, "a survey is asked for once"
                survey = self._lent_survey()
                continue
            if answer[0] == "source":
                return self.clip[n].planes
            if answer[0] == "ready":
                planes = tuple(plane.copy() for plane in self.clip[n].planes)
                self.properties[n] = self.inpainter.finish(n, planes)
                return planes
            _, first, last = answer
            assert 0 <= first <= numbers[0]
            assert numbers[-1] <= last < len(self.clip)
            assert last - first > numbers[-1] - numbers[0], "more frames must be asked for"
        raise AssertionError(f"frame {n} is never ready")

    def film(self) -> list[Planes]:
        """Return all frames, in order."""
        return [self.render(n) for n in range(len(self.clip))]


def of_scene(scene, **settings) -> Lender:
    """Return a lender of a scene of scenes.py."""
    return Lender(scene.frames(), scene.mask, scene.format, **settings)
