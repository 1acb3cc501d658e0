"""Pictures of frames for people: before, after, the difference, how sure, and what was invented; RGB of 8 bit."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from vsdfvi.cleaning.chunk_files import Patch
from vsdfvi.engine.views import DIMMED, TINT, confidence_ink, origin_ink, textured_at
from vsdfvi.films.clips import rgb_of, to_rgb

Picture = NDArray[np.uint8]

_GREY = 128
_ROOM = 8  # pixels between pictures of a sheet


class Pictured:
    """Frames of a film as pictures.

    Args:
        patch: Of a frame's number: what replaces its hole, or None.
    """

    def __init__(self, clip: vs.VideoNode, patch: Callable[[int], Patch | None]) -> None:
        self._patch = patch
        self._before = to_rgb(clip)

        def put(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
            found = patch(n)
            if found is None:
                return f
            out = f.copy()
            for plane, (index, samples) in enumerate(zip(found.index, found.samples, strict=True)):
                array = np.asarray(out[plane])  # whose rows may be longer than they look
                array[np.divmod(index, array.shape[1])] = samples
            return out

        self._after = to_rgb(clip.std.ModifyFrame(clip, put))

    def before(self, n: int) -> Picture:
        """The source."""
        return rgb_of(self._before, n)

    def after(self, n: int) -> Picture:
        """The result."""
        return rgb_of(self._after, n)

    def difference(self, n: int) -> Picture:
        """Mid-grey, and on it what was changed, as its root: docs/views.md."""
        change = (self.after(n).astype(np.float32) - self.before(n)) / 255
        return np.rint(_GREY + np.copysign(np.sqrt(np.abs(change)), change) * (255 - _GREY)).astype(np.uint8)

    def confidence(self, n: int) -> Picture:
        """How sure it is: black, red, yellow, white, on the frame in grey."""
        dark = DIMMED * cv2.cvtColor(self.before(n), cv2.COLOR_RGB2GRAY).astype(np.float32)
        picture = np.repeat(dark[..., None], 3, axis=2)
        found = self._patch(n)
        if found is not None:
            self._paint(picture, found, confidence_ink(found.confidence), 1.0)
        return np.rint(picture).astype(np.uint8)

    def invented(self, n: int) -> Picture:
        """The result, tinted by what no frame showed."""
        picture = self.after(n).astype(np.float32)
        found = self._patch(n)
        if found is not None:
            hole = np.zeros(picture.shape[:2], bool)
            hole.reshape(-1)[found.pixels] = True
            picture[~hole] *= DIMMED
            self._paint(picture, found, origin_ink(found.origin), TINT)
        return np.rint(picture).astype(np.uint8)

    def _paint(self, picture: NDArray[np.float32], patch: Patch, ink: NDArray[np.float32], opacity: float) -> None:
        # Positions in plane 0, which is as large as the picture.
        y, x = np.divmod(patch.pixels, picture.shape[1])
        colour = 255 * textured_at(ink, patch.origin, x, y)[:3].T
        picture[y, x] += np.float32(opacity) * (colour - picture[y, x])


def beside(pictures: list[Picture]) -> Picture:
    """Pictures in a row, with a little room between."""
    room = np.full((pictures[0].shape[0], _ROOM, 3), _GREY // 2, np.uint8)
    parts = [part for picture in pictures for part in (picture, room)][:-1]
    return np.concatenate(parts, axis=1)


def write_picture(path: Path, picture: Picture) -> None:
    """Write a picture in the format of its name.

    Raises:
        OSError: It cannot be written.
    """
    written, coded = cv2.imencode(path.suffix, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    if not written:
        raise OSError(f"{path} must be a picture that can be written")
    path.write_bytes(coded.tobytes())
