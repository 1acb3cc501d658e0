"""What a fill of one picture reaches where the truth is known: random holes in photographs and in frames of clips.

    python tests/benchmarks/bench_fill.py [--clips FOLDER] [--frames 2] [--holes 2] [--sheet FILE.png]

Photographs are scikit-image's, at 240 lines, as a small film has them. Clips are all that OpenCV can read in a folder.
Holes are boxes, discs, strips at an angle and letters, 12 to 60 pixels long, drawn from a seed. Fills are given what
the engine gives them: planes Y, U and V of one size, the hole and 64 pixels around it. Beside ours stand patches alone,
the smooth fill, and OpenCV's Telea and Navier-Stokes, which see planes of 8 bit.

``psnr`` is the mean over holes of the PSNR of luma in the hole, ``pooled`` that of all holes' pixels together;
``grain`` is the energy of what a Gaussian of 1.5 pixels takes away, found / truth, over all holes. Times are the
fill's alone.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from measured import show, spread, use_checkout

use_checkout()

from numpy.typing import NDArray  # noqa: E402

from vsdfvi.evaluation.measures import GRAIN_SIGMA, psnr  # noqa: E402
from vsdfvi.kernels import Workers  # noqa: E402
from vsdfvi.kernels.exemplar import exemplar_fill  # noqa: E402
from vsdfvi.kernels.laplace import laplace_fill  # noqa: E402
from vsdfvi.kernels.meld import meld_fill  # noqa: E402

PHOTOGRAPHS = (
    "astronaut", "camera", "chelsea", "coffee", "rocket", "brick", "gravel", "grass", "coins", "motorcycle_left"
)  # fmt: skip
LINES, CONTEXT = 240, 64
SHAPES = ("box", "disc", "strip", "letters")

Image = NDArray[np.float32]
Hole = NDArray[np.uint8]


def diffusion(image: Image, hole: Hole) -> Image:
    return laplace_fill(image, hole, 1 / 1024)


def by_opencv(method: int) -> Callable[[Image, Hole], Image]:
    def fill(image: Image, hole: Hole) -> Image:
        codes = np.floor(np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)
        return np.stack([cv2.inpaint(plane, hole, 3, method) for plane in codes]).astype(np.float32) / 255

    return fill


FILLS: dict[str, Callable[[Image, Hole], Image]] = {
    "meld": meld_fill,
    "exemplar": exemplar_fill,
    "diffusion": diffusion,
    "telea": by_opencv(cv2.INPAINT_TELEA),
    "navier_stokes": by_opencv(cv2.INPAINT_NS),
}


def photographs() -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Pictures (height, width, 3), BGR, of LINES lines or so, by name."""
    import skimage.data

    folder = Path(skimage.data.__file__).parent
    for name in PHOTOGRAPHS:
        picture = cv2.imread(str(next(folder.glob(f"{name}.*"))))
        width = round(picture.shape[1] * LINES / picture.shape[0])
        yield name, cv2.resize(picture, (width, LINES), interpolation=cv2.INTER_AREA)


