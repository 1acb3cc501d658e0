"""Cores come and go, clips are long: memory does not grow."""

import json

from tolerance import GROWTH_MIB

CORES = """
import json
import numpy as np
import own_cores
import psutil
import vapoursynth as vs

def render():
    clip = vs.core.std.BlankClip(format=vs.YUV420P8, width=320, height=240, length=12, color=[40, 90, 160])
    noise = vs.core.std.BlankClip(clip, format=vs.GRAY8, width=96, height=64, color=255, length=12)
    mask = noise.std.AddBorders(left=100, right=124, top=80, bottom=96)
    output = clip.dfvi.Inpaint(mask, radius=4, keyframe_interval=4)
    return {bytes(np.asarray(frame[0])[80:144, 100:196]) for frame in output.frames()}

resident, frames = [], set()
for _ in range(12):
    with own_cores.own_core():
        frames |= render()
    resident.append(psutil.Process().memory_info().rss / 2**20)
print(json.dumps({"resident": resident, "pictures": len(frames)}))
"""

LONG = """
import json, psutil
import vapoursynth as vs
core = vs.core
clip = core.std.BlankClip(format=vs.YUV420P8, width=160, height=120, length=500, color=[40, 90, 160], keep=True)
hole = core.std.BlankClip(format=vs.GRAY8, width=24, height=24, length=500, color=255, keep=True)
mask = hole.std.AddBorders(left=60, right=76, top=40, bottom=56)
output = clip.dfvi.Inpaint(mask, radius=4, keyframe_interval=4, memory=16)
resident = []
for n, frame in enumerate(output.frames(close=True)):
    if n in (100, 499):
        resident.append(psutil.Process().memory_info().rss / 2**20)
print(json.dumps({"resident": resident}))
"""


def told(process):
    """What a script in a process of its own says."""
    assert (process.returncode, process.stderr.decode()) == (0, "")
    return json.loads(process.stdout)


def test_cores_freed_and_made_anew_leave_nothing_behind(processes):
    said = told(processes.python(CORES))
    assert said["pictures"] == 1
    resident = said["resident"]
    assert len(resident) == 12
    # The first two load libraries and fill the allocator's pools.
    assert resident[-1] - resident[1] <= GROWTH_MIB, resident


def test_a_long_clip_takes_no_more_than_a_short_one(processes):
    after_100, after_500 = told(processes.python(LONG))["resident"]
    assert after_500 - after_100 <= GROWTH_MIB, (after_100, after_500)
