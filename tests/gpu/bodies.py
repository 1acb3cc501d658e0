"""What is checked on a GPU, as functions of a device: the same run on a real one and on its stand-in.

Each takes the device and, where its figures are of interest beyond the check, a function to note them with.
"""

from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gpu import kernel_work
from gpu.films import Film, Lender, Planes
from tolerance import GROWTH_MIB, assert_same_bits, psnr

from vsdfvi.engine.computing import open_device
from vsdfvi.errors import EngineError
from vsdfvi.kernels import HOST, Device, search
from vsdfvi.kernels.device import get_together, put_together
from vsdfvi.settings import CHOICES, Settings

Note = Callable[[str], None]
Check = Callable[[Device], None]
FilterCheck = Callable[[Device, Note], None]

NETWORK_DB = 50.0
"""PSNR in the hole, of the filter on a GPU against itself on the CPU, where a network completes flow. Convolutions round
otherwise there (cuDNN adds in another order, and multiplies in TF32, of 10 bits); flow differs by some hundredths of a
pixel, and a sample by what the picture changes over that. What this would not forgive is a path of its own: another
source for a tenth of the hole's samples makes 40 dB. Not yet measured on a GPU. (Nov 2026)"""

HALF_DB = 45.0
"""The same of half precision against single, both on the GPU: its convolutions keep 11 bits. Not yet measured. (Nov
2026)"""

DEVICE_GROWTH_MIB = 8
"""MiB that the last frames of a long film may hold on the device beyond the first: what is kept has a budget, which both
have reached, and sizes of holes differ from frame to frame. (Nov 2026)"""

SIZES = ((1, 1), (1, 9), (9, 1), (13, 17), (40, 33), (257, 611))  # degenerate, odd, larger than a block
BEYOND = 1_200_000
"""Items that the largest GPU's grid does not hold at once (16 blocks of 256 on each of 192 processors are 786,432), so
that threads go round."""


def same(work: kernel_work.Work, device: Device) -> None:
    """Fail unless a work gives the same bytes on a device as on the CPU, and leaves none of them as it found them."""
    expected = work(HOST)
    with device.active():
        found = work(device)
    for mine, theirs in zip(found, expected, strict=True):
        assert_same_bits(mine, theirs)


SEARCHES = hasattr(search, "module_of")
"""Whether flow can be searched on a device yet."""


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
        if SEARCHES:
            for full, started in ((False, False), (True, True)):
                how = f"{'full' if full else 'half'}{', started' if started else ''}"
                work = kernel_work.searched(size, pairs=2, started=started, full=full, spoiled=0.01)
                yield f"search_flow {name}, {how}", work
    for count in (1, 257, BEYOND):
        yield f"paper_carry {count}", kernel_work.names_carried(count)
        yield f"paper_merge {count}", kernel_work.names_merged(count)
    yield "laplace_fill 97x130, 100%", kernel_work.smooth((97, 130), share=1.0)
    yield "trace_step walks on", kernel_work.trace((40, 33), 60, stop=False)
    yield f"trace_step {BEYOND}", kernel_work.trace((270, 480), BEYOND)
    yield f"sample_lanczos {BEYOND}", kernel_work.lanczos((270, 480), BEYOND)
    yield f"sample_flow {BEYOND}", kernel_work.flow_ends((270, 480), BEYOND)
    yield "paper_link 1000x1300", kernel_work.links((1000, 1300))
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
    """The host takes its frame back at once, while copies are still under way, of more arrays than there are buffers."""
    with device.active():
        sent = []
        for k in range(12):
            picture = np.full((1080 + k, 1920), k, np.uint16)
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


# The whole filter.

FLOW = "search" if SEARCHES else "dis"


def repaired(device: str, film: Film, frames: range | None = None, **settings: Any) -> list[Planes]:
    """Return frames of a film, repaired on a device, with the same estimator of flow wherever that is."""
    how = {"radius": 6, "keyframe_interval": 4, "device": device, "flow": FLOW, **settings}
    return Lender(film, **how).film_of(range(film.format.frames) if frames is None else frames)


