"""The library for Windows, compiled by mingw-w64: what it exports and needs; under Wine, the bits of its kernels."""

import ctypes
import os
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scenes
import vapoursynth
from lender import of_scene

import vsdfvi
from vsdfvi.kernels import Plane, _cpu, pack, sample_flow, sample_lanczos, trace_step

ROOT = Path(__file__).parent.parent
COMPILER = "x86_64-w64-mingw32-g++-posix"
LIBRARIES = ("libdfvi.dll", "libdfvi.avx2.dll")
SYSTEM = {"kernel32.dll", "msvcrt.dll", "ucrtbase.dll"}
WINE = next((path for path in (shutil.which("wine64"), shutil.which("wine"), "/usr/lib/wine/wine64") if path), "")

pytestmark = pytest.mark.skipif(
    shutil.which(COMPILER) is None, reason=f"needs {COMPILER}: apt-get install g++-mingw-w64-x86-64-posix"
)
needs_wine = pytest.mark.skipif(not os.access(WINE, os.X_OK), reason="needs Wine: apt-get install wine64")

KERNELS = {
    name
    for path in (ROOT / "vsdfvi/kernels").glob("*.h")
    for name in re.findall(r"^VSDFVI_KERNEL (\w+)\(", path.read_text("utf-8"), re.MULTILINE)
}

ADDRESSED = {"blend_sources", "sample_sources", "trace_follow", "trace_walk"}
"""Kernels that take addresses among their numbers, which mean nothing elsewhere. Their steps and samples are those of
``trace_step`` and ``sample_lanczos``, by the same lines."""


