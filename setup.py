"""Builds the plugin, for a wheel and for a checkout.

python -m build, pip install .     the wheel: the package, and the plugin in vapoursynth/plugins/dfvi/
python setup.py build_plugin       build/plugins/dfvi/, for use without installation
"""

import ast
import os
import platform
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from setuptools import Command, Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).parent.resolve()
SOURCES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("plugin/*.cpp"))
HEADERS = sorted(path.relative_to(ROOT).as_posix() for path in (*ROOT.glob("plugin/*.h"), *ROOT.glob("vsdfvi/**/*.h")))

COMPILE = (
    *("-std=c++17", "-O3", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra"),
    "-ffp-contract=off",  # kernels give the same bits as NumPy and the GPU
    "-DVS_USE_API_42",  # the first whose frames have _Range
)
# Hosts close a plugin with every core; our thread and the engine's kernels go on living in it.
LINK = ("-shared", "-pthread", "-Wl,-z,nodelete", "-Wl,-z,defs", "-ldl")
# VapourSynth picks by this suffix. No -mfma: the bits stay those of the plain library.
VARIANTS = {"": (), ".avx2": ("-mavx2",)} if platform.machine() in ("x86_64", "AMD64") else {"": ()}
LIBRARY = "libdfvi"
MANIFEST = f"[VapourSynth Manifest V1]\n{LIBRARY}\n"


def read_version() -> str:
    """Return the version that vsdfvi/__init__.py states, without importing it."""
    for statement in ast.parse((ROOT / "vsdfvi/__init__.py").read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__version__":
            return str(ast.literal_eval(statement.value))
    raise SystemExit("vsdfvi/__init__.py must assign __version__")


def version_macros() -> tuple[str, ...]:
    """Return the compiler's options that tell the plugin its version."""
    version = read_version()
    major, minor = version.split(".")[:2]
    return (
        f'-DVSDFVI_VERSION="{version}"',
        f"-DVSDFVI_VERSION_MAJOR={major}",
        f"-DVSDFVI_VERSION_MINOR={minor}",
    )


def build_plugin(folder: Path, objects: Path) -> None:
    """Compile every variant of the plugin into a folder and write its manifest beside it."""
    import vapoursynth

    compiler = os.environ.get("CXX", "g++").split()
    includes = ("-I", vapoursynth.get_include())
    folder.mkdir(parents=True, exist_ok=True)
    objects.mkdir(parents=True, exist_ok=True)

    def run(*command: str) -> None:
        print(" ".join(command), flush=True)
        subprocess.run(command, check=True, cwd=ROOT)

    def compile_one(job: tuple[str, str]) -> str:
        suffix, source = job
        target = str(objects / f"{Path(source).stem}{suffix}.o")
        run(*compiler, *COMPILE, *VARIANTS[suffix], *version_macros(), *includes, "-c", source, "-o", target)
        return target

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        built = {suffix: list(pool.map(compile_one, [(suffix, source) for source in SOURCES])) for suffix in VARIANTS}
    for suffix, files in built.items():
        run(*compiler, *files, *LINK, "-o", str(folder / f"{LIBRARY}{suffix}.so"))
    (folder / "manifest.vs").write_text(MANIFEST, encoding="ascii")


class BuildPlugin(Command):
    """Build the plugin into the checkout."""

    description = "build the plugin into build/plugins, for VAPOURSYNTH_EXTRA_PLUGIN_PATH"
    user_options = [("folder=", None, "where the folder dfvi is made")]  # noqa: RUF012  what setuptools asks for

    def initialize_options(self) -> None:
        self.folder = str(ROOT / "build/plugins")

    def finalize_options(self) -> None:
        self.folder = str(Path(self.folder).resolve())

    def run(self) -> None:
        build_plugin(Path(self.folder) / "dfvi", ROOT / "build/objects")


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
