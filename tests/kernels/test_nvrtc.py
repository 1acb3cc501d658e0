"""Every kernel compiles for every GPU that is supported, without one: NVRTC needs none."""

import re
from functools import cache

import pytest

from vsdfvi.kernels import _gpu

nvrtc = pytest.importorskip("cuda.bindings.nvrtc", reason="NVRTC comes with the CUDA build of torch")

ARCHITECTURES = (75, 80, 86, 89, 90, 120)
"""Turing, Ampere (two), Ada, Hopper, Blackwell of desktops."""

STACK_BYTES = {"exemplar_vote": 224, "exemplar_testify": 224, "exemplar_halve": 128, "laplace_restrict": 16}
"""Local memory that a kernel's own text asks for: small lists of places, whose length is known only as it runs.
(Nov 2026, NVRTC 13.2)"""


@cache
def compiled(header, architecture):
    """What the assembler says of each kernel of a header: bytes of stack, spilled to and read back, and registers."""
    status, program = nvrtc.nvrtcCreateProgram(_gpu.flatten(header).encode(), header.encode(), 0, [], [])
    assert status == nvrtc.nvrtcResult.NVRTC_SUCCESS
    words = (*_gpu.OPTIONS, "-ftz=true", f"--gpu-architecture=sm_{architecture}", "--ptxas-options=-v")
    options = [word.encode() for word in words]
    (status,) = nvrtc.nvrtcCompileProgram(program, len(options), options)
    _, size = nvrtc.nvrtcGetProgramLogSize(program)
    log = b" " * size
    nvrtc.nvrtcGetProgramLog(program, log)
    text = log.decode(errors="replace")
    assert status == nvrtc.nvrtcResult.NVRTC_SUCCESS, text
    assert "warning" not in text, text
    _, size = nvrtc.nvrtcGetCUBINSize(program)
    assert size > 0
    pattern = (
        r"entry function '(\w+)'.*?(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads"
        r".*?Used (\d+) registers"
    )
    return {name: tuple(map(int, figures)) for name, *figures in re.findall(pattern, text, re.DOTALL)}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("header", sorted(set(_gpu.headers().values())))
def test_kernels_compile_and_spill_nothing(header, architecture):
    found = compiled(header, architecture)
    assert set(found) == {kernel for kernel, where in _gpu.headers().items() if where == header}
    for kernel, (stack, stores, loads, registers) in found.items():
        assert (stores, loads) == (0, 0), f"{kernel} spills {stores} bytes and reads {loads} back"
        assert stack <= STACK_BYTES.get(kernel, 0), f"{kernel} takes a stack of {stack} bytes"
        assert registers <= 255


TOGETHER = ("laplace_settle", "exemplar_search", "meld_settle")
"""Kernels whose tasks go to whole blocks."""


def test_those_that_work_together_are_these():
    found = set()
    for header in set(_gpu.headers().values()):
        for text in (_gpu.FOLDER / header).read_text().split("VSDFVI_KERNEL ")[1:]:
            if "VSDFVI_FOR_EACH_TASK" in text:
                found.add(text.split("(")[0])
    assert found == set(TOGETHER)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("kernel", TOGETHER)
def test_a_block_that_works_together_fits_into_a_processor(kernel, architecture):
    registers = compiled(_gpu.headers()[kernel], architecture)[kernel][3]
    assert registers * _gpu.THREADS_TOGETHER <= 65536  # of a processor: CUDA programming guide, table of limits


def test_a_spill_would_be_seen(tmp_path, monkeypatch):
    text = """
#include "portable.h"
VSDFVI_KERNEL spilling(float *out, int begin, int end)
{
    VSDFVI_FOR_EACH_ITEM(i, begin, end)
    {
        float values[400];
        for (int k = 0; k < 400; ++k)
            values[k] = out[i * 400 + k];
        for (int round = 0; round < 3; ++round)
            for (int k = 0; k < 400; ++k)
                values[k] = values[k] * values[(k * 7 + round) % 400] + values[399 - k];
        for (int k = 0; k < 400; ++k)
            out[i * 400 + k] = values[k];
    }
}
"""
    (tmp_path / "spilling.h").write_text(text)
    (tmp_path / "portable.h").write_text((_gpu.FOLDER / "portable.h").read_text())
    monkeypatch.setattr(_gpu, "FOLDER", tmp_path)
    stack, stores, loads, _ = compiled("spilling.h", 90)["spilling"]
    assert stack + stores + loads > 1000


def test_every_kernel_has_one_header():
    assert _gpu.headers()["trace_step"] == "trace.h"
    assert len(_gpu.headers()) == sum(
        len(re.findall(r"^VSDFVI_KERNEL ", path.read_text(), re.MULTILINE)) for path in _gpu.FOLDER.glob("*.h")
    )


def test_a_flattened_header_holds_each_include_once():
    text = _gpu.flatten("trace.h")
    assert '#include "' not in text
    assert "#pragma once" not in text
    assert text.count('#define VSDFVI_KERNEL extern "C" __global__ void') == 1
    assert text.index("find_box(") < text.index("VSDFVI_KERNEL trace_step(")


@pytest.mark.parametrize(
    ("items", "columns", "shape"),
    [
        (1, 0, ((1,), (256,))),
        (257, 0, ((2,), (256,))),
        (10**8, 0, ((64,), (256,))),
        (240, 432, ((14, 5), (32, 8))),
        (3, 7, ((1, 1), (32, 8))),
        (10**7, 1, ((1, 64), (32, 8))),
    ],
)
def test_launch_shapes_follow_the_work_and_the_device(items, columns, shape):
    assert _gpu.launch_shape(items, columns, 4) == shape


def test_a_block_for_each_task():
    assert _gpu.launch_shape(3, 0, 4, together=True) == ((3,), (512,))
    assert _gpu.launch_shape(1000, 0, 4, together=True) == ((64,), (512,))
