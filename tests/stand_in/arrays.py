"""The stand-in for cupy.ndarray: an array that only its own kind may touch."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from stand_in import copies, names, streams
from stand_in.machine import Block, counters

IMPLICIT = (
    "Implicit conversion to a NumPy array is not allowed. Please use `.get()` to construct a NumPy array explicitly."
)
NOT_A_SCALAR = "non-scalar numpy.ndarray cannot be used for fill"

_SCALARS = (bool, int, float, complex, np.generic)
_TAKE_ARRAYS = {"choose", "clip", "compress", "dot", "put", "searchsorted", "take"}  # methods with array arguments
_IN_PLACE = {"copyto", "fill_diagonal", "partition", "place", "put", "putmask", "sort"}  # np.sort copies: no harm
_WAIT = {"compress", "tobytes"}  # methods whose result's size, or result, the host needs


class MemoryPointer:
    """Where an array's memory begins."""

    def __init__(self, block: Block, ptr: int) -> None:
        self.mem, self.ptr = block, ptr

    @property
    def device_id(self) -> int:
        return self.mem.device

    @property
    def device(self) -> streams.Device:
        return streams.Device(self.mem.device)

    def __int__(self) -> int:
        return self.ptr

    def __add__(self, offset: int) -> "MemoryPointer":
        return MemoryPointer(self.mem, self.ptr + offset)


class Flags:
    """How an array lies in memory."""

    def __init__(self, array: np.ndarray, owns: bool) -> None:
        self.c_contiguous, self.f_contiguous = array.flags.c_contiguous, array.flags.f_contiguous
        self.owndata = owns

    def __getitem__(self, name: str) -> bool:
        return getattr(self, name.lower())


