"""Fill a hole with patches of the known picture."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vsdfvi.kernels._launch import launch, module_of
from vsdfvi.kernels.laplace import laplace_fill
from vsdfvi.kernels.structure import structure_fill

_RADIUS = 3
_SIDE = 2 * _RADIUS + 1
_DEPTH = 4
_GRAIN = 256  # targets below which a second thread costs more than it saves
_UNIT = 512.0  # steps of depth for the full range of a sample
_TEXTURE = 2.0  # weight of a texture plane beside a channel's: at 0, fills keep 0.83 of the fine detail, at 2, 0.92
_FALLOFF = 1.6  # by which a patch's word loses weight with each pixel into the hole; 1.1 and 1.3 score 0.1 dB less
_THIN = 4.0  # half width of a hole, in pixels, that needs no coarser level
_MIN_SOURCES = 200  # matches to choose from that a coarser level must leave
_SEARCH_BUDGET = 3_000_000  # pairs of patches compared in a full search
_STRIDES = (1, 4, 2, 1)
_MOST_UNKNOWN = 34  # pixels of a patch of 49, for its cost to say how well patches fit
_COARSE_PASSES, _FINE_PASSES = 8, 3
CONTRAST = 0.005
"""Slope from which the smooth start keeps an edge, of the full range a pixel."""

_TOLERANCE = 1e-4  # of the smooth fill, in the picture's range: below a tenth of an 8-bit step


@dataclass(frozen=True, slots=True)
class _Level:
    """One size of the picture. Arrays are what ``exemplar.h`` calls so; ``planes`` is written to, in the hole.

    They are where the picture is. ``mask`` is ``hole`` on the host.

    Attributes:
        channels: Planes that are picture; those after them are texture.
        source: What may be copied. ``allowed`` are the centres of patches that lie wholly in it.
        sources, targets, pixels: Where ``allowed`` is set, where targets are, where hole is.
        thickness: Of the hole: pixels from the border to the deepest place.
    """

    planes: NDArray[np.float32]
    channels: int
    hole: NDArray[np.uint8]
    source: NDArray[np.uint8]
    allowed: NDArray[np.uint8]
    sources: NDArray[np.int32]
    targets: NDArray[np.int32]
    pixels: NDArray[np.int32]
    confidence: NDArray[np.float32]
    mask: NDArray[np.uint8]
    thickness: float

    @property
    def shape(self) -> tuple[int, int]:
        height, width = self.mask.shape
        return height, width


def exemplar_fill(
    image: NDArray[np.float32],
    hole: NDArray[np.uint8],
    *,
    source: NDArray[np.uint8] | None = None,
    seed: int = 0,
    sharp: bool = True,
) -> NDArray[np.float32]:
    """The image with its hole filled by patches copied from elsewhere in it, equal to it outside the hole.

    Where no whole patch may be copied, the fill is smooth; where nothing at all is known, 0. The same bytes come
    back for any number of threads.

    Shapes:
        image: ``(channels, height, width)`` float32, 1 to 3 channels, luma first, 1.0 = full range, on the host or a
            GPU. Samples in the hole have no influence; those that are not finite count as hole in all but the result.
        hole: ``(height, width)`` uint8, on the host, 1 = to fill.
        source: ``(height, width)`` uint8, on the host, 1 = may be copied; what is hole is never copied.

    Args:
        seed: Of the random search, any whole number of 31 bits. Nearby ones give much the same picture.
        sharp: At full size, every pixel is copied from one place; else it is the mean of all patches that cover it,
            which scores 0.1 dB more and keeps 0.64 of the fine detail where this keeps 0.92 (58 holes of 70 x 44).

    Source:
        ``exemplar.h`` names the papers.
    """
    image, hole, source = checked(image, hole, source)
    arrays = module_of(image)
    filled = image.copy()
    if not hole.any():
        return filled
    unknown = hole | _on_host(~arrays.isfinite(image).all(axis=0)).astype(np.uint8)
    levels = _pyramid(image, unknown, source & (1 - unknown))
    if levels is None:
        invented = laplace_fill(image, unknown, _TOLERANCE)
    else:
        match, cost = _fill_pyramid(levels, seed)
        if sharp:
            _vote(levels[0], match, cost, sharp=True)
        invented = levels[0].planes[: len(image)]
    filled[:] = arrays.where(arrays.asarray(hole) == 1, invented, filled)
    return filled


@dataclass(frozen=True, slots=True)
class Testimony:
    """What patches say of a hole and of the known pixels beside it. Arrays are where the picture is, but for the last.

    Attributes:
        mean: ``(channels, height, width)`` float32: the weighted mean of the patches that cover a pixel.
        spread: ``(height, width)`` float32: how far they are apart in the first channel, mean of squares.
        origin: ``(height, width)`` int32: the place, ``y * width + x``, that the likeliest of them copies.
        misfit: ``(height, width)`` float32, on the host: how badly patches fit what is known around each part of the
            hole, their cost in shares of how much the picture varies there. 0 is an exact repeat, noise is 1 and more.
    """

    mean: NDArray[np.float32]
    spread: NDArray[np.float32]
    origin: NDArray[np.int32]
    misfit: NDArray[np.float32]


def exemplar_testimony(
    image: NDArray[np.float32], hole: NDArray[np.uint8], source: NDArray[np.uint8], rim: NDArray[np.uint8], seed: int
) -> Testimony | None:
    """What patches of the image say of its hole, and of a rim of known pixels beside it; None without a whole patch.

    Shapes:
        image: as ``checked`` returns it, finite outside the hole.
        hole, source, rim: ``(height, width)`` uint8, on the host. Of the rim, each pixel has hole among its eight
            neighbours.
    """
    levels = _pyramid(image, hole, source)
    if levels is None:
        return None
    match, cost = _fill_pyramid(levels, seed)
    arrays, level = module_of(image), levels[0]
    height, width = level.shape
    pixels = arrays.asarray(_places(np.maximum(hole, rim)))
    said = Testimony(
        arrays.zeros(image.shape, np.float32), arrays.zeros(level.shape, np.float32),
        arrays.zeros(level.shape, np.int32), _misfit(level, cost),
    )  # fmt: skip
    launch(
        "exemplar_testify", (0, pixels.size), level.planes, pixels, match, cost, level.confidence, said.mean,
        said.spread, said.origin, len(image), width, height, grain=_GRAIN * 4,
    )  # fmt: skip
    return said


def _misfit(level: _Level, cost: NDArray[np.int32]) -> NDArray[np.float32]:
    """``Testimony.misfit`` of the costs of a level that is filled."""
    arrays = module_of(cost)
    energy = arrays.empty(level.targets.size, np.int32)
    launch(
        "exemplar_energy", (0, level.targets.size), _depth(level), level.targets, energy, level.shape[1],
        grain=_GRAIN * 4,
    )  # fmt: skip
    places, costs, energies = (_on_host(part) for part in (level.targets, cost.ravel()[level.targets], energy))
    unknown = cv2.boxFilter(level.mask.astype(np.float32), -1, (_SIDE, _SIDE), normalize=False)
    judged = unknown.ravel()[places] <= _MOST_UNKNOWN
    near = np.zeros(level.shape, np.uint8)
    near.ravel()[places] = 1
    # A part is what targets join. They keep off the picture's border, where the hole need not.
    count, parts = cv2.connectedComponents(np.maximum(near, level.mask), connectivity=8)
    mine = parts.ravel()[places][judged]
    # Sums of whole numbers below 2^53 are exact in any order.
    lost, varied = (np.bincount(mine, each[judged].astype(np.float64), count) for each in (costs, energies))
    table: NDArray[np.float32] = (lost / np.maximum(varied, 1)).astype(np.float32)
    of_parts: NDArray[np.float32] = table[parts]
    return of_parts


def checked(
    image: NDArray[np.float32],
    hole: NDArray[np.uint8],
    source: NDArray[np.uint8] | None,
) -> tuple[NDArray[np.float32], NDArray[np.uint8], NDArray[np.uint8]]:
    """The arrays, contiguous, of their types, masks of 0 and 1."""
    if image.ndim != 3 or not 1 <= image.shape[0] <= 3 or image.dtype != np.float32:
        raise ValueError(f"image must be (1 to 3, height, width) float32, got {image.shape} {image.dtype}")
    if image.size * _DEPTH >= 1 << 31:
        raise ValueError(f"image must be fewer than 2^29 samples, got {image.size}")
    for name, mask in (("hole", hole), ("source", source)):
        if mask is not None and (mask.shape != image.shape[1:] or mask.dtype != np.uint8):
            raise ValueError(f"{name} must be {image.shape[1:]} uint8 to match image, got {mask.shape} {mask.dtype}")
    hole = (hole != 0).astype(np.uint8)
    allowed = 1 - hole if source is None else (source != 0).astype(np.uint8)
    return module_of(image).ascontiguousarray(image), hole, allowed


def _pyramid(image: NDArray[np.float32], hole: NDArray[np.uint8], source: NDArray[np.uint8]) -> list[_Level] | None:
    """Levels, full size first, down to where the hole is thin or too little is left to copy; none without a source."""
    level = _level(_with_texture(image, hole), len(image), hole, source)
    if level.sources.size == 0:
        return None
    levels = [level]
    while levels[-1].thickness > _THIN:
        level = _halved(levels[-1])
        if level.sources.size < _MIN_SOURCES or level.pixels.size == 0:
            break
        levels.append(level)
    return levels


def _with_texture(image: NDArray[np.float32], hole: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The channels, then how strongly the first one varies across and down: as much of it as the depth has room for."""
    arrays = module_of(image)
    count, height, width = image.shape
    across, down = arrays.empty((2, height, width), np.float32)
    launch(
        "exemplar_texture", (0, height), image, arrays.asarray(hole), across, down, width, height, grain=_rows(width),
        columns=width,
    )  # fmt: skip
    texture = [across, down] if count < 3 else [0.5 * (across + down)]
    return arrays.concatenate([image, arrays.stack(texture)])  # type: ignore[no-any-return]


