"""Editors and type checkers know the call as it is."""

import os
import subprocess
import sys
import tomllib
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, get_args, get_origin, get_type_hints

import pytest
import vapoursynth as vs

from vsdfvi import call
from vsdfvi.settings import Settings, rule_of

ROOT = Path(__file__).parent.parent
CLIPS = ("exclude", "reference", "flow_fw", "flow_bw")

RIGHT = """
import vapoursynth as vs  # type: ignore[import-untyped,unused-ignore]  # which has no py.typed

import vsdfvi


def repaired(clip: vs.VideoNode, mask: vs.VideoNode) -> vs.VideoNode:
    return vsdfvi.inpaint(clip, mask, radius=48, grain=0.5, synthesis="lama.pt", view="mask", exclude=mask)
"""


def hints(monkeypatch):
    """The types of the call's keywords, by name."""
    monkeypatch.setattr(call, "VideoNode", vs.VideoNode, raising=False)
    return get_type_hints(call.Options)


def test_every_setting_has_its_type_and_every_clip(monkeypatch):
    found = hints(monkeypatch)
    assert list(found) == [*(each.name for each in fields(Settings)), *CLIPS]
    assert {found[name] for name in CLIPS} == {vs.VideoNode}
    for each in fields(Settings):
        kind = found[each.name]
        assert (str if get_origin(kind) is Literal else kind) is type(each.default)


def test_names_that_are_all_there_are_are_listed(monkeypatch):
    found = hints(monkeypatch)
    for each in fields(Settings):
        rule = rule_of(each)
        names = getattr(rule, "names", None)
        if names is None or rule.endings:  # where a path may stand as well, any text may
            assert get_origin(found[each.name]) is None
        else:
            assert get_args(found[each.name]) == (*([""] if rule.or_none else []), *names)


def test_the_clips_are_those_that_the_plugin_takes():
    parameters = [argument.split(":")[0] for argument in vs.core.dfvi.Inpaint.signature.split(";") if argument]
    assert parameters == ["clip", "mask", *(each.name for each in fields(Settings)), *CLIPS]


def checked(folder: Path, text: str) -> tuple[int, str]:
    """The exit status of mypy --strict, and what it said, for a file of a user's."""
    if find_spec("mypy") is None:
        pytest.skip("mypy is not installed: pip install '.[dev]'")
    (folder / "user.py").write_text(text)
    command = [sys.executable, "-m", "mypy", "--strict", f"--cache-dir={folder / 'cache'}", "user.py"]
    # What is installed without a checkout is looked through as a package that has py.typed.
    environment = {**os.environ, "MYPYPATH": ""}
    environment.pop("PYTHONPATH", None)
    process = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    return process.returncode, process.stdout + process.stderr


def test_a_user_s_file_is_checked(tmp_path):
    (tmp_path / "vsdfvi").symlink_to(ROOT / "vsdfvi")
    # Of what lies beside the file mypy speaks too; not of what is installed.
    (tmp_path / "mypy.ini").write_text("[mypy]\n[mypy-vsdfvi.*]\nignore_errors = True\n")
    status, said = checked(tmp_path, RIGHT)
    assert status == 0, said
    wrong = RIGHT.replace("radius=48", "radios=48").replace("grain=0.5", 'grain="much"').replace('"mask"', '"msk"')
    status, said = checked(tmp_path, wrong)
    assert status == 1
    assert 'Unexpected keyword argument "radios"' in said
    assert 'Argument "grain" to "inpaint" has incompatible type "str"; expected "float"' in said
    assert 'Argument "view" to "inpaint" has incompatible type "Literal[\'msk\']"' in said


def test_the_package_says_that_it_is_typed():
    assert (ROOT / "vsdfvi/py.typed").is_file()
    with (ROOT / "pyproject.toml").open("rb") as file:
        assert "py.typed" in tomllib.load(file)["tool"]["setuptools"]["package-data"]["*"]
