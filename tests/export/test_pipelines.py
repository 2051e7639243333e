"""A scikit-learn pipeline around XGBoost as one ONNX file: its own bits, or a refusal by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pandas as pd
import pytest
import xgboost as xgb
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    RobustScaler,
    StandardScaler,
)

from bentoml_ext.backends.onnx_session import session
from bentoml_ext.errors import ExportRefused, ProofFailed
from bentoml_ext.export import pipeline_to_onnx
from bentoml_ext.export.pipelines.graph import pipeline_answers
from bentoml_ext.export.pipelines.rows import PipelineRows
from tests.support import small

N = 1_500
RANDOM = np.random.default_rng(5)
FRAME = pd.DataFrame(
    {
        "age": RANDOM.integers(18, 90, N),
        "income": RANDOM.lognormal(3, 1, N),
        "debt": RANDOM.normal(size=N).astype(np.float32),
        "owner": RANDOM.random(N) < 0.4,
        "home": RANDOM.choice(["own", "rent", "other"], N),
        "job": RANDOM.choice(list("abcdefgh"), N),
    }
)
FRAME.loc[RANDOM.random(N) < 0.1, "income"] = np.nan
TARGET = ((FRAME.age / 90 + FRAME.debt + (FRAME.home == "own")) > 1).astype(np.int64)
NUMBERS = ["age", "income", "debt"]
TEXTS = ["home", "job"]


def model(columns: list[tuple[str, Any, list[str]]], estimator: Any = None, **how: Any) -> Pipeline:
    """A pipeline of a ColumnTransformer and an estimator, fitted."""
    estimator = estimator or xgb.XGBClassifier(n_estimators=25, n_jobs=1)
    return make_pipeline(ColumnTransformer(columns, **how), estimator).fit(FRAME, TARGET)


def exact(pipeline: Pipeline, rows: Any = FRAME) -> ort.InferenceSession:
    """The file's session, after it gave the pipeline's bits on rows that the proof has not seen."""
    graph = pipeline_to_onnx(pipeline, rows)
    running = session(graph, 2)
    fresh = PipelineRows.of(rows).shuffled(3_000, 99, missing=False)
    for name, expected in pipeline_answers(pipeline, fresh.rows).items():
        (got,) = running.run([name], fresh.feed())
        if expected.dtype == np.float32:
            small.assert_same_bits(expected=expected.ravel(), got=got.ravel())
        else:
            np.testing.assert_array_equal(got, expected)
    return running


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize(
    "step", [StandardScaler(), RobustScaler(), MinMaxScaler(clip=True)], ids=str
)
def test_a_scaled_array_is_exact(step: Any, kind: Any) -> None:
    rows: np.ndarray = (RANDOM.normal(size=(N, 3)) * [1, 90, 1e-3]).astype(kind)
    estimator = xgb.XGBClassifier(n_estimators=25, n_jobs=1)

    running = exact(make_pipeline(clone(step), estimator).fit(rows, TARGET), rows)

    asked = {np.float32: "tensor(float)", np.float64: "tensor(double)"}[kind]
    assert [(one.name, one.type) for one in running.get_inputs()] == [("X", asked)]


@pytest.mark.parametrize("threshold", [0.0, 0.3, 1.0])
def test_a_column_transformer_is_exact_dense_and_sparse(threshold: float) -> None:
    # With 1.0 the estimator is handed a sparse matrix, whose zeros it takes for missing.
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    columns = [("numbers", numbers, NUMBERS), ("texts", OneHotEncoder(), TEXTS)]
    pipeline = model(columns, remainder="passthrough", sparse_threshold=threshold)

    running = exact(pipeline)

    assert pipeline[0].sparse_output_ == (threshold == 1.0)
    assert [one.name for one in running.get_inputs()] == list(FRAME.columns)


@pytest.mark.parametrize(
    "encoder",
    [
        OneHotEncoder(handle_unknown="ignore", sparse_output=False),
        OneHotEncoder(drop="first"),
        OneHotEncoder(drop="if_binary", dtype=np.float32),
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
        OrdinalEncoder(dtype=np.float32),
    ],
    ids=str,
)
def test_encoders_of_texts_numbers_and_flags_are_exact(encoder: Any) -> None:
    columns = [("codes", encoder, [*TEXTS, "age", "owner"]), ("rest", "passthrough", ["debt"])]

    exact(model(columns))


@pytest.mark.parametrize("estimator", [xgb.XGBRegressor, xgb.XGBRFClassifier])
def test_other_estimators_are_exact(estimator: type) -> None:
    columns = [("numbers", StandardScaler(), NUMBERS)]

    exact(model(columns, estimator(n_estimators=9, n_jobs=1)))


def test_a_category_that_was_not_known_is_nothing_where_the_pipeline_ignores_it() -> None:
    encoder = OneHotEncoder(handle_unknown="ignore")
    pipeline = model([("texts", encoder, TEXTS), ("numbers", "passthrough", NUMBERS)])
    rows = FRAME[:2].assign(home="castle")

    (got,) = exact(pipeline).run(["probabilities"], PipelineRows.of(rows).feed())

    small.assert_same_bits(expected=pipeline.predict_proba(rows), got=got)


@pytest.mark.parametrize("encoder", [OneHotEncoder(), OrdinalEncoder()], ids=str)
def test_a_category_that_the_pipeline_refuses_is_an_error(encoder: Any) -> None:
    pipeline = model([("texts", encoder, TEXTS), ("numbers", "passthrough", NUMBERS)])
    rows = FRAME[:2].assign(home="castle")
    running = exact(pipeline)

    with pytest.raises(ValueError, match="unknown categories"):
        pipeline.predict(rows)
    with pytest.raises(Exception, match="out of data bounds"):
        running.run(["probabilities"], PipelineRows.of(rows).feed())


REFUSED: dict[str, tuple[Any, str]] = {
    "PCA": (lambda: make_pipeline(PCA(2), xgb.XGBRegressor()), "got PCA - at step 'pca'"),
    "no estimator of XGBoost": (lambda: make_pipeline(StandardScaler()), "got StandardScaler"),
    "an imputer with indicators": (
        lambda: make_pipeline(SimpleImputer(add_indicator=True), xgb.XGBRegressor()),
        "add_indicator=True",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_is_refused_by_name(what: str) -> None:
    make, reason = REFUSED[what]
    rows = np.where(RANDOM.random((50, 3)) < 0.2, np.nan, 1.5)
    rows = np.nan_to_num(rows) if what == "PCA" else rows

    with pytest.raises(ExportRefused, match=reason):
        pipeline_to_onnx(make().fit(rows, TARGET[:50]), rows)


def test_a_pipeline_that_is_not_fitted_is_refused() -> None:
    pipeline = make_pipeline(StandardScaler(), xgb.XGBRegressor())

    with pytest.raises(ExportRefused, match="Expected a fitted pipeline"):
        pipeline_to_onnx(pipeline, np.ones((9, 2)))


def test_rows_of_other_columns_are_refused() -> None:
    pipeline = model([("numbers", StandardScaler(), NUMBERS)])

    with pytest.raises(ExportRefused, match=r"rows that it takes, got .*missing"):
        pipeline_to_onnx(pipeline, FRAME[["age", "debt"]])


def test_rare_categories_in_one_column_are_refused() -> None:
    pipeline = model([("texts", OneHotEncoder(min_frequency=300), TEXTS)])

    with pytest.raises(ExportRefused, match="every category to have a column - at step 'column"):
        pipeline_to_onnx(pipeline, FRAME)


def test_a_column_that_onnx_cannot_hold_is_refused_by_name() -> None:
    pipeline = model([("numbers", StandardScaler(), NUMBERS)])

    with pytest.raises(ExportRefused, match="got category - at column 'home'"):
        pipeline_to_onnx(pipeline, FRAME.astype({"home": "category"}))


def test_a_pipeline_that_answers_otherwise_is_not_exported() -> None:
    pipeline = model([("numbers", StandardScaler(), NUMBERS)])
    # As a subclass or a patch might: the fitted numbers are not those that `transform` uses.
    scaler = pipeline[0].named_transformers_["numbers"]
    scaler.transform = lambda rows: np.round(StandardScaler.transform(scaler, rows), 1)

    with pytest.raises((ProofFailed, ExportRefused)):
        pipeline_to_onnx(pipeline, FRAME)


def test_the_file_says_what_it_was_made_of() -> None:
    graph = pipeline_to_onnx(model([("numbers", StandardScaler(), NUMBERS)]), FRAME)
    told = {entry.key: entry.value for entry in graph.metadata_props}

    onnx.checker.check_model(graph, full_check=True)
    assert "columntransformer: ColumnTransformer" in told["bentoml_ext.pipeline"]
    assert told["bentoml_ext.thread_proof"] == "true"