def _halved(level: _Level) -> _Level:
    """The level at half the size."""
    arrays = module_of(level.planes)
    (height, width), count = level.shape, len(level.planes)
    half_height, half_width = (height + 1) // 2, (width + 1) // 2
    planes = arrays.empty((count, half_height, half_width), np.float32)
    masks = arrays.empty((2, half_height, half_width), np.uint8)
    launch(
        "exemplar_halve", (0, half_height), level.planes, level.hole, level.source, planes, masks[0], masks[1], count,
        width, height, grain=_rows(half_width), columns=half_width,
    )  # fmt: skip
    return _level(planes, level.channels, *_on_host(masks))


def _level(planes: NDArray[np.float32], channels: int, hole: NDArray[np.uint8], source: NDArray[np.uint8]) -> _Level:
    """A level and the lists that the kernels walk. Masks are on the host."""
    arrays = module_of(planes)
    square = np.ones((_SIDE, _SIDE), np.uint8)
    inside = np.zeros_like(hole)
    inside[_RADIUS:-_RADIUS, _RADIUS:-_RADIUS] = 1
    allowed = inside * cv2.erode(source, square).astype(np.uint8)
    targets = inside * cv2.dilate(hole, square).astype(np.uint8)
    distance = cv2.distanceTransform(hole, cv2.DIST_C, 3)
    steps = np.minimum(distance, 63).astype(np.int32)
    table = np.cumprod(np.full(64, 1 / _FALLOFF), dtype=np.float64).astype(np.float32)
    return _Level(
        planes=planes, channels=channels, hole=arrays.asarray(hole), source=arrays.asarray(source),
        allowed=arrays.asarray(allowed), sources=arrays.asarray(_places(allowed)),
        targets=arrays.asarray(_places(targets)), pixels=arrays.asarray(_places(hole)),
        confidence=arrays.asarray(table[steps]), mask=hole, thickness=float(distance.max()),
    )  # fmt: skip


