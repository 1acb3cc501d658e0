"""How long one waits after a seek is printed with the tests: in a process of its own, as a script is opened."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[1] / "benchmarks" / "bench_seek.py"


@pytest.mark.parametrize("size", ["432x240", "1920x1080"])
def test_the_wait_after_a_seek(capsys, size):
    case = json.dumps([size, "logo", {"preset": "preview"}])
    done = subprocess.run([sys.executable, BENCHMARK, "--alone", case], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    clock, processor = found["clock"], found["processor"]
    with capsys.disabled():  # said, and not judged: machines differ
        waits = ", ".join(f"{wait} {clock[wait]:.2f} ({processor[wait]:.2f})" for wait in clock)
        print(f"\n{size}, a logo, preview: seconds on the clock (of the processor): {waits}")
    # What was waited for is a repair: it found some of the hole, as far as eight frames show it.
    assert 0 < found["invented"] < 1
