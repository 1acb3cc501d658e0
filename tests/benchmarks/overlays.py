"""Marks that are laid over clips: what the benchmarks of logos share."""

from collections.abc import Sequence

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from vsdfvi.errors import FormatError
from vsdfvi.films.clips import video_format

LEAST = 1 / 256
"""Opacity below which a mark changes nothing in 8 bit."""

Matte = NDArray[np.float64]
"""The opacity of a mark at each pixel of a frame; 0 from where it would change nothing."""


def marked(clip: vs.VideoNode, matte: Matte, colour: Sequence[int]) -> vs.VideoNode:
    """A clip under a mark, mixed in its own codes and rounded; chroma has the mean opacity of its block.

    Args:
        colour: For each plane, in codes of 8 bit.

    Raises:
        FormatError: The clip is not YUV of integers.
    """
    form = video_format(clip)
    if form.family != "YUV" or form.is_float:
        raise FormatError(f"clip must be YUV of integers, got {form.family}{' of floats' if form.is_float else ''}")

    def mix(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        out = f.copy()
        for plane, code in enumerate(colour):
            right, down = form.subsampling(plane)
            height, width = matte.shape
            share = matte.reshape(height >> down, 1 << down, width >> right, 1 << right).mean(axis=(1, 3))
            codes = np.asarray(out[plane])
            codes[:] = np.rint((1 - share) * codes + share * (code << (form.bits - 8)))
        return out

    return clip.std.ModifyFrame(clip, mix)
