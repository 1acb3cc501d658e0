"""Work for the kernels that are given many frames in one call, and for those of light: see ``kernel_work``."""

import numpy as np

from gpu.kernel_work import LIMIT, Arrays, Size, Work, _flow, _home, _places, _spoiled
from vsdfvi.kernels import LOST, Device, Packed, Plane, pack
from vsdfvi.kernels.light import light_lines, light_shift
from vsdfvi.kernels.walks import Crossing, blend_sources, sample_sources, trace_follow, trace_walk

Hole = tuple[Packed, Plane]


def crossed(size: Size, steps: int, scale: int, spoiled: float, random: np.random.Generator) -> list[Hole]:
    """Return flow and hole for each of some steps, on the host."""
    height, width = (max(1, extent * 3 // 4) for extent in size)
    return [
        (
            _flow(size, scale, 2.0, spoiled, random),
            Plane(size[1] - width, 0, (random.random((height, width)) < 0.9).astype(np.uint8)),
        )
        for _ in range(steps)
    ]


def crossings(device: Device, frames: list[Hole]) -> list[Crossing]:
    """Return the same on a device."""
    return [Crossing(flow.on(device), hole, device.put(hole.samples)) for flow, hole in frames]


def walkers(size: Size, count: int, random: np.random.Generator) -> Arrays:
    """Return x, y, error, state and since of trajectories of which some have ended, or set out later."""
    x, y = _places(size, count, random)
    state = random.choice(np.array([0, 0, 0, LOST, 2], np.int32), count)
    return [x, y, random.random(count, np.float32), state, random.integers(0, 4, count).astype(np.int32)]


def walked(
    size: Size, count: int, *, steps: int = 5, scale: int = 1, later: bool = True, spoiled: float = 0.02, seed: int = 21
) -> Work:
    """Return trajectories after several steps."""

    def work(device: Device) -> Arrays:
        random = np.random.default_rng(seed)
        frames, start = crossed(size, steps, scale, spoiled, random), walkers(size, count, random)
        there = [device.put(each) for each in start]
        met, walking = trace_walk(
            device, *there, crossings(device, frames), size=size, later=later, first=2, most=4, nearest=3, scale=scale,
            limit=LIMIT,
        )  # fmt: skip
        return [*_home(device, there[:4]), np.array([*met, -1, walking])]

    return work


def followed(size: Size, count: int, *, steps: int = 5, scale: int = 1, spoiled: float = 0.02, seed: int = 22) -> Work:
    """Return where pixels are after some of several steps."""

    def work(device: Device) -> Arrays:
        random = np.random.default_rng(seed)
        frames = crossed(size, steps, scale, spoiled, random)
        x, y = (random.integers(0, extent, count).astype(np.int32) for extent in size[::-1])
        places = trace_follow(
            device, device.put(x), device.put(y), crossings(device, frames), [1, 2, steps], size=size, later=True,
            scale=scale, limit=LIMIT,
        )  # fmt: skip
        return _home(device, [places.x, places.y, places.state])

    return work


def ends(size: Size, count: int, subsampling: Size, turns: int, spoiled: float, random: np.random.Generator) -> Arrays:
    """Return column, row, index, start x, y, end x, y and state of samples, four steps away at most."""
    column, row = (random.integers(0, extent, count).astype(np.int32) for extent in size[::-1])
    start = [
        random.integers(0, extent << by, count).astype(np.int32)
        for extent, by in zip(size[::-1], subsampling, strict=True)
    ]
    shape = (turns, count) if turns > 1 else (count,)
    end = [(begun + random.normal(0, 3, shape)).astype(np.float32) for begun in start]
    state = random.integers(-1 if spoiled else 1, 5, shape).astype(np.int32)
    return [column, row, random.permutation(count).astype(np.int32), *start, *end, state]


def planes_of(size: Size, spoiled: float, random: np.random.Generator) -> dict[int, Packed]:
    """Return a plane of the frames 1, 2 and 4 steps away; nobody asks for the third."""
    pictures = [_spoiled(255 * random.random((1, *size), np.float32), spoiled, random) for _ in range(3)]
    return {step: pack([(0, 0)], [picture]) for step, picture in zip((1, 2, 4), pictures, strict=True)}


def sampled(
    size: Size, count: int, *, subsampling: Size = (0, 0), turns: int = 3, spoiled: float = 0.01, seed: int = 23
) -> Work:
    """Return samples of the frames that trajectories ended in."""

    def work(device: Device) -> Arrays:
        random = np.random.default_rng(seed)
        sources = planes_of(size, spoiled, random)
        column, row, index, *start, to_x, to_y, state = map(
            device.put, ends(size, count, subsampling, turns, spoiled, random)
        )
        found = sample_sources(
            device, {step: source.on(device) for step, source in sources.items()}, column, row, index, tuple(start),
            (to_x, to_y), state, subsampling=subsampling,
        )  # fmt: skip
        return _home(device, list(found))

    return work


def blended(size: Size, count: int, *, subsampling: Size = (0, 0), spoiled: float = 0.01, seed: int = 24) -> Work:
    """Return a blend of two turns of samples, each in its light."""

    def work(device: Device) -> Arrays:
        random = np.random.default_rng(seed)
        sources = {step: source.on(device) for step, source in planes_of(size, spoiled, random).items()}
        blend = device.arrays.zeros((4, count), np.float32)
        for _ in range(2):
            column, row, index, *start, to_x, to_y, state = map(
                device.put, ends(size, count, subsampling, 1, spoiled, random)
            )
            group = device.put(random.integers(0, 3, count).astype(np.int32))
            light = device.put((0.5 + random.random((5, 5, 3))).astype(np.float32))
            blend_sources(
                device, sources, column, row, index, tuple(start), (to_x, to_y), state, group, light, blend,
                subsampling=subsampling,
            )  # fmt: skip
        return _home(device, [blend])

    return work


def ring(sources: int, samples: int, groups: int, random: np.random.Generator) -> Arrays:
    """Return target, sources, where they are known and the groups of a ring, some of it damaged."""
    target = (120 + 30 * random.standard_normal(samples)).astype(np.float32)
    gain, offset = 0.8 + 0.4 * random.random((sources, 1)), random.normal(0, 9, (sources, 1))
    shown = (gain * target + offset + random.normal(0, 2, (sources, samples))).astype(np.float32)
    shown[random.random(shown.shape) < 0.05] = 255
    there = (random.random(shown.shape) < 0.9).astype(np.uint8)
    return [target, shown, there, random.integers(0, groups, samples).astype(np.int32)]


def lit(sources: int, samples: int, groups: int, *, corrects: bool = True, seed: int = 25) -> Work:
    """Return the light of sources."""

    def work(device: Device) -> Arrays:
        arrays = ring(sources, samples, groups, np.random.default_rng(seed))
        return _home(device, list(light_lines(*map(device.put, arrays), groups, corrects=corrects)))

    return work


def drifted(sources: int, samples: int, groups: int, *, seed: int = 26) -> Work:
    """Return what sources have to be moved by."""

    def work(device: Device) -> Arrays:
        random = np.random.default_rng(seed)
        _, _, there, group = ring(sources, samples, groups, random)
        gradient = random.normal(0, 8, (2, samples)).astype(np.float32)
        gradient[:, random.random(samples) < 0.1] = np.nan
        shift = random.normal(0, 0.4, (sources, 2, 1))
        missed = (shift * np.nan_to_num(gradient)).sum(axis=1) + random.normal(0, 2, there.shape)
        arrays = missed.astype(np.float32), gradient, there, group
        return _home(device, [light_shift(*map(device.put, arrays), groups)])

    return work
