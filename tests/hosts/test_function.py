"""The plugin from a folder, and the Python function: the block of docs/hosts.md, in a program that loads no plugins."""

import os
import re
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
import vapoursynth as vs

import vsdfvi

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "hosts.md").read_text(encoding="utf-8")
[BLOCK] = re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)

# A core that loads no plugins by itself, as that of a program which brings its own; bs is one that it brings.
HOST = """
import zlib
import vapoursynth as vs

class Policy(vs.EnvironmentPolicy):
    def on_policy_registered(self, api):
        self.api, self.environment = api, api.create_environment(vs.CoreCreationFlags.DISABLE_AUTO_LOADING)
    def on_policy_cleared(self):
        self.api.destroy_environment(self.environment)
    def get_current_environment(self):
        return self.environment
    def set_environment(self, environment):
        return self.environment

vs.register_policy(Policy())
assert not hasattr(vs.core, "dfvi")
vs.core.std.LoadPlugin(<bestsource>)
exec(open("block.py").read())
with clip.get_frame(1) as frame:
    print(frame.props["DfviHole"], zlib.crc32(frame[0].tobytes()))
"""


def built() -> Path:
    """The folder with the plugin: installed, or made by ``make build``."""
    installed = Path(vs.get_plugin_dir()) / "dfvi"
    return installed if installed.is_dir() else ROOT / "build" / "plugins" / "dfvi"


@pytest.fixture
def checkout(tmp_path):
    """A folder as ``make build`` leaves it, elsewhere than the one that is loaded by itself."""
    folder = tmp_path / "vsdfvi"
    shutil.copytree(built(), folder / "build" / "plugins" / "dfvi")
    shutil.copytree(Path(vsdfvi.__file__).parent, folder / "vsdfvi", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def film(path: Path) -> None:
    """Write a film as large as the block's logo wants it."""
    source = ["-f", "lavfi", "-i", "testsrc2=size=480x64:rate=25", "-frames:v", "4"]
    subprocess.run(["ffmpeg", "-v", "error", *source, "-pix_fmt", "yuv420p", "-c:v", "ffv1", path], check=True)


def test_a_program_with_a_folder_of_plugins(tmp_path, checkout):
    if not shutil.which("ffmpeg"):
        pytest.skip("ffmpeg is missing: apt-get install ffmpeg")
    film(tmp_path / "film.mkv")
    (tmp_path / "block.py").write_text(BLOCK.replace("/opt/vsdfvi", str(checkout)), encoding="utf-8")
    [bestsource] = Path(vs.get_plugin_dir()).rglob("libbestsource.*")
    script = tmp_path / "host.py"
    script.write_text(HOST.replace("<bestsource>", repr(str(bestsource))), encoding="utf-8")
    # Neither package nor plugin is found but where the block says.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment.pop("VAPOURSYNTH_EXTRA_PLUGIN_PATH", None)
    done = subprocess.run(
        [sys.executable, script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    clip = vs.core.bs.VideoSource(str(tmp_path / "film.mkv"), cachemode=0)
    mask = vs.core.std.BlankClip(clip, format=vs.GRAY8, width=64, height=32, length=1, color=255)
    mask = mask.std.AddBorders(400, clip.width - 464, 20, clip.height - 52)
    with vsdfvi.inpaint(clip, mask, preset="logo").get_frame(1) as frame:
        assert frame.props["DfviHole"] > 64 * 32  # the preset makes it grow
        assert done.stdout.split() == [str(frame.props["DfviHole"]), str(zlib.crc32(frame[0].tobytes()))]
