"""Sets of ffmpeg's arguments by what a film is for, and the formats of samples that each takes."""

import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from vsdfvi.cleaning.opening import PICTURES
from vsdfvi.errors import EngineError, SettingError
from vsdfvi.frames.pixels import VideoFormat


@dataclass(frozen=True, slots=True)
class Encoder:
    """A set of ffmpeg's arguments.

    Attributes:
        name: By which it is asked for.
        codec: Of ffmpeg's encoder.
        arguments: Of the encoder.
        endings: Of output names that it suits, the usual one first.
        formats: Formats of samples that it takes, as ffmpeg names them; the first that holds the film's is taken.
        about: One line.
    """

    name: str
    codec: str
    arguments: tuple[str, ...]
    endings: tuple[str, ...]
    formats: tuple[str, ...]
    about: str


_DELIVERED = (".mkv", ".mp4", ".mov", ".m4v", ".ts")
_OF_X264 = ("gray", "yuv420p", "yuv422p", "yuv444p", "gray10le", "yuv420p10le", "yuv422p10le", "yuv444p10le")
_OF_X265 = (*_OF_X264, "gray12le", "yuv420p12le", "yuv422p12le", "yuv444p12le")
_OF_FFV1 = (
    *("gray", "yuv420p", "yuv422p", "yuv444p", "yuv440p", "yuv411p", "yuv410p", "bgr0"),
    *(f"yuv{kind}p{bits}le" for bits in (9, 10, 12, 14, 16) for kind in ("420", "422", "444")),
    *(f"gray{bits}le" for bits in (9, 10, 12, 16)),
    *(f"gbrp{bits}le" for bits in (9, 10, 12, 14, 16)),
)

_ALL = (
    Encoder(
        name="ffv1",
        codec="ffv1",
        arguments=("-level", "3", "-g", "1", "-slices", "4", "-slicecrc", "1"),
        endings=(".mkv", ".avi", ".nut"),
        formats=_OF_FFV1,
        about="lossless, each frame by itself and with a checksum: for archives",
    ),
    Encoder(
        name="x264",
        codec="libx264",
        arguments=("-preset", "slow", "-crf", "16"),
        endings=_DELIVERED,
        formats=_OF_X264,
        about="H.264 of high quality, which everything plays",
    ),
    Encoder(
        name="x265",
        codec="libx265",
        arguments=("-preset", "slow", "-crf", "17"),
        endings=_DELIVERED,
        formats=_OF_X265,
        about="H.265 of high quality: 10 and 12 bit, HDR",
    ),
    Encoder(
        name="svtav1",
        codec="libsvtav1",
        arguments=("-preset", "5", "-crf", "22"),
        endings=(".mkv", ".mp4", ".webm"),
        formats=("yuv420p", "yuv420p10le"),
        about="AV1 of good quality: small",
    ),
    Encoder(
        name="prores",
        codec="prores_ks",
        arguments=("-profile:v", "3", "-vendor", "apl0"),
        endings=(".mov", ".mkv"),
        formats=("yuv422p10le", "yuv444p10le"),
        about="ProRes 422 HQ, for editing; 4444 where the film is 4:4:4",
    ),
    Encoder(
        name="dnxhr",
        codec="dnxhd",
        arguments=("-profile:v", "dnxhr_hqx"),
        endings=(".mov", ".mxf", ".mkv"),
        formats=("yuv422p10le",),
        about="DNxHR HQX, for editing",
    ),
    Encoder(
        name="dpx",
        codec="dpx",
        arguments=(),
        endings=(".dpx",),
        formats=("rgb24", "gbrp10le", "gbrp12le", "rgb48be", "gray", "gray16be"),
        about="pictures, RGB of 8 to 16 bit",
    ),
    Encoder(
        name="tiff",
        codec="tiff",
        arguments=("-compression_algo", "lzw"),
        endings=(".tif", ".tiff"),
        formats=("rgb24", "rgb48le", "gray", "gray16le"),
        about="pictures, RGB of 8 or 16 bit",
    ),
    Encoder(
        name="png",
        codec="png",
        arguments=(),
        endings=(".png",),
        formats=("rgb24", "rgb48be", "gray", "gray16be"),
        about="pictures, RGB of 8 or 16 bit",
    ),
    Encoder(
        name="exr",
        codec="exr",
        arguments=("-compression", "zip16"),
        endings=(".exr",),
        formats=("gbrpf32le", "grayf32le"),
        about="pictures, RGB of floats",
    ),
)

ENCODERS: Mapping[str, Encoder] = {encoder.name: encoder for encoder in _ALL}
"""By name."""

OLDEST = (5, 1)
"""Version of ffmpeg that knows -fps_mode."""

PLAIN = "none"
"""The encoder of which ffmpeg's arguments are the user's own."""


