"""A host in a few lines: lends an inpainter the frames it asks for, as the plugin does, and keeps a record."""

from collections.abc import Sequence
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

    Attributes:
        asked: For each frame made, the spans (first, last) that were lent one after the other.
        properties: For each frame made, what the inpainter set.
    """

    def __init__(self, frames: Sequence[Frame], mask: NDArray[np.bool_], form: VideoFormat, **settings: object) -> None:
        self.clip = list(frames)
        self.masks = [Frame((picture.astype(np.uint8) * 255,)) for picture in mask]
        mask_format = scenes.video_format("GRAY", size=(form.height, form.width), frames=len(self.masks))
        form = replace(form, frames=len(self.clip))
        self.inpainter = Inpainter(Settings(**{"threads": 1, **settings}), form, mask_format)
        self.asked: dict[int, list[tuple[int, int]]] = {}
        self.properties: dict[int, dict] = {}

    def _lent_masks(self, numbers: range) -> dict[int, Frame]:
        return {0: self.masks[0]} if len(self.masks) == 1 else {n: self.masks[n] for n in numbers}

    def render(self, n: int) -> Planes:
        """Return the planes of frame n; the source's own arrays where nothing is missing."""
        first = last = n
        spans = self.asked.setdefault(n, [])
        for _ in range(2 * self.inpainter.reach + 2):
            spans.append((first, last))
            numbers = range(first, last + 1)
            answer = self.inpainter.prepare(n, {k: self.clip[k] for k in numbers}, self._lent_masks(numbers))
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
