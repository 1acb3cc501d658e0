"""The filter in processes of its own: vspipe, Python, a host without Python; how they end; cores made and freed."""

import signal
import subprocess
from pathlib import Path

import pytest
import vapoursynth as vs

SCRIPT = """
import fake_engine
fake_engine.install()
import vapoursynth as vs
core = vs.core
clip = core.std.BlankClip(format=vs.GRAY8, width=64, height=48, length=200)
mask = core.std.BlankClip(clip, color=255)
output = clip.dfvi.Inpaint(mask)
"""
TO_PIPE = SCRIPT + "output.set_output()\n"
FRAME_BYTES = len(b"FRAME\n") + 64 * 48


def clean(process):
    """The process's output, if it ended well and without a word."""
    assert (process.returncode, process.stderr.decode()) == (0, "")
    return process.stdout.decode()


def test_vspipe_writes_the_video_and_nothing_else(processes):
    process = processes.vspipe(TO_PIPE, "-c", "y4m")
    assert process.returncode == 0
    header, _, frames = process.stdout.partition(b"\n")
    assert header.startswith(b"YUV4MPEG2")
    assert len(frames) == 200 * FRAME_BYTES
    assert [frames[n * FRAME_BYTES + 6] for n in (0, 199)] == [7, 206]
    assert b"Output 200 frames" in process.stderr


def test_vspipe_ends_with_an_error_that_says_what_failed(processes):
    failing = (
        "fake_engine.rules.failure = lambda: OSError('disc is full')\n"
        "fake_engine.rules.fails_in, fake_engine.rules.fails_at = ('prepare',), (5,)\n"
    )
    process = processes.vspipe(TO_PIPE + failing, "-c", "y4m")
    assert process.returncode == 1
    assert b"Inpaint: OSError: disc is full" in process.stderr
    assert b"Traceback (most recent call last):" in process.stderr


def read_a_little(processes, script):
    """vspipe's exit status when its reader goes after a hundred bytes."""
    command = [processes.vspipe_program, "-c", "y4m", processes.write(script), "-"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=processes.environment, bufsize=0
    ) as vspipe:
        vspipe.stdout.read(100)
        vspipe.stdout.close()
        vspipe.communicate(timeout=60)
    return vspipe.returncode


def test_vspipe_ends_when_its_reader_goes_as_it_does_without_the_filter(processes):
    without = read_a_little(processes, TO_PIPE.replace("output.set_output()", "clip.set_output()"))
    assert without == -signal.SIGPIPE  # vspipe's own way, and the only signal it may end by
    assert read_a_little(processes, TO_PIPE) == without


def test_python_ends_cleanly(processes):
    assert clean(processes.python(SCRIPT + "output.get_frame(100).close(); print('end')")) == "end\n"


def test_python_ends_cleanly_with_frames_in_flight(processes):
    slow = "import time; fake_engine.rules.on_prepare = lambda: time.sleep(0.01)\n"
    futures = "futures = [output.get_frame_async(n) for n in range(60)]; print('end')\n"
    assert clean(processes.python(SCRIPT + slow + futures)) == "end\n"


def test_python_ends_cleanly_with_the_real_engine(processes):
    real = SCRIPT.replace("fake_engine.install()", "") + "output.get_frame(3).close(); print('end')"
    assert clean(processes.python(real)) == "end\n"


def test_vspipe_ends_cleanly_with_the_real_engine(processes):
    process = processes.vspipe(TO_PIPE.replace("fake_engine.install()", ""), "-c", "y4m", "-e", "9")
    assert process.returncode == 0, process.stderr.decode()
    assert len(process.stdout.partition(b"\n")[2]) == 10 * FRAME_BYTES


def test_cores_come_and_go(processes):
    again = """
import fake_engine
fake_engine.install()
import own_cores
import vapoursynth as vs

def render():
    clip = vs.core.std.BlankClip(format=vs.GRAY8, width=64, height=48, length=20)
    output = clip.dfvi.Inpaint(clip.std.Invert())
    for frame in output.frames():
        pass

for _ in range(10):
    with own_cores.own_core():
        render()
names = [name for name, n in fake_engine.rules.calls if n is None]
print(names == ["open", "close"] * 10, len(fake_engine.rules.calls))
"""
    # Each core's 20 frames are prepared and finished; the windows cost some further rounds.
    text = clean(processes.python(again))
    assert text.startswith("True ")


