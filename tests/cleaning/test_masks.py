"""Masks: from films of any kind, and made from arguments."""

import films
import numpy as np
import pytest
import vapoursynth as vs
from clips import clip_of, planes_of
from scenes import video_format

from vsdfvi.cleaning.masks import LETTERS_GROWN, binary, is_made, open_mask
from vsdfvi.cleaning.opening import open_film
from vsdfvi.errors import FormatError, SettingError

WIDTH, HEIGHT, FRAMES = 64, 48, 6


def blank(length=FRAMES, **options):
    return vs.core.std.BlankClip(format=vs.YUV420P8, width=WIDTH, height=HEIGHT, length=length, **options)


def hole_of(clip, n=0) -> np.ndarray:
    picture = planes_of(clip, n)[0]
    assert set(np.unique(picture)) <= {0, 255}
    return picture == 255


def box(y0, y1, x0, x1) -> np.ndarray:
    hole = np.zeros((HEIGHT, WIDTH), bool)
    hole[y0:y1, x0:x1] = True
    return hole


MADE = {
    "rectangle:20,12,10,8": box(12, 20, 20, 30),
    "rectangle:-14,-10,12,8": box(38, 46, 50, 62),
    "rectangle:0,0,50%,25%": box(0, 12, 0, 32),
    "rectangle:25%,50%,25%,50%": box(24, 48, 16, 32),
    "rectangle: 0, 0, 64, 48": box(0, 48, 0, 64),
    "band:top,10": box(0, 10, 0, 64),
    "band:bottom,10": box(38, 48, 0, 64),
    "band:bottom,12.5%": box(42, 48, 0, 64),
}


@pytest.mark.parametrize("spec", MADE)
def test_made_masks(spec):
    mask = open_mask((spec,), blank())
    assert (mask.format.id, mask.width, mask.height, len(mask)) == (vs.GRAY8, WIDTH, HEIGHT, 1)
    assert np.array_equal(hole_of(mask), MADE[spec])


@pytest.mark.parametrize("spec", [
    "rectangle:60,0,10,10", "rectangle:0,0,0,10", "rectangle:-70,0,10,10", "rectangle:1,2,3", "rectangle:1.5,2,3,4",
    "rectangle:a,2,3,4", "band:middle,10", "band:top,0", "band:top,49", "band:top,110%", "band:top,10,200",
    "letters:bottom,10,0", "letters:bottom,10,256", "letters:bottom,10,x", "letters:bottom,10,200,1",
])  # fmt: skip
def test_made_masks_that_are_none(spec):
    with pytest.raises(SettingError, match=f"mask must be .*, got '{spec}'"):
        open_mask((spec,), blank())


@pytest.mark.parametrize(
    "format_",
    [vs.YUV420P8, vs.YUV420P16, vs.GRAY10, vs.RGB24, vs.RGBS],
    ids=lambda form: vs.PresetVideoFormat(form).name,
)
def test_letters_are_what_is_bright_in_the_band_of_each_frame(format_):
    dark, bright = np.full((FRAMES, HEIGHT, WIDTH), 40, np.uint8), 235
    for n in range(FRAMES):
        dark[n, 40, 10 + 5 * n] = bright
    dark[:, 5, 5] = bright  # outside the band
    gray = clip_of([(picture,) for picture in dark], video_format("GRAY", size=(HEIGHT, WIDTH), frames=FRAMES))
    clip = gray.resize.Point(
        format=format_,
        range_in=1,
        range=1,
        **({} if format_ in (vs.RGB24, vs.RGBS) else {"matrix": 1}),
        **({"matrix_in": 1} if format_ in (vs.RGB24, vs.RGBS) else {}),
    )
    mask = open_mask(("letters:bottom,20",), clip)
    assert len(mask) == FRAMES
    for n in range(FRAMES):
        grown = LETTERS_GROWN
        wanted = box(40 - grown, 40 + grown + 1, 10 + 5 * n - grown, 10 + 5 * n + grown + 1)
        assert np.array_equal(hole_of(mask, n), wanted)


def test_a_name_that_is_a_file_is_no_made_mask(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert is_made("band:top,10")
    (tmp_path / "band:top,10").touch()
    assert not is_made("band:top,10")
    assert not is_made("band")


KINDS = {
    "gray": "gray", "yuv420p": "yuv420p", "rgb": "bgr0", "gray10": "gray10le", "yuv444p16": "yuv444p16le",
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_every_frame_of_a_mask_film_counts(kind, tmp_path):
    holes = np.stack([box(4 + n, 20 + n, 8 + 3 * n, 20 + 3 * n) for n in range(FRAMES)])
    path = tmp_path / "mask.mkv"
    films.run_ffmpeg(
        *("-f", "rawvideo", "-pix_fmt", "gray", "-s", f"{WIDTH}x{HEIGHT}", "-r", "24", "-i", "-"),
        *("-pix_fmt", KINDS[kind], *films.FFV1, str(path)),
        sent=(holes * np.uint8(255)).tobytes(),
    )
    mask = open_mask((str(path),), blank())
    assert len(mask) == FRAMES
    for n in range(FRAMES):
        assert np.array_equal(hole_of(mask, n), holes[n])


@pytest.mark.parametrize(("level", "is_hole"), [(127, False), (128, True)])
def test_half_is_the_threshold(level, is_hole):
    assert bool(hole_of(binary(blank(color=[level, 128, 128]))).all()) is is_hole


def test_the_colour_of_a_mask_of_colours_does_not_count():
    red = vs.core.std.BlankClip(format=vs.RGB24, width=WIDTH, height=HEIGHT, length=1, color=[255, 0, 0])
    assert hole_of(binary(red)).all()


def test_masks_are_joined(tmp_path):
    path = films.film(tmp_path / "mask.mkv", frames=FRAMES)
    mask = open_mask(("band:top,5", str(path), "rectangle:0,40,8,8"), blank())
    assert len(mask) == FRAMES
    for n in range(FRAMES):
        own = films.luma(FRAMES)[n] > 127
        assert np.array_equal(hole_of(mask, n), own | box(0, 5, 0, 64) | box(40, 48, 0, 8))


def test_what_does_not_fit_is_refused(tmp_path):
    wide = films.film(tmp_path / "wide.mkv", frames=FRAMES, size=(48, 80))
    with pytest.raises(FormatError, match=r"mask must be 64x48 as the source, got 80x48: .*wide\.mkv"):
        open_mask((str(wide),), blank())
    short = films.film(tmp_path / "short.mkv", frames=3)
    with pytest.raises(FormatError, match=r"mask must be 1 frame or 6 as the source, got 3: .*short\.mkv"):
        open_mask((str(short),), blank())
    with pytest.raises(SettingError, match="mask must be a film, or one that is made: rectangle, band or letters"):
        open_mask((), blank())
    assert len(open_film(str(short)).clip) == 3
