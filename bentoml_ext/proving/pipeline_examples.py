"""Pipeline examples: rows that a fitted pipeline takes, read off what its steps have learnt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline

__all__ = ["values_of_columns"]

_MOST = 200


def values_of_columns(pipeline: Any, n_columns: int) -> list[list[Any]]:
    """For each column that the pipeline takes, values that it knows; numbers where it knows none.

    Args:
        pipeline: fitted.
        n_columns: that it takes.
    """
    found: list[list[Any]] = [[] for _ in range(n_columns)]
    _collect(pipeline, range(n_columns), found)
    return [values or [0.0, 1.0, -1.0, 0.5, 10.0, 100.0] for values in found]


def _collect(step: Any, columns: Sequence[int], found: list[list[Any]]) -> None:
    """Add what a step has learnt of columns, by their numbers in the pipeline's own rows."""
    if isinstance(step, Pipeline):
        # Further steps are handed other columns, unless those before keep theirs.
        for one in (inner for _, inner in step.steps):
            _collect(one, columns, found)
            if isinstance(one, ColumnTransformer) or hasattr(one, "categories_"):
                return
    elif isinstance(step, ColumnTransformer):
        for name, inner, _ in step.transformers_:
            at = list(step._transformer_to_input_indices[name])
            _collect(inner, [columns[i] for i in at], found)
    else:
        for i, column in enumerate(columns):
            found[column] += _learnt(step, i)


def _learnt(step: Any, i: int) -> list[Any]:
    """Values of the step's column `i`."""
    categories = getattr(step, "categories_", None)
    if categories is not None:
        return [*categories[i]][:_MOST]
    values: list[Any] = []
    center = _at(step, "mean_", i, _at(step, "center_", i, 0.0))
    if (scale := _at(step, "scale_", i, None)) is not None:
        if hasattr(step, "data_min_"):
            low, high = float(step.data_min_[i]), float(step.data_max_[i])
            values += np.linspace(low, high, 9).tolist()
        else:
            values += [center + scale * x for x in (-3, -2, -1, -0.5, 0, 0.5, 1, 2, 3)]
    fill = _at(step, "statistics_", i, None)
    if isinstance(fill, int | float) and not np.isnan(fill):
        values += [fill, fill / 2, fill * 2]
    return values


def _at(step: Any, name: str, i: int, otherwise: Any) -> Any:
    learnt = getattr(step, name, None)
    if not isinstance(learnt, np.ndarray) or i >= len(learnt):
        return otherwise
    return learnt[i].item() if hasattr(learnt[i], "item") else learnt[i]
