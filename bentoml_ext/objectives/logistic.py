"""Logistic: the sigmoid that XGBoost's CPU code computes, bit for bit, in numpy alone.

XGBoost gives `1 / (1 + expf(min(-margin, 88.7)))` in float32. numpy and Python have other
exponentials, so the C library's is rebuilt here: Arm's optimized routines publish it, glibc and
musl use it. In float64, `x = (k + r) * ln2 / 32`, and `exp(x) = 2**(k / 32) * cubic(r)`.

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

from bentoml_ext.arrays import Margins, Probabilities

__all__ = [
    "EXPF_CUBIC",
    "EXPF_INVERSE_LN2",
    "EXPF_INVERSE_LN2_PARTS",
    "EXPF_STEPS",
    "LOG_ODDS",
    "RAW_LOG_ODDS",
    "SIGMOID_CAP",
    "first_margin_above",
    "power_of_two",
    "probabilities",
    "probability",
]

RAW_LOG_ODDS: Final = "binary:logitraw"
"""The objective by which XGBoost itself predicts the margin, and no probability."""

LOG_ODDS: Final = ("binary:logistic", "reg:logistic", RAW_LOG_ODDS)
"""Objectives whose margin is a log-odds, so that a probability of it has a meaning."""

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

SIGMOID_CAP: Final = float(np.float32(88.7))
"""XGBoost never takes the exponential of more, so that it stays finite in float32."""


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


# Added to a float64, leaves the nearest whole number in its low bits.
_ROUND: Final = float.fromhex("0x1.8p52")
_STEP_BITS: Final = 47
# Bits of 2**(i / 32) less i steps: adding k steps then gives 2**(k / 32) for any whole k.
_TABLE: Final = np.array([power_of_two(i) for i in range(EXPF_STEPS)]).view(np.int64) - (
    np.arange(EXPF_STEPS, dtype=np.int64) << _STEP_BITS
)

# From this margin on 1 + exp(-margin) is 1 in float32.
_SATURATED: Final = 20.0
_LOWEST_STEP: Final = -math.ceil(_SATURATED * EXPF_INVERSE_LN2)
_POWERS: Final = tuple(
    power_of_two(step)
    for step in range(_LOWEST_STEP, math.ceil(SIGMOID_CAP * EXPF_INVERSE_LN2) + 1)
)
_HIGH, _LOW = EXPF_INVERSE_LN2_PARTS
_CUBIC, _SQUARE, _LINEAR = EXPF_CUBIC
_FLOAT32: Final = struct.Struct("=f")
_INT32: Final = struct.Struct("=i")
_pack, _unpack = _FLOAT32.pack, _FLOAT32.unpack


def probabilities(margins: Margins) -> Probabilities:
    """Probabilities of margins, the same bits as `Booster.predict` with a logistic objective.

    Args:
        margins: float32, any shape, log-odds; infinities allowed, NaN gives NaN. Read only.

    Returns:
        float32, the same shape; from 0 (never reached) to 1.

    Source:
        XGBoost's `common::Sigmoid` and the C library's `expf`.
    """
    x = np.clip(-margins.astype(np.float64), -_SATURATED, SIGMOID_CAP)
    shifted = x * EXPF_INVERSE_LN2 + _ROUND
    step = shifted.view(np.int64)
    power = (_TABLE[step & (EXPF_STEPS - 1)] + (step << _STEP_BITS)).view(np.float64)
    r = (x * _HIGH - (shifted - _ROUND)) + x * _LOW
    exp = ((_CUBIC * r + _SQUARE) * (r * r) + (_LINEAR * r + 1.0)) * power
    one = np.float32(1)
    result: Probabilities = one / (one + exp.astype(np.float32))
    return result


def probability(margin: float) -> float:
    """Probability of one margin: a float32 value as a Python float, the bits of `probabilities`.

    Args:
        margin: log-odds, a float32 value as a Python float; infinity allowed, NaN gives NaN.
    """
    x = -margin
    if x > SIGMOID_CAP:
        x = SIGMOID_CAP
    elif x < -_SATURATED:
        return 1.0
    elif math.isnan(x):
        return x
    step = x * EXPF_INVERSE_LN2 + _ROUND - _ROUND
    r = (x * _HIGH - step) + x * _LOW
    power = _POWERS[int(step) - _LOWEST_STEP]
    # Each float32 operation is one in float64, rounded: 53 bits are enough for the same result.
    (exp,) = _unpack(_pack(((_CUBIC * r + _SQUARE) * (r * r) + (_LINEAR * r + 1.0)) * power))
    (denominator,) = _unpack(_pack(exp + 1.0))
    result: float = _unpack(_pack(1.0 / denominator))[0]
    return result


def first_margin_above(bound: float) -> float:
    """The smallest float32 margin whose probability is above `bound`, compared in float32.

    A decision `probability > bound` is then `margin >= first_margin_above(bound)`: the probability
    never falls as the margin rises.

    Args:
        bound: a probability below 1; rounded to float32, as numpy 2 does in `array > bound`.

    Returns:
        A float32 value, log-odds; -inf where every margin's probability is above.

    Raises:
        ValueError: no margin's probability is above, or not a number.
    """
    (rounded,) = _unpack(_pack(bound))
    if not rounded < 1.0:
        raise ValueError(f"Expected a probability below 1, got {bound!r}.")
    # Ranks number all float32 in rising order, -inf first: 32 steps find the crossing.
    low, high = -_INFINITY - 1, _INFINITY
    while high - low > 1:
        middle = (low + high) // 2
        if probability(_ranked(middle)) > rounded:
            high = middle
        else:
            low = middle
    return _ranked(high)


_INFINITY: Final[int] = _INT32.unpack(_pack(math.inf))[0]


def _ranked(rank: int) -> float:
    """The float32 that stands `rank` numbers above zero."""
    size: float = _unpack(_INT32.pack(abs(rank)))[0]
    return size if rank >= 0 else -size
