"""Clips and masks as VapourSynth gives them, and the damage that is done to a clip before it is repaired."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from vsdfvi.errors import EngineError, FormatError
from vsdfvi.evaluation.layouts import PICTURE_SUFFIXES, pictures_of
from vsdfvi.evaluation.masks import make_mask
from vsdfvi.films.clips import Planes, planes_of, video_format
from vsdfvi.frames.masks import subsampled
from vsdfvi.frames.pixels import VideoFormat

_DECODED_MB = 32  # that BestSource may keep: frames are asked for in order


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One clip under one mask.

    Attributes:
        clip, kind: Names.
        footage: The clip: a video file or a folder of pictures.
        mask: The mask, likewise; None for one that is made from ``seed``.
        frames: The clip's first so many count; 0 takes all.
    """

    clip: str
    kind: str
    footage: Path
    mask: Path | None = None
    seed: int = 0
    frames: int = 0


def open_case(case: Case) -> tuple[vs.VideoNode, vs.VideoNode]:
    """The clean clip, and its mask as GRAY8 of 0 and 255: as long as the clip, or one frame.

    Raises:
        FormatError: One of them cannot be read, or they do not fit each other.
        EngineError: The plugin that opens video files is missing.
    """
    clip = _pictures(pictures_of(case.footage)) if case.footage.is_dir() else open_video(case.footage)
    if case.mask is None:
        form = video_format(clip)
        made = make_mask(case.kind, form.width, form.height, form.frames, case.seed, case.clip)
        mask = _drawn(form.width, form.height, made.frames, made.draw)
    elif case.mask.is_dir():
        mask = _marked(case.mask, case.footage, len(clip))
    else:
        mask = open_video(case.mask)
        peak = 1.0 if mask.format.sample_type == vs.FLOAT else (1 << mask.format.bits_per_sample) - 1
        # Half of the peak: black and white of limited range are told apart as well, and noise from compression is not.
        mask = mask.std.ShufflePlanes(0, vs.GRAY).std.Binarize(peak / 2)
        mask = mask.resize.Point(format=vs.GRAY8, range_in_s="full", range_s="full")
    if (mask.width, mask.height) != (clip.width, clip.height):
        raise FormatError(
            f"mask {case.kind} must be {clip.width}x{clip.height} as its clip, got {mask.width}x{mask.height}"
        )
    if len(mask) not in (1, len(clip)):
        raise FormatError(f"mask {case.kind} must be 1 or {len(clip)} frames as its clip, got {len(mask)}")
    if case.frames:
        clip, mask = clip[: case.frames], mask[: case.frames]
    return clip, mask


def each_frame(clip: vs.VideoNode) -> Iterator[Planes]:
    """The planes of all frames, in order, one frame at a time."""
    for frame in clip.frames(close=True):
        yield planes_of(frame)


def hole_planes(mask: NDArray[np.generic], form: VideoFormat) -> tuple[NDArray[np.bool_], ...]:
    """The hole on each plane: a sample is in it when any pixel that it covers is."""
    hole = (mask != 0).astype(np.uint8)
    return tuple(subsampled(hole, *form.subsampling(plane)).astype(bool) for plane in range(form.planes))


def with_holes(clip: vs.VideoNode, mask: vs.VideoNode) -> Iterator[tuple[Planes, tuple[NDArray[np.bool_], ...]]]:
    """The planes of all frames, in order, and the hole on each plane."""
    form = video_format(clip)
    masks = each_frame(mask * len(clip) if len(mask) == 1 else mask)
    for planes, (hole,) in zip(each_frame(clip), masks, strict=True):
        yield planes, hole_planes(hole, form)


def damaged(clip: vs.VideoNode, mask: vs.VideoNode) -> vs.VideoNode:
    """The clip with flat grey in the hole: nothing of the truth is left there, in any plane."""
    form = video_format(clip)

    def blank(n: int, f: list[vs.VideoFrame]) -> vs.VideoFrame:
        out = f[0].copy()
        full = bool(int(out.props.get("_Range", form.family == "RGB")))
        for plane, hole in enumerate(hole_planes(np.asarray(f[1][0]), form)):
            np.asarray(out[plane])[hole] = grey_of(form, plane, full=full)
        return out

    return clip.std.ModifyFrame([clip, mask * len(clip) if len(mask) == 1 else mask], blank)


