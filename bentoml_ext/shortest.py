"""Shortest: the fewest decimal digits that tell a float32, as numpy writes it."""

from __future__ import annotations

from typing import Final

import numpy as np

from bentoml_ext.arrays import Probabilities

__all__ = ["shortest", "shortest_each"]

_POWERS: Final = 10.0 ** np.arange(12)
_LOW, _HIGH = np.float32(0.001), np.float32(1.0)


def shortest(number: float) -> str:
    """The text of one float32 value."""
    return str(np.float32(number))


def shortest_each(numbers: Probabilities) -> list[str]:
    """The texts of many, in a third of the time where they lie between 0.001 and 1.

    There seven significant digits are never too many: the shortest text, if it is shorter, ends in
    zeros among them. Seldom are eight or nine needed. A whole number of up to nine digits, divided
    by a power of ten, is the float64 nearest to that decimal.

    Args:
        numbers: float32, (n,).
    """
    decimals = np.full(len(numbers), np.nan)
    left = np.flatnonzero((numbers >= _LOW) & (numbers < _HIGH))
    places = 7 + (numbers < 0.1).astype(np.int64) + (numbers < 0.01)
    for more in range(3):
        scale = _POWERS[places[left] + more]
        found = np.rint(numbers[left].astype(np.float64) * scale) / scale
        tells = found.astype(np.float32) == numbers[left]
        decimals[left[tells]] = found[tells]
        left = left[~tells]
    texts = [f"{number:.9g}" for number in decimals.tolist()]
    for index in np.flatnonzero(np.isnan(decimals)).tolist():
        texts[index] = str(numbers[index])
    return texts
