"""Films through pipes: frames are repaired as they come, and nobody knows how many will.

Frame n is repaired when the frames that it may need are there, or the stream has ended. So the result is the same as
that of a file, and memory holds the frames within reach and no more.
"""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import IO, Any

import numpy as np
import vapoursynth as vs

from vsdfvi.cleaning import y4m
from vsdfvi.cleaning.computing import open_material
from vsdfvi.cleaning.encoders import encoder_of, require_codec
from vsdfvi.cleaning.encoding import Finish, encode
from vsdfvi.cleaning.files import made_whole
from vsdfvi.cleaning.jobs import Job
from vsdfvi.cleaning.masks import open_mask
from vsdfvi.cleaning.opening import Opened
from vsdfvi.engine.account import Repair
from vsdfvi.engine.inpainter import Inpainter
from vsdfvi.errors import FormatError, SettingError
from vsdfvi.films.clips import Planes, video_format
from vsdfvi.films.repairing import LentFrames, Repairing
from vsdfvi.frames.pixels import Frame, VideoFormat
from vsdfvi.settings import Settings

ENDLESS = 1 << 30
"""Frames that a stream has, as long as its end is not seen."""


class Stream(Mapping[int, Frame]):
    """The frames of a stream that are at hand.

    Args:
        reach: Frames on each side of one that are kept.

    Attributes:
        reach: The same.
        length: Frames in all; None until the end is seen.
    """

    def __init__(self, reader: y4m.Reader, reach: int) -> None:
        self._reader, self.reach = reader, reach
        self._frames: dict[int, Frame] = {}
        self._lines: dict[int, bytes] = {}
        self._next = 0
        self.length: int | None = None

    def read_around(self, n: int) -> None:
        """Have the frames around n, as far as there are any, and forget those before."""
        while self.length is None and self._next <= n + self.reach:
            read = self._reader.frame()
            if read is None:
                self.length = self._next
                return
            self._lines[self._next], planes = read
            self._frames[self._next] = Frame(planes)
            self._next += 1
        for old in [k for k in self._frames if k < n - self.reach]:
            del self._frames[old]
            self._lines.pop(old, None)

    def line(self, n: int) -> bytes:
        """The line before frame n."""
        return self._lines[n]

    def __getitem__(self, n: int) -> Frame:
        return self._frames[n]

    def __iter__(self) -> Iterator[int]:
        return iter(self._frames)

    def __len__(self) -> int:
        return len(self._frames)


