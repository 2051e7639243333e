"""skl2onnx converts pipelines around XGBoost's estimators with XGBoost's own bits."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import skl2onnx
import xgboost as xgb
from skl2onnx.common.data_types import StringTensorType
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.decomposition import PCA
from sklearn.ensemble import BaggingClassifier, StackingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    PowerTransformer,
    RobustScaler,
    StandardScaler,
)

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
    # Users of skl2onnx run default sessions, with more threads than one.
    options = ort.SessionOptions()
    options.intra_op_num_threads = 2
    session = ort.InferenceSession(
        graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    outputs: list[Any] = session.run(None, {"X": rows})
    return outputs


def pipeline(model: xgb.XGBModel, target: np.ndarray) -> Pipeline:
    return Pipeline([("same", FunctionTransformer()), ("model", model)]).fit(ROWS, target)


@pytest.mark.parametrize("opset", [13, 17, 21])
@pytest.mark.parametrize("estimator", [xgb.XGBClassifier, xgb.XGBRFClassifier])
@pytest.mark.parametrize("target", [BINARY, CLASSES, LABELS], ids=["binary", "three", "labels"])
def test_classifier_in_a_pipeline_has_the_bits_of_predict_proba(
    estimator: type[xgb.XGBClassifier], target: np.ndarray, opset: int
) -> None:
    model = pipeline(estimator(n_estimators=12, n_jobs=1), target)
    graph = skl2onnx.to_onnx(
        model, ROWS[:1], options={estimator: {"zipmap": False}}, target_opset=opset
    )
    label, probabilities = run(graph, ROWS)

    np.testing.assert_array_equal(label, model.predict(ROWS))
    assert equal_share(model.predict_proba(ROWS), probabilities) == 1.0


@pytest.mark.parametrize("target", [BINARY, CLASSES], ids=["two", "three"])
def test_a_classifier_with_multi_softmax_has_the_bits_of_scipys_softmax(target: np.ndarray) -> None:
    how = {"objective": "multi:softmax", "num_class": int(target.max()) + 1}
    model = pipeline(xgb.XGBClassifier(n_estimators=9, n_jobs=1, **how), target)
    options = {xgb.XGBClassifier: {"zipmap": False}}
    label, probabilities = run(skl2onnx.to_onnx(model, ROWS[:1], options=options), ROWS)

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
    model = pipeline(estimator(n_estimators=12, n_jobs=1), target)
    (variable,) = run(skl2onnx.to_onnx(model, ROWS[:1]), ROWS)

    assert equal_share(model.predict(ROWS).reshape(len(ROWS), -1), variable) == 1.0


def test_ranker_has_the_bits_of_predict() -> None:
    model = xgb.XGBRanker(n_estimators=12, n_jobs=1).fit(
        ROWS, BINARY, qid=np.repeat(np.arange(10), 30)
    )
    (variable,) = run(skl2onnx.to_onnx(model, ROWS[:1]), ROWS)

    assert equal_share(model.predict(ROWS)[:, None], variable) == 1.0


def test_default_options_give_a_dictionary_for_each_row() -> None:
    model = pipeline(xgb.XGBClassifier(n_estimators=3, n_jobs=1), BINARY)
    _, dictionaries = run(skl2onnx.to_onnx(model, ROWS[:1]), ROWS[:2])

    assert [sorted(one) for one in dictionaries] == [[0, 1], [0, 1]]


def test_rows_of_float64_are_rounded_as_xgboost_rounds_them() -> None:
    wide = GENERATOR.normal(size=(300, 4))
    model = Pipeline(
        [("scale", StandardScaler()), ("model", xgb.XGBRegressor(n_estimators=9, n_jobs=1))]
    )
    model.fit(wide, CLASSES)
    (variable,) = run(skl2onnx.to_onnx(model, wide[:1]), wide)

    assert equal_share(model.predict(wide)[:, None], variable) == 1.0


SCALERS = [
    StandardScaler(),
    StandardScaler(with_std=False),
    RobustScaler(),
    MinMaxScaler(),
    MinMaxScaler(clip=True),
    MaxAbsScaler(),
    SimpleImputer(strategy="median"),
]


@pytest.mark.parametrize("step", SCALERS, ids=str)
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_steps_of_numbers_have_scikit_learns_own_bits(step: Any, kind: Any) -> None:
    rows: np.ndarray = (GENERATOR.normal(size=(3_000, 4)) * [1, 50, 1e-3, 7] + [0, 3, 0, 9]).astype(
        kind
    )
    target = rows[:, 0] + rows[:, 1] / 50 > GENERATOR.normal(size=3_000)
    model = make_pipeline(clone(step), xgb.XGBClassifier(n_estimators=50, n_jobs=1))
    model.fit(rows, target)
    with warnings.catch_warnings(action="ignore"):
        graph = skl2onnx.to_onnx(model, rows[:1], options={xgb.XGBClassifier: {"zipmap": False}})
    label, probabilities = run(graph, rows)

    np.testing.assert_array_equal(label, model.predict(rows))
    assert equal_share(model.predict_proba(rows), probabilities) == 1.0


def test_a_step_in_float32_is_said_to_be_one() -> None:
    model = make_pipeline(StandardScaler(), xgb.XGBRegressor(n_estimators=3, n_jobs=1))
    model.fit(ROWS.astype(np.float64), CLASSES)

    with pytest.warns(UserWarning, match="StandardScaler computes in float32"):
        skl2onnx.to_onnx(model, ROWS[:1])


def test_imputers_of_texts_ahead_of_other_estimators_are_left_to_skl2onnx() -> None:
    texts = np.array([["a"], ["b"], [""], ["a"]], object)
    imputer = SimpleImputer(missing_values="", strategy="constant", fill_value="b")
    model = make_pipeline(imputer, OneHotEncoder(sparse_output=False)).fit(texts)
    kinds = [("X", StringTensorType([None, 1]))]
    (found,) = run(skl2onnx.convert_sklearn(model, initial_types=kinds), texts)

    np.testing.assert_array_equal(found, model.transform(texts))


@pytest.mark.parametrize("step", [PCA(2), OneHotEncoder(), PowerTransformer()], ids=str)
def test_a_step_that_is_not_exact_is_refused_by_name(step: Any) -> None:
    rows = np.round(ROWS)
    model = make_pipeline(clone(step), xgb.XGBRegressor(n_estimators=3, n_jobs=1))
    model.fit(rows, CLASSES)

    with pytest.raises(ExportRefused, match=rf"got {type(step).__name__} - ahead of the estimator"):
        skl2onnx.to_onnx(model, rows[:1])


@pytest.mark.parametrize("zipmap", [True, False])
@pytest.mark.parametrize(
    "around",
    [
        lambda inner: CalibratedClassifierCV(inner, cv=2),
        lambda inner: StackingClassifier([("inner", inner)], LogisticRegression(), cv=2),
        lambda inner: BaggingClassifier(inner, n_estimators=2),
        OneVsRestClassifier,
    ],
    ids=["calibrated", "stacked", "bagged", "one against the rest"],
)
def test_an_estimator_within_another_is_refused_by_the_others_name(
    around: Any, zipmap: bool
) -> None:
    whole = around(xgb.XGBClassifier(n_estimators=3))
    steps = make_pipeline(StandardScaler(), whole).fit(ROWS, BINARY)

    with pytest.raises(ExportRefused, match=f"got one within {type(whole).__name__} - at XGB"):
        skl2onnx.to_onnx(steps, ROWS[:1], options={id(whole): {"zipmap": zipmap}})


def test_an_old_opset_is_refused() -> None:
    model = pipeline(xgb.XGBRegressor(n_estimators=3, n_jobs=1), CLASSES)

    with pytest.raises(ExportRefused, match="opset 13"):
        skl2onnx.to_onnx(model, ROWS[:1], target_opset=12)
