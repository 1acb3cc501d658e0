"""Which clips and masks a folder holds. No pixels are read here; docs/evaluation.md shows the layouts."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from vsdfvi.errors import FormatError

VIDEO_SUFFIXES = (".mkv", ".mp4", ".mov", ".avi", ".webm", ".mpg", ".m2ts", ".ts", ".y4m")
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
ANNOTATION = "annotation"
"""Kind of the masks that DAVIS and YouTube-VOS bring: the objects that they mark, all as one."""

_RESOLUTIONS = ("480p", "Full-Resolution")  # folders of DAVIS, the usual one first


@dataclass(frozen=True, slots=True)
class Clip:
    """A clean clip and the masks that lie beside it.

    Attributes:
        name: Its file's name without the suffix, or its folder's.
        path: A video file, or a folder of pictures.
        masks: For each kind of mask, a video file or a folder of pictures.
    """

    name: str
    path: Path
    masks: Mapping[str, Path] = field(default_factory=dict)


def find_clips(folder: Path) -> list[Clip]:
    """The clips of a folder by name, whichever of the layouts it has.

    Raises:
        FormatError: The folder has none of them.
    """
    clips = _data_set(folder) if (folder / "JPEGImages").is_dir() else _video_files(folder)
    if not clips:
        raise FormatError(
            f"folder must hold video files, or JPEGImages/ as DAVIS and YouTube-VOS have it, got {folder} with neither"
        )
    return clips


def pictures_of(folder: Path) -> list[Path]:
    """The picture files of a folder in the order of the numbers in their names."""
    found = [path for path in folder.iterdir() if path.suffix.lower() in PICTURE_SUFFIXES]
    return sorted(found, key=lambda path: ([int(number) for number in re.findall(r"\d+", path.stem)], path.stem))


def _video_files(folder: Path) -> list[Clip]:
    """``<clip>.mkv`` and ``masks/<clip>/<kind>.mkv``, or a folder of pictures in the latter's place."""
    return [
        Clip(path.stem, path, _masks(folder / "masks" / path.stem))
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in VIDEO_SUFFIXES and path.is_file()
    ]


def _masks(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        return {}
    usable = (path for path in sorted(folder.iterdir()) if path.is_dir() or path.suffix.lower() in VIDEO_SUFFIXES)
    return {path.name if path.is_dir() else path.stem: path for path in usable}


def _data_set(folder: Path) -> list[Clip]:
    """``JPEGImages/480p/<clip>/00000.jpg`` (DAVIS) or ``JPEGImages/<clip>/00000.jpg`` (YouTube-VOS)."""
    resolution = next((name for name in _RESOLUTIONS if (folder / "JPEGImages" / name).is_dir()), "")
    clips = []
    for path in sorted((folder / "JPEGImages" / resolution).iterdir()):
        if path.is_dir():
            marked = folder / "Annotations" / resolution / path.name
            clips.append(Clip(path.name, path, {ANNOTATION: marked} if marked.is_dir() else {}))
    return clips
