"""YUV4MPEG2, the format in which programs hand video to each other through a pipe.

A line of text that names size, rate and format; then for each frame a line, and its planes without padding.

Source:
    The format as mjpegtools defined it (yuv4mpeg(5)), with the names of depths that ffmpeg and x264 have added.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import IO

import numpy as np

from vsdfvi.errors import FormatError
from vsdfvi.films.clips import Planes
from vsdfvi.frames.pixels import VideoFormat

MAGIC = b"YUV4MPEG2"
_FRAME = b"FRAME"
_LONGEST = 4096  # bytes of a line
_KINDS = {"420": (1, 1), "422": (1, 0), "444": (0, 0), "440": (0, 1), "411": (2, 0), "410": (2, 2)}
_EIGHT_BIT = ("", "jpeg", "mpeg2", "paldv")
_COLOUR = re.compile(r"(mono|420|422|444|440|411|410)(.*)")


@dataclass(frozen=True, slots=True)
class Header:
    """A stream's first line.

    Attributes:
        line: It, with its end: handed on as it is, so that nothing it says is lost.
        form: Of the frames; their number is not known, and stands as 0.
        rate: Frames a second; 0 where it is not known.
    """

    line: bytes
    form: VideoFormat
    rate: Fraction


class Reader:
    """Reads frames from a stream.

    Raises:
        FormatError: It is no such stream, or of a format that the engine does not know.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.header = _parsed(stream.readline(_LONGEST))
        self._read = 0

    def frame(self) -> tuple[bytes, Planes] | None:
        """The next frame's line and planes; None where the stream has ended.

        Raises:
            FormatError: It ends within a frame.
        """
        line = self._stream.readline(_LONGEST)
        if not line:
            return None
        if not line.startswith(_FRAME) or not line.endswith(b"\n"):
            raise FormatError(f"a stream must have FRAME before each frame, got {line[:20]!r} at frame {self._read}")
        form, planes = self.header.form, []
        for plane in range(form.planes):
            height, width = form.plane_shape(plane)
            size_bytes = height * width * form.dtype.itemsize
            samples = self._stream.read(size_bytes)
            if len(samples) < size_bytes:
                raise FormatError(f"a stream must end after a whole frame, and this one ends within frame {self._read}")
            little = form.dtype.newbyteorder("<")
            planes.append(np.frombuffer(samples, little).astype(form.dtype, copy=False).reshape(height, width))
        self._read += 1
        return line, tuple(planes)


def write_frame(stream: IO[bytes], line: bytes, planes: Sequence[np.ndarray]) -> None:
    """Write a frame."""
    stream.write(line)
    for plane in planes:
        stream.write(np.ascontiguousarray(plane, plane.dtype.newbyteorder("<")).data)


def header_of(form: VideoFormat, rate: Fraction, *, full: bool) -> Header:
    """The first line for frames of a format.

    Raises:
        FormatError: There is no name for it.
    """
    if form.family == "RGB" or form.is_float:
        raise FormatError("YUV4MPEG2 has YUV and GRAY of integers: write a file instead")
    depth = "" if form.bits == 8 else str(form.bits)
    if form.family == "GRAY":
        colour = f"mono{depth}"
    else:
        kinds = {shape: kind for kind, shape in _KINDS.items()}
        kind = kinds.get((form.subsampling_w, form.subsampling_h))
        if kind is None:
            raise FormatError(f"YUV4MPEG2 must know the source's subsampling, got {form}")
        colour = f"{kind}{'p' if depth else 'mpeg2' if kind == '420' else ''}{depth}"
    text = (
        f"{MAGIC.decode()} W{form.width} H{form.height} F{rate.numerator}:{rate.denominator} Ip A0:0 C{colour} "
        f"XCOLORRANGE={'FULL' if full else 'LIMITED'}\n"
    )
    return Header(text.encode(), form, rate)


def _parsed(line: bytes) -> Header:
    words = line.decode("ascii", "replace").split()
    if not words or words[0] != MAGIC.decode() or not line.endswith(b"\n"):
        raise FormatError(f"standard input must be YUV4MPEG2 ('ffmpeg ... -f yuv4mpegpipe -'), got {line[:24]!r}")
    fields = {word[0]: word[1:] for word in words[1:] if word[0] != "X"}
    try:
        width, height = int(fields["W"]), int(fields["H"])
        over, _, under = fields.get("F", "0:1").partition(":")
        rate = Fraction(int(over), int(under or 1)) if int(under or 1) else Fraction(0)
    except (KeyError, ValueError) as error:
        raise FormatError(f"a stream must say its size and rate, got {line[:80]!r}") from error
    if fields.get("I", "p") not in ("p", "?"):
        raise FormatError("a stream must be progressive, got an interlaced one: deinterlace it first")
    match = _COLOUR.fullmatch(fields.get("C", "420"))
    bits = _bits(match[1], match[2]) if match else None
    if match is None or bits is None:
        raise FormatError(f"a stream must be GRAY or YUV of 8 to 16 bit without alpha, got C{fields.get('C')}")
    right, down = _KINDS.get(match[1], (0, 0))
    if width % (1 << right) or height % (1 << down):
        raise FormatError(f"a stream's size must be a multiple of its subsampling, got {width}x{height} of C{match[0]}")
    form = VideoFormat(
        family="GRAY" if match[1] == "mono" else "YUV", is_float=False, bits=bits, subsampling_w=right,
        subsampling_h=down, width=width, height=height, frames=0,
    )  # fmt: skip
    return Header(line, form, rate)


def _bits(kind: str, rest: str) -> int | None:
    if rest in _EIGHT_BIT:
        return 8
    number = rest if kind == "mono" else rest.removeprefix("p")
    return int(number) if number.isdigit() and 8 <= int(number) <= 16 else None
