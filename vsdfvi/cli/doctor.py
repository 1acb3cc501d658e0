"""``vsdfvi doctor``: what works here, and what to do about what does not."""

import hashlib
import json
import logging
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import click

from vsdfvi import __version__
from vsdfvi.engine.devices import Found, Lack, Library, choose, explain, first_line, lacks, probe
from vsdfvi.errors import SettingError, VsdfviError
from vsdfvi.settings import Settings

OLDEST_PYTHON = (3, 12)
OLDEST_VAPOURSYNTH = 75
"""The first release that reads a plugin's manifest."""

SOURCES = ("bs", "lsmas", "ffms2")
"""Namespaces of plugins that open video files."""

PROGRAMS = {
    "vspipe": "it runs scripts and hands their frames on, and comes with VapourSynth: pip install vapoursynth",
    "ffmpeg": "it writes what vspipe hands on into files: apt-get install ffmpeg, or https://ffmpeg.org",
    "x264": "it does likewise, for H.264 alone: apt-get install x264",
}

PACKAGES = {"cv2": "opencv-python"}
"""Packages whose modules have another name."""

REINSTALL = "pip install --force-reinstall --no-deps vsdfvi"
IN_CHECKOUT = "in a checkout `make build`, and VAPOURSYNTH_EXTRA_PLUGIN_PATH=build/plugins"
_REPORT = "mend what is wrong above; if nothing is, report this line"

_KERNEL = re.compile(r"^VSDFVI_KERNEL (\w+)\(", re.MULTILINE)
_LITTLE_MEMORY = 2048  # MiB: twice the default of `memory`, for frames and working space beside it
_PATIENCE = 300  # seconds that a look may take before it counts as stuck; a repair takes 3, most of it importing torch
_HOLE = 16  # pixels: side of the hole that is repaired


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the report.

    Attributes:
        advice: What to do, where something is wrong.
        needed: Without it the plugin does not run.
    """

    name: str
    ok: bool
    text: str
    advice: str = ""
    needed: bool = True


@click.command()
@click.option(
    "--weights", type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder of the published checkpoints: say which are in it, and whether they can be read.",
)  # fmt: skip
def doctor(weights: Path | None) -> None:
    """Say what works here, and what to do about what does not.

    The exit status is 0 if the plugin can run, and 1 if it cannot.
    """
    if not report(examine(weights)):
        raise SystemExit(1)


def report(rows: Iterable[Row]) -> bool:
    """Print rows as they come, and the conclusion. Returns whether the plugin can run."""
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"
    signs = ("✓", "✗", "·", "→")
    try:
        "".join(signs).encode(encoding)
    except UnicodeError:
        signs = ("+", "-", ".", ">")
    works, fails, absent, arrow = signs

    def say(line: str) -> None:
        plain = "".join(character if character.isprintable() else "?" for character in line)
        click.echo(plain.encode(encoding, "replace").decode(encoding))

    say(f"vsdfvi {__version__}")
    wrong = []
    for row in rows:
        say(f"{works if row.ok else fails if row.needed else absent} {row.name:<12} {row.text}")
        if row.advice and not row.ok:
            say(f"  {'':<12} {arrow} {row.advice}")
        if row.needed and not row.ok:
            wrong.append(row.name)
    say(f"The plugin cannot run as it should: {', '.join(wrong)}." if wrong else "The plugin can run here.")
    return not wrong


def examine(weights: Path | None = None) -> Iterator[Row]:
    """Look at one thing after the other. What cannot even be looked at is a row too."""
    yield python_row(sys.version_info[:2], platform.python_version(), f"{platform.system()} {platform.machine()}")
    yield from _apart("VapourSynth", "pip install --force-reinstall vapoursynth", _vapoursynth)
    yield from _apart("plugin", f"{REINSTALL}; {IN_CHECKOUT}", _plugin)
    yield from _apart("kernels", f"{REINSTALL}; {IN_CHECKOUT}", _kernels)
    yield from _apart("NumPy", "pip install --force-reinstall numpy", _version_of, "NumPy", "numpy")
    advice = "pip install --force-reinstall opencv-python; for libGL, apt-get install libgl1 libglib2.0-0"
    yield from _apart("OpenCV", advice, _version_of, "OpenCV", "cv2")
    found = probe()
    yield from gpu_rows(found)
    yield from _guarded("weights", REINSTALL, _own_weights)
    if weights is not None:
        yield from _guarded("weights", REINSTALL, _published_weights, weights)
    yield memory_row(_free_mib(), Settings().worker_count)
    advice = (
        "a plugin breaks where it is loaded: move those of the folder `vapoursynth get-plugin-dir` away, one by one"
    )
    yield from _apart("sources", advice, _sources, needed=False)
    yield from (program_row(name, _program(name)) for name in PROGRAMS)
    yield from _guarded("clean", "pip install 'vsdfvi[files,cluster]'", _cleaning)
    for device in _devices_to_try(found):
        yield from _apart(_repair_name(device), _REPORT, _repair, device)


# ---- Rows, from what was found. ----


def python_row(version: tuple[int, int], text: str, machine: str) -> Row:
    """Python's version and the platform."""
    advice = "install Python {}.{} or later, and vsdfvi into it".format(*OLDEST_PYTHON)
    return Row("Python", version >= OLDEST_PYTHON, f"{text}, {machine}", advice)


