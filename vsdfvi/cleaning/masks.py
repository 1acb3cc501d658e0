"""Masks from files, and masks made from arguments: a rectangle, a band of the picture, the letters in a band."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import vapoursynth as vs

from vsdfvi.cleaning.opening import open_film
from vsdfvi.errors import FormatError, SettingError

MADE = ("rectangle", "band", "letters")
"""How the masks begin that are made from arguments."""

LETTERS_LEVEL = 200
"""Code of 8 bits from which luma counts as a letter's: white subtitles reach 235, and pictures seldom 200."""

LETTERS_GROWN = 5
"""Pixels by which letters grow: over their soft edge and an outline."""

_LENGTH = re.compile(r"(-?\d+(?:\.\d+)?)(%?)")
_WHERE = ("top", "bottom")


@dataclass(frozen=True, slots=True)
class Rectangle:
    """Columns x0 to x1 and rows y0 to y1, the last not included."""

    x0: int
    y0: int
    x1: int
    y1: int


def is_made(spec: str) -> bool:
    """Whether a mask is made from arguments rather than read from a file."""
    return spec.partition(":")[0] in MADE and ":" in spec and not Path(spec).exists()


def open_mask(
    specs: tuple[str, ...], clip: vs.VideoNode, index: Path | None = None, *, any_length: bool = False
) -> vs.VideoNode:
    """The hole of a clip as GRAY8 of 0 and 255: as long as the clip, or one frame for all of it.

    Args:
        specs: Each a film (a picture, a video file, a sequence), of which what is brighter than half is hole; or
            ``rectangle:X,Y,WIDTH,HEIGHT``, ``band:top,HEIGHT``, ``band:bottom,HEIGHT``, ``letters:bottom,HEIGHT`` or
            ``letters:bottom,HEIGHT,LEVEL``. Lengths are pixels, or shares of the picture (``18%``); X and Y below 0
            count from the right and the bottom. Several are joined.
        index: As ``open_film`` takes it.
        any_length: The clip's length is not known, and so a film may be as long as it likes.

    Raises:
        SettingError: A made mask is not written as above, or lies outside the picture.
        FormatError: A film cannot be read, or does not fit the clip.
    """
    if not specs:
        raise SettingError("mask", "a film, or one that is made: rectangle, band or letters", "nothing")
    nodes = [_open_one(spec, clip, index, number, any_length) for number, spec in enumerate(specs)]
    long = max(len(node) for node in nodes)
    joined = nodes[0]
    for node in nodes[1:]:
        # Only a still one is made longer: two films of other lengths than each other meet at the shorter.
        pair = [each * long if len(each) == 1 else each for each in (joined, node)]
        joined = vs.core.std.Expr(pair, "x y max")
    return joined


def _open_one(spec: str, clip: vs.VideoNode, index: Path | None, number: int, any_length: bool) -> vs.VideoNode:
    if is_made(spec):
        return _made(spec, clip)
    beside = None if index is None else index.with_name(f"{index.name}{number}")
    mask = open_film(spec, beside, name="mask").clip
    if (mask.width, mask.height) != (clip.width, clip.height):
        raise FormatError(
            f"mask must be {clip.width}x{clip.height} as the source, got {mask.width}x{mask.height}: {spec}"
        )
    if len(mask) not in (1, len(clip)) and not any_length:
        raise FormatError(f"mask must be 1 frame or {len(clip)} as the source, got {len(mask)}: {spec}")
    return binary(mask)


def binary(mask: vs.VideoNode) -> vs.VideoNode:
    """A mask as GRAY8 of 0 and 255: what is brighter than half of the peak, in luma or in any colour, is hole.

    So black and white of limited range are told apart as well, and what compression does to a mask is no hole.
    """
    if mask.format.color_family == vs.RGB:
        luma = vs.core.std.Expr(mask.std.SplitPlanes(), "x y max z max")
    else:
        luma = mask.std.ShufflePlanes(0, vs.GRAY)
    peak = 1.0 if mask.format.sample_type == vs.FLOAT else (1 << mask.format.bits_per_sample) - 1
    hole: vs.VideoNode = luma.std.Binarize(peak / 2).std.SetFrameProps(_Range=1)
    return hole if hole.format.id == vs.GRAY8 else hole.resize.Point(format=vs.GRAY8)


