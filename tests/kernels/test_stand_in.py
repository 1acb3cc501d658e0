"""The stand-in for a GPU refuses what CuPy refuses, runs the kernels of the library, and counts."""

import copy
import gc
import importlib.util
import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest
import stand_in
import torch
from stand_in import counters, machine
from stand_in.streams import UnorderedUse
from tolerance import assert_same_bits

from vsdfvi.kernels import _cpu, _gpu

HOST = np.arange(12, dtype=np.float32).reshape(3, 4)
OPTIONS = ("--std=c++17", "--fmad=false")


@pytest.fixture
def cupy():
    """Give the stand-in, installed."""
    with stand_in.installed() as module:
        yield module


@pytest.fixture
def there(cupy):
    """Give HOST on the device."""
    return cupy.asarray(HOST)


# ---- The module ----


def test_it_is_what_is_imported_and_goes_again():
    before = sys.modules.get("cupy")
    with stand_in.installed() as module:
        import cupy
        import cupy.cuda.runtime
        from cupy.cuda.memory import OutOfMemoryError

        assert cupy is module
        assert cupy.cuda.memory.OutOfMemoryError is OutOfMemoryError
        assert cupy.cuda.runtime.getDeviceCount() == 1
        assert importlib.util.find_spec("cupy") is not None
        assert cupy.__version__.startswith("14.")
    assert sys.modules.get("cupy") is before
    assert "cupy.cuda" not in sys.modules or before is not None


def test_what_was_installed_before_comes_back(monkeypatch):
    other = SimpleNamespace()
    monkeypatch.setitem(sys.modules, "cupy", other)
    monkeypatch.setitem(sys.modules, "cupy.cuda", other)
    with stand_in.installed():
        assert sys.modules["cupy"] is not other
    assert sys.modules["cupy"] is sys.modules["cupy.cuda"] is other


def test_a_name_is_there_if_cupy_and_numpy_have_it(cupy):
    assert cupy.float32 is np.float32
    assert cupy.pi == np.pi
    assert cupy.maximum is cupy.maximum
    for name in ("errstate", "frompyfunc", "nditer", "asmatrix", "no_such"):
        with pytest.raises(AttributeError, match=f"module 'cupy' has no attribute '{name}'"):
            getattr(cupy, name)
    with pytest.raises(AttributeError, match="CuPy has 'fft', its stand-in does not"):
        _ = cupy.fft


@pytest.mark.parametrize(
    "call",
    [
        lambda cupy, a: a.max(initial=0),
        lambda cupy, a: cupy.sum(a, where=a > 1),
        lambda cupy, a: cupy.add(a, 1, where=a > 1),
        lambda cupy, a: np.add(a, 1, where=True),
        lambda cupy, a: cupy.broadcast_to(a, a.shape, subok=True),
        lambda cupy, a: a.item(0),
        lambda cupy, a: np.add.reduce(a),
    ],
)
def test_what_cupy_does_not_take_is_refused(cupy, there, call):
    with pytest.raises(TypeError):
        call(cupy, there)


# ---- Arrays ----


@pytest.mark.parametrize(
    "use",
    [
        lambda cupy, a: a + HOST,
        lambda cupy, a: HOST + a,
        lambda cupy, a: a == HOST,
        lambda cupy, a: a < HOST,
        lambda cupy, a: a @ HOST.T,
        lambda cupy, a: a.__iadd__(HOST),
        lambda cupy, a: HOST.copy().__iadd__(a),
        lambda cupy, a: np.add(a, HOST),
        lambda cupy, a: np.add(a, a, out=HOST.copy()),
        lambda cupy, a: np.stack([a, HOST]),
        lambda cupy, a: a[np.array([0, 1])],
        lambda cupy, a: a[HOST > 1],
        lambda cupy, a: a[0, HOST[0] > 1],
        lambda cupy, a: a.__setitem__(HOST > 1, 0),
        lambda cupy, a: a.clip(HOST, 3),
        lambda cupy, a: a.sum(out=HOST[0, 0]),
        lambda cupy, a: cupy.sum(HOST),
        lambda cupy, a: cupy.maximum(a, HOST),
        lambda cupy, a: cupy.maximum(a, [1, 2, 3, 4]),
        lambda cupy, a: cupy.where(a > 1, a, [1, 2, 3, 4]),
        lambda cupy, a: cupy.where(HOST > 1, a, a),
        lambda cupy, a: cupy.concatenate([a, HOST]),
        lambda cupy, a: cupy.ascontiguousarray(HOST),
        lambda cupy, a: cupy.zeros_like(HOST),
        lambda cupy, a: cupy.from_dlpack(HOST),
        lambda cupy, a: a + torch.ones(4),
        lambda cupy, a: torch.ones(4) + a,
        lambda cupy, a: cupy.asarray(torch.ones(4)),
        lambda cupy, a: a == None,  # noqa: E711
        lambda cupy, a: a + "1",
        lambda cupy, a: a.reshape(cupy.asarray(4), 3),
        lambda cupy, a: cupy.arange(a[0, 3]),
    ],
)
def test_what_is_not_on_the_device_is_refused(cupy, there, use):
    with pytest.raises(TypeError):
        use(cupy, there)
    assert_same_bits(there.get(), HOST)


