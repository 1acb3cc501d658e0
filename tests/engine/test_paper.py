"""Propagation by the rule of DFVI: equal to the rule as tests/reference.py states it, pixel for pixel."""

from dataclasses import replace

import lender
import numpy as np
import pytest
import reference
import scenes

from vsdfvi.engine.cache import Cache
from vsdfvi.engine.footage import Footage
from vsdfvi.engine.paper import block_of, key_positions, repair
from vsdfvi.engine.plan import FramesNeeded
from vsdfvi.frames.pixels import Frame, VideoFormat, to_samples
from vsdfvi.kernels import Workers, pack
from vsdfvi.settings import Settings


class GivenFlow(Footage):
    """Footage whose flow and cuts are given, not estimated."""

    def __init__(self, settings, form, mask_form, flow_fw, flow_bw, cuts=()):
        super().__init__(settings, form, mask_form, Cache(64 << 20), Workers(1))
        self._given = flow_fw, flow_bw
        self._cuts = cuts

    def flow(self, n):
        return pack([(0, 0)], [np.concatenate([self._given[0][n], self._given[1][n]])])

    def _make_cut(self, n):
        self.frame(n), self.frame(n + 1)
        return n + 1 in self._cuts


def given(form, frames, mask, flow_fw, flow_bw, cuts=(), **settings):
    """Footage of some frames, all of them lent."""
    mask_form = VideoFormat(**{name: getattr(form, name) for name in form.__slots__})
    mask_form = replace(mask_form, family="GRAY", is_float=False, bits=8, subsampling_w=0, subsampling_h=0)
    footage = GivenFlow(Settings(propagation="paper", **settings), form, mask_form, flow_fw, flow_bw, cuts)
    clip = {t: Frame(planes) for t, planes in enumerate(frames)}
    masks = {t: Frame((np.ascontiguousarray(hole, np.uint8),)) for t, hole in enumerate(mask)}
    footage.lend(clip, masks)
    return footage


def restless(form, seed, step=(1.5, -0.5)):
    """Frames of noise, a mask and flow that agrees often and not always: every branch of the rule is met."""
    rng = np.random.default_rng(seed)
    count, size = form.frames, (form.height, form.width)
    scene = scenes.noise(form, seed=seed)
    mask = np.zeros((count, *size), bool)
    for t in range(count):
        y, x = rng.integers(2, size[0] - 6), rng.integers(2, size[1] - 8)
        mask[t, y : y + 6, x : x + 8] = True
        mask[t] |= rng.random(size) < 0.03
    mask[:, 5:9, 6:11] = True  # as long as the clip: nobody ever sees it but by the flow
    mask[rng.integers(count)] = False
    shape = (count - 1, *size)
    flow_fw = np.stack([np.full(shape, step[0]), np.full(shape, step[1])], axis=1)
    flow_fw += rng.normal(0, 0.4, flow_fw.shape)
    flow_bw = -flow_fw + rng.normal(0, 0.4, flow_fw.shape)
    # Some vectors lead to a half, some nowhere.
    flow_fw = np.where(rng.random(flow_fw.shape) < 0.5, np.round(2 * flow_fw) / 2, flow_fw)
    flow_bw = np.where(rng.random(flow_bw.shape) < 0.5, np.round(2 * flow_bw) / 2, flow_bw)
    flow_fw[rng.random(flow_fw.shape) < 0.01] = np.nan
    flow_bw[rng.random(flow_bw.shape) < 0.01] = np.inf
    return scene.damaged, mask, flow_fw.astype(np.float32), flow_bw.astype(np.float32)


def stand_in(form, t, plane, picture, hole):
    """What stands in for synthesis fills a plane with: it knows the frame and all known samples, and is not whole."""
    unit = form.peak / 255
    known = float(picture[hole == 0].sum(dtype=np.float64)) / unit
    return np.float32(unit * (20.3 + 7 * t + 50 * plane + known % 16))


def expected_by_rule(form, frames, mask, flow_fw, flow_bw, limit, first=0):
    """Frames and invented pixels by the literal statement."""

    def fill(t, picture, hole):
        return np.stack(
            [np.full_like(part, stand_in(form, first + t, plane, part, hole)) for plane, part in enumerate(picture)]
        )

    def rounded(picture):
        return to_samples(np.ascontiguousarray(picture), form).astype(np.float32)

    pictures = [np.stack(planes).astype(np.float32) for planes in frames]
    with np.errstate(invalid="ignore"):
        return reference.paper_propagation(pictures, mask, list(flow_fw), list(flow_bw), limit, fill, rounded)


