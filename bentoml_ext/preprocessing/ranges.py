"""Ranges: a step that makes few values of a number cuts the number's line into ranges.

Each sum before it keeps or turns the order of numbers. So each range begins at one float64, which
is found by halving: what the step makes of the numbers decides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from bentoml_ext.encoders.arithmetic import on_many
from bentoml_ext.encoders.field import FLOAT32_MAX
from bentoml_ext.encoders.steps import Number
from bentoml_ext.preprocessing.columns import Domain, Finite, Numeric

__all__ = ["among", "as_ranges", "cut", "edges_of", "summed"]

Doubles = npt.NDArray[np.float64]
Ranks = npt.NDArray[np.int64]

_TURNS = 66
"""Halvings until two neighbouring float64 are left of all that float32's range has."""


def summed(column: Numeric, numbers: npt.ArrayLike) -> Doubles:
    """What the sums of a column make of numbers."""
    return on_many(Number(column.field, 0, column.sums), np.asarray(numbers, np.float64))


def edges_of(
    columns: Sequence[Numeric], ranks: Callable[[Doubles], Ranks]
) -> list[tuple[float, ...]]:
    """Where the rank of each column rises or falls, as numbers of an application.

    Args:
        columns: of numbers.
        ranks: of values, (n, columns), after the columns' sums: int64 of that shape. It rises with
            the value.
    """

    def of(places: Ranks) -> Ranks:
        numbers = _numbers_at(places)
        rows = [summed(column, numbers[:, at]) for at, column in enumerate(columns)]
        return ranks(np.stack(rows, axis=1))

    ends = np.repeat(_places(np.array([[-FLOAT32_MAX], [FLOAT32_MAX]])), len(columns), axis=1)
    first, last = of(ends)
    # A sum may turn the order.
    turned = np.where(first > last, -1, 1)
    first, last = first * turned, last * turned
    wanted = first[None, :] + np.arange(1, max(int((last - first).max()), 0) + 1)[:, None]
    low, high = (np.repeat(end[None, :], len(wanted), axis=0) for end in ends)
    for _ in range(_TURNS if len(wanted) else 0):
        # The sum of both may be beyond int64.
        middle = (low >> 1) + (high >> 1) + (low & high & 1)
        is_there = of(middle) * turned >= wanted
        low, high = np.where(is_there, low, middle), np.where(is_there, middle, high)
    return [
        tuple(np.unique(_numbers_at(high[wanted[:, at] <= last[at], at])).tolist())
        for at in range(len(columns))
    ]


def among(values: Sequence[float]) -> Callable[[Doubles], Ranks]:
    """Ranks among rising values: odd where a number is one of them, even between."""
    known = np.asarray(values, np.float64)

    def ranks(numbers: Doubles) -> Ranks:
        left = np.searchsorted(known, numbers, side="left")
        return left + np.searchsorted(known, numbers, side="right")

    return ranks


def cut(column: Numeric, edges: tuple[float, ...], kind: Any = np.float64) -> Finite:
    """A number as one of its ranges; a step that is asked is given one number of each."""
    before = np.nextafter(edges[0], -np.inf) if edges else 0.0
    known = tuple(summed(column, [before, *edges]).tolist())
    domain = Domain(known, column.null, None)
    values = domain.values
    refused = np.zeros(len(values), np.bool_)
    # There is no other number.
    refused[-1] = True
    return Finite(
        column.field,
        domain,
        values,
        refused,
        np.dtype(kind),
        is_filled=column.is_filled,
        edges=edges,
    )


def as_ranges(column: Finite) -> Finite:
    """A column of whole categories as one of ranges: a category's range holds one number."""
    known = np.array(column.domain.known, np.float64)
    edges: list[float] = []
    # Between two categories is any other number, which stands last.
    rows = [-1]
    for at in np.argsort(known):
        edges += [float(known[at]), float(np.nextafter(known[at], np.inf))]
        rows += [int(at), -1]
    rows += [-2, -1]
    values, refused = column.values[rows], column.refused[rows]
    refused[-1] = True
    domain = Domain(tuple(values[:-2]), column.domain.null, None)
    return replace(column, domain=domain, values=values, refused=refused, edges=tuple(edges))


def _places(numbers: Doubles) -> Ranks:
    """The places of float64 among all of them, from that of 0.0."""
    bits = np.abs(numbers).view(np.int64)
    return np.where(np.signbit(numbers), -bits, bits)


def _numbers_at(places: Ranks) -> Doubles:
    numbers = np.abs(places).view(np.float64)
    return np.where(places < 0, -numbers, numbers)
