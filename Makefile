# The front door. Everything is set up on the first call and found ready by the next.
#
#   VENV=<folder>     where the Python environment is made (.venv)
#   PYTHON=<path>     the Python it is made from; else one is looked for
#   ARGS=<options>    handed to pytest, to the demo, or to what makes the pictures

VENV ?= .venv
EXTRAS ?= test,demo
CXX ?= g++
export CXX
WINDOWS_CXX ?= x86_64-w64-mingw32-g++-posix

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

# What a checkout uses without installing would load the plugin twice here.
unexport PYTHONPATH VAPOURSYNTH_EXTRA_PLUGIN_PATH

BIN := $(abspath $(VENV))/bin
RUN := PATH="$(BIN):$$PATH"
PACKAGE := $(shell find vsdfvi -type f -not -name '*.pyc')
PLUGIN := $(wildcard plugin/*.cpp plugin/*.h)

.PHONY: help demo pictures test build bench gpu-check lint reference dist windows clean

help:
	@echo "make demo     damage a film, repair it, measure: demo/before_after.png and one line of figures"
	@echo "make test     run the tests (ARGS='-k mask' for some of them)"
	@echo "make pictures make the pictures of the documentation again (ARGS='--only dirt,views' for some of them)"
	@echo "make bench    run the benchmarks"
	@echo "make gpu-check  on a machine with a GPU: tests and benchmarks, with a Python that has PyTorch and CuPy; docs/gpu.md"
	@echo "make build    compile the plugin into build/plugins, for use without installing:"
	@echo "              export VAPOURSYNTH_EXTRA_PLUGIN_PATH=\$$PWD/build/plugins PYTHONPATH=\$$PWD"
	@echo "make dist     dist/: an sdist, and wheels for Linux and, with mingw-w64, for Windows; docs/release.md"
	@echo "make windows  the plugin for Windows into build/windows, by mingw-w64"
	@echo "make reference  docs/reference.md and the types of vsdfvi.inpaint, from vsdfvi/settings.py"
	@echo "make lint     check format, style and types"
	@echo "make clean    remove what was built; the environment $(VENV) stays"

demo: $(VENV)/.installed
	$(RUN) python examples/demo/run.py $(ARGS)

test: $(VENV)/.installed
	$(RUN) python -m pytest $(ARGS)

pictures: $(VENV)/.installed
	$(RUN) python examples/pictures.py $(ARGS)

bench: $(VENV)/.installed
	for benchmark in tests/benchmarks/bench_*.py; do $(RUN) python "$$benchmark"; done

# With whatever Python is there: such a machine may have no network to make an environment from.
gpu-check:
	PYTHONPATH="$(PYTHONPATH)" "$(or $(PYTHON),python3)" tests/gpu/check.py $(ARGS)

build: build/plugins/dfvi/manifest.vs

lint: $(VENV)/.linters
	$(RUN) ruff format --check .
	$(RUN) ruff check .
	$(RUN) mypy
	if command -v clang-format > /dev/null; then clang-format --dry-run --Werror plugin/*.cpp plugin/*.h; fi

# What the code says of its settings, for docs.
reference: $(VENV)/.dependencies
	PYTHONPATH=. $(BIN)/python -m vsdfvi settings --markdown > docs/reference.md

# The wheel is built from the sdist, so that the sdist is known to have all that it needs.
dist: $(VENV)/.release
	rm -rf dist build/raw build/lib* build/bdist* build/temp*
	$(BIN)/python -m build --no-isolation --outdir build/raw .
	$(RUN) auditwheel repair --wheel-dir dist build/raw/*.whl
	mv build/raw/*.tar.gz dist
	if command -v $(WINDOWS_CXX) > /dev/null; then
	  CXX=$(WINDOWS_CXX) $(BIN)/python -m build --wheel --no-isolation --outdir dist \
	    --config-setting=--build-option=--plat-name=win_amd64 .
	else
	  echo "No wheel for Windows: $(WINDOWS_CXX) was not found. On Debian: apt-get install g++-mingw-w64-x86-64-posix" >&2
	fi
	$(BIN)/python -m twine check --strict dist/*
	$(BIN)/python tests/release/check_wheel.py dist/*linux*.whl

windows: $(VENV)/.made
	CXX=$(WINDOWS_CXX) $(BIN)/python setup.py --quiet build_plugin --folder build/windows

clean:
	rm -rf build dist demo vsdfvi.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find vsdfvi tests examples -name __pycache__ -type d -prune -exec rm -rf {} +

# ---- Set-up, in steps; each leaves a stamp in the environment. ----

# Python 3.12 or later. vspipe loads libpython, so one that has it as a shared library goes first.
define FIND_PYTHON
import ctypes, pathlib, sys, sysconfig
if sys.version_info < (3, 12): raise SystemExit(1)
name = sysconfig.get_config_var("INSTSONAME") or ""
files = [pathlib.Path(sysconfig.get_config_var(at) or "/", name) for at in ("LIBDIR", "LIBPL")]
if "shared" in sys.argv and not (".so" in name and any(file.is_file() for file in files)): raise SystemExit(1)
print(sys.executable)
endef
export FIND_PYTHON

$(VENV)/.made:
	command -v $(firstword $(CXX)) > /dev/null || { echo "A C++ compiler is needed: apt-get install g++" >&2; exit 1; }
	python=""
	for kind in shared any; do
	  for each in $(if $(PYTHON),"$(PYTHON)",python3.12 python3.13 python3.14 python3 "$$HOME"/.pyenv/versions/3.1[2-9]*/bin/python3); do
	    if [ -z "$$python" ] && python=$$("$$each" -c "$$FIND_PYTHON" $$kind 2> /dev/null); then
	      [ $$kind = shared ] || echo "Note: $$python has no shared libpython: vspipe will not work with it." >&2
	    fi
	  done
	done
	if [ -z "$$python" ]; then
	  echo "Python 3.12 or later is needed (with its shared library, for vspipe): apt-get install python3 python3-venv libpython3-dev," >&2
	  echo "or name one: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)" >&2
	  exit 1
	fi
	echo "Making $(VENV) from $$python"
	"$$python" -m venv $(VENV)
	$(BIN)/python -m pip install --quiet 'setuptools>=77' 'vapoursynth>=75'
	touch $@

