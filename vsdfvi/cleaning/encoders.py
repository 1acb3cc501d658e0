"""Sets of ffmpeg's arguments by what a film is for, and the formats of samples that each takes."""

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
    "gray", "yuv420p", "yuv422p", "yuv444p", "yuv440p", "yuv411p", "yuv410p",
    *(f"{kind}{bits}le" for bits in (9, 10, 12, 14, 16)
      for kind in ("yuv420p", "yuv422p", "yuv444p") if (kind, bits) != ("", 0)),
    "gray9le", "gray10le", "gray12le", "gray16le", "bgr0",
    "gbrp9le", "gbrp10le", "gbrp12le", "gbrp14le", "gbrp16le",
)  # fmt: skip

ENCODERS: Mapping[str, Encoder] = {
    encoder.name: encoder
    for encoder in (
        Encoder(
            "ffv1", "ffv1", ("-level", "3", "-g", "1", "-slices", "4", "-slicecrc", "1"), (".mkv", ".avi", ".nut"), _OF_FFV1,
            "lossless, each frame by itself and with a checksum: for archives",
        ),
        Encoder(
            "x264", "libx264", ("-preset", "slow", "-crf", "16"), _DELIVERED, _OF_X264,
            "H.264 of high quality, which everything plays",
        ),
        Encoder(
            "x265", "libx265", ("-preset", "slow", "-crf", "17"), _DELIVERED, _OF_X265,
            "H.265 of high quality: 10 and 12 bit, HDR",
        ),
        Encoder(
            "svtav1", "libsvtav1", ("-preset", "5", "-crf", "22"), (".mkv", ".mp4", ".webm"), ("yuv420p", "yuv420p10le"),
            "AV1 of good quality: small",
        ),
        Encoder(
            "prores", "prores_ks", ("-profile:v", "3", "-vendor", "apl0"), (".mov", ".mkv"),
            ("yuv422p10le", "yuv444p10le"),
            "ProRes 422 HQ, for editing; 4:4:4 where the film is",
        ),
        Encoder(
            "dnxhr", "dnxhd", ("-profile:v", "dnxhr_hqx"), (".mov", ".mxf", ".mkv"), ("yuv422p10le",),
            "DNxHR HQX, for editing",
        ),
        Encoder("dpx", "dpx", (), (".dpx",), ("gbrp10le", "gbrp12le", "rgb48be", "gray10le"), "pictures, 10 to 16 bit RGB"),
        Encoder("tiff", "tiff", ("-compression_algo", "lzw"), (".tif", ".tiff"), ("rgb24", "rgb48le", "gray", "gray16le"),
                "pictures, 8 or 16 bit RGB"),
        Encoder("png", "png", (), (".png",), ("rgb24", "rgb48be", "gray", "gray16be"), "pictures, 8 or 16 bit RGB"),
        Encoder("exr", "exr", ("-compression", "zip16"), (".exr",), ("gbrpf32le", "grayf32le"), "pictures, float RGB"),
    )
}  # fmt: skip
"""By name."""

PLAIN = "none"
"""The encoder of which ffmpeg's arguments are the user's own."""


def encoder_of(name: str, output: str, ffmpeg: tuple[str, ...]) -> Encoder | None:
    """The encoder that is asked for, or suits the output's name; None where the arguments name one themselves.

    Raises:
        SettingError: There is none of that name, or none that suits.
    """
    ending = Path(output).suffix.lower()
    if not name and any(argument in ("-c:v", "-vcodec", "-codec:v", "-c:v:0") for argument in ffmpeg):
        return None
    if name == PLAIN:
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
        colour = (
            {"420": 1, "440": 2, "422": 2, "444": 3, "411": 1, "410": 0}.get(text[3:6], 3) if family == "yuv" else 3
        )
        digits = text.split("p", 1)[1] if family == "yuv" else text
        found = "".join(c for c in digits.replace("rgb24", "8").replace("rgb48", "16") if c.isdigit())
        bits = 32 if "f32" in text else int(found or 8)
        return family, colour, bits

    (family, colour, bits), (wanted, wanted_colour, wanted_bits) = facts(name), facts(stored)
    same = 2 if family == wanted else 1 if wanted == "gray" else 0
    return same, min(colour, wanted_colour), min(bits, wanted_bits), -colour, -bits


@cache
def ffmpeg_program() -> str:
    """The ffmpeg to run: the system's, else the one that the package imageio-ffmpeg carries.

    Raises:
        EngineError: There is neither.
    """
    found = shutil.which("ffmpeg")
    if found:
        return found
    try:
        import imageio_ffmpeg
    except ImportError:
        raise EngineError("ffmpeg must be on the PATH, or come with: pip install imageio-ffmpeg") from None
    return str(imageio_ffmpeg.get_ffmpeg_exe())


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
            f"ffmpeg must have the encoder {codec}, and {ffmpeg_program()} has not: take another encoder, or another ffmpeg"
        )
