"""Fields: what has become of columns at the estimator, as steps and fields of an encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from bentoml_ext.encoders.field import Field
from bentoml_ext.encoders.steps import (
    NO_COLUMN,
    Cells,
    Indicator,
    Number,
    OneHot,
    Ranges,
    Step,
    Sum,
    Table,
)
from bentoml_ext.encoders.user_rules import Rule, check_rules, ruled
from bentoml_ext.errors import ExportRefused, FeatureMismatch
from bentoml_ext.preprocessing.bounds import bounds_of
from bentoml_ext.preprocessing.columns import (
    SINGLE,
    Column,
    Finite,
    Numeric,
    Odd,
    is_null,
)
from bentoml_ext.preprocessing.frames import kind_of, seen_of
from bentoml_ext.preprocessing.ranges import as_ranges

__all__ = ["steps_and_fields"]


def steps_and_fields(
    columns: Sequence[Column], example: Any, rules: Sequence[Rule] = ()
) -> tuple[list[Step], list[Field]]:
    """Every step, and the field of each.

    Args:
        columns: at the estimator.
        example: the user's frame.
        rules: of some fields.

    Raises:
        ExportRefused: a column is not of numbers, or a step takes some ranges alone.
        FeatureMismatch: a rule of another field, or one that the steps contradict.
    """
    by_field: dict[str, list[tuple[int, Column]]] = {}
    for at, column in enumerate(columns):
        if isinstance(column, Odd) or (isinstance(column, Finite) and column.is_text):
            what = column.what if isinstance(column, Odd) else "the texts"
            raise ExportRefused(
                f"Expected numbers at the estimator, got {what} of field '{column.field}'. "
                "Encode them in the pipeline."
            )
        by_field.setdefault(column.field, []).append((at, column))
    for name, own in by_field.items():
        by_field[name] = _of_one_kind(own)
    steps: list[Step] = []
    fields: list[Field] = []
    for name, own in by_field.items():
        made = _steps(name, own)
        steps += made
        field = _field(name, made[0], [column for _, column in own], example[name])
        fields.append(_ruled(field, rules, made[0], [column for _, column in own]))
    check_rules(rules, list(by_field), example.columns)
    return list(steps), fields


def _ruled(field: Field, rules: Sequence[Rule], step: Step, columns: Sequence[Column]) -> Field:
    """The field under its rule, which may narrow what the steps take, and not widen it."""
    rule = next((rule for rule in rules if rule.name == field.name), None)
    if rule is None:
        return field
    own = ruled(field, rule, step)
    refuses_others = field.unknown == "refuse" and bool(field.categories or field.codes)
    for key, is_wider in (
        ("nullable", own.nullable and _refuses_null(columns)),
        ("unknown", own.unknown == "zero" and refuses_others),
        ("baseline", bool(own.baseline)),
        ("multiple", own.multiple),
    ):
        if is_wider:
            raise FeatureMismatch(
                f"Expected a rule that the pipeline's steps keep, got '{key}', which they refuse "
                f"- at field '{field.name}' of --fields."
            )
    return own


def _refuses_null(columns: Sequence[Column]) -> bool:
    return any(isinstance(column, Finite) and column.refused[-2] for column in columns)


def _of_one_kind(own: list[tuple[int, Column]]) -> list[tuple[int, Column]]:
    """A field's columns; its categories are ranges where it is a number besides."""
    if all(isinstance(column, Finite) and column.edges is None for _, column in own):
        return own
    return [
        (at, as_ranges(column) if isinstance(column, Finite) and column.is_category else column)
        for at, column in own
    ]


def _steps(name: str, own: Sequence[tuple[int, Column]]) -> list[Step]:
    finite = [(at, column) for at, column in own if isinstance(column, Finite)]
    categories = [(at, column) for at, column in finite if column.is_category]
    made: list[Step] = [_category(name, categories)] if categories else []
    made += [_number(at, column) for at, column in own if isinstance(column, Numeric)]
    for edges in dict.fromkeys(column.edges for _, column in finite):
        if edges is not None:
            made.append(_ranges(name, edges, [both for both in finite if both[1].edges == edges]))
    for at, column in finite:
        if column.is_flag:
            given, null, _ = (_float32(value) for value in column.values)
            made.append(Indicator(name, at, given, null))
    return made


