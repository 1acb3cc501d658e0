"""Holes that networks fill: in the clip's own colours, nothing but the hole, and the same bytes on any machine."""

import os
import subprocess
import sys
from pathlib import Path

import lender
import numpy as np
import programs
import pytest
import scenes
import torch
from tolerance import assert_same_bits

from vsdfvi.engine import generator
from vsdfvi.engine.generator import DeepFillGenerator
from vsdfvi.engine.synthesis import fill
from vsdfvi.engine.torch_calls import THREADS, torch_call
from vsdfvi.errors import EngineError, WeightsError
from vsdfvi.frames.pixels import Frame
from vsdfvi.networks.deepfill import DeepFill, inpaint

SETTINGS = {"scene_threshold": 0, "completion": "laplace"}
AS_PAINTED = {**SETTINGS, "seam": 0, "grain": 0.0}  # what is painted is seen as it is
COLOUR = (0.125, 0.75, 0.25)  # no two channels alike: an exchange is seen

# What red and blue weigh in luma, by _Matrix: BT.709, BT.601, BT.2020.
RED_BLUE = {1: (0.2126, 0.0722), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}

# Codes of a float format. Half floats have steps of 2^-11 up to 1; single ones are computed with a few roundings.
FLOAT_CODES = {16: 2**-11, 32: 1e-6}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A folder with DeepFill's file as it is distributed, and weights that neither die away nor saturate."""
    folder = tmp_path_factory.mktemp("weights")
    torch.save(
        programs.random_deepfill().state_dict(), folder / "imagenet_deepfill.pth", _use_new_zipfile_serialization=False
    )
    return folder


@pytest.fixture(scope="module")
def painter(tmp_path_factory):
    return programs.written(tmp_path_factory.mktemp("programs") / "paint.pt", programs.Paint(*COLOUR))


@pytest.fixture(scope="module")
def chameleon(tmp_path_factory):
    return programs.written(tmp_path_factory.mktemp("programs") / "chameleon.pt", programs.PaintFromCorner())


def alone(form, size=(19, 27), start=(45, 33)):
    """A clip of a picture behind a hole that stands still, of which nothing is ever seen; not on chroma's blocks."""
    return scenes.still(form, scenes.box(form, size, start))


def codes_of(form, colour, matrix, full):
    """The codes of a colour in each plane."""
    red, green, blue = colour
    of_red, of_blue = RED_BLUE[matrix]
    luma = of_red * red + (1 - of_red - of_blue) * green + of_blue * blue
    numbers = {
        "RGB": colour,
        "GRAY": [sum(colour) / 3],
        "YUV": [luma, (blue - luma) / (2 - 2 * of_blue), (red - luma) / (2 - 2 * of_red)],
    }[form.family]
    if form.is_float:
        return numbers
    unit = 2 ** (form.bits - 8)
    if full:
        return [128 * unit * (form.family == "YUV" and k > 0) + each * form.peak for k, each in enumerate(numbers)]
    return [unit * (128 + 224 * n if form.family == "YUV" and k else 16 + 219 * n) for k, n in enumerate(numbers)]


# Colours.

DEPTHS = [(8, False), (10, False), (16, False), (16, True), (32, True)]
FORMATS = [
    *(("YUV", (1, 1), *depth, matrix, full) for depth in DEPTHS for matrix, full in ((6, 0), (1, 1))),
    *(("YUV", subsampling, 8, False, 9, 0) for subsampling in ((0, 0), (1, 0), (2, 2))),
    *((family, (0, 0), *depth, 1, full) for family in ("RGB", "GRAY") for depth in DEPTHS[::2] for full in (0, 1)),
]


BY_BOTH_RULES = [("trace", *form) for form in FORMATS] + [("paper", *form) for form in FORMATS[:4]]


@pytest.mark.parametrize(
    ("propagation", "family", "subsampling", "bits", "is_float", "matrix", "full"), BY_BOTH_RULES, ids=str
)
def test_a_colour_comes_out_as_the_clip_writes_it(
    painter, propagation, family, subsampling, bits, is_float, matrix, full
):
    form = scenes.video_format(family, bits=bits, is_float=is_float, subsampling=subsampling, frames=1)
    scene = alone(form)
    frame = Frame(scene.damaged[0], {"_Matrix": matrix, "_Range": full})
    lent = lender.Lender([frame], scene.mask, form, synthesis=painter, propagation=propagation, **AS_PAINTED)
    planes = lent.render(0)
    assert lent.properties[0]["DfviInvented"] == scene.mask.sum()
    for plane, code in enumerate(codes_of(form, COLOUR, matrix, full)):
        hole = scene.plane_hole(0, plane)
        away = np.abs(planes[plane][hole].astype(np.float64) - code).max()
        assert away <= (FLOAT_CODES[bits] if is_float else 1)
        assert_same_bits(planes[plane][~hole], frame.planes[plane][~hole])