def _made(spec: str, clip: vs.VideoNode) -> vs.VideoNode:
    kind, _, text = spec.partition(":")
    words = [word.strip() for word in text.split(",")]
    if kind == "rectangle":
        return _still(_rectangle(spec, words, clip.width, clip.height), clip)
    if len(words) not in ((2, 3) if kind == "letters" else (2,)) or words[0] not in _WHERE:
        raise SettingError("mask", _rule(kind), spec)
    height = _length(words[1], clip.height, spec, kind)
    if not 0 < height <= clip.height:
        raise SettingError("mask", f"a {kind} within the {clip.height} rows of the picture", spec)
    band = Rectangle(0, 0 if words[0] == "top" else clip.height - height, clip.width, 0)
    band = Rectangle(band.x0, band.y0, band.x1, band.y0 + height)
    if kind == "band":
        return _still(band, clip)
    level = words[2] if len(words) == 3 else str(LETTERS_LEVEL)
    if not level.isdigit() or not 1 <= int(level) <= 255:
        raise SettingError("mask", "letters of a level between 1 and 255", spec)
    return _letters(clip, band, int(level))


def _rule(kind: str) -> str:
    return {
        "rectangle": "rectangle:X,Y,WIDTH,HEIGHT in pixels, or shares such as 18%",
        "band": "band:top,HEIGHT or band:bottom,HEIGHT in pixels, or a share such as 18%",
        "letters": "letters:top,HEIGHT or letters:bottom,HEIGHT, and after them the level from which a pixel is one's",
    }[kind]


def _length(word: str, whole: int, spec: str, kind: str) -> int:
    match = _LENGTH.fullmatch(word)
    if match is None or (not match[2] and "." in match[1]):
        raise SettingError("mask", _rule(kind), spec)
    return round(float(match[1]) * whole / 100) if match[2] else int(match[1])


def _rectangle(spec: str, words: list[str], width: int, height: int) -> Rectangle:
    if len(words) != 4:
        raise SettingError("mask", _rule("rectangle"), spec)
    x, y, right, down = (
        _length(word, whole, spec, "rectangle") for word, whole in zip(words, (width, height) * 2, strict=True)
    )
    x, y = x + width if x < 0 else x, y + height if y < 0 else y
    if not (right > 0 and down > 0 and x >= 0 and x + right <= width and y >= 0 and y + down <= height):
        raise SettingError("mask", f"a rectangle within the {width}x{height} pixels of the picture", spec)
    return Rectangle(x, y, x + right, y + down)


def _still(hole: Rectangle, clip: vs.VideoNode) -> vs.VideoNode:
    """One frame with a rectangle."""
    blank = vs.core.std.BlankClip(format=vs.GRAY8, width=clip.width, height=clip.height, length=1, keep=True)

    def draw(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        out = f.copy()
        np.asarray(out[0])[hole.y0 : hole.y1, hole.x0 : hole.x1] = 255
        return out

    drawn: vs.VideoNode = blank.std.ModifyFrame(blank, draw)
    return drawn


def _letters(clip: vs.VideoNode, band: Rectangle, level: int) -> vs.VideoNode:
    """What is bright in a band of each frame, grown."""
    if clip.format.color_family == vs.RGB:
        luma = vs.core.std.Expr(clip.std.SplitPlanes(), "x y min z min")  # white has all three
    else:
        luma = clip.std.ShufflePlanes(0, vs.GRAY)
    peak = 1.0 if clip.format.sample_type == vs.FLOAT else (1 << clip.format.bits_per_sample) - 1
    mask = luma.std.Crop(top=band.y0, bottom=clip.height - band.y1).std.Binarize(level * peak / 255)
    for _ in range(LETTERS_GROWN):
        mask = mask.std.Maximum()
    mask = mask.std.AddBorders(top=band.y0, bottom=clip.height - band.y1).std.SetFrameProps(_Range=1)
    made: vs.VideoNode = mask if mask.format.id == vs.GRAY8 else mask.resize.Point(format=vs.GRAY8)
    return made
