"""What is beneath a half-transparent mark that stands still: recovered from what shows through, not replaced.

    observed = (1 - alpha) * picture + alpha * colour        picture = (observed - alpha * colour) / (1 - alpha)

Opacity and colour are estimated once, from a survey of the whole clip, on boxes around the hole. So they are a function
of clip and mask, and frame n of itself and of them. What cannot be recovered with certainty stays hole.
"""

import logging
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from vsdfvi.engine.footage import Footage
from vsdfvi.engine.mark_layer import Layer, layers_of
from vsdfvi.engine.mark_opacity import first_opacity
from vsdfvi.engine.mark_shape import Fit, fitted
from vsdfvi.engine.propagation import HolePixels, hole_pixels
from vsdfvi.frames.masks import Box, hole_of, regions
from vsdfvi.frames.pixels import VideoFormat
from vsdfvi.kernels import Plane

_LOG = logging.getLogger(__name__)

Array = NDArray[np.float32]
Flags = NDArray[np.bool_]

FEWEST = 6
"""Frames of a survey from which a mark is estimated: fewer do not tell what moves from what stands."""

STILL = 0.9
"""Share of the survey whose masks must be the same."""

MOST_OPAQUE = 0.85
"""Opacity from which nothing is recovered: noise and errors beneath are seven times what they are in the clip."""

ROUGHEST = 5.0
"""Steps of the recovered picture, in those of the picture around, from which the mark was not found there."""

_MARGIN = 24  # pixels around the hole that the picture is known on
_WAYS = 3  # in which a plane changes most
_FAINT = 0.2  # codes, root mean square: changes below are rounding
_CODES = 255.0
_BEYOND = 4.0  # codes beyond black or white that an error of a mark that is right may reach


@dataclass(frozen=True, slots=True)
class MarkPlane:
    """A mark on a box of one plane.

    Attributes:
        x, y: Of the box, in samples.
        opacity: float32 ``(height, width)``, 0 to 1.
        light: opacity * colour, in the clip's codes.
        certainty: 0 to 1; 0 where nothing is recovered.
    """

    x: int
    y: int
    opacity: Array
    light: Array
    certainty: Array


@dataclass(frozen=True, slots=True)
class Mark:
    """What stands over a clip, on boxes around its hole.

    Attributes:
        planes: For each plane, the boxes.
        sentence: What is to be said of it.
    """

    planes: tuple[tuple[MarkPlane, ...], ...]
    sentence: str

    @property
    def nbytes(self) -> int:
        return 64 + sum(12 * part.opacity.size for parts in self.planes for part in parts)


@dataclass(frozen=True, slots=True)
class Recovered:
    """What is recovered of one frame's hole.

    Attributes:
        pixels: The hole, on the host.
        values: For each plane, float32 ``(samples)`` in codes; of no meaning where not recovered.
        samples: For each plane, bool ``(samples)``: those that are.
        recovered: bool ``(pixels)``: those of whose samples all are.
        certainty: float32 ``(pixels)``, 0 to 1; 0 where not recovered.
    """

    pixels: HolePixels
    values: tuple[Array, ...]
    samples: tuple[Flags, ...]
    recovered: Flags
    certainty: Array


@dataclass(slots=True)
class Unmixing:
    """Recovers the frames of one clip, and says once what it found.

    Args:
        footage: The clip.
    """

    footage: Footage
    _said: bool = field(default=False, init=False)

    def recover(self, n: int) -> Recovered | None:
        """What is recovered of frame n's hole; None where nothing is.

        Raises:
            FramesNeeded, SurveyNeeded: Frames are not lent.
        """
        mark = self.footage.remember("mark", lambda: mark_of(self.footage))
        if not self._said:
            self._said = True
            _LOG.info("unmix: %s", mark.sentence)
        return recovered_frame(self.footage, n, mark) if any(mark.planes) else None


