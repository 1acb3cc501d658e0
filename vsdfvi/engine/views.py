"""Pictures of how a frame was made, in the clip's own format. docs/views.md is the key to their colours."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from vsdfvi.engine.account import INVENTED, RECOVERED, REFERENCE, Repair
from vsdfvi.engine.footage import Footage
from vsdfvi.engine.propagation import HolePixels, hole_pixels
from vsdfvi.frames.pixels import LUMA_WEIGHTS, Colours, Frame, VideoFormat, to_samples

Array = NDArray[np.float32]
Ink = tuple[float, float, float, float]
"""Red, green and blue, 0 to 1; and the grey that stands for them in a GRAY clip, where hues are not to be had."""

OF_THE_HOLE_ALONE = ("mask", "flow")
"""Views that need no repair, so that a mask can be judged without waiting for one."""

DIMMED = 0.5
"""Share of its brightness that the picture keeps outside the hole, so that the colours inside stand out."""

TINT = 0.5
"""Opacity of a colour through which the picture is to be seen."""

FASTEST = 1 / 24
"""Share of the frame's height, in a frame's time, at which a flow's colour is fullest."""

_HOLE: Ink = (1.0, 0.10, 0.10, 1.0)
_INVENTED: Ink = (0.95, 0.0, 0.80, 1.0)
_TRACED: Ink = (0.15, 0.75, 0.25, 0.45)
_EARLIER: tuple[Ink, Ink] = (0.0, 0.20, 0.80, 0.10), (0.80, 0.93, 1.0, 0.40)  # near, far
_LATER: tuple[Ink, Ink] = (0.85, 0.30, 0.0, 0.55), (1.0, 0.92, 0.70, 0.85)
_OUTLINE: Ink = (0.0, 0.0, 0.0, 0.0)

# Ramps of hue and of lightness leave no room for two more flat colours that every eye tells apart, and those of a GRAY
# clip for none at all. So these two are textures, which nothing else is: told by shape and, on the axis from blue to
# yellow that most of the colour-blind see, by hue.
_REFERENCE: tuple[Ink, Ink] = (1.0, 0.90, 0.10, 1.0), _OUTLINE  # bars
_RECOVERED: tuple[Ink, Ink] = (0.20, 0.90, 1.0, 1.0), _OUTLINE  # squares
TEXTURE = 4  # pixels, the height of a bar and of a square: a sample of 4:1:0 chroma just fits

# Full colours of flow by direction, clockwise from the right as a share of a turn. The eye tells more steps between
# red and yellow than between green and cyan, and gets them. After Baker et al., "A database and evaluation methodology
# for optical flow", IJCV 2011.
_WHEEL_TURN = np.cumsum((0, 15, 6, 4, 11, 13, 6)) / 55
_WHEEL = ((1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 1, 1), (0, 0, 1), (1, 0, 1), (1, 0, 0))
_TOO_FAST = 0.75  # brightness of a flow beyond the fastest


def render(footage: Footage, n: int, view: str, repair: Repair | None) -> tuple[NDArray[np.generic], ...]:
    """The planes of a view of frame n, in the clip's format.

    Args:
        view: One of the setting's choices but ``result``.
        repair: How the hole was filled; None where nothing is missing, or for the views ``OF_THE_HOLE_ALONE``.

    Raises:
        FramesNeeded: A frame is not lent; ``flow`` looks at a neighbour.
    """
    picture = _Picture(footage.frame(n), footage.format)
    if view == "flow":
        _draw_flow(picture, footage, n)
    elif view == "mask":
        picture.dim()
        if not footage.hole(n).is_empty:
            picture.paint(hole_pixels(footage, n), _flat(_HOLE), TINT)
    elif view == "difference":
        _draw_difference(picture, repair)
    else:
        picture.dim(grey=view != "invented")
        if repair is not None:
            _DRAWN[view](picture, footage, repair)
    return picture.samples()


