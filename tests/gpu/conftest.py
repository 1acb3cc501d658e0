"""The device of these tests, and what they noted, at the end of the run."""

import pytest

from vsdfvi.engine import devices
from vsdfvi.kernels.device import Cuda

_notes: list[str] = []


@pytest.fixture(scope="session")
def device():
    """The first GPU, where torch and CuPy both see one."""
    missing = devices.lacks(devices.probe())
    if missing:
        pytest.skip("; ".join(f"{lack.text} ({lack.advice})" for lack in missing))
    return Cuda(0)


@pytest.fixture(scope="session")
def note():
    """What takes a line for the summary."""
    return _notes.append


def pytest_terminal_summary(terminalreporter):
    if _notes:
        terminalreporter.section("measured on the GPU")
        for line in _notes:
            terminalreporter.write_line(line)
