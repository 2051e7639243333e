"""XGBoost backend: scores with the booster itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import cast

import numpy as np
import xgboost

from bentoml_ext.arrays import Margins, Rows
from bentoml_ext.backends.base import Backend
from bentoml_ext.backends.native_sum import adds_in_place
from bentoml_ext.backends.xgboost_capi import DensePredictor
from bentoml_ext.errors import BackendError

__all__ = ["XGBoostBackend"]


class XGBoostBackend(Backend):
    """The booster's own margins, on one thread.

    As by `Booster.inplace_predict`; dart and gblinear by `Booster.predict` on a DMatrix: the one
    sums in another order in place, the other cannot.
    """

    name = "xgboost"
    filename = "booster.ubj"

    def __init__(self, path: Path) -> None:
        try:
            # The bits do not depend on threads; one per worker keeps workers off each other.
            self._booster = xgboost.Booster({"nthread": 1}, model_file=path)
        except xgboost.core.XGBoostError as error:
            raise BackendError(
                f"Expected a booster, got an unreadable file - at {path}."
            ) from error
        self._lock = Lock()
        config = json.loads(self._booster.save_config())
        is_tree = config["learner"]["gradient_booster"]["name"] == "gbtree"
        in_place = is_tree or adds_in_place(self._booster)
        self._dense = DensePredictor(self._booster) if in_place else None
        one = np.zeros((1, self._booster.num_features()), np.float32)
        self._none = self._margins(one)[:0]

    def margins(self, rows: Rows) -> Margins:
        if len(rows) == 0:
            return self._none.copy()
        try:
            return self._margins(rows)
        except xgboost.core.XGBoostError as error:
            raise BackendError(
                f"Expected rows for this booster, got {rows.dtype} {rows.shape} - at XGBoost."
            ) from error

    def _margins(self, rows: Rows) -> Margins:
        if self._dense is not None:
            return self._dense.margins(rows)
        matrix = xgboost.DMatrix(rows, nthread=1)
        # Of a linear booster this is not for two threads at once.
        with self._lock:
            found = self._booster.predict(matrix, output_margin=True, validate_features=False)
        return cast("Margins", found.reshape(len(rows), -1))

    def single(self, row: Rows, margins: Margins) -> Callable[[], None]:
        single = super().single if self._dense is None else self._dense.single
        return single(row, margins)
