"""Arguments of the CPU's kernels arrive as what they are, by whichever way they are handed over."""

import ctypes

import numpy as np
import pytest

from vsdfvi.kernels._cpu import _argument

READ_ONLY = np.arange(6, dtype=np.float32)
READ_ONLY.flags.writeable = False
ARRAYS = {
    "floats": np.zeros((3, 4), np.float32),
    "bytes": np.zeros(5, np.uint8),
    "flags": np.zeros(5, bool),
    "a part": np.zeros((4, 6), np.int32)[2:],
    "read-only": READ_ONLY,
    "empty": np.zeros((0, 4), np.float32),
    "a column of one": np.zeros((4, 1), np.float32)[:, 0],
    "of a subclass": np.zeros(4, np.float32).view(type("Subclass", (np.ndarray,), {})),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_arrives_by_its_address(name):
    array = ARRAYS[name]
    assert ctypes.cast(_argument(array), ctypes.c_void_p).value == array.__array_interface__["data"][0]


@pytest.mark.parametrize("array", [np.zeros((4, 6))[:, ::2], np.zeros((4, 6)).T], ids=["every other", "transposed"])
def test_an_array_that_is_not_contiguous_is_refused(array):
    with pytest.raises(ValueError, match=r"^a kernel's array must be contiguous, got strides \(\d+, \d+\) for "):
        _argument(array)


@pytest.mark.parametrize("value", [7, -7, True, np.int32(-7), np.int64(7)], ids=repr)
def test_a_whole_number_arrives(value):
    text = ctypes.create_string_buffer(32)
    ctypes.CDLL(None).snprintf(text, ctypes.c_size_t(32), b"%d", _argument(value))
    assert int(text.value) == value


def test_a_float_is_single():
    assert isinstance(_argument(0.1), ctypes.c_float)
    assert _argument(0.1).value == np.float32(0.1)
