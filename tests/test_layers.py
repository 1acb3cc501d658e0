"""Imports point down: each layer names those it may use, and no others."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "vsdfvi"

FOUNDATION = {"errors", "rules", "settings", "presets"}
COMPUTING = FOUNDATION | {"kernels", "networks", "frames"}
MAY_IMPORT = {
    "errors": set(),
    "rules": set(),
    "call": set(),
    "settings": {"errors", "presets", "rules"},
    "presets": set(),
    "kernels": FOUNDATION,
    "networks": FOUNDATION | {"kernels"},
    "frames": FOUNDATION | {"kernels"},  # networks and frames do not see each other
    "engine": COMPUTING,
    "host": COMPUTING | {"engine"},
    "training": COMPUTING | {"engine"},
    "films": COMPUTING | {"engine"},
    "evaluation": COMPUTING | {"engine", "films"},
    "cleaning": COMPUTING | {"engine", "films"},
    "cli": COMPUTING | {"engine", "training", "films", "evaluation", "cleaning"},
}
MODULES = sorted(path.relative_to(ROOT) for path in PACKAGE.rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Full names that a module imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def layer_of(path: Path) -> str:
    return path.relative_to("vsdfvi").parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_imports_point_down(path):
    layer = layer_of(path)
    if layer in ("__init__", "__main__"):
        return  # the public face may name anything
    layers = {name.split(".")[1] for name in imported(path) if name.startswith("vsdfvi.")} - {"__version__"}
    assert layers - {layer} <= MAY_IMPORT[layer]


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_only_the_face_and_the_command_line_know_vapoursynth(path):
    if layer_of(path) in ("__init__", "call", "cli", "films", "evaluation", "cleaning"):
        return
    assert not {name for name in imported(path) if name.split(".")[0] == "vapoursynth"}


@pytest.mark.parametrize("name", ["settings.py", "engine/plan.py", "host.py", "errors.py", "__init__.py"])
def test_a_wrong_setting_costs_no_heavy_import(name):
    tree = ast.parse((PACKAGE / name).read_text(encoding="utf-8"))
    names = [
        alias.name.split(".")[0]
        for node in tree.body  # what runs when the module is imported
        if isinstance(node, ast.Import)
        for alias in node.names
    ] + [node.module.split(".")[0] for node in tree.body if isinstance(node, ast.ImportFrom)]
    assert not {"torch", "cupy", "cv2"} & set(names)


def included(path: Path) -> set[str]:
    """What a source or header includes, as written."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return {line.split()[1].strip('"<>') for line in lines if line.startswith("#include")}


@pytest.mark.parametrize("path", sorted((ROOT / "plugin").glob("*.*")), ids=lambda path: path.name)
def test_the_plugin_talks_to_python_and_to_vapoursynth_in_different_files(path):
    names = included(path)
    assert "Python.h" not in names
    if path.stem in ("python_api", "python_values", "python_engine", "engine_thread", "kernels"):
        assert not {"VapourSynth4.h", "VSHelper4.h"} & names
    else:
        assert not {"python_api.h", "python_values.h", "engine_thread.h"} & names


def test_the_kernels_of_the_library_are_all_there_are_and_nothing_else():
    headers = {f"../vsdfvi/kernels/{path.name}" for path in (PACKAGE / "kernels").glob("*.h")}
    assert included(ROOT / "plugin" / "kernels.cpp") == headers