def vapoursynth_row(release: int, folder: str) -> Row:
    """VapourSynth's release and where it is."""
    ok = release >= OLDEST_VAPOURSYNTH
    rule = "" if ok else f"; R{OLDEST_VAPOURSYNTH} or later is needed"
    return Row("VapourSynth", ok, f"R{release}, {folder}{rule}", "pip install --upgrade vapoursynth")


def plugin_row(path: str, version: tuple[int, int]) -> Row:
    """The plugin that VapourSynth loaded: it must be of the package's own version, of which it tells two numbers."""
    own = ".".join(__version__.split(".")[:2])
    if ".".join(map(str, version)) == own:
        return Row("plugin", True, f"{own}, {path}")
    text = f"{version[0]}.{version[1]}, {path}, beside a package of version {__version__}"
    return Row("plugin", False, text, f"remove that file, then {REINSTALL}; {IN_CHECKOUT}")


def no_plugin_row(files: list[Path], reason: str) -> Row:
    """VapourSynth did not load the plugin: it is not there, or cannot be opened."""
    if not files:
        return Row("plugin", False, "VapourSynth does not find it", f"pip install vsdfvi; {IN_CHECKOUT}")
    text = f"{files[0]} is there, and was not loaded{f': {reason}' if reason else ''}"
    return Row("plugin", False, text, f"{REINSTALL}; {IN_CHECKOUT}")


def kernels_row(path: str, count: int, missing: list[str]) -> Row:
    """The library of compiled kernels: it has those of the package's headers, or is of another build."""
    if not missing:
        return Row("kernels", True, f"all {count}, {path}")
    text = f"{path} lacks {len(missing)} of {count}, such as {missing[0]}: it was built from other sources"
    return Row("kernels", False, text, f"{REINSTALL}; {IN_CHECKOUT}")


def gpu_rows(found: Found) -> Iterator[Row]:
    """Torch, the driver, CuPy with its compiler, and the device that ``auto`` takes."""
    missing = {lack.part: lack for lack in reversed(lacks(found))}
    torch, cupy = found.torch or Library(), found.cupy or Library()
    yield library_row("PyTorch", torch, missing.get("torch"), needed=not torch.version)
    yield driver_row(found.driver, missing.get("driver"))
    yield library_row("CuPy", cupy, missing.get("cupy"), needed=False)
    if cupy.version:
        advice = "pip install nvidia-cuda-nvrtc, which torch for CUDA 13 brings too"
        yield from _guarded("NVRTC", advice, _nvrtc, bool(cupy.devices), needed=False)
    lack = next(iter(lacks(found)), None)
    # Without a driver there is no card, as a rule, and then nothing is wrong.
    ok = lack is None or lack.part == "driver"
    yield Row("auto", ok, f"takes {explain(found).partition(': ')[2]}", lack.advice if lack else "", needed=False)


