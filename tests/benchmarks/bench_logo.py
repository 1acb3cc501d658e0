"""Logos on a camera that stands still, where no frame shows what is under them: ours and what is commonly used.

    python tests/benchmarks/bench_logo.py [--settings light=0] [--set FOLDER --clips friday,meeting720]

Rendered clips (tests/scenes.py): ``still``, a photograph with something that passes before it; ``weave`` and
``texture``, a portrait and a wall in a film gate that has a little play; all with grain. With ``--set``, clips of a
folder as ``vsdfvi evaluate`` takes it; name those whose camera stands still. Logos are those of docs/evaluation.md with
a soft edge, in white and in red, opaque and half-transparent: what the clip shows under one of opacity a is (1 - a)
times the picture and a times its colour. The hole is wherever a logo changes the picture.

Methods: ours with each ``--settings``, under half-transparent logos also with ``unmix=1``; Telea on each frame by
itself; the temporal median; ffmpeg's ``delogo`` on the logo's rectangle; and OpenCV's frequency selective
reconstruction (``fsr``). The last needs the modules of opencv-contrib-python, which cannot be installed beside
opencv-python: put it into a folder of its own, and that before all others:

    python -m pip install --no-deps --target build/contrib opencv-contrib-python
    PYTHONPATH=build/contrib python tests/benchmarks/bench_logo.py

What a method lacks is reported. ``--out`` then holds the clean clips and masks in the layout of ``vsdfvi evaluate``,
``results.csv`` as that writes it, and ``contact.png``. Figures are those of docs/evaluation.md.
"""

import argparse
import json
import math
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import vapoursynth as vs
from measured import show, use_checkout, words

use_checkout()

import scenes  # noqa: E402  which needs the path
from clips import clip_of  # noqa: E402
from overlays import LEAST, Matte, marked  # noqa: E402

from vsdfvi.engine.cache import Cache  # noqa: E402
from vsdfvi.evaluation import baselines  # noqa: E402
from vsdfvi.evaluation.contact_sheet import cut_out, write_sheet, write_tile  # noqa: E402
from vsdfvi.evaluation.flow import repaired  # noqa: E402
from vsdfvi.evaluation.masks import make_mask  # noqa: E402
from vsdfvi.evaluation.plan import Plan, cases_of  # noqa: E402
from vsdfvi.evaluation.provenance import write_provenance  # noqa: E402
from vsdfvi.evaluation.report import table  # noqa: E402
from vsdfvi.evaluation.results import OK, Row, settings_text, write_rows  # noqa: E402
from vsdfvi.evaluation.scoring import Repaired, score  # noqa: E402
from vsdfvi.evaluation.shared_flow import SharedFlow  # noqa: E402
from vsdfvi.evaluation.sources import Case, open_case, with_holes  # noqa: E402
from vsdfvi.films.clips import Planes, rgb_of, to_rgb, video_format  # noqa: E402
from vsdfvi.frames.pixels import VideoFormat  # noqa: E402
from vsdfvi.settings import Settings, settings_from  # noqa: E402

OPACITIES = ("1", "0.3", "0.5", "0.7")
COLOURS = {"white": (235, 128, 128), "red": (90, 95, 215)}  # codes of 8 bit, limited range
SOFT = 0.8  # pixels at 240 rows: deviation of the Gaussian that softens a logo's edge
RENDERED = {"still": "coffee", "weave": "astronaut", "texture": "brick"}
WEAVE = 0.35  # pixels, deviation
COLUMNS = {
    "hole PSNR": ("hole_psnr", ".2f"),
    "flicker": ("flicker", ".2f"),
    "grain": ("grain", ".3f"),
    "still": ("grain_still", ".3f"),
    "still, truth": ("grain_still_truth", ".3f"),
    "ring": ("ring", ".2f"),
    "step": ("step", ".3f"),
    "outside": ("changed_outside", ".0f"),
}


@dataclass(frozen=True, slots=True)
class Logo:
    """A mark of one colour and opacity."""

    opacity: float
    colour: str

    @property
    def kind(self) -> str:
        """Its name among kinds of masks."""
        return f"logo {self.colour} {'opaque' if self.opacity == 1 else f'{self.opacity:g}'}"


# Clips.


