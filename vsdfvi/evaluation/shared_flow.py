"""One clip under several settings that leave its flow alone: flow is most of the work, and is made once."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from vsdfvi.engine.cache import Cache
from vsdfvi.engine.footage import Footage
from vsdfvi.evaluation.flow import Examined
from vsdfvi.frames.pixels import VideoFormat
from vsdfvi.kernels import Packed
from vsdfvi.settings import Settings

if TYPE_CHECKING:  # torch comes with it
    from vsdfvi.engine.completion import FlowCompletion
    from vsdfvi.engine.generator import Generator

WITHOUT_EFFECT_ON_FLOW = (
    "sources", "refine", "soften", "light", "seam", "grain", "synthesis", "keyframe_interval", "memory", "threads",
)  # fmt: skip
"""Settings of the trace that completed flow does not depend on. Any other has flow of its own."""


class SharedFlow(Examined):
    """An inpainter that shares its completed flow with others of the same clip and mask, through a cache.

    What it makes has the bytes of an inpainter by itself.

    Args:
        shared: For nothing but this clip under this mask.
    """

    def __init__(self, settings: Settings, clip: VideoFormat, mask: VideoFormat, shared: Cache) -> None:
        self._shared = shared
        super().__init__(settings, clip, mask)

    def _load_networks(self) -> "tuple[FlowCompletion | None, Generator | None]":
        complete, generator = super()._load_networks()
        fixed = {name: value for name, value in asdict(self.settings).items() if name not in WITHOUT_EFFECT_ON_FLOW}
        return _Remembered(complete, self._shared, tuple(sorted(fixed.items()))), generator


class _Remembered:
    """Completed flow, taken from a cache where another inpainter left it."""

    def __init__(self, complete: "FlowCompletion | None", shared: Cache, key: tuple[tuple[str, object], ...]) -> None:
        self.radius = 0 if complete is None else complete.radius
        self.whole = complete is not None and complete.whole
        self._complete, self._shared, self._key = complete, shared, key

    def __call__(self, footage: Footage, n: int) -> Packed:
        """Completed flow between frames n and n + 1."""

        def make() -> Packed:
            return footage.prefilled(n) if self._complete is None else self._complete(footage, n)

        return self._shared.get((self._key, n), make, lambda flow: flow.nbytes)
