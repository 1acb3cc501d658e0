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

# Pixels: how far off the points of a border lie, and distances from it, by interpolation between pixels of a front that
# is a distance. Measured on circles: 0.021. (Nov 2026)
BORDER_PX = 0.05

# Parts of full coverage: sums of 343 products in float32, beside float64. Measured: 3.2e-8. (Nov 2026)
COVERAGE_PARTS = 1e-6

# Opacity of such a mark's body, found less true. Where little changes beneath, other pairs of opacity and colour
# explain the clip as well. Measured: 0.16. (Nov 2026)
OPACITY_OFF = 0.17

# Of a ring pixel's distance to the nearest pixel of the hole, what that of its parent may be: distances are made of
# steps to 5 x 5 neighbours. Measured over the shapes of test_surroundings.py: 1. (2026-11)
NEAREST_PARENT = 1.03

# Pixels: how wrong such distances are at the ring's outer edge, at most 8 pixels away. (2026-11)
RING_EDGE = 0.1

# Multiples of grain / sqrt(samples), root mean square over 40 rings: how far off the level is that light is brought to,
# and the gain times the ring's contrast. What is found is drawn towards no change. Measured: 1.99 and 2.27. (2026-11)
LEVEL_OFF = 2.3
GAIN_OFF = 2.7

# Of what the difference of two means moves a level by where two rings differ in grain alone. Measured: 0.016; without
# the drawing towards no change, about 1. (2026-11)
CHANCE = 0.05

# Codes of 8 bits that a tenth of wrong samples, 30 to 100 too bright, leaves the level off. Measured: 0.58, where a
# line through all of them is off by 6.5. (2026-11)
OUTLIERS_OFF = 0.8

# Pixels that a drift of up to 0.45 is found less true on a photograph: it is one linear step. Measured: 0.082. And
# those that grain alone is taken for. Measured: 0. (2026-11)
SHIFT_OFF = 0.1
SHIFT_CHANCE = 0.005

# dB in the hole of a photograph that moves by whole pixels, in light that changes by a tenth from frame to frame, in
# every plane. Measured: 46.8 and more; and 21.8 to 23.3 of the first plane with ``light=0``. (2026-11)
FLICKER_DB = 45.0
FLICKER_GAIN_DB = 20.0

# dB in the hole of a photograph whose flow is wrong by a third of a pixel everywhere, won by what the ring shows.
# Measured: 10.0. (2026-11)
REFINED_DB = 6.0

# Of the variance of grain in a blend of 2, 4 and 6 sources over 1600 samples: what it is off from the sum of squared
# weights. Chance alone is 0.035. Measured: 0.056. (2026-11)
MEAN_OF_GRAIN = 0.1

# Codes of 8 bits, of an error that rises by 7 across a hole: what is left where the ring's means are one-sided.
# Measured: 0.24. (2026-11)
SLOPE_OFF = 0.5

# Of grain's deviation: what a seam spreads where the ring misses grain alone. Measured: 0.034; a membrane through the
# ring's samples as they are spreads 0.18 and more. (2026-11)
GRAIN_SPREAD = 0.06

# Of a fine texture's energy: what a blend of two is off from it. Measured: 0.018. (2026-11)
ENERGY_KEPT = 0.03

# Share of the grain's variance around the hole: what the fill's is off from the 0.85 that are meant, over grain of 2 to
# 12 codes, white and soft. A ring of some 1000 samples is no better known, and at its outer edge what is fine is
# measured too low. Measured: 0.75 to 0.83. (2026-11)
ENOUGH_OFF = 0.12

# Of the variance of grain that is new in every frame: what is found less true. Measured: 0.06. (2026-11)
FRESH_OFF = 0.12

# Correlation of neighbours in what is fine: the added grain's less the real one's. Measured: 0.01 and 0.07. (2026-11)
GRAIN_ALIKE = 0.1

# Correlation of the grain that is added to two frames, over 4800 places. Chance alone is 0.014. Measured: 0.004.
# (2026-11)
NEW_EVERY_FRAME = 0.06


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
