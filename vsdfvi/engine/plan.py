"""Which frames a request needs, in which order. No pixels: prints as text."""

from dataclasses import dataclass

SURVEY_FRAMES = 32
"""Frames of a survey of the whole clip. All are lent at once: of 1920x1080, 4:2:0 in 8 bit, they take 95 MiB."""

STRIDES = (1, 2, 4, 8)
"""Distances first asked for around a frame; beyond the last, a side doubles."""


class FramesNeeded(Exception):
    """A frame is wanted that the host has not lent yet. Caught by the inpainter, which asks for it.

    Attributes:
        frame: Its number.
    """

    def __init__(self, frame: int) -> None:
        super().__init__(f"frame {frame}")
        self.frame = frame


class SurveyNeeded(Exception):
    """The survey is wanted, and the host has not lent its frames. Caught by the inpainter, which asks for them."""


@dataclass(frozen=True, slots=True)
class Span:
    """Frames first..last, both included."""

    first: int
    last: int

    def __contains__(self, frame: int) -> bool:
        return self.first <= frame <= self.last

    def __str__(self) -> str:
        return f"{self.first}..{self.last}"


def widened(span: Span, wanted: int, frame: int, reach: int, frames: int) -> Span:
    """The span to have at hand next, so that it holds ``wanted``.

    A side grows in doubling steps: a scratch that the next frame already shows costs two requests, a hole that is never
    seen does not cost one for each frame of its reach.

    Args:
        span: What is at hand.
        wanted: A frame outside it.
        frame: The frame that is being made.
        reach: Largest distance from ``frame`` that can ever be wanted.
        frames: Length of the clip.
    """
    distance = abs(wanted - frame)
    grown = next((stride for stride in STRIDES if stride >= distance), 0)
    while grown < distance:
        grown = max(2 * grown, 2 * STRIDES[-1])
    grown = max(distance, min(grown, reach))
    if wanted < span.first:
        return Span(max(0, frame - grown), span.last)
    return Span(span.first, min(frames - 1, frame + grown))


def survey_of(frames: int, count: int) -> tuple[int, ...]:
    """Frames spread evenly over a whole clip, its first and last included, ascending; all of them where it is short.

    Args:
        frames: Length of the clip.
        count: Frames to take at most, 2 or more.
    """
    if frames <= count:
        return tuple(range(frames))
    gaps = count - 1
    return tuple((2 * k * (frames - 1) + gaps) // (2 * gaps) for k in range(count))


def keyframes(frame: int, interval: int, first: int, last: int) -> tuple[int, ...]:
    """The key frames on both sides of a frame, nearer or equal in the past first; one if they coincide.

    They stand on the multiples of ``interval``; where a scene begins or ends before the next multiple, on its first
    or last frame.

    Args:
        first, last: Frames of the scene, as far as they are within ``interval`` of ``frame``.
    """
    before = max(frame // interval * interval, first)
    if before == frame:
        return (frame,)
    return before, min(before // interval * interval + interval, last)
