"""Clips, a fake engine and processes for the tests of the plugin."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import vapoursynth as vs

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import fake_engine  # noqa: E402  by the name under which scripts in other processes import it


@pytest.fixture
def engine(monkeypatch):
    """The fake engine in the real one's place, its rules reset."""
    monkeypatch.setitem(sys.modules, "vsdfvi.engine.inpainter", fake_engine)
    fake_engine.reset()
    return fake_engine


@pytest.fixture
def threads():
    """Set the core's number of threads for one test."""
    before = vs.core.num_threads
    yield lambda count: setattr(vs.core, "num_threads", count)
    vs.core.num_threads = before


@pytest.fixture
def log():
    """Messages of the core during one test: (type, text)."""
    lines = []
    handle = vs.core.add_log_handler(lambda kind, text: lines.append((kind, text)))
    lines.clear()  # the core notes the handler itself
    yield lines
    vs.core.remove_log_handler(handle)


@pytest.fixture
def clip():
    return vs.core.std.BlankClip(format=vs.YUV420P8, width=64, height=48, length=20, color=[40, 100, 150])


@pytest.fixture
def mask():
    return vs.core.std.BlankClip(format=vs.GRAY8, width=64, height=48, length=20, color=255)


@pytest.fixture
def counted():
    """Give a clip back with a count of how often each of its frames was rendered."""

    def count(node):
        renders = Counter()

        def render(n, f):
            renders[n] += 1
            return f

        return vs.core.std.ModifyFrame(node, node, render), renders

    return count


class Processes:
    """Starts scripts in processes of their own, with the fake engine at hand."""

    # The program itself: the command of this name is a Python script that turns a death by signal into a number.
    vspipe_program = Path(vs.__file__).with_name("vspipe.exe" if sys.platform == "win32" else "vspipe")

    def __init__(self, folder: Path):
        self.folder = folder
        self.environment = dict(os.environ, XDG_CONFIG_HOME=str(folder))
        self.environment["PYTHONPATH"] = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])

    def write(self, text: str) -> Path:
        script = self.folder / "script.py"
        script.write_text(text, encoding="utf-8")
        return script

    def run(self, *command: str | Path, timeout: float = 300) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(command, capture_output=True, env=self.environment, timeout=timeout)

    def python(self, text: str) -> subprocess.CompletedProcess[bytes]:
        return self.run(sys.executable, self.write(text))

    def vspipe(self, text: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        return self.run(self.vspipe_program, *arguments, self.write(text), "-")


@pytest.fixture
def processes(tmp_path):
    return Processes(tmp_path)
