"""The same frame has the same bytes: in any order, alone, with any number of threads, whatever is cached."""

import random
import subprocess
import sys
from functools import cache
from hashlib import sha256
from pathlib import Path

import clips
import numpy as np
import pytest
import scenes

FRAMES = 14
FORM = scenes.video_format(size=(64, 96), frames=FRAMES)
SETTINGS = {"radius": 6, "keyframe_interval": 4}
HOLES = {
    "moving": lambda form: scenes.box(form, (20, 24), (16, 20), (3.0, 0.0)),
    "never seen": lambda form: scenes.box(form, (24, 30), (30, 20)),
    "scratch and dirt": lambda form: scenes.scratch(form) | scenes.dirt(form),
}


@cache
def scene(hole):
    """Return a clip with a cut inside, that both the script and the detector could find; here it is the detector."""
    shots = []
    for picture, frames in (("astronaut", 8), ("coffee", FRAMES - 8)):
        form = scenes.video_format(size=(64, 96), frames=frames)
        shots.append(scenes.translation(form, (0.6, 0.2), HOLES[hole](form), picture=picture))
    return scenes.cut(*shots)


def node(hole, still=False, **settings):
    """Return a new filter, with an engine of its own."""
    made = scene(hole)
    mask = clips.mask_of(made.mask[:1] if still else made.mask)
    return clips.clip_of(made.damaged, made.format).dfvi.Inpaint(mask, **{**SETTINGS, **settings})


def digest(clip, n):
    return sha256(clips.bytes_of(clip, n)).hexdigest()


@cache
def in_order(hole):
    """Return the digest of each frame, asked for one after the other."""
    clip = node(hole, threads=1)
    return [digest(clip, n) for n in range(FRAMES)]


ORDERS = {
    "in reverse": list(range(FRAMES))[::-1],
    "at random": random.Random(5).sample(range(FRAMES), FRAMES),
    "every frame twice, far apart": [n for k in range(7) for n in (k, FRAMES - 1 - k, k)],
    "from the cut": [8, 7, 9, 6, 0, 13],
}


@pytest.mark.parametrize("hole", HOLES)
def test_frames_are_repaired_and_differ(hole):
    """What shows that the digests below are of something."""
    made = scene(hole)
    sources = [sha256(b"".join(plane.tobytes() for plane in planes)).hexdigest() for planes in made.damaged]
    assert len({*sources, *in_order(hole)}) == 2 * FRAMES


@pytest.mark.parametrize("hole", HOLES)
@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
@pytest.mark.parametrize("memory", [16, 1024])
def test_in_any_order_with_any_budget(hole, order, memory):
    clip = node(hole, memory=memory, threads=1)
    assert {n: digest(clip, n) for n in order} == {n: in_order(hole)[n] for n in order}


@pytest.mark.parametrize("hole", HOLES)
def test_alone(hole):
    for n in (0, 7, 8, 13):
        assert digest(node(hole, threads=1), n) == in_order(hole)[n]


@pytest.mark.parametrize("count", [2, 8])
@pytest.mark.parametrize("hole", HOLES)
def test_with_any_number_of_our_threads(hole, count):
    clip = node(hole, threads=count)
    assert [digest(clip, n) for n in range(FRAMES)] == in_order(hole)


@pytest.mark.parametrize("count", [1, 2, 8])
@pytest.mark.parametrize("hole", HOLES)
def test_with_any_number_of_vapoursynths_threads(threads, hole, count):
    threads(count)
    clip = node(hole, threads=2, memory=16)
    futures = [(n, clip.get_frame_async(n)) for n in random.Random(count).sample(range(FRAMES), FRAMES)]
    for n, future in futures:
        with future.result() as frame:
            samples = b"".join(np.asarray(frame[plane]).tobytes() for plane in range(3))
            assert sha256(samples).hexdigest() == in_order(hole)[n]


def test_two_filters_at_once_do_not_disturb_each_other(threads):
    threads(4)
    nodes = {hole: node(hole) for hole in HOLES}
    futures = [(hole, n, nodes[hole].get_frame_async(n)) for n in range(FRAMES) for hole in HOLES]
    for hole, n, future in futures:
        with future.result() as frame:
            samples = b"".join(np.asarray(frame[plane]).tobytes() for plane in range(3))
            assert sha256(samples).hexdigest() == in_order(hole)[n]


def test_what_is_not_the_clip_has_no_influence():
    """Names, matrix, durations: properties that say nothing about the picture change no sample of YUV."""
    made = scene("moving")
    mask = clips.mask_of(made.mask)
    plain = clips.clip_of(made.damaged, made.format)
    told = plain.std.SetFrameProps(Title="film", _DurationNum=7, _DurationDen=9)
    for n in (0, 7, 8):
        assert digest(told.dfvi.Inpaint(mask, **SETTINGS), n) == in_order("moving")[n]


FRESH = """
import sys
sys.path[:0] = {paths!r}
import test_determinism as here
for hole in here.HOLES:
    for n in ({frame}, ):
        print(hole, n, here.digest(here.node(hole), n))
"""


@pytest.mark.parametrize("frame", [7, 13])
def test_in_a_process_of_its_own(frame):
    paths = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]
    script = FRESH.format(paths=paths, frame=frame)
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert (process.returncode, process.stderr) == (0, "")
    assert process.stdout.splitlines() == [f"{hole} {frame} {in_order(hole)[frame]}" for hole in HOLES]
