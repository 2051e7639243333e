"""Records: a pipeline that begins with a DictVectorizer answers what it answers itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_selection import VarianceThreshold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MaxAbsScaler

from bentoml_ext.errors import ExportRefused
from bentoml_ext.preprocessing.comparing import compare_pipeline
from bentoml_ext.preprocessing.compiling import compile_pipeline
from tests.preprocessing.test_compiling import frame_of

Records = list[dict[str, Any]]


@pytest.fixture(scope="module")
def records() -> Records:
    frame = frame_of(np.random.default_rng(8))[["age", "income", "owns", "home", "job"]]
    found: Records = frame.astype(object).to_dict(orient="records")
    for record in found[::5]:
        record["tags"] = ["new", "local"]
    return [{"tags": "old", **record} for record in found]


def fitted(records: Records, *steps: Any) -> Pipeline:
    pipeline = make_pipeline(*steps, xgb.XGBClassifier(n_estimators=5, max_depth=3, n_jobs=1))
    return pipeline.fit(records, np.arange(len(records)) % 3 == 0)


@pytest.mark.parametrize(
    "steps",
    [
        (DictVectorizer(),),
        (DictVectorizer(sparse=False, dtype=np.float32),),
        (DictVectorizer(sort=False), VarianceThreshold(0.05)),
    ],
)
@pytest.mark.parametrize("as_frame", [False, True])
def test_rows_and_predictions_are_the_pipelines_own(
    steps: tuple[Any, ...], as_frame: bool, records: Records
) -> None:
    pipeline = fitted(records, *steps)
    made = compile_pipeline(pipeline, pd.DataFrame(records) if as_frame else records)

    part = compare_pipeline(made, made.estimator.get_booster())

    assert part.holds, part.difference
    assert part.checked > 2_000


def test_an_application_says_what_the_records_said(records: Records) -> None:
    encoder = compile_pipeline(fitted(records, DictVectorizer()), records).encoder

    encoder.check(
        {"age": 3, "income": None, "owns": True, "home": "a boat", "job": None, "tags": ["new"]}
    )
    assert encoder.step("age").columns_filled != encoder.step("home").columns_filled


def test_another_step_behind_it_is_refused_by_name(records: Records) -> None:
    pipeline = fitted(records, DictVectorizer(), MaxAbsScaler())

    with pytest.raises(ExportRefused, match="got MaxAbsScaler - at step 'maxabsscaler'"):
        compile_pipeline(pipeline, records)
