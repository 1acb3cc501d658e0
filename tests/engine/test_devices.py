"""Which device is taken, for everything that torch, CuPy and the driver can answer; and that a look is a quiet one."""

import ctypes
import sys
import warnings
from types import SimpleNamespace

import pytest

from vsdfvi.engine import devices
from vsdfvi.engine.devices import Device, Found, Library, choose, explain, first_line, lacks, probe
from vsdfvi.errors import EngineError

CARD = Device(0, "NVIDIA H200", (9, 0), 150_109_880_320)
SECOND = Device(1, "NVIDIA L4", (8, 9), 23_580_639_232)
OLD = Device(0, "NVIDIA GeForce GTX 1080", (6, 1), 8_513_978_368)

NO_DRIVER = "Found no NVIDIA driver on your system. Please check"  # torch 2.15
TOO_OLD = "cudaErrorInsufficientDriver: CUDA driver version is insufficient for CUDA runtime version"  # CuPy 14.2
DRIVER = "no NVIDIA driver was found: install the one for your card from https://www.nvidia.com/drivers"


def fake_torch(*cards, cuda="13.2", problem="", version="2.15.0+cu132"):
    """Give a torch that sees some cards."""

    def init():
        warnings.warn("torch: this card is too new, or too old", stacklevel=1)
        if problem:
            raise RuntimeError(problem)

    def properties(index):
        card = cards[index]
        major, minor = card.capability
        return SimpleNamespace(name=card.name, major=major, minor=minor, total_memory=card.memory_bytes)

    facts = SimpleNamespace(init=init, device_count=lambda: len(cards), get_device_properties=properties)
    return SimpleNamespace(__version__=version, version=SimpleNamespace(cuda=cuda), cuda=facts)


def fake_cupy(*cards, problem="", runtime=13020):
    """Give a CuPy that sees some cards."""

    def count():
        warnings.warn("CuPy: several packages are installed", stacklevel=1)
        if problem:
            raise RuntimeError(problem)
        return len(cards)

    def properties(index):
        card = cards[index]
        major, minor = card.capability
        return {"name": card.name.encode(), "major": major, "minor": minor, "totalGlobalMem": card.memory_bytes}

    calls = {"runtimeGetVersion": lambda: runtime, "getDeviceCount": count, "getDeviceProperties": properties}
    return SimpleNamespace(__version__="14.2.0", cuda=SimpleNamespace(runtime=SimpleNamespace(**calls)))


