"""Exported: the whole of a pipeline's application as one ONNX file."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
import pandas as pd
import pytest
import xgboost as xgb
from sklearn.compose import make_column_transformer as columns
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder, OrdinalEncoder, StandardScaler

import bentoml_ext
from bentoml_ext.preprocessing.frames import applications_of
from bentoml_ext.proving import exported_application
from bentoml_ext.proving.application_graph import feed
from tests.preprocessing.test_compiling import frame_of


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    random = np.random.default_rng(9)
    frame = frame_of(random)
    gaps = np.where(random.random(len(frame)) < 0.2, np.nan, random.integers(0, 4, len(frame)))
    return frame.assign(gaps=gaps, rate=random.choice([1.0, 2.5, 7.1], len(frame)))


def test_a_graph_of_a_pipeline_gives_the_bits_of_predict_proba(frame: pd.DataFrame) -> None:
    filled = make_pipeline(
        SimpleImputer(strategy="most_frequent"),
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
    )
    pipeline = make_pipeline(
        columns(
            (make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), ["income"]),
            (KBinsDiscretizer(3), ["age"]),
            # A field that is a category and a number.
            (OneHotEncoder(handle_unknown="ignore"), ["home", "grade"]),
            (StandardScaler(), ["age", "owns", "grade"]),
            (OneHotEncoder(), ["rate"]),
            (filled, ["gaps"]),
        ),
        xgb.XGBClassifier(n_estimators=6, max_depth=3, n_jobs=1),
    )
    pipeline.fit(frame, frame["income"].fillna(0) > 180)
    stored = bentoml_ext.save_model("exported_pipeline", pipeline, example=frame)
    bundle = bentoml_ext.load_bundle(stored)

    made = exported_application.make(bundle, stored.tag)

    session = ort.InferenceSession(made.data)
    asked = applications_of(frame, bundle.encoder)
    (found,) = session.run(["probability"], feed(bundle.encoder, asked))
    assert np.array_equal(found[:, 0], pipeline.predict_proba(frame)[:, 1])
    # Null is an empty text to ONNX, and the service takes no null there.
    asked[0] = {**asked[0], "home": None}
    (margin,) = session.run(["margin"], feed(bundle.encoder, asked))
    assert np.isnan(margin[0, 0])
    assert not np.isnan(margin[1, 0])