def rendered(name: str, form: VideoFormat, grain: float, seed: int) -> list[Planes]:
    """The frames of a rendered clip, YUV420P8, with grain in luma of a deviation in codes."""
    empty = scenes.empty(form)
    random = np.random.default_rng((seed, 20))
    if name == "still":  # whose background is this photograph
        scene = scenes.occluder(form, (0, 0), (form.width / 60, 0.4), form.height / 6, empty)
    else:
        cameras = np.stack([np.eye(3)] * form.frames)
        cameras[:, :2, 2] = random.normal(0, WEAVE, (form.frames, 2))
        scene = scenes.seen(form, cameras, empty, picture=RENDERED[name])
    frames = []
    for luma, *chroma in scene.truth:
        noisy = luma + grain * random.standard_normal(luma.shape)
        frames.append((np.clip(np.rint(noisy), 0, 255).astype(np.uint8), *chroma))
    return frames


def write_y4m(path: Path, clip: vs.VideoNode) -> None:
    """Write a clip as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        clip.std.AssumeFPS(fpsnum=25, fpsden=1).output(file, y4m=True)


def matte_of(name: str, form: VideoFormat, logo: Logo, seed: int) -> Matte:
    """The opacity of a logo at each pixel; 0 from where it would change nothing."""
    drawn = make_mask("logo", form.width, form.height, form.frames, seed, name).draw(0).astype(np.float64)
    matte = logo.opacity * cv2.GaussianBlur(drawn, (0, 0), max(0.4, SOFT * form.height / 240))
    return np.where(matte > LEAST, matte, 0.0)


# Methods: each gives the planes of all frames. One that cannot be run raises Lacking.


class Lacking(Exception):
    """What a method needs is not there."""


def fsr(broken: vs.VideoNode, mask: vs.VideoNode) -> Iterator[Planes]:
    """OpenCV's FSR_FAST, plane by plane.

    Source:
        Genser et al., "Spectral constrained frequency selective extrapolation for rapid image error concealment",
        IWSSIP 2018 (OpenCV's xphoto).
    """
    if not hasattr(cv2, "xphoto"):
        raise Lacking("opencv-contrib-python")
    for planes, holes in with_holes(broken, mask):
        filled = []
        for plane, hole in zip(planes, holes, strict=True):
            out = plane.copy()
            cv2.xphoto.inpaint(plane, np.where(hole, 0, 255).astype(np.uint8), out, cv2.xphoto.INPAINT_FSR_FAST)
            filled.append(np.where(hole, out, plane))
        yield tuple(filled)


def delogo(broken: vs.VideoNode, mask: vs.VideoNode) -> Iterator[Planes]:
    """ffmpeg's delogo on the rectangle around the hole; it fills all of that."""
    form = video_format(broken)
    program = shutil.which("ffmpeg") or _shipped_ffmpeg()
    if program is None:
        raise Lacking("ffmpeg")
    if form.bits > 8:
        raise Lacking("8 bit")
    with mask.get_frame(0) as frame:
        rows, columns = np.nonzero(np.asarray(frame[0]))
    x, y = max(1, int(columns.min())), max(1, int(rows.min()))  # it reads a line on every side
    right, bottom = min(form.width - 2, int(columns.max())), min(form.height - 2, int(rows.max()))
    with tempfile.TemporaryDirectory() as folder:
        source, output = Path(folder) / "in.y4m", Path(folder) / "out.raw"
        write_y4m(source, broken)
        box = f"delogo=x={x}:y={y}:w={right - x + 1}:h={bottom - y + 1}"
        command = [program, "-v", "error", "-y", "-i", str(source), "-vf", box, "-f", "rawvideo", str(output)]
        subprocess.run(command, check=True, capture_output=True)
        samples = np.fromfile(output, np.uint8)
    shapes = [form.plane_shape(plane) for plane in range(form.planes)]
    for frame in samples.reshape(len(broken), -1):
        parts = np.split(frame, np.cumsum([height * width for height, width in shapes])[:-1])
        yield tuple(part.reshape(shape) for part, shape in zip(parts, shapes, strict=True))


def _shipped_ffmpeg() -> str | None:
    """The program that the wheel imageio-ffmpeg brings."""
    try:
        import imageio_ffmpeg
    except ModuleNotFoundError:
        return None
    return str(imageio_ffmpeg.get_ffmpeg_exe())


SIMPLE: dict[str, Callable[[vs.VideoNode, vs.VideoNode], Iterator[Planes]]] = {
    "telea": lambda broken, mask: baselines.telea(with_holes(broken, mask)),
    "median": lambda broken, mask: baselines.median(with_holes(broken, mask)),
    "fsr": fsr,
    "delogo": delogo,
}


# Measuring.


def ours_of(settings: Sequence[Mapping[str, Any]], logo: Logo) -> list[tuple[str, dict[str, Any]]]:
    """Name and settings of each of our variants under a logo."""
    variants = []
    for number, each in enumerate(settings, 1):
        name = "ours" if len(settings) == 1 else f"ours {number}"
        variants.append((name, dict(each)))
        if logo.opacity < 1:
            variants.append((f"{name} + unmix", {**each, "unmix": 1}))
    return variants


def measure(case: Case, logo: Logo, seed: int, settings: Sequence[Mapping[str, Any]], out: Path) -> list[Row]:
    """A row for each method; tiles lie in the folder afterwards. The case's mask is written here."""
    clip, _ = open_case(Case(clip=case.clip, kind="logo", footage=case.footage, frames=case.frames))
    form = video_format(clip)
    matte = matte_of(case.clip, form, logo, seed)
    hole = matte > 0
    gray = scenes.video_format("GRAY", size=hole.shape, frames=1)
    write_y4m(case.mask, clip_of([(hole.astype(np.uint8) * 255,)], gray))
    clip, mask = open_case(case)
    broken = marked(clip, matte, COLOURS[logo.colour])
    variants = [(name, each, _ours(each)) for name, each in ours_of(settings, logo)]
    methods = [*variants, *((name, {}, _simple(method)) for name, method in SIMPLE.items())]
    rows, repairs = [], []
    shared = Cache(1 << 30)
    with tempfile.TemporaryDirectory(dir=out, prefix="rendering-") as folder:
        for number, (name, each, make) in enumerate(methods):
            row = Row(
                clip=case.clip, kind=case.kind, method=name, settings=settings_text(each), limit=case.frames, seed=seed
            )
            output = Path(folder) / f"{number}.raw"
            try:
                account = make(broken, mask, output, shared)
            except Lacking as lacking:
                rows.append((row, f"not run, it needs {lacking}"))
                continue
            repairs.append(Repaired(output, int(each.get("dilate", 0)), account))
            rows.append((row, OK))
        scored = score(case, repairs, whole=False)
    figures = iter(scored.figures)
    done = [_with(row, status, next(figures) if status == OK else {}, len(clip)) for row, status in rows]
    tiles = iter(scored.tiles[1:])
    middle = len(clip) // 2
    write_tile(_tile(out, case, "damaged"), cut_out(rgb_of(to_rgb(broken), middle), hole))
    for row, status in rows:
        if status == OK:
            write_tile(_tile(out, case, row.method), next(tiles))
    write_tile(_tile(out, case, "truth"), next(tiles))
    return done


def _with(row: Row, status: str, figures: Mapping[str, float], frames: int) -> Row:
    return Row(
        clip=row.clip, kind=row.kind, method=row.method, settings=row.settings, limit=row.limit, seed=row.seed,
        status=status, frames=frames, figures=figures,
    )  # fmt: skip


Make = Callable[[vs.VideoNode, vs.VideoNode, Path, Cache], Path | None]


def _simple(method: Callable[[vs.VideoNode, vs.VideoNode], Iterator[Planes]]) -> Make:
    def make(broken: vs.VideoNode, mask: vs.VideoNode, output: Path, shared: Cache) -> None:
        with output.open("wb") as file:
            for planes in method(broken, mask):
                _append(file, planes)

    return make


def _ours(settings: Mapping[str, Any]) -> Make:
    def make(broken: vs.VideoNode, mask: vs.VideoNode, output: Path, shared: Cache) -> Path:
        chosen = Settings.from_arguments({"device": "cpu", "threads": 1, **settings})
        inpainter = SharedFlow(chosen, video_format(broken), video_format(mask), shared)
        account = output.with_suffix(".provenance")
        with output.open("wb") as file, account.open("wb") as notes:
            for planes in repaired(inpainter, broken, mask, lambda repair: write_provenance(notes, repair)):
                _append(file, planes)
        return account

    return make


def _append(file: Any, planes: Planes) -> None:
    for plane in planes:
        file.write(np.ascontiguousarray(plane).data)


def _tile(out: Path, case: Case, method: str) -> Path:
    return out / "pictures" / case.clip / f"{case.kind}-{method}.png"


def means(rows: Sequence[Row]) -> list[str]:
    """A table: for each logo, or all opaque and all others, and method, the mean of each figure over the clips."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        of_all = "mean, opaque" if row.kind.endswith("opaque") else "mean, half-transparent"
        for kind in (row.kind, of_all):
            groups.setdefault((kind, row.method), []).append(row)
    cells = []
    for (kind, method), chosen in sorted(groups.items(), key=lambda item: item[0][0].startswith("mean")):
        good = [row.figures for row in chosen if row.status == OK]
        if not good:
            cells.append([kind, method, "0", chosen[0].status, *[""] * (len(COLUMNS) - 1)])
            continue
        texts = []
        for name, form in COLUMNS.values():
            values = [figures[name] for figures in good if math.isfinite(figures[name])]
            texts.append(format(float(np.mean(values)), form) if values else "-")
        cells.append([kind, method, str(len(good)), *texts])
    return table(["logo", "method", "rows", *COLUMNS], cells)


def main() -> None:
    """Measure, and print JSON and a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", action="append", type=words, help="of ours; may be given several times")
    parser.add_argument("--set", type=Path, help="folder of clips whose camera stands still")
    parser.add_argument("--clips", type=words, default=[], help="of that folder; default all")
    parser.add_argument("--opacities", type=words, default=list(OPACITIES), help="1 is opaque")
    parser.add_argument("--colours", type=words, default=list(COLOURS))
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--size", default="320x240", help="WIDTHxHEIGHT of rendered clips, even")
    parser.add_argument("--grain", type=float, default=2.0, help="of rendered clips, deviation in codes")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("build/logo"))
    arguments = parser.parse_args()
    settings = [settings_from(each) for each in arguments.settings or [[]]]
    width, height = (int(side) for side in arguments.size.split("x"))
    footage: dict[str, Path] = {}
    if arguments.set is None:
        form = scenes.video_format("YUV", size=(height, width), frames=arguments.frames)
        for name in RENDERED:
            footage[name] = arguments.out / f"{name}.y4m"
            write_y4m(footage[name], clip_of(rendered(name, form, arguments.grain, arguments.seed), form))
    else:
        plan = Plan(folder=arguments.set, out=arguments.out, clips=arguments.clips, kinds=["logo"])
        footage = {case.clip: case.footage for case in cases_of(plan)}
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    sheet: dict[str, list[Path]] = {}
    columns = [
        "damaged",
        *dict.fromkeys(name for opacity in (1, 0.5) for name, _ in ours_of(settings, Logo(opacity, ""))),
    ]
    columns += [*SIMPLE, "truth"]
    for name, path in footage.items():
        for opacity in arguments.opacities:
            for colour in arguments.colours:
                logo = Logo(float(opacity), colour)
                mask = arguments.out / "masks" / name / f"{logo.kind}.y4m"
                case = Case(clip=name, kind=logo.kind, footage=path, mask=mask, frames=arguments.frames)
                rows += measure(case, logo, arguments.seed, settings, arguments.out)
                sheet[f"{name}  {logo.kind}"] = [_tile(arguments.out, case, column) for column in columns]
                print(f"{name} {logo.kind}", flush=True)
    write_rows(arguments.out / "results.csv", rows)
    write_sheet(arguments.out / "contact.png", columns, sheet)
    lines = means(rows)
    (arguments.out / "logo.md").write_text("\n".join(lines) + "\n")
    figures = [
        {"clip": row.clip, "logo": row.kind, "method": row.method, "status": row.status, **row.figures} for row in rows
    ]
    (arguments.out / "logo.json").write_text(json.dumps(figures, indent=1))
    show("logo", {"rows": len(rows), "figures": str(arguments.out / "logo.json")}, clips=list(footage))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
