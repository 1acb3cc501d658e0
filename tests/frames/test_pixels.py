"""Sample formats: sizes of planes, luma to compute on, what codes stand for, and the way back to samples."""

import numpy as np
import pytest
import scenes
from tolerance import assert_same_bits

from vsdfvi.frames.pixels import LUMA_WEIGHTS, Colours, Frame, VideoFormat, luma, to_samples

DEPTHS = [(8, False), (9, False), (10, False), (12, False), (14, False), (16, False), (16, True), (32, True)]


@pytest.mark.parametrize(
    ("family", "subsampling", "planes", "shapes"),
    [
        ("GRAY", (0, 0), 1, [(48, 64)]),
        ("RGB", (0, 0), 3, [(48, 64)] * 3),
        ("YUV", (0, 0), 3, [(48, 64)] * 3),
        ("YUV", (1, 0), 3, [(48, 64), (48, 32), (48, 32)]),
        ("YUV", (0, 1), 3, [(48, 64), (24, 64), (24, 64)]),
        ("YUV", (1, 1), 3, [(48, 64), (24, 32), (24, 32)]),
        ("YUV", (2, 0), 3, [(48, 64), (48, 16), (48, 16)]),
        ("YUV", (2, 2), 3, [(48, 64), (12, 16), (12, 16)]),
    ],
)
def test_planes_and_their_sizes(family, subsampling, planes, shapes):
    form = scenes.video_format(family, subsampling=subsampling, size=(48, 64))
    assert form.planes == planes
    assert [form.plane_shape(plane) for plane in range(planes)] == shapes


@pytest.mark.parametrize(
    ("bits", "is_float", "dtype", "peak"),
    [
        (8, False, "uint8", 255),
        (9, False, "uint16", 511),
        (10, False, "uint16", 1023),
        (12, False, "uint16", 4095),
        (14, False, "uint16", 16383),
        (16, False, "uint16", 65535),
        (16, True, "float16", 1),
        (32, True, "float32", 1),
    ],
)
def test_samples_and_their_peak(bits, is_float, dtype, peak):
    form = scenes.video_format("GRAY", bits=bits, is_float=is_float)
    assert form.dtype == np.dtype(dtype)
    assert form.peak == peak


def test_subsampling_is_of_chroma_only():
    form = VideoFormat(
        family="RGB", is_float=False, bits=8, subsampling_w=1, subsampling_h=1, width=16, height=16, frames=1
    )
    assert [form.subsampling(plane) for plane in range(3)] == [(0, 0)] * 3


@pytest.mark.parametrize(("bits", "is_float"), DEPTHS, ids=str)
@pytest.mark.parametrize("family", ["GRAY", "YUV"])
def test_luma_is_the_first_plane_on_a_scale_of_255(family, bits, is_float):
    form = scenes.video_format(family, bits=bits, is_float=is_float, size=(24, 32), frames=1)
    frame = Frame(scenes.noise(form).truth[0])
    found = luma(frame, form, (5, 3, 20, 18))
    expected = frame.planes[0][3:18, 5:20].astype(np.float64) * 255 / form.peak
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=3e-7, atol=0)


