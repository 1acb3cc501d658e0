"""Kernels on a real GPU: the CPU's bytes. And arrays that cross over."""

import pytest
from gpu import bodies

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("name", bodies.KERNEL_WORKS)
def test_the_bytes_are_the_cpu_s(name, device):
    bodies.same(bodies.KERNEL_WORKS[name], device)


@pytest.mark.parametrize("name", bodies.CROSSINGS)
def test_crossing(name, device):
    bodies.CROSSINGS[name](device)
