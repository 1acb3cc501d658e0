"""The survey of a whole clip, as the engine asks for it."""

import lender
import numpy as np
import scenes

from vsdfvi.engine.footage import Footage
from vsdfvi.engine.plan import SURVEY_FRAMES, survey_of


def film(frames=4):
    """A still scene and a mask, long enough for a survey with gaps."""
    form = scenes.video_format("GRAY", size=(48, 64), frames=frames)
    return scenes.still(form, scenes.box(form, (12, 12), (8, 16)))


def test_only_unmix_announces_a_survey():
    assert lender.of_scene(film(), completion="laplace").inpainter.survey == ()
    assert lender.of_scene(film(), completion="laplace", unmix=1).inpainter.survey == (0, 1, 2, 3)
    long = lender.of_scene(film(100), completion="laplace", unmix=1).inpainter.survey
    assert long == survey_of(100, SURVEY_FRAMES)


def test_what_is_lent_are_the_frames_that_were_announced(monkeypatch):
    seen = []

    def trace(footage: Footage, n: int):
        clip, mask = footage.survey()
        seen.append((n, sorted(clip), sorted(mask)))
        assert all(clip[k] is host.clip[k] for k in clip)
        return original(footage, n)

    from vsdfvi.engine import inpainter

    original = inpainter.trace
    monkeypatch.setattr(inpainter, "trace", trace)
    host = lender.of_scene(film(80), completion="laplace", unmix=1, radius=2)
    found = host.render(40)
    survey = list(survey_of(80, SURVEY_FRAMES))
    assert seen
    assert all(line == (40, survey, survey) for line in seen)
    assert host.inpainter._footage._survey is None  # taken back
    monkeypatch.undo()
    plain = lender.of_scene(film(80), completion="laplace", radius=2)
    np.testing.assert_array_equal(found[0], plain.render(40)[0])
    assert host.asked[40][-1] == plain.asked[40][-1]  # no wider span on its account
