"""What is checked of kernels on a GPU, and of arrays that cross over: the same on a real one and on its stand-in."""

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import numpy as np
import torch
from tolerance import assert_same_bits

from gpu import kernel_work, walk_work
from vsdfvi.engine.computing import open_device
from vsdfvi.kernels import HOST, Device
from vsdfvi.kernels.device import get_together, put_together
from vsdfvi.settings import Settings

Check = Callable[[Device], None]

SIZES = ((1, 1), (1, 9), (9, 1), (13, 17), (40, 33), (257, 611))  # degenerate, odd, larger than a block
BEYOND = 800_000
"""Items that the largest GPU's grid does not hold at once (16 blocks of 256 on each of 192 processors are 786,432), so
that threads go round."""


def same(work: kernel_work.Work, device: Device) -> None:
    """Fail unless a work gives the same bytes on a device as on the CPU, and leaves none of them as it found them."""
    expected = work(HOST)
    with device.active():
        found = work(device)
    for mine, theirs in zip(found, expected, strict=True):
        assert_same_bits(mine, theirs)


def _items(size: tuple[int, int]) -> int:
    return 60 if size[0] * size[1] < 4000 else 40_000


def _kernel_works() -> Iterator[tuple[str, kernel_work.Work]]:
    """Every kernel with every kind of input, and a name."""
    for size, scale, later in product(SIZES, (1, 2, 4), (False, True)):
        name = f"{size[0]}x{size[1]}, 1/{scale}, {'later' if later else 'earlier'}"
        yield f"trace_step {name}", kernel_work.trace(size, _items(size), scale=scale, later=later)
        if scale < 4:
            yield f"paper_link {name}", kernel_work.links(size, later=later, scale=scale)
    for size, scale in product(SIZES, (1, 2, 4)):
        name = f"{size[0]}x{size[1]}, 1/{scale}"
        yield f"sample_flow {name}", kernel_work.flow_ends(size, _items(size), scale=scale, plane=2 * (scale > 1))
    for size, subsampling in product(SIZES, ((0, 0), (1, 1), (2, 0))):
        name = f"{size[0]}x{size[1]}, {subsampling}"
        yield f"sample_lanczos {name}", kernel_work.lanczos(size, _items(size), subsampling=subsampling)
        yield f"sample_sources {name}", walk_work.sampled(size, _items(size), subsampling=subsampling)
        yield f"blend_sources {name}", walk_work.blended(size, _items(size), subsampling=subsampling)
    for size, scale, later in product(SIZES, (1, 2), (False, True)):
        name = f"{size[0]}x{size[1]}, 1/{scale}"
        work = walk_work.walked(size, _items(size), scale=scale, later=later)
        yield f"trace_walk {name}, {'later' if later else 'earlier'}", work
        if later:
            yield f"trace_follow {name}", walk_work.followed(size, _items(size), scale=scale)
    for sources, samples, groups in ((1, 5, 1), (1, 400, 1), (5, 900, 4), (40, 3000, 2)):
        name = f"{sources} sources, {samples} samples, {groups} groups"
        yield f"light_lines {name}", walk_work.lit(sources, samples, groups)
        yield f"light_shift {name}", walk_work.drifted(sources, samples, groups)
    yield "light_lines told alone", walk_work.lit(3, 400, 2, corrects=False)
    for size in SIZES:
        name = f"{size[0]}x{size[1]}"
        yield f"laplace_restrict {name}", kernel_work.restricted(size)
        yield f"laplace_prolong {name}", kernel_work.prolonged(size)
        yield f"warp_planes {name}", kernel_work.warped(size)
        yield f"median_planes {name}", kernel_work.medians(size)
        yield f"laplace_settle {name}", kernel_work.settled(size, sweeps=8 if size[0] > 100 else 24)
        for share in (0.5, 1.0):
            if share < 1 or size[0] < 100:  # a large hole in noise takes thousands of sweeps
                yield f"laplace_fill {name}, {share:.0%}", kernel_work.smooth(size, share=share)
        for full in (False, True) if size[0] < 100 else ():
            work = kernel_work.searched(size, pairs=2, started=full, full=full, spoiled=0.01)
            yield f"search_flow {name}, {'full, started' if full else 'half'}", work
    for size, hole in (((9, 9), (3, 2)), ((40, 33), (9, 14)), ((96, 131), (31, 40)), ((5, 6), (2, 2))):
        for channels, sharp in ((1, True), (3, True), (2, False)):
            name = f"{size[0]}x{size[1]}, {channels} channels{', sharp' if sharp else ''}"
            yield f"exemplar_fill {name}", kernel_work.patched(size, channels, hole=hole, sharp=sharp, spoiled=0.001)
        work = kernel_work.patched(size, 3, hole=hole, melded=True, spoiled=0.001)
        yield f"meld_fill {size[0]}x{size[1]}", work
    for count in (1, 257, BEYOND):
        yield f"paper_carry {count}", kernel_work.names_carried(count)
        yield f"paper_merge {count}", kernel_work.names_merged(count)
    yield "search_flow 120x161, full, started", kernel_work.searched((120, 161), started=True)
    yield "laplace_fill 97x130, 100%", kernel_work.smooth((97, 130), share=1.0)
    yield "trace_step walks on", kernel_work.trace((40, 33), 60, stop=False)
    yield f"trace_step {BEYOND}", kernel_work.trace((270, 480), BEYOND)
    yield f"sample_lanczos {BEYOND}", kernel_work.lanczos((270, 480), BEYOND)
    yield f"trace_walk {BEYOND}", walk_work.walked((270, 480), BEYOND)
    yield f"trace_follow {BEYOND}", walk_work.followed((270, 480), BEYOND)
    yield f"sample_sources {BEYOND}", walk_work.sampled((270, 480), BEYOND // 2)
    yield f"blend_sources {BEYOND}", walk_work.blended((270, 480), BEYOND)
    yield f"sample_flow {BEYOND}", kernel_work.flow_ends((270, 480), BEYOND)
    yield "paper_link 1000x1000", kernel_work.links((1000, 1000))
    # More rows, pixels and planes than there are rows of blocks, threads and blocks.
    yield "laplace_restrict 3900x640", kernel_work.restricted((3900, 640), planes=1)
    yield "laplace_prolong 1100x1200", kernel_work.prolonged((1100, 1200), planes=1, share=1.0)
    yield "laplace_settle 3300 planes", kernel_work.settled((5, 7), planes=3300)


KERNEL_WORKS = dict(_kernel_works())


# Crossing over.


def arrays_pass_between_cupy_and_torch_without_a_copy(device: Device) -> None:
    """Both ways, with the pointer of the one in the other, and what one writes the other sees."""
    with device.active():
        ours = device.put(np.arange(12, dtype=np.float32).reshape(3, 4))
        theirs = torch.utils.dlpack.from_dlpack(ours)
        assert theirs.data_ptr() == ours.data.ptr
        assert theirs.device == device.torch_device()
        back = device.arrays.from_dlpack(theirs)
        assert back.data.ptr == ours.data.ptr
        theirs[1, 2] = 77
        assert device.get(ours)[1, 2] == 77
        born_there = torch.full((5,), 3.0, device=device.torch_device())
        assert device.arrays.from_dlpack(born_there).data.ptr == born_there.data_ptr()


def cupy_and_torch_work_in_one_order(device: Device) -> None:
    """Each goes on with what the other has only begun; nobody waits in between."""
    values = np.random.default_rng(1).integers(0, 64, (256, 256)).astype(np.float32)
    expected = values.copy()
    with device.active():
        there = device.put(values)
        for step in range(24):
            there = there * np.float32(2) + np.float32(step)  # CuPy
            tensor = torch.utils.dlpack.from_dlpack(there)
            there = device.arrays.from_dlpack(torch.remainder(tensor, 509))
        found = device.get(there)
    for step in range(24):
        expected = np.remainder(expected * np.float32(2) + np.float32(step), np.float32(509))
    assert_same_bits(found, expected)


def what_is_sent_is_the_array_as_it_was(device: Device) -> None:
    """The host takes its frame back at once, with copies still under way, of more arrays than there are buffers."""
    with device.active():
        sent = []
        for k in range(12):
            picture = np.full((1080 - k, 1920), k, np.uint16)  # each fits into a buffer of before
            sent.append(device.send(picture))
            picture[:] = 999
        for k, each in enumerate(sent):
            assert (device.get(each.take()) == k).all(), f"picture {k}"


def arrays_travel_together(device: Device) -> None:
    """Of any type and size, in one upload and one download."""
    arrays: list[Any] = [np.arange(5, dtype=np.int32), np.zeros((0, 3), np.float32), np.ones((3, 3), np.uint8)]
    arrays += [np.arange(2.0), np.random.default_rng(1).random((100, 100), np.float32)]
    with device.active():
        home = get_together(device, put_together(device, arrays))
    for mine, theirs in zip(home, arrays, strict=True):
        assert_same_bits(mine, theirs)


def the_engine_takes_the_device(device: Device) -> None:
    """``cuda`` means it, and it has free memory."""
    assert open_device(Settings(device="cuda")).name == device.name
    assert device.free_bytes() > 256 << 20


CROSSINGS: dict[str, Check] = {
    check.__name__: check
    for check in (
        arrays_pass_between_cupy_and_torch_without_a_copy, cupy_and_torch_work_in_one_order,
        what_is_sent_is_the_array_as_it_was, arrays_travel_together, the_engine_takes_the_device,
    )
}  # fmt: skip
