"""Files that are whole or not there: written under another name, made to last, and then given their own."""

import errno
import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PART = ".part-"
"""What the names of files in the making have in them."""


@contextmanager
def made_whole(path: Path) -> Iterator[Path]:
    """A path beside ``path`` to write to; when that succeeds, the file has its name, and what was there is replaced.

    After a power failure too: what was written is on the disk before it gets the name.
    """
    part = part_of(path)
    try:
        yield part
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(path)
        sync_folder(path.parent)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def part_of(path: Path) -> Path:
    """A new name beside a path's, with its ending, by which programs know formats."""
    return path.with_name(f".{path.stem}{PART}{secrets.token_hex(4)}{path.suffix}")


def write_text(path: Path, text: str) -> None:
    """Write a whole file of text."""
    with made_whole(path) as part:
        part.write_text(text, encoding="utf-8")


def sync_folder(folder: Path) -> None:
    """Make names in a folder last; where a system has no way to, it does so itself."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):  # some network drives refuse
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remove_parts(path: Path) -> None:
    """Remove what was in the making for a path when its process was killed."""
    for found in path.parent.iterdir() if path.parent.is_dir() else ():
        if found.name.startswith(f".{path.stem}{PART}") and found.suffix == path.suffix:
            with suppress(OSError):
                found.unlink()


def sentence_of(error: Exception) -> str:
    """An error as a sentence; the system's with the file that it is about."""
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return f"the disk is full: {error.filename or 'no room is left'}. What is done is kept; make room, and go on"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return str(error)
