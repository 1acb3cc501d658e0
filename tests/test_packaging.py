"""What a wheel and an sdist carry: whoever installs them has all that a checkout has."""

import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
import vapoursynth as vs

import vsdfvi

ROOT = Path(__file__).parent.parent
SOURCE = (
    *("plugin", "vsdfvi", "tests", "examples", "docs", ".ci", "setup.py", "pyproject.toml", "MANIFEST.in", "Makefile"),
    *("LICENSE", "README.md", "CHANGELOG.md", ".clang-format"),
)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of what the packages are made of: building writes into it."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in SOURCE:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder / name)
    return folder


def build(checkout: Path, kind: str) -> Path:
    """Build one package without the network and without a second compilation in isolation."""
    backend = f"from setuptools import build_meta; build_meta.build_{kind}('dist')"
    process = subprocess.run([sys.executable, "-c", backend], cwd=checkout, capture_output=True, text=True)
    assert process.returncode == 0, process.stdout + process.stderr
    [package] = (checkout / "dist").glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return package


def package_files(suffix: str) -> set[str]:
    return {path.relative_to(ROOT).as_posix() for path in (ROOT / "vsdfvi").rglob(f"*{suffix}")}


def test_the_wheel_installs_package_kernels_and_plugin(checkout):
    package = build(checkout, "wheel")
    # Any Python from 3.12 on, one platform: the plugin is native and knows no Python ABI.
    assert re.fullmatch(rf"vsdfvi-{re.escape(vsdfvi.__version__)}-py3-none-\w+\.whl", package.name)
    with zipfile.ZipFile(package) as wheel:
        names = set(wheel.namelist())
        assert package_files(".py") | package_files(".h") | package_files(".safetensors") <= names
        assert package_files(".j2") | package_files(".css") | package_files(".js") <= names  # what reports are made of
        assert "vsdfvi/networks/dfc_compact.safetensors" in names  # or it could not run as it is
        assert "vsdfvi/py.typed" in names
        plugin = {name for name in names if name.startswith("vapoursynth/")}
        assert {"vapoursynth/plugins/dfvi/libdfvi.so", "vapoursynth/plugins/dfvi/manifest.vs"} <= plugin
        assert plugin <= {
            f"vapoursynth/plugins/dfvi/{name}" for name in ("libdfvi.so", "libdfvi.avx2.so", "manifest.vs")
        }
        assert wheel.read("vapoursynth/plugins/dfvi/manifest.vs") == b"[VapourSynth Manifest V1]\nlibdfvi\n"
        assert not [name for name in names if "test" in name or name.endswith(".cpp")]


def test_the_sdist_can_be_built_from(checkout):
    package = build(checkout, "sdist")
    with tarfile.open(package) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    folders = [name for name in SOURCE if (ROOT / name).is_dir()]
    files = {path for name in folders for path in (ROOT / name).rglob("*") if path.is_file()}
    kept = {path.relative_to(ROOT).as_posix() for path in files if "__pycache__" not in path.parts}
    assert kept <= names
    assert {name for name in SOURCE if name not in folders} <= names


def test_the_wheel_works_where_no_checkout_is(checkout):
    """Installed into an environment of its own, with vspipe and the commands: tests/release/check_wheel.py."""
    [package] = (checkout / "dist").glob("*.whl") or [build(checkout, "wheel")]
    process = subprocess.run(
        [sys.executable, ROOT / "tests/release/check_wheel.py", package], cwd="/", capture_output=True, text=True
    )
    assert process.returncode == 0, process.stdout + process.stderr
    assert f"{vsdfvi.__version__} works without a checkout" in process.stdout


def test_the_version_stands_in_one_place():
    """The package states it; the plugin, the wheel and the commands have it from there."""
    version = vsdfvi.__version__
    assert vs.core.dfvi.version == tuple(int(part) for part in version.split(".")[:2])
    with (ROOT / "pyproject.toml").open("rb") as file:
        settings = tomllib.load(file)
    assert settings["project"]["dynamic"] == ["version"]
    assert settings["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "vsdfvi.__version__"}
    stated = re.compile(rf"(?<![\d.]){re.escape(version)}(?![\d.])")
    folders = ("vsdfvi", "plugin", "examples", ".ci", ".github")
    files = [
        path for name in folders for path in (ROOT / name).rglob("*") if path.suffix in (".py", ".cpp", ".h", ".yml")
    ]
    files += [ROOT / name for name in ("setup.py", "pyproject.toml", "Makefile", ".ci/run")]
    assert [path for path in files if stated.search(path.read_text("utf-8"))] == [ROOT / "vsdfvi/__init__.py"]


def test_the_changes_begin_with_this_version():
    headings = re.findall(r"^## (\S+?),? .*$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert headings[0] == vsdfvi.__version__
