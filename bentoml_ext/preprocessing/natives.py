"""Natives: columns that reach the estimator as pandas' categories, which XGBoost has codes for."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from bentoml_ext.errors import ExportRefused
from bentoml_ext.export.pipelines.reading import is_passed_through
from bentoml_ext.preprocessing.categories import Domains, as_finite
from bentoml_ext.preprocessing.columns import Column, Finite, Numeric
from bentoml_ext.preprocessing.walk import is_sampler

__all__ = ["Natives", "as_codes", "frame_of_codes", "handed_on", "natives_of"]

Natives: TypeAlias = Mapping[int, Sequence[Any]]
"""By column of the estimator, its categories in the order of XGBoost's codes."""


def handed_on(pipeline: Any, given: Any) -> Any:
    """What the steps ahead of the estimator hand on: a frame or an array."""
    with warnings.catch_warnings(action="ignore"):
        for _, step in pipeline.steps[:-1]:
            if not (is_passed_through(step) or is_sampler(step)):
                given = step.transform(given)
    return given


def natives_of(pipeline: Any, example: Any) -> Natives:
    """The columns of categories, and their order: XGBoost's own, before 3.1 that of the frame."""
    made = handed_on(pipeline, example.head(1))
    if not hasattr(made, "dtypes"):
        return {}
    found = {
        at: made.iloc[:, at].cat.categories.tolist()
        for at, dtype in enumerate(made.dtypes)
        if str(dtype) == "category"
    }
    booster = pipeline.steps[-1][1].get_booster()
    if not found or not hasattr(booster, "get_categories"):
        return found
    arrays = booster.get_categories(export_to_arrow=True).to_arrow()
    return {at: _in_order(own, arrays[at][1]) for at, own in found.items()}


def _in_order(own: list[Any], known: Any) -> list[Any]:
    """XGBoost's categories; those of the frame where XGBoost may have cut a text with an umlaut."""
    is_foreign = any(isinstance(one, str) and not one.isascii() for one in own)
    if not known or (is_foreign and len(known) == len(own)):
        return own
    found: list[Any] = known.to_pylist()
    return found


def as_codes(columns: Sequence[Column], natives: Natives, domains: Domains) -> tuple[Column, ...]:
    """The columns at the estimator, categories by their codes.

    A category that training did not have is refused: XGBoost raises, or takes it for another one.

    Args:
        columns: at the estimator.
        natives: those of categories.
        domains: of the fields; they grow by XGBoost's own categories.
    """
    return tuple(
        _coded(column, natives[at], domains) if at in natives else column
        for at, column in enumerate(columns)
    )


def _coded(column: Column, categories: Sequence[Any], domains: Domains) -> Column:
    if odd := [one for one in categories if not isinstance(one, str | int)]:
        raise ExportRefused(
            f"Expected categories that are texts or whole numbers, got {odd[0]!r:.40} - at field "
            f"'{column.field}' of the estimator."
        )
    if not isinstance(column, Finite | Numeric):
        raise ExportRefused(
            f"Expected texts or whole numbers, got {column.what} - at column '{column.field}' of "
            "the estimator."
        )
    finite = as_finite(column, list(categories), domains, "the estimator")
    codes = {category: float(code) for code, category in enumerate(categories)}
    values = np.array([codes.get(one, np.nan) for one in finite.values], object)
    refused = finite.refused | np.array([one not in codes for one in finite.values])
    refused[-2] = finite.refused[-2]
    return replace(finite, values=values, refused=refused, kind=None)


def frame_of_codes(frame: Any, natives: Natives) -> Any:
    """A frame with XGBoost's codes in the place of categories, as an array."""
    import pandas as pd

    made = pd.DataFrame(index=frame.index)
    for at in range(frame.shape[1]):
        series = frame.iloc[:, at]
        if at in natives:
            codes = {category: code for code, category in enumerate(natives[at])}
            series = series.astype(object).map(codes)
        made[at] = series.to_numpy(float, na_value=np.nan)
    return made.to_numpy()
