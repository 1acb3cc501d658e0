"""One picture of everything: a row for each clip and mask, a column for each method, cut out around the hole."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]

TILE = 180, 240  # (height, width) in pixels
_MARGIN = 0.2  # of the hole's sides, around it
_SMALLEST = 48  # pixels that a cut-out is wide at least
_CAPTION = 18  # pixels of a line of text
_BACKGROUND, _INK = 32, 230


def cut_out(picture: Picture, hole: NDArray[np.bool_]) -> Picture:
    """The surroundings of the hole at the size of a tile."""
    rows, columns = np.flatnonzero(hole.any(axis=1)), np.flatnonzero(hole.any(axis=0))
    frame_height, frame_width = hole.shape
    height = max(_SMALLEST, (1 + 2 * _MARGIN) * (rows[-1] - rows[0] + 1))
    width = max(_SMALLEST, (1 + 2 * _MARGIN) * (columns[-1] - columns[0] + 1))
    scale = max(height / TILE[0], width / TILE[1])
    height, width = (min(side, round(scale * tile)) for side, tile in zip(hole.shape, TILE, strict=True))
    top = int(np.clip((rows[0] + rows[-1] + 1 - height) // 2, 0, frame_height - height))
    left = int(np.clip((columns[0] + columns[-1] + 1 - width) // 2, 0, frame_width - width))
    part = picture[top : top + height, left : left + width]
    fit = min(TILE[0] / height, TILE[1] / width)
    size = max(1, round(width * fit)), max(1, round(height * fit))
    # Enlarged without smoothing: a pixel shows as what it is.
    small = cv2.resize(part, size, interpolation=cv2.INTER_AREA if fit < 1 else cv2.INTER_NEAREST)
    tile = np.full((*TILE, 3), _BACKGROUND, np.uint8)
    y, x = (TILE[0] - size[1]) // 2, (TILE[1] - size[0]) // 2
    tile[y : y + size[1], x : x + size[0]] = small
    return tile


def write_tile(path: Path, tile: Picture) -> None:
    """Keep a tile: a resumed run needs it again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), tile[..., ::-1])


def write_sheet(path: Path, columns: Sequence[str], rows: Mapping[str, Sequence[Path]]) -> None:
    """Put kept tiles together; one that is missing leaves its place empty.

    Args:
        columns: Captions of the columns.
        rows: By caption: the files of a row's tiles, one for each column.
    """
    height, width = TILE
    sheet = np.full((_CAPTION + len(rows) * (height + _CAPTION), len(columns) * (width + 2), 3), _BACKGROUND, np.uint8)
    for column, caption in enumerate(columns):
        _write(sheet, caption, column * (width + 2), 0)
    for row, (caption, files) in enumerate(rows.items()):
        y = _CAPTION + row * (height + _CAPTION)
        _write(sheet, caption, 0, y)
        for column, file in enumerate(files):
            tile = cv2.imread(str(file), cv2.IMREAD_COLOR) if file.is_file() else None
            if tile is not None:
                x = column * (width + 2)
                sheet[y + _CAPTION : y + _CAPTION + height, x : x + width] = tile
    cv2.imwrite(str(path), sheet)


def _write(sheet: Picture, text: str, x: int, y: int) -> None:
    place = x + 4, y + _CAPTION - 5
    cv2.putText(sheet, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.45, (_INK, _INK, _INK), 1, cv2.LINE_AA)
