"""One script in every host, with the real engine: it is shown, read and broken off, and the host ends as it should."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import vapoursynth as vs
from PIL import ImageGrab

# Not the command of that name, which starts this one and hides how it ended.
VSPIPE = Path(vs.__file__).with_name("vspipe")

WIDTH, HEIGHT, FRAMES = 320, 240, 24
STEP = 24  # frames that vsview goes on by with Shift and Right
FRAME_BYTES = 3 * WIDTH * HEIGHT
COLOR = [160, 60, 200]  # an orange that no part of a window has
OTHER_COLOR = [120, 150, 60]

# A white box in a picture, and what becomes of it. What happens is noted in a journal, whatever process it is in.
SCRIPT = f"""
import time
from pathlib import Path
import vapoursynth as vs
core = vs.core

def note(line):
    with Path("<journal>").open("a") as journal:
        journal.write(line + "\\n")

def even(n):
    return core.std.BlankClip(format=vs.YUV444P8, width={WIDTH}, height={HEIGHT}, length=1, color={COLOR})

def turning(n):
    return even(n) if n > {STEP} // 2 else even(n).std.BlankClip(color={OTHER_COLOR})

def moving(n):
    colors = [[40 + 37 * k % 180, 60 + 53 * k % 130, 80 + 29 * k % 110] for k in range({WIDTH} // 8)]
    bands = [core.std.BlankClip(format=vs.YUV444P8, width=16, height={HEIGHT}, length=1, color=c) for c in colors]
    return core.std.StackHorizontal(bands).std.Crop(left=3 * n, right={WIDTH} - 3 * n)

picture = core.std.Splice([<picture>(n) for n in range(<frames>)])
mask = core.std.BlankClip(format=vs.GRAY8, width=40, height=60, length=1, color=255)
mask = mask.std.AddBorders(150, {WIDTH} - 190, 90, {HEIGHT} - 150)
damaged = core.std.MaskedMerge(picture, picture.std.BlankClip(color=[235, 128, 128]), mask * <frames>)
damaged = damaged.std.SetFrameProps(_Matrix=1, _Transfer=1, _Primaries=1, _Range=0)
repaired = damaged.dfvi.Inpaint(mask<settings>)

def shown(n, f):
    note(f"frame {{n}}")
    return f

output = repaired.std.ModifyFrame(repaired, shown)
note("loaded")
"""

# The engine's thread is long over every frame but the first, wherever one comes to break it off.
SLOW = """
from vsdfvi.engine.inpainter import Inpainter

def prepare(self, n, *lent, real=Inpainter.prepare):
    note(f"began {n}")
    time.sleep(<seconds> if n else 0)
    reply = real(self, n, *lent)
    note(f"ended {n}")
    return reply

Inpainter.prepare = prepare
"""

COMPLAINTS = re.compile(
    r"Core freed but|segmentation|sigsegv|aborted|terminate called|fatal|traceback|critical|error|exception|destroyed",
    re.IGNORECASE,
)


class Stage:
    """A folder with the script, its journal and what the host that runs it said."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.journal = folder / "journal"
        self.journal.touch()
        self.said = folder / "said"
        # Wide, so that no message is broken over lines; a home of its own, so that no settings are found or left.
        self.environment = dict(os.environ, COLUMNS="400", HOME=str(folder))
        for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"):
            self.environment[name] = str(folder)

    def write(
        self, end: str, picture: str = "moving", seconds: float = 0, frames: int = FRAMES, settings: str = ""
    ) -> Path:
        text = SCRIPT.replace("<picture>", picture).replace("<journal>", str(self.journal))
        text = text.replace("<frames>", str(frames)).replace("<settings>", f", {settings}" if settings else "")
        slow = SLOW.replace("<seconds>", str(seconds)) if seconds else ""
        script = self.folder / "script.vpy"
        script.write_text(text + slow + end + "\n", encoding="utf-8")
        return script

    def start(self, *command: str | Path) -> subprocess.Popen[bytes]:
        with self.said.open("wb") as said:
            return subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=said, env=self.environment, cwd=self.folder, bufsize=0
            )

    def noted(self) -> list[str]:
        return self.journal.read_text().splitlines()

    def breaks_off(self) -> bool:
        """Whether a frame has been begun and not ended."""
        first_words = [line.split()[0] for line in self.noted()]
        return first_words.count("began") > first_words.count("ended")

    def complaints(self) -> list[str]:
        return [line for line in self.said.read_text(errors="replace").splitlines() if COMPLAINTS.search(line)]


@pytest.fixture
def stage(tmp_path):
    return Stage(tmp_path)


def until(condition, what, again=lambda: None, process=None):
    """Wait for a condition; what brings it about is done, and done again every few seconds."""
    for wait in range(600):
        if wait % 50 == 0:
            again()
        if condition():
            return
        if process and process.poll() is not None:
            pytest.fail(f"the host ended with {process.returncode} before {what}")
        time.sleep(0.1)
    pytest.fail(f"no {what} in a minute")


@pytest.fixture
def screen(tmp_path_factory):
    """A screen with a window manager, by its name.

    Each test has its own: the key that closes a window may stay down for the server, which then keeps Right from the
    next window.
    """
    programs = ("vsview", "Xvfb", "openbox", "xdotool")
    if missing := [program for program in programs if not shutil.which(program)]:
        pytest.skip(f"not installed: {', '.join(missing)}")
    folder = tmp_path_factory.mktemp("screen")
    with (folder / "said").open("wb") as said:
        command = ["Xvfb", "-displayfd", "1", "-screen", "0", "1280x800x24"]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said)
        name = f":{server.stdout.readline().decode().strip()}"
        environment = dict(os.environ, DISPLAY=name, HOME=str(folder), XDG_CONFIG_HOME=str(folder))
        manager = subprocess.Popen(["openbox"], env=environment, stderr=said)
    try:
        window = "from PySide6.QtGui import QGuiApplication; QGuiApplication([])"
        tried = subprocess.run([sys.executable, "-c", window], env=environment, capture_output=True, timeout=60)
        if tried.returncode:
            pytest.skip(f"Qt opens no window: {tried.stderr.decode().strip()}")
        yield name
    finally:
        for process in (manager, server):
            process.terminate()
            process.wait(10)
        server.stdout.close()


