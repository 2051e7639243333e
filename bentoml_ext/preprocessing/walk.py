"""Walk: from step to step of a fitted pipeline, to the columns that its estimator is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline

from bentoml_ext.export.pipelines.numbers import SCALERS
from bentoml_ext.export.pipelines.reading import check_step, is_passed_through, parts_of
from bentoml_ext.preprocessing.categories import ENCODERS, Domains, encoded
from bentoml_ext.preprocessing.columns import Column, Numeric
from bentoml_ext.preprocessing.numbers import imputed, scaled

__all__ = ["KNOWN", "Given", "walked"]

KNOWN: Final = (*SCALERS, "SimpleImputer", *ENCODERS, "ColumnTransformer")
"""Classes of scikit-learn that become steps, besides passthrough and nested pipelines."""


@dataclass(frozen=True, eq=False)
class Given:
    """Columns between two steps.

    Args:
        columns: in order.
        sparse: whether they are a sparse matrix, whose zeros are missing to XGBoost.
    """

    columns: tuple[Column, ...]
    sparse: bool = False


def walked(pipeline: Any, given: Given, domains: Domains, place: str = "") -> Given:
    """What the steps of a pipeline make of columns, up to an estimator of XGBoost at its end.

    Args:
        pipeline: fitted.
        given: what it is handed.
        domains: of the fields; those that an encoder knows more categories of grow.
        place: where it stands in another, as "columns/numbers/".

    Raises:
        ExportRefused: a step that is not known, by name.
    """
    for name, step in pipeline.steps:
        if type(step).__module__.startswith("xgboost."):
            continue
        given = _step(step, given, domains, f"{place}{name}")
    return given


def _step(step: Any, given: Given, domains: Domains, place: str) -> Given:
    if is_passed_through(step):
        return given
    check_step(step, KNOWN, place, sparse=given.sparse)
    if isinstance(step, Pipeline):
        return walked(step, given, domains, f"{place}/")
    if isinstance(step, ColumnTransformer):
        return _side_by_side(step, given, domains, place)
    name, where, columns = type(step).__name__, f"step '{place}'", given.columns
    if name in ENCODERS:
        made = encoded(step, columns, domains, where)
        return Given(tuple(made), sparse=bool(getattr(step, "sparse_output", False)))
    return Given(tuple((imputed if name == "SimpleImputer" else scaled)(step, columns, where)))


def _side_by_side(step: ColumnTransformer, given: Given, domains: Domains, place: str) -> Given:
    made: list[Column] = []
    for name, transformer, at in parts_of(step, place):
        some = Given(tuple(given.columns[one] for one in at))
        made += _step(transformer, some, domains, f"{place}/{name}").columns
    return Given(tuple(_of_one_type(made)), sparse=bool(step.sparse_output_))


def _of_one_type(columns: Sequence[Column]) -> list[Column]:
    """The columns side by side in one matrix: float32 beside float64 becomes float64."""
    kinds = [column.kind for column in columns if column.kind is not None]
    widest = np.result_type(*kinds) if kinds else np.dtype(float)
    if len(kinds) < len(columns):
        widest = np.result_type(widest, np.float64)
    return [
        replace(column, kind=np.dtype(widest)) if isinstance(column, Numeric) else column
        for column in columns
    ]
