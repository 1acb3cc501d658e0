"""What a record's header says of a run: the program, all settings, weights, formats and versions."""

import hashlib
import platform
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vsdfvi import __version__
from vsdfvi.engine.synthesis import WITHOUT_A_NETWORK
from vsdfvi.frames.pixels import VideoFormat
from vsdfvi.kernels import Device
from vsdfvi.settings import PROGRAM_ENDINGS, Settings


def facts_of(settings: Settings, clip: VideoFormat, mask: VideoFormat, device: Device) -> dict[str, Any]:
    """The header but for the run's name and time. Networks are loaded already.

    Args:
        device: The one that is computed on.
    """
    return {
        "program": f"vsdfvi {__version__}",
        "settings": asdict(settings),
        "resolved": _resolved(settings, device),
        "weights": [_of_file(path) for path in files_in_use(settings)],
        "clip": asdict(clip),
        "mask": asdict(mask),
        "versions": _versions(),
        "machine": {
            "system": platform.system(),
            "architecture": platform.machine(),
            "opencv_uses": cv2.getCPUFeaturesLine(),  # with other instructions, its last bits may differ
        },
    }


def files_in_use(settings: Settings) -> list[Path]:
    """Files of weights, and programs, that these settings load.

    Raises:
        WeightsError: One is not there.
    """
    files: list[Path] = []
    if settings.completion == "dfc":
        from vsdfvi.engine.dfc import completion_files  # torch comes with it, and is there already

        files += completion_files(settings.weights)
    if settings.synthesis not in WITHOUT_A_NETWORK:
        from vsdfvi.engine.generator import generator_file

        files.append(generator_file(settings))
    if settings.flow.endswith(PROGRAM_ENDINGS):
        files.append(Path(settings.flow).expanduser())
    return files


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _of_file(path: Path) -> dict[str, Any]:
    return {"file": path.name, "sha256": sha256_of(path), "bytes": path.stat().st_size}


def _resolved(settings: Settings, device: Device) -> dict[str, Any]:
    """What is taken for settings that leave it to the machine."""
    flow = settings.flow
    if flow == "auto":
        flow = "dis" if device.is_host else "search"
    return {"device": device.name, "flow": flow, "threads": settings.worker_count}


def _versions() -> dict[str, str | None]:
    """Versions of what computes; of torch and CuPy where they are loaded."""
    loaded = {name: sys.modules.get(name) for name in ("torch", "cupy")}
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        **{name: None if module is None else str(module.__version__) for name, module in loaded.items()},
    }
