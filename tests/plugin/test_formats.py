"""Every format: nothing outside the hole changes, every sample inside is repaired, and formats agree."""

import clips
import numpy as np
import pytest
import scenes
import vapoursynth as vs
from tolerance import HALF_STEP, assert_same_bits

FRAMES = 3
SIZES = {  # (width, height): the smallest; then high and wide, odd where the format allows it
    (0, 0): [(16, 16), (17, 31), (45, 19)],
    (1, 0): [(16, 16), (18, 31), (46, 19)],
    (0, 1): [(16, 16), (17, 30), (45, 18)],
    (1, 1): [(16, 16), (18, 30), (46, 18)],
    (2, 0): [(16, 16), (20, 31), (44, 19)],
    (2, 2): [(16, 16), (20, 28), (44, 20)],
}


def mask_for(width, height, seed=7):
    """Return a box, a speck and a column, somewhere else on each frame; odd edges, so that chroma is cut in two."""
    mask, random = np.zeros((FRAMES, height, width), bool), np.random.default_rng(seed)
    for picture in mask:
        x, y = int(random.integers(0, width - 6)), int(random.integers(0, height - 5))
        picture[y : y + 5, x : x + 6] = True
        picture[int(random.integers(0, height)), int(random.integers(0, width))] = True
        picture[:, int(random.integers(0, width))] = True
    return mask


def hole_on_plane(mask, dilate, right, down):
    """Return which samples of a plane may change: those that cover a pixel no further than ``dilate`` from the mask."""
    height, width = mask.shape
    rows, columns = np.mgrid[:height, :width]
    hole = np.zeros_like(mask)
    for y, x in np.argwhere(mask):
        hole |= (rows - y) ** 2 + (columns - x) ** 2 <= dilate**2
    samples = np.zeros((height >> down, width >> right), bool)
    for y, x in np.argwhere(hole):
        samples[y >> down, x >> right] = True
    return samples


def noise(family, depth, size, seed=3):
    """Return a scene of noise over all codes of a format."""
    name, subsampling = clips.FAMILIES[family]
    bits, is_float = clips.DEPTHS[depth]
    form = scenes.video_format(
        name, bits=bits, is_float=is_float, subsampling=subsampling, size=size[::-1], frames=FRAMES
    )
    return scenes.noise(form, mask_for(*size), seed=seed)


@pytest.mark.parametrize("family", clips.FAMILIES)
@pytest.mark.parametrize("depth", clips.DEPTHS)
@pytest.mark.parametrize("size", range(3), ids=["smallest", "high", "wide"])
@pytest.mark.parametrize(
    ("dilate", "limited"), [(0, True), (3, False)], ids=["mask, limited range", "grown, full range"]
)
def test_no_sample_outside_the_hole_changes_and_those_inside_do(family, depth, size, dilate, limited):
    scene = noise(family, depth, SIZES[clips.FAMILIES[family][1]][size])
    form = scene.format
    clip = clips.clip_of(scene.damaged, form, _Range=[int(limited)] * FRAMES)
    repaired = clip.dfvi.Inpaint(clips.mask_of(scene.mask), dilate=dilate, threads=1)
    assert (repaired.format.id, repaired.width, repaired.height) == (clip.format.id, clip.width, clip.height)
    for n in range(FRAMES):
        planes = clips.planes_of(repaired, n)
        assert len(planes) == form.planes
        for plane, (found, source) in enumerate(zip(planes, scene.damaged[n], strict=True)):
            hole = hole_on_plane(scene.mask[n], dilate, *form.subsampling(plane))
            assert_same_bits(found[~hole], source[~hole])
            if hole.any() and not hole.all():
                # Noise is met by chance: by one sample of 256 at 8 bits, by none where codes are fine.
                changed = found[hole] != source[hole]
                assert changed.all() if depth in ("16 bit", "single") else changed.mean() > 0.8
            assert np.isfinite(found.astype(np.float32)).all()


@pytest.mark.parametrize("family", clips.FAMILIES)
def test_the_hole_is_counted_in_pixels(family):
    scene = noise(family, "8 bit", (48, 32))
    repaired = clips.clip_of(scene.damaged, scene.format).dfvi.Inpaint(clips.mask_of(scene.mask), dilate=2)
    for n in range(FRAMES):
        with repaired.get_frame(n) as frame:
            expected = int(hole_on_plane(scene.mask[n], 2, 0, 0).sum())
            assert frame.props["DfviHole"] == expected
            assert frame.props["DfviTraced"] + frame.props["DfviInvented"] == expected


# One film in several formats.

MASKS = {
    "GRAY8": (vs.GRAY8, 255),
    "GRAY8, 1": (vs.GRAY8, 1),
    "GRAY10": (vs.GRAY10, 1023),
    "GRAY16": (vs.GRAY16, 65535),
    "GRAY32": (vs.GRAY32, 4294967295),
    "GRAYH": (vs.GRAYH, 1.0),
    "GRAYS": (vs.GRAYS, 1.0),
    "GRAYS, nearly 0": (vs.GRAYS, 1e-20),
}


