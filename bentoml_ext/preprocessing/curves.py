"""Curves: scikit-learn's steps that bend each number by a function, asked about each number."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from bentoml_ext.encoders.arithmetic import last_that
from bentoml_ext.encoders.field import FLOAT32_MAX
from bentoml_ext.errors import ExportRefused
from bentoml_ext.preprocessing.asking import asked, transformed
from bentoml_ext.preprocessing.columns import Column, Curve, Finite, Numeric, Usable
from bentoml_ext.preprocessing.functions import FUNCTIONS
from bentoml_ext.preprocessing.numbers import block_kind, of_numbers
from bentoml_ext.preprocessing.ranges import Doubles, followed, pieces_of

__all__ = ["BENDERS", "bent"]

BENDERS: Final = ("PowerTransformer", "QuantileTransformer", "FunctionTransformer")
"""Classes of scikit-learn that keep or turn the order of numbers, and not their distances."""

_WHOLE: Final = (-FLOAT32_MAX, FLOAT32_MAX)


def bent(step: Any, given: Sequence[Column], place: str) -> list[Usable]:
    """The output of a fitted step of `BENDERS`.

    Raises:
        ExportRefused: texts, or numbers that numpy makes float16 or float32 of.
    """
    columns = of_numbers(given, place)
    others = iter(asked(step, columns, [1] * len(columns), place))
    is_function = type(step).__name__ == "FunctionTransformer"
    made: list[Usable] = []
    for at, column in enumerate(columns):
        if isinstance(column, Finite):
            made.append(next(others))
        elif is_function:
            kind = _kind(step.func, column, place)
            curve = Curve(_function(step.func, column.kind), is_checked=False)
            turns = FUNCTIONS[step.func]
            made.append(_added(replace(column, kind=kind), curve, turns=turns))
        else:
            kind = block_kind(columns)
            curve = Curve(_column_of(step, at, len(columns), kind), is_checked=True)
            made.append(_added(replace(column, kind=kind), curve, turns=False))
    return made


def _kind(function: Any, column: Numeric, place: str) -> np.dtype[Any]:
    """The type of a function's values.

    Raises:
        ExportRefused: numpy takes fewer bits for the small integers of the user's frame.
    """
    found: np.dtype[Any] = function(np.ones(1, column.kind)).dtype
    if found == column.kind == np.int64 and function is not np.square:
        return np.dtype(np.float64)
    if found != np.float64 and column.kind != np.float32:
        raise ExportRefused(
            f"Expected float64 or float32 in the field '{column.field}', got {column.kind}: "
            f"{function.__name__} makes {found} of it - at {place}. Cast the column to float64 "
            "ahead of the pipeline."
        )
    return found


def _function(function: Any, kind: np.dtype[Any]) -> Callable[[Doubles], Doubles]:
    own = kind if kind == np.float32 else np.dtype(np.float64)

    def call(values: Doubles) -> Doubles:
        with np.errstate(all="ignore"):
            found: Doubles = function(values.astype(own)).astype(np.float64)
        return found

    return call


def _column_of(step: Any, at: int, width: int, kind: np.dtype[Any]) -> Callable[[Doubles], Doubles]:
    """What a step makes of one of its columns; it raises ValueError where it refuses a number."""
    plain = copy.copy(step)
    if hasattr(plain, "feature_names_in_"):
        del plain.feature_names_in_

    def call(values: Doubles) -> Doubles:
        rows = np.ones((len(values), width), kind)
        with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
            rows[:, at] = values
            found: Doubles = transformed(plain, rows)[:, at].astype(np.float64)
        return found

    return call


def _added(column: Numeric, curve: Curve, *, turns: bool) -> Numeric:
    """The column with one more curve, the numbers that it takes, and those at which it turns."""
    (null,) = curve.call(np.array([column.null]))
    made = replace(column, sums=(*column.sums, curve), null=float(null))
    if turns:
        made = replace(made, turns=tuple(sorted({*made.turns, *_zeros(column)})))
    return _within(made)


def _zeros(column: Numeric) -> Iterator[float]:
    """Where what the steps so far make of numbers crosses 0, once between two turns."""

    def is_below(number: float) -> bool:
        return bool(followed(column, [number])[0][0] < 0)

    for start, end in pieces_of(column):
        if (first := is_below(start)) != is_below(end):
            last = last_that(lambda number, first=first: is_below(number) == first, start, end)  # type: ignore[misc]
            yield float(np.nextafter(last, np.inf))


def _within(column: Numeric) -> Numeric:
    """The column with the range of numbers that its steps take, and where they begin to be NaN."""

    def is_taken(number: float) -> bool:
        return not followed(column, [number])[1][0]

    def is_number(number: float) -> bool:
        return bool(is_taken(number) and not np.isnan(followed(column, [number])[0][0]))

    inside = next((one for one in (1.0, 1e-3, 1e3, 0.0) if is_number(one)), None)
    if inside is None:
        return column
    low, high = (last_that(is_taken, inside, end) for end in (column.low, column.high))
    starts = [last_that(is_number, inside, end) for end in (low, high)]
    turns = {*column.turns}
    if starts[0] > low:
        turns.add(starts[0])
    if starts[1] < high:
        turns.add(float(np.nextafter(starts[1], np.inf)))
    return replace(
        column,
        low=low,
        high=high,
        turns=tuple(sorted(one for one in turns if low < one <= high)),
        start=starts[0],
        is_partial=bool(column.is_partial or starts != [low, high] or (low, high) != _WHOLE),
    )