def encoder_of(name: str, output: str, ffmpeg: tuple[str, ...]) -> Encoder | None:
    """The encoder that is asked for, or suits the output's name; None where the arguments name one themselves.

    Raises:
        SettingError: There is none of that name, or none that suits.
    """
    ending = Path(output).suffix.lower()
    is_named = any(argument in ("-c:v", "-vcodec", "-codec:v", "-c:v:0") for argument in ffmpeg)
    if name == PLAIN and not is_named:
        raise SettingError("encoder", f"{PLAIN} only where --ffmpeg names one, such as -c:v libx264", name)
    if name == PLAIN or (not name and is_named):
        return None
    if name:
        if name not in ENCODERS:
            raise SettingError("encoder", f"one of {', '.join(ENCODERS)}, or {PLAIN}", name)
        encoder = ENCODERS[name]
        if ending not in encoder.endings:
            raise SettingError("output", f"a file of {', '.join(encoder.endings)} for the encoder {name}", output)
        return encoder
    usual = {".mkv": "ffv1", ".avi": "ffv1", ".nut": "ffv1", ".mov": "prores", ".mxf": "dnxhr", ".webm": "svtav1"}
    if ending in PICTURES:
        usual |= {end: encoder.name for encoder in ENCODERS.values() for end in encoder.endings if end in PICTURES}
    chosen = usual.get(ending, "x264" if ending in _DELIVERED else "")
    if not chosen:
        known = sorted({end for encoder in ENCODERS.values() for end in encoder.endings})
        raise SettingError("output", f"a file of {', '.join(known)}", output)
    return ENCODERS[chosen]


def is_pictures(output: str) -> bool:
    """Whether an output is a sequence of pictures."""
    return Path(output).suffix.lower() in PICTURES


def stored_as(form: VideoFormat) -> str:
    """The name that ffmpeg has for a clip's format as its planes are sent: green, blue, red for RGB.

    Raises:
        EngineError: It has none.
    """
    name = {"GRAY": "gray", "RGB": "gbrp"}.get(form.family, "")
    if form.family == "YUV":
        kinds = {(1, 1): "420", (1, 0): "422", (0, 0): "444", (0, 1): "440", (2, 0): "411", (2, 2): "410"}
        if (form.subsampling_w, form.subsampling_h) not in kinds:
            raise EngineError(f"ffmpeg must know the source's subsampling, got {form}")
        name = f"yuv{kinds[form.subsampling_w, form.subsampling_h]}p"
    if form.is_float:
        if form.family == "YUV":
            raise EngineError("ffmpeg has no YUV of floats: convert the source to integers or RGB")
        return f"{name}f32le"
    if form.bits in (11, 13, 15):
        raise EngineError(f"ffmpeg has no samples of {form.bits} bits: convert the source to {form.bits + 1}")
    return name if form.bits == 8 else f"{name}{form.bits}le"


def encoded_as(encoder: Encoder, stored: str) -> str:
    """The format of samples that an encoder is given: the film's own where it takes that, else what loses least."""
    if stored in encoder.formats:
        return stored
    return max(encoder.formats, key=lambda name: _likeness(name, stored))


def _likeness(name: str, stored: str) -> tuple[int, ...]:
    """How well one format holds what is in another, larger for better."""

    def facts(text: str) -> tuple[str, int, int]:
        family = "gray" if text.startswith("gray") else "yuv" if text.startswith("yuv") else "rgb"
        kinds = {"420": 2, "440": 2, "422": 3, "444": 4, "411": 2, "410": 1}
        colour = {"gray": 0, "rgb": 4}.get(family, kinds.get(text[3:6], 4))
        digits = text.split("p", 1)[1] if family == "yuv" else text
        digits = digits.replace("bgr0", "8").replace("rgb24", "8").replace("rgb48", "16")
        found = "".join(c for c in digits if c.isdigit())
        bits = 32 if "f32" in text else int(found or 8)
        return family, colour, bits

    (family, colour, bits), (wanted, wanted_colour, wanted_bits) = facts(name), facts(stored)
    # What is halved in the other direction, or quartered in one, is held by more than as many samples.
    wanted_colour = {"yuv440": 4, "yuv411": 3}.get(stored[:6], wanted_colour)
    same = 2 if family == wanted else 1 if wanted == "gray" else 0
    return same, min(colour, wanted_colour), min(bits, wanted_bits), -colour, -bits


@cache
def ffmpeg_program() -> str:
    """The ffmpeg to run: the system's, else the one that the package imageio-ffmpeg carries.

    Raises:
        EngineError: There is neither, or none that is new enough.
    """
    found = [path] if (path := shutil.which("ffmpeg")) else []
    try:
        import imageio_ffmpeg

        found.append(str(imageio_ffmpeg.get_ffmpeg_exe()))
    except (ImportError, RuntimeError):  # the second where the package came without a program
        pass
    versions = {program: _version_of(program) for program in found}
    for program, version in versions.items():
        if version >= OLDEST:
            return program
    said = ", ".join(f"{program} of version {major}.{minor}" for program, (major, minor) in versions.items()) or "none"
    raise EngineError(
        f"ffmpeg must be on the PATH, {OLDEST[0]}.{OLDEST[1]} or newer, got {said}: pip install imageio-ffmpeg"
    )


def _version_of(program: str) -> tuple[int, int]:
    """Of an ffmpeg; one that was built from no release counts as new."""
    answer = subprocess.run([program, "-version"], capture_output=True, text=True, check=False).stdout
    match = re.match(r"ffmpeg version n?(\d+)\.(\d+)", answer)
    return (int(match[1]), int(match[2])) if match else (99, 0)


@cache
def _encoders_of(program: str) -> str:
    answer = subprocess.run([program, "-hide_banner", "-encoders"], capture_output=True, text=True, check=False)
    return answer.stdout


def require_codec(codec: str) -> None:
    """Refuse an encoder that the ffmpeg here lacks, before hours are spent on frames for it.

    Raises:
        EngineError: It is not there.
    """
    names = {line.split()[1] for line in _encoders_of(ffmpeg_program()).splitlines() if len(line.split()) > 1}
    if codec not in names:
        raise EngineError(
            f"ffmpeg must have the encoder {codec}, which {ffmpeg_program()} lacks: take another encoder or ffmpeg"
        )
