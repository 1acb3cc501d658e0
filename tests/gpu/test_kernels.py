"""Kernels on a real GPU: the CPU's bytes. And arrays that cross over."""

import pytest

from gpu import kernel_bodies

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("name", kernel_bodies.KERNEL_WORKS)
def test_the_bytes_are_the_cpu_s(name, device):
    kernel_bodies.same(kernel_bodies.KERNEL_WORKS[name], device)


@pytest.mark.parametrize("name", kernel_bodies.CROSSINGS)
def test_crossing(name, device):
    kernel_bodies.CROSSINGS[name](device)
