"""skl2onnx converts pipelines around XGBoost's estimators with XGBoost's own bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import skl2onnx
import xgboost as xgb
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from benchmarks.comparison import equal_share
from bentoml_ext.errors import ExportRefused
from bentoml_ext.export.skl2onnx_converter import register_with_skl2onnx

GENERATOR = np.random.default_rng(2)
ROWS = GENERATOR.normal(size=(300, 4)).astype(np.float32)
CLASSES = GENERATOR.integers(0, 3, 300)
BINARY = (CLASSES > 0).astype(np.int64)
LABELS = np.stack([BINARY, CLASSES == 1], axis=1).astype(np.int64)


@pytest.fixture(autouse=True, scope="module")
def _registered() -> None:
    register_with_skl2onnx()


def run(graph: onnx.ModelProto, rows: np.ndarray) -> list[Any]:
    # A default session, with a thread for every core, as users of skl2onnx have.
    session = ort.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    outputs: list[Any] = session.run(None, {"X": rows})
    return outputs


def pipeline(model: xgb.XGBModel, target: np.ndarray) -> Pipeline:
    return Pipeline([("same", FunctionTransformer()), ("model", model)]).fit(ROWS, target)


@pytest.mark.parametrize("opset", [13, 17, 18, 21])
@pytest.mark.parametrize("estimator", [xgb.XGBClassifier, xgb.XGBRFClassifier])
@pytest.mark.parametrize("target", [BINARY, CLASSES, LABELS], ids=["binary", "three", "labels"])
def test_classifier_in_a_pipeline_has_the_bits_of_predict_proba(
    estimator: type[xgb.XGBClassifier], target: np.ndarray, opset: int
) -> None:
    model = pipeline(estimator(n_estimators=40), target)
    graph = skl2onnx.to_onnx(
        model, ROWS[:1], options={estimator: {"zipmap": False}}, target_opset=opset
    )
    label, probabilities = run(graph, ROWS)

    np.testing.assert_array_equal(label, model.predict(ROWS))
    assert equal_share(model.predict_proba(ROWS), probabilities) == 1.0


@pytest.mark.parametrize(
    ("estimator", "target"),
    [
        (xgb.XGBRegressor, CLASSES),
        (xgb.XGBRegressor, LABELS),
        (xgb.XGBRFRegressor, CLASSES),
    ],
)
def test_regressor_in_a_pipeline_has_the_bits_of_predict(
    estimator: type[xgb.XGBRegressor], target: np.ndarray
) -> None:
    model = pipeline(estimator(n_estimators=40), target)
    (variable,) = run(skl2onnx.to_onnx(model, ROWS[:1]), ROWS)

    assert equal_share(model.predict(ROWS).reshape(len(ROWS), -1), variable) == 1.0


def test_ranker_has_the_bits_of_predict() -> None:
    model = xgb.XGBRanker(n_estimators=40).fit(ROWS, BINARY, qid=np.repeat(np.arange(10), 30))
    (variable,) = run(skl2onnx.to_onnx(model, ROWS[:1]), ROWS)

    assert equal_share(model.predict(ROWS)[:, None], variable) == 1.0


def test_default_options_give_a_dictionary_for_each_row() -> None:
    model = pipeline(xgb.XGBClassifier(n_estimators=3), BINARY)
    _, dictionaries = run(skl2onnx.to_onnx(model, ROWS[:1]), ROWS[:2])

    assert [sorted(one) for one in dictionaries] == [[0, 1], [0, 1]]


def test_rows_of_float64_are_rounded_as_xgboost_rounds_them() -> None:
    wide = GENERATOR.normal(size=(300, 4))
    model = Pipeline([("scale", StandardScaler()), ("model", xgb.XGBRegressor(n_estimators=9))])
    model.fit(wide, CLASSES)
    (variable,) = run(skl2onnx.to_onnx(model, wide[:1]), wide)

    assert equal_share(model.predict(wide)[:, None], variable) == 1.0


def test_an_old_opset_is_refused() -> None:
    model = pipeline(xgb.XGBRegressor(n_estimators=3), CLASSES)

    with pytest.raises(ExportRefused, match="opset 13"):
        skl2onnx.to_onnx(model, ROWS[:1], target_opset=12)