def difference(found: list[Planes], expected: list[Planes], film: Film) -> dict[str, float]:
    """Return, of the samples in the hole: the share that differs, by how many codes at most, and PSNR in dB.

    Outside it nothing may differ.
    """
    mine, theirs = [], []
    for n, (ours, others) in enumerate(zip(found, expected, strict=True)):
        for plane, (a, b) in enumerate(zip(ours, others, strict=True)):
            hole = film.plane_hole(n, plane)
            assert a[~hole].tobytes() == b[~hole].tobytes(), f"frame {n} differs outside its hole"
            mine.append(a[hole].astype(np.float64))
            theirs.append(b[hole].astype(np.float64))
    one, other = np.concatenate(mine), np.concatenate(theirs)
    return {
        "samples": one.size,
        "differ_%": round(100 * float(np.mean(one != other)), 3),
        "most_codes": float(np.abs(one - other).max()),
        "dB": round(psnr(one, other, film.format.peak), 1),
    }


def same_film(film: Film, device: Device, **settings: Any) -> None:
    """Fail unless a film comes out byte for byte as on the CPU, and not as it was lent."""
    expected, found = (repaired(name, film, **settings) for name in ("cpu", device.name))
    for n, (ours, theirs) in enumerate(zip(found, expected, strict=True)):
        for plane, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            assert_same_bits(a, b)
            hole = film.plane_hole(n, plane)
            lent = film.lent(n)[0].planes[plane]
            assert not hole.any() or settings.get("view") or (a[hole] != lent[hole]).mean() > 0.5, "nothing was repaired"


FORMATS: dict[str, dict[str, Any]] = {
    "GRAY8": {"family": "GRAY"},
    "GRAY16": {"family": "GRAY", "bits": 16},
    "YUV420P8": {},
    "YUV422P10": {"bits": 10, "subsampling": (1, 0)},
    "RGB24": {"family": "RGB"},
    "YUV444PH": {"bits": 16, "is_float": True, "subsampling": (0, 0)},
    "GRAYS": {"family": "GRAY", "bits": 32, "is_float": True},
}

STAGES: dict[str, dict[str, Any]] = {
    **{f"flow={flow}": {"flow": flow} for flow in CHOICES["flow"] if flow not in ("auto", "search" if not SEARCHES else "")},
    "paper": {"propagation": "paper"},
    "diffusion": {"synthesis": "diffusion", "radius": 1},
    "mostly invented": {"radius": 1, "keyframe_interval": 2},
    "threads": {"threads": 2},
    "little memory": {"memory": 16, "device_memory": 64, "radius": 12},
    "view=flow": {"view": "flow"},
    "view=confidence": {"view": "confidence"},
}


def small_film(frames: int = 6, kind: str = "box", size: tuple[int, int] = (72, 96), **fields: Any) -> Film:
    return Film.of(kind, size=size, frames=frames, **fields)


def a_format(name: str, device: Device) -> None:
    """Without a network everything is exact: the same bytes in every family, whole numbers or not."""
    same_film(small_film(**FORMATS[name]), device, completion="laplace")


def a_stage(name: str, device: Device) -> None:
    """The same with every stage that has a choice."""
    same_film(small_film(), device, completion="laplace", **STAGES[name])


def a_coarser_grid_of_flow(device: Device, note: Note) -> None:
    """Frames of 600 lines and more have flow at half the size, those of 1300 and more at a quarter."""
    for height in (608, 1312):
        same_film(small_film(3, "scratch", (height, 96), family="GRAY"), device, completion="laplace", radius=2)


def a_network_differs_little(device: Device, note: Note) -> None:
    """Completed by DFC-Net, the hole is the CPU's within a bound."""
    film = small_film(8, size=(120, 160))
    found = difference(repaired(device.name, film), repaired("cpu", film), film)
    note(f"GPU against CPU, dfc: {found}")
    assert found["dB"] >= NETWORK_DB


def half_precision_differs_little(device: Device, note: Note) -> None:
    """fp16=1 against fp16=0, both there."""
    film = small_film(8, size=(120, 160))
    found = difference(repaired(device.name, film, fp16=1), repaired(device.name, film), film)
    note(f"fp16 against fp32, dfc: {found}")
    assert found["dB"] >= HALF_DB


