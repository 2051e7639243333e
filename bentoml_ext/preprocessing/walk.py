"""Walk: from step to step of a fitted pipeline, to the columns that its estimator is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion, Pipeline

from bentoml_ext.errors import ExportRefused
from bentoml_ext.export.pipelines.numbers import SCALERS
from bentoml_ext.export.pipelines.reading import check_step, is_passed_through, parts_of
from bentoml_ext.preprocessing.bins import CUTTERS, binned
from bentoml_ext.preprocessing.categories import ENCODERS, Domains, encoded
from bentoml_ext.preprocessing.columns import Column, Numeric
from bentoml_ext.preprocessing.curves import BENDERS, bent
from bentoml_ext.preprocessing.numbers import imputed, indicators, scaled
from bentoml_ext.preprocessing.refusals import check_advised

__all__ = ["KNOWN", "Given", "is_sampler", "is_selector", "walked"]

SELECTORS: Final = (
    "VarianceThreshold",
    "SelectKBest",
    "SelectPercentile",
    "SelectFpr",
    "SelectFdr",
    "SelectFwe",
    "GenericUnivariateSelect",
    "SelectFromModel",
    "RFE",
    "RFECV",
    "SequentialFeatureSelector",
)
"""Classes of scikit-learn that hand on some of their columns as they are."""

KNOWN: Final = (
    *SCALERS,
    "SimpleImputer",
    "MissingIndicator",
    *ENCODERS,
    *CUTTERS,
    *BENDERS,
    *SELECTORS,
    "ColumnTransformer",
    "FeatureUnion",
)
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
        if type(step).__module__.startswith("xgboost.") or is_sampler(step):
            continue
        given = _step(step, given, domains, f"{place}{name}")
    return given


def is_selector(step: Any) -> bool:
    """Whether a step hands on some of its columns as they are."""
    return type(step).__name__ in SELECTORS and type(step).__module__.startswith("sklearn.")


def is_sampler(step: Any) -> bool:
    """Whether a step of imbalanced-learn chooses rows in training, and does nothing afterwards."""
    return type(step).__module__.startswith("imblearn.") and hasattr(step, "fit_resample")


def _step(step: Any, given: Given, domains: Domains, place: str) -> Given:
    if is_passed_through(step):
        return given
    check_advised(step, f"step '{place}'")
    check_step(step, KNOWN, place, sparse=given.sparse and not is_selector(step))
    if isinstance(step, Pipeline):
        return walked(step, given, domains, f"{place}/")
    if isinstance(step, ColumnTransformer):
        return _side_by_side(step, given, domains, place)
    if isinstance(step, FeatureUnion):
        return _union(step, given, domains, place)
    if is_selector(step):
        kept = step.get_support(indices=True)
        return Given(tuple(given.columns[at] for at in kept), given.sparse)
    return _columns(step, given.columns, domains, f"step '{place}'")


def _columns(step: Any, columns: Sequence[Column], domains: Domains, where: str) -> Given:
    """What a step that treats each of its columns alone makes of them."""
    name, is_sparse = type(step).__name__, False
    made: Sequence[Column]
    if name in ENCODERS:
        made = encoded(step, columns, domains, where)
        is_sparse = bool(getattr(step, "sparse_output", False))
    elif name in CUTTERS:
        made = binned(step, columns, where)
        is_sparse = getattr(step, "encode", "ordinal") == "onehot"
    elif name in BENDERS:
        made = bent(step, columns, where)
    elif name == "MissingIndicator":
        made = indicators(step, columns, where)
        is_sparse = step.sparse is True
    else:
        made = (imputed if name == "SimpleImputer" else scaled)(step, columns, where)
    return Given(tuple(made), is_sparse)


def _side_by_side(step: ColumnTransformer, given: Given, domains: Domains, place: str) -> Given:
    made: list[Column] = []
    for name, transformer, at in parts_of(step, place):
        some = Given(tuple(given.columns[one] for one in at))
        made += _step(transformer, some, domains, f"{place}/{name}").columns
    return Given(tuple(_of_one_type(made)), sparse=bool(step.sparse_output_))


def _union(step: FeatureUnion, given: Given, domains: Domains, place: str) -> Given:
    """All that several steps make of the same columns."""
    if step.transformer_weights:
        raise ExportRefused(f"Expected no transformer_weights, got some - at step '{place}'.")
    made = [
        _step(transformer, given, domains, f"{place}/{name}")
        for name, transformer in step.transformer_list
        if transformer != "drop"
    ]
    columns = [column for one in made for column in one.columns]
    return Given(tuple(_of_one_type(columns)), any(one.sparse for one in made))


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