def library_row(title: str, library: Library, lack: Lack | None, needed: bool) -> Row:
    """Torch or CuPy: its version, what it is made for and what it sees."""
    if lack is not None:
        return Row(title, False, lack.text, lack.advice if needed else f"to compute on a GPU, {lack.advice}", needed)
    devices = ", ".join(f"cuda:{device.index} ({device})" for device in library.devices)
    made = f", made for CUDA {library.cuda}" if library.cuda else ""
    return Row(title, True, f"{library.version}{made}, sees {devices or 'no GPU'}", needed=False)


def driver_row(driver: str, lack: Lack | None) -> Row:
    """NVIDIA's driver."""
    if lack is not None:
        return Row("driver", False, lack.text, f"only if there is a card of NVIDIA's: {lack.advice}", needed=False)
    return Row("driver", True, f"serves CUDA up to {driver}" if driver else "its version is not known", needed=False)


def weights_row(file: str, expected: str | None, actual: str, title: str) -> Row:
    """A file of weights that was read: its SHA-256 is the one that the table has for it, where it has one."""
    if expected is None or actual == expected:
        checked = f", SHA-256 {actual[:8]}... as it should be" if expected else ""
        return Row("weights", True, f"{file}: {title}{checked}")
    text = f"{file} has SHA-256 {actual[:8]}..., not {expected[:8]}..."
    return Row("weights", False, text, f"it was changed, or is not whole: {REINSTALL}")


def memory_row(mib: int | None, cores: int) -> Row:
    """Memory that is free, and cores that may be used."""
    free = "free memory is not known" if mib is None else f"{mib} MiB free"
    advice = "close other programs, or lower `memory`: core.dfvi.Inpaint(clip, mask, memory=256)"
    ok = mib is None or mib >= _LITTLE_MEMORY
    return Row("memory", ok, f"{free}, {cores} core{'s' if cores > 1 else ''}", advice, needed=False)


def sources_row(there: list[str]) -> Row:
    """Plugins that open video files: one is enough."""
    missing = [name for name in SOURCES if name not in there]
    without = f" (not {', '.join(missing)})" if missing else ""
    text = f"{', '.join(there)}{without}" if there else f"none of {', '.join(SOURCES)}: scripts cannot open video files"
    return Row("sources", bool(there), text, "pip install vapoursynth-bestsource", needed=False)


def cleaning_row(missing: list[str], without_cluster: bool) -> Row:
    """What ``vsdfvi clean`` and ``batch`` need besides."""
    if missing:
        return Row(
            "clean", False, f"{', '.join(missing)} is not installed", "pip install 'vsdfvi[files]'", needed=False
        )
    text = "films are cleaned without a script" + (", in this process alone" if without_cluster else "")
    advice = "for several processes or machines: pip install 'vsdfvi[cluster]'" if without_cluster else ""
    return Row("clean", True, text, advice, needed=False)


def program_row(name: str, path: str | None) -> Row:
    """A program that scripts go with."""
    return Row(name, path is not None, path or "not found", PROGRAMS[name], needed=False)


def repair_row(device: str, outside: int, inside: int, traced: int) -> Row:
    """A small repair: samples outside the hole that changed, inside it that are wrong, pixels found elsewhere."""
    if outside or inside:
        text = f"a wrong picture: {outside} samples outside the hole changed, {inside} of {_HOLE**2} inside are wrong"
        return Row(_repair_name(device), False, text, _REPORT)
    text = f"three frames of 64x64 on {device}, {traced} of {_HOLE**2} pixels found in other frames"
    return Row(_repair_name(device), True, text)


# ---- How one looks. ----


def _guarded(
    name: str, advice: str, look: Callable[..., Iterable[Row]], *arguments: object, needed: bool = True
) -> Iterator[Row]:
    """The rows of a look, and one more where it fails: nothing that is broken here may end the report."""
    try:
        yield from look(*arguments)
    except ModuleNotFoundError as error:
        module = str(error.name).partition(".")[0]
        if module != "vsdfvi":
            advice = f"pip install {PACKAGES.get(module, module)}"
        yield Row(name, False, f"{module} is not installed", advice, needed)
    except Exception as error:
        kind = type(error).__name__
        for_people = isinstance(error, VsdfviError) or kind == "Error"  # VapourSynth's
        yield Row(name, False, first_line(error) if for_people else f"{kind}: {first_line(error)}", advice, needed)


