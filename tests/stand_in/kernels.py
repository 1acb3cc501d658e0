"""The stand-in for cupy.RawModule: kernels from the host-compiled library, launched as strictly as on a GPU."""

import ctypes
import re
from typing import Any

import numpy as np

from stand_in import streams
from stand_in.arrays import ndarray
from stand_in.machine import CUDADriverError, CUDARuntimeError, counters, machine
from vsdfvi.kernels._cpu import library

_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_DECLARED = re.compile(r"\bVSDFVI_KERNEL\s+(\w+)\s*\(([^)]*)\)")
_WALK = re.compile(r"\bVSDFVI_FOR_EACH_(PIXEL|ITEM|TASK)\b")
_DIMENSIONS = {"PIXEL": 2, "ITEM": 1, "TASK": 1}  # of a grid and its blocks that a walk shares out; see portable.h
_PARAMETER = re.compile(r"(?P<type>.*?)\s*(?P<pointer>\*?)\s*(?:__restrict__\s*)?\b(?P<name>\w+)", re.DOTALL)
_TYPES = {
    "char": np.int8,
    "double": np.float64,
    "float": np.float32,
    "int": np.int32,
    "long long": np.int64,
    "short": np.int16,
    "signed char": np.int8,
    "unsigned char": np.uint8,
    "unsigned int": np.uint32,
    "unsigned long long": np.uint64,
    "unsigned short": np.uint16,
    "unsigned": np.uint32,
}
_LARGEST_GRID = (0x7FFFFFFF, 65535, 65535)  # CUDA C++ Programming Guide, table "Technical Specifications"
_LARGEST_BLOCK = 1024


class Parameter:
    """A parameter of a kernel, as its text declares it."""

    def __init__(self, text: str) -> None:
        found = _PARAMETER.fullmatch(text.strip())
        words = found["type"].split() if found else []
        plain = " ".join(word for word in words if word != "const")
        if found is None or plain not in _TYPES:
            raise NotImplementedError(f"the stand-in does not know a parameter like {text.strip()!r}")
        self.name, self.is_pointer = found["name"], bool(found["pointer"])
        self.is_written = self.is_pointer and "const" not in words
        self.type = _TYPES[plain]
        self.text = " ".join(text.split())

    def pack(self, value: Any) -> Any:
        """Return an argument for ctypes.

        Raises:
            TypeError, ValueError: A GPU would read its bytes as something else, or refuse it.
        """
        if self.is_pointer:
            return self._pack_array(value)
        if type(value) is not self.type:
            wide = " (CuPy hands a Python number over in 64 bits)" if type(value) in (int, float, bool) else ""
            raise TypeError(f"{self.text!r} must be numpy.{self.type.__name__}, got {type(value)}{wide}")
        return np.ctypeslib.as_ctypes_type(self.type)(value.item())

    def _pack_array(self, value: Any) -> ctypes.c_void_p:
        if value is None:
            return ctypes.c_void_p(None)
        if not isinstance(value, ndarray):
            raise TypeError(f"{self.text!r} must be an array on the device, got {type(value)}")
        if value.dtype != self.type:
            raise TypeError(f"{self.text!r} must be of {np.dtype(self.type)}, got {value.dtype}")
        if not value.flags.c_contiguous:
            raise ValueError(f"{self.text!r} must be contiguous, got strides {value.strides} for {value.shape}")
        if value.device.id != streams.current_device():
            raise ValueError(f"{self.text!r} must be on device {streams.current_device()}, got {value.device.id}")
        return ctypes.c_void_p(value.data.ptr)


def _extent(name: str, extent: Any, largest: tuple[int, int, int]) -> tuple[int, int, int]:
    """The three sizes of a grid or a block."""
    if not (isinstance(extent, tuple) and 1 <= len(extent) <= 3):
        raise TypeError(f"{name} must be a tuple of 1 to 3 ints, got {extent!r}")
    for each, limit in zip(extent, largest, strict=False):
        if isinstance(each, bool) or not isinstance(each, (int, np.integer)):
            raise TypeError(f"{name} must be a tuple of 1 to 3 ints, got {extent!r}")
        if not 1 <= each <= limit:
            raise CUDADriverError(f"CUDA_ERROR_INVALID_VALUE: {name} must be 1 to {largest}, got {extent!r}")
    x, y, z = (*(int(each) for each in extent), 1, 1)[:3]
    return x, y, z


