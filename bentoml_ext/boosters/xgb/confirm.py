"""Confirm: the ensemble that was read adds up as XGBoost does, or the model is refused."""

from __future__ import annotations

import numpy as np
import xgboost as xgb

from bentoml_ext.arrays import Rows
from bentoml_ext.boosters import reference
from bentoml_ext.boosters.ensemble import Ensemble, Trees
from bentoml_ext.boosters.xgb.estimator import EstimatorView, Model
from bentoml_ext.boosters.xgb.reader import read_ensemble
from bentoml_ext.errors import ExportRefused

__all__ = ["read"]


def read(model: Model) -> tuple[EstimatorView, Ensemble]:
    """The view of `model` and its ensemble, confirmed on a few rows by XGBoost.

    Raises:
        ExportRefused: not a fitted model, unknown parts, or a sum that is not XGBoost's.
    """
    source = EstimatorView.of(model)
    ensemble = read_ensemble(source.booster, rounds=source.rounds, inplace=source.inplace)
    rows = _probes(ensemble)
    native = source.margins(rows)
    read_rows = rows if source.missing is None else np.where(rows == source.missing, np.nan, rows)
    added = reference.margins(ensemble, read_rows.astype(np.float32))
    if not np.array_equal(added.view(np.uint32), native.view(np.uint32)):
        row, target = np.argwhere(added.view(np.uint32) != native.view(np.uint32))[0]
        raise ExportRefused(
            f"Expected margin {float(native[row, target]).hex()}, got "
            f"{float(added[row, target]).hex()} - at probe row {row}, target {target}. "
            f"XGBoost {xgb.__version__} does not add up this booster in a known way."
        )
    return source, ensemble


def _probes(ensemble: Ensemble) -> Rows:
    """float32, (8, n_features): rows of missing, of zeros, and on thresholds."""
    rows = np.zeros((8, ensemble.n_features), np.float32)
    rows[0] = np.nan
    trees = ensemble.model
    if isinstance(trees, Trees):
        inner = np.flatnonzero(~trees.is_leaf & np.isfinite(trees.threshold))
        generator = np.random.default_rng(0)
        for row in rows[2:]:
            node = generator.permutation(inner)
            row[trees.feature[node]] = trees.threshold[node]
    return rows
