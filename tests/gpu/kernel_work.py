"""Work for each kernel that a GPU is given: arrays made from a seed, one call, and what came of it, on any device.

A work is ``work(device) -> arrays of the host``. Made again for another device, it is the same. Sizes and options are
chosen by whoever makes it: small and spoiled to check, large and plain to measure.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from vsdfvi.kernels import LOST, Device, Packed, Plane, pack, sample_flow, sample_lanczos, trace_step
from vsdfvi.kernels._launch import launch
from vsdfvi.kernels.exemplar import exemplar_fill
from vsdfvi.kernels.laplace import laplace_fill
from vsdfvi.kernels.meld import meld_fill
from vsdfvi.kernels.paper import carry_names, link_pixels, merge_names, number_pixels
from vsdfvi.kernels.planes import at_ends, median
from vsdfvi.kernels.search import search_flow

Arrays = list[NDArray]
Work = Callable[[Device], Arrays]
Size = tuple[int, int]  # (height, width)

NOT_NUMBERS = np.array([np.nan, np.inf, -np.inf], np.float32)
LIMIT = 1.5  # pixels


def _home(device: Device, arrays: Arrays) -> Arrays:
    return [device.get(array) for array in arrays]


def _spoiled(values: NDArray[np.float32], share: float, random: np.random.Generator) -> NDArray[np.float32]:
    """Values of which a share is no number."""
    flat = values.reshape(-1)
    where = random.random(flat.size) < share
    flat[where] = random.choice(NOT_NUMBERS, int(where.sum()))
    return values


def _flow(size: Size, scale: int, motion: float, spoiled: float, random: np.random.Generator) -> Packed:
    """Random flow and nearly its opposite, on one box, or on two with a gap between them where there is room."""
    rows, columns = (-(-extent // scale) for extent in size)
    out = motion * random.standard_normal((2, rows, columns), np.float32)
    back = -out + np.float32(0.3) * random.standard_normal(out.shape, np.float32)
    stack = _spoiled(np.concatenate([out, back]), spoiled, random)
    if columns < 24 or not spoiled:
        return pack([(0, 0)], [stack])
    cut = columns // 2
    return pack([(0, 0), (cut + 2, 1)], [stack[..., :cut].copy(), stack[:, 1:, cut + 2 :].copy()])


def _places(size: Size, count: int, random: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Places anywhere in the frame, three of ten on pixels."""
    x, y = ((extent - 1) * random.random(count, np.float32) for extent in size[::-1])
    whole = random.random(count) < 0.3
    x[whole], y[whole] = np.rint(x[whole]), np.rint(y[whole])
    return x, y