def as_clip(stream: Stream, form: VideoFormat) -> vs.VideoNode:
    """A clip whose frames are those of a stream that are at hand: what a mask is made from may be the picture."""
    kind = vs.core.query_video_format(
        vs.ColorFamily[form.family], vs.INTEGER, form.bits, form.subsampling_w, form.subsampling_h
    )
    blank = vs.core.std.BlankClip(format=kind.id, width=form.width, height=form.height, length=ENDLESS, keep=True)

    def put(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        out = f.copy()
        for plane, samples in enumerate(stream[n].planes):
            np.asarray(out[plane])[:] = samples
        return out

    clip: vs.VideoNode = blank.std.ModifyFrame(blank, put)
    return clip


def repaired_stream(
    stream: Stream, form: VideoFormat, masks: tuple[str, ...], settings: Settings
) -> Iterator[tuple[int, Planes, Repair | None]]:
    """Number, planes and account of each frame of a stream.

    Raises:
        SettingError: A setting needs the whole film.
        FormatError: The mask is not of the stream's length.
    """
    if settings.unmix or settings.reject:
        name = "unmix" if settings.unmix else "reject"
        raise SettingError(name, "left out for a pipe: it needs to know the whole film", getattr(settings, name))
    mask = open_mask(masks, as_clip(stream, form), any_length=True)
    of_mask = video_format(mask)
    still = len(mask) == 1

    def begun(frames: int) -> Inpainter:
        return Inpainter(settings, replace(form, frames=frames), replace(of_mask, frames=1 if still else frames))

    endless = begun(ENDLESS)
    reach = stream.reach
    lent = LentFrames(mask, 2 * reach + 2)
    repairing = Repairing.of(endless, stream, lent)
    ended = False
    n = 0
    while True:
        stream.read_around(n)
        if stream.length is not None:
            if not still and len(mask) != ENDLESS and len(mask) != stream.length:
                raise FormatError(f"mask must be 1 frame or {stream.length} as the source, got {len(mask)}")
            if n >= stream.length:
                break
            if not ended and n + reach >= stream.length - 1:  # from here on it matters where the film ends
                repairing.close()
                repairing, ended = Repairing.of(begun(stream.length), stream, lent), True
        elif not still and n + reach >= len(mask):
            raise FormatError(
                f"mask must be 1 frame or as many as the source, got {len(mask)}, and the source has more"
            )
        yield n, *repairing.repair(n)
        n += 1
    repairing.close()


def reach_of(settings: Settings, form: VideoFormat) -> int:
    """Frames on each side that a frame may need."""
    inpainter = Inpainter(settings, replace(form, frames=ENDLESS), replace(form, frames=1))
    reach = inpainter.reach
    inpainter.close()
    return reach


def clean_pipe(source: str, masks: tuple[str, ...], output: str, settings: Mapping[str, Any], *, quiet: bool) -> None:
    """Clean a film that comes from standard input, goes to standard output, or both.

    Args:
        source, output: A path, or ``-``.

    Raises:
        VsdfviError, OSError: As ``cleaning.clean``.
    """
    chosen = Settings.from_arguments(settings)
    counts = {"frames": 0, "hole": 0, "invented": 0}

    def counted(repair: Repair | None) -> None:
        counts["frames"] += 1
        if repair is not None:
            counts["hole"] += repair.pixels.count
            counts["invented"] += repair.counts()[0]

    frames: Iterator[tuple[bytes, Planes, Repair | None]]
    if source == "-":
        reader = y4m.Reader(sys.stdin.buffer)
        form = reader.header.form
        stream = Stream(reader, reach_of(chosen, form))
        frames = ((stream.line(n), planes, repair) for n, planes, repair in
                  repaired_stream(stream, form, masks, chosen))  # fmt: skip
        header = reader.header
    else:
        header, frames = _of_file(source, masks, settings, chosen)
        form = header.form

    if output == "-":
        target: IO[bytes] = sys.stdout.buffer
        target.write(header.line)
        for line, planes, repair in frames:
            y4m.write_frame(target, line, planes)
            counted(repair)
        target.flush()
    else:
        encoder = encoder_of("", output, ())
        if encoder is not None:
            require_codec(encoder.codec)

        def planes_only() -> Iterator[Planes]:
            for _, planes, repair in frames:
                counted(repair)
                yield planes

        with made_whole(Path(output)) as part:
            _to_file(planes_only(), header, encoder, part)
    if not quiet:
        share = counts["invented"] / counts["hole"] if counts["hole"] else 0
        print(f"{counts['frames']} frames, {share:.1%} of the hole invented", file=sys.stderr)


def _of_file(
    source: str, masks: tuple[str, ...], settings: Mapping[str, Any], chosen: Settings
) -> tuple[y4m.Header, Iterator[tuple[bytes, Planes, Repair | None]]]:
    """Header and repaired frames of a film that is a file."""
    material = open_material(Job(source=source, masks=masks, output="-.y4m", settings=settings))
    clip, mask = material.clip, material.mask
    with clip.get_frame(0) as frame:
        full = bool(int(frame.props.get("_Range", 0)))
    rate = Fraction(clip.fps.numerator, clip.fps.denominator) if clip.fps else Fraction(24)
    header = y4m.header_of(video_format(clip), rate, full=full)

    def frames() -> Iterator[tuple[bytes, Planes, Repair | None]]:
        repairing = Repairing(Inpainter(chosen, video_format(clip), video_format(mask)), clip, mask)
        for n in range(len(clip)):
            yield b"FRAME\n", *repairing.repair(n)
        repairing.close()

    return header, frames()


def _to_file(frames: Iterator[Planes], header: y4m.Header, encoder: Any, path: Path) -> None:
    """Encode frames that come once."""
    blank = vs.core.std.BlankClip(length=1, fpsnum=header.rate.numerator or 24, fpsden=header.rate.denominator)
    opened = Opened(blank, (), Fraction(1))
    count = 0

    def counted() -> Iterator[Planes]:
        nonlocal count
        for planes in frames:
            count += 1
            yield planes

    finish = Finish(source="-", opened=opened, form=header.form, first=0, last=0, encoder=encoder, properties={})
    encode(finish, counted, path, expected=lambda: count)
