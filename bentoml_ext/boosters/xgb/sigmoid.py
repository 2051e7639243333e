"""Sigmoid: XGBoost's own probabilities on this machine, by its C library's expf."""

from __future__ import annotations

from functools import cache

import numpy as np
import xgboost as xgb

from bentoml_ext.arrays import Margins, Probabilities
from bentoml_ext.objectives.logistic import probabilities
from bentoml_ext.proof.sigmoid import grid

__all__ = ["is_shared", "native"]


def native(margins: Margins) -> Probabilities:
    """The probabilities of this machine's XGBoost: float32, (n, 1); margins the same, n > 0."""
    # Without trees the prediction is that of the margin which comes with a row.
    empty = xgb.DMatrix(np.zeros((2, 1), np.float32), label=[0, 1])
    booster = xgb.train({"objective": "binary:logistic", "nthread": 1}, empty, num_boost_round=0)
    rows = xgb.DMatrix(np.zeros((len(margins), 1), np.float32), base_margin=margins, nthread=1)
    found: Probabilities = np.asarray(booster.predict(rows), np.float32)[:, None]
    return found


@cache
def is_shared() -> bool:
    """Whether XGBoost's probabilities have the bits of ours, on margins of all sizes."""
    margins = grid()[:, None]
    return native(margins).tobytes() == probabilities(margins).tobytes()
