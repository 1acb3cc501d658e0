"""Frames of the whole clip that the engine may ask for besides those around a frame."""

import random

import numpy as np
import pytest
import vapoursynth as vs


@pytest.fixture
def numbered(clip):
    """A clip whose luma is a number that belongs to the frame."""

    def paint(n, f):
        out = f.copy()
        np.asarray(out[0])[:] = 3 * n + 1
        return out

    return clip.std.ModifyFrame(clip, paint)


SURVEY = (0, 6, 13, 19)
SHOWN = sum(3 * n + 1 for n in SURVEY) % 256


def test_a_survey_is_lent_when_it_is_asked_for_and_to_the_end_of_the_frame(engine, numbered, mask):
    engine.rules.survey = SURVEY
    with numbered.dfvi.Inpaint(mask).get_frame(10) as frame:
        assert (np.asarray(frame[0]) == SHOWN).all()
    assert engine.rules.seen[10][0] == list(range(7, 14))
    assert engine.rules.seen_survey[10] == [None, None, (list(SURVEY), list(SURVEY))]


def test_a_still_masks_survey_is_its_one_frame(engine, numbered, mask):
    engine.rules.survey = SURVEY
    numbered.dfvi.Inpaint(mask[0]).get_frame(10).close()
    assert engine.rules.seen_survey[10][-1] == (list(SURVEY), [0])


def test_a_survey_inside_the_span_is_lent_too(engine, numbered, mask):
    engine.rules.survey = (9, 10, 11)
    numbered.dfvi.Inpaint(mask).get_frame(10).close()
    assert engine.rules.seen_survey[10][-1] == ([9, 10, 11], [9, 10, 11])


def test_a_survey_that_is_not_asked_for_is_not_rendered(engine, numbered, mask, counted):
    engine.rules.survey = SURVEY
    source, renders = counted(numbered)
    source.dfvi.Inpaint(mask.std.BlankClip(color=0, keep=True)).get_frame(10).close()
    assert renders == {10: 1}


def test_frames_of_a_survey_are_rendered_once(engine, numbered, mask, counted):
    engine.rules.survey = SURVEY
    source, renders = counted(numbered)
    output = source.dfvi.Inpaint(mask)
    output.get_frame(10).close()
    assert renders == dict.fromkeys({*SURVEY, *range(7, 14)}, 1)


def test_a_survey_that_is_asked_for_again_does_not_end_the_process(engine, numbered, mask):
    engine.rules.survey, engine.rules.answer = SURVEY, ("survey",)
    with pytest.raises(vs.Error) as error:
        numbered.dfvi.Inpaint(mask).get_frame(10)
    assert str(error.value) == "Inpaint: prepare must ask for the survey once, got it again"
    assert ("discard", 10) in engine.rules.calls


@pytest.mark.parametrize("thread_count", [1, 8])
def test_random_access_with_a_survey_is_sequential_access(engine, numbered, mask, threads, thread_count):
    threads(thread_count)
    engine.rules.survey = SURVEY
    sequential = [bytes(np.asarray(frame[0])) for frame in numbered.dfvi.Inpaint(mask).frames(close=True)]
    output = numbered.dfvi.Inpaint(mask)
    order = list(range(20))
    random.Random(5).shuffle(order)
    futures = {n: output.get_frame_async(n) for n in order}
    for n, future in futures.items():
        with future.result() as frame:
            assert bytes(np.asarray(frame[0])) == sequential[n]
    assert all(calls[-1] == (list(SURVEY), list(SURVEY)) for calls in engine.rules.seen_survey.values())