class Previewer:
    """vsview with the script, operated by keys."""

    def __init__(self, stage: Stage, screen: str, script: Path):
        self.stage, self.screen = stage, screen
        stage.environment |= {"DISPLAY": screen, "QT_QPA_PLATFORM": "xcb"}
        self.process = stage.start("vsview", "--no-settings", script)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def key(self, key: str) -> None:
        window = ["search", "--onlyvisible", "--name", "VS View", "windowfocus", "key", key]
        subprocess.run(["xdotool", *window], env=self.stage.environment, capture_output=True, timeout=30)

    def until(self, condition, what, key=None):
        until(condition, what, lambda: key and self.key(key), self.process)

    def until_noted(self, line: str, times: int = 1, key: str | None = None) -> None:
        self.until(lambda: self.stage.noted().count(line) >= times, line, key)

    def shows_the_repaired_picture(self) -> bool:
        """Whether a box of the picture's colour is seen, large enough and without anything inside."""
        screen = np.asarray(ImageGrab.grab(xdisplay=self.screen)).astype(int)
        # BT.709, limited range. The red is beyond the range and clipped.
        orange = (np.abs(screen - [255, 146, 25]) <= 4).all(axis=-1)
        rows, columns = np.flatnonzero(orange.any(axis=1)), np.flatnonzero(orange.any(axis=0))
        if rows.size < HEIGHT // 2 or columns.size < WIDTH // 2:
            return False
        return bool(orange[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all())

    def close(self) -> tuple[int, list[str]]:
        """Close the window as a person does; the exit status, and what was complained about."""
        # Here it is asked again only when the first was not heard: a second question would find no window.
        until(lambda: self.process.poll() is not None, "end", lambda: self.key("alt+F4"))
        return self.process.returncode, self.stage.complaints()


def test_vsview_shows_steps_reloads_and_ends(stage, screen):
    with Previewer(stage, screen, stage.write("output.set_output()", picture="even")) as previewer:
        previewer.until_noted("frame 0")
        previewer.until(previewer.shows_the_repaired_picture, "repaired picture")
        for n in (1, 2, 3):
            previewer.until_noted(f"frame {n}", key="Right")
        previewer.until_noted("loaded", times=2, key="ctrl+r")
        previewer.until_noted(stage.noted()[-2], times=2)  # the frame it stood at
        previewer.until(previewer.shows_the_repaired_picture, "repaired picture after the reload")
        assert previewer.close() == (0, [])


def test_vsview_shows_a_frame_that_was_sought(stage, screen, capsys):
    script = stage.write("output.set_output()", picture="turning", frames=2 * STEP, settings='preset="preview"')
    with Previewer(stage, screen, script) as previewer:
        previewer.until_noted("frame 0")
        assert not previewer.shows_the_repaired_picture()
        began = time.monotonic()
        previewer.until_noted(f"frame {STEP}", key="shift+Right")
        previewer.until(previewer.shows_the_repaired_picture, "repaired picture")
        waited = time.monotonic() - began
        with capsys.disabled():  # said, and not judged: machines differ
            print(f"\nvsview, {WIDTH}x{HEIGHT}, preview: {waited:.1f} s from the key to the picture")
        # It went there at once, and nothing was made on the way.
        assert [line for line in stage.noted() if line.startswith("frame")] == ["frame 0", f"frame {STEP}"]
        assert previewer.close() == (0, [])


def test_vsview_ends_in_the_middle_of_a_frame(stage, screen):
    script = stage.write("output.set_output()", picture="even", seconds=2)
    with Previewer(stage, screen, script) as previewer:
        previewer.until(previewer.shows_the_repaired_picture, "repaired picture")
        previewer.until(stage.breaks_off, "frame under way", key="Right")
        assert previewer.close() == (0, [])


TO_STDOUT = """
import sys
for frame in output.frames(close=True):
    for plane in frame:
        sys.stdout.buffer.write(plane.tobytes())
"""


def test_python_and_vspipe_give_the_same_bytes(stage):
    python = stage.start(sys.executable, stage.write(TO_STDOUT))
    whole = python.communicate(timeout=120)[0]
    assert (python.returncode, stage.said.read_text()) == (0, "")
    assert len(whole) == FRAMES * FRAME_BYTES
    script = stage.write("output.set_output()")
    for arguments, frames in ((), FRAMES), (("-e", "5"), 6):
        vspipe = stage.start(VSPIPE, *arguments, script, "-")
        assert vspipe.communicate(timeout=120)[0] == whole[: frames * FRAME_BYTES]
        assert (vspipe.returncode, stage.complaints()) == (0, [])


def test_python_ends_with_frames_in_flight(stage):
    end = """
futures = [output.get_frame_async(n) for n in range(8)]
futures[0].result().close()
note("end")
"""
    python = stage.start(sys.executable, stage.write(end, seconds=0.3))
    python.communicate(timeout=120)
    assert (python.returncode, stage.said.read_text()) == (0, "")
    assert stage.noted().index("end") < stage.noted().index("ended 7")


def test_vspipe_ends_when_interrupted(stage):
    with stage.start(VSPIPE, stage.write("output.set_output()", seconds=3), stage.folder / "out") as vspipe:
        until(stage.breaks_off, "frame under way", process=vspipe)
        vspipe.send_signal(signal.SIGINT)
        assert vspipe.wait(60) == 1  # what vspipe gives whatever the script
    assert stage.breaks_off()
    assert stage.complaints() == []


def test_vspipe_ends_when_its_reader_goes(stage):
    with stage.start(VSPIPE, stage.write("output.set_output()", seconds=0.5), "-") as vspipe:
        vspipe.stdout.read(100)
        until(stage.breaks_off, "frame under way", process=vspipe)
        vspipe.stdout.close()
        assert vspipe.wait(60) in (1, -signal.SIGPIPE)  # writing failed, however that was learnt
    # That it could not write is said, and is no complaint.
    assert [line for line in stage.complaints() if "fwrite() call failed" not in line] == []
