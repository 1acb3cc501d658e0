"""What no frame shows: filled on key frames, and carried to the others along the same flow."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from vsdfvi.engine.cache import Cache, CacheShare
from vsdfvi.engine.footage import Footage
from vsdfvi.engine.grain import still_texture
from vsdfvi.engine.light import Light
from vsdfvi.engine.plan import keyframes
from vsdfvi.engine.propagation import HolePixels, walk
from vsdfvi.engine.reference import with_reference
from vsdfvi.engine.surroundings import Ring, follow, parent_samples
from vsdfvi.engine.texture import Carried, crossfade
from vsdfvi.engine.tracing import RingFill, Traced, lights_of, trace
from vsdfvi.frames.masks import Box, regions
from vsdfvi.frames.pixels import Colours
from vsdfvi.kernels import Packed, pack, sample_lanczos
from vsdfvi.kernels.device import get_together
from vsdfvi.kernels.laplace import laplace_fill
from vsdfvi.kernels.meld import meld_fill

if TYPE_CHECKING:
    from vsdfvi.engine.generator import Generator  # which imports torch

WITHOUT_A_NETWORK = ("exemplar", "diffusion")
"""What the setting ``synthesis`` may be where no network is to be loaded."""

THIN = 3  # pixels: what lies no deeper in the unreached part is diffused in its own frame: texture needs more room
CONTEXT = 64 / 240  # share of the height around a hole that an exemplar fill may copy from
_SETTLED = 1 / 1024  # of the peak: movement of a sweep at which a diffused fill has settled


@dataclass(frozen=True, slots=True)
class Filled:
    """A hole, filled, on the host.

    Attributes:
        values: For each plane, float32 ``(samples)`` in codes.
        seen: For each plane, bool ``(samples)``: another frame or a reference shows it; else it is invented.
        beside: What the ring would show if it were hole; beside what is invented, that goes on.
    """

    values: tuple[NDArray[np.float32], ...]
    seen: tuple[NDArray[np.bool_], ...]
    beside: RingFill


def synthesise(
    footage: Footage, n: int, traced: Traced, cache: Cache | CacheShare, generator: "Generator | None" = None
) -> Filled:
    """All samples of frame n's hole: traced where reached, else invented.

    Args:
        generator: The network behind the setting ``synthesis``, where there is one.
    """
    device = footage.device
    unreached = device.get(traced.unreached)
    planes = len(traced.values)
    home = get_together(device, [*traced.values, *traced.reached])
    values, seen = [value.copy() for value in home[:planes]], home[planes:]
    reached = [flags.copy() for flags in seen]
    deep = _deep(traced.pixels, unreached)
    if deep.any():
        _carry(footage, n, traced, deep, values, reached, cache, generator)
    # What is left is little, and the rest is done.
    complete = _diffuse(footage, n, traced.pixels, values, reached)
    return Filled(complete, tuple(seen), _beside(traced, complete, seen))


def _beside(traced: Traced, values: tuple[NDArray[np.float32], ...], seen: list[NDArray[np.bool_]]) -> RingFill:
    """The ring's fill, where its parents are invented as well.

    What is invented has no sources to be looked up beside the hole; but it should go on there, as pictures do.
    """
    ring, fills = traced.ring, []
    for plane, (value, was_seen) in enumerate(zip(values, seen, strict=True)):
        parent = parent_samples(ring, traced.pixels, plane)
        fills.append((value[parent], ring.beside[ring.of_plane[plane]], ~was_seen[parent]))
    going_on = RingFill(tuple(each[0] for each in fills), tuple(each[1] for each in fills))
    invented = tuple(each[2] for each in fills)
    return replace(going_on.where(invented, traced.fill), invented=invented)


def _deep(pixels: HolePixels, unreached: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which unreached pixels belong to a part that is more than a few pixels thick."""
    if not unreached.any():
        return unreached
    picture, x0, y0 = _picture(pixels, unreached)
    distance = cv2.distanceTransform(np.pad(picture, 1), cv2.DIST_L2, 3)[1:-1, 1:-1]
    count, labels = cv2.connectedComponents(picture, connectivity=8)
    deepest = np.zeros(count, np.float32)
    np.maximum.at(deepest, labels.ravel().astype(np.intp), distance.ravel())
    deep: NDArray[np.bool_] = deepest[labels[pixels.y - y0, pixels.x - x0]] > THIN
    return unreached & deep


