"""The plugin is built for several processors: every build returns the same bytes."""

from pathlib import Path

import numpy as np
import pytest
from tolerance import assert_same_bits

from vsdfvi.kernels import Plane, _cpu, pack, sample_lanczos, trace_step
from vsdfvi.kernels._cpu import library
from vsdfvi.kernels.exemplar import exemplar_fill
from vsdfvi.kernels.laplace import laplace_fill
from vsdfvi.kernels.meld import meld_fill

NEEDS = {"avx2": "avx2"}
"""What a build's name ends in, and the flag of /proc/cpuinfo that it needs."""


def results():
    """Return what the kernels make of one frame."""
    rng = np.random.default_rng(1)
    size, count = (40, 61), 500
    flow = pack([(0, 0)], [rng.normal(0, 1.5, (4, *size)).astype(np.float32)])
    hole = Plane(3, 4, (rng.random((30, 50)) < 0.5).astype(np.uint8))
    start = tuple(rng.integers(0, extent, count).astype(np.int32) for extent in size[::-1])
    end = tuple((at + rng.normal(0, 2, count)).astype(np.float32) for at in start)
    walked = *(at.astype(np.float32) for at in start), np.zeros(count, np.float32), np.zeros(count, np.int32)
    trace_step(*walked, flow, hole, size=size, later=True, step=1, stop=True, scale=1, limit=3.0)
    picture = rng.uniform(0, 255, (1, *size)).astype(np.float32)
    out, got = np.zeros(count, np.float32), np.zeros(count, np.uint8)
    sample_lanczos(
        pack([(0, 0)], [picture]), *start, np.arange(count, dtype=np.int32), start, end, np.ones(count, np.int32), out,
        got, step=1, subsampling=(0, 0),
    )  # fmt: skip
    mask = hole.crop(0, 0, size[1], size[0])
    box = np.zeros(size, np.uint8)
    box[12:28, 20:40] = 1
    fills = (fill(picture / np.float32(255), box) for fill in (exemplar_fill, meld_fill))
    return *walked, out, laplace_fill(picture, mask, 1 / 64), *fills


def builds():
    """Return the libraries that lie beside the one in use."""
    return sorted(Path(library()._name).parent.glob(f"libdfvi*{Path(_cpu.LIBRARY).suffix}"))


def runs_here(path):
    """Whether this processor has what a build needs."""
    suffix = path.name.split(".")[1]
    flags = Path("/proc/cpuinfo")
    return suffix not in NEEDS or (flags.is_file() and f" {NEEDS[suffix]} " in flags.read_text().replace("\n", " "))


def test_every_build_returns_the_same_bytes(monkeypatch):
    monkeypatch.setattr(_cpu, "_loaded", library())  # put back after the test
    paths = [path for path in builds() if runs_here(path)]
    if len(paths) < 2:
        pytest.skip("one build alone runs on this processor")
    _cpu.use_library(paths[0])
    expected = results()
    for path in paths[1:]:
        _cpu.use_library(path)
        for found, other in zip(results(), expected, strict=True):
            assert_same_bits(found, other)
