"""Requests, results and failures of the filter, with a fake engine behind it."""

import gc
import sys
import threading

import clips
import numpy as np
import pytest
import scenes
import vapoursynth as vs

from vsdfvi.errors import EngineError


def luma(frame):
    return np.asarray(frame[0]).copy()


def test_a_frame_is_the_source_with_what_the_engine_wrote(engine, clip, mask):
    with clip.dfvi.Inpaint(mask).get_frame(6) as frame, clip.get_frame(6) as source:
        assert (luma(frame) == engine.filled(6)).all()
        np.testing.assert_array_equal(np.asarray(frame[1]), np.asarray(source[1]))
        np.testing.assert_array_equal(np.asarray(frame[2]), np.asarray(source[2]))
        assert (luma(source) == 40).all()  # the source's own buffer was left alone


def test_the_engine_gets_the_window_it_needs_clamped_to_the_clip(engine, clip, mask):
    output = clip.dfvi.Inpaint(mask)
    for n in (10, 0, 19):
        output.get_frame(n).close()
    needed = {10: range(7, 14), 0: range(4), 19: range(16, 20)}
    for n, window in needed.items():
        assert set(window) <= set(engine.rules.seen[n][0])
        assert engine.rules.seen[n][0] == engine.rules.seen[n][1]


def test_a_second_frame_asks_for_its_window_at_once(engine, clip, mask):
    output = clip.dfvi.Inpaint(mask)
    output.get_frame(10).close()
    engine.rules.calls.clear()
    output.get_frame(11).close()
    assert engine.rules.calls == [("prepare", 11), ("finish", 11)]


def test_an_empty_mask_gives_the_source_frame_itself(engine, clip):
    output = clip.dfvi.Inpaint(vs.core.std.BlankClip(clip, format=vs.GRAY8, color=0))
    with output.get_frame(4) as frame, clip.get_frame(4) as source:
        assert frame.get_read_ptr(0).value == source.get_read_ptr(0).value
        assert dict(frame.props) == dict(source.props)
    assert engine.rules.seen[4] == ([4], [4])


def test_a_mask_of_one_frame_serves_all(engine, clip, mask):
    output = clip.dfvi.Inpaint(mask[0])
    with output.get_frame(9) as frame:
        assert (luma(frame) == engine.filled(9)).all()
    assert engine.rules.seen[9] == (list(range(6, 13)), [0])


def test_properties_of_the_source_are_kept_and_the_engines_added(engine, clip, mask):
    clip = clip.std.SetFrameProps(_Matrix=1, _Range=0, Title="film", Share=3.5)
    with clip.dfvi.Inpaint(mask).get_frame(2) as frame:
        expected = {"_Matrix": 1, "_Range": 0, "Title": "film", "DfviHole": 5, "Share": 0.25, "Kind": "fake"}
        assert expected.items() <= dict(frame.props).items()
        assert "_DurationNum" in frame.props


def test_the_engine_sees_the_properties_that_matter(engine, clip, mask):
    given = {"_FieldBased": 1, "_Matrix": 6, "_Range": 1, "_SceneChangePrev": 1, "_SceneChangeNext": 0}
    clip = clip.std.SetFrameProps(**given, _ChromaLocation=2, _Primaries=1, Title="film")
    engine.rules.keeps = True
    clip.dfvi.Inpaint(mask).get_frame(2).close()
    assert engine.rules.seen[2][0][2].properties == {**given, "_ChromaLocation": 2}


def test_clip_planes_come_whole_and_of_the_mask_the_first(engine):
    clip = vs.core.std.BlankClip(format=vs.YUV420P16, width=70, height=50, length=2, color=[1000, 2000, 3000])
    engine.rules.keeps = True
    clip.dfvi.Inpaint(clip).get_frame(0).close()
    lent_clip, lent_mask = engine.rules.seen[0]
    assert [plane.shape for plane in lent_clip[0].planes] == [(50, 70), (25, 35), (25, 35)]
    assert [plane.shape for plane in lent_mask[0].planes] == [(50, 70)]
    assert {plane.dtype for plane in lent_clip[0].planes} == {np.dtype(np.uint16)}
    assert not any(plane.flags.writeable for plane in lent_clip[0].planes)