def _number(at: int, column: Numeric) -> Number:
    """The step of a number; float32 all along, and a clip at the end, are said once."""
    null = None if is_null(column.null) else _float32(column.null)
    sums = [one for one in column.sums if isinstance(one, Sum)]
    low = high = None
    if len(sums) > 1 and [one.operation for one in sums[-2:]] == ["at_least", "at_most"]:
        *sums, least, most = sums
        low, high = least.operand, most.operand
    single = bool(sums) and all(one == SINGLE for one in sums[::2])
    single = single and SINGLE not in sums[1::2] and len(sums) % 2 == 1
    if single:
        sums = sums[1::2]
    if sums[-1:] == [SINGLE]:
        # A cell of a row is rounded so.
        sums.pop()
    if not sums and low is None:
        single = False
    return Number(column.field, at, tuple(sums), single, low, high, null)


def _ranges(name: str, edges: tuple[float, ...], own: Sequence[tuple[int, Finite]]) -> Ranges:
    """One step for all columns of a field that are cut alike."""
    refused = np.any([column.refused for _, column in own], axis=0)
    cells = [
        [None if no else _cell(column.values[row]) for _, column in own]
        for row, no in enumerate(refused)
    ]
    return Ranges(
        name,
        tuple(at for at, _ in own),
        edges,
        tuple(map(tuple, cells[:-2])),
        None if refused[-2] else tuple(cells[-2]),
    )


def _cell(value: Any) -> float | None:
    return None if is_null(value) else _float32(value)


def _category(name: str, own: Sequence[tuple[int, Finite]]) -> OneHot | Table:
    """One step for all columns of a field's categories."""
    domain = own[0][1].domain
    at = [place for place, _ in own]
    refused = np.any([column.refused for _, column in own], axis=0)
    cells = np.array(
        [
            [_float32(v) if not no else np.nan for v, no in zip(c.values, refused, strict=True)]
            for _, c in own
        ]
    ).T
    known = [str(one) for one in domain.known]
    taken = ~refused[:-2]
    null, other = (None if refused[-2] else cells[-2]), (None if refused[-1] else cells[-1])
    texts = {text: row for text, row, ok in zip(known, cells[:-2], taken, strict=True) if ok}
    all_cells = [*texts.values(), *(row for row in (null, other) if row is not None)]
    if _are_one_hot(all_cells, len(at)):
        place = {text: _column(row, at) for text, row in texts.items()}
        return OneHot(
            name,
            place,
            off=0.0,
            null=_some(null, at),
            other=_some(other, at),
            whole=domain.is_whole,
        )
    return Table(
        name,
        tuple(at),
        {text: _tuple(row) for text, row in texts.items()},
        None if null is None else _tuple(null),
        None if other is None else _tuple(other),
        domain.is_whole,
    )


def _are_one_hot(rows: Sequence[Any], width: int) -> bool:
    """Whether each row has at most one 1, and each column is 1 in some row."""
    matrix = np.array(rows)
    return bool(
        np.isin(matrix, (0, 1)).all()
        and (matrix.sum(axis=1) <= 1).all()
        and matrix.any(axis=0).sum() == width
    )


def _column(row: Any, at: Sequence[int]) -> int:
    found = np.flatnonzero(row)
    return at[found[0]] if len(found) else NO_COLUMN


def _some(row: Any, at: Sequence[int]) -> int | None:
    if row is None or (column := _column(row, at)) == NO_COLUMN:
        return None
    return column


def _tuple(row: Any) -> Cells:
    return tuple(None if np.isnan(value) else float(value) for value in row)


def _float32(value: Any) -> float:
    return float(np.float32(value))


def _field(name: str, step: Step, columns: Sequence[Column], series: Any) -> Field:
    """The rules of a field: what the pipeline takes, of what its example shows."""
    finite = [column for column in columns if isinstance(column, Finite) and not column.is_flag]
    seen_null = bool(series.isna().any()) or any(
        isinstance(column, Numeric | Finite) and column.is_filled for column in columns
    )
    field = Field(
        name, nullable=seen_null and not _refuses_null(columns), boolean=kind_of(series) == np.bool_
    )
    if isinstance(step, OneHot | Table):
        categories = [column for column in finite if column.is_category]
        said = tuple(step.categories)
        return msgspec.structs.replace(
            field,
            categories=() if step.whole else said,
            codes=tuple(map(int, said)) if step.whole else (),
            unknown="refuse" if any(column.refused[-1] for column in categories) else "zero",
        )
    return msgspec.structs.replace(field, seen=seen_of(series), **bounds_of(name, finite))
