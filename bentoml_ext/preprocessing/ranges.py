"""Ranges: a step that makes few values of a number cuts the number's line into ranges.

Each sum before it keeps or turns the order of numbers. So each range begins at one float64, which
is found by halving: what the step makes of the numbers decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from bentoml_ext.encoders.arithmetic import on_many
from bentoml_ext.encoders.steps import Number, Sum
from bentoml_ext.preprocessing.columns import Curve, Domain, Finite, Numeric

__all__ = ["among", "as_ranges", "cut", "edges_of", "followed", "near_edges", "pieces_of", "summed"]

Doubles = npt.NDArray[np.float64]
Ranks = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

NEAR: Final = 64
"""Numbers on each side of an edge that are asked about."""

_TURNS: Final = 66
"""Halvings until two neighbouring float64 are left of all that float32's range has."""


def summed(column: Numeric, numbers: npt.ArrayLike) -> Doubles:
    """What the sums of a column make of numbers."""
    return followed(column, numbers)[0]


def followed(column: Numeric, numbers: npt.ArrayLike) -> tuple[Doubles, Bools]:
    """What the sums of a column make of numbers, and which of them a step refuses.

    A number that is refused for the infinity that a curve has made of it stays that infinity.
    """
    made = np.asarray(numbers, np.float64)
    refused = np.zeros(made.shape, np.bool_)
    infinite = np.full(made.shape, np.nan)
    was_bent = False
    for step in _grouped(column.sums):
        if was_bent and (not isinstance(step, Curve) or step.is_checked):
            infinite = np.where(np.isinf(made) & ~refused, made, infinite)
            refused = refused | np.isinf(made)
        if isinstance(step, Curve):
            made, odd = _asked(step, np.where(refused, np.nan, made))
            refused, was_bent = refused | odd, True
        else:
            made = on_many(Number(column.field, 0, step), made)
    return np.where(refused, infinite, made), refused


def _grouped(sums: Sequence[Sum | Curve]) -> Iterator[Curve | tuple[Sum, ...]]:
    """The curves, and the sums between two of them together."""
    for is_curve, some in groupby(sums, lambda one: isinstance(one, Curve)):
        if is_curve:
            yield from (one for one in some if isinstance(one, Curve))
        else:
            yield tuple(one for one in some if isinstance(one, Sum))


def _asked(curve: Curve, numbers: Doubles) -> tuple[Doubles, Bools]:
    """What a curve makes of numbers, and which of them it refuses."""
    try:
        return curve.call(numbers), np.zeros(len(numbers), np.bool_)
    except ValueError:
        if len(numbers) == 1:
            return np.full(1, np.nan), np.ones(1, np.bool_)
    half = len(numbers) // 2
    both = [_asked(curve, some) for some in (numbers[:half], numbers[half:])]
    return np.concatenate([one for one, _ in both]), np.concatenate([one for _, one in both])


def edges_of(
    columns: Sequence[Numeric], ranks: Callable[[Doubles], Ranks]
) -> list[tuple[float, ...]]:
    """Where the rank of each column rises or falls, as numbers of an application.

    Args:
        columns: of numbers.
        ranks: of values, (n, columns), after the columns' sums: int64 of that shape. It rises with
            the value.
    """
    found: list[set[float]] = [set(column.turns) for column in columns]
    pieces = [pieces_of(column) for column in columns]
    for piece in range(max(map(len, pieces))):
        # One number where a column has fewer pieces.
        ends = np.array([own[piece] if piece < len(own) else [own[-1][1]] * 2 for own in pieces]).T
        for own, edges in zip(found, _edges_between(columns, ranks, ends), strict=True):
            own.update(edges)
    return [tuple(sorted(own)) for own in found]


def pieces_of(column: Numeric) -> list[tuple[float, float]]:
    """The first and the last number of each piece between two turns."""
    starts = [column.low, *column.turns]
    ends = [float(np.nextafter(turn, -np.inf)) for turn in column.turns]
    return list(zip(starts, [*ends, column.high], strict=True))


def _edges_between(
    columns: Sequence[Numeric], ranks: Callable[[Doubles], Ranks], between: Doubles
) -> list[tuple[float, ...]]:
    """The edges between two numbers of each column, between which the rank rises or falls."""

    def of(places: Ranks) -> Ranks:
        numbers = _numbers_at(places)
        both = [followed(column, numbers[:, at]) for at, column in enumerate(columns)]
        rows, refused = (np.stack(one, axis=1) for one in zip(*both, strict=True))
        # What is refused for its infinity is beyond an infinity that is taken.
        beyond = np.where(refused & np.isinf(rows), np.sign(rows), 0).astype(np.int64)
        return ranks(rows) + beyond

    ends = _places(between)
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


def near_edges(
    column: Numeric, edges: Sequence[float], ranks: Callable[[Doubles], Ranks]
) -> tuple[float, ...]:
    """The edges, and others close by: the last bits of a function may rise and fall there."""
    if not edges:
        return ()
    near = _places(np.array(edges))[:, None] + np.arange(-NEAR, NEAR + 1)
    numbers = np.unique(_numbers_at(near).clip(column.low, column.high))
    found = ranks(summed(column, numbers))
    # Between two windows nothing was asked, and the edges are known.
    apart = np.diff(_places(numbers)) > 1
    changes = numbers[1:][(np.diff(found) != 0) & ~apart]
    return tuple(np.unique([*edges, *changes]).tolist())


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
