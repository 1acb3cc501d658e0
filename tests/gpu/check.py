"""Runs all that is to be run on a GPU, in one command and ten minutes: tests, then the benchmark, then a verdict.

    python3 tests/gpu/check.py [--out build/gpu-check] [--minutes 9.5] [--wheels .whl] [--stand-in]

Needs a Python that has PyTorch and CuPy, and no network. What else is missing is taken from wheels that lie in a folder
(docs/gpu.md says which). The plugin, whose library holds the CPU's kernels, is compiled where there is a compiler, or
else comes from a wheel of ours in that folder. Nothing is written but below ``--out`` and ``build/``.
``--stand-in`` rehearses it where there is no GPU.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NEEDED = ("numpy", "torch", "cupy", "cv2", "safetensors", "pytest", "vapoursynth")
OURS = "vsdfvi-"
TESTS_SHARE = 0.55  # of the time that is left when they begin
LEAST_S = 20

# Run by the Python that all else runs with: says what of NEEDED it lacks, whether the plugin is installed, and whether
# that is what this checkout would build.
LOOK = """
import importlib.util, pathlib, sys
root = pathlib.Path(sys.argv[1])
found = {name: importlib.util.find_spec(name) for name in sys.argv[2:]}
print("lacks", *(name for name, spec in found.items() if spec is None))
places = found["vapoursynth"].submodule_search_locations if found["vapoursynth"] else []
for place in places:
    if (pathlib.Path(place) / "plugins/dfvi/manifest.vs").is_file():
        package = pathlib.Path(place).parent / "vsdfvi/kernels"
        texts = [(path.read_bytes(), package / path.name) for path in (root / "vsdfvi/kernels").glob("*.h")]
        same = all(other.is_file() and other.read_bytes() == text for text, other in texts)
        print("plugin", "same" if same else "another")
"""


class CheckError(Exception):
    """Why nothing can be run."""


@dataclass(frozen=True, slots=True)
class Tests:
    """How many there were."""

    all: int
    failed: int
    skipped: int

    @property
    def passed(self) -> int:
        return self.all - self.failed - self.skipped


def main() -> int:
    """Run, and say how it went; 0 where all of it did."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "build/gpu-check")
    parser.add_argument("--minutes", type=float, default=9.5, help="that all of it may take")
    parser.add_argument("--wheels", type=Path, default=ROOT / ".whl")
    parser.add_argument("--stand-in", action="store_true", help="rehearse it without a GPU")
    options = parser.parse_args()
    begun = time.monotonic()

    def left() -> float:
        return max(LEAST_S, 60 * options.minutes - (time.monotonic() - begun))

    out = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    try:
        environment = set_up(out, options.wheels, stand_in=options.stand_in)
    except CheckError as error:
        print(f"gpu-check: NOT RUN: {error}")
        return 2
    say(begun, "tests")
    tests = run_tests(out, environment, TESTS_SHARE * left(), stand_in=options.stand_in)
    say(begun, "benchmark")
    measured = run_benchmark(out, environment, left(), stand_in=options.stand_in)
    return tell(tests, measured, out, time.monotonic() - begun, stand_in=options.stand_in)


def say(begun: float, what: str) -> None:
    print(f"\n== {what}, after {time.monotonic() - begun:.0f} s ==", flush=True)


def set_up(out: Path, wheels: Path, *, stand_in: bool) -> dict[str, str]:
    """Return the environment in which all of it can run.

    Raises:
        CheckError: It cannot.
    """
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    needed = [name for name in NEEDED if not (stand_in and name == "cupy")]
    missing, plugin = look(environment, needed)
    compiler = shutil.which(os.environ.get("CXX", "g++").split()[0])
    there = sorted(wheels.glob("*.whl")) if wheels.is_dir() else []
    ours = [wheel for wheel in there if wheel.name.startswith(OURS)]
    chosen = [wheel for wheel in there if wheel not in ours] if missing else []
    if not plugin and not compiler:
        chosen += ours
    if chosen:
        environment = with_wheels(chosen, out / "site", environment)
        missing, plugin = look(environment, needed)
    if missing:
        raise CheckError(
            f"{sys.executable} lacks {', '.join(missing)}, and {wheels} has no wheel of it: see docs/gpu.md"
        )
    if plugin == "another":
        raise CheckError("the plugin that is installed was built from other kernels: install this checkout, or none")
    if not plugin:
        if not compiler:
            raise CheckError(f"there is no C++ compiler, and {wheels} has no wheel of vsdfvi: see docs/gpu.md")
        build_plugin(environment)
    return environment


