"""What a real GPU will be asked, asked of its stand-in; and the benchmark and the script around it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from gpu import bodies
from gpus import pretended

from vsdfvi.kernels.device import Cuda

ROOT = Path(__file__).parent.parent
BENCHMARK = ROOT / "tests/benchmarks/bench_gpu.py"


@pytest.fixture
def device():
    with pretended():
        yield Cuda(0)


@pytest.fixture
def note():
    return [].append


@pytest.mark.parametrize("name", bodies.KERNEL_WORKS)
def test_the_bytes_are_the_cpu_s(name, device):
    bodies.same(bodies.KERNEL_WORKS[name], device)


@pytest.mark.parametrize("name", bodies.CROSSINGS)
def test_crossing(name, device):
    bodies.CROSSINGS[name](device)


@pytest.mark.parametrize("name", bodies.FORMATS)
def test_without_a_network_the_bytes_are_the_cpu_s(name, device):
    bodies.a_format(name, device)


@pytest.mark.parametrize("name", bodies.STAGES)
def test_the_bytes_are_the_cpu_s_with_every_stage(name, device):
    bodies.a_stage(name, device)


@pytest.mark.parametrize("name", bodies.FILTER_CHECKS)
def test_filter(name, device, note):
    bodies.FILTER_CHECKS[name](device, note)


def test_memory_stays_flat(device, note):
    bodies.memory_stays_flat(device, note, frames=40, ends=10, size=(48, 64))