@pytest.mark.parametrize("function", ["prepare", "finish"])
def test_a_failure_is_an_error_with_its_traceback_in_the_log(engine, clip, mask, log, function):
    engine.rules.failure = lambda: ZeroDivisionError("no frames")
    engine.rules.fails_in, engine.rules.fails_at = (function,), (5,)
    output = clip.dfvi.Inpaint(mask)
    with pytest.raises(vs.Error, match=r"^Inpaint: ZeroDivisionError: no frames$"):
        output.get_frame(5)
    [(kind, text)] = log
    assert kind == vs.MESSAGE_TYPE_WARNING
    assert text.startswith("Inpaint: Traceback (most recent call last):")
    assert "fake_engine.py" in text
    assert ("discard", 5) in engine.rules.calls

    with output.get_frame(6) as frame:
        assert (luma(frame) == engine.filled(6)).all()
    engine.rules.fails_at = (99,)
    with output.get_frame(5) as frame:  # errors do not stick
        assert (luma(frame) == engine.filled(5)).all()


def test_a_failure_on_purpose_is_its_text_alone(engine, clip, mask, log):
    engine.rules.failure = lambda: EngineError("out of memory: lower `memory`")
    engine.rules.fails_in = ("prepare",)
    with pytest.raises(vs.Error, match=r"^Inpaint: out of memory: lower `memory`$"):
        clip.dfvi.Inpaint(mask).get_frame(0)
    assert not log


def test_an_exit_asked_for_in_the_engine_is_an_error_too(engine, clip, mask):
    engine.rules.failure, engine.rules.fails_in = lambda: SystemExit(3), ("prepare",)
    with pytest.raises(vs.Error, match=r"^Inpaint: SystemExit: 3$"):
        clip.dfvi.Inpaint(mask).get_frame(0)


def test_a_failure_to_open_is_an_error_of_creation(engine, clip, mask, log):
    engine.rules.failure, engine.rules.fails_in = lambda: RuntimeError("no device"), ("open",)
    with pytest.raises(vs.Error, match=r"^Inpaint: RuntimeError: no device$"):
        clip.dfvi.Inpaint(mask)
    assert len(log) == 1


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (("need", 10, 10), "prepare must need frames beyond 10 to 10, got 10 to 10"),
        (("perhaps",), "prepare must answer source, need, survey or ready, got perhaps"),
        (("survey",), "prepare must ask for a survey whose frames open has named, got none of them"),
        (("need", 1), "IndexError: tuple index out of range"),
        (("ready", "a", 2), "TypeError: 'str' object cannot be interpreted as an integer"),
    ],
    ids=str,
)
def test_an_answer_that_makes_no_sense_does_not_end_the_process(engine, clip, mask, answer, sentence):
    engine.rules.answer = answer
    with pytest.raises(vs.Error) as error:
        clip.dfvi.Inpaint(mask).get_frame(10)
    assert str(error.value) == f"Inpaint: {sentence}"


def test_a_source_that_fails_is_passed_on_and_the_frame_discarded(engine, clip, mask):
    def fail(n, f):
        if n == 12:
            raise ValueError("tape is torn")
        return f

    output = clip.std.ModifyFrame(clip, fail).dfvi.Inpaint(mask)
    with pytest.raises(vs.Error, match="tape is torn"):
        output.get_frame(10)  # asks for 10 alone, then for 7 to 13
    assert engine.rules.calls[1:] == [("prepare", 10), ("discard", 10)]
    with output.get_frame(5) as frame:
        assert (luma(frame) == engine.filled(5)).all()


@pytest.mark.parametrize(
    ("level", "kind"),
    [(20, vs.MESSAGE_TYPE_INFORMATION), (30, vs.MESSAGE_TYPE_WARNING), (50, vs.MESSAGE_TYPE_CRITICAL)],
)
def test_what_the_engine_logs_is_in_the_cores_log(engine, clip, mask, log, level, kind):
    output = clip.dfvi.Inpaint(mask)
    engine.rules.message = (level, "a new scene")
    output.get_frame(0).close()
    assert (kind, "Inpaint: a new scene") in log


