"""JSON steps: writers of the steps that do more than put a number, or a 1, into a column.

`JsonDecoder` writes plain steps itself; a service whose steps are all plain calls nothing here.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from bentoml_ext.arrays import Rows
from bentoml_ext.encoders.arithmetic import on_many, on_one
from bentoml_ext.encoders.encoder import FILL, Encoder
from bentoml_ext.encoders.field import Field
from bentoml_ext.encoders.filling import table_of
from bentoml_ext.encoders.steps import NO_COLUMN, Indicator, Number, OneHot, Ranges, Step, Table

__all__ = ["ManyWriter", "OneWriter", "codes_of", "has_flags", "writers_of"]

OneWriter: TypeAlias = "Callable[[Any, memoryview[float], int], None]"
"""Writes a value, None for null, into cells whose row begins at an index."""

ManyWriter: TypeAlias = Callable[[npt.NDArray[np.float64], Rows], None]
"""Writes a column of values, (n,), NaN for null, into rows."""


def codes_of(step: OneHot | Table) -> Mapping[Any, int]:
    """The number that stands for each category of a step, text or number, until it is written."""
    if isinstance(step, OneHot):
        codes = step.columns
    else:
        codes = {text: place for place, text in enumerate(step.texts)}
    return {int(text): code for text, code in codes.items()} if step.whole else codes


def has_flags(field: Field, step: Step) -> bool:
    """Whether JSON's false and true are the categories 0 and 1."""
    if not field.boolean or not isinstance(step, OneHot | Table):
        return False
    return {0, 1} <= codes_of(step).keys()


def writers_of(step: Step, encoder: Encoder) -> tuple[OneWriter, ManyWriter]:
    """The writers of a step of an encoder, for one application and for many."""
    match step:
        case Number():
            return _number(step, FILL[encoder.null])
        case OneHot():
            return _one_hot(step)
        case Table():
            return _table(step)
        case Ranges():
            return _ranges(step)
        case Indicator():
            return _indicator(step)
    raise TypeError(f"Expected a step with a writer, got {type(step).__name__}.")


def _number(step: Number, null: float) -> tuple[OneWriter, ManyWriter]:
    call, column = on_one(step), step.column
    null = null if step.null is None else step.null

    def one(value: Any, cells: memoryview[float], start: int) -> None:
        cells[start + column] = null if value is None else call(value)

    def many(values: npt.NDArray[np.float64], rows: Rows) -> None:
        with np.errstate(over="ignore"):
            rows[:, column] = np.where(np.isnan(values), null, on_many(step, values))

    return one, many


def _one_hot(step: OneHot) -> tuple[OneWriter, ManyWriter]:
    null = NO_COLUMN if step.null is None else step.null

    def one(value: Any, cells: memoryview[float], start: int) -> None:
        column = null if value is None else value.column
        if column != NO_COLUMN:
            cells[start + column] = 1.0

    def many(values: npt.NDArray[np.float64], rows: Rows) -> None:
        columns = np.where(np.isnan(values), null, values).astype(np.intp)
        (at,) = np.nonzero(columns != NO_COLUMN)
        rows[at, columns[at]] = 1.0

    return one, many


def _table(step: Table) -> tuple[OneWriter, ManyWriter]:
    table, null = table_of(step), len(step.texts)
    numbers = table.tolist()
    columns = list(step.columns)

    def one(value: Any, cells: memoryview[float], start: int) -> None:
        found = numbers[null if value is None else value.column]
        for column, number in zip(columns, found, strict=True):
            cells[start + column] = number

    def many(values: npt.NDArray[np.float64], rows: Rows) -> None:
        rows[:, columns] = table[np.where(np.isnan(values), null, values).astype(np.intp)]

    return one, many


def _ranges(step: Ranges) -> tuple[OneWriter, ManyWriter]:
    table, null = table_of(step), len(step.cells)
    numbers, edges = table.tolist(), step.edges
    columns = list(step.columns)

    def one(value: Any, cells: memoryview[float], start: int) -> None:
        found = numbers[null if value is None else bisect_right(edges, value)]
        for column, number in zip(columns, found, strict=True):
            cells[start + column] = number

    def many(values: npt.NDArray[np.float64], rows: Rows) -> None:
        at = np.searchsorted(edges, values, side="right")
        rows[:, columns] = table[np.where(np.isnan(values), null, at)]

    return one, many


def _indicator(step: Indicator) -> tuple[OneWriter, ManyWriter]:
    def one(value: Any, cells: memoryview[float], start: int) -> None:
        cells[start + step.column] = step.null if value is None else step.given

    def many(values: npt.NDArray[np.float64], rows: Rows) -> None:
        rows[:, step.column] = np.where(np.isnan(values), step.null, step.given)

    return one, many