def _picture(pixels: HolePixels, chosen: NDArray[np.bool_]) -> tuple[NDArray[np.uint8], int, int]:
    """Chosen hole pixels as a picture, and where it lies."""
    x0, y0 = int(pixels.x.min()), int(pixels.y.min())
    picture = np.zeros((int(pixels.y.max()) - y0 + 1, int(pixels.x.max()) - x0 + 1), np.uint8)
    picture[pixels.y[chosen] - y0, pixels.x[chosen] - x0] = 1
    return picture, x0, y0


def _carry(
    footage: Footage,
    n: int,
    traced: Traced,
    deep: NDArray[np.bool_],
    values: list[NDArray[np.float32]],
    reached: list[NDArray[np.bool_]],
    cache: Cache | CacheShare,
    generator: "Generator | None",
) -> None:
    """Fill the deep part of frame n from the key frames around it, weighted by time, in place.

    The light of a key frame is matched as that of any other source.

    Shapes:
        deep, values, reached: on the host.
    """
    interval = footage.settings.keyframe_interval
    around = keyframes(n, interval, *footage.scene(n, interval))
    device, pixels, ring = footage.device, traced.there, traced.ring
    arrays, planes = device.arrays, range(footage.format.planes)
    deep_there = device.put(deep)
    parts: list[list[Carried]] = [[] for _ in planes]
    for key in around:
        steps = abs(key - n)
        time_share = 1.0 if len(around) == 1 else 1.0 - steps / (around[1] - around[0])
        filled = keyframe(footage, key, cache, generator)
        side = walk(footage, n, pixels.x, pixels.y, later=key > n, steps=steps, stop=False, limit=float("inf"))
        arrived = arrays.where((side.state == 0) & deep_there, 1, -1).astype(np.int32)
        got = [arrays.zeros(column.size, np.uint8) for column in pixels.column]
        value = [arrays.zeros(column.size, np.float32) for column in pixels.column]
        for plane in planes:
            index = arrays.ascontiguousarray(pixels.cover[plane].max(axis=1))
            sample_lanczos(
                filled[plane], pixels.column[plane], pixels.row[plane], index, (pixels.x, pixels.y), (side.x, side.y),
                arrived, value[plane], got[plane], step=1, subsampling=footage.format.subsampling(plane),
            )  # fmt: skip
        home = get_together(device, [*value, *got])
        lights = _lights_of_keyframe(footage, n, ring, key, filled)
        for plane in planes:
            group = ring.hole_group[traced.pixels.cover[plane].max(axis=1)]
            # A key frame right here decides alone; one at the far end still helps where the nearer is not reached.
            share = np.float32(max(time_share, 1e-3)) * home[len(planes) + plane]
            parts[plane].append(Carried(lights[plane].of(home[plane], group), share.astype(np.float32)))
    for plane in planes:
        at = traced.pixels.row[plane], traced.pixels.column[plane]
        mean, there = crossfade(parts[plane], at, values[plane], reached[plane])
        use = there & ~reached[plane]
        values[plane][use] = mean[use]
        reached[plane] |= use


def _lights_of_keyframe(
    footage: Footage, n: int, ring: Ring, key: int, filled: tuple[Packed, ...]
) -> tuple[Light, ...]:
    """The light of a filled key frame against that of frame n."""
    steps = abs(key - n)
    shown = follow(footage, n, ring, later=key > n, steps=[steps] if steps else [], picture=lambda *_: filled)
    unchanged = (Light.unchanged(ring.groups),) * footage.format.planes
    return lights_of(footage, n, ring, shown).get(steps, unchanged)


def keyframe(
    footage: Footage, n: int, cache: Cache | CacheShare, generator: "Generator | None" = None
) -> tuple[Packed, ...]:
    """Planes of key frame n around its hole, completely filled, as numbers in codes, on the device.

    Args:
        cache: For what lives there.
    """
    return cache.get(
        ("keyframe", n), lambda: _make_keyframe(footage, n, generator), lambda planes: sum(p.nbytes for p in planes)
    )


