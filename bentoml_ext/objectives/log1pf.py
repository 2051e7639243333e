"""log1pf: the C library's function in numpy; softplus is made of it.

glibc's up to 2.40, which is that of Sun's fdlibm. From 2.41 on the last bit is always the right
one; the proof of a model with this objective then finds that XGBoost predicts otherwise.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from bentoml_ext.arrays import Floats
from bentoml_ext.objectives.expf import expf

__all__ = ["LN2_PARTS", "PLACES", "POLYNOMIAL", "log1pf", "softplus"]

LN2_PARTS: Final = (6.9313812256e-01, 9.0580006145e-06)
"""ln(2) as a sum."""

POLYNOMIAL: Final = (
    1.4798198640e-01,
    1.5313838422e-01,
    1.8183572590e-01,
    2.2222198546e-01,
    2.8571429849e-01,
    4.0000000596e-01,
    6.6666668653e-01,
)
"""Coefficients of z**7 to z in log(1 + f)."""

PLACES: Final = tuple(
    float(np.array(bits, np.int32).view(np.float32))
    for bits in (0x3ED413D7, 0x3ED413DB, 0x3F7FFFFB, 0x31000000)
)
"""Up to the first, 1 + x is not taken; from the second on, half of it; from the third on, it is
all but 2. Below the last, log1p(x) is x."""


def log1pf(x: Floats) -> Floats:
    """float32 of any shape, from 0 to 1, or NaN: log(1 + x)."""
    one, half, two = (np.float32(number) for number in (1, 0.5, 2))
    high, low = (np.float32(part) for part in LN2_PARTS)
    small, from_half, near_two, tiny = (np.float32(place) for place in PLACES)
    u = one + x
    is_two = u == two
    # The part of x that the rounding of 1 + x has lost.
    c = low + np.where(is_two, one - (u - x), x - (u - one)) / u
    f = np.where(x < from_half, u - one, u * half - one)
    f = np.where(x < small, x, f)
    square = half * f * f
    s = f / (two + f)
    z = s * s
    first, *others = (np.float32(coefficient) for coefficient in POLYNOMIAL)
    r = z * first
    for coefficient in others:
        r = z * (coefficient + r)
    rest = s * (square + r)
    result = high - ((square - (rest + c)) - f)
    near = square * (one - np.float32(0.66666666666666666) * f)
    near = high - ((near - c) - f)
    result = np.where(x < near_two, result, near)
    result = np.where(is_two, high + c, result)
    result = np.where(x < from_half, f - (square - rest), result)
    found: Floats = np.where(x < tiny, x, result)
    return found


def softplus(x: Floats) -> Floats:
    """float32 of any shape: XGBoost's log(1 + exp(x))."""
    rest = log1pf(expf(-np.abs(x)))
    found: Floats = np.where(x > 0, x + rest, rest)
    return found