def repaired_frames(footage, frames):
    """Every frame with its hole written over it, whether its pixels were invented, and the frames they came from."""
    form = footage.format

    def fill(t, pictures):
        return [
            np.where(hole, stand_in(form, t, plane, values, hole), values)
            for plane, (values, hole) in enumerate(pictures)
        ]

    cache = Cache(64 << 20)
    pictures, invented, source = [], [], []
    for t, planes in enumerate(frames):
        out = [np.array(plane) for plane in planes]
        flags, origin = np.zeros((form.height, form.width), bool), np.full((form.height, form.width), t)
        if not footage.hole(t).is_empty:
            made = repair(footage, t, cache, fill)
            pixels = made.pixels
            for plane, samples in enumerate(made.samples):
                assert samples.dtype == form.dtype
                out[plane][pixels.row[plane], pixels.column[plane]] = samples
            flags[pixels.y, pixels.x] = made.distance == 0
            origin[pixels.y, pixels.x] += made.distance
            np.testing.assert_array_equal(made.confidence, made.distance != 0)
        pictures.append(out)
        invented.append(flags)
        source.append(origin)
    return pictures, np.stack(invented), np.stack(source)


FORMATS = {
    "GRAY8": scenes.video_format("GRAY", bits=8, size=(18, 23), frames=6),
    "GRAY16": scenes.video_format("GRAY", bits=16, size=(18, 23), frames=5),
    "YUV444P10": scenes.video_format("YUV", bits=10, subsampling=(0, 0), size=(18, 23), frames=4),
    "RGB24": scenes.video_format("RGB", bits=8, size=(18, 23), frames=4),
    "RGBS": scenes.video_format("RGB", bits=32, is_float=True, size=(18, 23), frames=4),
    "RGBH": scenes.video_format("RGB", bits=16, is_float=True, size=(18, 23), frames=3),
}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("limit", [1.0, 40.0])
def test_equals_the_rule_pixel_for_pixel(name, limit):
    form = FORMATS[name]
    frames, mask, flow_fw, flow_bw = restless(form, seed=len(name))
    expected, expected_invented = expected_by_rule(form, frames, mask, flow_fw, flow_bw, limit)
    footage = given(form, frames, mask, flow_fw, flow_bw, consistency=limit)
    found, invented, _ = repaired_frames(footage, frames)
    for t in range(form.frames):
        np.testing.assert_array_equal(np.stack(found[t]).astype(np.float32), expected[t], err_msg=f"frame {t}")
    np.testing.assert_array_equal(invented, expected_invented)
    assert 0 < invented.sum() < mask.sum(), "both kinds must be met"


def test_equals_the_rule_over_several_rounds_of_key_frames():
    """A hole that flow connects only in the middle of the clip is closed from key frames, round after round."""
    form = scenes.video_format("GRAY", size=(12, 14), frames=9)
    frames = scenes.noise(form).damaged
    mask = np.zeros((9, 12, 14), bool)
    mask[1:, 3:8, 3:9] = True
    mask[3] = mask[5] = True
    flow_fw = np.zeros((8, 2, 12, 14), np.float32)
    flow_bw = flow_fw.copy()
    for pair in (0, 1, 3, 5, 6):
        flow_bw[pair, 0, :, 4:] = 50  # leads out of the picture: nothing is carried here
    expected, expected_invented = expected_by_rule(form, frames, mask, flow_fw, flow_bw, 1.0)
    found, invented, _ = repaired_frames(given(form, frames, mask, flow_fw, flow_bw, consistency=1.0), frames)
    for t in range(9):
        np.testing.assert_array_equal(found[t][0].astype(np.float32), expected[t][0], err_msg=f"frame {t}")
    np.testing.assert_array_equal(invented, expected_invented)
    fills = {round(value) for t in range(9) for value in found[t][0][invented[t]].tolist()}
    assert len(fills) >= 3, "one round of two key frames would have been enough"


def test_a_clip_is_cut_into_blocks_at_multiples_of_the_window_and_at_cuts():
    form = scenes.video_format("GRAY", size=(16, 16), frames=11)
    frames, mask, flow_fw, flow_bw = restless(form, seed=3)
    footage = given(form, frames, mask, flow_fw, flow_bw, cuts=(6,), window=4)
    assert [block_of(footage, n) for n in range(11)] == [*[(0, 3)] * 4, *[(4, 5)] * 2, *[(6, 7)] * 2, *[(8, 10)] * 3]
    found, _, source = repaired_frames(footage, frames)
    for first, last in ((0, 3), (4, 5), (6, 7), (8, 10)):
        part, pairs = slice(first, last + 1), slice(first, last)
        expected, _ = expected_by_rule(
            form, frames[part], mask[part], flow_fw[pairs], flow_bw[pairs], Settings().consistency, first
        )
        for t in range(first, last + 1):
            np.testing.assert_array_equal(found[t][0].astype(np.float32), expected[t - first][0])
        assert source[part].min() >= first
        assert source[part].max() <= last


def test_only_frames_of_the_block_are_wanted():
    form = scenes.video_format("GRAY", size=(16, 16), frames=40)
    frames, mask, flow_fw, flow_bw = restless(form, seed=3)
    footage = given(form, frames, mask, flow_fw, flow_bw, window=5)
    lent = {20: Frame(frames[20])}
    asked = set()
    while True:
        footage.lend(lent, {t: Frame((np.ascontiguousarray(mask[t], np.uint8),)) for t in lent})
        try:
            repair(footage, 20, Cache(1 << 20))
        except FramesNeeded as needed:
            asked.add(needed.frame)
            lent = lent | {needed.frame: Frame(frames[needed.frame])}
        else:
            break
    assert asked == {21, 22, 23, 24}


