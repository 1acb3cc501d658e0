"""Scenes as VapourSynth clips, and VapourSynth's frames as arrays."""

from collections.abc import Sequence

import numpy as np
import scenes
import vapoursynth as vs
from numpy.typing import NDArray

from vsdfvi.frames.pixels import VideoFormat

Planes = tuple[NDArray, ...]

FAMILIES = {
    "GRAY": ("GRAY", (0, 0)),
    "420": ("YUV", (1, 1)),
    "422": ("YUV", (1, 0)),
    "440": ("YUV", (0, 1)),
    "444": ("YUV", (0, 0)),
    "411": ("YUV", (2, 0)),
    "410": ("YUV", (2, 2)),
    "RGB": ("RGB", (0, 0)),
}
"""Names as VapourSynth's users know them: family and subsampling as log2."""

DEPTHS = {f"{bits} bit": (bits, False) for bits in (8, 9, 10, 12, 14, 16)} | {"half": (16, True), "single": (32, True)}


def clip_of(frames: Sequence[Planes], form: VideoFormat, **properties: object) -> vs.VideoNode:
    """Return a clip of these frames; properties are lists, one value for each frame, None where it is not set."""
    kind = vs.core.query_video_format(
        getattr(vs, form.family),
        vs.FLOAT if form.is_float else vs.INTEGER,
        form.bits,
        form.subsampling_w,
        form.subsampling_h,
    )
    blank = vs.core.std.BlankClip(
        format=kind.id, width=form.width, height=form.height, length=len(frames), keep=True, fpsnum=25, fpsden=1
    )

    def fill(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        out = f.copy()
        for plane, samples in enumerate(frames[n]):
            np.asarray(out[plane])[:] = samples
        for name, values in properties.items():
            if values[n] is not None:
                out.props[name] = values[n]
        return out

    return vs.core.std.ModifyFrame(blank, blank, fill)


def mask_of(mask: NDArray[np.bool_]) -> vs.VideoNode:
    """Return a GRAY8 clip of a mask ``(T, H, W)``."""
    form = scenes.video_format("GRAY", size=mask.shape[1:], frames=mask.shape[0])
    return clip_of([(picture.astype(np.uint8) * 255,) for picture in mask], form)


def planes_of(clip: vs.VideoNode, n: int) -> Planes:
    """Return copies of the planes of one frame."""
    with clip.get_frame(n) as frame:
        return tuple(np.asarray(frame[plane]).copy() for plane in range(frame.format.num_planes))


def bytes_of(clip: vs.VideoNode, n: int) -> bytes:
    """Return all samples of a frame in a row."""
    return b"".join(plane.tobytes() for plane in planes_of(clip, n))