class RawKernel:
    """A kernel of a module."""

    def __init__(self, name: str, parameters: list[Parameter], body: str) -> None:
        self.name, self._parameters = name, parameters
        walk = _WALK.search(body)
        self._dimensions = _DIMENSIONS[walk[1]] if walk else 3

    def __call__(
        self, grid: Any, block: Any, args: Any, *, shared_mem: int = 0, stream: streams.Stream | None = None
    ) -> None:
        self._check_extents(_extent("grid", grid, _LARGEST_GRID), _extent("block", block, (1024, 1024, 64)))
        if len(args) != len(self._parameters):
            raise TypeError(f"{self.name} takes {len(self._parameters)} arguments, got {len(args)}")
        packed = []
        for parameter, value in zip(self._parameters, args, strict=True):
            try:
                packed.append(parameter.pack(value))
            except (TypeError, ValueError) as error:
                raise type(error)(f"{self.name}: {error}") from None
        function = getattr(library(), self.name)
        queue = (stream or streams.get_current_stream()).queue
        for value in args:
            if isinstance(value, ndarray):
                streams.check(value._block, value._host, queue)
        counters.launch(self.name)
        function(*packed)
        for parameter, value in zip(self._parameters, args, strict=True):
            if not parameter.is_written or value is None:
                continue
            streams.mark(value._block, value._host, queue)
            if not value._block.is_whole():
                raise CUDARuntimeError(
                    f"cudaErrorIllegalAddress: {self.name} wrote beside the memory of {parameter.name}"
                )

    def _check_extents(self, grid: tuple[int, int, int], block: tuple[int, int, int]) -> None:
        if block[0] * block[1] * block[2] > _LARGEST_BLOCK:
            raise CUDADriverError(f"CUDA_ERROR_INVALID_VALUE: a block must be 1024 threads or fewer, got {block}")
        # A thread beyond the walk's dimensions does the same work as another one, at the same time.
        used = self._dimensions
        if any(size > 1 for size in (*grid[used:], *block[used:])):
            raise ValueError(f"{self.name} must be launched in {used} dimensions, got grid {grid} and block {block}")


class RawModule:
    """The kernels of a text, each taken from the library that the same text was compiled into.

    Raises:
        ValueError: The text includes files, which NVRTC has not got, or contraction is left on, with which a GPU's
            bits differ from the CPU's.
    """

    def __init__(
        self,
        *,
        code: str | None = None,
        path: str | None = None,
        options: tuple[str, ...] = (),
        backend: str = "nvrtc",
        translate_cucomplex: bool = False,
        enable_cooperative_groups: bool = False,
        name_expressions: Any = None,
        jitify: bool = False,
    ) -> None:
        if path is not None or code is None:
            raise NotImplementedError("the stand-in takes kernels as text")
        if not isinstance(options, tuple):
            raise TypeError(f"Argument 'options' has incorrect type (expected tuple, got {type(options).__name__})")
        if backend != "nvrtc":
            raise NotImplementedError(f"the stand-in compiles with nvrtc, got {backend!r}")
        if found := re.search(r'^\s*#\s*include\s*".*', _COMMENT.sub("", code), re.MULTILINE):
            raise ValueError(f"the text must be whole, NVRTC has no files, got {found[0].strip()}")
        if not {"--fmad=false", "-fmad=false"} & set(options):
            raise ValueError(f"options must have --fmad=false, by which GPU and CPU give the same bits, got {options}")
        self.code, self.options, self.backend = code, options, backend
        plain = _COMMENT.sub("", code)
        found = list(_DECLARED.finditer(plain))
        ends = [each.start() for each in found[1:]] + [len(plain)]
        self._declared = {each[1]: (each[2], plain[each.end() : end]) for each, end in zip(found, ends, strict=True)}

    def compile(self, log_stream: object = None) -> None:
        if machine.devices == 0:
            raise CUDARuntimeError("cudaErrorNoDevice: no CUDA-capable device is detected")

    def get_function(self, name: str) -> RawKernel:
        self.compile()
        if name not in self._declared:
            raise CUDADriverError(f"CUDA_ERROR_NOT_FOUND: named symbol not found: {name}")
        if not hasattr(library(), name):
            raise NotImplementedError(f"the host's library has no {name}: the stand-in cannot run it")
        parameters, body = self._declared[name]
        return RawKernel(name, [Parameter(each) for each in parameters.split(",") if each.strip()], body)