def _make_keyframe(footage: Footage, n: int, generator: "Generator | None") -> tuple[Packed, ...]:
    context = max(32, round(CONTEXT * footage.size[0]))
    boxes = regions([footage.hole(n)], context, footage.size)
    if not boxes:  # nothing is missing on this key frame: the others are filled from its picture
        height, width = footage.size
        boxes = [(0, 0, width, height)]
        return footage.source(n, boxes)
    traced = with_reference(footage, n, trace(footage, n))
    device = footage.device
    home = get_together(device, [*traced.values, *traced.reached])
    seen = list(zip(home[: len(traced.values)], home[len(traced.values) :], strict=True))
    planes: list[list[NDArray[np.float32]]] = [[] for _ in range(footage.format.planes)]
    for box in boxes:
        pictures = [_placed(footage, n, traced.pixels, plane, box, *seen[plane]) for plane in range(len(planes))]
        excluded = [footage.excluded_on(n, plane, box) for plane in range(len(planes))]
        for plane, filled in enumerate(fill(footage, n, pictures, generator, excluded)):
            planes[plane].append(filled[None])
    if footage.settings.grain:
        for plane in range(len(planes)):
            _add_texture(footage, n, traced, plane, boxes, planes[plane], seen[plane][1])
    packed = []
    for plane in range(footage.format.planes):
        right, down = footage.format.subsampling(plane)
        packed.append(pack([(box[0] >> right, box[1] >> down) for box in boxes], planes[plane]).on(device))
    return tuple(packed)


def _add_texture(
    footage: Footage,
    n: int,
    traced: Traced,
    plane: int,
    boxes: list[Box],
    filled: list[NDArray[np.float32]],
    seen: NDArray[np.bool_],
) -> None:
    """Give a plane of a key frame, filled on some boxes, the texture that stands still, in place."""
    right, down = footage.format.subsampling(plane)
    column, row = traced.pixels.column[plane], traced.pixels.row[plane]
    values, inside = np.zeros(column.size, np.float32), []
    for (x0, y0, *_), picture in zip(boxes, filled, strict=True):
        _, height, width = picture.shape
        u, v = column - (x0 >> right), row - (y0 >> down)
        here = (u >= 0) & (u < width) & (v >= 0) & (v < height)
        inside.append((here, v[here], u[here]))
        values[here] = picture[0, v[here], u[here]]
    values = still_texture(footage, n, traced.pixels, values, seen, traced.ring, plane)
    for (here, v, u), picture in zip(inside, filled, strict=True):
        picture[0, v, u] = values[here]


