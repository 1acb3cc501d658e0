"""The engine's way on a GPU, run on a stand-in for one: the bytes are the CPU's, and what crosses is counted."""

import logging

import numpy as np
import pytest
import scenes
import stand_in
import torch
from gpus import pretended
from lender import Lender, of_scene
from programs import random_deepfill
from tolerance import assert_same_bits

from vsdfvi.engine import cache, computing, devices
from vsdfvi.errors import EngineError
from vsdfvi.kernels import HOST, _gpu, pack
from vsdfvi.kernels._launch import launch
from vsdfvi.kernels.device import Cuda, get_together, put_together

SIZE = 48, 64
FORMATS = {
    "GRAY8": {"family": "GRAY"},
    "GRAY16": {"family": "GRAY", "bits": 16},
    "YUV420P10": {"family": "YUV", "bits": 10, "subsampling": (1, 1)},
    "YUV444PS": {"family": "YUV", "bits": 32, "is_float": True},
    "RGB24": {"family": "RGB"},
}


def scene_of(size=SIZE, frames=6, **fields):
    form = scenes.video_format(size=size, frames=frames, **fields)
    return scenes.occluder(form, (1, 0), (-2, 1), 8, scenes.box(form, (16, 21), (10, 16), (4, 0)))


def films(scene, **settings):
    """A scene repaired on the CPU and on the stand-in, by one estimator of flow."""
    settings = {"flow": "dis", **settings}
    here = of_scene(scene, device="cpu", **settings).film()
    with pretended():
        there = of_scene(scene, device="cuda", **settings).film()
        assert stand_in.counters.uploads
    return here, there


def assert_same_films(here, there):
    for mine, theirs in zip(here, there, strict=True):
        for a, b in zip(mine, theirs, strict=True):
            assert_same_bits(a, b)


@pytest.mark.parametrize("name", FORMATS)
def test_the_bytes_are_the_cpu_s_in_every_family(name):
    assert_same_films(*films(scene_of(**FORMATS[name]), completion="laplace"))


@pytest.mark.parametrize("name", ["GRAY8", "YUV420P10", "RGB24"])
def test_the_bytes_are_the_cpu_s_in_changing_light_and_grain(name):
    scene = scenes.aged(scene_of(**FORMATS[name]), gains=(1.0, 0.92, 1.07, 0.97), grain=4)
    assert_same_films(*films(scene, completion="laplace", sources=3, keyframe_interval=3))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"threads": 2},
        {"flow": "search"},
        {"flow": "search", "completion": "laplace"},
        {"completion": "laplace", "propagation": "paper"},
        {"completion": "laplace", "synthesis": "diffusion", "radius": 1},
        {"completion": "laplace", "radius": 1, "keyframe_interval": 2},
        {"completion": "laplace", "view": "flow"},
        {"completion": "laplace", "view": "source"},
        {"completion": "laplace", "view": "confidence"},
        {"memory": 16, "device_memory": 64},
        {"fp16": 1},
    ],
    ids=str,
)
def test_the_bytes_are_the_cpu_s_with_every_stage(settings):
    assert_same_films(*films(scene_of(family="YUV", subsampling=(1, 1)), **settings))


@pytest.mark.parametrize("flow", ["dis", "search"])
def test_the_bytes_are_the_cpu_s_on_large_frames_whose_flow_is_coarser(flow):
    scene = scene_of(size=(608, 96), frames=3, family="RGB")
    assert_same_films(*films(scene, completion="laplace", flow=flow))


def test_the_bytes_are_the_cpu_s_with_a_generator(tmp_path):
    torch.save(random_deepfill().state_dict(), tmp_path / "imagenet_deepfill.pth")
    settings = {"completion": "laplace", "synthesis": "deepfill", "weights": str(tmp_path), "radius": 1}
    assert_same_films(*films(scene_of(frames=3, family="RGB"), **settings))


def test_any_order_gives_the_same_bytes():
    scene = scene_of(family="GRAY")
    with pretended():
        lender = of_scene(scene, device="cuda")
        forwards = lender.film()
        lender = of_scene(scene, device="cuda", device_memory=64)
        backwards = [lender.render(n) for n in reversed(range(len(forwards)))]
    assert_same_films(forwards, backwards[::-1])


