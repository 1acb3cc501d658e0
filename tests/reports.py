"""A made-up run for reports: lines as a record has them, and pictures that are drawn."""

from dataclasses import asdict
from fractions import Fraction

import cv2
import numpy as np

from vsdfvi.cleaning.report import Pictures, Run
from vsdfvi.engine.views import confidence_ink
from vsdfvi.settings import Settings

WIDTH, HEIGHT = 160, 90
FRAMES = 120

HEADER = {
    "record": "vsdfvi 1",
    "kind": "run",
    "run": "0123456789abcdef",
    "time": "2026-01-02T03:04:05+00:00",
    "program": "vsdfvi 0.1.0",
    "settings": asdict(Settings(radius=48, dilate=2, record="film.record.jsonl")),
    "resolved": {"device": "cpu", "flow": "dis", "threads": 4},
    "weights": [{"file": "dfc_compact.safetensors", "sha256": "ab" * 32, "bytes": 123456}],
    "clip": {"family": "YUV", "bits": 8, "width": WIDTH, "height": HEIGHT, "frames": FRAMES},
    "versions": {"python": "3.12.1", "torch": None},
    "machine": {"system": "Linux", "opencv_uses": "SSE4.2 AVX2"},
}


def line(number, *, traced=0, invented=0, reference=0, recovered=0, mean=None, lowest=None, **more):
    """A frame's line. Confidence of what was traced is 0.9, and 0.5 at least, unless it is said."""
    hole = traced + invented + reference + recovered
    if traced:
        mean, lowest = 0.9 if mean is None else mean, 0.5 if lowest is None else lowest
    return {
        "kind": "frame", "run": HEADER["run"], "frame": number, "state": "repaired" if hole else "empty", "hole": hole,
        "invented": invented, "traced": traced, "reference": reference, "recovered": recovered,
        "sources": {str(number + 3): traced} if traced else {}, "farthest": 3 if traced else 0,
        "lowest_confidence": lowest, "mean_confidence": mean,
        "outside_before": "0" * 64, "outside_after": "0" * 64, "result": "1" * 64, **more,
    }  # fmt: skip


def lines(frames=FRAMES):
    """Lines of a film whose hole grows and shrinks, with every origin, and a stretch without a hole."""
    for number in range(frames):
        swing = 0.5 - 0.5 * np.cos(2 * np.pi * number / 40)
        if 50 <= number % 120 < 62:
            yield line(number)
            continue
        yield line(
            number,
            traced=int(200 + 300 * swing),
            invented=int(120 * swing**3),
            reference=40 if number % 120 >= 90 else 0,
            recovered=60 if number % 120 < 20 else 0,
            mean=round(0.95 - 0.4 * swing, 6),
            lowest=round(0.6 - 0.5 * swing, 6),
        )


def run_of(frames=FRAMES, **more):
    """What a report tells besides."""
    given = {
        "title": "A film", "source": "film.mkv", "output": "repaired.mkv", "frames": frames, "size": (WIDTH, HEIGHT),
        "rate": Fraction(24), "header": HEADER, "seconds": 12.5, "computed": frames,
        "files": [("film.mkv", "c" * 64), ("mask.mkv", "d" * 64)],
    }  # fmt: skip
    return Run(**{**given, **more})


def pictures(number, width=WIDTH, height=HEIGHT):
    """A frame with its number on it, scratched before, and flat views of the scratch."""
    after = np.empty((height, width, 3), np.uint8)
    after[...] = np.linspace(40, 200, width, dtype=np.uint8)[None, :, None]
    cv2.putText(
        after, str(number), (width // 8, 3 * height // 4), cv2.FONT_HERSHEY_SIMPLEX, height / 60, (250, 240, 200), 2
    )
    hole = np.zeros((height, width), bool)
    hole[:, width // 2 - width // 20 : width // 2 + width // 20] = True
    before, confidence, invented = after.copy(), after // 2, after // 2
    before[hole] = (255, 0, 0)
    ramp = confidence_ink(np.linspace(0, 1, height, dtype=np.float32))[:3]
    confidence[hole] = np.broadcast_to(np.rint(255 * ramp.T).astype(np.uint8)[:, None], after.shape)[hole]
    invented[hole] = (30, 180, 50)
    return Pictures(before, after, confidence, invented)
