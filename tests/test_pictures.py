"""The pictures of the documentation are made by one command, and every one that is shown is among them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parent.parent
IMAGES = ROOT / "docs" / "images"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
DEFECTS = ["dirt", "scratch", "logo", "transparent_logo", "subtitle", "dropout", "object"]
NAMES = [*DEFECTS, "light", "seam", "grain", "views", "report"]
LARGEST_BYTES = 1_500_000  # of all together: whoever clones the project fetches them


def make(folder: Path, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command in its quick form."""
    command = [sys.executable, str(ROOT / "examples/pictures.py"), "--quick", "--folder", str(folder), *options]
    environment = dict(os.environ, HOME=str(folder), XDG_CACHE_HOME=str(folder)) | variables
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with all pictures that can be made here, of few frames and rough repairs."""
    folder = tmp_path_factory.mktemp("pictures")
    process = make(folder)
    assert process.returncode == 0, process.stderr
    (folder / "said.txt").write_text(process.stdout)
    return folder


def left_out(made: Path, name: str) -> str:
    """Why a picture could not be made here; empty where it was."""
    said = re.search(rf"{name}\.png is left out: (.*)", (made / "said.txt").read_text())
    return said[1] if said else ""


def test_all_are_written(made):
    expected = [f"{name}.png" for name in NAMES if name != "report" or not left_out(made, name)]
    assert sorted(file.name for file in made.glob("*.png")) == sorted(expected)


@pytest.mark.parametrize("name", NAMES)
def test_one_is_of_the_size_that_is_kept(made, name):
    if reason := left_out(made, name):
        pytest.skip(reason)
    with Image.open(made / f"{name}.png") as quick, Image.open(IMAGES / f"{name}.png") as kept:
        assert (quick.size, quick.mode) == (kept.size, kept.mode) == (kept.size, "RGB")


def test_a_repair_shows_beside_the_damage(made):
    # Tiles of 276 pixels, four apart, below two lines of text: before, after, truth.
    sheet = np.asarray(Image.open(made / "dropout.png"), np.int32)
    before, after, truth = (sheet[40:248, x : x + 276] for x in (4, 284, 564))
    lost = (before != truth).any(axis=2)
    assert lost.any()
    assert (before[~lost] == truth[~lost]).all()
    assert np.abs(after - truth)[lost].mean() < np.abs(before - truth)[lost].mean() / 2
    # Chroma of a hole reaches beyond it by a sample, and by what the conversion to RGB spreads: eight pixels, enlarged.
    near = cv2.dilate(lost.any(axis=1).astype(np.uint8)[:, None], np.ones((17, 1)))[:, 0] > 0
    assert 20 < np.count_nonzero(~near) < lost.shape[0] - 8
    assert (after[~near] == truth[~near]).all()


def test_only_what_was_asked_for_is_made_and_the_same_each_time(made, tmp_path):
    assert make(tmp_path, "--only", "dirt,seam").returncode == 0
    assert sorted(file.name for file in tmp_path.glob("*.png")) == ["dirt.png", "seam.png"]
    for file in tmp_path.glob("*.png"):
        assert file.read_bytes() == (made / file.name).read_bytes()


def test_an_unknown_name_is_refused(tmp_path):
    process = make(tmp_path, "--only", "dust")
    assert process.returncode == 1
    assert process.stderr == f"--only must be names of {', '.join(NAMES)}, got dust\n"


def test_without_a_browser_the_report_is_left_out_and_it_says_so(tmp_path):
    process = make(tmp_path, "--only", "report", PATH=str(Path(sys.executable).parent))
    assert process.returncode == 0, process.stderr
    assert process.stdout.startswith(f"{tmp_path / 'report.png'} is left out: ")
    assert not list(tmp_path.glob("*.png"))


def test_what_the_pages_show_is_kept_and_small():
    for page in PAGES:
        for shown in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / shown).is_file(), f"{page.name}: {shown}"
    assert sum((IMAGES / f"{name}.png").stat().st_size for name in NAMES) <= LARGEST_BYTES
