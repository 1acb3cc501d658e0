"""Flow that is shared changes no byte, and is not shared where a setting may change it."""

from dataclasses import fields

import numpy as np
import pytest
import scenes
from clips import clip_of, mask_of

from vsdfvi.engine.cache import Cache
from vsdfvi.evaluation.flow import Examined, repaired
from vsdfvi.evaluation.shared_flow import WITHOUT_EFFECT_ON_FLOW, SharedFlow
from vsdfvi.films.clips import video_format
from vsdfvi.settings import Settings

FORM = scenes.video_format(size=(48, 64), frames=5)
SCENE = scenes.occluder(FORM, (1, 0), (-2, 1), 8, scenes.box(FORM, (16, 21), (10, 16), (4, 0)))
VARIANTS = (
    {"sources": 1, "refine": 0, "light": 0, "seam": 0, "grain": 0.0},
    {"light": 0, "seam": 0, "grain": 0.0},
    {"seam": 0, "grain": 0.0},
    {"grain": 0.0},
    {},
    {"synthesis": "diffusion", "soften": 2},
    {"sources": 3, "keyframe_interval": 2},
)


@pytest.fixture(scope="module")
def clips():
    return clip_of(SCENE.damaged, FORM), mask_of(SCENE.mask)


def film(inpainter, clips):
    return [tuple(plane.tobytes() for plane in planes) for planes in repaired(inpainter, *clips)]


@pytest.mark.parametrize("completion", ["laplace", "dfc"])
def test_what_is_made_on_shared_flow_is_what_is_made_alone(clips, completion):
    shared, formats = Cache(1 << 30), [video_format(clip) for clip in clips]
    makes = []
    for variant in VARIANTS:
        settings = Settings(threads=1, device="cpu", completion=completion, **variant)
        held = shared.size_bytes
        assert film(SharedFlow(settings, *formats, shared), clips) == film(Examined(settings, *formats), clips)
        makes.append(shared.size_bytes > held)
    assert makes == [True] + [False] * (len(VARIANTS) - 1)  # the first made flow for all


def test_settings_that_may_change_flow_have_flow_of_their_own(clips):
    shared, formats = Cache(1 << 30), [video_format(clip) for clip in clips]
    first = Settings(threads=1, device="cpu", completion="laplace")
    for settings in (first, Settings(threads=1, device="cpu", completion="laplace", dilate=2)):
        held = shared.size_bytes
        assert film(SharedFlow(settings, *formats, shared), clips) == film(Examined(settings, *formats), clips)
        assert shared.size_bytes > held


def test_the_settings_without_effect_are_settings():
    assert set(WITHOUT_EFFECT_ON_FLOW) < {field.name for field in fields(Settings)}
    assert np.unique(WITHOUT_EFFECT_ON_FLOW).size == len(WITHOUT_EFFECT_ON_FLOW)
