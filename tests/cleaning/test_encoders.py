"""Which encoder suits a name, which format of samples it is given, and that ffmpeg takes what is said of it."""

import re
import subprocess

import pytest
from scenes import video_format

from vsdfvi.cleaning.encoders import ENCODERS, encoded_as, encoder_of, ffmpeg_program, stored_as
from vsdfvi.errors import EngineError, SettingError


@pytest.mark.parametrize(("output", "name"), [
    ("a.mkv", "ffv1"), ("a.avi", "ffv1"), ("a.nut", "ffv1"), ("a.mov", "prores"), ("a.mxf", "dnxhr"), ("a.mp4", "x264"),
    ("a.M4V", "x264"), ("a.ts", "x264"), ("a.webm", "svtav1"), ("a_%d.dpx", "dpx"), ("a_%d.tif", "tiff"),
    ("a_%d.tiff", "tiff"), ("a_%d.png", "png"), ("a_%d.exr", "exr"),
])  # fmt: skip
def test_an_ending_has_a_usual_encoder(output, name):
    assert encoder_of("", output, ()).name == name


def test_arguments_may_name_one():
    assert encoder_of("", "a.mkv", ("-c:v", "libvpx-vp9")) is None
    assert encoder_of("none", "a.mkv", ("-c:v", "libvpx-vp9")) is None
    with pytest.raises(SettingError, match="encoder must be none only where --ffmpeg names one"):
        encoder_of("none", "a.mkv", ("-crf", "20"))


@pytest.mark.parametrize(("encoder", "stored", "taken"), [
    ("x264", "yuv420p10le", "yuv420p10le"), ("x264", "yuv420p12le", "yuv420p10le"), ("x264", "yuv440p", "yuv444p"),
    ("x265", "yuv420p12le", "yuv420p12le"), ("x264", "gbrp", "yuv444p"), ("ffv1", "gbrp", "bgr0"),
    ("ffv1", "gbrp16le", "gbrp16le"), ("prores", "yuv420p", "yuv422p10le"), ("prores", "yuv444p", "yuv444p10le"),
    ("prores", "gbrp12le", "yuv444p10le"), ("dnxhr", "yuv444p", "yuv422p10le"),
    ("svtav1", "yuv422p10le", "yuv420p10le"), ("x264", "yuv411p", "yuv422p"), ("x264", "gray10le", "gray10le"),
    ("dpx", "gbrp", "rgb24"), ("dpx", "gbrp10le", "gbrp10le"), ("dpx", "gbrp16le", "rgb48be"), ("dpx", "gray", "gray"),
    ("dpx", "gray16le", "gray16be"), ("dpx", "gray10le", "gray16be"), ("tiff", "gbrp", "rgb24"),
    ("tiff", "gbrp10le", "rgb48le"), ("png", "gbrp16le", "rgb48be"), ("png", "yuv420p", "rgb24"),
    ("exr", "gbrpf32le", "gbrpf32le"), ("exr", "gbrp16le", "gbrpf32le"), ("exr", "grayf32le", "grayf32le"),
])  # fmt: skip
def test_samples_keep_what_an_encoder_can_hold(encoder, stored, taken):
    assert encoded_as(ENCODERS[encoder], stored) == taken


@pytest.mark.parametrize("name", ENCODERS)
def test_ffmpeg_takes_every_format_that_is_said(name):
    encoder = ENCODERS[name]
    told = subprocess.run([ffmpeg_program(), "-hide_banner", "-h", f"encoder={encoder.codec}"], capture_output=True,
                          text=True, check=True).stdout  # fmt: skip
    if "Supported pixel formats" not in told:
        pytest.skip(f"needs an ffmpeg with {encoder.codec}, which {ffmpeg_program()} lacks")
    taken = re.search(r"Supported pixel formats: (.*)", told)[1].split()
    assert set(encoder.formats) <= set(taken)


@pytest.mark.parametrize(("options", "name"), [
    ({}, "yuv420p"), ({"bits": 10}, "yuv420p10le"), ({"family": "RGB"}, "gbrp"),
    ({"family": "GRAY", "bits": 16}, "gray16le"),
])  # fmt: skip
def test_formats_have_names(options, name):
    assert stored_as(video_format(**options, size=(16, 16), frames=1)) == name


def test_formats_without_names_are_refused():
    with pytest.raises(EngineError, match="ffmpeg has no samples of 11 bits: convert the source to 12"):
        stored_as(video_format(bits=11, size=(16, 16), frames=1))
