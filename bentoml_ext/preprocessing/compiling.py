"""Compiling: a fitted pipeline of scikit-learn becomes the encoder of its estimator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from bentoml_ext.encoders.encoder import Encoder
from bentoml_ext.encoders.field import Application, Field
from bentoml_ext.encoders.steps import NO_COLUMN, Cells, Indicator, Number, OneHot, Step, Table
from bentoml_ext.errors import ExportRefused
from bentoml_ext.preprocessing.categories import Domains
from bentoml_ext.preprocessing.columns import (
    OTHER,
    Column,
    Domain,
    Finite,
    Numeric,
    is_null,
)
from bentoml_ext.preprocessing.walk import Given, walked

__all__ = ["Compiled", "applications_of", "compile_pipeline", "is_text", "takes"]

_KINDS: Final = ("float64", "float32", "int64", "int32", "int16", "int8", "uint8", "bool")

_SENT: Final = 1_000


@dataclass(frozen=True, eq=False)
class Compiled:
    """A pipeline as an encoder and an estimator.

    Args:
        pipeline: the fitted one.
        example: rows that it takes.
        encoder: what the steps ahead of the estimator do.
        estimator: of XGBoost.
    """

    pipeline: Any
    example: Any
    encoder: Encoder
    estimator: Any

    @property
    def applications(self) -> list[Application]:
        """The first rows of the example as a client would send them, those that are taken."""
        found = applications_of(self.example.head(_SENT), self.encoder)
        return [one for one in found if takes(self.encoder, one)]


def compile_pipeline(pipeline: Any, example: Any) -> Compiled:
    """The encoder that makes the rows which a pipeline gives its estimator.

    Args:
        pipeline: fitted; its last step is an estimator of XGBoost.
        example: pandas DataFrame as the pipeline takes it, best the one of its training. It says
            which fields there are, their types, and which of them may be null.

    Raises:
        ExportRefused: a step or a column that no step of an encoder covers, by name.
    """
    _check(pipeline, example)
    estimator = pipeline.steps[-1][1]
    domains = {name: _domain(example[name]) for name in example if is_text(example[name])}
    # Twice: an encoder may know categories that the example does not hold.
    walked(pipeline, _given(example, domains), domains)
    given = walked(pipeline, _given(example, domains), domains)
    features = _features(estimator, len(given.columns))
    steps, fields = _fields(given.columns, example)
    # For XGBoost an entry that a sparse matrix does not hold is missing, not 0.
    missing = 0.0 if given.sparse else estimator.missing
    encoder = Encoder(
        features, fields, absent="missing", null="missing", missing=missing, steps=steps
    )
    return Compiled(pipeline, example, encoder, estimator)


def applications_of(example: Any, encoder: Encoder) -> list[Application]:
    """The rows of a frame as a client would send them."""
    names = [field.name for field in encoder.fields]
    columns = [[_plain(value) for value in example[name]] for name in names]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def takes(encoder: Encoder, application: Application) -> bool:
    """Whether an encoder takes an application."""
    return next(encoder.wrong(application), None) is None


def _plain(value: Any) -> Any:
    if is_null(value):
        return None
    return value.item() if isinstance(value, np.generic) else value


def _check(pipeline: Any, example: Any) -> None:
    import xgboost as xgb

    steps = getattr(pipeline, "steps", None)
    if not steps or not isinstance(steps[-1][1], xgb.XGBModel):
        raise ExportRefused(
            "Expected a Pipeline whose last step is an estimator of XGBoost, got "
            f"{type(steps[-1][1] if steps else pipeline).__name__} - at the pipeline."
        )
    if not hasattr(example, "columns") or not len(example):
        raise ExportRefused(
            f"Expected a pandas DataFrame, got {type(example).__name__} - at the example. Give the "
            "rows that the pipeline was trained on: example=frame."
        )
    if odd := [name for name in example.columns if not isinstance(name, str)]:
        raise ExportRefused(f"Expected names of columns, got {odd[0]!r} - at the example.")
    for name in example:
        kind = example[name].dtype
        if not is_text(example[name]) and str(kind) not in _KINDS:
            raise ExportRefused(
                f"Expected {', '.join(_KINDS)} or texts, got {kind} - at column '{name}'."
            )


def is_text(series: Any) -> bool:
    """Whether a column of a frame holds texts."""
    if str(series.dtype) == "category":
        return all(isinstance(one, str) for one in series.cat.categories)
    return str(series.dtype) in ("object", "str", "string")


def _domain(series: Any) -> Domain:
    """Of a field of texts, as the example has it."""
    values = [value for value in series.unique() if not is_null(value)]
    if odd := [value for value in values if not isinstance(value, str)]:
        raise ExportRefused(f"Expected texts, got {odd[0]!r:.40} - at column '{series.name}'.")
    has_none = any(value is None for value in series.unique())
    return Domain(tuple(sorted(values)), None if has_none else np.nan, OTHER)


def _given(example: Any, domains: Domains) -> Given:
    columns: list[Column] = []
    for name in example:
        if is_text(example[name]):
            domain = domains[name]
            values = domain.values
            columns.append(Finite(name, domain, values, np.zeros(len(values), np.bool_)))
        else:
            kind = np.dtype(str(example[name].dtype))
            columns.append(Numeric(name, kind))
    return Given(tuple(columns))


def _features(estimator: Any, width: int) -> Sequence[str]:
    known = estimator.get_booster().feature_names
    return known if known is not None else [f"f{at}" for at in range(width)]


def _fields(columns: Sequence[Column], example: Any) -> tuple[list[Step], list[Field]]:
    """Every step, and the field of each."""
    by_field: dict[str, list[tuple[int, Column]]] = {}
    for at, column in enumerate(columns):
        if isinstance(column, Finite) and column.is_text:
            raise ExportRefused(
                f"Expected numbers at the estimator, got the texts of field '{column.field}'. "
                "Encode them in the pipeline."
            )
        by_field.setdefault(column.field, []).append((at, column))
    steps: list[Step] = []
    fields: list[Field] = []
    for name, own in by_field.items():
        made = _steps(name, own)
        steps += made
        fields.append(_field(name, made[0], [column for _, column in own], example[name]))
    return list(steps), fields


def _steps(name: str, own: Sequence[tuple[int, Column]]) -> list[Step]:
    categories = [(at, c) for at, c in own if isinstance(c, Finite) and not c.is_flag]
    made: list[Step] = [_category(name, categories)] if categories else []
    for at, column in own:
        if isinstance(column, Numeric):
            null = None if is_null(column.null) else _float32(column.null)
            made.append(Number(name, at, column.sums, column.single, column.low, column.high, null))
    for at, column in own:
        if isinstance(column, Finite) and column.is_flag:
            given, null, _ = (_float32(value) for value in column.values)
            made.append(Indicator(name, at, given, null))
    return made


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
    refused = (
        np.any([column.refused[-2:] for column in finite], axis=0) if finite else (False, True)
    )
    seen_null = bool(series.isna().any()) or any(column.is_filled for column in columns)
    is_bool = str(series.dtype) == "bool"
    if isinstance(step, OneHot | Table):
        said = tuple(step.categories)
        return Field(
            name,
            () if step.whole else said,
            codes=tuple(map(int, said)) if step.whole else (),
            nullable=seen_null and not refused[0],
            unknown="refuse" if refused[1] else "zero",
            boolean=is_bool,
        )
    return Field(name, nullable=seen_null, boolean=is_bool)