def run(*command, **options):
    process = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder that `make windows` fills."""
    folder = tmp_path_factory.mktemp("windows")
    environment = {**os.environ, "CXX": COMPILER}
    run(sys.executable, "setup.py", "build_plugin", "--folder", folder, cwd=ROOT, env=environment)
    return folder / "dfvi"


def program(folder, source):
    """Compile a program for Windows."""
    target = folder / f"{Path(source).stem}.exe"
    run(COMPILER, "-std=c++17", "-O1", "-static", "-I", vapoursynth.get_include(), ROOT / source, "-o", target)
    return target


@pytest.fixture(scope="module")
def wine(tmp_path_factory):
    """Run a program of Windows in an environment that is made for the tests."""
    prefix = tmp_path_factory.mktemp("wine")
    environment = {**os.environ, "WINEPREFIX": str(prefix), "WINEDEBUG": "-all", "DISPLAY": ""}
    yield lambda *command: run(WINE, *command, env=environment)
    server = Path(WINE).with_name("wineserver")
    subprocess.run([str(server) if server.is_file() else "wineserver", "-k"], env=environment, check=False)


@pytest.mark.parametrize("library", LIBRARIES)
def test_it_exports_the_entry_and_every_kernel_and_nothing_else(built, library):
    told = run("x86_64-w64-mingw32-objdump", "-p", built / library)
    table = told.partition("[Ordinal/Name Pointer] Table")[2].partition("\n\n")[0]
    assert set(re.findall(r"\[ *\d+\] (?:\+base\[ *\d+\] +\w+ )?(\w+)$", table, re.MULTILINE)) == {
        "VapourSynthPluginInit2",
        *KERNELS,
    }


@pytest.mark.parametrize("library", LIBRARIES)
def test_it_needs_nothing_that_windows_does_not_have(built, library):
    told = run("x86_64-w64-mingw32-objdump", "-p", built / library)
    needed = {name.lower() for name in re.findall(r"DLL Name: (\S+)", told)}
    assert needed
    assert {name for name in needed if not name.startswith("api-ms-win-")} <= SYSTEM


def test_its_manifest_is_that_of_every_system(built):
    assert (built / "manifest.vs").read_bytes() == b"[VapourSynth Manifest V1]\nlibdfvi\n"


def test_vectors_of_32_bytes_are_moved_as_if_unaligned(built):
    """GCC for Windows stores 32 bytes on a stack of 16 as if they were aligned: the assembler has to mend that."""
    code = run("x86_64-w64-mingw32-objdump", "-d", "--no-show-raw-insn", built / "libdfvi.avx2.dll")
    assert re.search(r"\bvmovup[sd] .*%ymm", code)
    assert not re.search(r"\bvmov(ap[sd]|dqa) .*%ymm", code)


class Recorder:
    """Stands for the library: its kernels, and what they are called with and leave."""

    def __init__(self, library, monkeypatch):
        self.library, self.calls, self.results, self.names = library, [], [], set()
        self.arrays = {}
        argument = _cpu._argument

        def noted(value):
            made = _cpu._address(value) if isinstance(value, np.ndarray) else argument(value)
            if isinstance(value, np.ndarray):
                known = self.arrays.get(made.value)
                if known is None or known.nbytes < value.nbytes:
                    self.arrays[made.value] = value  # held, so that no other array comes to lie there
            return made

        monkeypatch.setattr(_cpu, "_argument", noted)
        monkeypatch.setattr(_cpu, "_loaded", self)

    def __getattr__(self, name):
        kernel = getattr(self.library, name)

        def called(*arguments):
            if name in ADDRESSED:
                kernel(*arguments)
                return
            places = [value.value for value in arguments if isinstance(value, ctypes.c_void_p)]
            places = list(dict.fromkeys(places))
            sizes = [self.arrays[place].nbytes for place in places]
            text = name.encode()
            parts = [struct.pack("<Q", len(text)), text, struct.pack("<Q", len(places))]
            for place, size in zip(places, sizes, strict=True):
                parts += [struct.pack("<Q", size), ctypes.string_at(place, size)]
            parts.append(struct.pack("<Q", len(arguments)))
            for position, value in enumerate(arguments):
                if isinstance(value, ctypes.c_void_p):
                    parts.append(struct.pack("<QQ", 1, places.index(value.value)))
                elif isinstance(value, ctypes.c_float):
                    assert position >= 4, f"{name} takes a float in a register"
                    parts.append(struct.pack("<QfI", 0, value.value, 0))
                else:
                    parts.append(struct.pack("<Qq", 0, value if isinstance(value, int) else value.value))
            kernel(*arguments)
            self.calls.append(b"".join(parts))
            self.results.append((name, b"".join(ctypes.string_at(*each) for each in zip(places, sizes, strict=True))))
            self.names.add(name)

        return called


@pytest.fixture
def recorded(monkeypatch):
    """What two short films make of the kernels of this system."""
    recorder = Recorder(_cpu.library(), monkeypatch)
    form = scenes.video_format("GRAY", size=(48, 64), frames=3)
    hole = scenes.box(form, (16, 21), (10, 16), (4, 0))
    scene = scenes.occluder(form, (1, 0), (-2, 1), 8, hole)
    of_scene(scene, flow="search", radius=2).film()
    of_scene(scene, flow="search", completion="laplace", propagation="paper", synthesis="diffusion").film()
    # What these films had no need of.
    random = np.random.default_rng(1)
    planes = random.normal(0, 9, (2, 12, 17)).astype(np.float32)
    _cpu.launch("median_planes", (0, 12), planes, np.zeros_like(planes), 2, 17, 12)  # whose work is OpenCV's on a CPU
    flow = pack([(0, 0)], [random.normal(0, 1.5, (4, 12, 17)).astype(np.float32)])
    x, y = (random.uniform(0, size, 40).astype(np.float32) for size in (17, 12))
    ends, out = np.ones(40, np.int32), np.zeros((2, 40), np.float32)
    sample_flow(flow, 2, x, y, ends, out, size=(12, 17), step=1, scale=1)
    hole = Plane(3, 2, (random.random((6, 9)) < 0.8).astype(np.uint8))
    start = x.astype(np.int32), y.astype(np.int32)
    walk = x.copy(), y.copy(), np.zeros(40, np.float32), np.zeros(40, np.int32)
    trace_step(*walk, flow, hole, size=(12, 17), later=True, step=1, stop=True, scale=1, limit=2.0)
    values, got, index = np.zeros(40, np.float32), np.zeros(40, np.uint8), np.arange(40, dtype=np.int32)
    sample_lanczos(
        pack([(0, 0)], [planes[:1]]), *start, index, start, walk[:2], walk[3], values, got, step=1, subsampling=(0, 0)
    )
    return recorder


@needs_wine
def test_its_kernels_leave_the_same_bits(built, wine, recorded, tmp_path):
    assert recorded.names == KERNELS - ADDRESSED
    runner = program(tmp_path, "tests/release/run_kernels.cpp")
    calls = tmp_path / "calls"
    calls.write_bytes(struct.pack("<Q", len(recorded.calls)) + b"".join(recorded.calls))
    flags = Path("/proc/cpuinfo").read_text()
    for library in LIBRARIES if " avx2 " in flags else LIBRARIES[:1]:
        results = tmp_path / f"{library}.results"
        wine(runner, built / library, calls, results)
        left = results.read_bytes()
        assert len(left) == sum(len(bits) for _, bits in recorded.results)
        place = 0
        for number, (name, bits) in enumerate(recorded.results):
            assert left[place : place + len(bits)] == bits, f"call {number}, of {name}"
            place += len(bits)


@needs_wine
def test_it_loads_under_wine_and_refuses_to_work_without_python(built, wine, tmp_path):
    """In VapourSynth's own core, if its library for Windows is named: there is no Python for Windows here."""
    core = os.environ.get("VSDFVI_WINDOWS_VAPOURSYNTH")
    if not core:
        pytest.skip("VSDFVI_WINDOWS_VAPOURSYNTH must name the vapoursynth.dll of VapourSynth's wheel for Windows")
    host = program(tmp_path, "tests/release/windows_host.cpp")
    name, arguments, without_mask, with_mask = wine(host, core, built / "libdfvi.dll").splitlines()
    assert name == f"com.vsdfvi.dfvi {'.'.join(vsdfvi.__version__.split('.')[:2])}"
    assert arguments.startswith("clip:vnode;mask:vnode;radius:int:opt;")
    assert "mask" in without_mask
    assert with_mask.startswith("Inpaint: no Python interpreter in this process")
