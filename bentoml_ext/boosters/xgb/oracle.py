"""Oracle: the booster's own answers, which every other form of the model must give."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import xgboost as xgb

from bentoml_ext.arrays import Margins, Probabilities, Rows
from bentoml_ext.backends.native_sum import adds_in_place
from bentoml_ext.boosters.base import Truth
from bentoml_ext.boosters.ensemble import Ensemble, Floats
from bentoml_ext.boosters.xgb.sigmoid import is_shared, native
from bentoml_ext.objectives.logistic import probabilities
from bentoml_ext.objectives.table import objective_of

__all__ = ["Oracle", "on_one_thread"]


class Oracle:
    """Asks the booster.

    gbtree, and dart of an estimator, is asked by `Booster.inplace_predict`, which takes infinities.
    gblinear and any other dart are asked by `Booster.predict` on a DMatrix, because the one cannot
    and the other sums otherwise in place.

    Args:
        booster: the trained one.
        ensemble: what was read of it.
        missing: a number that means missing besides NaN, as an estimator's `missing=`.
    """

    def __init__(
        self, booster: xgb.Booster, ensemble: Ensemble, missing: float | None = None
    ) -> None:
        self.booster = booster
        # XGBoost compares in float32.
        self._missing = None if missing is None or np.isnan(missing) else np.float32(missing)
        self.objective = objective_of(ensemble.objective, ensemble.transform)
        self.n_margins = ensemble.n_targets
        self._has_one_sum = ensemble.kind == "gbtree"
        self.in_place = self._has_one_sum or adds_in_place(booster)

    @property
    def name(self) -> str:
        """What was asked, in words."""
        asked = "inplace_predict" if self.in_place else "predict on a DMatrix"
        marker = "" if self._missing is None else f", NaN and {self._missing:g} missing"
        return f"Booster.{asked}, xgboost {xgb.__version__}{marker}"

    @property
    def takes_infinities(self) -> bool:
        """Whether rows may hold them: a DMatrix refuses them."""
        return self.in_place

    @property
    def has_one_log_odds(self) -> bool:
        """Whether a row has one margin, and that a log-odds."""
        return self.objective.output == "probability" and self.n_margins == 1

    @property
    def has_another_expf(self) -> bool:
        """Whether XGBoost's own predictions on this machine are not those that are served."""
        has_own = self.objective.uses_expf and not self.objective.predicts_margins
        return has_own and not is_shared()

    def truth(self, rows: Rows) -> Truth:
        """The answers to rows: float32, (n, n_features), n > 0, NaN or the marker for missing."""
        rows = self.read(rows)
        margins, predictions = self._in_place(rows) if self.in_place else self._by_matrix(rows)
        is_ours = self.objective.predicts_margins or self.has_another_expf
        served = self.objective.served(margins) if is_ours else predictions
        return Truth(margins, predictions, served)

    @property
    def other_ways(self) -> Mapping[str, Callable[[Rows], Margins]]:
        """A DMatrix, where it has the sum of the call in place; it takes no infinities."""
        return {"DMatrix": self._margins_by_matrix} if self._has_one_sum else {}

    def probabilities(self, margins: Margins) -> Probabilities:
        """float32, (n, 1): XGBoost's sigmoid of margins, (n, 1); ours if it has another expf."""
        return (native if is_shared() else probabilities)(margins)

    def read(self, rows: Rows) -> Rows:
        """The rows as the booster reads them: NaN where the marker stands."""
        if self._missing is None:
            return rows
        return np.where(rows == self._missing, np.float32(np.nan), rows)

    def marked(self, rows: Rows) -> Rows:
        """The rows, and again those with a missing value with the marker in its place."""
        if self._missing is None:
            return rows
        lacking = rows[np.isnan(rows).any(axis=1)]
        return np.concatenate([rows, np.where(np.isnan(lacking), self._missing, lacking)])

    def _in_place(self, rows: Rows) -> tuple[Floats, Floats]:
        margins, predictions = (
            self.booster.inplace_predict(rows, predict_type=kind, validate_features=False)
            for kind in ("margin", "value")
        )
        return _columns(margins, rows), _columns(predictions, rows)

    def _by_matrix(self, rows: Rows) -> tuple[Floats, Floats]:
        matrix = xgb.DMatrix(rows, nthread=1)
        return self._predicted(matrix, margin=True), self._predicted(matrix, margin=False)

    def _margins_by_matrix(self, rows: Rows) -> Margins:
        return self._predicted(xgb.DMatrix(self.read(rows), nthread=1), margin=True)

    def _predicted(self, matrix: xgb.DMatrix, *, margin: bool) -> Floats:
        found = self.booster.predict(matrix, output_margin=margin, validate_features=False)
        result: Floats = np.asarray(found, np.float32).reshape(matrix.num_row(), -1)
        return result


@contextmanager
def on_one_thread(booster: xgb.Booster) -> Iterator[None]:
    """The booster on one thread, and afterwards on as many as before.

    Its bits do not depend on threads, which only wait for one another on a busy machine. There a
    proof takes three times as long with them.
    """
    before = json.loads(booster.save_config())["learner"]["generic_param"]["nthread"]
    booster.set_param({"nthread": 1})
    try:
        yield
    finally:
        booster.set_param({"nthread": int(before)})


def _columns(found: object, rows: Rows) -> Floats:
    result: Floats = np.asarray(found, np.float32).reshape(len(rows), -1)
    return result