def test_a_package_that_is_missing_is_named(processes):
    missing = SCRIPT.replace("fake_engine.install()", "import sys; sys.modules['vsdfvi.host'] = None")
    process = processes.python(missing)
    assert process.returncode == 1
    assert b"vapoursynth.Error: Inpaint: ModuleNotFoundError: import of vsdfvi.host halted" in process.stderr


def test_a_package_of_another_version_is_refused(processes):
    other = SCRIPT.replace("fake_engine.install()", "import vsdfvi.host; vsdfvi.host.VERSION = '99.0'")
    process = processes.python(other)
    assert process.returncode == 1
    assert b"Inpaint: the Python package vsdfvi must be of the plugin's version, " in process.stderr
    assert b", got 99.0" in process.stderr


def test_loading_the_plugin_imports_nothing(processes):
    load = (
        "import sys, vapoursynth as vs; vs.core.dfvi.Inpaint.signature; "
        "print([name for name in sys.modules if name.startswith(('vsdfvi', 'numpy', 'torch'))])"
    )
    assert clean(processes.python(load)) == "[]\n"


def test_a_wrong_setting_is_answered_before_anything_heavy_is_imported(processes):
    wrong = SCRIPT.replace("fake_engine.install()", "").replace("(mask)", "(mask, radius=0)")
    wrong = wrong.replace("output =", "try: output =") + (
        "except vs.Error as error: print(error)\n"
        "import sys; print([name for name in ('torch', 'cv2', 'vsdfvi.engine') if name in sys.modules])\n"
    )
    assert clean(processes.python(wrong)) == "Inpaint: radius must be between 1 and 128 frames, got 0\n[]\n"


HOST_WITHOUT_PYTHON = """
#include <cstdio>
#include "VapourSynth4.h"

int main()
{
    const VSAPI *vsapi = getVapourSynthAPI(VAPOURSYNTH_API_VERSION);
    VSCore *core = vsapi->createCore(0);
    VSMap *arguments = vsapi->createMap();
    VSMap *blank = vsapi->invoke(vsapi->getPluginByNamespace("std", core), "BlankClip", arguments);
    VSNode *clip = vsapi->mapGetNode(blank, "clip", 0, nullptr);
    vsapi->mapSetNode(arguments, "clip", clip, maReplace);
    vsapi->mapSetNode(arguments, "mask", clip, maReplace);
    VSMap *result = vsapi->invoke(vsapi->getPluginByNamespace("dfvi", core), "Inpaint", arguments);
    std::puts(vsapi->mapGetError(result));
    vsapi->freeMap(result);
    vsapi->freeMap(blank);
    vsapi->freeMap(arguments);
    vsapi->freeNode(clip);
    vsapi->freeCore(core);
}
"""


def test_a_host_without_python_is_told_so(processes):
    source, program = processes.folder / "host.cpp", processes.folder / "host"
    source.write_text(HOST_WITHOUT_PYTHON, encoding="utf-8")
    [library] = Path(vs.__file__).parent.glob("libvapoursynth.so.*")
    compile_it = ["g++", "-std=c++17", source, f"-I{vs.get_include()}", library, f"-Wl,-rpath,{library.parent}"]
    subprocess.run([*compile_it, "-o", program], check=True)
    told = clean(processes.run(program))
    assert told.startswith("Inpaint: no Python interpreter in this process: Py_IsInitialized was not found.")


@pytest.mark.parametrize("thread_count", [1, 8])
def test_two_filters_in_a_row_do_not_wait_for_each_other(processes, thread_count):
    twice = f"core.num_threads = {thread_count}\nfor _ in output.dfvi.Inpaint(mask).frames(close=True): pass\n"
    assert clean(processes.python(SCRIPT + twice + "print('end')")) == "end\n"
