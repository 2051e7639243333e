"""Float text: the fewest decimal digits that give a float32, as numpy writes it."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from bentoml_ext.arrays import Ints, Probabilities

__all__ = ["shortest", "shortest_each"]

# numpy writes smaller ones with an exponent.
_LOW, _HIGH = np.float32(0.0001), np.float32(1.0)
_SCALES: Final = 10.0 ** np.arange(7, 13)[:, np.newaxis]
_FOUR: Final = [b"%04d" % number for number in range(10_000)]
# Four digits as they stand inside a number, then as they end it. By Python's own `rstrip`: that of
# numpy 2.0.0 turns b"5000" into b"".
_DIGITS: Final = np.array([*_FOUR, *(digits.rstrip(b"0") for digits in _FOUR)])
_TEXT: Final = np.dtype([("point", "S2"), ("high", "S4"), ("middle", "S4"), ("low", "S4")])


def shortest(number: float) -> str:
    """The text of one float32 value."""
    return str(np.float32(number))


def shortest_each(numbers: Probabilities) -> npt.NDArray[np.bytes_]:
    """The texts of many, soon where they lie between 0.0001 and 1.

    There 12 digits behind the point always give a float32, and 7 are never too many. The shortest
    text, if it is shorter, ends in zeros among them. A whole number of up to 12 digits, divided by
    a power of ten, is the float64 nearest to that decimal. Each of the 112 million there has been
    compared with numpy's text.

    Args:
        numbers: float32, (n,), from 0 to 1, or NaN.

    Returns:
        S14, (n,).
    """
    usual = (numbers > _LOW) & (numbers < _HIGH)
    exact = np.where(usual, numbers, _LOW).astype(np.float64)
    decimals = np.rint(exact * _SCALES) / _SCALES
    fewest = (decimals.astype(np.float32) == numbers).argmax(axis=0)
    found = decimals[fewest, np.arange(len(numbers))]
    texts = _texts(np.rint(found * 1e12).astype(np.int64))
    texts[~usual] = numbers[~usual]
    return texts


def _texts(trillionths: Ints) -> npt.NDArray[np.bytes_]:
    """S14, (n,): "0." and 12 digits, less the zeros at the end; int64, (n,), from 1e8 to 1e12."""
    high = trillionths // 10**8
    rest = trillionths - high * 10**8
    middle = rest // 10**4
    low = rest - middle * 10**4
    texts = np.empty(len(trillionths), _TEXT)
    texts["point"] = b"0."
    texts["high"] = _DIGITS.take(high + 10_000 * (rest == 0))
    texts["middle"] = _DIGITS.take(middle + 10_000 * (low == 0))
    texts["low"] = _DIGITS.take(low + 10_000)
    return texts.view("S14")