@pytest.fixture
def machine(monkeypatch):
    """Make the libraries and the driver what a test says; None is a library that is not installed."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")

    def make(torch=None, cupy=None, driver="13.2"):
        monkeypatch.setitem(sys.modules, "torch", torch)
        monkeypatch.setitem(sys.modules, "cupy", cupy)
        monkeypatch.setattr(devices, "_driver", lambda: driver)

    return make


def test_a_card_that_both_see_is_found_and_taken(machine):
    machine(fake_torch(CARD, SECOND), fake_cupy(CARD, SECOND))
    found = probe()
    assert found == Found(
        driver="13.2",
        torch=Library(version="2.15.0+cu132", cuda="13.2", devices=(CARD, SECOND)),
        cupy=Library(version="14.2.0", cuda="13.2", devices=(CARD, SECOND)),
    )
    assert probe(whole=False) == found
    assert [choose(setting) for setting in ("auto", "cuda", "cuda:0", "cuda:1")] == [
        "cuda:0",
        "cuda:0",
        "cuda:0",
        "cuda:1",
    ]
    assert choose("cuda:1", found) == "cuda:1"
    assert explain(found) == "device: cuda:0 (NVIDIA H200, 139.8 GiB)"
    assert lacks(found) == ()


@pytest.mark.parametrize(
    ("torch", "cupy", "driver", "missing", "reason"),
    [
        (fake_torch(problem=NO_DRIVER), None, "", f"{DRIVER}; CuPy is not installed: pip install cupy-cuda13x",
         "no NVIDIA driver was found"),
        (fake_torch(problem=NO_DRIVER), fake_cupy(problem=TOO_OLD), "", DRIVER, "no NVIDIA driver was found"),
        (fake_torch(CARD), None, "13.2", "CuPy is not installed: pip install cupy-cuda13x", "CuPy is not installed"),
        (fake_torch(CARD, cuda="12.8"), None, "13.2", "CuPy is not installed: pip install cupy-cuda12x",
         "CuPy is not installed"),
        (None, fake_cupy(CARD), "13.2", "PyTorch is not installed: pip install torch", "PyTorch is not installed"),
        (fake_torch(cuda=None, version="2.15.0+cpu"), fake_cupy(CARD), "13.2",
         "PyTorch 2.15.0+cpu is made without CUDA: pip uninstall torch, then pip install torch",
         "PyTorch 2.15.0+cpu is made without CUDA"),
        # Made for AMD's cards, it has devices and calls them CUDA's.
        (fake_torch(CARD, cuda=None, version="2.15.0+rocm7"), fake_cupy(problem=TOO_OLD), "",
         f"{DRIVER}; PyTorch 2.15.0+rocm7 is made without CUDA: pip uninstall torch, then pip install torch",
         "no NVIDIA driver was found"),
        (None, None, "13.2", "PyTorch is not installed: pip install torch; CuPy is not installed: pip install "
         "cupy-cuda13x", "PyTorch is not installed"),
        (fake_torch(problem="The NVIDIA driver on your system is too old"), fake_cupy(problem=TOO_OLD), "12.4",
         "the NVIDIA driver serves CUDA up to 12.4, and CUDA 13.2 is asked of it: update it to 580 or later, from "
         "https://www.nvidia.com/drivers",
         "the NVIDIA driver serves CUDA up to 12.4, and CUDA 13.2 is asked of it"),
        (fake_torch(OLD), fake_cupy(OLD), "13.0",
         "NVIDIA GeForce GTX 1080 has compute capability 6.1, and 7.5 is the least: use the processor, or a card of "
         "the GTX 16 or RTX 20 series or later",
         "NVIDIA GeForce GTX 1080 has compute capability 6.1, and 7.5 is the least"),
        (fake_torch(CARD), fake_cupy(problem="cudaErrorUnknown: unknown error"), "13.2",
         "CuPy sees no CUDA device (cudaErrorUnknown: unknown error): see whether nvidia-smi lists one; if not, "
         "restart the machine, or install the driver again",
         "CuPy sees no CUDA device (cudaErrorUnknown: unknown error)"),
        (fake_torch(), fake_cupy(CARD), "13.2",
         "PyTorch sees no CUDA device: see whether nvidia-smi lists one; if not, restart the machine, or install the "
         "driver again",
         "PyTorch sees no CUDA device"),
    ],
)  # fmt: skip
def test_what_is_missing_is_named_with_what_to_do(machine, torch, cupy, driver, missing, reason):
    machine(torch, cupy, driver)
    assert choose("auto") == "cpu"
    assert explain(probe()) == f"device: cpu ({reason})"
    with pytest.raises(EngineError) as failure:
        choose("cuda")
    assert str(failure.value) == f"device must be what is here, got 'cuda': {missing}"


def test_a_minor_version_of_cuda_needs_no_newer_driver(machine):
    machine(fake_torch(CARD), fake_cupy(CARD), "13.0")
    assert choose("auto") == "cuda:0"
    machine(fake_torch(), fake_cupy(), "13.0")
    assert [lack.part for lack in lacks(probe())] == ["device", "device"]


def test_what_both_see_is_there_even_if_the_driver_does_not_answer(machine):
    machine(fake_torch(CARD), fake_cupy(CARD), "")
    assert [choose("auto"), choose("auto", probe()), choose("cuda")] == ["cuda:0"] * 3


@pytest.mark.parametrize(
    ("cards", "answer"),
    [
        ([CARD], "CuPy sees 1 CUDA device: name cuda:0 (NVIDIA H200)"),
        ([CARD, SECOND], "CuPy sees 2 CUDA devices: name cuda:0 (NVIDIA H200) or cuda:1 (NVIDIA L4)"),
    ],
)
def test_a_number_too_large_is_answered_by_those_there_are(machine, cards, answer):
    machine(fake_torch(*cards), fake_cupy(*cards))
    with pytest.raises(EngineError, match="got 'cuda:2'") as failure:
        choose("cuda:2")
    assert answer in str(failure.value)


def test_a_device_that_is_hidden_is_asked_for_in_the_environment(machine, monkeypatch):
    machine(fake_torch(problem="No CUDA GPUs are available"), fake_cupy(problem="cudaErrorNoDevice: none"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    with pytest.raises(EngineError, match="CUDA_VISIBLE_DEVICES is set to '-1', which may hide it: unset it"):
        choose("cuda")


def test_elsewhere_torch_with_cuda_comes_from_its_own_page(machine, monkeypatch):
    machine(fake_torch(cuda=None, version="2.15.0+cpu"), fake_cupy(CARD))
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(EngineError, match=r"then the command for CUDA from https://pytorch\.org/get-started/locally"):
        choose("cuda")


@pytest.mark.parametrize(
    ("cupy", "driver", "expected"),
    [
        (None, "", Found(cupy=Library())),
        (None, "13.2", Found(driver="13.2", cupy=Library())),
        (fake_cupy(problem=TOO_OLD), "13.2",
         Found(driver="13.2", cupy=Library(version="14.2.0", cuda="13.2", problem=TOO_OLD))),
    ],
)  # fmt: skip
def test_auto_imports_no_torch_where_there_can_be_no_gpu(machine, monkeypatch, cupy, driver, expected):
    machine(fake_torch(CARD), cupy, driver)
    looked_at = []
    monkeypatch.setattr(devices, "_look_at_torch", lambda torch: looked_at.append(torch) or Library())
    assert probe(whole=False) == expected
    assert choose("auto") == "cpu"
    assert choose("auto", expected) == "cpu"
    assert looked_at == []
    probe()
    assert len(looked_at) == 1


def test_the_processor_needs_no_look(monkeypatch):
    monkeypatch.setattr(devices, "probe", lambda whole=True: pytest.fail("looked"))
    assert choose("cpu") == "cpu"
    with pytest.raises(EngineError, match="got 'cuda': no NVIDIA driver"):
        choose("cuda", Found(torch=Library(version="1", cuda="13.2"), cupy=Library(version="1", cuda="13.2")))


def test_half_a_look_is_not_taken_for_a_device():
    half = Found(driver="13.2", cupy=Library(version="14.2.0", cuda="13.2", devices=(CARD,)))
    assert choose("auto", half) == "cpu"
    assert explain(half) == "device: cpu (PyTorch was not looked at)"


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("torch", "raise OSError('libcudart.so.13: cannot open shared object file')", "libcudart.so.13: cannot open"),
        ("torch", "import a_module_that_is_not_there", "No module named 'a_module_that_is_not_there'"),
        ("cupy", "try:\n    raise ImportError('libnvrtc.so.13: no such file')\nexcept ImportError as error:\n"
         "    raise ImportError('\\n====\\nFailed to import CuPy.\\n\\nIf you') from error",
         "libnvrtc.so.13: no such file"),
        ("cupy", "raise ImportError('\\n======\\nCuPy is not installed well.\\nmore')", "CuPy is not installed well."),
    ],
)  # fmt: skip
def test_a_library_that_breaks_is_quoted(machine, monkeypatch, tmp_path, name, text, problem):
    machine(fake_torch(CARD), fake_cupy(CARD))
    (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, name)
    found = probe()
    library = getattr(found, name)
    assert library.version == ""
    assert library.problem.startswith(problem)
    assert choose("auto", found) == "cpu"
    advice = "pip install --force-reinstall " + ("torch" if name == "torch" else "cupy-cuda13x")
    with pytest.raises(EngineError) as failure:
        choose("cuda", found)
    assert problem in str(failure.value)
    assert str(failure.value).endswith(advice)


def test_a_look_raises_nothing_warns_of_nothing_and_prints_nothing(machine, capfd):
    broken = SimpleNamespace()  # has not even a version
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        for torch, cupy in ((fake_torch(CARD), fake_cupy(CARD)), (broken, broken)):
            machine(torch, cupy)
            found = probe()
    assert choose("auto", found) == "cpu"
    assert heard == []
    assert capfd.readouterr() == ("", "")


def test_this_machine(capfd):
    import torch

    found = probe()
    assert found.torch is not None
    assert found.torch.version == torch.__version__
    assert bool(found.torch.devices) == (torch.version.cuda is not None and torch.cuda.is_available())
    assert explain(found).startswith(f"device: {choose('auto')} (")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("status", "number", "version"), [(0, 13020, "13.2"), (0, 12080, "12.8"), (34, 0, "")])
def test_the_driver_is_asked_for_what_it_serves(monkeypatch, status, number, version):
    def ask(pointer):
        pointer._obj.value = number
        return status

    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace(cuDriverGetVersion=ask))
    assert devices._driver() == version


def test_there_may_be_no_driver(monkeypatch):
    def fail(name):
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", fail)
    assert devices._driver() == ""


def test_the_first_line_is_the_first_that_says_something():
    assert first_line(ValueError("\n=====\n  what happened\nand more")) == "what happened"
    assert first_line(KeyError()) == "KeyError"
    assert len(first_line(ValueError("x" * 999))) == 300
