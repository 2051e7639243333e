"""expf: the exponential of the C library that XGBoost calls, bit for bit, in numpy alone.

numpy and Python have other exponentials, so the C library's is rebuilt here: Arm's optimized
routines publish it, glibc and musl use it. In float64, `x = (k + r) * ln2 / 32`, and
`exp(x) = 2**(k / 32) * cubic(r)`.

The rebuilt expf has glibc 2.36's bits for each of the 2 239 984 153 float32 numbers between -105
and 88.72. The remainder `r` is taken as a fused multiply-add takes it, because the C library runs
that variant on every processor that has one. Without it two numbers differ, and one of them is a
margin (-0x1.04845ep+5).
"""

from __future__ import annotations

import math
import struct
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

from bentoml_ext.arrays import Floats

__all__ = [
    "EXPF_CUBIC",
    "EXPF_INVERSE_LN2",
    "EXPF_INVERSE_LN2_PARTS",
    "EXPF_STEPS",
    "HIGHEST",
    "LOWEST",
    "ROUND",
    "expf",
    "expf_one",
    "exponential",
    "power_of_two",
]

EXPF_STEPS: Final = 32
"""Steps of the exponent between two powers of two."""

EXPF_INVERSE_LN2: Final = float.fromhex("0x1.71547652b82fep+0") * EXPF_STEPS
"""32 / ln(2)."""

# A float32 times the first part is exact in float64, so no fused operation is needed.
EXPF_INVERSE_LN2_PARTS: Final = (
    float.fromhex("0x1.7154765000000p+5"),
    float.fromhex("0x1.5c17f00000000p-26"),
)
"""`EXPF_INVERSE_LN2` as a sum of 29 high and 24 low bits."""

EXPF_CUBIC: Final = (
    float.fromhex("0x1.c6af84b912394p-5") / EXPF_STEPS**3,
    float.fromhex("0x1.ebfce50fac4f3p-3") / EXPF_STEPS**2,
    float.fromhex("0x1.62e42ff0c52d6p-1") / EXPF_STEPS,
)
"""Coefficients of r**3, r**2 and r in 2**(r / 32); the constant term is 1."""

LOWEST, HIGHEST = -105.0, 89.0
"""Beyond these expf is 0 and infinity in float32."""

ROUND: Final = float.fromhex("0x1.8p52")
"""Added to a float64, leaves the nearest whole number in its low bits."""


def power_of_two(step: int) -> float:
    """2 ** (step / 32), correctly rounded; `step` within the exponents of float64."""
    whole, part = divmod(step, EXPF_STEPS)
    return math.ldexp(_root(part), whole)


@cache
def _root(part: int) -> float:
    """2 ** (part / 32): five square roots of whole numbers, with 90 bits behind the point."""
    root = 1 << (part + 90 * EXPF_STEPS)
    for _ in range(5):
        root = math.isqrt(root)
    return root / (1 << 90)


_STEP_BITS: Final = 47
_STEP_EXPONENT: Final = 5
_ROOTS: Final = tuple(power_of_two(part) for part in range(EXPF_STEPS))
_FLOAT32: Final = struct.Struct("=f")
_pack, _unpack = _FLOAT32.pack, _FLOAT32.unpack
# Bits of 2**(i / 32) less i steps: adding k steps then gives 2**(k / 32) for any whole k.
_TABLE: Final = np.array([power_of_two(i) for i in range(EXPF_STEPS)]).view(np.int64) - (
    np.arange(EXPF_STEPS, dtype=np.int64) << _STEP_BITS
)
_HIGH, _LOW = EXPF_INVERSE_LN2_PARTS
_CUBIC, _SQUARE, _LINEAR = EXPF_CUBIC


def exponential(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The exponential before its last rounding, to float32.

    Args:
        x: float64, any shape, float32 values from `LOWEST` to `HIGHEST`; NaN gives NaN.
    """
    shifted = x * EXPF_INVERSE_LN2 + ROUND
    step = shifted.view(np.int64)
    power = (_TABLE[step & (EXPF_STEPS - 1)] + (step << _STEP_BITS)).view(np.float64)
    r = (x * _HIGH - (shifted - ROUND)) + x * _LOW
    result: npt.NDArray[np.float64] = (
        (_CUBIC * r + _SQUARE) * (r * r) + (_LINEAR * r + 1.0)
    ) * power
    return result


def expf(x: Floats) -> Floats:
    """The exponential of float32 numbers, any shape; NaN gives NaN."""
    with np.errstate(over="ignore", under="ignore"):
        found = exponential(np.clip(x.astype(np.float64), LOWEST, HIGHEST)).astype(np.float32)
    result: Floats = found
    return result


def expf_one(x: float) -> float:
    """The exponential of one float32 value, the bits of `expf`; NaN gives NaN.

    Args:
        x: a float32 value as a Python float.
    """
    if not LOWEST < x < HIGHEST:
        return x if math.isnan(x) else 0.0 if x < 0 else math.inf
    step = x * EXPF_INVERSE_LN2 + ROUND - ROUND
    r = (x * _HIGH - step) + x * _LOW
    whole = int(step)
    power = math.ldexp(_ROOTS[whole & (EXPF_STEPS - 1)], whole >> _STEP_EXPONENT)
    try:
        (found,) = _unpack(_pack(((_CUBIC * r + _SQUARE) * (r * r) + (_LINEAR * r + 1.0)) * power))
    except OverflowError:
        # numpy rounds to infinity what is beyond the largest float32.
        return math.inf
    result: float = found
    return result