@pytest.mark.parametrize(("family", "subsampling", "bits", "is_float", "matrix", "full"), FORMATS, ids=str)
def test_a_network_sees_the_colours_that_the_clip_shows(chameleon, family, subsampling, bits, is_float, matrix, full):
    """Where it paints with a colour of the picture, the hole cannot be told from its surroundings."""
    form = scenes.video_format(family, bits=bits, is_float=is_float, subsampling=subsampling, frames=1)
    codes = np.array(codes_of(form, COLOUR, matrix, full)) + (0 if is_float else 0.5)
    flat = [np.full(form.plane_shape(plane), code).astype(form.dtype) for plane, code in enumerate(codes)]
    scene = alone(form)
    damaged = [np.where(scene.plane_hole(0, k), 0, plane).astype(form.dtype) for k, plane in enumerate(flat)]
    frame = Frame(tuple(damaged), {"_Matrix": matrix, "_Range": full})
    found = lender.Lender([frame], scene.mask, form, synthesis=chameleon, **AS_PAINTED).render(0)
    for plane, expected in zip(found, flat, strict=True):
        away = np.abs(plane.astype(np.float64) - expected.astype(np.float64)).max()
        assert away <= (FLOAT_CODES[bits] if is_float else 1)


def test_a_network_is_not_shown_what_is_not_a_number(painter):
    form = scenes.video_format("RGB", bits=32, is_float=True, frames=1)
    scene = alone(form)
    planes = tuple(plane.copy() for plane in scene.damaged[0])
    for plane in planes:
        plane[5, 7], plane[45, 50], plane[5, 9] = np.nan, np.nan, 1e9
    found = lender.Lender([Frame(planes)], scene.mask, form, synthesis=painter, **AS_PAINTED).render(0)
    for plane, source, code in zip(found, planes, COLOUR, strict=True):
        hole = scene.mask[0]
        assert np.abs(plane[hole] - code).max() <= FLOAT_CODES[32]
        assert_same_bits(plane[~hole], source[~hole])


# What is traced, and what is invented.


@pytest.mark.parametrize("family", ["YUV", "RGB", "GRAY"])
def test_around_the_hole_a_key_frame_keeps_its_samples(painter, family):
    """Colours go to RGB and back, some beyond its range; what was known does not take part."""
    form = scenes.video_format(family, frames=1)
    scene = scenes.noise(form, scenes.box(form, (19, 27), (45, 33)))
    lent = lender.of_scene(scene, synthesis=painter, **SETTINGS)
    footage = lent.inpainter._footage
    footage.lend(dict(enumerate(lent.clip)), dict(enumerate(lent.masks)))
    pictures = [footage.samples(0, plane, (8, 8, 120, 88)) for plane in range(form.planes)]
    for (values, hole), filled in zip(pictures, fill(footage, 0, pictures, lent.inpainter._generator), strict=True):
        assert_same_bits(filled[hole == 0], values[hole == 0])
        assert np.ptp(filled[hole == 1]) < 1e-3


def test_only_what_no_frame_shows_is_invented(painter):
    form = scenes.video_format("GRAY", frames=6)
    mask = scenes.box(form, (24, 30), (40, 30))
    mask[3:, :, :58] = False  # the left part of the hole is seen from frame 3 on
    scene = scenes.still(form, mask)
    lent = lender.of_scene(scene, synthesis=painter, **AS_PAINTED)
    [found] = lent.render(0)
    assert 0 < lent.properties[0]["DfviTraced"] < mask[0].sum()
    seen = mask[0] & ~mask[3]
    assert np.abs(found[seen].astype(int) - scene.truth[0][0][seen]).max() <= 1
    [colour] = codes_of(form, COLOUR, 1, 0)
    assert np.abs(found[mask[5]] - colour).max() <= 1


def test_deepfill_fills_the_hole_with_what_the_network_says(weights, monkeypatch):
    form = scenes.video_format("RGB", frames=1)
    scene = alone(form)
    calls = []

    class Watched(DeepFillGenerator):
        def fill(self, image, hole):
            calls.append((image.copy(), hole.copy(), super().fill(image, hole)))
            return calls[-1][2]

    monkeypatch.setattr(generator, "DeepFillGenerator", Watched)
    lent = lender.of_scene(scene, synthesis="deepfill", weights=str(weights), **AS_PAINTED)
    planes = lent.render(0)
    [(image, hole, filled)] = calls
    network = DeepFill()
    network.load_state_dict(torch.load(weights / "imagenet_deepfill.pth", weights_only=True))
    with torch_call("synthesis", "deepfill", hole.shape, "exemplar"):
        np.testing.assert_array_equal(filled, inpaint(network.eval(), image, hole))
    missing = hole != 0
    assert missing.sum() == scene.mask.sum()
    for plane, found in enumerate(planes):
        expected = np.floor(filled[plane][missing] * np.float32(255) + np.float32(0.5)).astype(np.uint8)
        assert_same_bits(found[scene.mask[0]], expected)
        assert found[scene.mask[0]].std() > 0
        assert_same_bits(found[~scene.mask[0]], scene.damaged[0][plane][~scene.mask[0]])


