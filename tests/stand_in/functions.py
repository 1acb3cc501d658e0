"""The functions of the stand-in's module: NumPy's, where CuPy has them too, and those that only CuPy has."""

import inspect
from collections.abc import Callable
from functools import lru_cache, partial
from types import ModuleType
from typing import Any

import numpy as np

from stand_in import copies, names
from stand_in.arrays import adopt, call, call_ufunc, inside, ndarray, unwrap, wrap
from stand_in.machine import counters, pool

_ZERO_DIMENSIONAL = {"allclose", "array_equal", "array_equiv", "count_nonzero"}  # NumPy gives a number, CuPy an array
_FROM_NUMBERS = {  # functions whose every argument belongs to the host: an array would have to come back for it
    "arange", "blackman", "eye", "hamming", "hanning", "identity", "indices", "kaiser", "linspace", "logspace", "ones",
    "tri", "zeros",
}  # fmt: skip
_NO_LISTS = {"clip", "where"}  # of functions that are ufuncs inside
_WAIT = {"argwhere", "bincount", "compress", "extract", "flatnonzero", "histogram", "unique"}
_OF_SHAPES = {"can_cast", "iscomplexobj", "isrealobj", "isscalar", "ndim", "result_type", "shape", "size"}
_PASSED = (np.generic, np.dtype, np.finfo, np.iinfo, np.ndindex)


def asarray(
    a: Any, dtype: Any = None, order: str | None = None, *, copy: bool | None = None, blocking: bool = False
) -> Any:
    """Return an array on the device: what is there already as it is, what is on the host by a copy."""
    order = order or "K"
    if isinstance(a, ndarray):
        return call(np.array, (a,), {"dtype": dtype, "copy": copy, "order": order})
    if parts := inside(a):
        return call(np.array, (a,), {"dtype": dtype or np.result_type(*(each.dtype for each in parts)), "order": order})
    if not isinstance(a, np.ndarray) and hasattr(a, "__dlpack__"):
        raise TypeError(f"an array of another library must come by from_dlpack, got {type(a)}")
    host = np.asarray(a, dtype, order=order)  # type: ignore[call-overload]
    if host.dtype.kind not in "biufc":
        raise ValueError(f"Unsupported dtype {host.dtype}")
    made = ndarray(host.shape, host.dtype, order="F" if host.flags.fnc else "C")
    copies.copy_in(made._block, made._host, host, None, wait=blocking)
    return made


def array(
    obj: Any,
    dtype: Any = None,
    copy: bool | None = True,
    order: str = "K",
    subok: bool = False,
    ndmin: int = 0,
    *,
    blocking: bool = False,
) -> Any:
    """Return an array on the device, a copy unless told otherwise."""
    made = asarray(obj, dtype, order, copy=copy, blocking=blocking)
    return made.reshape((1,) * (ndmin - made.ndim) + made.shape) if made.ndim < ndmin else made


def asnumpy(
    a: Any, stream: Any = None, order: str = "C", out: np.ndarray | None = None, *, blocking: bool = True
) -> np.ndarray:
    """Return an array of the host."""
    if isinstance(a, ndarray):
        return a.get(stream=stream, order=order, out=out, blocking=blocking)
    if out is not None:
        out[...] = a
        return out
    return np.asarray(a, order=order)  # type: ignore[call-overload]