@pytest.mark.parametrize(
    "convert",
    [
        np.asarray,
        np.array,
        np.float32,
        np.linalg.norm,
        lambda a: HOST.copy().__setitem__(slice(None), a),
        lambda a: np.ones(3)[a[0] > 1],
        lambda a: np.concatenate([HOST, np.asarray(a)]),
        memoryview,
        lambda a: range(a[0, 0].astype(np.int32)),
        lambda a: np.ones(3)[a[0, 0].astype(np.int32)],
        hash,
    ],
)
def test_nothing_comes_back_unasked(there, convert):
    with pytest.raises(TypeError):
        convert(there)
    assert counters.downloads == 0


@pytest.mark.parametrize("assign", [lambda a, v: a.__setitem__(slice(None), v), lambda a, v: a.fill(v)])
@pytest.mark.parametrize("value", [HOST, HOST[0]])
def test_an_array_of_the_host_is_not_assigned(there, assign, value):
    """CuPy 14.2 says ValueError here, and TypeError elsewhere."""
    with pytest.raises(ValueError, match=r"non-scalar numpy\.ndarray cannot be used for fill"):
        assign(there, value)
    assign(there, np.array(5, np.float32))
    assert_same_bits(there.get(), np.full_like(HOST, 5))


@pytest.mark.parametrize("name", ["ctypes", "setflags", "resize", "__array_interface__", "__index__", "newbyteorder"])
def test_what_cupys_arrays_lack_is_lacking(there, name):
    assert not hasattr(there, name)
    with pytest.raises(AttributeError):
        there.note = 1


@pytest.mark.parametrize(
    "compute",
    [
        lambda xp, a: a + 1,
        lambda xp, a: 2 - a,
        lambda xp, a: np.float64(3) * a,
        lambda xp, a: a.astype(np.uint8) // np.uint8(3),
        lambda xp, a: -(a[1:, ::2] ** 2) % 5,
        lambda xp, a: (a > 3) & ~(a > 7) | (a == 0),
        lambda xp, a: a @ a.T,
        lambda xp, a: a[1],
        lambda xp, a: a[..., None, 2],
        lambda xp, a: a[a > 5],
        lambda xp, a: a[xp.asarray([2, 0]), xp.asarray([1, 1])],
        lambda xp, a: a[[2, 0]],
        lambda xp, a: np.ascontiguousarray(a[:, [3, 1]]) if xp is np else a[:, [3, 1]],
        lambda xp, a: a.T.reshape(-1, 2),
        lambda xp, a: a.view(np.int32),
        lambda xp, a: a.mean(axis=0, keepdims=True),
        lambda xp, a: a.swapaxes(0, 1).ravel().cumsum(),
        lambda xp, a: a.repeat(2, axis=1).clip(1, 6),
        lambda xp, a: a.argmax(axis=1),
        lambda xp, a: a.nonzero()[1],
        lambda xp, a: xp.where(a > 4, a, 0),
        lambda xp, a: xp.stack([a, a])[:, None],
        lambda xp, a: xp.pad(a, 1, mode="edge"),
        lambda xp, a: xp.mgrid[:3, :4][1],
        lambda xp, a: xp.unique(a % 3),
        lambda xp, a: np.hypot(a, a),
        lambda xp, a: np.sum(a, axis=1),
        lambda xp, a: xp.divmod(a, 5)[1],
        lambda xp, a: xp.asarray([a[0], a[1]]),
        lambda xp, a: xp.array([1, 2], np.float32, ndmin=2),
        lambda xp, a: copy.deepcopy(a),
    ],
)
def test_it_computes_what_numpy_does(cupy, there, compute):
    found, expected = compute(cupy, there), compute(np, HOST.copy())
    assert type(found) is cupy.ndarray
    assert_same_bits(found.get(), expected)
    assert found.flags.c_contiguous == expected.flags.c_contiguous


