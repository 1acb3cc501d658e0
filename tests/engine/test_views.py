"""The views: colours as the clip's format has them, in the hole what they stand for, outside it the dimmed picture."""

import numpy as np
import pytest
import vapoursynth as vs
from skimage.color import rgb2lab

from vsdfvi.engine import account, views
from vsdfvi.engine.account import Repair, repair_of
from vsdfvi.engine.cache import Cache
from vsdfvi.engine.footage import Footage
from vsdfvi.engine.inpainter import Inpainter
from vsdfvi.engine.propagation import HolePixels, Trajectories, hole_pixels
from vsdfvi.engine.surroundings import Ring
from vsdfvi.engine.tracing import RingFill, Traced
from vsdfvi.engine.views import render
from vsdfvi.frames.pixels import LUMA_WEIGHTS, Frame, VideoFormat
from vsdfvi.kernels import HOST, LOST, Workers, pack
from vsdfvi.settings import CHOICES, Settings

WIDTH, HEIGHT, FRAMES = 32, 24, 3
HOLE = np.s_[8:14, 10:18]
VIEWS = [view for view in CHOICES["view"] if view != "result"]
DRAWN = ["difference", "source", "confidence", "invented"]


def video_format(family="YUV", bits=8, is_float=False, subsampling=(0, 0), frames=FRAMES, height=HEIGHT):
    right, down = subsampling
    return VideoFormat(
        family=family, is_float=is_float, bits=bits, subsampling_w=right, subsampling_h=down, width=WIDTH,
        height=height, frames=frames,
    )  # fmt: skip


FORMATS = {
    "GRAY8": video_format("GRAY"),
    "GRAY16": video_format("GRAY", 16),
    "GRAYS": video_format("GRAY", 32, True),
    "YUV420P8": video_format(subsampling=(1, 1)),
    "YUV422P10": video_format(bits=10, subsampling=(1, 0)),
    "YUV410P8": video_format(subsampling=(2, 2)),
    "YUV444P16": video_format(bits=16),
    "YUV444PH": video_format(bits=16, is_float=True),
    "YUV420PS": video_format(bits=32, is_float=True, subsampling=(1, 1)),
    "RGB24": video_format("RGB"),
    "RGB48": video_format("RGB", 16),
    "RGBS": video_format("RGB", 32, True),
}


def make_footage(form, planes, hole=HOLE, properties=None, **settings):
    """Footage whose every frame is these planes, with one still hole; None for no hole."""
    mask_format = video_format("GRAY", frames=1, height=form.height)
    mask = np.zeros((form.height, form.width), np.uint8)
    if hole is not None:
        mask[hole] = 255
    footage = Footage(Settings(threads=1, **settings), form, mask_format, Cache(1 << 24), Workers(1))
    frame = Frame(tuple(planes), {"_SceneChangeNext": 0, "_SceneChangePrev": 0, **(properties or {})})
    footage.lend(dict.fromkeys(range(form.frames), frame), {0: Frame((mask,))})
    return footage


def flat(form, *codes):
    return [np.full(form.plane_shape(plane), codes[plane], form.dtype) for plane in range(form.planes)]


def noise(form):
    random = np.random.default_rng(1)
    planes = []
    for plane in range(form.planes):
        values = random.random(form.plane_shape(plane))
        if form.is_float:
            planes.append((values - 0.5 * (form.family == "YUV" and plane > 0)).astype(form.dtype))
        else:
            planes.append((values * form.peak).astype(form.dtype))
    return planes


def repaired(footage, planes, distance=0, confidence=0.0):
    """A repair that takes its samples from these planes."""
    pixels = hole_pixels(footage, 0)
    samples = tuple(
        plane[row, column] for plane, row, column in zip(planes, pixels.row, pixels.column, strict=True)
    )  # fmt: skip
    count = pixels.count
    return Repair(
        pixels, samples, np.full(count, distance, np.int32), np.full(count, confidence, np.float32),
        np.full(count, distance != 0, np.uint8),
    )  # fmt: skip


