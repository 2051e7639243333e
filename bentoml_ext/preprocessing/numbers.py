"""Numbers: scikit-learn's scalers and imputer, as sums that a step of an encoder repeats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from bentoml_ext.encoders.steps import Operation, Sum
from bentoml_ext.errors import ExportRefused
from bentoml_ext.export.pipelines.numbers import SCALERS, bounds_of, is_single
from bentoml_ext.preprocessing.asking import asked
from bentoml_ext.preprocessing.columns import (
    SINGLE,
    Column,
    Curve,
    Domain,
    Finite,
    Numeric,
    Odd,
    Usable,
    is_null,
)
from bentoml_ext.preprocessing.ranges import summed

__all__ = ["block_kind", "check_whole", "imputed", "indicators", "of_numbers", "scaled", "usable"]

_OPERATIONS: Final[dict[str, Operation]] = {
    "Sub": "subtract",
    "Div": "divide",
    "Mul": "multiply",
    "Add": "add",
}

FLAG: Final = "given"
"""The known value of an indicator's domain."""


def block_kind(columns: Sequence[Usable]) -> np.dtype[Any]:
    """float32 where all columns are, otherwise float64: the type that scikit-learn computes in."""
    kinds = {np.dtype(column.kind) if column.kind else np.dtype(float) for column in columns}
    return np.dtype(np.float32) if kinds == {np.dtype(np.float32)} else np.dtype(np.float64)


def scaled(step: Any, given: Sequence[Column], place: str) -> list[Usable]:
    """The output of a fitted scaler.

    Raises:
        ExportRefused: texts, or arithmetic that is not known.
    """
    columns = of_numbers(given, place)
    kind = block_kind(columns)
    sums, bounds = SCALERS[type(step).__name__](step), bounds_of(step)
    single = is_single(step, sums, bounds, kind, place)
    others = iter(asked(step, columns, [1] * len(columns), place))
    made: list[Usable] = []
    for at, column in enumerate(columns):
        if isinstance(column, Finite):
            made.append(next(others))
            continue
        operands = [(_OPERATIONS[name], values[at]) for name, values in sums]
        own = [Sum(name, float(kind.type(v) if single else v)) for name, v in operands]
        own = _rounded(own, kind)
        if bounds is not None:
            low, high = (float(kind.type(bound)) for bound in bounds)
            own += [Sum("at_least", low), Sum("at_most", high)]
        made.append(_summed(column, tuple(own), kind))
    return made


def _rounded(sums: list[Sum], kind: np.dtype[Any]) -> list[Sum]:
    """The sums as a block of that type has them: float32 is rounded after each."""
    if kind != np.float32:
        return sums
    return [one for each in sums for one in (each, SINGLE)]


def _summed(column: Numeric, sums: tuple[Sum, ...], kind: np.dtype[Any]) -> Numeric:
    (null,) = summed(replace(column, sums=sums), [column.null])
    return replace(column, kind=kind, sums=(*column.sums, *sums), null=float(null))


def imputed(step: Any, given: Sequence[Column], place: str) -> list[Usable]:
    """The output of a fitted SimpleImputer, indicators last.

    Raises:
        ExportRefused: it fills in another value than null.
    """
    columns = usable(given, place)
    _check_marker(step, columns, place)
    kept = [_is_kept(step, at) for at in range(len(columns))]
    flagged = [] if step.indicator_ is None else step.indicator_.features_.tolist()
    if isinstance(columns[0], Finite) and columns[0].is_text:
        kind = np.dtype(object)
    else:
        kind = block_kind(columns)
    plain = _without_indicator(step)
    finite = iter(asked(plain, columns, [int(one) for one in kept], place))
    made: list[Usable] = []
    for at, column in enumerate(columns):
        if not kept[at]:
            continue
        if isinstance(column, Finite):
            made.append(replace(next(finite), is_filled=True))
        else:
            made.append(_filled(column, kind, float(kind.type(step.statistics_[at]))))
    return [*made, *_indicators(step, columns, flagged)]