def test_numbers_are_arrays_without_dimensions(cupy, there):
    whole = (
        there.sum(),
        there.max(),
        there[1, 2],
        there.any(),
        cupy.count_nonzero(there),
        cupy.array_equal(there, there),
    )
    assert all(type(each) is cupy.ndarray and each.shape == () for each in whole)
    assert counters.downloads == 0
    assert [each.item() for each in whole] == [66.0, 11.0, 6.0, True, 11, True]
    assert (float(there[0, 1]), int(there[0, 2]), bool(there[0, 3])) == (1.0, 2, True)
    assert counters.downloads == 9
    for call in (bool, float, int, lambda a: a.item()):
        with pytest.raises((ValueError, TypeError)):
            call(there)


def test_views_and_places(cupy, there):
    row, mask = there[1], there > 9
    assert row.base is there
    assert row.data.ptr == there.data.ptr + 16
    row += 100
    there[0] = there[2]
    there[mask] = -1
    there[:, 0] = cupy.asarray([7, 8, 9])
    expected = HOST.copy()
    expected[1] += 100
    expected[0] = expected[2]
    expected[mask.get()] = -1
    expected[:, 0] = 7, 8, 9
    assert_same_bits(there.get(), expected)
    assert there.astype(np.float32, copy=False) is there
    assert len([*there]) == len(there) == 3
    there.shape = (4, 3)
    assert there.shape == (4, 3)
    assert there.flags.owndata
    assert not row.flags.owndata


def test_what_goes_wrong_silently_on_a_gpu_is_refused(cupy, there):
    twice = cupy.asarray([1, 1])
    with pytest.raises(ValueError, match="got some of them twice"):
        there[twice] = there[:2]
    there[twice] = 3  # which of two equal values stays is of no matter
    with pytest.raises(IndexError):
        there[cupy.asarray([3])]
    with pytest.raises(IndexError):
        there[cupy.asarray([0.0])]


def test_new_memory_is_garbage(cupy):
    for made in (cupy.empty((5, 3), np.uint8), cupy.empty_like(cupy.zeros(4)), cupy.ndarray(7, np.int16)):
        assert set(made.get().tobytes()) == {0xA5}
    assert set(cupy.zeros(3).tolist()) == {0}


def test_torch_shares_the_memory(cupy, there):
    tensor = torch.from_dlpack(there)
    assert tensor.data_ptr() == there.data.ptr
    tensor[0, 0] = 42
    back = cupy.from_dlpack(tensor)
    assert back.data.ptr == there.data.ptr
    back[0, 1] = 43
    assert there[0].tolist() == [42, 43, 2, 3]
    mask = cupy.from_dlpack(torch.zeros(3, dtype=torch.bool))
    assert mask.dtype == bool
    assert counters.uploads == 1  # of HOST


def test_set_and_get_check_type_shape_and_order(there):
    with pytest.raises(TypeError, match="float64 array cannot be set to float32 array"):
        there.set(HOST.astype(np.float64))
    with pytest.raises(ValueError, match="Shape mismatch"):
        there.set(HOST[:2])
    with pytest.raises(TypeError, match=r"Only numpy\.ndarray can be set"):
        there.set(there)
    with pytest.raises(RuntimeError, match="Cannot set to non-contiguous array"):
        there[:, 1:].set(HOST[:, 1:])
    with pytest.raises(TypeError, match="int32 array cannot be obtained from float32 array"):
        there.get(out=np.empty((3, 4), np.int32))
    with pytest.raises(ValueError, match="Shape mismatch"):
        there.get(out=np.empty((4, 3), np.float32))
    with pytest.raises(RuntimeError, match="non-contiguous"):
        there.get(out=np.empty((3, 8), np.float32)[:, ::2])
    out = np.empty_like(HOST)
    assert there[::-1].get(out=out) is out
    assert_same_bits(out, HOST[::-1])


