"""The pictures of the documentation: every kind of defect before and after, light, seam and grain, the views, a report.

python examples/pictures.py                      writes docs/images/{dirt,scratch,...,grain,views,report}.png
python examples/pictures.py --only dirt,views    some of them
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import picture_sheets
import report_picture
import vapoursynth as vs
from numpy.typing import NDArray
from picture_cases import CASES, Case, Given

from vsdfvi.settings import CHOICES

FOLDER = Path(__file__).parents[1] / "docs/images"

# To see that all runs: short walks on smooth flow, in the part of the frame that is shown.
QUICK = {"radius": 2, "keyframe_interval": 4, "completion": "laplace", "synthesis": "diffusion"}
QUICK_FRAMES, QUICK_MARGIN = 4, 16

Planes = tuple[NDArray[np.uint8], ...]
Picture = NDArray[np.uint8]


def main() -> None:
    """Write the pictures."""
    parser = argparse.ArgumentParser(description="Make the pictures of the documentation.")
    parser.add_argument("--only", default=",".join(CASES), help="names, with commas between them")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where they are written")
    parser.add_argument("--quick", action="store_true", help="rough repairs of few frames, to see that it runs")
    options = parser.parse_args()
    names = options.only.split(",")
    if unknown := [name for name in names if name not in CASES]:
        raise SystemExit(f"--only must be names of {', '.join(CASES)}, got {unknown[0]}")
    options.folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        begun = time.monotonic()
        path = options.folder / f"{name}.png"
        if name == "report" and (lacking := report_picture.lacking()):
            print(f"{path} is left out: {lacking}", flush=True)
            continue
        case = shortened(CASES[name]) if options.quick else CASES[name]
        sheet = SHEETS.get(name, repair_sheet)(case)
        sheet.save(path, optimize=True)
        print(f"{path}: {path.stat().st_size >> 10} KiB, {time.monotonic() - begun:.0f} s", flush=True)


def repair_sheet(case: Case) -> picture_sheets.Sheet:
    """Before, after each repair, and the truth, beside each other."""
    damaged, mask, truth = clips(case)
    tiles = {"before": cut(case, damaged)}
    for caption, given in case.repairs.items():
        tiles[f"after: {caption}" if len(case.repairs) == 1 else caption] = cut(case, repaired(damaged, mask, given))
    tiles["truth"] = cut(case, truth)
    title = f"{case.title}, frame {case.shown}"
    if case.contrast > 1:
        title += f"; brightness alone, {case.contrast} x the contrast"
        middle = np.float32(tiles["truth"].mean())
        tiles = {caption: spread(tile, middle, case.contrast) for caption, tile in tiles.items()}
    return picture_sheets.beside(title, tiles, case.zoom, columns=len(tiles))


def views_sheet(case: Case) -> picture_sheets.Sheet:
    """What is given, the seven views of its repair, and the key to their colours."""
    damaged, mask, _ = clips(case)
    [given] = case.repairs.values()
    tiles = {"the clip": cut(case, damaged)}
    for view in CHOICES["view"]:
        tiles[f'view="{view}"'] = cut(case, repaired(damaged, mask, {**given, "view": view}))
    pictures = picture_sheets.beside(f"{case.title}, frame {case.shown}", tiles, case.zoom, columns=4)
    return picture_sheets.with_key(pictures)


def report_sheet(case: Case) -> picture_sheets.Sheet:
    """The report of the repair of a whole clip, in a browser."""
    damaged, mask, _ = clips(case)
    return report_picture.report_sheet(case, damaged, mask)


SHEETS = {"views": views_sheet, "report": report_sheet}
"""What draws the pictures that show more than a repair."""


def repaired(damaged: vs.VideoNode, mask: vs.VideoNode, given: Given) -> vs.VideoNode:
    """The clip, repaired on the CPU: pictures are then the same wherever they are made."""
    return vs.core.dfvi.Inpaint(damaged, mask, device="cpu", **given)


def clips(case: Case) -> tuple[vs.VideoNode, vs.VideoNode, vs.VideoNode]:
    """The damaged clip, its mask, and the truth."""
    return (
        clip_of(case.frames, vs.YUV420P8, lambda n: case.damaged(n)[0]),
        clip_of(case.frames, vs.GRAY8, lambda n: (case.damaged(n)[1],)),
        clip_of(case.frames, vs.YUV420P8, case.truth),
    )


def clip_of(frames: int, kind: int, planes_of: Callable[[int], Planes]) -> vs.VideoNode:
    """A clip whose frames are computed from their number, when they are asked for."""
    height, width = planes_of(0)[0].shape
    blank = vs.core.std.BlankClip(format=kind, width=width, height=height, length=frames, keep=True)

    def fill(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        out = f.copy()
        for plane, samples in enumerate(planes_of(n)):
            np.asarray(out[plane])[:] = samples
        return out

    clip = vs.core.std.ModifyFrame(blank, blank, fill)
    return clip if kind == vs.GRAY8 else clip.std.SetFrameProps(_Matrix=1, _Transfer=1, _Primaries=1, _Range=0)


def cut(case: Case, clip: vs.VideoNode) -> Picture:
    """The part of the frame that is shown, ``(height, width, 3)`` in RGB."""
    coloured = clip.resize.Bicubic(format=vs.RGB24, matrix_in=1)
    if case.contrast > 1:
        coloured = clip.std.ShufflePlanes([0, 0, 0], vs.RGB)
    (x, y), (width, height) = case.corner, case.size
    with coloured.get_frame(case.shown) as frame:
        planes = [np.asarray(frame[plane])[y : y + height, x : x + width] for plane in range(3)]
        return np.stack(planes, axis=2)


def spread(tile: Picture, middle: np.float32, contrast: int) -> Picture:
    """A tile with its contrast multiplied around a middle, which becomes mid-grey."""
    return np.rint((128 + contrast * (tile - middle)).clip(0, 255)).astype(np.uint8)


def shortened(case: Case) -> Case:
    """A few frames of a case around the one that is shown, cut down to what is shown and a margin."""
    (x, y), (width, height), first = case.corner, case.size, case.shown - QUICK_FRAMES // 2
    left, top = max(0, x - QUICK_MARGIN), max(0, y - QUICK_MARGIN)

    def part(planes: Planes) -> Planes:
        full = planes[0].shape
        out = []
        for plane in planes:
            half = full[0] // plane.shape[0]
            rows = np.s_[top // half : (y + height + QUICK_MARGIN) // half]
            out.append(plane[rows, left // half : (x + width + QUICK_MARGIN) // half])
        return tuple(out)

    def damaged(n: int) -> tuple[Planes, Picture]:
        planes, mask = case.damaged(first + n)
        return part(planes), part((mask,))[0]

    return replace(
        case,
        frames=QUICK_FRAMES,
        damaged=damaged,
        truth=lambda n: part(case.truth(first + n)),
        shown=QUICK_FRAMES // 2,
        corner=(x - left, y - top),
        repairs={caption: {**given, **QUICK} for caption, given in case.repairs.items()},
    )


if __name__ == "__main__":
    main()
