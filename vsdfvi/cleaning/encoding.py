"""The finished film: repaired frames through ffmpeg, and everything else of the source as it was."""

import errno
import math
import re
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from vsdfvi.cleaning.chunk_files import Patch
from vsdfvi.cleaning.encoders import Encoder, encoded_as, ffmpeg_program, is_pictures, stored_as
from vsdfvi.cleaning.feeding import Frames, in_order, served
from vsdfvi.cleaning.opening import Opened, sequence_of
from vsdfvi.errors import EngineError, FormatError
from vsdfvi.films.clips import Planes, planes_of
from vsdfvi.frames.pixels import VideoFormat

_LAST_WORDS = 12  # lines of ffmpeg's that are kept
_HD = 720  # rows from which a film that does not say its matrix is taken for BT.709
_UNKNOWN = 2  # of matrix, primaries and transfer (ITU-T H.273)
_BT709, _BT601 = 1, 6
_BOXED = (".mp4", ".mov", ".m4v")
_FULL = "No space left on device"
_UNWRITTEN = ("Error writing trailer", "Error closing file")
_BEYOND = 1  # seconds after the film's last frame at which ours end: later than any rounding of its time
_OF_TEXT = ("subrip", "ass", "ssa", "webvtt", "text")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """What the finished film is made of.

    Attributes:
        source: Path of the film.
        opened: It, opened.
        form: Its format.
        first, last: Frames to encode, both included.
        encoder: A set of arguments; None where ``ffmpeg`` names the encoder.
        ffmpeg: Further arguments of the output.
        filters: A chain of filters before the encoder.
        properties: Of the first frame.
    """

    source: str
    opened: Opened
    form: VideoFormat
    first: int
    last: int
    encoder: Encoder | None
    ffmpeg: tuple[str, ...] = ()
    filters: str = ""
    properties: Mapping[str, Any]

    @property
    def count(self) -> int:
        return self.last - self.first + 1


def encode(finish: Finish, frames: Frames, path: Path, expected: Callable[[], int] | None = None) -> None:
    """Write the finished film.

    Args:
        frames: The repaired frames from ``first`` to ``last``.
        path: Of a new file; of pictures, with their number as ``%d``.
        expected: How many frames there were, where the film does not say it before they are through.

    Raises:
        EngineError: ffmpeg fails. The text has its last words.
        FormatError: The film's frames are not those that ffmpeg sees.
    """
    stored = stored_as(finish.form)
    film = finish.opened.times and not is_pictures(str(path)) and sequence_of(finish.source) is None
    if not film:
        _piped(finish, frames, stored, path)
    else:
        _beside_the_film(finish, frames, stored, path)
    if not is_pictures(str(path)):
        found, count = frames_of(path), finish.count if expected is None else expected()
        if found != count:
            raise FormatError(
                f"the encoded film must have {count} frames, got {found}: ffmpeg and BestSource read "
                f"{finish.source} differently. Encode a script with vspipe instead"
            )


def _piped(finish: Finish, frames: Frames, stored: str, path: Path) -> None:
    """Frames at a constant rate and nothing besides: of a sequence of pictures, or to one."""
    form, rate = finish.form, finish.opened.clip.fps or Fraction(24)
    command = [ffmpeg_program(), "-nostdin", "-hide_banner", "-v", "error", "-y"]
    command += ["-f", "rawvideo", "-pixel_format", stored, "-video_size", f"{form.width}x{form.height}"]
    command += ["-framerate", f"{rate.numerator}/{rate.denominator}", "-i", "pipe:0"]
    chain = ",".join([*_tagged(finish.properties), *_converted(finish, stored)])
    command += ["-filter:v:0", chain] if chain else []
    command += [*_encoder_arguments(finish, stored), "-fflags", "+bitexact"]
    if is_pictures(str(path)):
        pictures = sequence_of(finish.source)
        number = (pictures.first if pictures else 0) + finish.first
        command += ["-fps_mode", "passthrough", "-f", "image2", "-start_number", str(number)]
        path = Path(str(path.parent).replace("%", "%%")) / path.name
    command += [*finish.ffmpeg, f"file:{path}"]
    process = _Running(command, piped=True)
    try:
        for planes in frames():
            for samples in in_order(planes, form):
                process.write(np.ascontiguousarray(samples).data)
    finally:
        process.end()


