"""Builds the plugin, for a wheel and for a checkout.

python -m build, pip install .     the wheel: the package, and the plugin in vapoursynth/plugins/dfvi/
python setup.py build_plugin       build/plugins/dfvi/, for use without installation

CXX names the compiler, which may be one for another system (make windows); the flags follow from what it compiles for.
"""

import ast
import os
import shlex
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from setuptools import Command, Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).parent.resolve()
SOURCES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("plugin/*.cpp"))
HEADERS = sorted(path.relative_to(ROOT).as_posix() for path in (*ROOT.glob("plugin/*.h"), *ROOT.glob("vsdfvi/**/*.h")))

MANIFEST = "[VapourSynth Manifest V1]\nlibdfvi\n"
LIBRARY = "libdfvi"


@dataclass(frozen=True)
class Toolchain:
    """How one compiler makes the plugin.

    Contraction of floating point is off everywhere: kernels give the same bits as NumPy and the GPU.
    """

    compiler: tuple[str, ...]
    compile: tuple[str, ...]
    link: tuple[str, ...]
    ending: str
    variants: dict[str, tuple[str, ...]]
    """For each build: what its name has before the ending, by which VapourSynth picks it, and its flags. No -mfma: the
    bits stay those of the plain library."""
    msvc: bool = False

    def define(self, name: str, value: str) -> str:
        """A macro's definition."""
        return f"{'/D' if self.msvc else '-D'}{name}={value}"

    def objects_of(self, source: str, target: Path, options: tuple[str, ...], include: str) -> tuple[str, ...]:
        """The command that compiles one source."""
        head = (*self.compiler, *self.compile, *options)
        if self.msvc:
            return (*head, f"/I{include}", "/c", source, f"/Fo{target}")
        return (*head, "-I", include, "-c", source, "-o", str(target))

    def library_of(self, objects: list[str], target: Path) -> tuple[str, ...]:
        """The command that links the library."""
        if self.msvc:
            return (*self.compiler, *objects, *self.link, f"/Fe{target}")
        return (*self.compiler, *objects, *self.link, "-o", str(target))


def toolchain() -> Toolchain:
    """Return what CXX names, else what the system has, with the flags of the system that it compiles for."""
    default = (
        "cl" if sys.platform == "win32" and shutil.which("cl") else "clang++" if sys.platform == "darwin" else "g++"
    )
    compiler = tuple(shlex.split(os.environ.get("CXX") or default, posix=os.name != "nt"))
    if Path(compiler[0]).stem.lower() == "cl":
        variants = {"": (), ".avx2": ("/arch:AVX2",)}
        flags = ("/nologo", "/std:c++17", "/O2", "/EHsc", "/W3", "/utf-8", "/fp:precise")
        return Toolchain(compiler, flags, ("/nologo", "/LD"), ".dll", variants, msvc=True)
    asked = subprocess.run([*compiler, "-dumpmachine"], check=True, capture_output=True, text=True)
    machine = asked.stdout.strip()  # such as x86_64-linux-gnu, x86_64-w64-mingw32, arm64-apple-darwin23.1.0
    compile_ = ("-std=c++17", "-O3", "-fvisibility=hidden", "-Wall", "-Wextra", "-ffp-contract=off")
    variants = {"": (), ".avx2": ("-mavx2",)} if machine.startswith(("x86_64", "amd64")) else {"": ()}
    if "mingw" in machine or "windows-gnu" in machine:
        # Windows aligns stacks to 16 bytes, and GCC stores 32 there as if they were aligned, which ends the process.
        if ".avx2" in variants:
            variants[".avx2"] = (*variants[".avx2"], "-Wa,-muse-unaligned-vector-move")
        # Nothing of the compiler's beside the library: a host's folder has none of it.
        return Toolchain(compiler, compile_, ("-shared", "-static", "-s"), ".dll", variants)
    if "apple" in machine:
        return Toolchain(compiler, (*compile_, "-fPIC"), ("-dynamiclib",), ".dylib", variants)
    # Hosts close a plugin with every core; our thread and the engine's kernels go on living in it. Here the file itself
    # says so; plugin/python_api.cpp says it on every system.
    link = ("-shared", "-pthread", "-Wl,-z,nodelete", "-Wl,-z,defs", "-ldl")
    return Toolchain(compiler, (*compile_, "-fPIC"), link, ".so", variants)