def grey_of(form: VideoFormat, plane: int, *, full: bool) -> float:
    """The code of mid-grey in a plane."""
    chroma = form.family == "YUV" and plane > 0
    if form.is_float:
        return 0.0 if chroma else 0.5
    return (126 if not chroma and not full else 128) << (form.bits - 8)


def replaced(clip: vs.VideoNode, planes_at: Callable[[int], Planes]) -> vs.VideoNode:
    """The clip with other samples in its frames; their properties stay."""

    def put(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        out = f.copy()
        for plane, samples in enumerate(planes_at(n)):
            np.asarray(out[plane])[:] = samples
        return out

    return clip.std.ModifyFrame(clip, put)


def open_video(path: Path) -> vs.VideoNode:
    """A video file as BestSource gives it.

    Raises:
        FormatError: It cannot be read.
        EngineError: The plugin that opens it is missing.
    """
    if not hasattr(vs.core, "bs"):
        raise EngineError("video files are opened by BestSource: pip install vapoursynth-bestsource")
    try:
        clip: vs.VideoNode = vs.core.bs.VideoSource(str(path), cachemode=0, cachesize=_DECODED_MB)
    except vs.Error as error:
        raise FormatError(f"clip must be a video file, got {path}: {error}") from error
    return clip


def _pictures(files: list[Path]) -> vs.VideoNode:
    """A clip of picture files as RGB of 8 bit."""
    if not files:
        raise FormatError(f"clip must be a folder of pictures ({', '.join(PICTURE_SUFFIXES)}), got one without")
    height, width = _read(files[0], cv2.IMREAD_COLOR).shape[:2]
    blank = vs.core.std.BlankClip(format=vs.RGB24, width=width, height=height, length=len(files), keep=True)

    def fill(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        picture = _read(files[n], cv2.IMREAD_COLOR)
        if picture.shape[:2] != (height, width):
            raise FormatError(f"{files[n]} must be {width}x{height} as the first, got {picture.shape[1::-1]}")
        out = f.copy()
        for plane in range(3):
            np.asarray(out[plane])[:] = picture[..., 2 - plane]  # OpenCV reads blue first
        return out

    return blank.std.ModifyFrame(blank, fill)


def _marked(folder: Path, footage: Path, frames: int) -> vs.VideoNode:
    """A mask of picture files: whatever is not black. One picture stays for the whole clip.

    Beside a folder of pictures a frame's mask is the one with its name, or else the one whose number is nearest
    (YouTube-VOS marks every fifth frame); beside a video file masks count from its first frame.
    """
    files = pictures_of(folder)
    if not files:
        raise FormatError(f"mask must be a folder of pictures ({', '.join(PICTURE_SUFFIXES)}), got one without")
    if footage.is_dir() and len(files) > 1:
        files = _nearest(pictures_of(footage), files)
    height, width = _read(files[0], cv2.IMREAD_UNCHANGED).shape[:2]
    if len(files) not in (1, frames):
        raise FormatError(f"mask must be 1 or {frames} frames as its clip, got {len(files)}")

    def draw(n: int) -> NDArray[np.bool_]:
        picture = _read(files[n], cv2.IMREAD_UNCHANGED)
        return picture > 0 if picture.ndim == 2 else (picture[..., :3] > 0).any(axis=2)

    return _drawn(width, height, len(files), draw)


def _nearest(pictures: list[Path], masks: list[Path]) -> list[Path]:
    by_name = {mask.stem: mask for mask in masks}
    if not all(path.stem.isdigit() for path in (*pictures, *masks)):
        return [by_name[picture.stem] for picture in pictures if picture.stem in by_name]
    numbers = np.array([int(mask.stem) for mask in masks])
    return [by_name.get(picture.stem, masks[int(np.abs(numbers - int(picture.stem)).argmin())]) for picture in pictures]


def _drawn(width: int, height: int, frames: int, draw: Callable[[int], NDArray[np.bool_]]) -> vs.VideoNode:
    blank = vs.core.std.BlankClip(format=vs.GRAY8, width=width, height=height, length=frames, keep=True)

    def fill(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        out = f.copy()
        np.asarray(out[0])[:] = draw(n).astype(np.uint8) * 255
        return out

    return blank.std.ModifyFrame(blank, fill)


def _read(path: Path, flags: int) -> NDArray[np.uint8]:
    picture = cv2.imread(str(path), flags)
    if picture is None:
        raise FormatError(f"{path} must be a picture, got one that cannot be read")
    return picture.astype(np.uint8, copy=False)
