"""Write cupy_names.txt: CuPy's public names and their parameters, as the installed CuPy has them.

Run it where CuPy is installed; no GPU and no driver are needed: python tests/stand_in/write_names.py
"""

import inspect
from collections.abc import Iterator
from pathlib import Path

NAMES = Path(__file__).parent / "cupy_names.txt"


def _parameters(function: object) -> str | None:
    """The names of a function's parameters as they stand in a lambda, None where nothing states them."""
    try:
        parameters = list(inspect.signature(function).parameters.values())  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    plain = [
        each.replace(annotation=each.empty, default=each.empty if each.default is each.empty else None)
        for each in parameters
    ]
    return str(inspect.Signature(plain))[1:-1].replace("=None", "=...")


def _documented(method: object, name: str) -> str | None:
    """The same for a compiled method, from the first line of its documentation: ``type.name(self, int axis=-1)``."""
    line = (getattr(method, "__doc__", None) or "").split("\n")[0]
    if f".{name}(self" not in line:
        return None
    inside = line[line.index("(") + 1 : line.rindex(")")]
    parts = []
    for part in inside.split(", ")[1:]:
        left, default, _ = part.partition("=")
        parts.append(left.split()[-1] + ("=..." if default else ""))
    return ", ".join(parts)


def lines() -> Iterator[str]:
    """The file, line by line."""
    import cupy

    yield f"CuPy {cupy.__version__}"
    for name in sorted(name for name in dir(cupy) if not name.startswith("_")):
        what = getattr(cupy, name, None)
        if isinstance(what, cupy.ufunc):
            yield f"{name} ufunc {what.nin} {what.nout}"
        elif inspect.isroutine(what) and (found := _parameters(what)) is not None:
            yield f"{name}({found})"
        else:
            yield name
    for name in sorted(name for name in dir(cupy.ndarray) if not name.startswith("_")):
        found = _documented(getattr(cupy.ndarray, name), name)
        yield f"ndarray.{name}" + ("" if found is None else f"({found})")


if __name__ == "__main__":
    NAMES.write_text("\n".join(lines()) + "\n")
