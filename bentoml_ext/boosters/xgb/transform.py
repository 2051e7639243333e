"""Transform: what the XGBoost installed here makes of margins, found by asking it.

Two objectives do not predict the same in every XGBoost. Since 3.4 quantiles that cross are put in
order, and some builds take the exponential of `survival:aft` in float64, others in float32.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import xgboost as xgb

from bentoml_ext.arrays import Floats
from bentoml_ext.boosters.xgb.base_margin import emptied
from bentoml_ext.objectives.table import SINGLE, SORTED

__all__ = ["predictions_of", "transform_of"]

_TRIED: Final = 20_000


def transform_of(document: Mapping[str, Any], n_targets: int) -> str:
    """How the XGBoost installed here departs from the objective's usual transform.

    Args:
        document: the booster's `save_raw`.
        n_targets: margins of a row.

    Returns:
        `SORTED` for quantiles that are put in order, `SINGLE` for an exponential in float32,
        otherwise an empty text.
    """
    objective = document["learner"]["objective"]["name"]
    if objective == "reg:quantileerror" and n_targets > 1:
        falling = -np.arange(n_targets, dtype=np.float32)[None, :]
        predicted = predictions_of(document, falling)
        return SORTED if np.array_equal(predicted, falling[:, ::-1]) else ""
    if objective == "survival:aft":
        # One in 1 650 of float32's exponentials is not the rounded one.
        margins = np.random.default_rng(0).normal(scale=4, size=(_TRIED, 1)).astype(np.float32)
        rounded = np.exp(margins.astype(np.float64)).astype(np.float32)
        return "" if np.array_equal(predictions_of(document, margins), rounded) else SINGLE
    return ""


def predictions_of(document: Mapping[str, Any], margins: Floats) -> Floats:
    """float32, (n, k): what `Booster.predict` makes of margins, float32, (n, n_targets).

    The booster is asked without its trees, with the margins as base margins of its rows.
    """
    n_features = int(document["learner"]["learner_model_param"]["num_feature"])
    rows = xgb.DMatrix(np.full((len(margins), n_features), np.nan, np.float32))
    rows.set_base_margin(margins)
    predicted = emptied(document).predict(rows, validate_features=False)
    result: Floats = np.asarray(predicted, np.float32).reshape(len(margins), -1)
    return result