class _Picture:
    """A frame to draw on, as the numbers that its codes stand for."""

    def __init__(self, frame: Frame, video_format: VideoFormat) -> None:
        self.format = video_format
        self._colours = Colours(frame, video_format)
        self.is_chroma = self._colours.is_chroma
        self.planes = [self.numbers(plane, samples) for plane, samples in enumerate(frame.planes)]

    def numbers(self, plane: int, samples: NDArray[np.generic]) -> Array:
        """Samples of a plane as numbers. What is not a number becomes 0."""
        return self._colours.numbers(plane, samples)

    def samples(self) -> tuple[NDArray[np.generic], ...]:
        """The picture in the clip's format, inside its range."""
        return tuple(
            to_samples(self._colours.codes(plane, values), self.format) for plane, values in enumerate(self.planes)
        )

    def inked(self, ink: Array) -> tuple[Array, ...]:
        """Ink ``(4, ...)`` in the numbers of the planes."""
        return (ink[3],) if self.format.family == "GRAY" else self._colours.from_rgb(ink[:3])

    def dim(self, *, grey: bool = False) -> None:
        """Darken the whole picture; with ``grey`` take its colour too."""
        if grey and self.format.family == "RGB":
            luma = sum(np.float32(weight) * plane for weight, plane in zip(LUMA_WEIGHTS, self.planes, strict=True))
            self.planes = [np.asarray(luma, np.float32).copy() for _ in self.planes]
        for plane, values in enumerate(self.planes):
            values *= np.float32(0.0 if grey and self.is_chroma(plane) else DIMMED)

    def place(self, repair: Repair) -> None:
        """Put the fill in."""
        for plane, samples in enumerate(repair.samples):
            at = repair.pixels.row[plane], repair.pixels.column[plane]
            self.planes[plane][at] = self.numbers(plane, samples)

    def paint(self, pixels: HolePixels, ink: Array, opacity: float) -> None:
        """Lay ink ``(4, pixels)``, or ``(4, 1)`` for all, over hole pixels. Chroma takes the mean of its block."""
        for plane, colour in enumerate(self.inked(ink)):
            cover = pixels.cover[plane]
            of_pixels = np.broadcast_to(colour, (pixels.count,))
            covered = cover >= 0
            total = np.where(covered, of_pixels[cover], 0).sum(axis=1, dtype=np.float32)
            share = np.float32(opacity) * covered.mean(axis=1, dtype=np.float32)
            at = pixels.row[plane], pixels.column[plane]
            mean = total / covered.sum(axis=1)
            self.planes[plane][at] += share * (mean - self.planes[plane][at])

    def paint_box(self, x: int, y: int, ink: Array) -> None:
        """Lay ink ``(4, height, width)`` on a box of whole blocks."""
        for plane, colour in enumerate(self.inked(ink)):
            right, down = self.format.subsampling(plane)
            height, width = colour.shape
            blocks = colour.reshape(height >> down, 1 << down, width >> right, 1 << right)
            at = np.s_[y >> down : (y + height) >> down, x >> right : (x + width) >> right]
            self.planes[plane][at] = blocks.mean(axis=(1, 3))


def _flat(ink: Ink) -> Array:
    return np.array(ink, np.float32)[:, None]


def _draw_difference(picture: _Picture, repair: Repair | None) -> None:
    """Mid-grey, and on it what every sample was changed by.

    As its root, since changes are grain or an object: one step of 8 bits shows as eight, and the largest that there
    can be just reaches white or black.
    """
    for plane, values in enumerate(picture.planes):
        middle = np.float32(0.0 if picture.is_chroma(plane) else 0.5)
        if repair is None:
            values[:] = middle
            continue
        at = repair.pixels.row[plane], repair.pixels.column[plane]
        change = picture.numbers(plane, repair.samples[plane]) - values[at]
        values[:] = middle
        values[at] += np.copysign(np.sqrt(np.abs(change)), change) / 2


def _draw_invented(picture: _Picture, footage: Footage, repair: Repair) -> None:
    """The result, tinted by whether it was seen."""
    picture.place(repair)
    picture.paint(repair.pixels, textured(origin_ink(repair.origin), repair), TINT)


def origin_ink(origin: NDArray[np.uint8]) -> Array:
    """Ink ``(4, pixels)`` of what was invented, and of what was seen."""
    return np.where(origin == INVENTED, _flat(_INVENTED), _flat(_TRACED))


def _draw_source(picture: _Picture, footage: Footage, repair: Repair) -> None:
    settings = footage.settings
    reach = settings.window if settings.propagation == "paper" else settings.radius
    picture.paint(repair.pixels, textured(source_ink(repair.distance, reach), repair), 1.0)


def textured(ink: Array, repair: Repair) -> Array:
    """Ink ``(4, pixels)``, with textures where a pixel is from a reference or was recovered."""
    return textured_at(ink, repair.origin, repair.pixels.x, repair.pixels.y)