def test_a_plane_crosses_once_and_hole_samples_come_back():
    """Of every frame at most one plane goes; some 90 bytes come of each hole pixel, and 5 of its ring a step.

    And of every pair of frames, whose light is told by the host, two pictures.
    """
    frames, (height, width) = 12, (64, 96)
    form = scenes.video_format("GRAY", size=(height, width), frames=frames)
    scene = scenes.occluder(form, (1, 0), (1, 0), 8, scenes.box(form, (20, 20), (8, 8), (2, 0)))
    with pretended():
        sent = []
        send = Cuda.send

        def recorded(self, array):
            sent.append((array.dtype, array.shape))
            return send(self, array)

        Cuda.send, before = recorded, send
        try:
            of_scene(scene, device="cuda", completion="laplace").film()
        finally:
            Cuda.send = before
        planes = [shape for dtype, shape in sent if dtype == np.uint8 and shape == (height, width)]
        assert len(planes) <= frames
        assert len(planes) >= frames - 2
        # What comes back: of each hole pixel a value, whether it was reached, three accounts of its walks, where those
        # of four sources ended in luma and in chroma, and what two key frames show; of each pixel of the ring, which is
        # 3 wide, what each other frame shows; and of the key frames, which are traced themselves, the picture around
        # the hole, before and after it is filled.
        traced, ring = frames + 2, 26 * 26 - 20 * 20
        of_holes, of_rings = 88 * 20 * 20 * traced, 5 * ring * frames * traced
        of_light = (frames - 1) * 2 * 4 * height * width
        assert stand_in.counters.downloaded_bytes < of_holes + of_rings + of_light + 5 * 4 * height * width


def test_arrays_pass_between_cupy_and_torch_without_a_copy():
    with pretended() as cupy:
        device = Cuda(0)
        with device.active():
            ours = device.put(np.arange(12, dtype=np.float32).reshape(3, 4))
            theirs = torch.utils.dlpack.from_dlpack(ours)
            assert theirs.data_ptr() == ours.data.ptr
            back = cupy.from_dlpack(theirs)
            assert back.data.ptr == ours.data.ptr


def test_a_window_comes_to_torch_without_a_copy(monkeypatch):
    """What the compact network is given is made of the engine's array itself."""
    from vsdfvi.engine import dfc

    pointers = []
    backwards = dfc.run_backwards

    def seen(flow, unknown):
        pointers.append(flow.data_ptr())
        return backwards(flow, unknown)

    monkeypatch.setattr(dfc, "run_backwards", seen)
    with pretended() as cupy:
        stacked = []
        stack = cupy.stack

        def recorded(arrays, *rest, **named):
            made = stack(arrays, *rest, **named)
            stacked.append(made.data.ptr)
            return made

        cupy.stack = recorded
        of_scene(scene_of(frames=4, family="GRAY"), device="cuda").film()
    assert pointers
    assert set(pointers) <= set(stacked)


def test_arrays_travel_together():
    arrays = [np.arange(5, dtype=np.int32), np.zeros((0, 3), np.float32), np.ones((3, 3), np.uint8), np.arange(2.0)]
    with pretended():
        device = Cuda(0)
        with device.active():
            there = put_together(device, arrays)
            assert stand_in.counters.uploads == 1
            home = get_together(device, there)
            assert stand_in.counters.downloads == 1
    for mine, theirs in zip(arrays, home, strict=True):
        assert mine.dtype == theirs.dtype
        np.testing.assert_array_equal(mine, theirs)
    assert put_together(HOST, arrays)[0] is arrays[0]


def test_what_is_sent_is_the_array_as_it_was():
    """The host takes its frame back at once; the copy is still under way, out of a buffer that others wait for."""
    with pretended():
        device = Cuda(0)
        with device.active():
            sent = []
            for k in range(12):  # more than there are buffers, each small enough for one that was used
                picture = np.full((40, 60 - k), k, np.uint16)
                sent.append(device.send(picture))
                picture[:] = 999
            for k, each in enumerate(sent):
                home = device.get(each.take())
                assert home.shape == (40, 60 - k)
                assert (home == k).all()


