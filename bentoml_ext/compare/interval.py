"""Interval: a figure with the range that its sample leaves open."""

from __future__ import annotations

from typing import Final

import msgspec

__all__ = ["LEVEL", "NORMAL", "Interval", "wilson"]

LEVEL: Final = 0.95
NORMAL: Final = 1.959963984540054
"""Of the normal distribution: 2.5 % lie above."""


class Interval(msgspec.Struct, frozen=True):
    """A figure and its 95 % interval.

    Args:
        value: of the sample.
        low, high: ends of the interval.
    """

    value: float
    low: float
    high: float


def wilson(count: int, of: int) -> Interval | None:
    """A share with Wilson's interval; None of nothing."""
    if of == 0:
        return None
    from scipy.stats import binomtest  # type: ignore[import-untyped]

    found = binomtest(count, of).proportion_ci(LEVEL, method="wilson")
    return Interval(count / of, float(found.low), float(found.high))