def untouched(form, plane):
    """Samples of a plane that cover no pixel of the hole."""
    right, down = form.subsampling(plane)
    hole = np.zeros((form.height, form.width), bool)
    hole[HOLE] = True
    return ~hole.reshape(form.height >> down, 1 << down, form.width >> right, 1 << right).any(axis=(1, 3))


def no_flow(footage):
    """Footage whose flow is zero, so that no view waits for an estimate."""
    footage.flow = lambda pair: pack(
        [(x0, y0) for x0, y0, _, _ in footage.boxes(pair)],
        [np.zeros((4, y1 - y0, x1 - x0), np.float32) for x0, y0, x1, y1 in footage.boxes(pair)],
    )
    return footage


# Colours.


def by_vapoursynth(form, ink, **properties):
    """What VapourSynth makes of a colour in this format, with these properties."""
    core = vs.core
    red, green, blue, grey = ink
    family = {"GRAY": vs.GRAY, "YUV": vs.YUV, "RGB": vs.RGB}[form.family]
    target = core.query_video_format(family, vs.FLOAT if form.is_float else vs.INTEGER, form.bits, 0, 0)
    options = {"range": properties.get("_Range", 1 if form.family == "RGB" else 0)}
    if form.family == "YUV":
        options["matrix"] = properties["_Matrix"]
    source = (vs.GRAYS, [grey]) if form.family == "GRAY" else (vs.RGBS, [red, green, blue])
    clip = core.std.BlankClip(format=source[0], color=source[1], width=16, height=16, length=1)
    with clip.resize.Point(format=target.id, **options).get_frame(0) as frame:
        return [np.asarray(plane)[0, 0] for plane in frame]


CODED = [
    *(("YUV", bits, is_float, {"_Matrix": matrix, "_Range": full})
      for bits, is_float in ((8, False), (10, False), (16, False), (32, True))
      for matrix in (1, 4, 5, 6, 7, 9) for full in (0, 1)),
    *((family, bits, is_float, {"_Range": full})
      for family in ("GRAY", "RGB") for bits, is_float in ((8, False), (12, False), (16, True)) for full in (0, 1)),
    ("GRAY", 8, False, {}),
    ("RGB", 8, False, {}),
]  # fmt: skip


@pytest.mark.parametrize(("family", "bits", "is_float", "properties"), CODED)
def test_a_colour_has_the_codes_that_vapoursynth_gives_it(family, bits, is_float, properties):
    form = video_format(family, bits, is_float)
    planes = flat(form, 0, 0, 0)
    footage = make_footage(form, planes, properties=properties)
    for distance, ink in ((0, views._INVENTED), (-1, views._EARLIER[0]), (1, views._LATER[0])):
        drawn = render(footage, 0, "source", repaired(footage, planes, distance))
        expected = by_vapoursynth(form, ink, **properties)
        for plane, value in zip(drawn, expected, strict=True):
            if is_float:
                assert plane[HOLE] == pytest.approx(float(value), abs=2e-3 if bits == 16 else 1e-6)
            else:
                # One code: VapourSynth rounds a half to even, and at 16 bits float32 has steps of its own.
                assert np.abs(plane[HOLE].astype(int) - int(value)).max() <= 1


@pytest.mark.parametrize(("height", "matrix"), [(576, 6), (720, 1)])
@pytest.mark.parametrize("properties", [{}, {"_Matrix": 2}])
def test_an_unsaid_matrix_follows_the_height(height, matrix, properties):
    form = video_format(height=height)
    planes = flat(form, 16, 128, 128)
    drawn = []
    for said in (properties, {"_Matrix": matrix}):
        footage = make_footage(form, planes, properties=said)
        drawn.append(render(footage, 0, "source", repaired(footage, planes)))
    np.testing.assert_array_equal(drawn[0], drawn[1])