# ---- Counters and memory ----


def test_copies_are_counted(cupy, there):
    assert (counters.uploads, counters.uploaded_bytes) == (1, 48)
    there.set(HOST)
    cupy.array([1.0, 2.0])
    assert (counters.uploads, counters.uploaded_bytes) == (3, 48 + 48 + 16)
    assert cupy.asarray(there) is there
    assert cupy.array(there).data.ptr != there.data.ptr
    assert (counters.uploads, counters.downloads, counters.synchronisations) == (3, 0, 1)  # set() waits
    there.get()
    cupy.asnumpy(there[0])
    assert (counters.downloads, counters.downloaded_bytes, counters.synchronisations) == (2, 48 + 16, 3)
    assert cupy.asnumpy(HOST) is HOST
    _ = there[there > 3], there.nonzero(), cupy.flatnonzero(there)
    cupy.cuda.Stream.null.synchronize()
    cupy.cuda.Device().synchronize()
    assert (counters.downloads, counters.synchronisations) == (2, 8)
    counters.reset()
    assert (counters.uploads, counters.downloads, counters.synchronisations) == (0, 0, 0)


def test_memory_is_counted_for_as_long_as_anybody_holds_it(cupy):
    pool = cupy.get_default_memory_pool()
    gc.collect()
    base = counters.current_bytes
    first, second = cupy.empty(1000, np.uint8), cupy.zeros(1000, np.float32)
    assert counters.current_bytes - base == 1024 + 4096  # in units of 512
    view = first[10:20]
    tensor = torch.from_dlpack(second)
    del first, second
    assert counters.current_bytes - base == 1024 + 4096
    del view
    assert counters.current_bytes - base == 4096
    del tensor
    assert counters.current_bytes == base
    assert counters.peak_bytes >= base + 1024 + 4096
    assert pool.used_bytes() == base
    assert pool.total_bytes() >= base + 1024 + 4096
    pool.free_all_blocks()
    assert pool.total_bytes() == base
    counters.reset()
    assert counters.peak_bytes == base


def test_memory_ends(cupy):
    pool = cupy.get_default_memory_pool()
    gc.collect()
    pool.set_limit(size=counters.current_bytes + 4096)
    held = cupy.empty(4096, np.uint8)
    with pytest.raises(cupy.cuda.memory.OutOfMemoryError, match="Out of memory allocating 4,096 bytes"):
        held + 1
    del held
    pool.set_limit(size=0)
    machine.memory_bytes, machine.taken_bytes = 1 << 20, 1 << 19
    pool.free_all_blocks()
    assert cupy.cuda.Device().mem_info == ((1 << 19) - counters.current_bytes, 1 << 20)
    with pytest.raises(MemoryError):
        cupy.empty((1 << 19) + 1, np.uint8)


# ---- Streams ----


def test_the_stream_is_a_threads_own(cupy):
    stream, other = cupy.cuda.Stream(non_blocking=True), cupy.cuda.Stream()
    assert cupy.cuda.get_current_stream().ptr == 0
    with stream:
        assert cupy.cuda.get_current_stream() == stream
        with other, stream:
            assert cupy.cuda.get_current_stream() == stream
        seen = []
        thread = threading.Thread(target=lambda: seen.append(cupy.cuda.get_current_stream().ptr))
        thread.start()
        thread.join()
        assert seen == [0]
    other.use()
    assert cupy.cuda.ExternalStream(other.ptr) == cupy.cuda.get_current_stream()
    assert cupy.cuda.Stream.from_external(SimpleNamespace(__cuda_stream__=lambda: (0, other.ptr))) == other


