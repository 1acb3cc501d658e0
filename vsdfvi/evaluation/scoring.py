"""Repairs of one case beside the truth: every figure that pictures give, and a tile of each for the contact sheet."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from vsdfvi.evaluation.borders import RandomCuts
from vsdfvi.evaluation.contact_sheet import cut_out
from vsdfvi.evaluation.coverage import Coverage, Curve
from vsdfvi.evaluation.measures import Score, WarpError, changed_samples
from vsdfvi.evaluation.motion import Picture, luma_of, motion_between
from vsdfvi.evaluation.provenance import read_provenance
from vsdfvi.evaluation.sources import Case, damaged, hole_planes, open_case, replaced
from vsdfvi.films.clips import Planes, planes_of, rgb_of, to_rgb, video_format
from vsdfvi.frames.masks import hole_of
from vsdfvi.frames.pixels import VideoFormat
from vsdfvi.kernels import return_free_memory

_TRIM_EVERY = 16  # frames
_CACHE_MIB = 64
"""What VapourSynth may keep while scores are made: every frame is asked for once, in order. Its own limit is a large
share of the machine's memory, and it fills that in time."""


@dataclass(frozen=True, slots=True)
class Repaired:
    """A repair to be scored.

    Attributes:
        path: What ``render`` has written.
        dilate: Pixels by which it was allowed to go beyond the mask.
        provenance: What ``write_provenance`` has written of it; None where the method gives no account.
    """

    path: Path
    dilate: int
    provenance: Path | None = None


@dataclass(frozen=True, slots=True)
class Scored:
    """What came of it.

    Attributes:
        figures: For each repair.
        curves: For each repair, risk over coverage; None where it gives no account, or no frame has a hole.
        tiles: A frame around the middle, cut out around its hole: the damaged clip's, each repair's, the truth's.
            Empty if no frame has a hole.
    """

    figures: list[dict[str, float]]
    curves: list[Curve | None]
    tiles: list[Picture]


def score(case: Case, repairs: Sequence[Repaired], *, whole: bool = True) -> Scored:
    """Score repairs side by side, so that what is the clip's is made once. Frames are held one at a time.

    Args:
        whole: Also the figures of whole frames, which take most of the time.

    Raises:
        FormatError: The case cannot be read.
    """
    with _little_kept(), ExitStack() as files:
        accounts = [None if r.provenance is None else files.enter_context(r.provenance.open("rb")) for r in repairs]
        return _score(case, repairs, accounts, whole=whole)


def _score(
    case: Case, repairs: Sequence[Repaired], accounts: Sequence[BufferedReader | None], *, whole: bool
) -> Scored:
    clip, mask = open_case(case)
    form = video_format(clip)
    files = [Rendered(repair.path, form) for repair in repairs]
    truth_rgb, found_rgb = to_rgb(clip), [to_rgb(replaced(clip, file.planes)) for file in files]
    scores, own, changed = [Score(whole=whole) for _ in files], WarpError(), [0] * len(files)
    coverages, cuts = [Coverage() for _ in files], RandomCuts()
    before: Picture | None = None
    tiles: list[Picture] = []
    shown = _shown(mask, len(clip))
    for n in range(len(clip)):
        marked = _mask_at(mask, n)
        with clip.get_frame(n) as frame:
            planes = planes_of(frame)
        truth, hole = rgb_of(truth_rgb, n), marked != 0
        true_luma = luma_of(truth)
        cuts.add(true_luma, hole)
        motion = None if before is None else motion_between(before, truth)
        if whole:
            own.add(truth, hole, motion)
        found = [rgb_of(node, n) for node in found_rgb]
        for k, repair in enumerate(repairs):
            scores[k].add(found[k], truth, hole, motion)
            account = accounts[k]
            if account is not None:
                distance, confidence = read_provenance(account, form.height, form.width)
                coverages[k].add((luma_of(found[k]) - true_luma)[hole], distance[hole], confidence[hole])
            allowed = hole_of(marked, repair.dilate).crop(0, 0, form.width, form.height)
            changed[k] += changed_samples(files[k].planes(n), planes, hole_planes(allowed, form))
        if n == shown:
            tiles = [cut_out(picture, hole) for picture in (rgb_of(to_rgb(damaged(clip, mask)), n), *found, truth)]
        before = truth
        if n % _TRIM_EVERY == 0:
            return_free_memory()
    figures = []
    for score, coverage, account, count in zip(scores, coverages, accounts, changed, strict=True):
        of_account = {} if account is None else coverage.figures()
        of_clip = {"ewarp_truth": own.hole} if whole else {}
        random = score.border.step / cuts.step if cuts.step > 0 else float("nan")
        figures.append(
            {**score.figures(), **of_account, **of_clip, "step_random": random, "changed_outside": float(count)}
        )
    return Scored(figures, [coverage.curve() for coverage in coverages], tiles)


class Rendered:
    """The frames that a repair wrote, one after the other as they are in memory; read one at a time."""

    def __init__(self, path: Path, form: VideoFormat) -> None:
        self._path = path
        self._form = form
        self._frame_samples = sum(int(np.prod(form.plane_shape(plane))) for plane in range(form.planes))

    def planes(self, n: int) -> Planes:
        """The planes of frame n."""
        size_bytes = self._frame_samples * self._form.dtype.itemsize
        samples = np.fromfile(self._path, self._form.dtype, self._frame_samples, offset=n * size_bytes)
        planes, at = [], 0
        for plane in range(self._form.planes):
            height, width = self._form.plane_shape(plane)
            planes.append(samples[at : at + height * width].reshape(height, width))
            at += height * width
        return tuple(planes)


@contextmanager
def _little_kept() -> Iterator[None]:
    before = vs.core.max_cache_size
    vs.core.max_cache_size = _CACHE_MIB
    try:
        yield
    finally:
        vs.core.max_cache_size = before


def _mask_at(mask: vs.VideoNode, n: int) -> NDArray[np.generic]:
    with mask.get_frame(0 if len(mask) == 1 else n) as frame:
        return planes_of(frame)[0]


def _shown(mask: vs.VideoNode, frames: int) -> int:
    """The frame with a hole that is nearest to the clip's middle; -1 where none has one."""
    middle = frames // 2
    return next((n for n in sorted(range(frames), key=lambda n: abs(n - middle)) if _mask_at(mask, n).any()), -1)