# Outside the hole, and without one.


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
def test_a_view_has_the_clips_format_and_the_hole_alone_is_drawn_on(form, view):
    planes = noise(form)
    whole, holed = make_footage(form, planes, hole=None), no_flow(make_footage(form, planes))
    without = render(whole, 0, view, None)
    drawn = render(holed, 0, view, repaired(holed, noise(form)[::-1] if form.planes == 1 else noise(form)))
    for plane, (source, plain, picture) in enumerate(zip(planes, without, drawn, strict=True)):
        assert plain.dtype == picture.dtype == source.dtype
        assert plain.shape == picture.shape == source.shape
        assert np.isfinite(picture.astype(np.float64)).all()
        if view != "flow":
            outside = untouched(form, plane)
            np.testing.assert_array_equal(picture[outside], plain[outside])
    if view != "difference":
        assert any((a != b).any() for a, b in zip(without, drawn, strict=True))


@pytest.mark.parametrize(
    ("form", "properties", "codes", "dimmed", "grey"),
    [
        ("YUV444P8", {}, (216, 228, 28), (116, 178, 78), (116, 128, 128)),
        ("YUV444P8", {"_Range": 1}, (200, 228, 28), (100, 178, 78), (100, 128, 128)),
        ("YUV422P10", {}, (864, 912, 112), (464, 712, 312), (464, 512, 512)),
        ("YUV420PS", {}, (0.5, -0.25, 0.5), (0.25, -0.125, 0.25), (0.25, 0, 0)),
        ("GRAY8", {}, (216,), (116,), (116,)),
        ("RGB24", {}, (200, 100, 0), (100, 50, 0), (57, 57, 57)),
    ],
)
def test_outside_the_hole_the_picture_has_half_its_brightness(form, properties, codes, dimmed, grey):
    form = video_format() if form == "YUV444P8" else FORMATS[form]
    footage = make_footage(form, flat(form, *codes), hole=None, properties=properties)
    for view, expected in (
        ("mask", dimmed), ("invented", dimmed), ("source", grey), ("confidence", grey), ("flow", grey)
    ):  # fmt: skip
        for plane, value in zip(render(footage, 1, view, None), expected, strict=True):
            assert (plane == value).all(), view


def test_what_is_not_a_number_and_what_is_out_of_range_is_held():
    form = FORMATS["RGBS"]
    planes = flat(form, np.nan, np.inf, -7)
    footage = no_flow(make_footage(form, planes))
    for view in VIEWS:
        for plane in render(footage, 0, view, repaired(footage, planes)):
            assert ((plane >= 0) & (plane <= 1)).all(), view


@pytest.mark.parametrize("name", ["YUV420P8", "RGBS"])
def test_the_source_frame_is_left_alone(name):
    form = FORMATS[name]
    planes = noise(form)
    planes[0][0, 0] = np.nan if form.is_float else 3
    kept = [plane.copy() for plane in planes]
    footage = no_flow(make_footage(form, planes))
    for view in VIEWS:
        render(footage, 0, view, repaired(footage, planes))
    for before, after in zip(kept, planes, strict=True):
        np.testing.assert_array_equal(before, after)


# What each shows.


def test_mask_lays_red_over_the_hole():
    form = FORMATS["RGB24"]
    planes = flat(form, 200, 100, 0)
    red, green, blue = (plane[HOLE] for plane in render(make_footage(form, planes), 0, "mask", None))
    assert (red == 178).all()  # (100 + 255) / 2
    assert (green == 38).all()  # (50 + 25.5) / 2
    assert (blue == 13).all()


def test_a_chroma_sample_takes_the_part_of_its_block_that_is_hole():
    form = FORMATS["YUV420P8"]
    planes = flat(form, 16, 128, 128)
    footage = make_footage(form, planes, hole=np.s_[5:6, 7:8], properties={"_Matrix": 6})
    luma, blue, red = render(footage, 0, "source", repaired(footage, planes))
    magenta = 0.299 * 0.95 + 0.114 * 0.8
    assert luma[5, 7] == round(16 + 219 * magenta)
    assert (luma != 16).sum() == 1
    assert blue[2, 3] == round(128 + 224 * (0.8 - magenta) / 1.772 / 4)
    assert red[2, 3] == round(128 + 224 * (0.95 - magenta) / 1.402 / 4)
    assert (blue != 128).sum() == (red != 128).sum() == 1


