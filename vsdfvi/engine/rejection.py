"""The setting ``reject``: which frames are to come back as they are."""

import json
import re
from pathlib import Path

from vsdfvi.errors import SettingError

_RULE = 'frames such as "12, 40-52", or the path of a text file of such lines'
_PART = re.compile(r"(\d{1,9})(?:\s*-\s*(\d{1,9}))?")


def rejected_frames(reject: str, frames: int) -> frozenset[int]:
    """The frames that ``reject`` names.

    It is a list of frames and of spans of frames, first and last included, parted by commas; or the path of a text
    file of such lines. There ``#`` begins a comment, and a line that begins with ``{`` is an object in JSON, as records
    have them: it names its ``"frame"`` where its ``"rejected"`` is true, and nothing otherwise.

    Args:
        frames: Length of the clip.

    Raises:
        SettingError: It is neither, a line of the file is none of these, or a frame is beyond the clip.
    """
    if not reject.strip():
        return frozenset()
    if all(_PART.fullmatch(part.strip()) for part in reject.split(",")):
        return frozenset(_of_list(reject, "reject", frames))
    path = Path(reject)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as failure:  # a name may be none that a file can have
        reason = failure.strerror if isinstance(failure, OSError) and failure.strerror else str(failure)
        raise SettingError("reject", f"{_RULE} ({reason})", reject) from failure
    found: set[int] = set()
    for number, line in enumerate(lines, 1):
        name = f"line {number} of reject {path.name}"
        if line.lstrip().startswith("{"):
            found.update(_of_record(line, name, frames))
        elif text := line.partition("#")[0].strip():
            found.update(_of_list(text, name, frames))
    return frozenset(found)


def _of_list(text: str, name: str, frames: int) -> set[int]:
    """The frames of a list."""
    found: set[int] = set()
    for part in text.split(","):
        match = _PART.fullmatch(part.strip())
        if match is None:
            raise SettingError(name, 'frames such as "12, 40-52"', text)
        first, last = int(match[1]), int(match[2] or match[1])
        if first > last:
            raise SettingError(name, "spans whose first frame is not after their last", part.strip())
        _check(last, name, frames)
        found.update(range(first, last + 1))
    return found


def _of_record(line: str, name: str, frames: int) -> set[int]:
    """The frame of a record's line, where it was rejected."""
    try:
        said = json.loads(line)
    except ValueError:
        raise SettingError(name, "an object in JSON, as it begins with {", line.strip()) from None
    if said.get("rejected") is not True:
        return set()
    frame = said.get("frame")
    if not isinstance(frame, int) or isinstance(frame, bool) or frame < 0:
        raise SettingError(name, 'an object whose "frame" is a frame\'s number', line.strip())
    _check(frame, name, frames)
    return {frame}


def _check(frame: int, name: str, frames: int) -> None:
    if frame >= frames:
        raise SettingError(name, f"frames of the clip, 0 to {frames - 1}", frame)
