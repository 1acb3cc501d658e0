"""Fill the hole with what other frames show: find sources, match their light, blend."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vsdfvi.engine.confidence import BELIEVED, confidence_of
from vsdfvi.engine.footage import Footage
from vsdfvi.engine.light import Light, match_light, match_shift
from vsdfvi.engine.propagation import HolePixels, Trajectories, find_sources, hole_pixels, sources_of
from vsdfvi.engine.surroundings import Followed, Ring, follow, parent_samples, ring_gradient, ring_of, ring_values
from vsdfvi.kernels import LOST, Packed, module_of
from vsdfvi.kernels.device import get_together
from vsdfvi.kernels.walks import blend_sources

_LEAST_ERROR = 0.5 / 255  # of the peak: a ring can agree by chance, so no source counts as better than this
_UNKNOWN_ERROR = 4 / 255  # of the peak: of a source that the ring says nothing of


@dataclass(frozen=True, slots=True)
class RingFill:
    """What the ring would show if it were hole, for each plane, on the host.

    A ring pixel has the sources of the hole pixel that is nearest to it, each where the ring pixel itself comes to.

    Attributes:
        values: float32 ``(samples of the ring)``, in codes; of no meaning where not reached.
        reached: bool.
        invented: bool: the parent is invented; None where none is.
    """

    values: tuple[NDArray[np.float32], ...]
    reached: tuple[NDArray[np.bool_], ...]
    invented: tuple[NDArray[np.bool_], ...] | None = None

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
        self, plane: int, values: NDArray[np.float32], share: NDArray[np.float32] | np.float32, use: NDArray[np.bool_]
    ) -> None:
        """Take what is shown in, in the target's light, where it is of use."""
        weight = np.where(use, share, np.float32(0))
        self._total[plane] += weight * values
        self._weight[plane] += weight

    @property
    def fill(self) -> RingFill:
        """The blend of all."""
        return RingFill(
            tuple(
                (total / np.maximum(weight, np.float32(1e-20))).astype(np.float32)
                for total, weight in zip(self._total, self._weight, strict=True)
            ),
            tuple(weight > 0 for weight in self._weight),
        )


@dataclass(frozen=True, slots=True)
class Traced:
    """What other frames show of one frame's hole.

    Attributes:
        pixels: The hole, on the host.
        there: The hole on the device, as all that follows but confidence and ring.
        earlier, later: The trajectories to the nearest source on either side. What is not to be believed is ``LOST``.
        values: For each plane, float32 ``(samples)`` in codes; of no meaning where not reached.
        reached: For each plane, bool ``(samples)``.
        confidence: float32 ``(pixels)``, on the host: the probability that luma is right (``confidence.py``); 0 where
            nothing was found, or nothing that is to be believed.
        ring: Where the known picture around the hole is.
        fill: What the ring would show if it were hole.
        given: bool ``(pixels)``: those that no walk found, and the reference shows; None without a reference.
    """

    pixels: HolePixels
    there: HolePixels
    earlier: Trajectories
    later: Trajectories
    values: tuple[NDArray[np.float32], ...]
    reached: tuple[NDArray[np.bool_], ...]
    confidence: NDArray[np.float32]
    ring: Ring
    fill: RingFill
    given: NDArray[np.bool_] | None = None

    @property
    def found(self) -> NDArray[np.bool_]:
        """Which pixels a walk found, on the device."""
        return self.earlier.found | self.later.found

    @property
    def unreached(self) -> NDArray[np.bool_]:
        """Which pixels are left to invent, on the device."""
        return ~self.found if self.given is None else ~(self.found | self.given)


@dataclass(frozen=True, slots=True)
class _Side:
    """Sources on one side in time.

    Attributes:
        sign: -1 for earlier frames, 1 for later ones.
        luma, chroma: Trajectories to the nearest source, the next, ...: of pixels, and of samples of subsampled planes
            (the same where there are none).
        start: Where those of chroma begin: x and y of the pixel that each sample follows on this side.
        ring: What the ring shows, by the number of steps.
        light: The light of each source frame, by the number of steps, for each plane.
    """

    sign: int
    luma: tuple[Trajectories, ...]
    chroma: tuple[Trajectories, ...]
    start: tuple[NDArray[np.int32], NDArray[np.int32]]
    ring: Mapping[int, Followed]
    light: Mapping[int, tuple[Light, ...]]

    def tables(self, plane: int, groups: int, peak: float) -> NDArray[np.float32]:
        """Gain, offset, error in codes, shift x and y, by steps and part of the hole: ``(5, steps + 1, groups)``."""
        last = max((step for ends in (*self.luma, *self.chroma) for step in ends.steps), default=0)
        tables = np.zeros((5, last + 1, groups), np.float32)
        gain, offset, error, shift_x, shift_y = tables
        gain[:], error[:] = 1, _UNKNOWN_ERROR * peak
        for step, planes in self.light.items():
            gain[step], offset[step] = planes[plane].gain, planes[plane].offset
            # One plane says how far a source is to be believed, for all: what is wrong with it is wrong in all.
            of_ring = planes[0].error
            error[step] = np.where(np.isfinite(of_ring), np.maximum(of_ring, _LEAST_ERROR * peak), error[step])
            shift_x[step], shift_y[step] = planes[plane].shift
        return tables


