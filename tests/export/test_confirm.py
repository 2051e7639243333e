"""A graph is handed out only after it has answered as the model does, margin and prediction."""

from __future__ import annotations

import numpy as np
import pytest
import xgboost as xgb

from benchmarks.making import CODES, fit, objective, train
from bentoml_ext.boosters.xgb.confirm import read
from bentoml_ext.errors import ExportRefused
from bentoml_ext.export import to_onnx
from bentoml_ext.export.confirm import confirm, distinguishing_rows
from bentoml_ext.export.graph.builder import GraphBuilder
from bentoml_ext.export.graph.predictions import OBJECTIVES


@pytest.mark.parametrize("deterministic_threads", [True, False])
def test_a_prediction_that_is_not_the_models_is_refused(
    deterministic_threads: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def a_bit_off(ops: GraphBuilder, margins: str) -> str:
        return ops.add("Sigmoid", margins)

    monkeypatch.setitem(OBJECTIVES, "binary:logistic", a_bit_off)
    booster = train("binary", objective="binary:logistic")

    with pytest.raises(ExportRefused, match=r"Expected prediction 0x.*, got 0x.* - at probe row"):
        to_onnx(booster, deterministic_threads=deterministic_threads)
    to_onnx(booster, deterministic_threads=deterministic_threads, with_prediction=False)


def test_a_margin_that_is_not_the_models_is_refused() -> None:
    booster, other = train("score"), train("score", eta=0.2)

    with pytest.raises(ExportRefused, match=r"Expected margin -?0x.*, got -?0x.* - at probe row"):
        confirm(to_onnx(other), booster, *read(booster))


def test_a_classifiers_probabilities_are_compared_with_its_own() -> None:
    model = fit(xgb.XGBClassifier, "classes")
    graph = to_onnx(model)
    other = fit(xgb.XGBClassifier, "classes", eta=0.2)

    with pytest.raises(ExportRefused, match="probe row"):
        confirm(graph, other, *read(other))


def test_rows_stand_on_splits_beside_them_and_on_codes() -> None:
    _, ensemble = read(train("binary", rows="codes", how=CODES, max_cat_to_onehot=1))
    rows = distinguishing_rows(ensemble)
    trees = ensemble.model
    numeric = np.unique(trees.threshold[~trees.is_leaf & ~trees.categorical])  # type: ignore[union-attr]

    assert np.isin(numeric, rows).mean() > 0.5
    assert np.isin(np.nextafter(numeric, np.float32(np.inf)), rows).any()
    assert np.isnan(rows).any()
    assert not np.isinf(rows).any()


def test_wide_models_are_confirmed_on_fewer_rows() -> None:
    rows = np.zeros((8, 70_000), np.float32)
    rows[:, 3] = np.arange(8)
    booster = xgb.train({"max_depth": 2}, xgb.DMatrix(rows, label=np.arange(8)), 2)

    assert distinguishing_rows(read(booster)[1]).size <= 4_000_000


def test_crossing_quantiles_are_among_the_rows() -> None:
    booster = objective("reg:quantileerror", quantile_alpha=[0.4, 0.5, 0.6], max_depth=5, eta=1.0)
    source, ensemble = read(booster)
    margins = source.margins(distinguishing_rows(ensemble))

    assert (np.diff(margins, axis=1) < 0).any()
