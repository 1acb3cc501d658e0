"""Where the tests find the plugin: installed, or else what ``make build`` made in this checkout."""

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BUILT = ROOT / "build" / "plugins"


def plugin_is_installed() -> bool:
    """Whether VapourSynth loads the plugin by itself."""
    import vapoursynth

    return (Path(vapoursynth.get_plugin_dir()) / "dfvi" / "manifest.vs").is_file()


def pytest_configure() -> None:
    # Set before any core is made, and handed down to the processes that tests start.
    if not plugin_is_installed():
        if not (BUILT / "dfvi" / "manifest.vs").is_file():
            raise pytest.UsageError("the plugin is neither installed nor built: run `make build`")
        os.environ["VAPOURSYNTH_EXTRA_PLUGIN_PATH"] = str(BUILT)
        os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    # vspipe asks `vapoursynth`, from the PATH, which Python to load.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
