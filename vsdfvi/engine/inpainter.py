"""The story on one page: flow, completion, propagation, synthesis, compositing."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vsdfvi.engine import paper
from vsdfvi.engine.account import Repair, repair_of, with_recovered
from vsdfvi.engine.bridging import BridgedCompletion
from vsdfvi.engine.cache import Cache
from vsdfvi.engine.compositing import close_seam
from vsdfvi.engine.computing import device_cache, open_device, retried
from vsdfvi.engine.footage import Footage, Frames
from vsdfvi.engine.grain import add_grain
from vsdfvi.engine.paper_samples import Picture
from vsdfvi.engine.plan import SURVEY_FRAMES, FramesNeeded, Span, SurveyNeeded, survey_of, widened
from vsdfvi.engine.record import noted, open_record, properties_of
from vsdfvi.engine.reference import with_reference
from vsdfvi.engine.rejection import rejected_frames
from vsdfvi.engine.softening import softened
from vsdfvi.engine.synthesis import WITHOUT_A_NETWORK, fill, synthesise
from vsdfvi.engine.tracing import trace
from vsdfvi.engine.unmixing import Unmixing
from vsdfvi.engine.views import OF_THE_HOLE_ALONE, render
from vsdfvi.errors import SettingError
from vsdfvi.frames.pixels import VideoFormat, to_samples
from vsdfvi.kernels import Workers, return_free_memory
from vsdfvi.settings import Settings

if TYPE_CHECKING:  # torch comes with them
    from vsdfvi.engine.completion import FlowCompletion
    from vsdfvi.engine.generator import Generator

TRIM_EVERY = 16  # frames
Reply = tuple[str] | tuple[str, int, int]

_Made = tuple[Repair | None, tuple[NDArray[np.generic], ...] | None]


class Inpainter:
    """Repairs the frames of one clip, in any order.

    ``prepare`` is called with the frames at hand and says what it still needs, until a frame is ready; ``finish`` then
    writes it. Frame n is a function of clip, mask and settings alone.

    Args:
        extras: Formats of the clips given besides clip and mask, by name; ``Footage`` knows the names.

    Attributes:
        reach: Frames on each side of a frame that it may ever need.
        extra_reach: The same for each of the extra clips.
        survey: Frames of the whole clip that it may ask for as well, ascending.
    """

    def __init__(
        self,
        settings: Settings,
        clip: VideoFormat,
        mask: VideoFormat,
        extras: Mapping[str, VideoFormat] | None = None,
    ) -> None:
        self.settings = settings
        for name in ("exclude", "reference"):
            if settings.propagation == "paper" and name in (extras or {}):
                raise SettingError("propagation", f"trace where {name} is given", settings.propagation)
        self.survey = survey_of(clip.frames, SURVEY_FRAMES) if settings.unmix else ()
        # A walk of the farthest key frame's, and the holes that the boxes of its last flow are drawn around.
        self.reach = settings.radius + settings.keyframe_interval + settings.min_distance
        if settings.propagation == "paper":
            self.reach = settings.window + settings.min_distance
        self._rejected = rejected_frames(settings.reject, clip.frames)
        self._frames = clip.frames
        self._workers = Workers(settings.worker_count)
        self._cache = Cache(settings.memory << 20)
        self.device = open_device(settings)
        self._device_cache = self._cache if self.device.is_host else device_cache(self.device, settings)
        with self.device.active():
            complete, self._generator = self._load_networks()
            self._footage = Footage(
                settings, clip, mask, self._cache, self._workers, complete, self.device, self._device_cache, extras
            )
        if complete is not None:
            self.reach += complete.radius
        self.extra_reach = {name: self._reach_of(name) for name in extras or {}}
        self._unmixing = Unmixing(self._footage) if settings.unmix else None
        self._ready: dict[int, _Made] = {}
        self._finished = 0
        self._sampled = 0, -1  # first and last frame that the frame before sampled, counted from it
        self._record = open_record(settings, clip, mask, self.device)

    def _load_networks(self) -> "tuple[FlowCompletion | None, Generator | None]":
        """What the settings ask for; torch comes with them."""
        complete, generator, settings = None, None, self.settings
        half = bool(settings.fp16)
        if settings.completion == "dfc":
            from vsdfvi.engine.dfc import load_completion

            complete = BridgedCompletion(load_completion(settings.weights, self._device_cache, self.device, half=half))
        if settings.synthesis not in WITHOUT_A_NETWORK:
            from vsdfvi.engine.generator import generator_of

            generator = generator_of(settings, self.device)
        return complete, generator

    def _reach_of(self, extra: str) -> int:
        """Frames of an extra clip, on each side of a frame, that it may ever need."""
        return self.settings.keyframe_interval if extra == "reference" else self.reach

    def prepare(
        self,
        n: int,
        clip: Frames,
        mask: Frames,
        extras: Mapping[str, Frames] | None = None,
        survey: tuple[Frames, Frames] | None = None,
    ) -> Reply:
        """Make frame n, as far as the lent frames allow.

        Args:
            extras: By name, the frames of each extra clip that go with the clip's, within ``extra_reach`` of n.
            survey: The frames of clip and mask that ``survey`` names, once they were asked for.

        Returns:
            ``("source",)``: nothing is missing in frame n, or it is rejected. ``("need", first, last)``: lend these
            frames of clip and mask and call again. ``("survey",)``: lend those of the survey as well, and call again.
            ``("ready", before, after)``: call ``finish``; frames so far on each side were read, which is a good guess
            for the next frame.
        """
        self._footage.lend(clip, mask, extras, survey)
        try:
            with self._workers.active(), self.device.active():
                if self.settings.view == "result" and self._is_left(n):
                    if self._record is not None:
                        reason = ("rejected",) if n in self._rejected else ()
                        self._record.handed_through(n, clip[n].planes, *reason)
                    return ("source",)
                made = retried(lambda: self._make(n), self.device, self._device_cache)
        except FramesNeeded as needed:
            have = Span(min(clip), max(clip))
            wider = widened(have, needed.frame, n, self.reach, self._frames)
            return ("need", wider.first, wider.last)
        except SurveyNeeded:
            return ("survey",)
        finally:
            read, sampled = self._footage.read | {n}, self._footage.sampled
            self._footage.lend({}, {})
        self._ready[n] = made
        if sampled:
            self._sampled = min(sampled) - n, max(sampled) - n
        return ("ready", n - min(read), max(read) - n)

    def _make(self, n: int) -> _Made:
        """Frame n's repair, and the view of it that replaces the frame: each None where it is not asked for."""
        self._footage.send_ahead(range(n + self._sampled[0], n + self._sampled[1] + 1))
        view = self.settings.view
        unasked = view in OF_THE_HOLE_ALONE or self._is_left(n)
        repair = None if unasked else self._repair(n)
        return repair, None if view == "result" else render(self._footage, n, view, repair)

    def _is_left(self, n: int) -> bool:
        """Whether frame n comes back as it is."""
        return n in self._rejected or self._footage.hole(n).is_empty

    def _repair(self, n: int) -> Repair:
        """How frame n's hole is filled: by what is recovered of it, and the rest by what was seen or is invented."""
        recovered = self._unmixing.recover(n) if self._unmixing else None
        if recovered is not None and all(flags.all() for flags in recovered.samples):
            return with_recovered(None, recovered, self._footage.format)
        repair = self._filled(n)
        return repair if recovered is None else with_recovered(repair, recovered, self._footage.format)

    def _filled(self, n: int) -> Repair:
        """How frame n's hole is filled from elsewhere."""
        if self.settings.propagation == "paper":
            return paper.repair(self._footage, n, self._cache, self._fill)
        traced = with_reference(self._footage, n, trace(self._footage, n))
        filled = synthesise(self._footage, n, traced, self._device_cache, self._generator)
        values = filled.values
        if self.settings.seam:
            values = close_seam(self._footage, n, traced.pixels, values, traced.ring, filled.beside)
        if self.settings.grain:
            values = add_grain(self._footage, n, traced.pixels, values, filled.seen, traced.ring, filled.beside)
        values = softened(self._footage, n, traced.pixels, values)
        samples = tuple(to_samples(value, self._footage.format) for value in values)
        return repair_of(traced, samples, self.device)

    def _fill(self, n: int, pictures: list[Picture]) -> list[NDArray[np.float32]]:
        """Planes of a box of frame n with their holes filled as the setting ``synthesis`` says."""
        return fill(self._footage, n, pictures, self._generator)

    def finish(self, n: int, planes: tuple[NDArray[np.generic], ...]) -> dict[str, int | float | str]:
        """Write frame n's hole, or its view, into a copy of the source frame; returns the properties to set."""
        repair, picture = self._ready.pop(n)
        self._finished += 1
        if self._finished % TRIM_EVERY == 0:
            return_free_memory()
        with noted(self._record, n, repair, planes):
            for plane, out in enumerate(planes):
                if picture is not None:
                    out[:] = picture[plane]
                elif repair is not None:
                    out[repair.pixels.row[plane], repair.pixels.column[plane]] = repair.samples[plane]
        return {} if repair is None else {**properties_of(repair)}

    def account(self, n: int) -> Repair | None:
        """How the hole of a frame that is ready is filled; None where nothing is missing."""
        return self._ready[n][0]

    def discard(self, n: int) -> None:
        """Forget a frame that was made ready and will not be fetched."""
        self._ready.pop(n, None)

    def close(self) -> None:
        """Free everything."""
        self._ready.clear()
        self._cache.clear()
        self._device_cache.clear()
        with self.device.active():
            self.device.release()
        self._workers.close()
        if self._record is not None:
            self._record.close()

    def statistics(self) -> dict[str, Any]:
        """What the caches hold."""
        cached = {"cache_bytes": self._cache.size_bytes, "device_cache_bytes": self._device_cache.size_bytes}
        return {"device": self.device.name, **cached}
