"""Frames on their way to ffmpeg, with the times of the film: served to it as often as it opens them.

ffmpeg's ``movie`` filter reads them beside the film itself. Some versions open what it names twice, once to see what it
holds: so it is no pipe, but an address of this machine that nobody else can guess.
"""

import itertools
import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

from vsdfvi.films.clips import Planes
from vsdfvi.frames.pixels import VideoFormat

Frames = Callable[[], Iterator[Planes]]
"""Gives the planes of all frames to encode, in order, from the first each time."""

_RATE = 1000  # frames a second that a header has to name; times are what counts


@contextmanager
def served(frames: Frames, form: VideoFormat, stored: str, times: Sequence[int], base: Fraction) -> Iterator[str]:
    """The address of frames with times, as NUT, while the block lasts.

    Args:
        stored: Their format of samples, as ffmpeg names it.
        times: Of each, in units of ``base``, ascending; and one more, at which the last is sent again to say that these
            are all. Where that does not come, they broke off.
    """
    token = secrets.token_hex(16)
    failures: list[BaseException] = []

    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # whose pieces tell an end from a break

        def do_GET(self) -> None:
            if self.path != f"/{token}":
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Transfer-Encoding", "chunked")
            self.send_header("Connection", "close")
            self.end_headers()
            pieces = _Pieces(self.wfile)
            try:
                _write_nut(pieces, frames(), form, stored, times, base)
                pieces.end()
            except BaseException as error:
                if not pieces.is_refused:  # else ffmpeg has seen enough, or has failed, and says so itself
                    failures.append(error)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    server.daemon_threads = True
    server.block_on_close = False
    thread = threading.Thread(target=server.serve_forever, name="vsdfvi-frames", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/{token}"
    except BaseException:
        if failures:  # the cause of what ffmpeg said
            raise failures[0] from None
        raise
    finally:
        server.shutdown()
        server.server_close()
    if failures:
        raise failures[0]


class _Pieces:
    """Sends what is written as pieces of an answer whose length nobody knows (RFC 9112, section 7.1)."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.is_refused = False

    def write(self, samples: bytes) -> int:
        if len(samples):
            self._send(b"%x\r\n" % len(samples))
            self._send(samples)
            self._send(b"\r\n")
        return len(samples)

    def end(self) -> None:
        self._send(b"0\r\n\r\n")

    def _send(self, samples: bytes) -> None:
        try:
            self._stream.write(samples)
        except OSError:
            self.is_refused = True
            raise


def _write_nut(
    stream: Any, frames: Iterator[Planes], form: VideoFormat, stored: str, times: Sequence[int], base: Fraction
) -> None:
    import av

    last: Any = None
    with suppress(StopIteration):
        container = av.open(stream, "w", format="nut")
        try:
            video = container.add_stream("rawvideo", rate=_RATE)
            video.width, video.height, video.pix_fmt = form.width, form.height, stored
            video.time_base = video.codec_context.time_base = base
            sent = itertools.chain((packed(planes, form, stored) for planes in frames), (None,))
            for frame, time in zip(sent, times, strict=True):
                last = frame or last
                last.pts, last.time_base = time, base
                for packet in video.encode(last):
                    container.mux(packet)
            for packet in video.encode(None):
                container.mux(packet)
        finally:
            container.close()


def packed(planes: Planes, form: VideoFormat, stored: str) -> Any:
    """A frame of PyAV's with these planes."""
    import av

    frame = av.VideoFrame(form.width, form.height, stored)
    for target, samples in zip(frame.planes, in_order(planes, form), strict=True):
        rows = np.frombuffer(target, samples.dtype).reshape(-1, target.line_size // samples.dtype.itemsize)
        rows[: samples.shape[0], : samples.shape[1]] = samples
    return frame


def in_order(planes: Planes, form: VideoFormat) -> Planes:
    """The planes as ffmpeg wants them: green, blue, red; half floats, which it mostly does not know, as single ones."""
    if form.family == "RGB":
        planes = planes[1], planes[2], planes[0]
    if form.is_float and form.bits == 16:
        planes = tuple(plane.astype(np.float32) for plane in planes)
    return planes
