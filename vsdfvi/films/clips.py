"""Clips in the engine's words: their format, the planes of their frames, and how they look as RGB."""

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from vsdfvi.frames.pixels import VideoFormat

Planes = tuple[NDArray[np.generic], ...]

_BT601, _BT709, _UNKNOWN = 6, 1, 2  # of _Matrix (ITU-T H.273, table 4)
_BT709_FROM = 720  # rows from which a clip that does not say its matrix is taken for BT.709


def video_format(clip: vs.VideoNode) -> VideoFormat:
    """The format of a clip in the engine's words."""
    return VideoFormat(
        family=clip.format.color_family.name,
        is_float=clip.format.sample_type == vs.FLOAT,
        bits=clip.format.bits_per_sample,
        subsampling_w=clip.format.subsampling_w,
        subsampling_h=clip.format.subsampling_h,
        width=clip.width,
        height=clip.height,
        frames=len(clip),
    )


def planes_of(frame: vs.VideoFrame) -> Planes:
    """Copies of the planes of a frame."""
    return tuple(np.array(np.asarray(frame[plane])) for plane in range(frame.format.num_planes))


def to_rgb(clip: vs.VideoNode) -> vs.VideoNode:
    """The clip as RGB of 8 bit, by its own matrix and range; one that does not say its matrix gets the usual one."""
    if clip.format.id == vs.RGB24:
        return clip
    with clip.get_frame(0) as frame:
        unknown = int(frame.props.get("_Matrix", _UNKNOWN)) == _UNKNOWN
    if clip.format.color_family != vs.RGB and unknown:
        clip = clip.std.SetFrameProps(_Matrix=_BT601 if clip.height < _BT709_FROM else _BT709)
    return clip.resize.Bicubic(format=vs.RGB24)


def rgb_of(clip: vs.VideoNode, n: int) -> NDArray[np.uint8]:
    """Frame n of an RGB24 clip, ``(height, width, 3)``."""
    with clip.get_frame(n) as frame:
        return np.stack([np.asarray(frame[plane]) for plane in range(3)], axis=2)
