"""What the benchmarks share: the way to the package, lists on a command line, median and spread, the machine."""

import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]


def use_checkout() -> None:
    """Let this process, and those it starts, find package and plugin: as built here, unless they are installed."""
    import vapoursynth

    sys.path[:0] = [str(ROOT / "tests")]
    if (Path(vapoursynth.get_plugin_dir()) / "dfvi" / "manifest.vs").is_file():
        return
    sys.path[:0] = [str(ROOT)]
    os.environ["VAPOURSYNTH_EXTRA_PLUGIN_PATH"] = str(ROOT / "build" / "plugins")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))


def words(text: str) -> list[str]:
    """The words of a list with commas."""
    return [word.strip() for word in text.split(",") if word.strip()]


def spread(values: Sequence[float], digits: int = 3) -> dict[str, float]:
    """Return median and interquartile range."""
    low, median, high = np.percentile(values, (25, 50, 75))
    return {"median": round(float(median), digits), "iqr": round(float(high - low), digits), "runs": len(values)}


def seconds(function: Callable[[], object], repeats: int) -> list[float]:
    """Return the time of each call, after one that warms up."""
    function()
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        taken.append(time.perf_counter() - start)
    return taken


def peak_mib() -> float:
    """Return the largest resident size of this process so far, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10), 1)


def show(subject: str, results: dict[str, object], **given: object) -> None:
    """Print a report as JSON: the results, and where they come from."""
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    import cv2

    report = {
        "subject": subject,
        **given,
        "results": results,
        "machine": {"processor": platform.processor() or platform.machine(), "cores": len(os.sched_getaffinity(0))},
        "versions": {"python": platform.python_version(), "numpy": np.__version__, "opencv": cv2.__version__},
        "commit": commit.stdout.strip() or None,
    }
    print(json.dumps(report, indent=2, allow_nan=False))