def _apart(
    name: str, advice: str, look: Callable[..., Iterator[Row]], *arguments: str, needed: bool = True
) -> Iterator[Row]:
    """The same, from another process: a library that crashes or hangs there (a cut one does) is a row as well."""
    call = (name, advice, look.__name__, arguments, needed)
    command = [sys.executable, "-c", f"from vsdfvi.cli import doctor; doctor.tell(*{call!r})"]
    try:
        process = subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", timeout=_PATIENCE, check=False
        )
        rows = [Row(**fields) for fields in json.loads(process.stdout.splitlines()[-1])]
    except subprocess.TimeoutExpired:
        rows = [Row(name, False, f"no answer in {_PATIENCE} seconds", advice, needed)]
    except (IndexError, ValueError, TypeError):
        said = process.stderr.strip().splitlines()[-1:]
        rows = [Row(name, False, ": ".join([_ending(process.returncode), *said]), advice, needed)]
    yield from rows


def tell(name: str, advice: str, look: str, arguments: tuple[str, ...], needed: bool) -> None:
    """Print the rows of a look as JSON, for the process that waits for them."""
    rows = list(_guarded(name, advice, globals()[look], *arguments, needed=needed))
    print("\n" + json.dumps([asdict(row) for row in rows]), flush=True)


def _ending(status: int) -> str:
    """Say how a process ended that did not answer."""
    try:
        return f"looking at it ended with {signal.Signals(-status).name}"
    except ValueError:
        return f"looking at it ended with status {status}"


# ---- What there is. ----


class _Heard(logging.Handler):
    """Keeps what VapourSynth says while it loads plugins."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one message."""
        self.lines.append(record.getMessage())


def _vapoursynth() -> Iterator[Row]:
    import vapoursynth

    # Asked for alone, this loads no plugin yet: one that crashes leaves this row as it is.
    yield vapoursynth_row(vapoursynth.core.core_version.release_major, str(Path(vapoursynth.__file__).parent))


def _plugin() -> Iterator[Row]:
    import vapoursynth

    core = vapoursynth.core
    if hasattr(core, "dfvi"):
        yield plugin_row(str(core.dfvi.plugin_path), (core.dfvi.version.major, core.dfvi.version.minor))
        return
    folders = [Path(vapoursynth.get_plugin_dir()) / "dfvi"]
    if extra := os.environ.get("VAPOURSYNTH_EXTRA_PLUGIN_PATH"):
        folders.append(Path(extra))
    endings = (".so", ".dll", ".dylib")
    files = sorted(file for folder in folders for file in folder.rglob("libdfvi.*") if file.suffix in endings)
    reason = ""
    if files:
        try:
            core.std.LoadPlugin(str(files[0]))  # which says why not
        except vapoursynth.Error as error:
            reason = str(error)
    yield no_plugin_row(files, reason)


def _kernels() -> Iterator[Row]:
    from vsdfvi import kernels
    from vsdfvi.kernels._cpu import library

    opened = library()
    headers = sorted(Path(kernels.__file__).parent.glob("*.h"))
    names = [name for header in headers for name in _KERNEL.findall(header.read_text(encoding="utf-8"))]
    yield kernels_row(str(opened._name), len(names), [name for name in names if not hasattr(opened, name)])


def _version_of(title: str, module: str) -> Iterator[Row]:
    yield Row(title, True, str(import_module(module).__version__))


def _nvrtc(has_device: bool) -> Iterator[Row]:
    """The compiler of kernels, as CuPy finds it once torch is imported, as it is where the plugin runs."""
    cupy = import_module("cupy")
    version = ".".join(map(str, cupy.cuda.nvrtc.getVersion()))
    if not has_device:
        yield Row("NVRTC", True, f"{version}; there is nothing to run a kernel on", needed=False)
        return
    out = cupy.zeros(1, "float32")
    kernel = cupy.RawModule(code='extern "C" __global__ void set(float *out) { out[0] = 2.0f; }').get_function("set")
    kernel((1,), (1,), (out,))
    ok = float(out[0]) == 2
    yield Row("NVRTC", ok, f"{version}; a kernel {'runs' if ok else 'computes nonsense'}", _REPORT, needed=False)


