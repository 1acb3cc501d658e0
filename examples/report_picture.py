"""The picture of a report: a film is repaired on record, its report is written, and a browser photographs that."""

import json
import shutil
import subprocess
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray
from picture_cases import Case
from PIL import Image

from vsdfvi.cleaning.report import Pictures, Run, write_report

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SIZE = (1400, 1240)  # pixels: what is seen of the page without scrolling on a tall screen
QUICK_SIZE = (700, 620)

Picture = NDArray[np.uint8]


def browser() -> str | None:
    """The path of a browser that can photograph a page; None where there is none."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


def report_of(path: Path, case: Case, damaged: vs.VideoNode, mask: vs.VideoNode) -> None:
    """Repair a case's clip on record, and write the report of that."""
    [given] = case.repairs.values()
    record = path.with_suffix(".jsonl")

    def inpainted(**more: str) -> vs.VideoNode:
        return vs.core.dfvi.Inpaint(damaged, mask, device="cpu", **given, **more)

    begun = time.monotonic()
    result = inpainted(record=str(record))
    for frame in result.frames(close=True):
        frame.close()
    seconds = time.monotonic() - begun
    films = {"before": damaged, "after": result} | {view: inpainted(view=view) for view in ("confidence", "invented")}
    films = {kind: film.resize.Bicubic(format=vs.RGB24, matrix_in=1) for kind, film in films.items()}

    header, *lines = [json.loads(line) for line in record.read_text(encoding="utf-8").splitlines()]
    header["settings"]["record"] = record.name  # where it lay is nobody's concern
    write_report(
        path,
        Run(
            title=case.title,
            source="table.mkv",
            output="table.repaired.mkv",
            frames=case.frames,
            size=(damaged.width, damaged.height),
            rate=Fraction(24),
            header=header,
            seconds=seconds,
            computed=case.frames,
            files=(),
        ),
        sorted((line for line in lines if line["kind"] == "frame"), key=lambda line: line["frame"]),
        lambda n: Pictures(**{kind: picture_of(film, n) for kind, film in films.items()}),
    )


def picture_of(clip: vs.VideoNode, n: int) -> Picture:
    """Frame n of an RGB clip, ``(height, width, 3)``."""
    with clip.get_frame(n) as frame:
        return np.stack([np.asarray(plane) for plane in frame], axis=2)


def photograph(page: Path, size: tuple[int, int], with_browser: str) -> Image.Image:
    """The upper part of a page, as it is seen when it is opened; of 256 colours, since pictures of pages are large."""
    with tempfile.TemporaryDirectory() as folder:
        shot = Path(folder) / "shot.png"
        subprocess.run(
            [
                with_browser,
                "--headless=new",
                "--no-sandbox",
                "--hide-scrollbars",
                "--force-device-scale-factor=1",
                f"--user-data-dir={folder}/profile",
                f"--window-size={size[0]},{size[1]}",
                f"--screenshot={shot}",
                page.resolve().as_uri(),
            ],
            check=True,
            capture_output=True,
            timeout=120,
        )
        with Image.open(shot) as image:
            return image.convert("RGB").quantize(256, dither=Image.Dither.FLOYDSTEINBERG)
