"""Estimator: the booster behind a model, and what the model's own predict does around it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import xgboost as xgb
from sklearn.exceptions import NotFittedError

from bentoml_ext.arrays import Rows
from bentoml_ext.backends.native_sum import adds_in_place
from bentoml_ext.boosters.ensemble import Floats
from bentoml_ext.boosters.xgb.methods import check_methods
from bentoml_ext.boosters.xgb.rounds import best_rounds, check_whole
from bentoml_ext.errors import ExportRefused

__all__ = ["EstimatorView", "Model"]

Model = xgb.Booster | xgb.XGBModel
"""What can be exported: a booster or any of XGBoost's scikit-learn estimators."""


@dataclass(frozen=True, eq=False)
class EstimatorView:
    """A model to export.

    Args:
        booster: what holds the trees.
        rounds: how many boosting rounds the model uses, where it has more; None is all.
        missing: a number that means missing besides NaN, a float32 value; None for NaN alone.
        n_classes: of a classifier, which answers with `predict_proba`; None for all others.
        scipy_softmax: whether `predict_proba` leaves XGBoost's softmax aside and takes scipy's.
        inplace: whether the model predicts by `Booster.inplace_predict`, not by way of a DMatrix.
    """

    booster: xgb.Booster
    rounds: int | None = None
    missing: float | None = None
    n_classes: int | None = None
    scipy_softmax: bool = False
    inplace: bool = False

    @classmethod
    def of(cls, model: Any) -> EstimatorView:
        """The source of a booster or an estimator.

        A booster uses all of its trees and predicts through a DMatrix, as `Booster.predict` does.
        An estimator that stopped training early uses the trees up to its best iteration. It has its
        own marker for missing values, and predicts in place (gblinear: through a DMatrix).

        Raises:
            ExportRefused: anything else, or an estimator that is not fitted.
        """
        check_methods(model)
        if isinstance(model, xgb.Booster):
            return cls(model, inplace=adds_in_place(model))
        if not isinstance(model, xgb.XGBModel):
            raise ExportRefused(
                f"Expected an xgboost Booster or scikit-learn estimator, got {type(model).__name__}"
                " - at the model."
            )
        try:
            booster = model.get_booster()
        except NotFittedError as error:
            raise ExportRefused(
                f"Expected a fitted estimator, got {error} - at the model."
            ) from error
        check_whole(booster)
        linear = model.booster == "gblinear"
        classifier = isinstance(model, xgb.XGBClassifier)
        return cls(
            booster,
            rounds=best_rounds(booster),
            missing=_marker(model.missing),
            n_classes=int(model.n_classes_) if classifier else None,
            scipy_softmax=classifier and model.objective == "multi:softmax",
            inplace=not linear,
        )

    def margins(self, rows: Rows) -> Floats:
        """float32, (n, n_targets): the model's own margins, by XGBoost.

        Args:
            rows: float32, (n, n_features). gblinear, and any Booster, refuses infinities.
        """
        return self._predict(rows, margin=True).reshape(len(rows), -1)

    def predictions(self, model: Model, rows: Rows) -> Floats:
        """float32: what the model's own `predict` says, a classifier's `predict_proba`.

        Args:
            model: the one that this is the source of.
            rows: float32, (n, n_features). gblinear, and any Booster, refuses infinities.
        """
        if isinstance(model, xgb.Booster):
            return self._predict(rows, margin=False)
        ask = model.predict if self.n_classes is None else model.predict_proba
        result: Floats = np.asarray(ask(rows, validate_features=False))
        return result

    def _predict(self, rows: Rows, *, margin: bool) -> Floats:
        missing = math.nan if self.missing is None else self.missing
        used = (0, self.rounds or 0)
        if self.inplace:
            predicted = self.booster.inplace_predict(
                rows,
                iteration_range=used,
                predict_type="margin" if margin else "value",
                missing=missing,
                validate_features=False,
            )
        else:
            predicted = self.booster.predict(
                xgb.DMatrix(rows, missing=missing),
                iteration_range=used,
                output_margin=margin,
                validate_features=False,
            )
        result: Floats = np.asarray(predicted)
        return result


def _marker(missing: float | None) -> float | None:
    """The marker as XGBoost compares it: in float32."""
    if missing is None or math.isnan(missing):
        return None
    return float(np.float32(missing))
