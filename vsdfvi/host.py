"""The door between the plugin and the engine: buffers and plain values in and out.

The plugin (plugin/python_engine.cpp) knows this module alone, and of it ``call`` and ``VERSION``. Every call comes on
one thread. Nothing heavy is imported before the settings of a filter have been found right.
"""

import itertools
import logging
import traceback
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from vsdfvi import __version__
from vsdfvi.errors import VsdfviError
from vsdfvi.frames.pixels import Frame, VideoFormat
from vsdfvi.settings import Settings

if TYPE_CHECKING:
    from vsdfvi.engine.inpainter import Inpainter

VERSION = __version__

type Plane = tuple[memoryview, int, int, int]
"""A plane as the host lends it: its bytes, bytes from row to row, width and height in samples."""

type LentFrame = tuple[tuple[Plane, ...], dict[str, int]]
"""A frame's planes and its integer properties."""

type Answer = tuple[str] | tuple[str, int, int]
"""``("source",)``, ``("need", first, last)``, ``("survey",)`` or ``("ready", before, after)``."""

type Log = tuple[tuple[str, str], ...]
"""Messages for the host's log: (level, text), level one of debug, information, warning, critical."""


class _Opened:
    """One filter: its engine and the formats of its inputs."""

    def __init__(
        self, inpainter: "Inpainter", clip: VideoFormat, mask: VideoFormat, extras: Mapping[str, VideoFormat]
    ) -> None:
        self.inpainter = inpainter
        self.clip = clip
        self.mask = mask
        self.extras = extras


class _Messages(logging.Handler):
    """Keeps what the engine logs until the call that caused it has ended. Filled from any thread."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: deque[tuple[str, str]] = deque()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one record."""
        level = "information" if record.levelno < logging.WARNING else "warning"
        self.lines.append((level if record.levelno < logging.CRITICAL else "critical", self.format(record)))

    def drain(self) -> Log:
        """Return the messages kept so far, and forget them."""
        return tuple(self.lines.popleft() for _ in range(len(self.lines)))


_opened: dict[int, _Opened] = {}
_numbers = itertools.count(1)
_messages = _Messages()

_lent: list[weakref.ref[np.ndarray[Any, Any]]] = []
"""The host's memory, while a call lasts. Every view of it keeps its array alive, so what lives longer is found."""


def call(name: str, *arguments: Any) -> tuple[bool, Any, Log]:
    """Return (succeeded, value or error text, log) of one of the functions below. Raises nothing."""
    try:
        succeeded, value = True, _FUNCTIONS[name](*arguments)
    except VsdfviError as error:
        succeeded, value = False, str(error)
    except BaseException as error:  # the caller is C++: a text is all that can cross
        succeeded, value = False, f"{type(error).__name__}: {error}"
        _messages.lines.append(("warning", traceback.format_exc()))
    if any(array() is not None for array in _lent):
        _messages.lines.append(("warning", f"{name} kept a view of a frame beyond its call"))
    _lent.clear()
    return succeeded, value, _messages.drain()


def open_filter(
    arguments: Mapping[str, Any],
    clip: Mapping[str, Any],
    mask: Mapping[str, Any],
    extras: Mapping[str, Mapping[str, Any]],
    library: str,
) -> tuple[int, int, dict[str, int], tuple[int, ...]]:
    """Return a handle for a new filter, and what its inputs must be ready for.

    Namely: the number of frames that the caches of clip and mask must hold; how many frames on each side each extra
    clip is read; and the frames that are lent when ``prepare`` answers ``("survey",)``.

    Args:
        arguments: Settings that the user gave.
        clip, mask: Fields of :class:`VideoFormat`.
        extras: The same of the clips given besides, by name.
        library: Path of the plugin, which holds the compiled kernels too.
    """
    settings = Settings.from_arguments(arguments)
    _take_log()

    from vsdfvi.engine.inpainter import Inpainter
    from vsdfvi.kernels import _cpu

    _cpu.use_library(library)
    clip_format, mask_format = _video_format(clip), _video_format(mask)
    extra_formats = {name: _video_format(fields) for name, fields in extras.items()}
    inpainter = Inpainter(settings, clip_format, mask_format, extra_formats)
    handle = next(_numbers)
    _opened[handle] = _Opened(inpainter, clip_format, mask_format, extra_formats)
    return handle, min(2 * inpainter.reach + 1, clip_format.frames), inpainter.extra_reach, inpainter.survey


def prepare(
    handle: int,
    n: int,
    clip: Mapping[int, LentFrame],
    mask: Mapping[int, LentFrame],
    extras: Mapping[str, Mapping[int, LentFrame]],
    survey_clip: Mapping[int, LentFrame],
    survey_mask: Mapping[int, LentFrame],
) -> Answer:
    """Return what frame n wants: nothing (the source is right), more frames, or to be finished."""
    opened = _opened[handle]
    lent_extras = {name: _frames(lent, opened.extras[name]) for name, lent in extras.items()}
    survey = (_frames(survey_clip, opened.clip), _frames(survey_mask, opened.mask)) if survey_clip else None
    return opened.inpainter.prepare(n, _frames(clip, opened.clip), _frames(mask, opened.mask), lent_extras, survey)


def finish(handle: int, n: int, planes: tuple[Plane, ...]) -> dict[str, int | float | str]:
    """Write frame n over its source in ``planes``. Returns its new properties."""
    opened = _opened[handle]
    arrays = tuple(_array(plane, opened.clip.dtype) for plane in planes)
    return {name: _plain(value) for name, value in opened.inpainter.finish(n, arrays).items()}


def discard(handle: int, n: int) -> None:
    """Forget frame n: it will not be finished."""
    _opened[handle].inpainter.discard(n)


def close(handle: int) -> None:
    """End a filter."""
    _opened.pop(handle).inpainter.close()


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "open": open_filter,
    "prepare": prepare,
    "finish": finish,
    "discard": discard,
    "close": close,
}


def _take_log() -> None:
    """Send what the package logs to the plugin, and nowhere else: other handlers may write into the video's stream."""
    logger = logging.getLogger("vsdfvi")
    if _messages not in logger.handlers:
        logger.addHandler(_messages)
    logger.setLevel(logging.INFO)
    logger.propagate = False


def _video_format(fields: Mapping[str, Any]) -> VideoFormat:
    return VideoFormat(**{**fields, "is_float": bool(fields["is_float"])})


def _array(plane: Plane, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """A plane as an array over the host's own memory."""
    view, stride_bytes, width, height = plane
    whole = np.frombuffer(view, dtype)
    _lent.append(weakref.ref(whole))
    return whole.reshape(height, stride_bytes // dtype.itemsize)[:, :width]


def _frames(lent: Mapping[int, LentFrame], video_format: VideoFormat) -> dict[int, Frame]:
    return {number: _frame(frame, video_format) for number, frame in lent.items()}


def _frame(lent: LentFrame, video_format: VideoFormat) -> Frame:
    planes, properties = lent
    return Frame(tuple(_array(plane, video_format.dtype) for plane in planes), properties)


def _plain(value: Any) -> int | float | str:
    """A property as one of the three types the plugin knows; NumPy's numbers are none of them."""
    number = value.item() if isinstance(value, np.generic) else value
    return number if isinstance(number, int | float | str) else str(number)