@pytest.mark.parametrize("wait", ["event", "stream", "device", "get", "none"])
def test_an_array_of_another_stream_must_be_waited_for(cupy, wait):
    one, two = (cupy.cuda.Stream(non_blocking=True) for _ in range(2))
    with one:
        made = cupy.zeros(8) + 1
        event = one.record()
        later = made * 2
        if wait == "get":
            made.get()
    if wait == "event":
        two.wait_event(event)
    elif wait == "stream":
        one.synchronize()
    elif wait == "device":
        cupy.cuda.Device().synchronize()
    with two:
        if wait == "none":
            for use in (
                lambda: made + 1,
                lambda: made[0].item(),
                lambda: torch.from_dlpack(made),
                lambda: made.fill(0),
            ):
                with pytest.raises(UnorderedUse):
                    use()
        else:
            assert made.sum().item() == 8
        if wait == "event":
            with pytest.raises(UnorderedUse):
                later.sum()


def test_parts_of_memory_are_waited_for_one_by_one(cupy):
    ring, uploads = cupy.zeros((4, 16)), cupy.cuda.Stream(non_blocking=True)
    uploads.wait_event(cupy.cuda.get_current_stream().record())
    ring[1].set(np.ones(16), stream=uploads)
    assert (ring[0] + ring[2]).sum().item() == 0
    with pytest.raises(UnorderedUse):
        ring[1].sum()
    with pytest.raises(UnorderedUse):
        ring.sum()
    cupy.cuda.get_current_stream().wait_event(uploads.record())
    assert ring.sum().item() == 16


def test_blocking_streams_and_the_null_stream_wait_for_each_other(cupy):
    with cupy.cuda.Stream():
        made = cupy.ones(4)
    again = made + 1
    with cupy.cuda.Stream():
        assert (again + made).sum().item() == 12


def test_pinned_memory_is_longer_than_asked_for_and_full_of_garbage(cupy):
    memory = cupy.cuda.alloc_pinned_memory(100)
    assert np.frombuffer(memory, np.uint8).size == 512
    assert set(np.frombuffer(memory, np.uint8)) == {0xA5}


def test_pinned_memory_may_change_when_its_copy_was_waited_for(cupy, there):
    staged = np.frombuffer(cupy.cuda.alloc_pinned_memory(48), np.float32, 12).reshape(3, 4)
    uploads = cupy.cuda.Stream(non_blocking=True)
    uploads.wait_event(cupy.cuda.get_current_stream().record())
    for waits in (True, False):
        staged[...] = 5
        there.set(staged, stream=uploads)
        copied = uploads.record()
        if waits:
            copied.synchronize()
        staged[...] = 6
    with pytest.raises(UnorderedUse, match="pinned memory was changed"):
        uploads.synchronize()


@pytest.mark.parametrize("wait", ["synchronize", "done", "of another stream"])
def test_what_comes_into_pinned_memory_is_there_when_it_was_waited_for(cupy, there, wait):
    out = np.frombuffer(cupy.cuda.alloc_pinned_memory(48), np.float32, 12).reshape(3, 4)
    out[...] = 0
    there.get(out=out, blocking=False)
    event = cupy.cuda.get_current_stream().record()
    there += 1
    assert set(out.tobytes()) == {0xA5}
    if wait == "synchronize":
        event.synchronize()
    elif wait == "done":
        assert [event.done, event.done] == [False, True]
    else:
        other = cupy.cuda.Stream(non_blocking=True)
        other.wait_event(event)
        other.synchronize()
    assert_same_bits(out, HOST)


def test_devices(cupy):
    machine.devices, machine.compute_capability = 2, "75"
    runtime = cupy.cuda.runtime
    assert (runtime.getDeviceCount(), runtime.getDeviceProperties(1)["name"]) == (2, b"Stand-in")
    assert cupy.cuda.Device(1).compute_capability == "75"
    with cupy.cuda.Device(1):
        made = cupy.ones(3)
        assert made.device.id == cupy.cuda.Device().id == 1
    assert cupy.cuda.Device().id == 0
    with pytest.raises(ValueError, match="array device = 1 while current = 0"):
        made + 1
    with pytest.raises(runtime.CUDARuntimeError, match="cudaErrorInvalidDevice"):
        cupy.cuda.Device(2).use()
    machine.devices = 0
    assert not cupy.is_available()
    with pytest.raises(runtime.CUDARuntimeError, match="cudaErrorNoDevice"):
        runtime.getDeviceCount()