def look(environment: Mapping[str, str], needed: list[str]) -> tuple[list[str], str]:
    """Return what is missing, and which plugin is installed: ``same``, ``another`` or none."""
    process = subprocess.run(
        [sys.executable, "-c", LOOK, str(ROOT), *needed], env=environment, capture_output=True, text=True, check=True,
        cwd=ROOT.parent,
    )  # fmt: skip
    lines = [line.split() for line in process.stdout.splitlines()]
    missing = next(words[1:] for words in lines if words[0] == "lacks")
    return missing, next((words[1] for words in lines if words[0] == "plugin"), "")


def with_wheels(wheels: list[Path], site: Path, environment: dict[str, str]) -> dict[str, str]:
    """Install wheels into a folder, all at once; return the environment that finds them."""
    shutil.rmtree(site, ignore_errors=True)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-compile"]
    process = subprocess.run([*command, "--target", str(site), *map(str, wheels)], env=environment, check=False)
    if process.returncode:
        raise CheckError(f"these wheels cannot be installed: {', '.join(wheel.name for wheel in wheels)}")
    paths = [str(site), environment.get("PYTHONPATH", "")]
    return {**environment, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def build_plugin(environment: Mapping[str, str]) -> None:
    """Compile the plugin into build/plugins, unless what lies there is newer than its sources."""
    manifest = ROOT / "build/plugins/dfvi/manifest.vs"
    sources = [*ROOT.glob("plugin/*"), *ROOT.glob("vsdfvi/kernels/*.h"), ROOT / "setup.py"]
    if manifest.is_file() and manifest.stat().st_mtime > max(path.stat().st_mtime for path in sources):
        return
    command = [sys.executable, "setup.py", "--quiet", "build_plugin"]
    process = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if process.returncode:
        last = "\n".join((process.stdout + process.stderr).splitlines()[-12:])
        raise CheckError(f"the plugin cannot be compiled:\n{last}")


def run_tests(out: Path, environment: Mapping[str, str], seconds: float, *, stand_in: bool) -> Tests | None:
    """Return how many tests there were; None where they did not come to an end."""
    report = out / "tests.xml"
    report.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--durations=5", f"--junitxml={report}"]
    what = ["tests/test_gpu_check.py", "-k", "not script"] if stand_in else ["tests/gpu", "-m", "gpu"]
    try:
        subprocess.run([*command, *what], cwd=ROOT, env=environment, check=False, timeout=seconds)
    except subprocess.TimeoutExpired:
        print(f"The tests were ended after {seconds:.0f} s.")
        return None
    return counted(report)


def counted(report: Path) -> Tests | None:
    """Return what pytest's report says; None where there is none."""
    if not report.is_file():
        return None
    suites = list(ElementTree.parse(report).getroot().iter("testsuite"))
    total = {
        name: sum(int(suite.get(name, 0)) for suite in suites) for name in ("tests", "failures", "errors", "skipped")
    }
    return Tests(total["tests"], total["failures"] + total["errors"], total["skipped"])


def run_benchmark(out: Path, environment: Mapping[str, str], seconds: float, *, stand_in: bool) -> bool:
    """Return whether the benchmark came to its end."""
    command = [sys.executable, "tests/benchmarks/bench_gpu.py", "--quick", "--out", str(out / "benchmark.json")]
    # No film is begun in the last fifth.
    command += ["--minutes", f"{0.8 * seconds / 60:.2f}"] + (["--stand-in"] if stand_in else [])
    try:
        process = subprocess.run(command, cwd=ROOT, env=environment, check=False, timeout=seconds)
    except subprocess.TimeoutExpired:
        print(f"The benchmark was ended after {seconds:.0f} s; what it had is in {out / 'benchmark.json'}.")
        return False
    return process.returncode == 0 and (out / "benchmark.json").is_file()


def tell(tests: Tests | None, measured: bool, out: Path, seconds: float, *, stand_in: bool) -> int:
    """Print the verdict, and return it as an exit status."""
    where = "a stand-in, not a GPU" if stand_in else "a GPU"
    if tests is None:
        said, status = "the tests did not come to an end", 1
    elif tests.passed == 0 and tests.failed == 0:
        said, status = f"all {tests.skipped} tests were skipped: no GPU was seen, `vsdfvi doctor` says why", 2
    else:
        said = f"{tests.passed} tests passed, {tests.failed} failed, {tests.skipped} skipped"
        status = 1 if tests.failed or tests.skipped else 0
    said += "; measured" if measured else "; the benchmark did not come to its end"
    if status == 0 and not measured:
        status = 1
    verdict = {0: "PASSED", 1: "FAILED", 2: "NOT RUN"}[status]
    print(f"\ngpu-check: {verdict} on {where}: {said}; {seconds:.0f} s; {out}")
    return status


if __name__ == "__main__":
    sys.exit(main())