def frames(folder: Path, count: int) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Frames at equal distances of each clip in a folder."""
    for path in sorted(folder.glob("*.mkv")):
        clip = cv2.VideoCapture(str(path))
        length = int(clip.get(cv2.CAP_PROP_FRAME_COUNT))
        for index in range(count):
            clip.set(cv2.CAP_PROP_POS_FRAMES, length * (2 * index + 1) // (2 * count))
            found, picture = clip.read()
            if found:
                yield f"{path.stem} {index}", picture


def hole_of(shape: str, rng: np.random.Generator, size: tuple[int, int]) -> Hole:
    """One hole somewhere in a picture."""
    height, width = size
    hole = np.zeros(size, np.uint8)
    wide, tall = (int(side) for side in rng.integers(12, 61, 2))
    x, y = int(rng.integers(34, width - 34)), int(rng.integers(34, height - 34))
    if shape == "box":
        cv2.rectangle(hole, (x - wide // 2, y - tall // 2), (x + wide // 2, y + tall // 2), 1, cv2.FILLED)
    elif shape == "disc":
        cv2.ellipse(hole, (x, y), (wide // 2, tall // 2), 0, 0, 360, 1, cv2.FILLED)
    elif shape == "strip":
        turn = rng.uniform(0, np.pi)
        step = int(wide / 2 * np.cos(turn)), int(wide / 2 * np.sin(turn))
        cv2.line(hole, (x - step[0], y - step[1]), (x + step[0], y + step[1]), 1, int(rng.integers(3, 11)))
    else:
        text = "".join(rng.choice(list("ABEHKMRSTV48"), 3))
        cv2.putText(hole, text, (x - 30, y + 12), cv2.FONT_HERSHEY_SIMPLEX, rng.uniform(0.7, 1.2), 1, 7)
    return hole


def cases(pictures: Iterator[tuple[str, NDArray[np.uint8]]], holes: int) -> Iterator[tuple[str, str, Image, Hole]]:
    """Name, shape, planes and hole of each case, cut out with its context."""
    for number, (name, picture) in enumerate(pictures):
        for index, shape in enumerate(SHAPES * holes):
            hole = hole_of(shape, np.random.default_rng((number, index)), picture.shape[:2])
            x, y, width, height = cv2.boundingRect(hole)
            part = np.s_[max(0, y - CONTEXT) : y + height + CONTEXT, max(0, x - CONTEXT) : x + width + CONTEXT]
            planes = cv2.cvtColor(picture[part].astype(np.float32) / 255, cv2.COLOR_BGR2YUV)
            yield name, shape, np.ascontiguousarray(planes.transpose(2, 0, 1)), np.ascontiguousarray(hole[part])


def fine(luma: Image) -> Image:
    """What of a picture is finer than a Gaussian lets through, in codes of 8 bit."""
    return 255 * (luma - cv2.GaussianBlur(luma, (0, 0), GRAIN_SIGMA, borderType=cv2.BORDER_REFLECT_101))


def figures(found: list[tuple[Image, Image, Hole, float]]) -> dict[str, object]:
    """Over all cases: filled, truth, hole, seconds."""
    squares = [255**2 * (filled[0] - truth[0])[hole == 1].astype(np.float64) ** 2 for filled, truth, hole, _ in found]
    grains = [
        sum(float((fine(each[k][0])[each[2] == 1].astype(np.float64) ** 2).sum()) for each in found) for k in (0, 1)
    ]
    return {
        "holes": len(found),
        "psnr": round(float(np.mean([psnr(float(square.mean())) for square in squares])), 2),
        "pooled": round(psnr(float(np.concatenate(squares).mean())), 2),
        "grain": round(grains[0] / grains[1], 3),
        "milliseconds": spread([1000 * each[3] for each in found], 1),
    }


def sheet(path: Path, rows: list[tuple[Image, Hole, list[Image]]]) -> None:
    """Pictures of the holes: damaged, each fill, the truth."""
    lines = []
    for truth, hole, fills in rows:
        x, y, width, height = cv2.boundingRect(hole)
        damaged = np.where(hole == 1, np.float32(0.5), truth)
        tiles = []
        for planes in (damaged, *fills, truth):
            picture = cv2.cvtColor(np.ascontiguousarray(planes.transpose(1, 2, 0)), cv2.COLOR_YUV2BGR)
            left, top = max(0, x + width // 2 - 48), max(0, y + height // 2 - 40)
            tile = np.zeros((80, 96, 3), np.float32)
            part = picture[top : top + 80, left : left + 96]
            tile[: part.shape[0], : part.shape[1]] = part
            tiles.append(cv2.resize(tile, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST))
        lines.append(np.concatenate(tiles, axis=1))
    cv2.imwrite(str(path), np.clip(np.concatenate(lines) * 255, 0, 255).astype(np.uint8))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=Path, help="a folder of clips, whose frames are used beside the photographs")
    parser.add_argument("--frames", type=int, default=2, help="of each clip")
    parser.add_argument("--holes", type=int, default=2, help="of each shape in each picture")
    parser.add_argument("--sheet", type=Path, help="a PNG to write: damaged, the fills in order, truth")
    options = parser.parse_args()

    groups = {"photographs": photographs()}
    if options.clips:
        groups["clips"] = frames(options.clips, options.frames)
    results: dict[str, object] = {}
    rows: list[tuple[Image, Hole, list[Image]]] = []
    workers = Workers(1)
    with workers.active():
        for group, pictures in groups.items():
            found: dict[tuple[str, str], list[tuple[Image, Image, Hole, float]]] = {}
            for _, shape, truth, hole in cases(pictures, options.holes):
                rows.append((truth, hole, []))
                for name, fill in FILLS.items():
                    begin = time.perf_counter()
                    filled = fill(np.where(hole == 1, np.float32(0), truth), hole)
                    taken = time.perf_counter() - begin
                    rows[-1][2].append(filled)
                    for key in (shape, "all"):
                        found.setdefault((name, key), []).append((filled, truth, hole, taken))
            results[group] = {name: {key: figures(found[name, key]) for key in ("all", *SHAPES)} for name in FILLS}
    workers.close()
    if options.sheet:
        sheet(options.sheet, rows)
    show("fill", results, fills=list(FILLS), context=CONTEXT)


if __name__ == "__main__":
    main()