def _placed(
    footage: Footage,
    n: int,
    pixels: HolePixels,
    plane: int,
    box: Box,
    seen: NDArray[np.float32],
    reached: NDArray[np.bool_],
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """A box of a plane with what was seen put in, and what is left of its hole."""
    right, down = footage.format.subsampling(plane)
    values, hole = footage.samples(n, plane, box)
    column, row = pixels.column[plane] - (box[0] >> right), pixels.row[plane] - (box[1] >> down)
    height, width = values.shape
    use = reached & (column >= 0) & (column < width) & (row >= 0) & (row < height)
    values[row[use], column[use]] = seen[use]
    hole[row[use], column[use]] = 0
    return values, hole


def fill(
    footage: Footage,
    n: int,
    pictures: list[tuple[NDArray[np.float32], NDArray[np.uint8]]],
    generator: "Generator | None" = None,
    excluded: list[NDArray[np.uint8]] | None = None,
) -> list[NDArray[np.float32]]:
    """Planes of a box of frame n with their holes filled from the box itself, or by a network; all on the host.

    Shapes:
        pictures: for each plane, values in codes ``(height, width)`` float32, and its hole, uint8.
        excluded: for each plane, uint8, 1 = known, and not to be taken from; smooth in what is returned.
    """
    bar = None
    if excluded is not None and any(plane.any() for plane in excluded):
        pictures = [_without(footage, *picture, plane) for picture, plane in zip(pictures, excluded, strict=True)]
        bar = excluded
    if footage.settings.synthesis == "diffusion" or not any(hole.any() for _, hole in pictures):
        settled = float(footage.format.peak * _SETTLED)
        return [laplace_fill(values[None], hole, settled)[0] for values, hole in pictures]

    # Patches are compared in all channels at once, and networks see pictures, so the planes are brought to the size of
    # plane 0. A block is then missing as a whole: the mean over it is made of invented pixels alone.
    height, width = pictures[0][0].shape
    scales = [(height // hole.shape[0], width // hole.shape[1]) for _, hole in pictures]
    image = np.stack([_repeated(values, scale) for (values, _), scale in zip(pictures, scales, strict=True)])
    hole = np.maximum.reduce([_repeated(hole, scale) for (_, hole), scale in zip(pictures, scales, strict=True)])
    barred = hole
    if bar is not None:
        barred = np.maximum.reduce([hole, *(_repeated(plane, scale) for plane, scale in zip(bar, scales, strict=True))])
    if generator is None:
        peak = np.float32(footage.format.peak)
        source = None if bar is None else 1 - barred
        filled = footage.device.get(meld_fill(footage.device.put(image / peak), hole, source=source)) * peak
    else:
        hole = barred  # it sees the whole picture
        filled = _generated(generator, Colours(footage.frame(n), footage.format), image, hole)
    planes = []
    for channel, ((values, missing), (down, right)) in enumerate(zip(pictures, scales, strict=True)):
        rows, columns = values.shape
        small = filled[channel].reshape(rows, down, columns, right).mean(axis=(1, 3))
        planes.append(np.where(missing, small, values))
    return planes


def _without(
    footage: Footage, values: NDArray[np.float32], hole: NDArray[np.uint8], excluded: NDArray[np.uint8]
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """A plane with what is excluded gone over smoothly, and its hole."""
    settled = float(footage.format.peak * _SETTLED)
    smooth = laplace_fill(values[None], np.maximum(hole, excluded), settled)[0]
    return np.where(excluded, smooth, values), hole


def _generated(
    generator: "Generator", colours: Colours, image: NDArray[np.float32], hole: NDArray[np.uint8]
) -> NDArray[np.float32]:
    """Planes of one size, in codes, as a network fills them. Where nothing is missing they are near what they were."""
    rgb = colours.to_rgb([colours.numbers(plane, codes) for plane, codes in enumerate(image)])
    filled = colours.from_rgb(generator.fill(np.clip(rgb, 0, 1), hole))
    return np.stack([colours.codes(plane, numbers) for plane, numbers in enumerate(filled)])


def _repeated[Sample: np.generic](plane: NDArray[Sample], scale: tuple[int, int]) -> NDArray[Sample]:
    return plane if scale == (1, 1) else plane.repeat(scale[0], axis=0).repeat(scale[1], axis=1)


def _diffuse(
    footage: Footage, n: int, pixels: HolePixels, values: list[NDArray[np.float32]], reached: list[NDArray[np.bool_]]
) -> tuple[NDArray[np.float32], ...]:
    """The values with those not reached filled smoothly from around them."""
    for plane in range(footage.format.planes):
        if reached[plane].all():
            continue
        left = ~reached[plane]
        column, row = pixels.column[plane], pixels.row[plane]
        height, width = footage.format.plane_shape(plane)
        x0, x1 = max(0, int(column[left].min()) - 1), min(width, int(column[left].max()) + 2)
        y0, y1 = max(0, int(row[left].min()) - 1), min(height, int(row[left].max()) + 2)
        if footage.excludes:  # what may be taken can lie anywhere
            x0, y0, x1, y1 = 0, 0, width, height
        part = footage.frame(n).planes[plane][y0:y1, x0:x1].astype(np.float32)
        if footage.format.is_float:
            part = np.nan_to_num(part, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
        inside = (column >= x0) & (column < x1) & (row >= y0) & (row < y1)
        part[row[inside] - y0, column[inside] - x0] = values[plane][inside]
        right, down = footage.format.subsampling(plane)
        hole = footage.excluded_on(n, plane, (x0 << right, y0 << down, x1 << right, y1 << down))
        hole[row[left] - y0, column[left] - x0] = 1
        filled = laplace_fill(part[None], hole, float(footage.format.peak * _SETTLED))[0]
        values[plane][left] = filled[row[left] - y0, column[left] - x0]
    return tuple(values)
