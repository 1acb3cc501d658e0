"""Installs a wheel where no checkout is, and repairs a film with it: python tests/release/check_wheel.py WHEEL

With --here in the place of a wheel, what is installed beside the Python that runs this is checked, on any system.

A new environment gets the wheel and VapourSynth, and takes everything else (PyTorch is large) from the environment
that runs this. Then, from a folder of its own and without a variable that names the checkout: the plugin is the
wheel's, a script goes through vspipe and differs from its source in the hole and nowhere else, the commands answer, and
the version is one everywhere.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import vapoursynth

SIZE, FRAMES = (64, 48), 5

SCRIPT = """
import vapoursynth as vs

core = vs.core
# Grey 100: Invert makes 155 of it.
clip = core.std.BlankClip(width=64, height=48, format=vs.GRAY8, length=5, color=100)
if {repaired}:
    box = core.std.BlankClip(width=16, height=12, format=vs.GRAY8, length=1, color=255)
    mask = core.std.AddBorders(box, left=20, right=28, top=16, bottom=20)
    clip = core.std.MaskedMerge(clip, core.std.Invert(clip), core.std.Loop(mask, 5))
    clip = core.dfvi.Inpaint(clip, mask, completion="laplace", grain=0, threads=1)
clip.set_output()
"""


def run(*command: str, **options: object) -> bytes:
    """What a command prints. It fails with what the command said."""
    process = subprocess.run(command, capture_output=True, **options)  # type: ignore[call-overload]
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}:\n{(process.stdout + process.stderr).decode(errors='replace')}")
    return bytes(process.stdout)


def environment_with(wheel: Path, folder: Path) -> Path:
    """Make an environment that has the wheel, and return its folder of programs."""
    venv.create(folder, with_pip=False, symlinks=True)
    [packages] = folder.glob("lib/python3*/site-packages")
    there = Path(vapoursynth.__file__).parent
    # VapourSynth looks for plugins in its own folder, so it must be of this environment.
    ours = shutil.ignore_patterns("dfvi", "__pycache__")
    shutil.copytree(there, packages / "vapoursynth", ignore=ours)
    for name in ("vapoursynth", "vspipe"):
        text = (Path(sys.executable).parent / name).read_text()
        (folder / "bin" / name).write_text(re.sub(r"^#!.*", f"#!{folder / 'bin/python'}", text))
        (folder / "bin" / name).chmod(0o755)
    target = ("--python", str(folder / "bin/python"))
    run(sys.executable, "-m", "pip", *target, "install", "--quiet", "--no-deps", "--no-index", str(wheel), env=clean())
    # Only now: pip would find what that environment has, and leave the wheel aside.
    (packages / "others.pth").write_text(f"{there.parent}\n")
    return folder / "bin"


def clean() -> dict[str, str]:
    """This process's variables, without those that name a checkout."""
    names = ("PYTHONPATH", "VIRTUAL_ENV", "VAPOURSYNTH_EXTRA_PLUGIN_PATH")
    return {key: value for key, value in os.environ.items() if key not in names}


def check(python: str, programs: Path, root: Path, work: Path) -> str:
    """Return the version of what was checked, or end with a sentence.

    Args:
        python: An environment's Python.
        programs: The folder of its other programs.
        root: What everything that is used lies in.
        work: An empty folder.
    """
    environment = clean()
    environment["PATH"] = os.pathsep.join([str(programs), environment["PATH"]])
    options = {"cwd": work, "env": environment}

    def program(name: str) -> str:
        if found := shutil.which(name, path=str(programs)):
            return found
        raise SystemExit(f"{name} must be in {programs}")

    def ask(question: str) -> str:
        return run(python, "-c", question, **options).decode().strip()

    version = ask("import vsdfvi; print(vsdfvi.__version__)")
    place = ask("import vsdfvi; print(vsdfvi.__file__)")
    plugin = ask("import vapoursynth as vs; print(vs.core.dfvi.plugin_path)")
    native = ask("import vapoursynth as vs; print(*vs.core.dfvi.version)")
    shown = run(program("vsdfvi"), "--version", **options).decode().strip()
    for path in (place, plugin):
        if not Path(path).resolve().is_relative_to(root):
            raise SystemExit(f"what is used must be the wheel's, got {path}")
    if native.split() != version.split(".")[:2] or shown != f"vsdfvi, version {version}":
        raise SystemExit(f"the version must be {version} everywhere, got {native} of the plugin and {shown!r}")
    run(program("vsdfvi"), "settings", **options)
    run(program("vsdfvi"), "presets", **options)

    frames = {}
    for repaired in (False, True):
        script = work / f"{repaired}.vpy"
        script.write_text(SCRIPT.format(repaired=repaired))
        raw = run(program("vspipe"), str(script), "-", **options)
        frames[repaired] = np.frombuffer(raw, np.uint8).reshape(FRAMES, SIZE[1], SIZE[0])
    changed = frames[True] != frames[False]
    hole = np.zeros(SIZE[::-1], bool)
    hole[16:28, 20:36] = True
    if changed[:, ~hole].any():
        raise SystemExit("nothing outside the hole may change, and something did")
    # The damage is the picture's negative, 55 codes away.
    off = np.abs(frames[True].astype(int) - frames[False])[:, hole].max()
    if off > 8:
        raise SystemExit(f"the hole must be filled by what is around it, got {off} codes from it")
    return version


def main() -> None:
    for name in sys.argv[1:]:
        with TemporaryDirectory() as temporary:
            folder = Path(temporary).resolve()
            work = folder / "work"
            work.mkdir()
            if name == "--here":
                python, root = sys.executable, Path(sys.prefix).resolve()
                programs = Path(sysconfig.get_path("scripts"))
            else:
                programs, root = environment_with(Path(name).resolve(), folder / "environment"), folder
                python = str(programs / "python")
            print(f"{Path(name).name}: {check(python, programs, root, work)} works without a checkout")


if __name__ == "__main__":
    main()
