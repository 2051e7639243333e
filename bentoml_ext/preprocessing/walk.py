"""Walk: from step to step of a fitted pipeline, to the columns that its estimator is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from bentoml_ext.errors import ExportRefused
from bentoml_ext.export.pipelines.numbers import SCALERS
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
    if step in (None, "passthrough") or _is_identity(step):
        return given
    if given.sparse:
        raise ExportRefused(
            f"Expected dense rows, got a sparse matrix - at step '{place}'. "
            "Set sparse_output=False, or sparse_threshold=0 in a ColumnTransformer."
        )
    if isinstance(step, Pipeline):
        return walked(step, given, domains, f"{place}/")
    name, where = type(step).__name__, f"step '{place}'"
    # A class that derives from scikit-learn's may transform otherwise.
    if not type(step).__module__.startswith("sklearn.") or name not in KNOWN:
        raise ExportRefused(
            f"Expected {', '.join(KNOWN)} or passthrough, got {name} - at {where}. "
            "Take it out of the pipeline and apply it before."
        )
    if isinstance(step, ColumnTransformer):
        return _side_by_side(step, given, domains, place)
    columns = given.columns
    if name in ENCODERS:
        made = encoded(step, columns, domains, where)
        return Given(tuple(made), sparse=bool(getattr(step, "sparse_output", False)))
    return Given(tuple((imputed if name == "SimpleImputer" else scaled)(step, columns, where)))


def _is_identity(step: Any) -> bool:
    return type(step) is FunctionTransformer and step.func is None


def _side_by_side(step: ColumnTransformer, given: Given, domains: Domains, place: str) -> Given:
    if step.transformer_weights:
        raise ExportRefused(f"Expected no transformer_weights, got some - at step '{place}'.")
    columns = step._transformer_to_input_indices
    made: list[Column] = []
    for name, transformer, _ in step.transformers_:
        at = list(columns[name])
        if (isinstance(transformer, str) and transformer == "drop") or not at:
            continue
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