def trace(footage: Footage, n: int) -> Traced:
    """Trace every hole pixel of frame n to the frames that show it, on both sides, and blend what they show.

    Each source is sampled once, where the composed trajectory ends, and brought to the light of frame n. Sources are
    weighted with the inverse of their distance in frames (truth wants the blend: docs/design.md) and with the inverse
    square of the error that the ring around the hole shows with them.
    """
    here = hole_pixels(footage, n)
    pixels, ring = here.on(footage.device), ring_of(footage, n)
    sides = [_side(footage, n, pixels, ring, later=later) for later in (False, True)]
    earlier, later = (side.luma[0] for side in sides)
    seen = earlier.found.astype(np.int32) + later.found
    hole_group = footage.device.put(ring.hole_group)
    blends = [
        _blend(footage, n, plane, pixels, _followed(pixels.cover[plane], seen), ring, hole_group, sides)
        for plane in range(footage.format.planes)
    ]
    guide = blends[guide_plane(footage)]
    confidence = confidence_of(earlier, later, guide.spread, guide.doubt, footage.format.peak, footage.device)
    arrays, believed = footage.device.arrays, footage.device.put(confidence >= BELIEVED)
    earlier, later = (
        replace(side, state=arrays.where(believed, side.state, np.int32(LOST))) for side in (earlier, later)
    )
    reached = [blend.reached & believed[_followed(pixels.cover[plane], seen)] for plane, blend in enumerate(blends)]
    return Traced(
        here, pixels, earlier, later, tuple(blend.values for blend in blends), tuple(reached),
        np.where(confidence >= BELIEVED, confidence, np.float32(0)), ring, _ring_fill(footage, here, ring, sides),
    )  # fmt: skip


def guide_plane(footage: Footage) -> int:
    """The plane that is nearest to luma, and not subsampled."""
    return 1 if footage.format.family == "RGB" else 0


@dataclass(frozen=True, slots=True)
class _Blend:
    """One plane of the hole as its sources have it, on the device.

    Attributes:
        values: float32 ``(samples)``, in codes.
        reached: bool.
        spread: float32: deviation of what the sources show from their blend, in codes.
        doubt: float32: error that the ring shows with these sources, in codes.
    """

    values: NDArray[np.float32]
    reached: NDArray[np.bool_]
    spread: NDArray[np.float32]
    doubt: NDArray[np.float32]


def _blend(
    footage: Footage,
    n: int,
    plane: int,
    pixels: HolePixels,
    index: NDArray[np.int32],
    ring: Ring,
    hole_group: NDArray[np.int32],
    sides: Sequence["_Side"],
) -> _Blend:
    """Sample the sources of one plane, and blend them.

    Args:
        index: The pixel whose place each sample takes.
    """
    arrays, put = footage.device.arrays, footage.device.put
    subsampled = pixels.cover[plane].shape[1] > 1
    group = hole_group
    if subsampled:
        # A subsampled plane walks by itself: a pixel that is known in a source may share its chroma with the hole.
        group = hole_group[index]
        index = arrays.arange(index.size, dtype=np.int32)
    blend = arrays.zeros((4, index.size), np.float32)
    for side in sides:
        light = put(side.tables(plane, ring.groups, footage.format.peak))
        start = side.start if subsampled else (pixels.x, pixels.y)
        for ends in side.chroma if subsampled else side.luma:
            blend_sources(
                footage.device, sources_of(footage, n, plane, ends.steps, later=side.sign > 0), pixels.column[plane],
                pixels.row[plane], index, start, (ends.x, ends.y), ends.state, group, light, blend,
                subsampling=footage.format.subsampling(plane),
            )  # fmt: skip
    total, square, doubt, weight = blend
    scale = arrays.maximum(weight, np.float32(1e-20))
    mean = total / scale
    spread = arrays.sqrt(arrays.maximum(square / scale - mean * mean, np.float32(0)))
    return _Blend(mean, weight > 0, spread, doubt / scale)


def _side(footage: Footage, n: int, pixels: HolePixels, ring: Ring, *, later: bool) -> _Side:
    """What one side shows of the hole and of the ring around it."""
    luma = find_sources(footage, n, pixels.x, pixels.y, later=later, blocks=False)
    chroma, start = luma, (pixels.x, pixels.y)
    planes = range(footage.format.planes)
    subsampled = [plane for plane in planes if pixels.cover[plane].shape[1] > 1]
    if subsampled:
        index = _followed(pixels.cover[subsampled[0]], luma[0].found.astype(np.int32))
        start = pixels.x[index], pixels.y[index]
        chroma = find_sources(footage, n, *start, later=later, blocks=True)
    steps = sorted({step for ends in (*luma, *chroma) for step in ends.steps})

    def picture(entered: int, pair: int) -> tuple[Packed, ...]:
        return footage.source(entered, footage.boxes(pair))

    shown = follow(footage, n, ring, later=later, steps=steps, picture=picture)
    return _Side(1 if later else -1, luma, chroma, start, shown, lights_of(footage, n, ring, shown))