def textured_at(ink: Array, origin: NDArray[np.uint8], x: NDArray[np.integer], y: NDArray[np.integer]) -> Array:
    """The same of pixels at columns x and rows y."""
    row, column = y // TEXTURE, x // TEXTURE
    for each, (light, dark), place in (
        (REFERENCE, _REFERENCE, row),
        (RECOVERED, _RECOVERED, row + column),
    ):
        texture = np.where(place % 2 == 0, _flat(light), _flat(dark))
        ink = np.where(origin == each, texture, ink)
    return ink


def source_ink(distance: NDArray[np.int32], reach: int) -> Array:
    """Ink ``(4, pixels)`` of sources: side by hue, distance in frames by lightness, in equal ratios up to ``reach``."""
    away = np.maximum(np.abs(distance), 1).astype(np.float32)
    far = np.minimum(np.log(away) / np.float32(np.log(max(2, reach))), np.float32(1))
    ramps = [_flat(near) + far * (_flat(end) - _flat(near)) for near, end in (_EARLIER, _LATER)]
    return np.where(distance == 0, _flat(_INVENTED), np.where(distance < 0, ramps[0], ramps[1]))


def _draw_confidence(picture: _Picture, footage: Footage, repair: Repair) -> None:
    picture.paint(repair.pixels, textured(confidence_ink(repair.confidence), repair), 1.0)


def confidence_ink(confidence: Array) -> Array:
    """Ink ``(4, pixels)``: black, red, yellow, white, in equal steps from 0 to 1."""
    red, green, blue = (np.clip(3 * confidence - third, 0, 1) for third in range(3))
    return np.stack([red, green, blue, confidence])


_DRAWN: dict[str, Callable[[_Picture, Footage, Repair], None]] = {
    "source": _draw_source,
    "confidence": _draw_confidence,
    "invented": _draw_invented,
}


def _draw_flow(picture: _Picture, footage: Footage, n: int) -> None:
    """Completed flow to the next frame on the boxes that have one, the hole outlined.

    The last frame of a scene has none to the next: it shows the way from the frame before, which is the flow back,
    turned round.
    """
    picture.dim(grey=True)
    if n + 1 < footage.frames and not footage.cut(n):
        pair, first, sign = n, 0, 1.0
    elif n > 0 and not footage.cut(n - 1):
        pair, first, sign = n - 1, 2, -1.0
    else:
        return
    if not footage.boxes(pair):
        return
    packed, scale = footage.flow(pair).on_host(footage.device), footage.flow_scale
    fastest = sign * FASTEST * footage.size[0]
    for number, (column, row, *_) in enumerate(packed.boxes.tolist()):
        x, y = column * scale, row * scale
        flow = _finer(packed.planes(number)[first : first + 2], scale)
        flow = flow[:, : footage.size[0] - y, : footage.size[1] - x]
        ink = flow_ink(flow / np.float32(fastest))
        hole = footage.hole(n).crop(x, y, flow.shape[2], flow.shape[1])
        inner = cv2.erode(hole, cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3)))
        ink[:, hole > inner] = _flat(_OUTLINE)
        picture.paint_box(x, y, ink)


def _finer(flow: Array, scale: int) -> Array:
    """Flow on a coarser grid at every pixel, bilinear."""
    if scale == 1:
        return flow
    size = flow.shape[2] * scale, flow.shape[1] * scale
    return np.stack([cv2.resize(part, size, interpolation=cv2.INTER_LINEAR) for part in flow])


def flow_ink(flow: Array) -> Array:
    """Ink ``(4, ...)`` of flow ``(2, ...)``, where a length of 1 is the fastest: direction by hue, speed by fullness.

    Fullness goes with the root of speed: most motion is slow, and a tenth of the fastest must be told from standing.
    """
    speed = np.hypot(flow[0], flow[1])
    turn = np.arctan2(flow[1], flow[0]) / np.float32(2 * np.pi) % 1
    full = np.stack([np.interp(turn, _WHEEL_TURN, channel) for channel in zip(*_WHEEL, strict=True)]).astype(np.float32)
    fullness = np.sqrt(np.minimum(speed, 1))
    colour = np.where(speed <= 1, 1 - fullness * (1 - full), _TOO_FAST * full)
    grey = np.where(speed <= 1, 1 - np.float32(0.8) * fullness, 0.1)
    return np.concatenate([colour, grey[None]]).astype(np.float32)
