"""The whole filter on a real GPU, against itself on the CPU."""

import pytest

from gpu import filter_bodies

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("name", filter_bodies.FORMATS)
def test_without_a_network_the_bytes_are_the_cpu_s(name, device):
    filter_bodies.a_format(name, device)


@pytest.mark.parametrize("name", filter_bodies.STAGES)
def test_the_bytes_are_the_cpu_s_with_every_stage(name, device):
    filter_bodies.a_stage(name, device)


@pytest.mark.parametrize("name", filter_bodies.FILTER_CHECKS)
def test_filter(name, device, note):
    filter_bodies.FILTER_CHECKS[name](device, note, filter_bodies.LARGE)


def test_memory_stays_flat_over_2000_frames(device, note):
    filter_bodies.memory_stays_flat(device, note, frames=2000, ends=300)