def trace(
    size: Size,
    count: int,
    *,
    scale: int = 1,
    later: bool = True,
    stop: bool = True,
    spoiled: float = 0.02,
    seed: int = 1,
) -> Work:
    """Return one step of trajectories, of which some ended before unless nothing is to be spoiled."""

    def work(device: Device) -> Arrays:
        random = np.random.default_rng(seed)
        flow = _flow(size, scale, 2.0, spoiled, random)
        x, y = _places(size, count, random)
        error = random.random(count, np.float32)
        ended = random.choice(np.array([0, 0, 0, 0, LOST, 2], np.int32), count)
        state = ended if spoiled else np.zeros(count, np.int32)
        height, width = (max(1, extent * 3 // 4) for extent in size)
        hole = Plane(size[1] - width, 0, (random.random((height, width)) < 0.6).astype(np.uint8))
        arrays = [device.put(each) for each in (x, y, error, state)]
        trace_step(
            *arrays, flow.on(device), hole, size=size, later=later, step=3, stop=stop, scale=scale, limit=LIMIT,
            hole_there=device.put(hole.samples),
        )  # fmt: skip
        return _home(device, arrays)

    return work


def lanczos(
    size: Size, count: int, *, subsampling: tuple[int, int] = (0, 0), spoiled: float = 0.01, seed: int = 2
) -> Work:
    """Return samples of a plane of a size, where trajectories end in it and some way outside."""

    def work(device: Device) -> Arrays:
        random = np.random.default_rng(seed)
        height, width = size
        plane = _spoiled(255 * random.random((1, height, width), np.float32), spoiled, random)
        source = pack([(0, 0)], [plane])
        column, row = (random.integers(0, extent, count).astype(np.int32) for extent in (width, height))
        index = random.permutation(count).astype(np.int32)
        start = tuple(
            random.integers(0, extent << by, count).astype(np.int32)
            for extent, by in zip((width, height), subsampling, strict=True)
        )
        end = tuple((begun + random.normal(0, 3, count)).astype(np.float32) for begun in start)
        state = random.integers(-1, 4, count).astype(np.int32) if spoiled else np.full(count, 2, np.int32)
        out, got = (device.put(np.full(count, 9, kind)) for kind in (np.float32, np.uint8))
        sample_lanczos(
            source.on(device), device.put(column), device.put(row), device.put(index),
            tuple(map(device.put, start)), tuple(map(device.put, end)), device.put(state), out, got, step=2,
            subsampling=subsampling,
        )  # fmt: skip
        return _home(device, [out, got])

    return work


def flow_ends(size: Size, count: int, *, scale: int = 1, plane: int = 0, spoiled: float = 0.02, seed: int = 3) -> Work:
    """Return flow where trajectories ended."""

    def work(device: Device) -> Arrays:
        random = np.random.default_rng(seed)
        flow = _flow(size, scale, 2.0, spoiled, random)
        x, y = _places(size, count, random)
        x = _spoiled(x, spoiled, random)
        state = random.integers(-1, 3, count).astype(np.int32) if spoiled else np.ones(count, np.int32)
        out = device.put(np.full((2, count), 9, np.float32))
        sample_flow(
            flow.on(device), plane, device.put(x), device.put(y), device.put(state), out, size=size, step=1, scale=scale
        )
        return _home(device, [out])

    return work


def links(size: Size, *, later: bool = True, scale: int = 1, spoiled: float = 0.02, seed: int = 4) -> Work:
    """Return what the pixels of a frame take from its neighbour by the rule of DFVI."""

    def work(device: Device) -> Arrays:
        random = np.random.default_rng(seed)
        flow = _flow(size, scale, 1.0, spoiled, random)
        hole, neighbour = (random.random(size) < share for share in (0.8, 0.5))
        hole[0, 0] = True
        y, x = (axis.astype(np.int32) for axis in np.nonzero(hole))
        far_y, far_x = (axis.astype(np.int32) for axis in np.nonzero(neighbour))
        link = device.put(np.full(x.size, 77, np.int32))
        link_pixels(
            device.put(x), device.put(y), link, flow.on(device), number_pixels(far_x, far_y, 1000, device),
            later=later, span=(0, x.size), size=size, scale=scale, limit=LIMIT,
        )  # fmt: skip
        return _home(device, [link])

    return work


def names_carried(count: int, *, seed: int = 5) -> Work:
    """Return names that a frame's pixels take over: those before ``count // 2`` belong to the neighbour."""

    def work(device: Device) -> Arrays:
        random = np.random.default_rng(seed)
        first = count // 2
        link = random.integers(-4, max(1, first), count).astype(np.int32)
        filled = (random.random(count) < 0.2).astype(np.uint8)
        stamp, carried = (random.integers(-1, 9, count).astype(np.int32) for _ in range(2))
        arrays = [device.put(each) for each in (link, filled, stamp, carried)]
        carry_names(*arrays, frame=3, neighbour=2, span=(first, count))
        return _home(device, arrays[2:])

    return work


def names_merged(count: int, *, seed: int = 6) -> Work:
    """Return pixels filled from the side nearer in time; names point to pixels before ``count // 2``."""

    def work(device: Device) -> Arrays:
        random = np.random.default_rng(seed)
        first = count // 2
        stamps = [random.integers(-1, 10, count).astype(np.int32) for _ in range(2)]
        carried = [random.integers(-9, max(1, first), count).astype(np.int32) for _ in range(2)]
        filled, invented = ((random.random(count) < 0.3).astype(np.uint8) for _ in range(2))
        origin = [random.integers(0, 99, count).astype(np.int32) for _ in range(2)]
        there = [device.put(each) for each in (stamps[0], carried[0], stamps[1], carried[1], filled, *origin, invented)]
        merge_names(
            (there[0], there[1]), (there[2], there[3]), there[4], (there[5], there[6]), there[7], frame=5,
            span=(first, count),
        )  # fmt: skip
        return _home(device, there[4:])

    return work


def _planes(size: Size, planes: int, spoiled: float, random: np.random.Generator) -> NDArray[np.float32]:
    return _spoiled(255 * random.random((planes, *size), np.float32), spoiled, random)


def _hole(size: Size, share: float, random: np.random.Generator) -> NDArray[np.uint8]:
    """A hole that leaves the border known where it takes all else."""
    hole = (random.random(size) < share).astype(np.uint8)
    if share == 1.0:
        hole[[0, -1]] = hole[:, [0, -1]] = 0
    return hole


def restricted(size: Size, planes: int = 2, *, share: float = 0.5, spoiled: float = 0.01, seed: int = 7) -> Work:
    """Return planes and their hole at half the size."""

    def work(device: Device) -> Arrays:
        random = np.random.default_rng(seed)
        values, hole = _planes(size, planes, spoiled, random), _hole(size, share, random)
        rows, columns = (-(-extent // 2) for extent in size)
        coarse = device.put(np.full((planes, rows, columns), 9, np.float32))
        coarse_hole = device.put(np.full((rows, columns), 9, np.uint8))
        launch(
            "laplace_restrict", (0, rows), device.put(values), device.put(hole), coarse, coarse_hole, planes, size[1],
            size[0], columns=columns,
        )  # fmt: skip
        return _home(device, [coarse, coarse_hole])

    return work


def _by_colour(hole: NDArray[np.uint8]) -> tuple[NDArray[np.int32], int]:
    where = np.flatnonzero(hole).astype(np.int32)
    black = (where // hole.shape[1] + where % hole.shape[1]) % 2 == 1
    return np.concatenate([where[~black], where[black]]), int((~black).sum())


def prolonged(size: Size, planes: int = 2, *, share: float = 0.5, spoiled: float = 0.01, seed: int = 8) -> Work:
    """Return planes whose hole is begun from the solution at half the size."""

    def work(device: Device) -> Arrays:
        random = np.random.default_rng(seed)
        values = device.put(_planes(size, planes, spoiled, random))
        coarse = _planes((-(-size[0] // 2), -(-size[1] // 2)), planes, spoiled, random)
        pixels, _ = _by_colour(_hole(size, share, random))
        launch(
            "laplace_prolong",
            (0, pixels.size),
            device.put(coarse),
            device.put(pixels),
            values,
            planes,
            size[1],
            size[0],
        )
        return _home(device, [values])

    return work


def settled(
    size: Size, planes: int = 2, *, share: float = 0.5, sweeps: int = 24, tolerance: float = 0.5, spoiled: float = 0.01,
    seed: int = 9,
) -> Work:  # fmt: skip
    """Return planes after some sweeps of over-relaxation in their hole; without a tolerance, after all of them."""

    def work(device: Device) -> Arrays:
        random = np.random.default_rng(seed)
        values = device.put(_planes(size, planes, spoiled, random))
        pixels, reds = _by_colour(_hole(size, share, random))
        launch(
            "laplace_settle", (0, planes), values, device.put(pixels), reds, pixels.size, size[1], size[0], 4, sweeps,
            after=(1.7, tolerance), together=True,
        )  # fmt: skip
        return _home(device, [values])

    return work


def smooth(size: Size, planes: int = 2, *, share: float = 0.5, seed: int = 10) -> Work:
    """Return planes filled by the equation of Laplace, all sizes of the picture in their turn."""

    def work(device: Device) -> Arrays:
        random = np.random.default_rng(seed)
        values, hole = _planes(size, planes, 0.0, random), _hole(size, share, random)
        return _home(device, [laplace_fill(device.put(values), hole, 1 / 64)])

    return work


def warped(size: Size, planes: int = 2, *, spoiled: float = 0.02, seed: int = 11) -> Work:
    """Return planes where vectors of their pixels end, of which some are no numbers, and so are some samples."""

    def work(device: Device) -> Arrays:
        random = np.random.default_rng(seed)
        vectors = _spoiled(4 * random.standard_normal((2, *size), np.float32), spoiled, random)
        return _home(device, [at_ends(device.put(_planes(size, planes, spoiled, random)), device.put(vectors))])

    return work


def medians(size: Size, planes: int = 2, *, seed: int = 12) -> Work:
    """Return the medians of neighbourhoods; many samples are alike."""

    def work(device: Device) -> Arrays:
        random = np.random.default_rng(seed)
        values = np.floor(20 * random.random((planes, *size), np.float32)) - np.float32(9)  # of two zeros any will do
        return _home(device, [median(device.put(values))])

    return work


def searched(
    size: Size, *, pairs: int = 1, started: bool = False, full: bool = True, spoiled: float = 0.0, seed: int = 13
) -> Work:
    """Return flow between pictures of blobs that move by two pixels, by dense inverse search."""

    def work(device: Device) -> Arrays:
        random = np.random.default_rng(seed)
        height, width = size
        coarse = 255 * random.random((pairs, height // 5 + 3, width // 5 + 3), np.float32)
        wide = coarse.repeat(5, axis=1).repeat(5, axis=2)
        pictures = np.stack([wide[:, 3 : 3 + height, 3 : 3 + width], wide[:, 2 : 2 + height, 5 : 5 + width]], axis=1)
        pictures = pictures.reshape(2 * pairs, height, width) + random.standard_normal((2 * pairs, *size), np.float32)
        pictures = _spoiled(np.ascontiguousarray(pictures, np.float32), spoiled, random)
        start = _spoiled(random.standard_normal((4 * pairs, *size), np.float32), spoiled, random) if started else None
        found = search_flow(device.put(pictures), None if start is None else device.put(start), full=full)
        return _home(device, [found])

    return work


def patched(
    size: Size, channels: int = 3, *, hole: Size, sharp: bool = True, melded: bool = False, spoiled: float = 0.0,
    seed: int = 14,
) -> Work:  # fmt: skip
    """Return a picture of blobs with a box in its middle filled by patches, as they are or melded with edges."""

    def work(device: Device) -> Arrays:
        random = np.random.default_rng(seed)
        height, width = size
        coarse = random.random((channels, height // 5 + 1, width // 5 + 1), np.float32)
        image = coarse.repeat(5, axis=1).repeat(5, axis=2)[:, :height, :width]
        image = _spoiled(image + np.float32(0.02) * random.standard_normal(image.shape, np.float32), spoiled, random)
        missing = np.zeros(size, np.uint8)
        top, left = (height - hole[0]) // 2, (width - hole[1]) // 2
        missing[top : top + hole[0], left : left + hole[1]] = 1
        if melded:
            return _home(device, [meld_fill(device.put(image), missing, seed=3)])
        return _home(device, [exemplar_fill(device.put(image), missing, seed=3, sharp=sharp)])

    return work