def film(family="420", depth="8 bit", size=(64, 48), frames=5):
    name, subsampling = clips.FAMILIES[family]
    bits, is_float = clips.DEPTHS[depth]
    form = scenes.video_format(
        name, bits=bits, is_float=is_float, subsampling=subsampling, size=size[::-1], frames=frames
    )
    return scenes.translation(form, (0.4, 0.3))


def masked(mask, kind, value):
    """Return a mask clip of a format, with one value for hole."""
    form = vs.core.get_video_format(kind)
    described = scenes.video_format(
        "GRAY", bits=form.bits_per_sample, is_float=form.sample_type == vs.FLOAT, size=mask.shape[1:], frames=len(mask)
    )
    return clips.clip_of([((picture * value).astype(described.dtype),) for picture in mask], described)


@pytest.mark.parametrize("mask", MASKS)
def test_a_mask_of_any_depth_gives_the_same_bytes(mask):
    scene = film()
    clip = clips.clip_of(scene.damaged, scene.format)
    expected = clips.bytes_of(clip.dfvi.Inpaint(clips.mask_of(scene.mask)), 2)
    assert clips.bytes_of(clip.dfvi.Inpaint(masked(scene.mask, *MASKS[mask])), 2) == expected


def test_of_a_mask_in_the_clips_own_format_the_first_plane_counts():
    scene = film()
    clip = clips.clip_of(scene.damaged, scene.format)
    expected = clips.bytes_of(clip.dfvi.Inpaint(clips.mask_of(scene.mask)), 2)
    chroma = np.full((24, 32), 128, np.uint8)
    own = clips.clip_of([(picture.astype(np.uint8) * 235, chroma, chroma) for picture in scene.mask], scene.format)
    assert clips.bytes_of(clip.dfvi.Inpaint(own), 2) == expected


def test_a_still_mask_is_the_same_mask_on_every_frame():
    scene = film()
    clip = clips.clip_of(scene.damaged, scene.format)
    one, all_frames = clips.mask_of(scene.mask[:1]), clips.mask_of(np.repeat(scene.mask[:1], 5, axis=0))
    for n in range(5):
        assert clips.bytes_of(clip.dfvi.Inpaint(one), n) == clips.bytes_of(clip.dfvi.Inpaint(all_frames), n)


@pytest.mark.parametrize("depth", [depth for depth in clips.DEPTHS if depth != "8 bit"])
def test_another_depth_gives_the_same_picture(depth):
    """The same samples in finer codes: traced alike, so that they differ by the rounding of 8 bits alone."""
    scene = film()
    bits, is_float = clips.DEPTHS[depth]
    deep = scenes.video_format(bits=bits, is_float=is_float, size=(48, 64), frames=5)
    scale = deep.peak / 255
    frames = [tuple((plane * scale).astype(deep.dtype) for plane in planes) for planes in scene.damaged]
    mask = clips.mask_of(scene.mask)
    shallow, fine = (
        clips.clip_of(given, form).dfvi.Inpaint(mask, synthesis="diffusion")
        for given, form in ((scene.damaged, scene.format), (frames, deep))
    )
    for n in range(5):
        for found, expected in zip(clips.planes_of(fine, n), clips.planes_of(shallow, n), strict=True):
            gap = np.abs(found.astype(np.float64) / scale - expected)
            assert np.median(gap) <= HALF_STEP
            assert (gap <= 1 + HALF_STEP).mean() > 0.99


def test_a_clip_of_gray_is_repaired_as_the_luma_of_one_with_colour():
    scene = film("444")
    gray = scenes.video_format("GRAY", size=(48, 64), frames=5)
    mask = clips.mask_of(scene.mask)
    colour = clips.clip_of(scene.damaged, scene.format).dfvi.Inpaint(mask, synthesis="diffusion")
    alone = clips.clip_of([planes[:1] for planes in scene.damaged], gray).dfvi.Inpaint(mask, synthesis="diffusion")
    for n in range(5):
        assert_same_bits(clips.planes_of(alone, n)[0], clips.planes_of(colour, n)[0])


def test_rows_that_are_strided_are_read_and_written_where_they_lie():
    """A crop hands over rows of the wider frame's stride."""
    scene = film()
    wide = [tuple(np.pad(plane, ((0, 0), (8 >> (i > 0), 24 >> (i > 0))), mode="edge") for i, plane in enumerate(planes))
            for planes in scene.damaged]  # fmt: skip
    form = scenes.video_format(size=(48, 96), frames=5)
    cropped = clips.clip_of(wide, form).std.Crop(left=8, right=24)
    mask = clips.mask_of(np.pad(scene.mask, ((0, 0), (0, 0), (16, 16)))).std.Crop(left=16, right=16)
    expected = clips.clip_of(scene.damaged, scene.format).dfvi.Inpaint(clips.mask_of(scene.mask))
    for n in range(5):
        assert clips.bytes_of(cropped.dfvi.Inpaint(mask), n) == clips.bytes_of(expected, n)
