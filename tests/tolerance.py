"""The tests' numbers: each with its unit, its reason and the date it was measured. And what it means to be equal."""

import numpy as np
from numpy.typing import NDArray

# Multiples of the tolerance given to laplace_fill. It ends when no value moves by more than that in a sweep, which
# is near the solution, not it. Measured over 1500 random holes and the shapes of test_laplace.py: 5.7. (Nov 2026)
LAPLACE_TOLERANCES = 8

# Parts of full scale. Weights of both sides are rounded to float32, and so is their quotient. Measured: 2e-7.
# (Nov 2026)
FLOAT_BLEND = 1e-6

# Parts of full scale. In a mirror, positions are rounded otherwise, in float32 and to a phase of the kernel's table.
# Measured: 0.0007. (Nov 2026)
MIRRORED = 0.002

# dB in a hole over brick, given the true flow, up to eight frames from its sources: what one resampling loses, blended
# from two sides. Measured 42.6, 40.6, 61.4 and 52.4; linear sampling and a coarse table of phases fail. (Nov 2026)
RESAMPLED_ONCE_DB = {"translation": 41.6, "half a pixel": 39.6, "zoom": 60.4, "rotation": 51.4}

# Codes of 8 bits: rounding to the nearest, and as much again for that of half floats.
HALF_STEP = 0.75

# MiB of resident memory that ten cores, or 400 frames more of 160x120, may leave behind. Measured: 2, and 8, which the
# C library's allocator loses between blocks; one frame in each that is not freed makes 19. (Nov 2026)
GROWTH_MIB = 16

# dB in the hole over 12 frames of a photograph in changing light, with grain, under a mark of 0.3 to 0.7 whose place
# alone is known. Measured 30.8 to 38.5, where the mark of 0.5 itself leaves 12.3; with 8 frames, 28.7 was seen once, in
# GRAY16: what is estimated from fewer frames is less near. (Nov 2026)
UNMIXED_DB = 30.0

# Opacity of such a mark's body, found less true. Where little changes beneath, other pairs of opacity and colour
# explain the clip as well. Measured: 0.16. (Nov 2026)
OPACITY_OFF = 0.17


def assert_same_bits(found: NDArray[np.generic], expected: NDArray[np.generic]) -> None:
    """Fail unless two arrays hold the same bytes; any NaN equals any NaN, whose sign and payload nobody promises."""
    assert not np.shares_memory(found, expected), "an array was compared with itself"
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    if found.dtype.kind == "f":
        np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
        found, expected = (np.where(np.isnan(a), 0, a) for a in (found, expected))
    # Compared as numbers first, for a failure that can be read; then as bytes, which tell 0 from -0.
    np.testing.assert_array_equal(found, expected)
    assert found.tobytes() == expected.tobytes()


def psnr(found: NDArray[np.generic], expected: NDArray[np.generic], peak: float) -> float:
    """Peak signal to noise ratio in dB; infinite for equal arrays."""
    error = float(np.mean((found.astype(np.float64) - expected.astype(np.float64)) ** 2))
    return float("inf") if error == 0 else 10 * np.log10(peak**2 / error)
