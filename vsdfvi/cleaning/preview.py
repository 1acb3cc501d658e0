"""One frame before and after, to judge a mask by before a film is cleaned."""

from dataclasses import dataclass, replace
from pathlib import Path

from vsdfvi.cleaning.chunk_files import patch_of
from vsdfvi.cleaning.computing import Cleaner
from vsdfvi.cleaning.files import made_whole
from vsdfvi.cleaning.jobs import Job
from vsdfvi.cleaning.pictures import Pictured, beside, write_picture
from vsdfvi.errors import SettingError


@dataclass(frozen=True, slots=True)
class Previewed:
    """What is in the picture of a preview.

    Attributes:
        path: The picture.
        hole, invented: Pixels.
    """

    path: Path
    hole: int
    invented: int


def preview(job: Job, device: str, n: int) -> Previewed:
    """Write a picture of frame n beside the output: before, after, and the difference.

    Raises:
        SettingError: There is no such frame.
        VsdfviError, OSError: As ``cleaning.clean``.
    """
    path = job.beside(f"preview-{n}.png")
    path.parent.mkdir(parents=True, exist_ok=True)
    cleaner = Cleaner(replace(job, report=False), device)
    try:
        if not 0 <= n < cleaner.format.frames:
            raise SettingError("preview", f"a frame of the film, 0 to {cleaner.format.frames - 1}", n)
        _, repair = cleaner.repair(n)
        patch = None if repair is None else patch_of(repair, cleaner.format)
        pictured = Pictured(cleaner.material.clip, lambda _: patch)
        sheet = beside([pictured.before(n), pictured.after(n), pictured.difference(n)])
    finally:
        cleaner.close()
    with made_whole(path) as part:
        write_picture(part, sheet)
    return Previewed(path, repair.pixels.count if repair else 0, repair.counts()[0] if repair else 0)
