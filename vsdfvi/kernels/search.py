"""Optical flow by dense inverse search, every step of it a kernel."""

from math import log2
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsdfvi.kernels._launch import launch, module_of

_STRIDE, _OVERHANG = 4, 2  # of the patches, as in search.h
_GRAIN = 4096  # pixels below which a second thread costs more than it saves
_PATCH_PIXELS = 512  # what a patch weighs in that count

# Rounds of a level: how far off, in patches, the vectors lie that a patch tries, and steps it may take from the best.
# One or two rounds find smooth motion better, by 10 % and more, but lose small things that are fast: on real clips they
# cost 0.1 to 0.2 dB in the hole. A fourth gains nothing.
_ROUNDS = ((0, 8), (2, 6), (1, 6))

# Linearisations of a level, fewer where its longer side is small, and sweeps after each. All passes at the small levels
# take 1 % off the error of smooth motion, a fifth sweep 4 %, and nothing off that of real clips.
_PASSES, _PASSES_OF_SMALL, _SMALL = 5, 3, 60
_SWEEPS = 4
_OMEGA = 1.8  # at 1.6, a fifth more error on smooth motion; at 1.9 and five sweeps, real clips lose 0.1 dB in the hole

# At the full size, and below it (as in OpenCV's DIS). At 20 throughout, smooth motion has 9 % less error, but fills of
# scratches lose 0.2 dB to detail that is smoothed away; at 10 they gain 0.2, and grainy pictures have 14 % more error.
_SMOOTHNESS = 14.0, 20.0

_COARSEST = 32, 8  # pixels that the longer and the shorter side of the coarsest level keep, roughly
_LARGEST_START = 1e4  # pixels


def search_flow(
    pictures: NDArray[np.float32], start: NDArray[np.float32] | None = None, *, full: bool = False
) -> NDArray[np.float32]:
    """Flow between the pictures of each pair, both ways.

    The same bytes come back for any number of threads.

    Shapes:
        pictures: ``(2 n, height, width)`` float32, 0 to 255: the earlier and the later picture of each of n pairs, of
            any size. Samples beyond that range count as its ends, those that are no number as 0.
        start: Flow that is tried at every size of the picture, ``(4 n, height, width)`` float32.
        returns: ``(4 n, height, width)``: fw x, fw y, bw x, bw y of each pair, in pixels.

    Args:
        full: Search down to the full size, else to half of it: takes four times as long.

    Source:
        ``search.h`` names the papers.
    """
    count, height, width = _checked(pictures, start)
    xp = module_of(pictures)
    pictures = xp.ascontiguousarray(pictures)
    held = xp.empty((count, height, width), np.float32)
    _launch("search_hold", (held.size, 1), pictures, held, after=(0.0, 255.0))
    levels, starts = [held], []
    for _ in range(_halvings(height, width)):
        levels.append(_halved(levels[-1], 1.0))
    if start is not None:
        start = xp.ascontiguousarray(start)
        tried = xp.empty((2 * count, height, width), np.float32)
        _launch("search_hold", (tried.size, 1), start, tried, after=(-_LARGEST_START, _LARGEST_START))
        for _ in levels:
            tried = _halved(tried, 0.5)
            starts.append(tried)

    flow = starts[-1] if starts else None
    finest = 0 if full else min(1, len(levels) - 1)
    for level in range(len(levels) - 1, finest - 1, -1):
        flow = _search_level(levels[level], flow, starts[level] if starts else None, _SMOOTHNESS[level > 0])
    assert flow is not None
    return flow if finest == 0 else _enlarged(flow, (height, width))


def _checked(pictures: NDArray[np.float32], start: NDArray[np.float32] | None) -> tuple[int, int, int]:
    """The shape of the pictures."""
    if pictures.ndim != 3 or pictures.shape[0] % 2 or pictures.size == 0 or pictures.dtype != np.float32:
        raise ValueError(f"pictures must be (2 n, height, width) float32, got {pictures.shape} {pictures.dtype}")
    count, height, width = pictures.shape
    if 6 * pictures.size >= 1 << 31:
        raise ValueError(f"pictures must be fewer than 2^31 / 6 samples, got {pictures.size}")
    if start is not None and (start.shape != (2 * count, height, width) or start.dtype != np.float32):
        raise ValueError(
            f"start must be {(2 * count, height, width)} float32 to match pictures, got {start.shape} {start.dtype}"
        )
    return count, height, width


