"""The link that docs/hosts.md makes for vsedit, and a host that opens a script through it as vsedit does.

vsedit itself is in no distribution that the tests run on.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import vapoursynth as vs

HERE = Path(__file__).parent
TEXT = (HERE.parents[1] / "docs" / "hosts.md").read_text(encoding="utf-8")
[LINES] = re.findall(r"((?:^    .*\n)+    LD_LIBRARY_PATH=.* vsedit\n)", TEXT, re.MULTILINE)
FRAMES = 12
SOUGHT = 9, 2, 3

SCRIPT = f"""
import vapoursynth as vs
core = vs.core
shades = [core.std.BlankClip(format=vs.GRAY8, width=8, height=64, length=1, color=37 * k % 200 + 20) for k in range(20)]
wide = core.std.StackHorizontal(shades)
clip = core.std.Splice([wide.std.Crop(left=4 * n, right=64 - 4 * n) for n in range({FRAMES})])
mask = core.std.BlankClip(format=vs.GRAY8, width=8, height=16, length=1, color=255).std.AddBorders(48, 40, 16, 32)
output = core.dfvi.Inpaint(clip, mask, preset="preview")
output.set_output()
"""


@pytest.fixture
def editor(tmp_path):
    """The host, compiled."""
    if not shutil.which("g++"):
        pytest.skip("g++ is missing: apt-get install g++")
    program = tmp_path / "editor"
    command = ["g++", "-std=c++17", "-Wall", "-Wextra", "-Werror", HERE / "editor.cpp", f"-I{vs.get_include()}"]
    subprocess.run([*command, "-o", program, "-ldl"], check=True)
    return program


def test_a_host_opens_a_script_through_the_link_twice(tmp_path, editor):
    script = tmp_path / "script.vpy"
    script.write_text(SCRIPT, encoding="utf-8")
    frames = " ".join(map(str, SOUGHT))
    command = LINES.replace(" vsedit\n", f" {editor} {script} {frames}\n")
    environment = dict(os.environ, HOME=str(tmp_path), XDG_CONFIG_HOME=str(tmp_path))
    done = subprocess.run(
        ["bash", "-c", f"set -eu; {command}"],
        env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    scope: dict[str, vs.VideoNode] = {}
    exec(SCRIPT, scope)
    sums = []
    for n in SOUGHT:
        with scope["output"].get_frame(n) as frame:
            assert frame.props["DfviTraced"] > 0
            sums.append(sum(frame[0].tobytes()))
    assert len(set(sums)) == len(sums)
    assert done.stdout.splitlines()[-2 * len(sums) :] == list(map(str, 2 * sums))  # before: what `config` says
