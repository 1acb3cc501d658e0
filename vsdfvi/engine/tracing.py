"""Fill the hole with what other frames show: find sources, match their light, blend."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vsdfvi.engine.footage import Footage
from vsdfvi.engine.light import Light, match_light, match_shift
from vsdfvi.engine.propagation import HolePixels, Trajectories, find_sources, hole_pixels, sample_sources
from vsdfvi.engine.surroundings import Followed, Ring, follow, ring_gradient, ring_of, ring_values
from vsdfvi.kernels import Packed, module_of
from vsdfvi.kernels.device import get_together

_LEAST_ERROR = 0.5 / 255  # of the peak: a ring can agree by chance, so no source counts as better than this


@dataclass(frozen=True, slots=True)
class RingFill:
    """What the ring would show if it were hole, for each plane, on the host.

    A ring pixel has the sources of the hole pixel that is nearest to it, each where the ring pixel itself comes to.

    Attributes:
        values: float32 ``(samples of the ring)``, in codes; of no meaning where not reached.
        reached: bool.
    """

    values: tuple[NDArray[np.float32], ...]
    reached: tuple[NDArray[np.bool_], ...]

    def where(self, chosen: Sequence[NDArray[np.bool_]], other: "RingFill") -> "RingFill":
        """This where it is chosen, given for each plane, and the other elsewhere."""
        return RingFill(
            tuple(np.where(use, *pair) for use, *pair in zip(chosen, self.values, other.values, strict=True)),
            tuple(np.where(use, *pair) for use, *pair in zip(chosen, self.reached, other.reached, strict=True)),
        )


class RingBlend:
    """A blend of what several sources show of the ring."""

    def __init__(self, ring: Ring) -> None:
        self._ring = ring
        self._total = [np.zeros(of.size, np.float32) for of in ring.of_plane]
        self._weight = [np.zeros(of.size, np.float32) for of in ring.of_plane]

    def add(
        self,
        plane: int,
        shown: Followed,
        light: Light,
        share: NDArray[np.float32] | np.float32,
        use: NDArray[np.bool_],
    ) -> None:
        """Take one source in, where it is of use."""
        group = self._ring.group[self._ring.of_plane[plane]]
        value = light.gain[group] * shown.values[plane] + light.offset[group]
        weight = np.where(use, share, np.float32(0))
        self._total[plane] += weight * value.astype(np.float32)
        self._weight[plane] += weight

    @property
    def fill(self) -> RingFill:
        """The blend of all."""
        return RingFill(
            tuple(
                total / np.maximum(weight, np.float32(1e-20))
                for total, weight in zip(self._total, self._weight, strict=True)
            ),
            tuple(weight > 0 for weight in self._weight),
        )


@dataclass(frozen=True, slots=True)
class Traced:
    """What other frames show of one frame's hole.

    Attributes:
        pixels: The hole, on the host.
        there: The hole on the device, as all that follows but the ring.
        earlier, later: The trajectories to the nearest source on either side.
        values: For each plane, float32 ``(samples)`` in codes; of no meaning where not reached.
        reached: For each plane, bool ``(samples)``.
        ring: Where the known picture around the hole is.
        fill: What the ring would show if it were hole.
    """

    pixels: HolePixels
    there: HolePixels
    earlier: Trajectories
    later: Trajectories
    values: tuple[NDArray[np.float32], ...]
    reached: tuple[NDArray[np.bool_], ...]
    ring: Ring
    fill: RingFill


@dataclass(frozen=True, slots=True)
class _Side:
    """Sources on one side in time.

    Attributes:
        sign: -1 for earlier frames, 1 for later ones.
        luma, chroma: Trajectories to the nearest source, the next, ...: of pixels, and of samples of subsampled planes
            (the same where there are none).
        ring: What the ring shows, by the number of steps.
        light: The light of each source frame, by the number of steps, for each plane.
    """

    sign: int
    luma: tuple[Trajectories, ...]
    chroma: tuple[Trajectories, ...]
    ring: Mapping[int, Followed]
    light: Mapping[int, tuple[Light, ...]]


def trace(footage: Footage, n: int) -> Traced:
    """Trace every hole pixel of frame n to the frames that show it, on both sides, and blend what they show.

    Each source is sampled once, where the composed trajectory ends, and brought to the light of frame n. Sources are
    weighted with the inverse of their distance in frames (truth wants the blend: docs/design.md) and with the inverse
    square of the error that the ring around the hole shows with them.
    """
    here = hole_pixels(footage, n)
    arrays, pixels = footage.device.arrays, here.on(footage.device)
    ring = ring_of(footage, n)
    sides = [_side(footage, n, pixels, ring, later=later) for later in (False, True)]
    earlier, later = (side.luma[0] for side in sides)
    seen = earlier.found.astype(np.int32) + later.found
    hole_group = footage.device.put(ring.hole_group)
    values: list[NDArray[np.float32]] = []
    reached: list[NDArray[np.bool_]] = []
    for plane in range(footage.format.planes):
        index = _followed(pixels.cover[plane], seen)
        start, group = (pixels.x, pixels.y), hole_group[index]
        subsampled = pixels.cover[plane].shape[1] > 1
        if subsampled:
            # A subsampled plane walks by itself: a pixel that is known in a source may share its chroma with the hole.
            start = pixels.x[index], pixels.y[index]
            index = arrays.arange(index.size, dtype=np.int32)
        total = arrays.zeros(index.size, np.float32)
        weight = arrays.zeros(index.size, np.float32)
        for side in sides:
            for ends in side.chroma if subsampled else side.luma:
                tables = _tables(side.light, plane, ring.groups, footage.format.peak)
                at = arrays.maximum(ends.state, 0) * ring.groups + (hole_group if not subsampled else group)
                there = [footage.device.put(table.ravel())[at] for table in tables]
                moved = replace(ends, x=ends.x + there[3], y=ends.y + there[4])
                got, value = sample_sources(footage, n, pixels, plane, index, start, moved, side.sign)
                there = [each[index] for each in there[:3]]
                share = there[2] / arrays.maximum(ends.state[index], 1).astype(np.float32)
                total += arrays.where(got, share * (there[0] * value + there[1]), 0)
                weight += arrays.where(got, share, 0)
        reached.append(weight > 0)
        values.append((total / arrays.maximum(weight, np.float32(1e-20))).astype(np.float32, copy=False))
    fill = _ring_fill(footage, here, ring, sides)
    return Traced(here, pixels, earlier, later, tuple(values), tuple(reached), ring, fill)


def _side(footage: Footage, n: int, pixels: HolePixels, ring: Ring, *, later: bool) -> _Side:
    """What one side shows of the hole and of the ring around it."""
    luma = find_sources(footage, n, pixels.x, pixels.y, later=later, blocks=False)
    chroma = luma
    planes = range(footage.format.planes)
    subsampled = [plane for plane in planes if pixels.cover[plane].shape[1] > 1]
    if subsampled:
        index = _followed(pixels.cover[subsampled[0]], luma[0].found.astype(np.int32))
        chroma = find_sources(footage, n, pixels.x[index], pixels.y[index], later=later, blocks=True)
    steps = sorted({step for ends in (*luma, *chroma) for step in ends.steps})

    def picture(entered: int, pair: int) -> tuple[Packed, ...]:
        return footage.source(entered, footage.boxes(pair))

    shown = follow(footage, n, ring, later=later, steps=steps, picture=picture)
    light = {step: lights_of(footage, n, ring, found) for step, found in shown.items()}
    return _Side(1 if later else -1, luma, chroma, shown, light)


def lights_of(footage: Footage, n: int, ring: Ring, shown: Followed) -> tuple[Light, ...]:
    """For each plane, the light of a source against that of frame n, as the ring has them."""
    lights = []
    for plane, target in enumerate(ring_values(footage, n, ring)):
        there, group = shown.there[plane], ring.group[ring.of_plane[plane]]
        lights.append(
            match_light(
                target[there], shown.values[plane][there], group[there], ring.groups,
                corrects=bool(footage.settings.light),
            )
        )  # fmt: skip
    if footage.settings.refine:
        guide = 1 if footage.format.family == "RGB" else 0  # green is nearest to luma
        target, there = ring_values(footage, n, ring)[guide], shown.there[guide]
        missed = target - lights[guide].of(shown.values[guide], ring.group)
        shift = match_shift(missed, ring_gradient(footage, n, ring, guide), there, ring.group, ring.groups)
        lights = [replace(light, shift=shift) for light in lights]
    return tuple(lights)


def shown_by(footage: Footage, n: int, ring: Ring, key: int, planes: tuple[Packed, ...]) -> Followed:
    """What a filled key frame shows of the ring around frame n's hole; the ring itself where it is that frame."""
    if key == n:
        target = ring_values(footage, n, ring)
        return Followed(target, tuple(np.ones(values.size, bool) for values in target))
    steps = abs(key - n)
    shown = follow(footage, n, ring, later=key > n, steps=[steps], picture=lambda entered, pair: planes)
    nothing = Followed(
        tuple(np.zeros(of.size, np.float32) for of in ring.of_plane),
        tuple(np.zeros(of.size, bool) for of in ring.of_plane),
    )
    return shown.get(steps, nothing)