def _own_weights() -> Iterator[Row]:
    from vsdfvi.networks import weights

    for name, checkpoint in weights.CHECKPOINTS.items():
        if checkpoint.packaged:
            yield from _weights(weights.find(None, name), checkpoint.sha256, (checkpoint.architecture,))


def _published_weights(folder: Path) -> Iterator[Row]:
    from vsdfvi.networks import weights

    packaged = {checkpoint.architecture for checkpoint in weights.CHECKPOINTS.values() if checkpoint.packaged}
    missing = []
    for name, checkpoint in weights.CHECKPOINTS.items():
        if checkpoint.packaged:
            continue
        try:
            path = weights.find(folder, name)
        except VsdfviError:
            missing.append(checkpoint.file)
            continue
        kind = checkpoint.architecture.partition("_")[0]  # a file may hold any stage of DFC-Net
        allowed = tuple(each for each in weights.ARCHITECTURES if each.startswith(kind) and each not in packaged)
        advice = f"fetch it again from {checkpoint.source}"
        yield from _guarded("weights", advice, _weights, path, checkpoint.sha256, allowed)
    if missing:
        text = f"not in {folder}: {', '.join(missing)}"
        yield Row("weights", False, text, "they are needed only where a script names that folder", needed=False)


def _weights(path: Path, sha256: str | None, allowed: tuple[str, ...]) -> Iterator[Row]:
    from vsdfvi.networks import weights

    network = weights.load(path, allowed)
    with path.open("rb") as file:
        actual = hashlib.file_digest(file, "sha256").hexdigest()
    title = weights.ARCHITECTURES[weights.architecture_of(network.state_dict())].title
    yield weights_row(str(path), sha256, actual, title)


def _free_mib() -> int | None:
    """Return the memory that programs may still take, where Linux tells."""
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) // 1024
    except (OSError, ValueError):
        pass
    return None


def _sources() -> Iterator[Row]:
    heard = _Heard()
    logging.getLogger("vapoursynth").addHandler(heard)
    import vapoursynth

    there = [name for name in SOURCES if hasattr(vapoursynth.core, name)]
    for line in heard.lines:
        if "libdfvi" not in line:  # which has a row of its own
            yield Row("plugins", False, line, "remove that file, or install its package again", needed=False)
    yield sources_row(there)


def _cleaning() -> Iterator[Row]:
    from vsdfvi.cli.clean import FILES

    missing = [name for name in FILES if find_spec(name) is None]
    yield cleaning_row(missing, find_spec("distributed") is None)


def _program(name: str) -> str | None:
    """Return the path of a program: on the PATH, or beside Python, as in an environment that is not active."""
    return shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))


def _devices_to_try(found: Found) -> list[str]:
    """The processor, and the GPU that ``auto`` takes, if the settings know it."""
    device = choose("auto", found)
    try:
        Settings(device=device)
    except SettingError:
        return ["cpu"]
    return list(dict.fromkeys(["cpu", device]))


def _repair_name(device: str) -> str:
    return f"repair, {device.partition(':')[0]}"


def _repair(device: str) -> Iterator[Row]:
    """Repair the middle one of three grey frames."""
    import numpy as np
    import vapoursynth as vs

    grey, edge = 100, (64 - _HOLE) // 2
    clip = vs.core.std.BlankClip(format=vs.GRAY8, width=64, height=64, length=3, color=grey)
    hole = clip.std.BlankClip(width=_HOLE, height=_HOLE, length=1, color=255).std.AddBorders(edge, edge, edge, edge)
    none = clip.std.BlankClip(length=1, color=0)
    mask = none + hole + none
    broken = clip.std.MaskedMerge(clip.std.BlankClip(color=255), mask)
    frame = vs.core.dfvi.Inpaint(broken, mask, device=device).get_frame(1)
    wrong = np.abs(np.asarray(frame[0]).astype(int) - grey) > 1
    within = np.asarray(hole.get_frame(0)[0]) > 0
    changed = np.asarray(frame[0])[~within] != grey  # outside, to the bit
    yield repair_row(device, int(changed.sum()), int(wrong[within].sum()), int(frame.props["DfviTraced"]))