def empty(shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
    """Return an array full of garbage, so that nobody takes it for zeros."""
    return ndarray(shape, dtype, order=order)


def empty_like(prototype: Any, dtype: Any = None, order: str = "K", subok: Any = None, shape: Any = None) -> ndarray:
    """Return an array full of garbage, like another."""
    plain = call(np.empty_like, (prototype,), {"dtype": dtype, "order": order, "shape": shape})
    return ndarray(plain.shape, plain.dtype, order="F" if plain._host.flags.fnc else "C")


def ascontiguousarray(a: Any, dtype: Any = None) -> Any:
    """Return an array, or a contiguous copy of it."""
    if not isinstance(a, ndarray):
        raise TypeError(f"Argument 'a' has incorrect type (expected cupy.ndarray, got {type(a)})")
    return call(np.asarray, (a,), {"dtype": dtype, "order": "C"})


def from_dlpack(array: Any) -> ndarray:
    """Return an array over the memory of another library's, which is on the CPU where there is no GPU."""
    if isinstance(array, ndarray):
        return array.view()
    if isinstance(array, np.ndarray):
        raise TypeError(
            "CPU arrays cannot be directly imported to CuPy. Use `cupy.array(numpy.from_dlpack(input))` instead."
        )
    return adopt(np.from_dlpack(array))


def repeat(a: Any, repeats: int | list[int] | tuple[int, ...], axis: int | None = None) -> Any:
    """Return an array with its elements repeated, as often as the host says."""
    if inside(repeats):
        raise ValueError(f"'repeats' should be int or sequence: {repeats}")
    return call(np.repeat, (a, repeats), {"axis": axis})


def get_array_module(*args: Any) -> ModuleType:
    """Return the stand-in if there is one of its arrays, else NumPy."""
    import cupy

    return cupy if inside(args) else np


class _Grid:
    """mgrid and its like: indexed with slices, they give arrays on the device."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getitem__(self, key: Any) -> Any:
        return wrap(getattr(np, self._name)[key])


_OWN: dict[str, Any] = {
    "array": array,
    "asanyarray": asarray,
    "asarray": asarray,
    "ascontiguousarray": ascontiguousarray,
    "asnumpy": asnumpy,
    "empty": empty,
    "empty_like": empty_like,
    "from_dlpack": from_dlpack,
    "get_array_module": get_array_module,
    "get_default_memory_pool": lambda: pool,
    "get_default_pinned_memory_pool": lambda: _pinned_pool,
    "mgrid": _Grid("mgrid"),
    "ndarray": ndarray,
    "ogrid": _Grid("ogrid"),
    "repeat": repeat,
}

_pinned_pool = copies.PinnedMemoryPool()


@lru_cache(maxsize=1024)
def lookup(name: str) -> Any:
    """Return what CuPy's module has under a name.

    Raises:
        AttributeError: CuPy has no such name, or the stand-in lacks it.
    """
    if name in _OWN:
        return _OWN[name]
    if not names.is_name(name):
        raise AttributeError(f"module 'cupy' has no attribute {name!r} (CuPy {names.version()})")
    found = getattr(np, name, None)
    if name == "newaxis" or isinstance(found, (int, float, type(np.s_))):
        return found
    if isinstance(found, type):
        if issubclass(found, _PASSED):
            return found
    elif names.ufunc_operands(name) and callable(found):
        return partial(call_ufunc, name)
    elif inspect.isroutine(found) or isinstance(found, np.ufunc):
        return partial(_call, name, found)
    raise AttributeError(f"CuPy has {name!r}, its stand-in does not")


def _call(name: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """The result of a function of NumPy, called as CuPy's may be."""
    names.check_call(name, args, kwargs)
    if name == "matmul":
        return call_ufunc(name, *args, **kwargs)
    if name in _OF_SHAPES:
        return function(*(getattr(each, "_host", each) for each in args), **kwargs)
    if name in _FROM_NUMBERS and inside((args, kwargs)):
        raise TypeError(f"{name}() of CuPy takes numbers of the host, got an array")
    if name in _NO_LISTS:
        for each in args:
            if isinstance(each, (list, tuple)):
                raise TypeError(f"Unsupported type {type(each)}")
    if name == "nonzero" or (name == "where" and len(args) + len(kwargs) == 1):
        unwrap((args, kwargs))
        return inside((args, kwargs))[0].nonzero()
    if name in _WAIT:
        counters.synchronise()
    result = call(function, args, kwargs)
    return wrap(np.asarray(result)) if name in _ZERO_DIMENSIONAL and not isinstance(result, ndarray) else result