def _halvings(height: int, width: int) -> int:
    """Times that a picture is halved."""
    longer, shorter = (max(0.0, log2(side / keep)) for side, keep in zip(
        (max(height, width), min(height, width)), _COARSEST, strict=True
    ))  # fmt: skip
    return min(int(longer + 0.5), int(shorter))


def _search_level(
    pictures: NDArray[np.float32],
    coarse: NDArray[np.float32] | None,
    start: NDArray[np.float32] | None,
    smoothness: float,
) -> NDArray[np.float32]:
    """Flow at one size of the pictures.

    Args:
        coarse, start: Flow to start from and flow to try, at half that size.
    """
    xp = module_of(pictures)
    count, height, width = pictures.shape
    size, pixels = (width, height), (count * height, width)
    slopes = xp.empty((count, 5, height, width), np.float32)
    _launch("search_slopes", pixels, pictures, slopes, *size)

    columns, rows = ((side + _OVERHANG - 1) // _STRIDE + 1 for side in size)
    vectors = xp.zeros((count, 2, rows, columns), np.float32)
    if coarse is not None:
        _launch("search_begin", (2 * count * rows, columns), coarse, vectors, *size)
    trials = vectors
    if start is not None and start is not coarse:
        trials = xp.empty_like(vectors)
        _launch("search_begin", (2 * count * rows, columns), start, trials, *size)
    for reach, steps in _ROUNDS:
        better = xp.empty_like(vectors)
        _launch(
            "search_improve", (count * rows, columns), pictures, slopes, vectors, trials, better, *size, reach, steps,
            weight=_PATCH_PIXELS,
        )  # fmt: skip
        vectors = trials = better

    flow: NDArray[np.float32] = xp.empty((2 * count, height, width), np.float32)
    spare = xp.empty_like(flow)
    _launch("search_blend", pixels, pictures, vectors, flow, *size)
    equations = xp.empty((count, 6, height, width), np.float32)
    for _ in range(_PASSES if max(size) > _SMALL else _PASSES_OF_SMALL):
        _launch("search_linearise", pixels, pictures, slopes, flow, equations, *size, after=(smoothness,))
        for _ in range(_SWEEPS):
            _launch("search_relax", pixels, equations, flow, spare, *size, after=(_OMEGA,))
            flow, spare = spare, flow
    return flow


def _halved(planes: NDArray[np.float32], scale: float) -> NDArray[np.float32]:
    """Planes at half the size, times ``scale``."""
    xp = module_of(planes)
    count, height, width = planes.shape
    coarse: NDArray[np.float32] = xp.empty((count, (height + 1) // 2, (width + 1) // 2), np.float32)
    _launch("search_halve", (count * coarse.shape[1], coarse.shape[2]), planes, coarse, width, height, after=(scale,))
    return coarse


def _enlarged(flow: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Flow at a size, (height, width), from flow at half of it."""
    xp = module_of(flow)
    larger: NDArray[np.float32] = xp.empty((len(flow), *size), np.float32)
    _launch("search_enlarge", (len(flow) * size[0], size[1]), flow, larger, size[1], size[0])
    return larger


def _launch(name: str, extent: tuple[int, int], *before: Any, after: tuple[float, ...] = (), weight: int = 1) -> None:
    """Run a kernel on all rows.

    Args:
        extent: Rows, and places in each.
        weight: Of a place, in pixels.
    """
    rows, columns = extent
    wide = 0 if name == "search_hold" else columns  # which takes items
    launch(name, (0, rows), *before, after=after, grain=max(1, _GRAIN // (columns * weight)), columns=wide)
