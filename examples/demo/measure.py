"""How well the repair did: figures against the truth, and a picture for the eye."""

import math
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from footage import HEIGHT, WIDTH
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from video_files import reading

Frame = tuple[NDArray[np.uint8], ...]

AMPLIFIED = 6  # the difference to the truth, in the picture


@dataclass
class Figures:
    """Sums over a clip, and the figures that they make.

    Attributes:
        frames: Frames compared.
        hole_samples: Luma samples inside the hole.
        before, after: Squared error inside the hole, luma, of the damaged and the repaired clip.
        changed_outside: Samples outside the hole that the repair changed, by plane.
    """

    frames: int = 0
    hole_samples: int = 0
    before: float = 0.0
    after: float = 0.0
    changed_outside: list[int] = field(default_factory=lambda: [0, 0, 0])

    def add(self, truth: Frame, damaged: Frame, repaired: Frame, mask: NDArray[np.uint8]) -> None:
        """Count one frame in."""
        hole = mask > 0
        self.frames += 1
        self.hole_samples += int(hole.sum())
        self.before += _squared_error(truth[0][hole], damaged[0][hole])
        self.after += _squared_error(truth[0][hole], repaired[0][hole])
        coarse = hole.reshape(HEIGHT // 2, 2, WIDTH // 2, 2).any((1, 3))  # a chroma sample with any hole in its block
        for plane, inside in enumerate((hole, coarse, coarse)):
            self.changed_outside[plane] += int(((damaged[plane] != repaired[plane]) & ~inside).sum())

    def as_dict(self) -> dict[str, object]:
        """Return the figures by name, with their unit in it."""
        return {
            "frames": self.frames,
            "hole_percent": round(100 * self.hole_samples / max(1, self.frames * WIDTH * HEIGHT), 2),
            "hole_psnr_damaged_db": round(_psnr(self.before, self.hole_samples), 2),
            "hole_psnr_repaired_db": round(_psnr(self.after, self.hole_samples), 2),
            "samples_changed_outside": self.changed_outside,
        }


def compare(work: Path, picked: tuple[int, ...]) -> tuple[Figures, dict[int, tuple[Frame, Frame, Frame]]]:
    """Return the figures of a finished repair, and the picked frames as (truth, damaged, repaired)."""
    figures, kept = Figures(), {}
    with ExitStack() as files:
        clips = [files.enter_context(reading(work / f"{name}.mkv", WIDTH, HEIGHT, planes)) for name, planes in CLIPS]
        # strict: a repair that lost a frame is an error, not a shorter comparison.
        for n, (truth, damaged, repaired, mask) in enumerate(zip(*clips, strict=True)):
            figures.add(truth, damaged, repaired, mask[0])
            if n in picked:
                kept[n] = (truth, damaged, repaired)
    return figures, kept


CLIPS = (("truth", 3), ("damaged", 3), ("repaired", 3), ("mask", 1))


def before_after(kept: dict[int, tuple[Frame, Frame, Frame]], path: Path) -> None:
    """Write the picked frames as rows: damaged, repaired, and what is left of the difference to the truth."""
    wide, high, gap, head = 420, 236, 8, 34
    sheet = Image.new("RGB", (3 * wide + 4 * gap, head + len(kept) * (high + gap)), "#14161a")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(17)
    for column, title in enumerate(("damaged", "repaired", f"{AMPLIFIED} x the difference to the truth")):
        pen.text((gap + column * (wide + gap) + wide / 2, head / 2 + 1), title, "#d8dce2", font, anchor="mm")
    for row, (n, (truth, damaged, repaired)) in enumerate(sorted(kept.items())):
        left = cv2.absdiff(truth[0], repaired[0]).astype(np.float32) * AMPLIFIED
        difference = np.repeat(np.clip(left, 0, 255).astype(np.uint8)[..., None], 3, axis=2)
        for column, picture in enumerate((_rgb(damaged), _rgb(repaired), difference)):
            small = cv2.resize(picture, (wide, high), interpolation=cv2.INTER_AREA)
            sheet.paste(Image.fromarray(small), (gap + column * (wide + gap), head + row * (high + gap)))
        pen.text((2 * gap, head + row * (high + gap) + gap), f"frame {n}", "#ffffff", ImageFont.load_default(13))
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path, optimize=True)


def _rgb(frame: Frame) -> NDArray[np.uint8]:
    luma = (frame[0].astype(np.float32) - 16) / 219
    size = (WIDTH, HEIGHT)
    blue, red = ((cv2.resize(plane, size).astype(np.float32) - 128) / 224 for plane in frame[1:])
    picture = np.dstack((luma + 1.5748 * red, luma - 0.1873 * blue - 0.4681 * red, luma + 1.8556 * blue))
    return np.clip(np.rint(255 * picture), 0, 255).astype(np.uint8)


def _squared_error(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    return float(((a.astype(np.float64) - b) ** 2).sum())


def _psnr(squared_error: float, samples: int) -> float:
    return 10 * math.log10(255**2 * samples / squared_error) if squared_error else math.inf