def three_runs_give_the_same_bytes(device: Device, note: Note) -> None:
    """With the network, in single and in half precision, the last run backwards and with little memory."""
    film = small_film(8)
    for half in (0, 1):
        first, again = (repaired(device.name, film, fp16=half) for _ in range(2))
        backwards = repaired(
            device.name, film, range(film.format.frames - 1, -1, -1), fp16=half, memory=16, device_memory=64
        )
        for other in (again, backwards[::-1]):
            for ours, theirs in zip(first, other, strict=True):
                for a, b in zip(ours, theirs, strict=True):
                    assert_same_bits(a, b)


def memory_that_runs_out_is_made_by_giving_up_what_was_kept(device: Device, note: Note) -> None:
    """CuPy's pool is given a limit that the next frame exceeds: the frame comes all the same, and is the CPU's."""
    film, how = small_film(24), {"completion": "laplace", "radius": 16, "keyframe_interval": 4, "flow": FLOW}
    expected = repaired("cpu", film, range(8, 9), **how)[0]
    pool = device.arrays.get_default_memory_pool()
    lender = Lender(film, device=device.name, **how)
    try:
        for n in range(8):  # by then there is much more than one frame needs beside it
            lender.render(n)
        kept = lender.inpainter.statistics()["device_cache_bytes"]
        pool.free_all_blocks()
        pool.set_limit(size=pool.total_bytes() + 4096)
        found = lender.render(8)
        left = lender.inpainter.statistics()["device_cache_bytes"]
    finally:
        pool.set_limit(size=0)
        lender.inpainter.close()
    note(f"out of memory: {kept / 2**20:.1f} MiB kept before, {left / 2**20:.1f} after")
    assert left <= kept // 2, "nothing was given up: memory did not run out"
    for a, b in zip(found, expected, strict=True):
        assert_same_bits(a, b)


def memory_that_does_not_suffice_is_an_error_and_passes(device: Device, note: Note) -> None:
    """With next to nothing there is a sentence; once there is memory again, there are frames."""
    film = small_film(6)
    pool = device.arrays.get_default_memory_pool()
    lender = Lender(film, device=device.name, completion="laplace", radius=6, flow=FLOW)
    try:
        pool.free_all_blocks()
        pool.set_limit(size=max(1, pool.total_bytes()))
        try:
            lender.render(2)
        except EngineError as error:
            said = str(error)
        else:
            raise AssertionError("memory must run out")
        finally:
            pool.set_limit(size=0)
        assert said.startswith(f"device must be one whose memory suffices, got {device.name}")
        assert lender.render(2)
    finally:
        lender.inpainter.close()


FILTER_CHECKS: dict[str, FilterCheck] = {
    check.__name__: check
    for check in (
        a_coarser_grid_of_flow, a_network_differs_little, half_precision_differs_little, three_runs_give_the_same_bytes,
        memory_that_runs_out_is_made_by_giving_up_what_was_kept, memory_that_does_not_suffice_is_an_error_and_passes,
    )
}  # fmt: skip


# A long film.


def resident_mib() -> float:
    """Return what of this process is in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def memory_stays_flat(device: Device, note: Note, frames: int, ends: int, size: tuple[int, int] = (120, 160)) -> None:
    """A film of many frames holds no more at its end than near its beginning, on the device and on the host.

    Args:
        ends: Frames at each end that are compared.
    """
    film = Film.of("box", size=size, frames=frames, kept=40)
    lender = Lender(film, device=device.name, radius=4, keyframe_interval=4, memory=16, device_memory=64, flow=FLOW)
    pool = device.arrays.get_default_memory_pool()
    held: list[tuple[float, float]] = []
    try:
        for n in range(frames):
            lender.render(n)
            of_torch = torch.cuda.memory_allocated() if torch.cuda.is_available() else 0
            held.append(((pool.used_bytes() + of_torch) / 2**20, resident_mib()))
    finally:
        lender.inpainter.close()
    (there, here), (there_late, here_late) = (np.max(part, axis=0) for part in (held[:ends], held[-ends:]))
    note(
        f"{frames} frames of {size[1]}x{size[0]}: {there:.1f} MiB on the device in the first {ends}, {there_late:.1f} in "
        f"the last; {here:.0f} and {here_late:.0f} MiB resident"
    )
    assert there > 0
    assert there_late - there <= DEVICE_GROWTH_MIB, (there, there_late)
    assert here_late - here <= GROWTH_MIB, (here, here_late)
