"""Logistic: the sigmoid that XGBoost's CPU code computes, bit for bit, in numpy alone.

XGBoost gives `1 / (1 + expf(min(-margin, 88.7)))` in float32; `expf.py` has the exponential.
"""

from __future__ import annotations

import math
import struct
from typing import ClassVar, Final

import numpy as np

from bentoml_ext.arrays import Floats, Margins, Predictions, Probabilities
from bentoml_ext.objectives.base import Objective, Output
from bentoml_ext.objectives.expf import (
    EXPF_CUBIC,
    EXPF_INVERSE_LN2,
    EXPF_INVERSE_LN2_PARTS,
    ROUND,
    exponential,
    power_of_two,
)

__all__ = ["SIGMOID_CAP", "Logistic", "first_margin_above", "probabilities", "probability"]

SIGMOID_CAP: Final = float(np.float32(88.7))
"""XGBoost never takes the exponential of more, so that it stays finite in float32."""

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


def probabilities(margins: Floats) -> Probabilities:
    """Probabilities of margins, the same bits as `Booster.predict` with a logistic objective.

    Args:
        margins: float32, any shape, log-odds; infinities allowed, NaN gives NaN. Read only.

    Returns:
        float32, the same shape; from 0 (never reached) to 1.

    Source:
        XGBoost's `common::Sigmoid` and the C library's `expf`.
    """
    x = np.clip(-margins.astype(np.float64), -_SATURATED, SIGMOID_CAP)
    one = np.float32(1)
    result: Probabilities = one / (one + exponential(x).astype(np.float32))
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
    step = x * EXPF_INVERSE_LN2 + ROUND - ROUND
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


class Logistic(Objective):
    """The margin is a log-odds, and its sigmoid a probability.

    Args:
        name: XGBoost's.
        predicts_margins: whether `Booster.predict` gives the margin itself, as that of
            binary:logitraw. The probability is served none the less.
    """

    output: ClassVar[Output] = "probability"
    uses_expf: ClassVar[bool] = True

    def __init__(self, name: str, *, predicts_margins: bool = False) -> None:
        super().__init__(name)
        self.predicts_margins = predicts_margins

    def predict(self, margins: Margins) -> Predictions:
        return margins.copy() if self.predicts_margins else probabilities(margins)

    def served(self, margins: Margins) -> Predictions:
        return probabilities(margins)

    def crossing(self, bound: float) -> float:
        return first_margin_above(bound)