@pytest.mark.parametrize(
    ("form", "properties", "middle", "step"),
    [
        (video_format(), {}, (126, 128, 128), (219, 224)),
        (video_format(), {"_Range": 1}, (128, 128, 128), (255, 255)),
        (FORMATS["GRAY8"], {}, (126,), (219,)),
        (FORMATS["RGB24"], {}, (128, 128, 128), (255, 255)),
    ],
)
def test_difference_shows_the_root_of_what_changed_on_grey(form, properties, middle, step):
    planes = flat(form, 100, 100, 100)
    footage = make_footage(form, planes, properties=properties)
    for change in (0, 1, -9, 80):
        drawn = render(footage, 0, "difference", repaired(footage, [plane + np.int8(change) for plane in planes]))
        for plane, (values, grey) in enumerate(zip(drawn, middle, strict=True)):
            scale = step[min(plane, len(step) - 1)]
            exact = grey if form.family == "YUV" and plane else middle[0] - 0.5
            shown = exact + scale * np.sign(change) * np.sqrt(abs(change) / scale) / 2
            assert (values[HOLE] == np.floor(shown + 0.5)).all()
            assert (values[untouched(form, plane)] == grey).all()


def test_source_tells_earlier_from_later_and_far_from_near():
    distance = np.array([-24, -5, -1, 0, 1, 5, 24, 90], np.int32)
    ink = views.source_ink(distance, 24)
    lightness = ink[:3].T @ np.array([0.3, 0.6, 0.1])
    assert (ink[2, :3] > ink[0, :3]).all()  # blue
    assert (ink[0, 4:] > ink[2, 4:]).all()  # orange
    assert tuple(ink[:, 3]) == pytest.approx(views._INVENTED)
    for one_side in (lightness[:3][::-1], lightness[4:7], ink[3, :3][::-1], ink[3, 4:7]):
        assert (np.diff(one_side) > 0).all()
    np.testing.assert_array_equal(ink[:, 6], ink[:, 7])  # beyond the reach, as at it
    earlier, later = ink[3, :3], ink[3, 4:]
    assert earlier.max() < later.min()
    assert later.max() < ink[3, 3]


def test_source_reaches_as_far_as_the_rule_of_propagation():
    form = FORMATS["GRAYS"]
    planes = flat(form, 0)
    shown = []
    for settings in ({"radius": 9, "window": 60}, {"radius": 9, "window": 60, "propagation": "paper"}):
        footage = make_footage(form, planes, **settings)
        shown.append(render(footage, 0, "source", repaired(footage, planes, distance=9))[0][HOLE])
    assert shown[0] == pytest.approx(views._LATER[1][3])
    assert (shown[1] < shown[0]).all()


def test_confidence_runs_from_black_over_red_and_yellow_to_white():
    ink = views.confidence_ink(np.array([0, 1 / 3, 2 / 3, 1], np.float32))
    np.testing.assert_allclose(ink[:3].T, [(0, 0, 0), (1, 0, 0), (1, 1, 0), (1, 1, 1)], atol=1e-6)
    np.testing.assert_allclose(ink[3], [0, 1 / 3, 2 / 3, 1], atol=1e-6)


def test_invented_tints_the_result():
    form = FORMATS["RGBS"]
    footage = make_footage(form, flat(form, 1, 1, 1))
    repair = repaired(footage, flat(form, 0.5, 0.25, 0), distance=3)
    repair.distance[0] = repair.origin[0] = 0
    drawn = np.stack(render(footage, 0, "invented", repair))
    result = np.array([0.5, 0.25, 0])
    np.testing.assert_allclose(drawn[:, 8, 10], (result + views._INVENTED[:3]) / 2, atol=1e-6)
    np.testing.assert_allclose(drawn[:, 8, 11], (result + views._TRACED[:3]) / 2, atol=1e-6)


# What was taken from a reference, and what was recovered.

WIDE = np.s_[8:24, 8:24]  # whole cells of the textures


def of_origin(footage, planes, origin):
    """A repair whose pixels are all of one origin."""
    repair = repaired(footage, planes, distance=3, confidence=0.5)
    repair.origin[:] = origin
    if origin != account.TRACED:
        repair.distance[:] = 0
    return repair


