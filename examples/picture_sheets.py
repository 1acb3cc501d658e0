"""Pictures beside each other, with plain labels, and the key to the colours of the views."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from vsdfvi.engine import account, views
from vsdfvi.engine.propagation import HolePixels

Sheet = Image.Image
Picture = NDArray[np.uint8]

BACKGROUND, INK = "#14161a", "#d8dce2"
GAP, LINE = 4, 20  # pixels between tiles, and the height of a line of text
SWATCH, SWATCH_WIDTH = 14, 80  # pixels, height and width of a colour in the key
KEY_COLUMN = 400  # pixels, width of a column of the key


def beside(title: str, tiles: Mapping[str, Picture], zoom: int, columns: int) -> Sheet:
    """Pictures of one size under their captions, in rows. Enlarged without smoothing: a pixel shows as what it is."""
    height, width = (zoom * side for side in next(iter(tiles.values())).shape[:2])
    rows = -(-len(tiles) // columns)
    sheet = Image.new("RGB", (columns * (width + GAP) + GAP, LINE + rows * (height + LINE + GAP)), BACKGROUND)
    _write(sheet, GAP, 0, f"{title}; {zoom} x" if zoom > 1 else title)
    for number, (caption, tile) in enumerate(tiles.items()):
        x, y = GAP + number % columns * (width + GAP), LINE + number // columns * (height + LINE + GAP)
        _write(sheet, x, y, caption)
        sheet.paste(Image.fromarray(tile.repeat(zoom, axis=0).repeat(zoom, axis=1)), (x, y + LINE))
    return sheet


def with_key(sheet: Sheet) -> Sheet:
    """The sheet, and below it what its colours mean, drawn by what draws the views."""
    ramp = np.linspace(0, 1, SWATCH_WIDTH, dtype=np.float32)
    steps = np.rint(24**ramp).astype(np.int32)
    entries = [
        ("mask", "the hole", _flat(views._HOLE)),
        ("difference", "nothing changed", np.full((SWATCH, SWATCH_WIDTH, 3), 128, np.uint8)),
    ]
    entries += [
        ("source", "seen earlier, near to far in time", _painted(views.source_ink(-steps, 24))),
        ("source", "seen later, near to far in time", _painted(views.source_ink(steps, 24))),
        ("confidence", "0 to 1", _painted(views.confidence_ink(ramp))),
        ("invented", "seen in another frame", _flat(views._TRACED)),
        ("source, invented", "no frame shows it", _flat(views._INVENTED)),
        ("in these three", "from a reference", _textured(account.REFERENCE)),
        ("in these three", "recovered from under a mark", _textured(account.RECOVERED)),
    ]
    rows = -(-(len(entries) + 1) // 2)
    out = Image.new("RGB", (sheet.width, sheet.height + LINE * (rows + 4)), BACKGROUND)
    out.paste(sheet)
    for number, (view, meaning, swatch) in enumerate(entries):
        x, y = GAP + number // rows * KEY_COLUMN, sheet.height + GAP + number % rows * LINE
        out.paste(Image.fromarray(swatch), (x, y + 3))
        _write(out, x + swatch.shape[1] + 8, y, f"{view}: {meaning}")
    wheel = _wheel(LINE * 4)
    x, y = GAP + KEY_COLUMN, sheet.height + GAP + (rows - 1) * LINE
    out.paste(Image.fromarray(wheel), (x, y))
    _write(out, x + wheel.shape[1] + 8, y + LINE, "flow: where to, by colour; how fast, by fullness")
    return out


def _wheel(side: int) -> Picture:
    """Flow of every direction, from standing in the middle to the fastest at the rim."""
    at = (np.arange(side, dtype=np.float32) + 0.5) / np.float32(side / 2) - 1
    flow = np.stack(np.broadcast_arrays(at[None, :], at[:, None]))
    disc = _rgb(np.where(np.hypot(*flow) <= 1, views.flow_ink(flow), np.float32(0.08)))
    return np.ascontiguousarray(disc)


def _rgb(ink: NDArray[np.float32]) -> Picture:
    return np.rint(255 * np.moveaxis(ink[:3], 0, -1).clip(0, 1)).astype(np.uint8)


def _painted(ink: NDArray[np.float32]) -> Picture:
    """A strip of ink ``(4, width)``."""
    return np.repeat(_rgb(ink)[None], SWATCH, axis=0)


def _flat(ink: tuple[float, ...]) -> Picture:
    return _painted(np.repeat(np.array(ink, np.float32)[:, None], SWATCH_WIDTH, axis=1))


def _textured(origin: int) -> Picture:
    """What the views draw where pixels are of an origin."""
    y, x = (each.astype(np.int32).ravel() for each in np.mgrid[:SWATCH, :SWATCH_WIDTH])
    pixels = HolePixels(x, y, (), (), ())
    nothing = np.zeros(x.size, np.float32)
    repair = account.Repair(pixels, (), nothing.astype(np.int32), nothing, np.full(x.size, origin, np.uint8))
    ink = views.textured(np.zeros((4, x.size), np.float32), repair)
    return _rgb(ink.reshape(4, SWATCH, SWATCH_WIDTH))


def _write(sheet: Sheet, x: int, y: int, text: str) -> None:
    ImageDraw.Draw(sheet).text((x, y + LINE / 2), text, INK, ImageFont.load_default(13), anchor="lm")
