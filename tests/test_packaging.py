"""What a wheel and an sdist carry: whoever installs them has all that a checkout has."""

import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import vsdfvi

ROOT = Path(__file__).parent.parent
SOURCE = ("plugin", "vsdfvi", "setup.py", "pyproject.toml", "LICENSE", "README.md", "Makefile")


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
    sources = {path.relative_to(ROOT).as_posix() for path in (ROOT / "plugin").glob("*.*")}
    assert sources | package_files(".py") | package_files(".h") <= names
    assert {"setup.py", "pyproject.toml", "LICENSE"} <= names