def cells(picture):
    """One value for each cell of the textures in ``WIDE``, which must be of one value each."""
    hole = picture[WIDE]
    blocks = hole.reshape(hole.shape[0] // views.TEXTURE, views.TEXTURE, -1, views.TEXTURE)
    assert (blocks.max(axis=(1, 3)) == blocks.min(axis=(1, 3))).all()
    return blocks[:, 0, :, 0]


@pytest.mark.parametrize("view", ["source", "confidence", "invented"])
@pytest.mark.parametrize("family", ["GRAY", "YUV", "RGB"])
def test_a_reference_is_barred_and_what_was_recovered_is_chequered(family, view):
    form = video_format(family, 32, True, frames=1)
    planes = flat(form, 0.5, 0.1, -0.1) if family == "YUV" else flat(form, 0.5, 0.5, 0.5)
    footage = make_footage(form, planes, hole=WIDE)
    weights = LUMA_WEIGHTS if family == "RGB" else (1,)
    shown = {}
    for origin in (account.INVENTED, account.TRACED, account.REFERENCE, account.RECOVERED):
        drawn = render(footage, 0, view, of_origin(footage, planes, origin))
        shown[origin] = cells(sum(weight * plane for weight, plane in zip(weights, drawn, strict=False)))
    for origin in (account.INVENTED, account.TRACED):
        assert len(np.unique(shown[origin])) == 1  # no texture
    bars, squares = shown[account.REFERENCE], shown[account.RECOVERED]
    rows, columns = np.indices(bars.shape)
    for texture, place in ((bars, rows), (squares, rows + columns)):
        light, dark = texture[place % 2 == 0], texture[place % 2 == 1]
        assert np.ptp(light) == np.ptp(dark) == 0
        assert light[0] - dark[0] > 0.3  # told without any colour


def test_only_the_pixels_of_an_origin_are_textured():
    form = video_format("RGB", 32, True, frames=1)
    planes = flat(form, 0.5, 0.5, 0.5)
    footage = make_footage(form, planes, hole=WIDE)
    repair = of_origin(footage, planes, account.TRACED)
    plain = render(footage, 0, "source", repair)
    some = repair.pixels.x == 11
    repair.origin[some] = account.RECOVERED
    textured = render(footage, 0, "source", repair)
    changed = np.zeros(plain[0].shape, bool)
    changed[repair.pixels.y[some], repair.pixels.x[some]] = True
    for before, after in zip(plain, textured, strict=True):
        np.testing.assert_array_equal(before[~changed], after[~changed])
        assert (before[changed] != after[changed]).all()


# Linear light of one who lacks a kind of cone. Machado, Oliveira and Fernandes, "A physiologically-based model for
# simulation of color vision deficiency", IEEE TVCG 2009, severity 1.
EYES = {
    "all cones": np.eye(3),
    "no long": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "no middle": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "no short": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


@pytest.mark.parametrize("eye", EYES)
def test_bars_and_squares_have_hues_that_every_eye_tells_apart(eye):
    def seen(ink):
        colour = np.array(ink[:3])
        linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
        mixed = np.clip(np.array(EYES[eye]) @ linear, 0, 1)
        return rgb2lab(np.where(mixed <= 0.0031308, 12.92 * mixed, 1.055 * mixed ** (1 / 2.4) - 0.055))

    bars, squares = seen(views._REFERENCE[0]), seen(views._RECOVERED[0])
    assert np.linalg.norm(bars - squares) > 20  # a step of 2 is the least that is seen
    for light, (_, dark) in ((bars, views._REFERENCE), (squares, views._RECOVERED)):
        assert light[0] - seen(dark)[0] > 70


def test_an_account_takes_the_nearer_source():
    def side(*found):
        state, error = zip(*found, strict=True)
        nowhere = np.zeros(len(found), np.float32)
        steps = tuple(sorted({value for value in state if value > 0}))
        return Trajectories(nowhere, nowhere, np.array(error, np.float32), np.array(state, np.int32), steps)

    earlier = side((3, 0.0), (3, 3.0), (2, 1.5), (LOST, 0.0), (LOST, 0.0))
    later = side((5, 1.5), (1, 1.5), (2, 3.0), (7, 1.5), (LOST, 0.0))
    nothing = np.zeros(5, np.int32)
    pixels = HolePixels(nothing, nothing, (), (), ())
    ring = Ring(nothing[:0], nothing[:0], nothing[:0], nothing[:0] > 0, nothing[:0], nothing, 1, (), (), ())
    confidence = np.array([1, 0.9, 0.8, 0.7, 0], np.float32)
    traced = Traced(pixels, pixels, earlier, later, (), (), confidence, ring, RingFill((), ()))
    repair = repair_of(traced, (), HOST)
    assert repair.distance.tolist() == [-3, 1, -2, 7, 0]
    assert repair.origin.tolist() == [1, 1, 1, 1, 0]
    assert repair.counts() == (1, 4, 0, 0)
    np.testing.assert_array_equal(repair.confidence, confidence)


# Flow.


@pytest.mark.parametrize(
    ("flow", "colour"),
    [
        ((0, 0), (1, 1, 1)),
        ((1, 0), (1, 0, 0)),
        ((0.25, 0), (1, 0.5, 0.5)),
        ((np.cos(2 * np.pi * 15 / 55), np.sin(2 * np.pi * 15 / 55)), (1, 1, 0)),
        ((np.cos(2 * np.pi * 25 / 55), np.sin(2 * np.pi * 25 / 55)), (0, 1, 1)),
        ((np.cos(2 * np.pi * 36 / 55), np.sin(2 * np.pi * 36 / 55)), (0, 0, 1)),
        ((2, 0), (0.75, 0, 0)),
    ],
)
def test_flow_has_a_hue_for_its_direction_and_is_white_at_rest(flow, colour):
    shrunk = np.array(flow, np.float32) * np.float32(1 - 1e-6) if np.hypot(*flow) <= 1 else np.array(flow, np.float32)
    np.testing.assert_allclose(views.flow_ink(shrunk[:, None])[:3, 0], colour, atol=2e-6)


def test_flow_of_a_gray_clip_is_darker_where_it_is_faster():
    grey = views.flow_ink(np.array([[0, 0.1, 0.5, 1, 3], [0, 0, 0, 0, 0]], np.float32))[3]
    assert (np.diff(grey) < 0).all()


def flow_footage(form, planes, scale=1, **settings):
    """Flow at a quarter of the fastest: to the right forward, and up backward."""
    footage = make_footage(form, planes, **settings)
    footage.flow_scale = scale
    speed = views.FASTEST * form.height / 4
    footage.boxes = lambda pair: [(16, 0, 32, 24)]
    stack = np.zeros((4, 24 // scale, 16 // scale), np.float32)
    stack[0], stack[3] = speed, -speed
    footage.flow = lambda pair: pack([(16 // scale, 0)], [stack])
    return footage


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_flow_lies_on_its_boxes_and_the_hole_is_outlined(scale):
    form = FORMATS["RGBS"]
    footage = flow_footage(form, flat(form, 0.5, 0.5, 0.5), scale)
    drawn = np.stack(render(footage, 0, "flow", None))
    expected = np.full((3, HEIGHT, WIDTH), 0.25, np.float32)
    expected[:, :, 16:] = np.array([1, 0.5, 0.5])[:, None, None]
    expected[:, 8:14, 16:18] = 0
    expected[:, 9:13, 16] = expected[:, 0, 16, None]  # the hole goes on beyond the box: that is no edge of it
    np.testing.assert_allclose(drawn, expected, atol=1e-5)


def test_flow_in_subsampled_chroma_is_the_mean_of_the_block():
    form = FORMATS["YUV420PS"]
    footage = flow_footage(form, flat(form, 0.5, 0, 0), properties={"_Matrix": 6})
    luma, _, red = render(footage, 0, "flow", None)
    pink = (1 - (0.299 + 0.701 * 0.5)) / 1.402
    assert luma[2, 18] == pytest.approx(0.299 + 0.701 * 0.5, abs=1e-5)
    assert red[1, 9] == pytest.approx(pink, abs=1e-5)
    assert red[4, 8] == pytest.approx(pink / 4, abs=1e-5)  # three of four pixels are outline
    assert (red[:, :8] == 0).all()


def test_flow_on_a_coarser_grid_is_interpolated_between_its_centres():
    coarse = np.stack([np.tile(np.arange(6, dtype=np.float32), (4, 1))] * 2)
    fine = views._finer(coarse, 4)
    assert fine.shape == (2, 16, 24)
    np.testing.assert_allclose(fine[0, 5], np.clip((np.arange(24) - 1.5) / 4, 0, 5), atol=1e-6)


@pytest.mark.parametrize("properties", [{}, {"_SceneChangeNext": 1, "_SceneChangePrev": 0}])
def test_the_last_frame_of_a_scene_shows_the_flow_back_turned_round(properties):
    form = FORMATS["RGBS"]
    footage = flow_footage(form, flat(form, 0.5, 0.5, 0.5), properties=properties)
    if properties:  # frames 0 and 1 are one scene, and frame 1 its last
        footage.cut = lambda pair: pair == 1
    down = views.flow_ink(np.array([[0], [0.25]], np.float32))[:3, 0]
    drawn = np.stack(render(footage, 1 if properties else FRAMES - 1, "flow", None))
    np.testing.assert_allclose(drawn[:, 2, 20], down, atol=1e-5)


def test_a_scene_of_one_frame_has_no_flow():
    form = FORMATS["RGBS"]
    footage = flow_footage(form, flat(form, 0.5, 0.5, 0.5), properties={"_SceneChangeNext": 1, "_SceneChangePrev": 1})
    np.testing.assert_allclose(np.stack(render(footage, 1, "flow", None)), 0.25, atol=1e-6)


# Through the engine.


def rendered(view, hole=HOLE, **settings):
    """Frames of a view of noise that stands still, and their properties."""
    form = FORMATS["YUV420P8"]
    planes = noise(form)
    mask_format = video_format("GRAY", frames=1)
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    if hole is not None:
        mask[hole] = 1
    inpainter = Inpainter(Settings(threads=1, view=view, **settings), form, mask_format)
    clip = dict.fromkeys(range(FRAMES), Frame(tuple(planes)))
    frames, properties = [], []
    for n in range(FRAMES):
        answer = inpainter.prepare(n, clip, {0: Frame((mask,))})
        out = tuple(plane.copy() for plane in planes)
        if answer[0] == "ready":
            properties.append(inpainter.finish(n, out))
        frames.append(out)
    inpainter.close()
    return frames, properties, planes


PROPERTIES = {
    "DfviHole": 48,
    "DfviInvented": 48,
    **dict.fromkeys(("DfviTraced", "DfviReference", "DfviRecovered", "DfviFarthest", "DfviConfidence"), 0),
}


@pytest.mark.parametrize("propagation", CHOICES["propagation"])
@pytest.mark.parametrize("view", VIEWS)
def test_the_engine_gives_the_view_in_place_of_the_frame(view, propagation):
    frames, properties, planes = rendered(view, propagation=propagation)
    assert len(properties) == FRAMES
    for found in properties:
        assert found == ({} if view in ("mask", "flow") else PROPERTIES)
    for frame in frames:
        assert all((drawn != source).mean() > 0.5 for drawn, source in zip(frame, planes, strict=True))


@pytest.mark.parametrize("view", VIEWS)
def test_a_frame_without_a_hole_has_its_views_too(view):
    frames, properties, planes = rendered(view, hole=None)
    assert properties == [{}] * FRAMES
    assert (frames[0][0] != planes[0]).mean() > 0.5


def test_the_result_is_no_view():
    frames, properties, planes = rendered("result", hole=None)
    assert properties == []
    np.testing.assert_array_equal(frames[0][0], planes[0])
    frames, properties, planes = rendered("result")
    assert [found["DfviHole"] for found in properties] == [48] * FRAMES
    form = FORMATS["YUV420P8"]
    for plane, (result, source) in enumerate(zip(frames[1], planes, strict=True)):
        outside = untouched(form, plane)
        np.testing.assert_array_equal(result[outside], source[outside])
        assert (result[~outside] != source[~outside]).any()