@pytest.mark.parametrize("propagation", ["trace", "paper"])
def test_frames_are_the_same_in_any_order(weights, propagation):
    form = scenes.video_format(frames=4, size=(48, 64))
    scene = scenes.translation(form, (0.4, 0.2), scenes.box(form, (16, 20), (20, 16)))
    settings = {"synthesis": "deepfill", "weights": str(weights), "keyframe_interval": 3, "propagation": propagation}
    film = lender.of_scene(scene, **settings, **SETTINGS).film()
    lent = lender.of_scene(scene, **settings, **SETTINGS)
    for n in (3, 1):
        for plane, (found, expected) in enumerate(zip(lent.render(n), film[n], strict=True)):
            assert_same_bits(found, expected)
            hole = scene.plane_hole(n, plane)
            assert_same_bits(found[~hole], scene.damaged[n][plane][~hole])
        assert lent.properties[n]["DfviInvented"] > 0


def test_bytes_do_not_depend_on_the_threads_that_torch_has(weights):
    form = scenes.video_format("RGB", bits=32, is_float=True, frames=1)
    scene = alone(form, size=(40, 50), start=(40, 25))
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 8):
            torch.set_num_threads(threads)
            lent = lender.of_scene(scene, synthesis="deepfill", weights=str(weights), threads=threads, **SETTINGS)
            found.append(lent.render(0))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    for others in found[1:]:
        for plane, expected in zip(others, found[0], strict=True):
            assert_same_bits(plane, expected)


def test_a_network_is_loaded_once(weights, monkeypatch):
    form = scenes.video_format("GRAY", frames=4)
    loads = []

    def load(*arguments):
        loads.append(arguments)
        return real(*arguments)

    real = generator.load
    monkeypatch.setattr(generator, "load", load)
    lent = lender.of_scene(alone(form), synthesis="deepfill", weights=str(weights), keyframe_interval=1, **SETTINGS)
    lent.film()
    assert len(loads) == 1


def test_scores_of_attention_are_held_to_a_budget(weights, monkeypatch):
    budgets = []

    def watched(network, image, hole, **options):
        budgets.append(options)
        return image

    monkeypatch.setattr(generator, "inpaint", watched)
    lender.of_scene(
        alone(scenes.video_format(frames=1)), synthesis="deepfill", weights=str(weights), **SETTINGS
    ).render(0)
    assert budgets == [{"budget_bytes": generator.SCORES_BUDGET_BYTES}]


def test_without_a_network_torch_is_not_imported():
    code = """
import sys, lender, scenes
form = scenes.video_format(frames=1)
lender.of_scene(scenes.still(form), completion="laplace").render(0)
sys.exit("torch" in sys.modules)
"""
    root = Path(__file__).parent.parent
    path = os.pathsep.join([str(root.parent), str(root)])
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120, env={**os.environ, "PYTHONPATH": path})


# Errors.


def refusal(error, **settings):
    """Return the text of the error with which a filter is refused when it is made."""
    with pytest.raises(error) as caught:
        lender.of_scene(alone(scenes.video_format(frames=1)), **{"completion": "laplace", **settings})
    return str(caught.value)


SOURCE = "The file comes from https://github.com/nbei/Deep-Flow-Guided-Video-Inpainting (its README links the files)."
HOLDS = "weights must be a folder that holds imagenet_deepfill.pth (DeepFill v1)"


def test_a_missing_folder_is_named_when_the_filter_is_made(tmp_path):
    assert refusal(WeightsError, synthesis="deepfill") == f"{HOLDS}, got no folder. {SOURCE}"
    nowhere = tmp_path / "nowhere"
    text = refusal(WeightsError, synthesis="deepfill", weights=str(nowhere))
    assert text == f"{HOLDS}, got {nowhere}, which is no folder. Check the path."
    text = refusal(WeightsError, synthesis="deepfill", weights=str(tmp_path))
    assert text == f"{HOLDS}, got {tmp_path}, which does not. {SOURCE}"