# The dependencies that pyproject.toml states, without the project itself.
define LIST_REQUIREMENTS
import sys, tomllib
project = tomllib.load(open("pyproject.toml", "rb"))["project"]
lists = [project["dependencies"], *(project["optional-dependencies"][extra] for extra in sys.argv[1].split(","))]
print(*(requirement for each in lists for requirement in each), sep="\n")
endef
export LIST_REQUIREMENTS

$(VENV)/.dependencies: $(VENV)/.made pyproject.toml
	echo "Installing what the project needs (PyTorch is large)"
	$(BIN)/python -m pip install --quiet -r <($(BIN)/python -c "$$LIST_REQUIREMENTS" $(EXTRAS))
	$(BIN)/python -c "import cv2" || {
	  echo "OpenCV lacks a system library, see above. On Debian: apt-get install libgl1 libglib2.0-0" >&2; exit 1; }
	# Tells vspipe which Python to load; it cannot ask for itself unless the environment is on the PATH.
	$(RUN) vapoursynth config > /dev/null || echo "Note: 'vapoursynth config' failed: vspipe will not work." >&2
	touch $@

$(VENV)/.installed: $(VENV)/.dependencies setup.py $(PACKAGE) $(PLUGIN)
	echo "Compiling and installing vsdfvi into $(VENV)"
	rm -rf build/lib build/bdist* build/temp*
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --force-reinstall .
	touch $@

$(VENV)/.linters: $(VENV)/.dependencies
	$(BIN)/python -m pip install --quiet -r <($(BIN)/python -c "$$LIST_REQUIREMENTS" dev)
	touch $@

$(VENV)/.release: $(VENV)/.dependencies
	$(BIN)/python -m pip install --quiet -r <($(BIN)/python -c "$$LIST_REQUIREMENTS" release)
	touch $@

build/plugins/dfvi/manifest.vs: $(VENV)/.made setup.py vsdfvi/__init__.py $(PLUGIN) $(wildcard vsdfvi/kernels/*.h)
	$(BIN)/python setup.py --quiet build_plugin

.ONESHELL:
.SILENT: $(VENV)/.made $(VENV)/.dependencies $(VENV)/.installed $(VENV)/.linters $(VENV)/.release