def _filled(column: Numeric, kind: np.dtype[Any], value: float) -> Numeric:
    """The column with a value in the place of null, and of NaN that a function has made."""
    null = value if is_null(column.null) else column.null
    fill = Curve(lambda numbers: np.where(np.isnan(numbers), value, numbers), is_checked=True)
    sums = (*column.sums, fill) if column.is_bent else column.sums
    return replace(column, kind=kind, sums=sums, null=null, is_filled=True)


def indicators(step: Any, given: Sequence[Column], place: str) -> list[Usable]:
    """The output of a fitted MissingIndicator: whether each of some columns is null, as 1 and 0.

    Raises:
        ExportRefused: it looks for another value than null.
    """
    columns = usable(given, place)
    _check_marker(step, columns, place)
    return _indicators(step, columns, step.features_.tolist())


def _indicators(step: Any, columns: Sequence[Usable], at: Sequence[int]) -> list[Usable]:
    return [_indicator(columns[one], step.missing_values) for one in at]


def _check_marker(step: Any, columns: Sequence[Usable], place: str) -> None:
    """Refuse a marker for missing among numbers, which have no place for it."""
    numbers = [one for one in columns if isinstance(one, Numeric)]
    if numbers and not is_null(step.missing_values):
        raise ExportRefused(
            f"Expected a {type(step).__name__} of null, got missing_values={step.missing_values!r} "
            f"- at {place}, field '{numbers[0].field}'. Replace it by NaN in the frame ahead of "
            "the pipeline."
        )


def _is_kept(step: Any, at: int) -> bool:
    """Whether a column is in the output: one without any value at training is dropped."""
    if step.keep_empty_features:
        return True
    return not is_null(step.statistics_[at])


def _without_indicator(step: Any) -> Any:
    """The same imputer without its indicators."""
    import copy

    if step.indicator_ is None:
        return step
    plain = copy.copy(step)
    plain.add_indicator, plain.indicator_ = False, None
    return plain


def _indicator(column: Usable, marker: Any) -> Finite:
    """1 where a column is null, or holds the marker for it, otherwise 0."""
    if isinstance(column, Finite):
        flags = np.array([float(_is_same(value, marker)) for value in column.values], object)
        return replace(column, values=flags, kind=None, is_filled=True)
    domain = Domain((FLAG,), None, None)
    return Finite(
        column.field,
        domain,
        np.array([0.0, float(is_null(column.null)), 0.0], object),
        np.array([False, False, True]),
        is_flag=True,
        is_filled=True,
    )


def check_whole(column: Numeric, place: str) -> None:
    """Refuse a column whose steps have no value for some numbers.

    Raises:
        ExportRefused: names the field.
    """
    if column.is_partial:
        raise ExportRefused(
            f"Expected a value of every number, got steps that refuse some of field "
            f"'{column.field}', or have none of them - at {place}. Apply the function to the frame "
            "ahead of the pipeline."
        )


def _is_same(value: Any, marker: Any) -> bool:
    return is_null(value) if is_null(marker) else bool(value == marker)


def usable(columns: Sequence[Column], place: str) -> list[Usable]:
    """The columns, if a step may use each of them.

    Raises:
        ExportRefused: names the column and its type.
    """
    for column in columns:
        if isinstance(column, Odd):
            raise ExportRefused(
                f"Expected numbers, texts or booleans, got {column.what} - at column "
                f"'{column.field}' of {place}. Make a number or a text of it ahead of the pipeline."
            )
    return [column for column in columns if not isinstance(column, Odd)]


def of_numbers(columns: Sequence[Column], place: str) -> list[Usable]:
    """The columns, if a step may do sums with each of them.

    Raises:
        ExportRefused: names the field.
    """
    found = usable(columns, place)
    for column in found:
        if isinstance(column, Finite) and column.is_text:
            raise ExportRefused(
                f"Expected numbers, got the texts of field '{column.field}' - at {place}."
            )
    return found
