"""One repair, in a process of its own: time, peak memory and a crash are then the method's and nothing else's.

    python -m vsdfvi.evaluation.render JOB

JOB is a JSON file that ``write_job`` made. Repaired frames go to its ``output``, sample by sample as they are in
memory; figures, or what went wrong, to its ``report``.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import vapoursynth as vs

from vsdfvi.engine import devices
from vsdfvi.errors import EngineError, VsdfviError
from vsdfvi.evaluation import baselines
from vsdfvi.evaluation.flow import Examined, Oracle, Prefilled, flow_error, repaired
from vsdfvi.evaluation.provenance import write_provenance
from vsdfvi.evaluation.sources import Case, damaged, each_frame, open_case, with_holes
from vsdfvi.films.clips import Planes, video_format
from vsdfvi.films.repairing import LentFrames
from vsdfvi.settings import Settings

OURS = ("ours", "laplace")
"""Methods that are the plugin itself."""


def write_job(path: Path, case: Case, method: str, settings: Mapping[str, Any], output: Path, report: Path) -> None:
    """Write a job; paths become strings."""
    plain = {name: str(value) if isinstance(value, Path) else value for name, value in asdict(case).items()}
    job = {"case": plain, "method": method, "settings": dict(settings), "output": str(output), "report": str(report)}
    path.write_text(json.dumps(job), encoding="utf-8")


def provenance_of(output: Path) -> Path:
    """Where the account of a repair lies beside it. Methods that are not ours give none."""
    return output.with_suffix(".provenance")


def render(case: Case, method: str, settings: Mapping[str, Any], output: Path) -> dict[str, float]:
    """Repair a damaged clip into a file; returns frames, ``fps``, ``peak_mib`` and, of ours, the error of flow.

    Of ours, where each pixel comes from is written to ``provenance_of`` the file, as it is on the CPU.
    """
    truth, mask = open_case(case)
    broken = damaged(truth, mask)
    if method in OURS:
        _warm_up(settings)
    begin = time.perf_counter()
    with output.open("wb") as file:
        for planes in _METHODS[method](truth, broken, mask, settings):
            for plane in planes:
                file.write(np.ascontiguousarray(plane).data)
    seconds = time.perf_counter() - begin
    figures = {"frames": len(truth), "fps": len(truth) / seconds, "peak_mib": _peak_mib()}
    if method in (*OURS, "prefill"):
        examined = Prefilled if method == "prefill" else Examined
        inpainter = examined(_on_the_host(settings), video_format(broken), video_format(mask))
        with provenance_of(output).open("wb") as account:
            figures |= flow_error(inpainter, truth, broken, mask, lambda repair: write_provenance(account, repair))
    elif method == "oracle":
        figures |= {"epe": 0.0, "epe_visible": 0.0}
    return figures


def require_plugin() -> None:
    """Find the plugin.

    Raises:
        EngineError: VapourSynth does not know it.
    """
    if not hasattr(vs.core, "dfvi"):
        raise EngineError(
            "the plugin must be where VapourSynth finds it: pip install vsdfvi, or in a checkout `make build` and "
            "VAPOURSYNTH_EXTRA_PLUGIN_PATH=build/plugins"
        )


def _plugin(
    truth: vs.VideoNode, broken: vs.VideoNode, mask: vs.VideoNode, settings: Mapping[str, Any]
) -> Iterator[Planes]:
    return each_frame(_inpaint(broken, mask, settings))


def _oracle(
    truth: vs.VideoNode, broken: vs.VideoNode, mask: vs.VideoNode, settings: Mapping[str, Any]
) -> Iterator[Planes]:
    formats = video_format(broken), video_format(mask)
    return repaired(Oracle(_on_the_host(settings), *formats, LentFrames(truth, 4)), broken, mask)


def _prefill(
    truth: vs.VideoNode, broken: vs.VideoNode, mask: vs.VideoNode, settings: Mapping[str, Any]
) -> Iterator[Planes]:
    inpainter = Prefilled(_on_the_host(settings), video_format(broken), video_format(mask))
    return repaired(inpainter, broken, mask)


def _on_the_host(arguments: Mapping[str, Any]) -> Settings:
    """The settings on the CPU, with the estimator of flow that they have on their own device."""
    settings = Settings.from_arguments(arguments)
    if settings.flow == "auto" and devices.choose(settings.device) != "cpu":
        settings = replace(settings, flow="search")
    return replace(settings, device="cpu")


def _telea(
    truth: vs.VideoNode, broken: vs.VideoNode, mask: vs.VideoNode, settings: Mapping[str, Any]
) -> Iterator[Planes]:
    return baselines.telea(with_holes(broken, mask))


def _median(
    truth: vs.VideoNode, broken: vs.VideoNode, mask: vs.VideoNode, settings: Mapping[str, Any]
) -> Iterator[Planes]:
    return baselines.median(with_holes(broken, mask))


_METHODS: dict[str, Callable[[vs.VideoNode, vs.VideoNode, vs.VideoNode, Mapping[str, Any]], Iterator[Planes]]] = {
    "ours": _plugin,
    "laplace": _plugin,
    "prefill": _prefill,
    "oracle": _oracle,
    "telea": _telea,
    "median": _median,
}


def _inpaint(clip: vs.VideoNode, mask: vs.VideoNode, settings: Mapping[str, Any]) -> vs.VideoNode:
    repaired: vs.VideoNode = vs.core.dfvi.Inpaint(clip, mask, **settings)
    return repaired


def _warm_up(settings: Mapping[str, Any]) -> None:
    """Have everything imported and loaded that the settings need, so that only repairing is timed."""
    clip = vs.core.std.BlankClip(format=vs.GRAY8, width=64, height=64, length=3, color=100)
    hole = clip.std.BlankClip(width=16, height=16, length=1, color=255)
    _inpaint(clip, hole.std.AddBorders(24, 24, 24, 24), settings).get_frame(1).close()


def _peak_mib() -> float:
    """The largest resident size of this process so far, in MiB; not a number where the system does not tell.

    Linux hands the peak of a parent down to what getrusage says of its children, so it is asked otherwise there.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    if sys.platform == "win32":
        return float("nan")
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def main(path: Path) -> None:
    """Do a job, and report."""
    job = json.loads(path.read_text(encoding="utf-8"))
    fields = job["case"]
    case = Case(**{**fields, "footage": Path(fields["footage"]), "mask": fields["mask"] and Path(fields["mask"])})
    report: dict[str, Any]
    try:
        report = {"figures": render(case, job["method"], job["settings"], Path(job["output"]))}
    except (VsdfviError, vs.Error) as error:
        report = {"error": str(error)}
    except Exception as error:  # the table has a row for it, and goes on
        report = {"error": f"{type(error).__name__}: {error}"}
    Path(job["report"]).write_text(json.dumps(report), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