def read_version() -> str:
    """Return the version that vsdfvi/__init__.py states, without importing it."""
    for statement in ast.parse((ROOT / "vsdfvi/__init__.py").read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__version__":
            return str(ast.literal_eval(statement.value))
    raise SystemExit("vsdfvi/__init__.py must assign __version__")


def build_plugin(folder: Path, objects: Path) -> None:
    """Compile every variant of the plugin into a folder and write its manifest beside it."""
    import vapoursynth

    tools = toolchain()
    version = read_version()
    major, minor = version.split(".")[:2]
    macros = (
        tools.define("VS_USE_API_42", "1"),  # the first whose frames have _Range
        tools.define("VSDFVI_VERSION", f'"{version}"'),
        tools.define("VSDFVI_VERSION_MAJOR", major),
        tools.define("VSDFVI_VERSION_MINOR", minor),
    )
    folder.mkdir(parents=True, exist_ok=True)
    objects.mkdir(parents=True, exist_ok=True)

    def run(*command: str) -> None:
        print(" ".join(command), flush=True)
        subprocess.run(command, check=True, cwd=ROOT)

    def compile_one(job: tuple[str, str]) -> str:
        suffix, source = job
        target = objects / f"{Path(source).stem}{suffix}.o"
        run(*tools.objects_of(source, target, (*tools.variants[suffix], *macros), vapoursynth.get_include()))
        return str(target)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        built = {
            suffix: list(pool.map(compile_one, [(suffix, source) for source in SOURCES])) for suffix in tools.variants
        }
    for suffix, files in built.items():
        run(*tools.library_of(files, folder / f"{LIBRARY}{suffix}{tools.ending}"))
    # Bytes: Windows would end its lines otherwise.
    (folder / "manifest.vs").write_bytes(MANIFEST.encode("ascii"))


class BuildPlugin(Command):
    """Build the plugin into the checkout."""

    description = "build the plugin into build/plugins, for VAPOURSYNTH_EXTRA_PLUGIN_PATH"
    user_options = [("folder=", None, "where the folder dfvi is made")]  # noqa: RUF012  what setuptools asks for

    def initialize_options(self) -> None:
        self.folder = str(ROOT / "build/plugins")

    def finalize_options(self) -> None:
        self.folder = str(Path(self.folder).resolve())

    def run(self) -> None:
        # Beside the folder: two systems' objects would be mixed up otherwise.
        build_plugin(Path(self.folder) / "dfvi", Path(self.folder).with_name(Path(self.folder).name + "-objects"))


class BuildWheelPlugin(build_ext):
    """Build the plugin where VapourSynth looks for it, instead of an extension module of Python."""

    def run(self) -> None:
        if self.inplace:
            raise SystemExit(
                "vsdfvi cannot be installed editable: VapourSynth would not find the plugin. "
                "Use `python setup.py build_plugin`, and VAPOURSYNTH_EXTRA_PLUGIN_PATH=build/plugins PYTHONPATH=."
            )
        folder = Path(self.build_lib).resolve() / "vapoursynth/plugins/dfvi"
        build_plugin(folder, Path(self.build_temp).resolve())


class PlatformWheel(bdist_wheel):
    """A wheel for one platform and any Python: the plugin is native, and not bound to Python's ABI."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.root_is_pure = False

    def get_tag(self) -> tuple[str, str, str]:
        return ("py3", "none", super().get_tag()[2])


setup(
    # Sources are listed for the sdist; BuildWheelPlugin compiles them.
    ext_modules=[Extension("vapoursynth.plugins.dfvi.libdfvi", SOURCES, depends=[*HEADERS, "Makefile"])],
    cmdclass={"build_ext": BuildWheelPlugin, "build_plugin": BuildPlugin, "bdist_wheel": PlatformWheel},
)