def recovered_frame(footage: Footage, n: int, mark: Mark) -> Recovered | None:
    """Frame n without a mark, where it is hole; None where nothing is recovered."""
    pixels, form = hole_pixels(footage, n), footage.format
    values, samples, certainties = [], [], []
    for plane, parts in enumerate(mark.planes):
        column, row = pixels.column[plane], pixels.row[plane]
        value, sure = np.zeros(column.size, np.float32), np.zeros(column.size, np.float32)
        observed = footage.frame(n).planes[plane][row, column].astype(np.float32)
        if form.is_float:
            observed = np.nan_to_num(observed, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
        for part in parts:
            height, width = part.opacity.shape
            at = (column >= part.x) & (column < part.x + width) & (row >= part.y) & (row < part.y + height)
            where = row[at] - part.y, column[at] - part.x
            sure[at] = part.certainty[where]
            value[at] = (observed[at] - part.light[where]) / (1 - part.opacity[where])
        values.append(value)
        samples.append(sure > 0)
        certainties.append(sure)
    certainty = certainties[0].copy()
    for sure, column, row, (right, down) in zip(
        certainties[1:],
        pixels.column[1:],
        pixels.row[1:],
        (form.subsampling(k) for k in range(1, form.planes)),
        strict=True,
    ):
        picture = np.zeros((int(row.max()) + 1, int(column.max()) + 1), np.float32)
        picture[row, column] = sure
        certainty = np.minimum(certainty, picture[pixels.y >> down, pixels.x >> right])
    if not any(flags.any() for flags in samples):
        return None
    return Recovered(pixels, tuple(values), tuple(samples), certainty > 0, certainty)


def mark_of(footage: Footage) -> Mark:
    """The mark that stands over the clip, as a survey of it shows.

    Raises:
        SurveyNeeded: The survey is not lent.
    """
    form = footage.format
    nothing = ((),) * form.planes
    clip, _ = footage.survey()
    frames = sorted(clip)
    hole = standing_hole(footage)
    if len(frames) < FEWEST:
        return Mark(nothing, f"nothing is recovered: the clip must have {FEWEST} frames or more, it has {len(frames)}")
    if hole is None:
        return Mark(nothing, "nothing is recovered: the mask moves, and only a mark that stands still can be unmixed")
    planes: list[list[MarkPlane]] = [[] for _ in range(form.planes)]
    found, opaque = [], False
    for box in regions([hole], _MARGIN, footage.size):
        x0, y0, x1, y1 = box
        inside = hole.crop(x0, y0, x1 - x0, y1 - y0) > 0
        if inside.all():
            continue
        pictures = [_pictures(footage, frames, plane, box) for plane in range(form.planes)]
        fit, mean = fit_of(pictures, inside, form)
        if fit is None:
            continue
        if fit.opacity > MOST_OPAQUE:
            opaque = True
            continue
        certainty = _certainty(mean, fit, inside)
        if not certainty.any():
            continue
        found.append(fit.opacity)
        for plane, part in enumerate(_parts(fit, certainty, inside, box, form)):
            planes[plane].append(part)
    if not found:
        why = "what stands there is opaque" if opaque else "no half-transparent mark is found"
        return Mark(nothing, f"nothing is recovered: {why}")
    said = ", ".join(f"{opacity:.2f}" for opacity in found)
    return Mark(tuple(map(tuple, planes)), f"a half-transparent mark is found, of opacity {said}")


def standing_hole(footage: Footage) -> Plane | None:
    """The hole that nearly all masks of a survey have; None where it moves or there is none."""
    clip, masks = footage.survey()
    made = {key: hole_of(frame.planes[0], footage.settings.dilate) for key, frame in masks.items()}
    holes = [made[n] if n in made else made[0] for n in sorted(clip)]  # a still mask is its one frame
    sizes = [hole for hole in holes if not hole.is_empty]
    if not sizes:
        return None
    for hole in sizes[: len(holes) - int(np.ceil(STILL * len(holes))) + 1]:
        alike = sum(
            (other.x, other.y) == (hole.x, hole.y) and np.array_equal(other.samples, hole.samples) for other in holes
        )
        if alike >= STILL * len(holes):
            return hole
    return None


def _pictures(footage: Footage, frames: list[int], plane: int, box: Box) -> Array:
    """A box of a plane of the survey ``(frames, height, width)``, in codes of 8 bits."""
    # From the survey's own frames: the footage's are those around the frame that is being made.
    clip, _ = footage.survey()
    right, down = footage.format.subsampling(plane)
    x0, y0, x1, y1 = box
    at = np.s_[y0 >> down : y1 >> down, x0 >> right : x1 >> right]
    codes = np.stack([clip[n].planes[plane][at].astype(np.float32) for n in frames])
    if footage.format.is_float:
        codes = np.nan_to_num(codes, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    codes *= np.float32(_CODES / footage.format.peak)
    if footage.format.is_float and footage.format.family == "YUV" and plane:
        codes += np.float32(_CODES / 2)
    return codes


def fit_of(pictures: list[Array], hole: Flags, form: VideoFormat) -> tuple[Fit | None, Layer]:
    """The mark in a box, None where a picture without one is as likely; and the mean of plane 0."""
    layers, means = [], []
    for plane, picture in enumerate(pictures):
        right, down = form.subsampling(plane)
        mean, changes = _ways(picture, _WAYS if (right, down) == (0, 0) and plane == 0 else 1)
        block = 1 << down, 1 << right
        means.append(mean)
        layers += layers_of(mean, changes, plane, block, hole)
    first = pictures[0] if form.family != "RGB" else np.mean(pictures, axis=0, dtype=np.float32)
    opacity, level = first_opacity(first, hole)
    middle = Layer(means[0], 0, (1, 1), hole)
    if level is None:
        return None, middle
    colours = (level.colour,) + (128.0,) * (form.planes - 1) if form.family != "RGB" else (level.colour,) * 3
    fit = fitted(layers, hole, opacity, colours, level.known)
    clear = np.zeros_like(opacity)
    without = sum(layer.roughness(clear, 0.0) for layer in layers)
    return (fit if fit is not None and fit.cost < without else None), middle


def _ways(pictures: Array, count: int) -> tuple[Array, list[Array]]:
    """The mean of a survey, and the pictures of the ways it changes most, as large as they change.

    They are sums of frames, so a mark is in them as it is in a frame; its colour is in the mean alone.
    """
    frames = pictures.shape[0]
    mean = pictures.mean(axis=0, dtype=np.float64).astype(np.float32)
    change = (pictures - mean).reshape(frames, -1)
    # Not by a product of matrices, whose last bits depend on the number of threads.
    power = np.array([[float((a * b).mean(dtype=np.float64)) for b in change] for a in change])
    _, ways = np.linalg.eigh(power)
    found = []
    for way in ways.T[::-1][: min(count, frames - 1)]:
        signed = way * np.copysign(1.0, way[np.argmax(np.abs(way))])
        picture = sum((np.float32(w) * part for w, part in zip(signed, change, strict=True)), np.zeros_like(change[0]))
        picture = (picture / np.float32(np.sqrt(frames))).reshape(mean.shape)
        if float(np.abs(picture).mean(dtype=np.float64)) > _FAINT:
            found.append(picture)
    return mean, found


def _certainty(mean: Layer, fit: Fit, hole: Flags) -> Array:
    """How certain the recovered picture is at each pixel of a box, 0 to 1; 0 where it is not recovered.

    Where its steps are those of the picture around, the mark has gone; where they are larger, something of it is left.
    Where it is darker than black or lighter than white, the mark is another than was found.
    """
    opacity = np.float32(fit.opacity) * fit.shape
    beneath = mean.beneath(opacity, fit.colours[0])
    total = np.zeros_like(beneath)
    for axis in (0, 1):
        step = np.abs(np.diff(beneath, axis=axis))
        before, after = ((0, 1), (1, 0))
        widths = [(0, 0), (0, 0)]
        for widths[axis] in (before, after):
            total += np.pad(step, widths)
    rough = cv2.GaussianBlur(total / (np.float32(4) * mean.scale), (0, 0), 3.0)
    certainty = 1 / np.maximum(rough, 1) * (1 - opacity)
    middle = cv2.GaussianBlur(beneath, (0, 0), 2.0)
    possible = cv2.erode(
        ((middle > -_BEYOND) & (middle < _CODES + _BEYOND)).astype(np.uint8), np.ones((9, 9), np.uint8)
    )
    certain = hole & (rough < ROUGHEST) & (opacity < MOST_OPAQUE) & (possible > 0)
    return np.where(certain, np.clip(certainty, 0.01, 1), 0).astype(np.float32)


def _parts(fit: Fit, certainty: Array, hole: Flags, box: Box, form: VideoFormat) -> list[MarkPlane]:
    """A fitted mark on each plane, in the clip's codes."""
    parts, opacity = [], np.float32(fit.opacity) * fit.shape
    for plane in range(form.planes):
        right, down = form.subsampling(plane)
        height, width = hole.shape
        shape = height >> down, 1 << down, width >> right, 1 << right
        covered = opacity.reshape(shape).mean(axis=(1, 3), dtype=np.float32)
        # A sample is as certain as the least certain pixel of the hole that it covers.
        sure = np.where(hole, certainty, np.float32(1)).reshape(shape).min(axis=(1, 3))
        colour = fit.colours[plane] / _CODES
        if form.is_float and form.family == "YUV" and plane:
            colour -= 0.5
        light = covered * np.float32(colour * form.peak)
        parts.append(MarkPlane(box[0] >> right, box[1] >> down, covered, light, sure.astype(np.float32)))
    return parts
