"""Filling: one value of an application goes into its columns of a row.

A mapping is encoded so, value by value; JSON, Arrow columns and ONNX have faster ways to the same.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from bentoml_ext.encoders.arithmetic import on_one
from bentoml_ext.encoders.steps import (
    NO_COLUMN,
    Cells,
    Codes,
    Indicator,
    Number,
    OneHot,
    Ranges,
    Step,
    Table,
)

__all__ = ["FILL", "Floats", "MissingValue", "as_floats", "digits", "start_of", "table_of", "write"]

MissingValue: TypeAlias = Literal["zero", "missing"]

FILL: Final[Mapping[MissingValue, float]] = {"zero": 0.0, "missing": math.nan}
"""What a filler writes into a row."""

Floats: TypeAlias = npt.NDArray[np.floating[Any]]


def start_of(absent: MissingValue) -> float:
    """What a number is added to, in float64.

    A dense array's 0 turns -0.0 into 0.0; a sparse one has none, and -0.0 changes no number.
    """
    return 0.0 if absent == "zero" else -0.0


def write(step: Step, row: Floats, value: Any, *, absent: MissingValue, null: MissingValue) -> None:
    """Write one value, which its field takes, where its step says.

    Args:
        step: of the value's field.
        row: (n_features,), as blank as nothing else was written.
        value: of the field.
        absent, null: as the encoder's.
    """
    match step:
        case Number():
            _number(step, row, value, start_of(absent), FILL[null])
        case OneHot():
            _one_hot(step, row, value, start_of(absent), FILL[null])
        case Codes():
            _code(step, row, value, FILL[null])
        case Table():
            key = digits(value) if step.whole else value
            cells = step.null if value is None else step.texts.get(key, step.other)
            row[list(step.columns)] = as_floats(cells)
        case Ranges():
            row[list(step.columns)] = as_floats(_of_range(step, value))
        case Indicator():
            row[step.column] = step.null if value is None else step.given


def as_floats(cells: Cells | None) -> list[float]:
    """The numbers of a row, NaN where one is missing."""
    return [math.nan if cell is None else cell for cell in cells or ()]


def table_of(step: Table | Ranges) -> npt.NDArray[np.float32]:
    """float32, (texts + 2, columns): the numbers of each text, of null, and of any other text.

    Of ranges (ranges + 1, columns): of each range, and of null. NaN where the step has none,
    because its field refuses such a value.
    """
    if isinstance(step, Ranges):
        said: list[Cells | None] = [*step.cells, step.null]
    else:
        said = [*step.texts.values(), step.null, step.other]
    cells = [as_floats(one) for one in said]
    table = np.full((len(cells), len(step.columns)), np.nan, np.float32)
    for row, numbers in zip(table, cells, strict=True):
        row[: len(numbers)] = numbers
    return table


def digits(number: Any) -> str:
    """A whole number as a category that is a number has it; an empty text for any other value."""
    return str(int(number)) if number is not None and number == math.floor(number) else ""


def _of_range(step: Ranges, value: Any) -> Cells | None:
    if value is None:
        return step.null
    return step.cells[bisect_right(step.edges, float(value))]


def _number(step: Number, row: Floats, value: Any, start: float, null: float) -> None:
    if value is None:
        row[step.column] = start + null if step.null is None else step.null
    elif not isinstance(value, str):
        row[step.column] = start + value if step.is_as_given else on_one(step)(value)


def _one_hot(step: OneHot, row: Floats, value: Any, start: float, null: float) -> None:
    if value is None and step.null is not None:
        row[step.null] = 1.0
        return
    if step.whole and value is not None:
        value = digits(value)
    if value is None or isinstance(value, int | float):
        if step.gap is not None:
            row[step.gap] = start + (null if value is None else value)
        return
    for text in (value,) if isinstance(value, str) else value:
        column = step.columns.get(text, step.other)
        if column is not None and column != NO_COLUMN:
            row[column] = 1.0


def _code(step: Codes, row: Floats, value: Any, null: float) -> None:
    if value is None:
        row[step.column] = null
    elif isinstance(value, str):
        row[step.column] = step.texts.index(value)
    else:
        row[step.column] = step.numbers.index(value)
