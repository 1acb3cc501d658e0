"""The account of a frame: how each pixel of its hole was filled."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vsdfvi.engine.propagation import HolePixels
from vsdfvi.engine.tracing import Traced
from vsdfvi.engine.unmixing import Recovered
from vsdfvi.frames.pixels import VideoFormat, to_samples
from vsdfvi.kernels import Device
from vsdfvi.kernels.device import get_together

INVENTED, TRACED, REFERENCE, RECOVERED = range(4)
"""What a pixel of the hole was made of: nothing that was seen; another frame of the clip; a frame that the user gave;
the same pixel, from under a half-transparent mark."""


@dataclass(frozen=True, slots=True)
class Repair:
    """How one frame's hole was filled.

    Attributes:
        pixels: The hole.
        samples: For each plane, ``(samples)`` of the clip's own type: the fill.
        distance: int32 ``(pixels)``, frames to the nearer source: below 0 earlier, above 0 later; 0 where no other
            frame of the clip is one.
        confidence: float32 ``(pixels)``, 0 to 1; 0 where invented.
        origin: uint8 ``(pixels)``: ``INVENTED``, ``TRACED``, ``REFERENCE`` or ``RECOVERED``.
    """

    pixels: HolePixels
    samples: tuple[NDArray[np.generic], ...]
    distance: NDArray[np.int32]
    confidence: NDArray[np.float32]
    origin: NDArray[np.uint8]

    def counts(self) -> tuple[int, ...]:
        """Pixels of each origin, in the order of their numbers."""
        return tuple(np.bincount(self.origin, minlength=4).tolist())


def with_recovered(repair: Repair | None, recovered: Recovered, video_format: VideoFormat) -> Repair:
    """A repair with what was recovered put in; None where nothing else is to be filled."""
    unmixed = tuple(to_samples(values, video_format) for values in recovered.values)
    origin = np.where(recovered.recovered, RECOVERED, INVENTED).astype(np.uint8)
    if repair is None:
        nowhere = np.zeros(recovered.pixels.count, np.int32)
        return Repair(recovered.pixels, unmixed, nowhere, recovered.certainty, origin)
    pairs = zip(recovered.samples, unmixed, repair.samples, strict=True)
    return Repair(
        repair.pixels,
        tuple(np.where(flags, ours, theirs) for flags, ours, theirs in pairs),
        np.where(recovered.recovered, 0, repair.distance).astype(np.int32),
        np.where(recovered.recovered, recovered.certainty, repair.confidence).astype(np.float32),
        np.where(recovered.recovered, origin, repair.origin).astype(np.uint8),
    )


def repair_of(traced: Traced, samples: tuple[NDArray[np.generic], ...], device: Device) -> Repair:
    """The account of a frame that was traced on a device."""
    states = get_together(device, [side.state for side in (traced.earlier, traced.later)])
    nowhere = np.iinfo(np.int32).max
    before, after = (np.where(state > 0, state, nowhere) for state in states)
    distance = np.where(before <= after, -before, after)  # of two as near, the blend's first
    unfound = np.minimum(before, after) == nowhere
    return Repair(
        traced.pixels,
        samples,
        np.where(unfound, 0, distance).astype(np.int32),
        traced.confidence,
        _origin_of(traced, unfound, device),
    )


def _origin_of(traced: Traced, unfound: NDArray[np.bool_], device: Device) -> NDArray[np.uint8]:
    """Where each pixel of the hole is from, given which of them no walk has found."""
    origin = np.where(unfound, INVENTED, TRACED).astype(np.uint8)
    if traced.given is not None:
        origin[device.get(traced.given)] = REFERENCE
    return origin