# ---- Kernels ----


def kernel(cupy, name, **changes):
    """Return a kernel of the project."""
    text = _gpu.flatten(_gpu.headers()[name])
    return cupy.RawModule(code=text, **{"options": OPTIONS, **changes}).get_function(name)


def hold(cupy, **changes):
    """Return search_hold, which limits values, and arguments for it, which may be replaced by name."""
    values = np.random.default_rng(1).normal(0, 3, (6, 10)).astype(np.float32)
    arguments = {
        "values": cupy.asarray(values),
        "held": cupy.empty(values.shape, np.float32),
        "begin": np.int32(0),
        "end": np.int32(values.size),
        "low": np.float32(-1.7),
        "high": np.float32(1.7),
    }
    return kernel(cupy, "search_hold"), {**arguments, **changes}


def test_a_walk_over_items_is_that_of_the_library(cupy):
    function, arguments = hold(cupy)
    values, held = arguments["values"].get(), np.empty((6, 10), np.float32)
    _cpu.launch("search_hold", (0, 60), values, held, after=(-1.7, 1.7))
    function((2,), (32,), tuple(arguments.values()))
    assert_same_bits(arguments["held"].get(), held)
    assert counters.launches == {"search_hold": 1}


def test_a_walk_over_pixels_is_that_of_the_library(cupy):
    rng = np.random.default_rng(2)
    planes = rng.uniform(0, 255, (2, 13, 17)).astype(np.float32)
    hole = (rng.random((13, 17)) < 0.5).astype(np.uint8)
    here = planes, hole, np.empty((2, 7, 9), np.float32), np.empty((7, 9), np.uint8)
    there = [cupy.asarray(planes), cupy.asarray(hole), cupy.empty((2, 7, 9), np.float32), cupy.empty((7, 9), np.uint8)]
    _cpu.launch("laplace_restrict", (0, 7), *here, 2, 17, 13)
    numbers = [np.int32(each) for each in (2, 17, 13, 0, 7)]
    kernel(cupy, "laplace_restrict")((1, 1), (32, 8), [*there, *numbers])
    for mine, theirs in zip(here, there, strict=True):
        assert_same_bits(theirs.get(), mine)


def test_names_of_pixels_are_those_of_the_library(cupy):
    rng = np.random.default_rng(3)
    link = rng.integers(-1, 50, 50).astype(np.int32)
    filled = (rng.random(50) < 0.5).astype(np.uint8)
    here = link, filled, np.full(50, -1, np.int32), np.full(50, -1, np.int32)
    there = [cupy.asarray(each) for each in here]
    _cpu.launch("paper_carry", (0, 50), *here, 7, 8)
    kernel(cupy, "paper_carry")((1,), (64,), (*there, *(np.int32(each) for each in (7, 8, 0, 50))))
    for mine, theirs in zip(here, there, strict=True):
        assert_same_bits(theirs.get(), mine)


@pytest.mark.parametrize("name", sorted(_gpu.headers()))
def test_every_kernel_of_the_project_can_be_had(cupy, name):
    assert kernel(cupy, name).name == name


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("low", 1.7, "numpy.float32, got <class 'float'> .CuPy hands a Python number over in 64 bits"),
        ("low", np.float64(1.7), "numpy.float32, got <class 'numpy.float64'>"),
        ("low", np.int32(1), "numpy.float32, got <class 'numpy.int32'>"),
        ("end", 10, "numpy.int32, got <class 'int'> .CuPy hands a Python number over in 64 bits"),
        ("end", np.int64(10), "numpy.int32, got <class 'numpy.int64'>"),
        ("end", True, "numpy.int32, got <class 'bool'>"),
        ("held", np.zeros((6, 10), np.float32), "an array on the device, got <class 'numpy.ndarray'>"),
        ("values", np.float32(1), "an array on the device, got <class 'numpy.float32'>"),
    ],
)
def test_an_argument_of_another_type_is_refused(cupy, name, value, message):
    function, arguments = hold(cupy, **{name: value})
    with pytest.raises(TypeError, match=message):
        function((1,), (32,), tuple(arguments.values()))
    assert not counters.launches


