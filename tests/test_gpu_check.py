"""What a real GPU will be asked, asked of its stand-in; and the benchmark and the script around it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from gpu import check, filter_bodies, kernel_bodies, kernel_work
from gpus import pretended

from vsdfvi.engine import devices
from vsdfvi.kernels import _gpu, _launch
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


@pytest.mark.parametrize("name", kernel_bodies.KERNEL_WORKS)
def test_the_bytes_are_the_cpu_s(name, device):
    kernel_bodies.same(kernel_bodies.KERNEL_WORKS[name], device)


@pytest.mark.parametrize("name", kernel_bodies.CROSSINGS)
def test_crossing(name, device):
    kernel_bodies.CROSSINGS[name](device)


@pytest.mark.parametrize("name", filter_bodies.FORMATS)
def test_without_a_network_the_bytes_are_the_cpu_s(name, device):
    filter_bodies.a_format(name, device)


@pytest.mark.parametrize("name", filter_bodies.STAGES)
def test_the_bytes_are_the_cpu_s_with_every_stage(name, device):
    filter_bodies.a_stage(name, device)


@pytest.mark.parametrize("name", filter_bodies.FILTER_CHECKS)
def test_filter(name, device, note):
    filter_bodies.FILTER_CHECKS[name](device, note, filter_bodies.SMALL)


def test_memory_stays_flat(device, note):
    filter_bodies.memory_stays_flat(device, note, frames=24, ends=8, size=(48, 64))


# The benchmark, and the script that runs it all.


def told(*arguments, **environment):
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory):
    """What the benchmark says of the stand-in, all parts of it, of one film."""
    out = tmp_path_factory.mktemp("benchmark") / "gpu.json"
    process = told(BENCHMARK, "--stand-in", "--only", "kernels,films", "--case", 0, "--out", out)
    assert process.returncode == 0, process.stderr
    return process.stdout, json.loads(out.read_text())


def test_the_benchmark_measures_every_kernel_that_a_gpu_is_given(benchmark):
    said, found = benchmark
    assert found["stand_in"]
    measured = {name for name in found["results"]["kernels"] if name != "how"}
    assert measured == set(_gpu.headers())
    for name in measured:
        row = found["results"]["kernels"][name]
        assert row["moved_MiB"] > 0
        assert "of_copy" not in row, "a share of a stand-in's copy means nothing"
        assert f"| {name} |" in said


def test_the_benchmark_measures_a_film(benchmark):
    said, found = benchmark
    assert "stand-in" in said
    (row,) = found["results"]["films"].values()
    assert row["frames_per_s"]["median"] > 0
    assert row["frames_per_s_cpu"] > 0
    assert row["memory_MiB"]["kept_by_the_engine"] > 0
    stages = row["ms_per_frame_by_stage"]
    assert {"flow", "network", "across the hole", "walks and samples", "sources", "rest"} <= set(stages)
    assert sum(stages.values()) > 0
    for field in ("commit", "package_sha256", "device", "machine", "versions", "threads"):
        assert field in found


def test_a_first_frame_of_a_process_is_measured():
    process = told(BENCHMARK, "--child", 0, "--stand-in")
    assert process.returncode == 0, process.stderr
    said = json.loads(process.stdout.splitlines()[-1])
    assert said["all_s"] >= said["import_s"] + said["frame_s"]


def test_bytes_are_counted_as_the_benchmark_says(device, monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARK.parent))
    import gpu_kernels

    with device.active(), gpu_kernels.recorded() as launches:
        kernel_work.trace((8, 16), 100, spoiled=0)(device)
        kernel_work.restricted((8, 16), 4)(device)
    hole, flow, boxes = 6 * 12, 4 * 8 * 16 * 4, 24
    assert launches["trace_step"].moved_bytes() == 100 * 4 * 4 * 2 + flow + boxes + hole
    assert launches["laplace_restrict"].moved_bytes() == (4 * 128 + 4 * 32) * 4 + 128 + 32


def test_a_launch_is_put_back_before_it_is_made_again(device, monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARK.parent))
    import gpu_kernels

    with device.active():
        with gpu_kernels.recorded() as launches:
            kernel_work.trace((8, 16), 100)(device)
        launch = launches["trace_step"]
        after = device.get(launch.before[0])
        launch.restore()
        assert (device.get(launch.before[0]) != after).any()
        _launch.prepared(launch.name, launch.span, *launch.before, **launch.how)()
        np.testing.assert_array_equal(device.get(launch.before[0]), after)


def test_without_a_gpu_the_benchmark_says_so():
    if not devices.lacks(devices.probe()):
        pytest.skip("there is a GPU")
    process = told(BENCHMARK)
    assert process.returncode == 0
    assert process.stdout.startswith("No GPU is measured: ")


JUNIT = '<testsuites><testsuite tests="7" failures="{}" errors="{}" skipped="{}"/></testsuites>'


@pytest.mark.parametrize(
    ("failures", "errors", "skipped", "measured", "status", "words"),
    [
        (0, 0, 0, True, 0, "PASSED on a GPU: 7 tests passed"),
        (1, 1, 0, True, 1, "FAILED on a GPU: 5 tests passed, 2 failed"),
        (0, 0, 1, True, 1, "FAILED"),
        (0, 0, 7, True, 2, "NOT RUN on a GPU: all 7 tests were skipped"),
        (0, 0, 0, False, 1, "FAILED on a GPU: 7 tests passed, 0 failed, 0 skipped; the benchmark did not"),
    ],
)
def test_the_verdict_of_the_script(failures, errors, skipped, measured, status, words, tmp_path, capsys):
    report = tmp_path / "tests.xml"
    report.write_text(JUNIT.format(failures, errors, skipped))
    found = check.tell(check.counted(report), measured, tmp_path, 12.0, stand_in=False)
    assert found == status
    assert words in capsys.readouterr().out


def test_tests_that_never_end_are_a_failure_of_the_script(tmp_path, capsys):
    assert check.tell(check.counted(tmp_path / "none.xml"), True, tmp_path, 600.0, stand_in=False) == 1
    assert "did not come to an end" in capsys.readouterr().out


def test_the_script_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(check, "NEEDED", (*check.NEEDED, "no_such_package"))
    with pytest.raises(check.CheckError, match="lacks no_such_package"):
        check.set_up(tmp_path, tmp_path / "no wheels", stand_in=True)


def test_the_script_finds_what_is_there(tmp_path, monkeypatch):
    monkeypatch.setattr(check, "build_plugin", lambda environment: None)
    environment = check.set_up(tmp_path, tmp_path / "no wheels", stand_in=True)
    assert environment.get("PYTHONPATH", "") == os.environ.get("PYTHONPATH", "")
