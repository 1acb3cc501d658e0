"""CuPy's public names and the parameters of its functions, from cupy_names.txt, which write_names.py made."""

import inspect
import re
from functools import lru_cache
from pathlib import Path

_FILE = Path(__file__).parent / "cupy_names.txt"
_LINE = re.compile(r"(?P<name>[\w.]+)(?:\((?P<parameters>.*)\)| ufunc (?P<nin>\d+) (?P<nout>\d+))?")


@lru_cache(maxsize=1)
def _table() -> dict[str, re.Match[str]]:
    lines = _FILE.read_text().splitlines()[1:]
    return {found["name"]: found for found in map(_LINE.fullmatch, lines) if found}


@lru_cache(maxsize=1)
def version() -> str:
    """Return the version of the CuPy that the names are from."""
    with _FILE.open() as file:
        return file.readline().split()[1]


def is_name(name: str) -> bool:
    """Whether CuPy has a name; those of arrays begin with ``ndarray.``."""
    return name in _table()


def ufunc_operands(name: str) -> tuple[int, int] | None:
    """Return the numbers of a ufunc's inputs and outputs, None for another function."""
    found = _table().get(name)
    return (int(found["nin"]), int(found["nout"])) if found and found["nin"] else None


@lru_cache(maxsize=1024)
def signature(name: str) -> inspect.Signature | None:
    """Return what a function takes, None where CuPy does not state it."""
    parameters = _table()[name]["parameters"]
    return None if parameters is None else inspect.signature(eval(f"lambda {parameters}: None"))


def check_call(name: str, args: tuple[object, ...], kwargs: dict[str, object]) -> None:
    """Raise TypeError where CuPy's function would not take these arguments; NumPy's often takes more."""
    if (known := signature(name)) is None:
        return
    try:
        known.bind(*args, **kwargs)
    except TypeError as error:
        raise TypeError(f"{name}() of CuPy: {error}; it takes {known}") from None
