"""Methods: a model that predicts in a way of its own is refused by name, wherever it is given."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xgboost

import bentoml_ext
from bentoml_ext.errors import ExportRefused
from bentoml_ext.export import to_onnx
from tests.support import small

LABEL = np.arange(60) % 2
OWN = "as XGBoost's own classes do, got .* with a `{}` of its own - at the model"


class Halved(xgboost.XGBClassifier):
    """Answers with half the probability."""

    def predict_proba(self, *args: Any, **named: Any) -> Any:
        """The halves."""
        return super().predict_proba(*args, **named) / 2


class Heir(Halved):
    """Inherits what is not XGBoost's."""


class Renamed(xgboost.XGBClassifier):
    """Fits in a way of its own, and predicts as XGBoost does."""

    def fit(self, *args: Any, **named: Any) -> Any:
        """As any other."""
        return super().fit(*args, **named)


class Mean(xgboost.Booster):
    """A booster that answers otherwise."""

    def predict(self, *args: Any, **named: Any) -> Any:
        """The mean."""
        return np.full(60, super().predict(*args, **named).mean())


def _saved(model: Any) -> Any:
    return bentoml_ext.save_model("methods", model, encoder=small.encoder())


def _fitted(kind: type[xgboost.XGBClassifier]) -> Any:
    return kind(n_estimators=3, n_jobs=1).fit(small.rows(60), LABEL)


@pytest.mark.parametrize("take", [_saved, to_onnx], ids=["save_model", "to_onnx"])
@pytest.mark.parametrize("kind", [Halved, Heir])
def test_a_subclass_that_predicts_by_itself_is_refused(take: Any, kind: Any) -> None:
    with pytest.raises(ExportRefused, match=OWN.format("predict_proba")):
        take(_fitted(kind))


def test_a_function_assigned_over_a_method_is_refused() -> None:
    model = _fitted(xgboost.XGBClassifier)
    model.predict_proba = lambda rows: rows

    with pytest.raises(ExportRefused, match=OWN.format("predict_proba")):
        _saved(model)


def test_a_booster_that_predicts_by_itself_is_refused() -> None:
    model = Mean(model_file=small.booster().save_raw())

    with pytest.raises(ExportRefused, match=OWN.format("predict")):
        _saved(model)


def test_a_subclass_that_predicts_as_xgboost_does_is_taken() -> None:
    model = _fitted(Renamed)

    scorer = bentoml_ext.load_model(_saved(model), "onnx")

    rows = small.rows(20)
    small.assert_same_bits(
        expected=model.get_booster().inplace_predict(rows, predict_type="margin"),
        got=scorer.margins(rows)[:, 0],
    )