def _tables(
    light: Mapping[int, tuple[Light, ...]], plane: int, groups: int, peak: float
) -> tuple[NDArray[np.float32], ...]:
    """Of one side's sources, by steps and part of the hole: gain, offset, trust and shift ``(steps + 1, groups)``."""
    last = max(light, default=0)
    shift = np.zeros((2, last + 1, groups), np.float32)
    gain, offset = np.ones((last + 1, groups), np.float32), np.zeros((last + 1, groups), np.float32)
    trust = np.ones((last + 1, groups), np.float32)
    for step, planes in light.items():
        gain[step], offset[step] = planes[plane].gain, planes[plane].offset
        error = np.maximum(planes[0].error / peak, _LEAST_ERROR)
        trust[step] = np.where(np.isfinite(error), (_LEAST_ERROR / error) ** 2, (_LEAST_ERROR * 8) ** 2)
        shift[:, step] = planes[0].shift
    return gain, offset, trust, *shift


def _ring_fill(footage: Footage, here: HolePixels, ring: Ring, sides: Sequence[_Side]) -> RingFill:
    """The ring's samples as their parents' sources have them."""
    device = footage.device
    states, blend = {}, RingBlend(ring)
    for side in sides:
        for name, finds in (("luma", side.luma), ("chroma", side.chroma)):
            states[side.sign, name] = get_together(device, [ends.state for ends in finds])
    for plane in range(footage.format.planes):
        of, cover = ring.of_plane[plane], here.cover[plane]
        parent = ring.parent[of]
        subsampled = cover.shape[1] > 1
        if subsampled:
            sample_of = np.zeros(here.count, np.int32)
            covered = cover >= 0
            sample_of[cover[covered]] = np.nonzero(covered)[0]
            parent = sample_of[parent]
        for side in sides:
            trust = _tables(side.light, plane, ring.groups, footage.format.peak)[2]
            for state in states[side.sign, "chroma" if subsampled else "luma"]:
                step_of = state[parent]
                for step in np.unique(step_of[step_of > 0]).tolist():
                    if step in side.ring:
                        share = trust[step, ring.group[of]] / np.float32(step)
                        use = (step_of == step) & side.ring[step].there[plane]
                        blend.add(plane, side.ring[step], side.light[step][plane], share, use)
    return blend.fill


def _followed(cover: NDArray[np.int32], sides: NDArray[np.int32]) -> NDArray[np.int32]:
    """The pixel whose trajectory each sample follows: of those it covers, the first that most sides reach."""
    arrays = module_of(cover)
    if cover.shape[1] == 1:
        return arrays.ascontiguousarray(cover[:, 0])  # type: ignore[no-any-return]
    best = arrays.where(cover >= 0, sides[cover], -1).argmax(axis=1)
    return arrays.ascontiguousarray(arrays.take_along_axis(cover, best[:, None], axis=1)[:, 0])  # type: ignore[no-any-return]
