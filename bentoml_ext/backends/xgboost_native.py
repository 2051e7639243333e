"""XGBoost backend: scores with the booster itself."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import xgboost

from bentoml_ext.arrays import Margins, Rows
from bentoml_ext.backends.base import Backend
from bentoml_ext.errors import BackendError

__all__ = ["XGBoostBackend"]


class XGBoostBackend(Backend):
    """`Booster.inplace_predict(predict_type="margin")` on one thread."""

    name = "xgboost"
    filename = "booster.ubj"
    gathers = True

    def __init__(self, path: Path) -> None:
        try:
            # The bits do not depend on threads; one per worker keeps workers off each other.
            self._booster = xgboost.Booster({"nthread": 1}, model_file=path)
        except xgboost.core.XGBoostError as error:
            raise BackendError(
                f"Expected a booster, got an unreadable file - at {path}."
            ) from error

    def margins(self, rows: Rows) -> Margins:
        if len(rows) == 0:
            return np.empty(0, np.float32)
        try:
            margins = self._booster.inplace_predict(
                rows, predict_type="margin", validate_features=False
            )
        except xgboost.core.XGBoostError as error:
            raise BackendError(
                f"Expected rows for this booster, got {rows.dtype} {rows.shape} - at XGBoost."
            ) from error
        return cast("Margins", np.asarray(margins).reshape(len(rows)))