def test_a_wrong_file_is_refused_when_the_filter_is_made(tmp_path, painter):
    file = tmp_path / "imagenet_deepfill.pth"
    file.write_bytes(b"")
    again = "Fetch it again, from where it comes."
    text = refusal(WeightsError, synthesis="deepfill", weights=str(tmp_path))
    assert text == f"{file} must be a checkpoint of torch or a safetensors file, got an empty file. {again}"
    file.write_bytes(Path(painter).read_bytes())
    text = refusal(WeightsError, synthesis="deepfill", weights=str(tmp_path))
    assert text == f"{file} must be weights, got a TorchScript program. Programs are run only where one is asked for."


def test_a_missing_or_wrong_program_is_refused_when_the_filter_is_made(tmp_path, weights):
    path = tmp_path / "gone.pt"
    text = refusal(WeightsError, synthesis=str(path))
    assert text == f"{path} must be a weights file, got nothing of that name. Check the path."
    path.write_bytes((weights / "imagenet_deepfill.pth").read_bytes())
    text = refusal(WeightsError, synthesis=str(path))
    assert text == (
        f"{path} must be a TorchScript program, got weights without a program. Export the network with its code."
    )
    programs.written(path, programs.Shift(1, 0))
    text = refusal(WeightsError, synthesis=str(path))
    assert text == (
        f"{path} must be a program that returns floats (1, 3, 128, 136), got float32 (1, 2, 128, 136). "
        "It is for something else, or made another way."
    )


LOWER = "repair less at a time (the mask, dilate), lower memory, or set synthesis to 'exemplar'"


def failing(scene, **settings):
    """Return the kind and text of the error with which a frame is refused. Torch has its threads back after it."""
    lent = lender.of_scene(scene, **settings, **SETTINGS)
    threads = torch.get_num_threads()
    with pytest.raises((EngineError, WeightsError)) as caught:
        lent.render(0)
    assert torch.get_num_threads() == threads
    return type(caught.value), str(caught.value)


@pytest.mark.parametrize(
    "raised",
    [
        RuntimeError("[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: ..."),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        MemoryError(),
    ],
    ids=["CPU", "GPU", "NumPy"],
)
def test_a_lack_of_memory_says_what_to_lower(weights, monkeypatch, raised):
    def inpaint_without_memory(*_, **__):
        raise raised

    monkeypatch.setattr(generator, "inpaint", inpaint_without_memory)
    scene = alone(scenes.video_format(frames=1))
    kind, text = failing(scene, synthesis="deepfill", weights=str(weights))
    assert kind is EngineError
    assert text == (
        f"synthesis must be what memory suffices for, got 'deepfill' for 112x96 pixels, which ran out of it: {LOWER}"
    )


def test_scores_beyond_the_budget_are_a_lack_of_memory(weights, monkeypatch):
    monkeypatch.setattr(generator, "SCORES_BUDGET_BYTES", 1000)
    scene = alone(scenes.video_format(frames=1))
    kind, text = failing(scene, synthesis="deepfill", weights=str(weights))
    assert kind is EngineError
    assert text.endswith(f"which ran out of it: {LOWER}")


def test_what_else_fails_in_torch_is_told(weights, monkeypatch):
    def inpaint_failing(*_, **__):
        raise RuntimeError("could not create a primitive\nand ten lines more")

    monkeypatch.setattr(generator, "inpaint", inpaint_failing)
    scene = alone(scenes.video_format(frames=1))
    kind, text = failing(scene, synthesis="deepfill", weights=str(weights))
    assert kind is EngineError
    assert text == (
        "synthesis must be what runs here, got 'deepfill' for 112x96 pixels, which failed "
        f"(could not create a primitive): {LOWER}"
    )


def test_a_program_that_lacks_memory_or_answers_wrongly_later_on(tmp_path):
    form = scenes.video_format(size=(96, 256), frames=1)
    scene = alone(form, size=(20, 200), start=(20, 30))
    path = programs.written(tmp_path / "memory.pt", programs.Failing(3, "memory"))
    kind, text = failing(scene, synthesis=path)
    assert kind is EngineError
    assert text.startswith(f"synthesis must be what memory suffices for, got '{path}' for ")
    path = programs.written(tmp_path / "nan.pt", programs.Failing(3, "nan"))
    kind, text = failing(scene, synthesis=path)
    assert kind is WeightsError
    assert text == (
        f"{path} must be a program that returns finite numbers, got NaN or infinity. "
        "It is for something else, or made another way."
    )


def test_the_number_of_threads_in_a_call_is_the_fixed_one():
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS + 1)
    try:
        with torch_call("synthesis", "deepfill", (8, 8), "exemplar"):
            assert torch.get_num_threads() == THREADS
        assert torch.get_num_threads() == THREADS + 1
    finally:
        torch.set_num_threads(before)
