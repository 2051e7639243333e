"""Natives: pandas' categories reach XGBoost through a pipeline, and are served by their texts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from sklearn.compose import make_column_transformer as columns
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from bentoml_ext.errors import InvalidApplication
from bentoml_ext.preprocessing import compiling
from bentoml_ext.preprocessing.comparing import compare_pipeline
from bentoml_ext.preprocessing.compiling import Compiled, compile_pipeline
from bentoml_ext.preprocessing.frames import applications_of
from bentoml_ext.preprocessing.natives import natives_of
from tests.encoders.test_every_route import assert_routes
from tests.preprocessing.test_compiling import frame_of

NAMES = ["age", "income", "home", "job", "grade"]


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    made = frame_of(np.random.default_rng(4))[NAMES]
    return made.astype({"home": "category", "job": "category", "grade": "category"})


def compiled(frame: pd.DataFrame, *steps: Any, **how: Any) -> Compiled:
    model = xgb.XGBClassifier(n_estimators=6, max_depth=4, enable_categorical=True, n_jobs=1, **how)
    pipeline = make_pipeline(*steps, model)
    pipeline.fit(frame, (frame["home"] == "rent") ^ (frame["grade"].astype(int) > 2))
    return compile_pipeline(pipeline, frame)


STEPS = {
    "no step": (),
    "handed on": (
        columns(
            (make_pipeline(SimpleImputer(), StandardScaler()), ["age", "income"]),
            ("passthrough", ["home", "job", "grade"]),
            verbose_feature_names_out=False,
        ).set_output(transform="pandas"),
    ),
    "what remains": (
        columns((StandardScaler(), ["income"]), remainder="passthrough").set_output(
            transform="pandas"
        ),
    ),
    "beside columns of their own": (
        columns(
            (OneHotEncoder(sparse_output=False, handle_unknown="ignore"), ["home", "grade"]),
            ("passthrough", ["home", "grade"]),
        ).set_output(transform="pandas"),
    ),
}


@pytest.mark.parametrize("codes", [1, 100])
@pytest.mark.parametrize("steps", STEPS)
def test_categories_are_answered_as_the_pipeline_answers(
    steps: str, codes: int, frame: pd.DataFrame
) -> None:
    made = compiled(frame, *STEPS[steps], max_cat_to_onehot=codes)

    part = compare_pipeline(made, made.estimator.get_booster())

    assert part.holds, part.difference
    assert part.checked > 1_000
    assert_routes(made.encoder, applications_of(frame, made.encoder)[:50])


def test_a_category_that_training_lacked_is_refused(frame: pd.DataFrame) -> None:
    declared = pd.Categorical(frame["home"], [*frame["home"].cat.categories, "tent"])
    made = compiled(frame.assign(home=declared))
    right = dict(applications_of(frame.head(1), made.encoder)[0])

    made.encoder.check(right | {"home": "tent"})
    for wrong in ({"home": "boat"}, {"grade": 7}, {"grade": "2"}):
        with pytest.raises(InvalidApplication):
            made.encoder.check(right | wrong)


def test_texts_beyond_ascii_are_categories(frame: pd.DataFrame) -> None:
    texts = np.random.default_rng(2).choice(["Müller", "Maß", "", "zürich", "a"], len(frame))
    made = compiled(frame.assign(place=pd.Categorical(texts)))

    assert compare_pipeline(made, made.estimator.get_booster()).holds
    assert made.encoder.fields[-1].categories == ("", "Maß", "Müller", "a", "zürich")


def test_codes_of_an_ordinal_encoder_may_be_categories(frame: pd.DataFrame) -> None:
    made = compiled(
        frame,
        columns((OrdinalEncoder(), ["home", "grade"]), ("passthrough", ["age"])),
        feature_types=["c", "c", "q"],
    )

    assert compare_pipeline(made, made.estimator.get_booster()).holds


def test_a_wrong_code_is_found_by_the_proof(
    frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    def turned(pipeline: Any, example: Any) -> Any:
        return {at: known[::-1] for at, known in natives_of(pipeline, example).items()}

    monkeypatch.setattr(compiling, "natives_of", turned)
    made = compiled(frame)

    assert not compare_pipeline(made, made.estimator.get_booster()).holds