def test_a_view_kept_beyond_its_call_is_told(engine, clip, mask, log):
    engine.rules.keeps = True
    clip.dfvi.Inpaint(mask).get_frame(0).close()
    assert any("prepare kept a view of a frame beyond its call" in text for _, text in log)


def test_an_engine_that_cannot_be_imported_is_an_error_of_creation_and_no_more(engine, clip, mask, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setitem(sys.modules, "vsdfvi.engine.inpainter", None)
        with pytest.raises(vs.Error, match=r"^Inpaint: ModuleNotFoundError: import of vsdfvi\.engine\.inpainter"):
            clip.dfvi.Inpaint(mask)
    clip.dfvi.Inpaint(mask).get_frame(0).close()


def test_a_freed_filter_is_closed(engine, clip, mask):
    output = clip.dfvi.Inpaint(mask)
    output.get_frame(0).close()
    del output
    assert engine.rules.calls[-1] == ("close", None)


def in_a_thread(function):
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


@pytest.mark.parametrize("collect", [gc.collect, lambda: in_a_thread(gc.collect)], ids=["there", "in its own thread"])
def test_a_filter_that_python_collects_while_the_engine_works_is_closed_later(engine, clip, mask, collect):
    gc.collect()  # what tests before this one have left is closed now, and not counted
    engine.rules.calls.clear()
    output = clip.dfvi.Inpaint(mask)
    gc.disable()
    try:
        cycle = [clip.dfvi.Inpaint(mask)]
        cycle.append(cycle)
        del cycle
        engine.rules.on_prepare = collect
        output.get_frame(0).close()
    finally:
        gc.enable()
    output.get_frame(1).close()
    assert engine.rules.calls.count(("close", None)) == 1


# Requests and caches: a window wider than the core's default cache renders its sources dozens of times.


@pytest.mark.parametrize("thread_count", [1, 2, 8])
def test_every_source_frame_is_rendered_once(engine, threads, counted, thread_count):
    threads(thread_count)
    engine.rules.radius = engine.rules.reach = 40
    clip, clip_renders = counted(vs.core.std.BlankClip(format=vs.GRAY8, width=16, height=16, length=600, keep=True))
    mask, mask_renders = counted(vs.core.std.BlankClip(clip, color=255, keep=True))
    for _ in clip.dfvi.Inpaint(mask).frames(close=True):
        pass
    assert clip_renders == dict.fromkeys(range(600), 1)
    assert mask_renders == dict.fromkeys(range(600), 1)


def test_every_source_frame_is_rendered_once_for_the_real_engine(threads, counted):
    threads(2)
    form = scenes.video_format("GRAY", size=(48, 64), frames=600)
    drift = scenes.box(form, (12, 12), (8, 16), (30 / 600, 0.0))  # seen by some frames, by others not
    clip, clip_renders = counted(vs.core.std.BlankClip(format=vs.GRAY8, width=64, height=48, length=600, keep=True))
    mask, mask_renders = counted(clips.mask_of(drift))
    for _ in clip.dfvi.Inpaint(mask).frames(close=True):
        pass
    assert clip_renders == dict.fromkeys(range(600), 1)
    assert mask_renders == dict.fromkeys(range(600), 1)


def test_a_filter_with_a_smaller_window_on_the_same_clip_leaves_the_larger_its_frames(engine, threads, counted):
    threads(2)
    clip, renders = counted(vs.core.std.BlankClip(format=vs.GRAY8, width=16, height=16, length=300, keep=True))
    mask = vs.core.std.BlankClip(clip, color=255, length=1)
    engine.rules.radius = engine.rules.reach = 60
    wide = clip.dfvi.Inpaint(mask)
    engine.rules.reach = 1
    narrow = clip.dfvi.Inpaint(mask)
    for _ in wide.frames(close=True):
        pass
    assert renders == dict.fromkeys(range(300), 1)
    del narrow