@pytest.mark.parametrize(("bits", "is_float"), DEPTHS, ids=str)
def test_luma_of_rgb_is_weighted(bits, is_float):
    form = scenes.video_format("RGB", bits=bits, is_float=is_float, size=(24, 32), frames=1)
    frame = Frame(scenes.noise(form).truth[0])
    red, green, blue = (plane.astype(np.float64) for plane in frame.planes)
    expected = (0.2126 * red + 0.7152 * green + 0.0722 * blue) * 255 / form.peak
    assert sum(LUMA_WEIGHTS) == pytest.approx(1)
    np.testing.assert_allclose(luma(frame, form, (0, 0, 32, 24)), expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize("bits", [16, 32])
@pytest.mark.parametrize("family", ["GRAY", "RGB"])
def test_luma_of_any_float_is_a_number_within_the_scale(family, bits):
    form = scenes.video_format(family, bits=bits, is_float=True, size=(1, 6), frames=1)
    row = np.array([[np.nan, np.inf, -np.inf, -3, 7, 0.5]], form.dtype)
    found = luma(Frame((row,) * form.planes), form, (0, 0, 6, 1))
    np.testing.assert_allclose(found, [[0, 255, 0, 0, 255, 127.5]], rtol=1e-6)


@pytest.mark.parametrize(("bits", "is_float"), DEPTHS, ids=str)
def test_samples_come_back_as_they_were(bits, is_float):
    form = scenes.video_format("GRAY", bits=bits, is_float=is_float, size=(16, 16), frames=1)
    [plane] = scenes.noise(form).truth[0]
    assert_same_bits(to_samples(plane.astype(np.float32), form), plane)


@pytest.mark.parametrize("bits", [8, 10, 16])
def test_integers_are_rounded_and_held_inside_their_codes(bits):
    form = scenes.video_format("GRAY", bits=bits)
    peak = int(form.peak)
    values = np.array([-1e9, -0.6, 0.49, 0.5, 1.5, peak - 0.4, peak + 0.6, 1e9], np.float32)
    # Halves round up; at 16 bits peak - 0.4 is a number of float32 that still rounds to the peak.
    assert to_samples(values, form).tolist() == [0, 0, 0, 1, 2, peak, peak, peak]


def test_floats_are_not_clipped():
    form = scenes.video_format("GRAY", bits=32, is_float=True)
    values = np.array([-0.25, 1.5, 1e-30], np.float32)
    assert_same_bits(to_samples(values, form), values)


# What codes stand for. That colours have the codes which VapourSynth gives them is seen in engine/test_views.py.

SAID = [{}, *({"_Matrix": matrix, "_Range": full} for matrix in (1, 4, 6, 7, 9) for full in (0, 1))]


@pytest.mark.parametrize("said", SAID, ids=str)
@pytest.mark.parametrize(("bits", "is_float"), DEPTHS, ids=str)
@pytest.mark.parametrize("family", ["GRAY", "YUV", "RGB"])
def test_codes_and_their_numbers_answer_each_other(family, bits, is_float, said):
    form = scenes.video_format(family, bits=bits, is_float=is_float, subsampling=(0, 0), size=(16, 16), frames=1)
    colours = Colours(Frame((), said), form)
    for plane, samples in enumerate(scenes.noise(form).truth[0]):
        numbers = colours.numbers(plane, samples)
        low, high = (-0.5, 0.5) if colours.is_chroma(plane) else (0, 1)
        inside = (numbers >= low) & (numbers <= high)
        back = to_samples(colours.codes(plane, numbers), form)
        assert inside.mean() > 0.5
        assert_same_bits(back[inside], samples[inside])
        beyond = colours.codes(plane, np.array([-9, 9], np.float32))
        np.testing.assert_allclose(beyond, colours.codes(plane, np.array([low, high], np.float32)))


@pytest.mark.parametrize("said", SAID, ids=str)
@pytest.mark.parametrize("family", ["YUV", "RGB"])
def test_red_green_and_blue_come_back(family, said):
    colours = Colours(Frame((), said), scenes.video_format(family))
    rgb = np.random.default_rng(1).random((3, 40), np.float32)
    np.testing.assert_allclose(colours.to_rgb(colours.from_rgb(rgb)), rgb, rtol=0, atol=1e-6)


def test_grey_is_the_mean_of_three_and_stands_in_all_three():
    colours = Colours(Frame(()), scenes.video_format("GRAY"))
    [grey] = colours.from_rgb(np.array([[0.1], [0.2], [0.6]], np.float32))
    assert grey == pytest.approx(0.3)
    assert_same_bits(colours.to_rgb([grey]), np.stack([grey, grey, grey]))


def test_an_unsaid_range_is_full_for_rgb_alone():
    for family, black in (("GRAY", 16), ("YUV", 16), ("RGB", 0)):
        colours = Colours(Frame(()), scenes.video_format(family))
        assert colours.codes(0, np.zeros(1, np.float32)) == black