def test_packed_planes_are_the_same_there():
    stacks = [np.random.default_rng(1).random((2, 5, 7), np.float32), np.ones((2, 3, 3), np.float32)]
    packed = pack([(0, 0), (9, 2)], stacks)
    with pretended():
        device = Cuda(0)
        with device.active():
            there = packed.on(device)
            home = there.on_host(device)
            crop, inside = there.crop(4, 1, 8, 5)
            made = pack([(0, 0), (9, 2)], [device.put(stack) for stack in stacks], device)
            assert_same_bits(device.get(made.samples), packed.samples)
            expected, where = packed.crop(4, 1, 8, 5)
            assert_same_bits(device.get(crop), expected)
            assert_same_bits(device.get(inside), where)
    assert_same_bits(home.samples, packed.samples)
    assert home.boxes is packed.boxes


def test_two_filters_share_the_budget_of_a_device():
    scene = scene_of(family="GRAY")
    with pretended():
        first, second = (of_scene(scene, device="cuda", completion="laplace", device_memory=mib) for mib in (64, 128))
        first.film()
        alone = first.inpainter.statistics()["device_cache_bytes"]
        assert alone > 0
        second.film()
        both = second.inpainter.statistics()["device_cache_bytes"]
        assert both == first.inpainter.statistics()["device_cache_bytes"]
        assert both > alone
        ((shared, _),) = cache._shared.values()
        assert shared.budget_bytes == 128 << 20
        third = of_scene(scene, device="cuda", completion="laplace", device_memory=64)
        shared.budget_bytes = alone  # whoever needs room takes it
        third.film()
        assert first.inpainter.statistics()["device_cache_bytes"] <= alone
        third.inpainter.close()
        first.inpainter.close()
        second.inpainter.close()
        assert shared.size_bytes == 0


def test_the_budget_is_half_of_what_is_free_and_at_most_4_gib():
    for total, taken, expected in ((8 << 30, 2 << 30, 3 << 30), (80 << 30, 0, 4 << 30)):
        with pretended():
            stand_in.machine.memory_bytes, stand_in.machine.taken_bytes = total, taken
            of_scene(scene_of(family="GRAY"), device="cuda", completion="laplace")
            assert cache._shared["cuda:0"][0].budget_bytes == pytest.approx(expected, rel=0.01)


def test_memory_that_runs_out_is_made_by_giving_up_what_was_kept(caplog, monkeypatch):
    monkeypatch.setattr(cache, "LEAST_BYTES", 0)
    scene = scene_of(family="GRAY", frames=8)
    expected = of_scene(scene, device="cpu", completion="laplace", flow="dis").film()
    with pretended() as cupy, caplog.at_level(logging.WARNING, logger="vsdfvi"):
        lender = of_scene(scene, device="cuda", completion="laplace", flow="dis")
        for n in range(3):
            lender.render(n)
        pool = cupy.get_default_memory_pool()
        pool.set_limit(size=pool.used_bytes() + 4096)
        found = lender.render(3)
        assert "cuda:0 ran out of memory" in caplog.text
    for a, b in zip(found, expected[3], strict=True):
        assert_same_bits(a, b)


def test_memory_that_does_not_suffice_at_all_is_an_error_that_says_what_to_do():
    with pretended() as cupy:
        lender = of_scene(scene_of(family="GRAY"), device="cuda", completion="laplace")
        cupy.get_default_memory_pool().set_limit(size=2048)
        with pytest.raises(EngineError, match=r"^device must be one whose memory suffices, got cuda:0, .* 'cpu'$"):
            lender.render(2)
        cupy.get_default_memory_pool().set_limit(size=0)
        assert lender.render(2)  # and it goes on


def test_memory_that_others_hold_for_reuse_is_enough_to_go_on(monkeypatch):
    """The first remedy is to give back what nothing lives in; results stay."""
    with pretended():
        kept = cache.shared_cache("cuda:0", 1 << 20)
        kept.get("result", lambda: 1, lambda _: 8)
        device, attempts = Cuda(0), []

        def make():
            attempts.append(len(attempts))
            if len(attempts) == 1:
                raise RuntimeError("CUDNN_STATUS_ALLOC_FAILED")
            return "made"

        assert computing.retried(make, device, kept) == "made"
        assert len(attempts) == 2
        assert kept.size_bytes == 8