def test_an_array_of_another_type_or_order_is_refused(cupy):
    function, arguments = hold(cupy)
    for wrong, kind in (
        (arguments["values"].astype(np.float64), TypeError),
        (arguments["values"].astype(np.int32), TypeError),
        (arguments["values"].T, ValueError),
        (arguments["values"][:, ::2], ValueError),
    ):
        with pytest.raises(kind, match=r"search_hold: 'const float \*values' must be"):
            function((1,), (32,), tuple({**arguments, "values": wrong}.values()))
    with pytest.raises(TypeError, match="search_hold takes 6 arguments, got 5"):
        function((1,), (32,), tuple(arguments.values())[:-1])
    assert not cupy.ones((3, 4)).nonzero()[0].flags.c_contiguous  # columns of one array


@pytest.mark.parametrize(
    ("name", "grid", "block", "kind"),
    [
        ("search_hold", 1, (32,), TypeError),
        ("search_hold", [1], (32,), TypeError),
        ("search_hold", (1.0,), (32,), TypeError),
        ("search_hold", (1, 1, 1, 1), (32,), TypeError),
        ("search_hold", (0,), (32,), RuntimeError),
        ("search_hold", (1,), (2048,), RuntimeError),
        ("search_hold", (1,), (64, 32), RuntimeError),
        ("search_hold", (1, 65536), (32,), RuntimeError),
        # A walk over items is one of x, that over pixels one of x and y: more would do everything twice.
        ("search_hold", (1, 2), (32,), ValueError),
        ("search_hold", (1,), (32, 8), ValueError),
        ("laplace_restrict", (1, 1, 2), (32, 8), ValueError),
    ],
)
def test_a_launch_that_a_gpu_refuses_or_repeats_is_refused(cupy, name, grid, block, kind):
    with pytest.raises(kind):
        kernel(cupy, name)(grid, block, ())


def test_a_text_that_nvrtc_refuses_is_refused(cupy):
    text = (_gpu.FOLDER / "laplace.h").read_text()
    with pytest.raises(ValueError, match=r'NVRTC has no files, got #include "portable\.h"'):
        cupy.RawModule(code=text, options=OPTIONS)
    flat = _gpu.flatten("laplace.h")
    with pytest.raises(ValueError, match="options must have --fmad=false"):
        cupy.RawModule(code=flat)
    with pytest.raises(TypeError, match="options"):
        cupy.RawModule(code=flat, options=list(OPTIONS))
    with pytest.raises(TypeError):
        cupy.RawModule(flat, OPTIONS)
    with pytest.raises(cupy.cuda.driver.CUDADriverError, match="named symbol not found: trace_step"):
        cupy.RawModule(code=flat, options=OPTIONS).get_function("trace_step")
    declared = f"{flat}\n// VSDFVI_KERNEL trace_step(int begin, int end)\n"
    with pytest.raises(cupy.cuda.driver.CUDADriverError, match="named symbol not found"):
        cupy.RawModule(code=declared, options=OPTIONS).get_function("trace_step")
    with pytest.raises(NotImplementedError, match="the host's library has no nothing"):
        cupy.RawModule(code="VSDFVI_KERNEL nothing(int a) {}", options=OPTIONS).get_function("nothing")


def test_a_kernel_keeps_to_its_streams_order(cupy):
    function, arguments = hold(cupy)
    other = cupy.cuda.Stream(non_blocking=True)
    with pytest.raises(UnorderedUse):
        function((1,), (32,), tuple(arguments.values()), stream=other)
    other.wait_event(cupy.cuda.get_current_stream().record())
    function((1,), (32,), tuple(arguments.values()), stream=other)
    with pytest.raises(UnorderedUse):
        arguments["held"].sum()
    assert arguments["values"].max().item() > 2  # it was only read


def test_a_kernel_that_writes_beside_its_memory_is_found(cupy):
    function, arguments = hold(cupy, values=cupy.ones(61, np.float32), end=np.int32(61))
    with pytest.raises(cupy.cuda.runtime.CUDARuntimeError, match="search_hold wrote beside the memory of held"):
        function((1,), (32,), tuple(arguments.values()))
