"""Footage of a scene for tests of what is measured around a hole: its frames are all lent, its flow is the true one."""

import numpy as np
import scenes
from numpy.typing import NDArray

from vsdfvi.engine.cache import Cache
from vsdfvi.engine.footage import Footage
from vsdfvi.frames.pixels import Frame
from vsdfvi.kernels import Workers, pack
from vsdfvi.settings import Settings


def footage_of(scene: scenes.Scene, *, exclude: NDArray[np.bool_] | None = None, **settings: object) -> Footage:
    """Return footage of a scene's damaged frames; with a still mask where the scene's has one frame."""
    form = scene.format
    size = {"size": (form.height, form.width)}
    extras = {} if exclude is None else {"exclude": scenes.video_format("GRAY", frames=len(exclude), **size)}
    footage = Footage(
        Settings(**{"threads": 1, "scene_threshold": 0, **settings}),
        form,
        scenes.video_format("GRAY", frames=len(scene.mask), **size),
        Cache(1 << 26),
        Workers(1),
        extras=extras,
    )
    if scene.flow_fw is not None:
        footage.boxes = lambda n: [(0, 0, form.width, form.height)]
        footage.flow = lambda n: pack([(0, 0)], [np.concatenate([scene.flow_fw[n], scene.flow_bw[n]])])
    footage.lend(
        dict(enumerate(scene.frames(mark_cuts=bool(scene.cuts)))),
        _masks(scene.mask),
        {} if exclude is None else {"exclude": _masks(exclude)},
    )
    return footage


def _masks(mask: NDArray[np.bool_]) -> dict[int, Frame]:
    return {n: Frame((picture.astype(np.uint8) * 255,)) for n, picture in enumerate(mask)}