def _beside_the_film(finish: Finish, frames: Frames, stored: str, path: Path) -> None:
    """Frames with the times of the film's own; beside them everything that is in its file."""
    import av

    with av.open(f"file:{finish.source}") as container:
        start = int(container.start_time or 0)  # microseconds
        streams = [_Stream.of(stream) for stream in container.streams]
    base = finish.opened.time_base
    times = finish.opened.times[finish.first : finish.last + 1]
    whole = finish.count == len(finish.opened.times)
    shown = round(Fraction(start, 1_000_000) / base)
    # The filter pairs a frame of the film with the latest of ours that is not later: ours come half a frame early, so
    # that no rounding of times parts them.
    gaps = [later - earlier for earlier, later in pairwise(times)]
    if any(gap <= 0 for gap in gaps):
        raise FormatError(f"source must have ascending times, got {finish.source}, in which two frames have the same")
    early = [0, *gaps]
    origin = shown if whole else times[0]
    halved = [max(0, 2 * (time - origin) - gap // 2) for time, gap in zip(times, early, strict=True)]
    halved.append(max(halved[-1], 2 * (times[-1] - origin)) + math.ceil(_BEYOND / base))
    with served(frames, finish.form, stored, halved, base / 2) as address:
        command = [ffmpeg_program(), "-nostdin", "-hide_banner", "-v", "error", "-y", "-i", f"file:{finish.source}"]
        rest = 0
        if not whole:
            begin, end = (Fraction(time - shown) * base for time in (times[0], _end_of(finish)))
            command += ["-ss", _seconds(begin), "-to", _seconds(end), "-i", f"file:{finish.source}"]
            rest = 1
        mapped, positions = _mapped(streams, path, rest)
        command += mapped
        # Said for one stream, it is left alone for all: else ffmpeg makes the first of several a default.
        film = next(stream for stream in streams if stream.kind == "video")
        command += [f"-disposition:v:{positions}", film.disposition]
        chain = _chain(finish, stored, address, shown, whole=whole)
        command += [f"-filter:v:{positions}", chain, "-map_metadata", "0", "-map_chapters", str(rest)]
        command += _encoder_arguments(finish, stored, f":v:{positions}")
        command += [f"-fps_mode:v:{positions}", "passthrough"]
        tick = _tick(times, origin) * base
        command += [f"-enc_time_base:v:{positions}", f"{tick.numerator}/{tick.denominator}"]
        if path.suffix.lower() in _BOXED and base.numerator == 1:
            command += ["-video_track_timescale", str(base.denominator)]
        command += ["-fflags", "+bitexact", *finish.ffmpeg, f"file:{path}"]
        _Running(command).end()


def _tick(times: Sequence[int], origin: int) -> int:
    """What all times are multiples of: of a constant rate one frame, by which an encoder says what rate that is."""
    gaps = {later - earlier for earlier, later in pairwise(times)}
    gap = next(iter(gaps), 1)
    return gap if len(gaps) == 1 and (times[0] - origin) % gap == 0 else 1


def _end_of(finish: Finish) -> int:
    """When the last frame of a range gives way to the next."""
    times = finish.opened.times
    if finish.last + 1 < len(times):
        return times[finish.last + 1]
    return 2 * times[-1] - times[-2] if len(times) > 1 else times[-1] + 1


def _seconds(time: Fraction) -> str:
    return f"{float(max(time, Fraction(0))):.6f}"


@dataclass(frozen=True, slots=True)
class _Stream:
    """One stream of a file."""

    index: int
    kind: str
    codec: str
    disposition: str

    @classmethod
    def of(cls, stream: Any) -> "_Stream":
        context = getattr(stream, "codec_context", None)
        flags = "+".join(flag.name for flag in stream.disposition)
        return cls(int(stream.index), str(stream.type), str(context.name if context is not None else ""), flags or "0")


def _mapped(streams: Sequence[_Stream], path: Path, rest: int) -> tuple[list[str], int]:
    """Arguments that take over every stream that the output's format can hold, and the number of the film's own.

    The film's is the first of its kind; its picture is exchanged, all others are copied as they are.
    """
    ending = path.suffix.lower()
    arguments: list[str] = []
    codecs: list[str] = ["-c", "copy"]
    film = next(stream.index for stream in streams if stream.kind == "video")
    position = text = 0
    number = 0
    for stream in streams:
        if stream.index == film:
            arguments += ["-map", f"0:{stream.index}"]
            number = position
            position += 1
        elif stream.kind in ("video", "audio", "subtitle") or (stream.kind == "attachment" and ending == ".mkv"):
            arguments += ["-map", f"{rest}:{stream.index}"]
            position += stream.kind == "video"
            if stream.kind == "subtitle":
                if ending in _BOXED and stream.codec in _OF_TEXT:
                    codecs += [f"-c:s:{text}", "mov_text"]
                elif ending == ".mkv" and stream.codec == "mov_text":
                    codecs += [f"-c:s:{text}", "subrip"]
                text += 1
    return [*arguments, *codecs], number


def _chain(finish: Finish, stored: str, address: str, shown: int, *, whole: bool) -> str:
    """The filter that takes the samples of our frames, and from the film's own all that goes with a frame."""
    cut = ""
    if not whole:
        times = finish.opened.times
        begin, end = times[finish.first] - shown, _end_of(finish) - shown
        cut = f"trim=start_pts={begin}:end_pts={end},setpts=PTS-STARTPTS,"
    # In one time base: ffmpeg 7 and later counts how long a frame is shown in the film's, and takes it for blend's.
    base = finish.opened.time_base / 2
    same = ",".join([f"settb={base.numerator}/{base.denominator}", *_tagged(finish.properties)])
    ours = f"movie=filename={_escaped(address)}:format_name=nut,{same}[ours]"
    theirs = f"[in]{cut}format={stored},{same}[film]"
    # It ends with ours: else it would go on to the film's end with the last of them, should they break off, and nobody
    # would see it. ffmpeg 5.1 and 9 fail where the connection breaks, as when this process is killed.
    rest = ",".join([f"format={stored}", *_converted(finish, stored)])
    return f"{theirs};{ours};[film][ours]blend=all_mode=normal:all_opacity=0:shortest=1,{rest}[out]"


def _escaped(address: str) -> str:
    """An address as the value of a filter's option: for the option, and again for the chain."""
    return address.replace(":", "\\\\:")


def _tagged(properties: Mapping[str, Any]) -> list[str]:
    """The filter that says what the codes of our frames mean, as the film does."""
    named = []
    if "_Range" in properties:
        named.append(f"range={1 + int(properties['_Range'])}")
    for option, name in (("color_primaries", "_Primaries"), ("color_trc", "_Transfer"), ("colorspace", "_Matrix")):
        if int(properties.get(name, _UNKNOWN)) != _UNKNOWN:
            named.append(f"{option}={int(properties[name])}")
    return ["setparams=" + ":".join(named)] if named else []


def _converted(finish: Finish, stored: str) -> list[str]:
    """The user's filters, and a conversion to what the encoder takes."""
    chain = [finish.filters] if finish.filters else []
    if finish.encoder is None:
        return chain
    wanted = encoded_as(finish.encoder, stored)
    if wanted == stored:
        return [*chain, f"format={wanted}"] if chain else chain
    is_rgb = stored.startswith("gbr")
    to_rgb = not wanted.startswith(("yuv", "gray"))
    matrix = int(finish.properties.get("_Matrix", _UNKNOWN))
    name = {1: "bt709", 5: "bt601", 6: "bt601", 9: "bt2020"}.get(
        matrix, "bt709" if finish.form.height >= _HD or is_rgb else "bt601"
    )
    flags = "flags=accurate_rnd+full_chroma_int+full_chroma_inp+bicubic"
    if is_rgb and not to_rgb:
        chain.append(f"scale=out_color_matrix={name}:out_range=tv:{flags}")
    elif to_rgb and not is_rgb:
        chain.append(f"scale=in_color_matrix={name}:out_range=pc:{flags}")
    elif wanted.startswith("yuv") and stored.startswith("yuv"):
        chain.append(f"scale={flags}")
    return [*chain, f"format={wanted}"]


def _encoder_arguments(finish: Finish, stored: str, of: str = ":v:0") -> list[str]:
    """Arguments of the encoder, and what the film says of its colours."""
    arguments = []
    encoder, properties = finish.encoder, finish.properties
    if encoder is not None:
        own = list(encoder.arguments)
        if encoder.name == "prores" and encoded_as(encoder, stored) == "yuv444p10le":
            own[own.index("3")] = "4"
        arguments += [f"-c{of}", encoder.codec, *own]
        if encoder.name in ("x264", "x265") and not any("params" in argument for argument in finish.ffmpeg):
            arguments += _hdr_arguments(encoder.name, properties)
    to_yuv = encoder is not None and stored.startswith("gbr") and encoded_as(encoder, stored).startswith("yuv")
    if to_yuv:
        return [*arguments, f"-colorspace{of}", str(_BT709), f"-color_range{of}", "1"]
    for option, name in (("colorspace", "_Matrix"), ("color_primaries", "_Primaries"), ("color_trc", "_Transfer")):
        if int(properties.get(name, _UNKNOWN)) != _UNKNOWN and not is_pictures(str(finish.source)):
            arguments += [f"-{option}{of}", str(int(properties[name]))]
    if "_Range" in properties and stored.startswith("yuv"):
        arguments += [f"-color_range{of}", str(1 + int(properties["_Range"]))]
    if "_ChromaLocation" in properties and stored.startswith("yuv42"):
        arguments += [f"-chroma_sample_location{of}", str(1 + int(properties["_ChromaLocation"]))]
    return arguments


def _hdr_arguments(encoder: str, properties: Mapping[str, Any]) -> list[str]:
    """Mastering display and content light, for encoders that ffmpeg does not tell of them.

    Source:
        SMPTE ST 2086: chromaticities in units of 0.00002, luminance of 0.0001 candela per square metre.
    """
    params = []
    if "MasteringDisplayPrimariesX" in properties and "MasteringDisplayWhitePointX" in properties:
        x = [round(50_000 * float(each)) for each in properties["MasteringDisplayPrimariesX"]]
        y = [round(50_000 * float(each)) for each in properties["MasteringDisplayPrimariesY"]]
        white = [round(50_000 * float(properties[f"MasteringDisplayWhitePoint{axis}"])) for axis in "XY"]
        light = [round(10_000 * float(properties.get(f"MasteringDisplay{end}Luminance", 0))) for end in ("Max", "Min")]
        display = f"G({x[1]},{y[1]})B({x[2]},{y[2]})R({x[0]},{y[0]})WP({white[0]},{white[1]})L({light[0]},{light[1]})"
        params.append(f"{'master-display' if encoder == 'x265' else 'mastering-display'}={display}")
    if "ContentLightLevelMax" in properties:
        levels = f"{int(properties['ContentLightLevelMax'])},{int(properties.get('ContentLightLevelAverage', 0))}"
        params.append(f"{'max-cll' if encoder == 'x265' else 'cll'}={levels}")
    if encoder == "x265":
        params.append("log-level=error")
        if len(params) > 1:
            params += ["hdr10=1", "repeat-headers=1"]
    return [f"-{encoder}-params", ":".join(params)] if params else []


class _Running:
    """An ffmpeg at work."""

    def __init__(self, command: Sequence[str], *, piped: bool = False) -> None:
        self._command = command
        stdin = subprocess.PIPE if piped else subprocess.DEVNULL
        self._process = subprocess.Popen(command, stdin=stdin, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self._words: deque[str] = deque(maxlen=_LAST_WORDS)
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            text = line.decode(errors="replace").strip()
            if text:
                self._words.append(re.sub(r"^\[[^]]* @ 0x[0-9a-f]+\] ", "", text))

    def write(self, samples: Any) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(samples)
        except OSError:
            self.end()
            raise EngineError("ffmpeg must take all frames, and ended before they were sent") from None

    def end(self) -> None:
        """Wait until it has ended, however that was.

        Raises:
            EngineError: It failed.
        OSError: The disk is full.
        """
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()
        try:
            status = self._process.wait()
        except BaseException:  # ctrl-C: nothing goes on writing behind the prompt
            self._process.kill()
            self._process.wait()
            raise
        self._listener.join(5)
        if any(_FULL in word for word in self._words):
            raise OSError(errno.ENOSPC, _FULL)
        # ffmpeg 5.1 to 6 end with success where the last of a file could not be written.
        if status != 0 or any(word.startswith(_UNWRITTEN) for word in self._words):
            words = "; ".join(dict.fromkeys(self._words)) or f"exit status {status}, and no word why"
            raise EngineError(f"ffmpeg failed: {words}")


def frames_of(path: Path) -> int:
    """Frames of the first video stream of a file: its packets, which are not decoded."""
    import av

    with av.open(f"file:{path}") as container:
        return sum(packet.size > 0 for packet in container.demux(container.streams.video[0]))


def repaired_frames(opened: Opened, first: int, last: int, patch: Callable[[int], Patch | None]) -> Iterator[Planes]:
    """Frames of a film with their holes filled.

    Args:
        patch: Of a frame's number: what is to be put in, or None.
    """
    span = opened.clip[first : last + 1]
    for n, frame in enumerate(span.frames(close=True), first):
        planes = planes_of(frame)
        found = patch(n)
        if found is not None:
            found.apply(planes)
        yield planes