def lights_of(footage: Footage, n: int, ring: Ring, shown: Mapping[int, Followed]) -> dict[int, tuple[Light, ...]]:
    """For each source and each plane, the light of the source against that of frame n, as the ring has them.

    Args:
        shown: What sources show of the ring, by any number.
    """
    if not shown:
        return {}
    groups, lights = ring.groups, list[list[Light]]()
    planes = range(footage.format.planes)
    values = [np.stack([source.values[plane] for source in shown.values()]) for plane in planes]
    there = [np.stack([source.there[plane] for source in shown.values()]) for plane in planes]
    targets = ring_values(footage, n, ring)
    for plane in planes:
        group = ring.group[ring.of_plane[plane]]
        corrects = bool(footage.settings.light)
        lights.append(match_light(targets[plane], values[plane], there[plane], group, groups, corrects=corrects))
    if footage.settings.refine:
        guide = guide_plane(footage)
        missed = np.stack(
            [
                targets[guide] - light.of(value, ring.group)
                for light, value in zip(lights[guide], values[guide], strict=True)
            ]
        )
        shifts = match_shift(missed, ring_gradient(footage, n, ring, guide), there[guide], ring.group, groups)
        lights = [
            [replace(light, shift=shift) for light, shift in zip(of_plane, shifts, strict=True)] for of_plane in lights
        ]
    return dict(zip(shown, zip(*lights, strict=True), strict=True))


@dataclass(frozen=True, slots=True)
class _LightBySteps:
    """What one side shows of the ring in one plane, to be asked by the number of steps.

    Attributes:
        turn: int32 ``(steps + 1)``: the row of ``values`` and ``there``; -1 where nothing is shown.
        values, there: ``(rows, samples)``, as ``Followed`` has them.
        gain, offset: float64 ``(rows, groups)``.
    """

    turn: NDArray[np.int32]
    values: NDArray[np.float32]
    there: NDArray[np.bool_]
    gain: NDArray[np.float64]
    offset: NDArray[np.float64]

    @staticmethod
    def of(side: _Side, plane: int) -> "_LightBySteps":
        turn = np.full(max(side.ring) + 1, -1, np.int32)
        turn[list(side.ring)] = np.arange(len(side.ring), dtype=np.int32)
        shown, lights = side.ring.values(), [side.light[step][plane] for step in side.ring]
        return _LightBySteps(
            turn, np.stack([each.values[plane] for each in shown]), np.stack([each.there[plane] for each in shown]),
            np.stack([light.gain for light in lights]), np.stack([light.offset for light in lights]),
        )  # fmt: skip

    def shown(
        self, step_of: NDArray[np.int32], group: NDArray[np.int32]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """What each sample's source shows there, in the target's light, and where it shows it.

        Shapes:
            step_of, group: ``(samples)``.
        """
        turn = self.turn[step_of]
        at = turn, np.arange(turn.size)
        values = self.gain[turn, group] * self.values[at] + self.offset[turn, group]
        return values.astype(np.float32), (turn >= 0) & (step_of > 0) & self.there[at]


def _ring_fill(footage: Footage, here: HolePixels, ring: Ring, sides: Sequence[_Side]) -> RingFill:
    """The ring's samples as their parents' sources have them."""
    device, planes = footage.device, range(footage.format.planes)
    blend = RingBlend(ring)
    of_plane = [here.cover[plane].shape[1] > 1 for plane in planes]
    states = {
        (side.sign, subsampled): get_together(
            device, [ends.state for ends in (side.chroma if subsampled else side.luma)]
        )
        for side in sides
        for subsampled in sorted(set(of_plane))
    }
    for plane, subsampled in zip(planes, of_plane, strict=True):
        of, parent = ring.of_plane[plane], parent_samples(ring, here, plane)
        for side in sides:
            if not side.ring:
                continue
            table, light = side.tables(plane, ring.groups, footage.format.peak), _LightBySteps.of(side, plane)
            for state in states[side.sign, subsampled]:
                step_of = np.where(state[parent] < len(light.turn), np.maximum(state[parent], 0), 0)
                values, there = light.shown(step_of, ring.group[of])
                error = table[2][step_of, ring.group[of]]
                share = 1 / (error**2 * np.maximum(step_of, 1).astype(np.float32))
                blend.add(plane, values, share, there)
    return blend.fill


def _followed(cover: NDArray[np.int32], sides: NDArray[np.int32]) -> NDArray[np.int32]:
    """The pixel whose trajectory each sample follows: of those it covers, the first that most sides reach."""
    arrays = module_of(cover)
    if cover.shape[1] == 1:
        return arrays.ascontiguousarray(cover[:, 0])  # type: ignore[no-any-return]
    best = arrays.where(cover >= 0, sides[cover], -1).argmax(axis=1)
    return arrays.ascontiguousarray(arrays.take_along_axis(cover, best[:, None], axis=1)[:, 0])  # type: ignore[no-any-return]