def _fill_pyramid(levels: list[_Level], seed: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Fill the hole of every level in place, the smallest first; return the matches of the largest and their costs."""
    match = _begin(levels[-1], seed)
    for index in range(len(levels) - 1, -1, -1):
        level = levels[index]
        if index < len(levels) - 1:
            match = _inherit(level, match, seed)
            _vote(level, match, module_of(match).zeros(level.shape, np.int32))
        match, cost = _settle(level, match, _FINE_PASSES + min(index, 2), seed + index + 1)
    return match, cost


def _begin(level: _Level, seed: int) -> NDArray[np.int32]:
    """Fill the smallest level from nothing and return its matches.

    Peeling continues edges, a smooth start keeps apart what lies on either side. Which is right depends on the
    picture; the one whose patches fit better in the end is taken (0.3 dB over peeling alone on 58 holes of 70 x 44).
    """
    best: tuple[int, NDArray[np.float32], NDArray[np.int32]] | None = None
    for start in (_peel, _smooth):
        match, cost = _settle(level, start(level, seed), _COARSE_PASSES, seed)
        total = int(cost.ravel()[level.targets].astype(np.int64).sum())
        if best is None or total < best[0]:
            best = total, level.planes.copy(), match
    assert best is not None
    level.planes[:] = best[1]
    return best[2]


def _settle(
    level: _Level, match: NDArray[np.int32], passes: int, seed: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Search and vote in turn; return the last matches and their costs."""
    cost = module_of(match).zeros(level.shape, np.int32)
    for index in range(passes):
        match = _improve(level, match, cost, seed, index)
        _vote(level, match, cost)
    return match, cost


def _peel(level: _Level, seed: int) -> NDArray[np.int32]:
    """Fill a level ring by ring from the border inwards, and return matches for all its targets."""
    arrays, (height, width) = module_of(level.planes), level.shape
    match = _inherit(level, None, seed)
    known = 1 - level.hole
    flat = level.planes.reshape(len(level.planes), -1)
    places = _places(level.mask)
    rings = cv2.distanceTransform(level.mask, cv2.DIST_C, 3).ravel()[places]
    rows, columns = np.divmod(places, width)
    centres = np.clip(rows, _RADIUS, height - 1 - _RADIUS) * width + np.clip(columns, _RADIUS, width - 1 - _RADIUS)
    for ring in np.unique(rings):
        pixels, centre = places[rings == ring], centres[rings == ring]
        _search(level, known, arrays.asarray(np.unique(centre)), match)
        pixels, centre = arrays.asarray(pixels), arrays.asarray(centre)
        flat[:, pixels] = flat[:, match.ravel()[centre] + pixels - centre]
        known.ravel()[pixels] = 1
    _search(level, known, level.targets, match)
    return match


def _smooth(level: _Level, seed: int) -> NDArray[np.int32]:
    """Fill a level smoothly, and return matches for all its targets."""
    level.planes[:] = structure_fill(level.planes, level.mask, CONTRAST, _TOLERANCE)
    match = _inherit(level, None, seed)
    _search(level, module_of(level.hole).ones_like(level.hole), level.targets, match)
    return match


def _search(
    level: _Level,
    known: NDArray[np.uint8],
    targets: NDArray[np.int32],
    match: NDArray[np.int32],
) -> None:
    """Set the best match of some targets, as far around as the budget lets look; where it finds none, it stays."""
    height, width = level.shape
    reach = max(height, width)
    if level.targets.size * level.sources.size > _SEARCH_BUDGET:
        reach = max(_SIDE, int((_SEARCH_BUDGET / level.targets.size) ** 0.5) // 2)
    found = match.copy()
    launch(
        "exemplar_search", (0, targets.size), _depth(level), known, level.allowed, targets, found, width, height,
        after=(reach,), grain=_GRAIN // 16, together=True,
    )  # fmt: skip
    match[:] = module_of(match).where(found < 0, match, found)


def _inherit(level: _Level, coarse: NDArray[np.int32] | None, seed: int) -> NDArray[np.int32]:
    """First matches of a level, from the level at half its size or at random."""
    height, width = level.shape
    match: NDArray[np.int32] = module_of(level.planes).full(level.shape, -1, np.int32)
    launch(
        "exemplar_inherit", (0, level.targets.size), match if coarse is None else coarse, level.allowed, level.sources,
        level.sources.size, level.targets, match, width, height, int(coarse is not None), seed, grain=_GRAIN * 16,
    )  # fmt: skip
    return match


def _improve(
    level: _Level,
    match: NDArray[np.int32],
    cost: NDArray[np.int32],
    seed: int,
    index: int,
) -> NDArray[np.int32]:
    """Better matches for the hole as it is filled now, and their costs in ``cost``."""
    height, width = level.shape
    depth = _depth(level)
    for turn, stride in enumerate(_STRIDES):
        better = match.copy()
        launch(
            "exemplar_improve", (0, level.targets.size), depth, level.allowed, level.sources, level.sources.size,
            level.targets, match, better, cost, width, height, stride, index * len(_STRIDES) + turn, seed,
            grain=_GRAIN,
        )  # fmt: skip
        match = better
    return match


def _vote(
    level: _Level,
    match: NDArray[np.int32],
    cost: NDArray[np.int32],
    *,
    sharp: bool = False,
) -> None:
    """Fill the hole from the matches, in place."""
    height, width = level.shape
    launch(
        "exemplar_vote", (0, level.pixels.size), level.planes, level.pixels, match, cost, level.confidence,
        len(level.planes), width, height, int(sharp), grain=_GRAIN * 4,
    )  # fmt: skip


def _depth(level: _Level) -> NDArray[np.int16]:
    """What the search compares, of the level as it is filled now."""
    height, width = level.shape
    arrays = module_of(level.planes)
    scales = np.full(_DEPTH, _UNIT * _TEXTURE, np.float32)
    scales[: level.channels] = _UNIT
    depth: NDArray[np.int16] = arrays.empty((height, width, _DEPTH), np.int16)
    launch(
        "exemplar_quantise", (0, height), level.planes, arrays.asarray(scales), depth, len(level.planes), width, height,
        grain=_rows(width), columns=width,
    )  # fmt: skip
    return depth


def _places(mask: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Where a mask is set, ``y * width + x``."""
    return np.flatnonzero(mask).astype(np.int32)


def _on_host(array: Any) -> NDArray[Any]:
    return array if isinstance(array, np.ndarray) else array.get()


def _rows(width: int) -> int:
    """Rows of a plane that are worth a thread."""
    return max(1, _GRAIN * 32 // width)