class ndarray:
    """An array on the device that is not there.

    It refuses what CuPy refuses: NumPy arrays as operands and arguments, conversions nobody asked for, attributes and
    parameters that CuPy lacks. It is stricter in three things, all of which go wrong silently on a GPU: NumPy arrays as
    indices (CuPy uploads them), indices out of bounds (CuPy wraps them), and several values for one element (CuPy
    leaves open which of them stays).
    """

    __slots__ = ("__weakref__", "_base", "_block", "_host")
    __hash__ = None  # type: ignore[assignment]
    __array_priority__ = 100

    def __init__(
        self,
        shape: int | tuple[int, ...],
        dtype: Any = float,
        memptr: MemoryPointer | None = None,
        strides: tuple[int, ...] | None = None,
        order: str = "C",
    ) -> None:
        shape, kind = tuple(np.atleast_1d(shape).tolist()) if shape != () else (), np.dtype(dtype)
        self._base = None
        if memptr is None:
            self._block = Block.allocate(int(np.prod(shape)) * kind.itemsize, streams.current_device())
            self._host = self._block.part(shape, kind, order, strides)
        else:
            self._block = memptr.mem
            at = memptr.ptr - self._block.root.ctypes.data - self._block.begin
            if strides is None and not 0 <= at <= self._block.size - int(np.prod(shape)) * kind.itemsize:
                raise ValueError(f"an array must lie within its memory, got {shape} at byte {at}")
            self._host = self._block.part(shape, kind, order, strides, at)

    # ---- What it is ----

    dtype = property(lambda self: self._host.dtype)
    strides = property(lambda self: self._host.strides)
    size = property(lambda self: self._host.size)
    ndim = property(lambda self: self._host.ndim)
    nbytes = property(lambda self: self._host.nbytes)
    itemsize = property(lambda self: self._host.itemsize)
    base = property(lambda self: self._base)
    T = property(lambda self: wrap(self._host.T, self))
    mT = property(lambda self: wrap(self._host.mT, self))
    real = property(lambda self: wrap(self._host.real, self))
    imag = property(lambda self: wrap(self._host.imag, self))
    flags = property(lambda self: Flags(self._host, self._base is None))
    data = property(lambda self: MemoryPointer(self._block, self._host.ctypes.data))
    device = property(lambda self: streams.Device(self._block.device))

    @property
    def shape(self) -> tuple[int, ...]:
        return self._host.shape

    @shape.setter
    def shape(self, shape: tuple[int, ...]) -> None:
        self._host = self._host.reshape(shape, copy=False)

    def __len__(self) -> int:
        return len(self._host)

    def __repr__(self) -> str:
        return f"<stand-in {self._host!r}>"

    # ---- To and from the host ----

    def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
        raise TypeError(IMPLICIT)

    def get(
        self,
        stream: streams.Stream | None = None,
        order: str = "C",
        out: np.ndarray | None = None,
        blocking: bool = True,
    ) -> np.ndarray:
        if out is None:
            out = np.empty(self.shape, self.dtype, "F" if order == "F" else "C")
        elif not isinstance(out, np.ndarray):
            raise TypeError("Only numpy.ndarray can be obtained from cupy.ndarray")
        elif out.dtype != self.dtype:
            raise TypeError(f"{out.dtype} array cannot be obtained from {self.dtype} array")
        elif out.shape != self.shape:
            raise ValueError(f"Shape mismatch. Expected shape: {self.shape}, actual shape: {out.shape}")
        elif not (out.flags.c_contiguous or out.flags.f_contiguous):
            raise RuntimeError("`out` cannot be specified when copying to non-contiguous ndarray")
        copies.copy_out(self._block, out, self._host, stream, wait=blocking)
        return out

    def set(self, arr: np.ndarray, stream: streams.Stream | None = None) -> None:
        if not isinstance(arr, np.ndarray):
            raise TypeError("Only numpy.ndarray can be set to cupy.ndarray")
        if arr.dtype != self.dtype:
            raise TypeError(f"{arr.dtype} array cannot be set to {self.dtype} array")
        if arr.shape != self.shape:
            raise ValueError(f"Shape mismatch. Old shape: {self.shape}, new shape: {arr.shape}")
        if not (self.flags.c_contiguous or self.flags.f_contiguous):
            raise RuntimeError("Cannot set to non-contiguous array")
        now = stream is None and streams.get_current_stream().ptr == 0
        copies.copy_in(self._block, self._host, arr, stream, wait=now)

    def item(self) -> Any:
        if self.size != 1:
            raise ValueError("can only convert an array of size 1 to a Python scalar")
        return self.get().item()

    def tolist(self) -> Any:
        return self.get().tolist()

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ValueError(
                "The truth value of an array with more than one element is ambiguous. Use a.any() or a.all()"
            )
        return bool(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._host.__dlpack_device__()

    def __dlpack__(self, *, stream: object = None, **kwargs: Any) -> Any:
        unwrap(self)
        return self._host.__dlpack__(**kwargs)

    # ---- Elements ----

    def __iter__(self) -> Iterator["ndarray"]:
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d array")
        return (self[k] for k in range(len(self)))

    def __getitem__(self, key: Any) -> "ndarray":
        parts, gathers = _index(key)
        found = (unwrap(self) if gathers else self._host)[parts]
        return _own(found, "C") if gathers else wrap(found, self)

    def __setitem__(self, key: Any, value: Any) -> None:
        parts, gathers = _index(key)
        if isinstance(value, (list, tuple, np.ndarray)) and np.ndim(value):  # type: ignore[arg-type]
            raise ValueError(NOT_A_SCALAR)
        if gathers and isinstance(value, ndarray) and value.size > 1:
            places = np.arange(self.size).reshape(self.shape)[parts]
            if np.unique(places).size < places.size:
                raise ValueError("indices must name each element once where values differ, got some of them twice")
        unwrap(self)[parts] = value if isinstance(value, np.ndarray) else unwrap(value)
        streams.mark(self._block, self._host)

    def fill(self, value: Any) -> None:
        if isinstance(value, np.ndarray) and value.ndim:
            raise ValueError(NOT_A_SCALAR)
        unwrap(self).fill(value if isinstance(value, np.ndarray) else unwrap(value))
        streams.mark(self._block, self._host)

    # ---- The rest ----

    def __copy__(self) -> "ndarray":
        return self.copy()

    def __deepcopy__(self, memo: object) -> "ndarray":
        return self.copy()

    def nonzero(self) -> tuple["ndarray", ...]:
        """Return the places of what is not 0: columns of one array, so that none is contiguous unless it is alone."""
        counters.synchronise()
        places = _own(np.argwhere(unwrap(self)), "C")
        return tuple(places[:, axis] for axis in range(self.ndim))

    def view(self, dtype: Any = None) -> "ndarray":
        return wrap(self._host.view() if dtype is None else self._host.view(dtype), self)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not names.is_name(f"ndarray.{name}") or not hasattr(np.ndarray, name):
            raise AttributeError(f"'ndarray' object has no attribute '{name}'")
        return partial(_call_method, self, name)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method != "__call__":
            return NotImplemented  # so does CuPy: np.add.reduce and the like are not for its arrays
        out = kwargs.pop("out", None)
        return call_ufunc(ufunc.__name__, *inputs, **kwargs, **({"out": out[0]} if out else {}))

    def __array_function__(self, function: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
        from stand_in.functions import lookup

        if function.__module__ != "numpy":
            return NotImplemented
        return lookup(function.__name__)(*args, **kwargs)


def _own(array: Any, order: str = "K") -> ndarray:
    """Return a result in memory of its own."""
    array = np.asarray(array)
    made = ndarray(array.shape, array.dtype, order="F" if array.flags.fnc and order == "K" else "C")
    made._host[...] = array
    streams.mark(made._block, made._host)
    return made


def _root(array: Any) -> Any:
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def wrap(result: Any, *inputs: Any) -> Any:
    """Return what NumPy made as CuPy would: numbers as arrays of no dimension, a view of an input as such."""
    if isinstance(result, np.ndarray):
        for each in inputs:
            if result is each._host:
                return each
        for each in inputs:
            if _root(result) is each._block.root:
                made = object.__new__(ndarray)
                made._host, made._block = result, each._block
                made._base = each if each._base is None else each._base
                return made
        return _own(result)
    if isinstance(result, np.generic):
        return _own(result)
    if isinstance(result, (tuple, list)):
        parts = [wrap(each, *inputs) for each in result]
        return type(result)(*parts) if hasattr(result, "_fields") else type(result)(parts)
    return result


def adopt(array: np.ndarray) -> ndarray:
    """Return an array over memory of others, without a copy."""
    made = object.__new__(ndarray)
    made._host, made._base = array, None
    made._block = Block(_root(array), streams.current_device())
    return made


def unwrap(value: Any) -> Any:
    """Return a value with every stand-in in it replaced by the NumPy array it holds.

    Raises:
        TypeError: There is an array of the host in it, or of another library.
        ValueError: There is an array of another device in it.
        UnorderedUse: There is an array in it that another stream may still be writing.
    """
    if isinstance(value, ndarray):
        if value._block.device != streams.current_device():
            raise ValueError(
                f"Array device must be same as the current device: array device = {value._block.device} "
                f"while current = {streams.current_device()}"
            )
        streams.check(value._block, value._host)
        return value._host
    if hasattr(value, "__dlpack__") and not isinstance(value, type):  # NumPy's and torch's
        raise TypeError(f"Unsupported type {type(value)}")
    if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        return type(value)(unwrap(each) for each in value)
    if isinstance(value, dict):
        return {name: unwrap(each) for name, each in value.items()}
    return value


def inside(value: Any) -> list[ndarray]:
    """Return the stand-ins in a value."""
    if isinstance(value, ndarray):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [found for each in value for found in inside(each)] if isinstance(value, (list, tuple)) else []


def call(function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Return what a function of NumPy makes of stand-ins, on the current stream."""
    plain_args, plain_kwargs = unwrap(tuple(args)), unwrap(kwargs)
    with np.errstate(all="ignore"):  # a GPU does not warn
        result = function(*plain_args, **plain_kwargs)
    written = inside(kwargs.get("out")) + (inside(args[0]) if function.__name__ in _IN_PLACE else [])
    for each in written:
        streams.mark(each._block, each._host)
    return wrap(result, *inside(args), *inside(kwargs))


def call_ufunc(name: str, *args: Any, **kwargs: Any) -> Any:
    """Return the result of a ufunc of CuPy."""
    operands = names.ufunc_operands(name) or ((2, 1) if name == "matmul" else None)
    if operands is None:
        return NotImplemented
    if unknown := set(kwargs) - {"out", "dtype", "casting"}:
        raise TypeError(f"{name}() of CuPy takes no {', '.join(sorted(unknown))}")
    if not operands[0] <= len(args) <= sum(operands):
        raise TypeError(f"{name}() of CuPy takes {operands[0]} operands, got {len(args)}")
    out = kwargs.get("out")
    for each in (*args, *(out if isinstance(out, tuple) else (out,) if out is not None else ())):
        if not isinstance(each, (ndarray, *_SCALARS)):
            raise TypeError(f"Unsupported type {type(each)}")
    return call(getattr(np, name), args, kwargs)


def _call_method(self: ndarray, name: str, *args: Any, **kwargs: Any) -> Any:
    names.check_call(f"ndarray.{name}", args, kwargs)
    if name not in _TAKE_ARRAYS and inside(args):
        raise TypeError(f"{name}() of CuPy takes numbers of the host, got an array")
    if name in _WAIT:
        counters.synchronise()
    return call(getattr(np.ndarray, name), (self, *args), kwargs)


def _index(key: Any) -> tuple[Any, bool]:
    """Return an index for NumPy, and whether it gathers elements; without that, what it gives is a view."""
    parts = key if isinstance(key, tuple) else (key,)
    plain, gathers = [], False
    for part in parts:
        if isinstance(part, list):  # CuPy uploads it
            part = np.array(part, np.int64 if not part else None)
            counters.upload(part.nbytes)
            gathers = True
        elif isinstance(part, ndarray):
            if part.dtype.kind not in "biu":
                raise IndexError(
                    f"arrays used as indices must be of integer or boolean type. (actual: {part.dtype.type})"
                )
            gathers = True
            if part.dtype.kind == "b":
                counters.synchronise()  # the size of the result is asked for
            part = unwrap(part)
        else:
            unwrap(part)
        plain.append(part)
    if not any(part is Ellipsis for part in plain):
        plain.append(Ellipsis)  # else NumPy gives a number where CuPy gives an array without dimensions
    return tuple(plain), gathers


def _add_operators() -> None:
    """Give the class Python's operators, each a ufunc."""
    both = {
        "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "true_divide", "floordiv": "floor_divide",
        "mod": "remainder", "pow": "power", "lshift": "left_shift", "rshift": "right_shift", "and": "bitwise_and",
        "or": "bitwise_or", "xor": "bitwise_xor", "matmul": "matmul", "divmod": "divmod",
    }  # fmt: skip
    compare = {
        "eq": "equal", "ne": "not_equal", "lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal",
    }  # fmt: skip
    alone = {"neg": "negative", "pos": "positive", "abs": "absolute", "invert": "invert"}
    for name, ufunc in {**both, **compare}.items():
        setattr(ndarray, f"__{name}__", lambda self, other, ufunc=ufunc: call_ufunc(ufunc, self, other))
    for name, ufunc in both.items():
        setattr(ndarray, f"__r{name}__", lambda self, other, ufunc=ufunc: call_ufunc(ufunc, other, self))
        if name not in ("matmul", "divmod"):
            place = lambda self, other, ufunc=ufunc: call_ufunc(ufunc, self, other, out=self)  # noqa: E731
            setattr(ndarray, f"__i{name}__", place)
    for name, ufunc in alone.items():
        setattr(ndarray, f"__{name}__", lambda self, ufunc=ufunc: call_ufunc(ufunc, self))


_add_operators()