@pytest.mark.parametrize("subsampling", [(1, 1), (1, 0), (2, 0), (2, 2)], ids=str)
def test_a_still_picture_behind_a_moving_hole_comes_back_exactly(subsampling):
    form = scenes.video_format("YUV", bits=10, subsampling=subsampling, size=(32, 48), frames=5)
    # The hole covers whole blocks on the first and the last frame, and parts of them in between: what is known of a
    # block that was never seen whole is not exact.
    mask = scenes.box(form, (12, 12), (4, 8), (3.0, 0.0))
    scene = scenes.still(form, mask)
    found, invented, source = repaired_frames(
        given(form, scene.damaged, mask, scene.flow_fw, scene.flow_bw), scene.damaged
    )
    assert not invented.any()
    seen_in = np.take_along_axis(mask, source, axis=0)
    assert not seen_in.any(), "a source must be known in its frame"
    for t in range(5):
        for plane in range(3):
            np.testing.assert_array_equal(found[t][plane], scene.truth[t][plane])


def test_a_subsampled_sample_never_shows_what_stood_in_another_hole():
    """Its pixel may be known in a frame where the other pixels of its block are missing."""
    form = scenes.video_format("YUV", subsampling=(1, 1), size=(16, 32), frames=3)
    mask = np.zeros((3, 16, 32), bool)
    mask[0, 4:9, 4:12] = True
    mask[1:, 5:9, 5:13] = True  # pixel (4, 4) of frame 0 is known from now on, its block is not
    frames = [tuple(np.full(form.plane_shape(plane), 100, np.uint8) for plane in range(3)) for _ in range(3)]
    for t, planes in enumerate(frames):
        for plane in range(3):
            planes[plane][scenes.on_plane(mask[t], *form.subsampling(plane))] = 255
    still = np.zeros((2, 2, 16, 32), np.float32)
    found, invented, _ = repaired_frames(given(form, frames, mask, still, still), frames)
    assert not invented[0, 4, 4]
    for plane in range(1, 3):
        assert found[0][plane][2, 2] == 100


@pytest.mark.parametrize(
    ("missing", "chosen"),
    [
        ("1111111", [0, 6]), ("011000", [1]), ("000111000", [3, 5]), ("0100111010", [1, 4, 6, 8]),
        ("1101111011", [0, 1, 3, 6, 8, 9]), ("1", [0]), ("0", []), ("01", [1]), ("00100", [2]), ("110000", [0, 1]),
    ],
)  # fmt: skip
def test_key_frames_are_where_two_pointers_meet_them(missing, chosen):
    assert key_positions([digit == "1" for digit in missing]) == chosen


@pytest.mark.parametrize("length", range(1, 11))
def test_key_frames_equal_the_rule_for_every_run_of_frames(length):
    for pattern in range(1 << length):
        missing = [bool(pattern >> at & 1) for at in range(length)]
        assert key_positions(missing) == reference.paper_key_frames(missing)
        assert all(missing[at] for at in key_positions(missing))
        assert bool(key_positions(missing)) == any(missing)


@pytest.mark.parametrize("synthesis", ["exemplar", "diffusion"])
def test_an_inpainter_makes_the_same_bytes_in_any_order_and_changes_no_known_sample(synthesis):
    form = scenes.video_format("YUV", size=(96, 128), frames=9)
    mask = scenes.box(form, (20, 24), (40, 30), (2.0, 0.0))
    mask[:, 70:86, 90:110] = True  # never seen: a logo
    mask[3] = False
    scene = scenes.translation(form, (1.3, 0.4), mask)
    settings = {"propagation": "paper", "window": 4, "synthesis": synthesis}
    forward, seeking = lender.of_scene(scene, **settings), lender.of_scene(scene, threads=2, memory=16, **settings)
    films = forward.film(), {n: seeking.render(n) for n in (8, 2, 0, 7, 3, 1, 6, 4, 5)}
    for n in range(9):
        planes, properties = films[0][n], forward.properties.get(n, {})
        assert properties == seeking.properties.get(n, {})
        for plane in range(3):
            np.testing.assert_array_equal(planes[plane], films[1][n][plane])
            known = ~scene.plane_hole(n, plane)
            np.testing.assert_array_equal(planes[plane][known], scene.damaged[n][plane][known])
            assert n == 3 or (planes[plane] != scene.damaged[n][plane]).any()
        if n != 3:
            assert properties["DfviHole"] == mask[n].sum() == properties["DfviTraced"] + properties["DfviInvented"]
    # A block with a frame that shows all of it, one without, and one of a single frame.
    assert [forward.properties[n]["DfviInvented"] > 0 for n in (0, 6, 8)] == [False, True, True]
    assert [forward.properties[n]["DfviTraced"] > 0 for n in (0, 6, 8)] == [True, True, False]