def test_a_budget_ends_with_its_owner():
    with pretended():
        large, small = (cache.shared_cache("cuda:0", mib << 20) for mib in (128, 64))
        assert small.budget_bytes == 128 << 20
        large.clear()
        assert small.budget_bytes == 64 << 20
        small.get("result", lambda: 1, lambda _: 40 << 20)
        small.give_up()
        assert (small.budget_bytes, small.size_bytes) == (20 << 20, 0)
        small.give_up()
        assert small.budget_bytes == cache.LEAST_BYTES


def test_a_device_that_fails_its_trial_is_refused_where_it_is_asked_for(monkeypatch):
    monkeypatch.setattr(devices, "probe", lambda whole=True: None)
    with pretended():
        monkeypatch.setattr(Cuda, "get", lambda self, array: broken(array))
        with pytest.raises(
            EngineError, match=r"^device must be one that works, got 'cuda:0': .*no kernel image.*doctor"
        ):
            of_scene(scene_of(family="GRAY"), device="cuda", completion="laplace")


def test_other_errors_pass_as_they_are():
    def fail():
        raise KeyError("mine")

    with pretended(), pytest.raises(KeyError, match="mine"):
        computing.retried(fail, Cuda(0), cache.shared_cache("cuda:0", 1 << 20))


def test_the_log_says_which_device_is_taken(caplog):
    with pretended(), caplog.at_level(logging.INFO, logger="vsdfvi"):
        of_scene(scene_of(family="GRAY"), device="cuda", completion="laplace")
        assert "device: cuda:0" in caplog.text


def test_auto_takes_a_gpu_that_gives_the_right_result_and_no_other(monkeypatch, caplog):
    scene = scene_of(family="GRAY", frames=3)
    monkeypatch.setattr(devices, "probe", lambda whole=True: None)
    monkeypatch.setattr(devices, "explain", lambda found: "device: cuda:0 (a stand-in)")
    with pretended(), caplog.at_level(logging.INFO, logger="vsdfvi"):
        monkeypatch.setattr(devices, "choose", lambda setting, found=None: "cuda:0")
        taken = of_scene(scene, device="auto", completion="laplace").inpainter
        assert taken.device.name == "cuda:0"
        assert "device: cuda:0 (a stand-in)" in caplog.text
        for spoil, why in ((lambda array: array + 1, "its result is not the CPU's"), (broken, "no kernel image")):
            caplog.clear()
            monkeypatch.setattr(Cuda, "get", lambda self, array, spoil=spoil: spoil(array.get()))
            taken = of_scene(scene, device="auto", completion="laplace").inpainter
            assert taken.device is HOST
            assert f"device: cpu (cuda:0 was tried and failed: {why}" in caplog.text


def broken(array):
    raise RuntimeError("no kernel image is available\nfor this device")


def test_an_array_of_the_host_is_not_given_to_a_kernel_of_a_gpu():
    with pretended():
        device = Cuda(0)
        with device.active(), pytest.raises(TypeError, match="one of NumPy's"):
            _gpu.prepared("trace_step", (0, 1), np.zeros(1, np.float32))
        with device.active():
            there = device.put(np.ones((2, 4, 4), np.float32))
            with pytest.raises(ValueError, match="contiguous"):
                launch("laplace_prolong", (0, 1), there[:, ::2], there, there, 2, 4, 2)


def test_a_lender_of_a_clip_ends_on_the_device_it_began_on():
    """Frames that need nothing are never uploaded."""
    form = scenes.video_format("GRAY", size=SIZE, frames=3)
    scene = scenes.translation(form, (1, 0), np.zeros((3, *SIZE), bool))
    with pretended():
        lender = Lender(scene.frames(), scene.mask, form, device="cuda", completion="laplace")
        before = stand_in.counters.uploads  # of the device's trial
        lender.film()
        assert stand_in.counters.uploads == before
