"""Questions: `save_model` asks what an import asks, in the words of its own arguments."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xgboost
from sklearn.feature_extraction import DictVectorizer

import bentoml_ext
from bentoml_ext.cli import render
from bentoml_ext.encoders.encoder import Encoder, Field, MissingValue
from bentoml_ext.errors import FeatureMismatch
from tests.support import small
from tests.support.kept import applications, outcomes, trained

MADE = applications(1500)
LABEL = outcomes(MADE)
NAMES = ("age", "income")
SOME = np.arange(len(MADE)) % 5 == 0
NULLABLE = (Field("age"), Field("income", nullable=True))
TREES: dict[str, Any] = {"n_estimators": 30, "max_depth": 4, "n_jobs": 1}


def frame(marker: float = math.nan) -> pd.DataFrame:
    """Two numbers, some of which are missing."""
    made = pd.DataFrame(MADE)[list(NAMES)].astype(float)
    made.loc[SOME, "income"] = marker
    return made


def booster(marker: float = math.nan) -> xgboost.Booster:
    """A booster, whose matrix alone knew the marker."""
    matrix = xgboost.DMatrix(frame(marker), LABEL, missing=marker)
    return xgboost.train({"objective": "binary:logistic", "nthread": 1}, matrix, 20)


def saved(model: Any, encoder: Encoder, **more: Any) -> bentoml_ext.Scorer:
    return bentoml_ext.load_model(
        bentoml_ext.save_model("questions", model, encoder=encoder, **more), "onnx"
    )


@pytest.mark.parametrize("marker", [math.nan, -1.0])
def test_the_marker_of_a_matrix_is_asked_for(marker: float) -> None:
    model = booster(marker)

    with pytest.raises(FeatureMismatch, match=r"got neither - at column 1, 'income', of the boost"):
        saved(model, Encoder(NAMES))

    scorer = saved(model, Encoder(NAMES, NULLABLE, null="missing", missing=marker))
    rows = scorer.encoder.rows(frame(marker).to_dict("records"))
    small.assert_same_bits(
        expected=model.predict(xgboost.DMatrix(frame(marker), missing=marker), output_margin=True),
        got=scorer.margins(rows)[:, 0],
    )


@pytest.mark.parametrize(
    "encoder",
    [Encoder(NAMES, NULLABLE, null="missing"), Encoder(NAMES, missing=math.nan)],
    ids=["null was missing", "no application lacks it"],
)
def test_an_answer_in_the_encoder_is_taken(encoder: Encoder) -> None:
    saved(booster(), encoder)


def test_null_as_zero_is_not_what_was_missing() -> None:
    with pytest.raises(FeatureMismatch, match=r'got null="zero" - at column 1'):
        saved(booster(), Encoder(NAMES, NULLABLE))


def test_an_estimator_says_its_marker_and_is_not_asked() -> None:
    model = xgboost.XGBClassifier(**TREES, missing=-1).fit(frame(-1), LABEL)

    assert saved(model, Encoder(NAMES)).encoder.missing == -1
    with pytest.raises(FeatureMismatch, match=r"estimator's missing=-1, got nan - at the encoder"):
        saved(model, Encoder(NAMES, missing=math.nan))


def test_an_estimator_of_missing_values_refuses_null_and_is_not_asked() -> None:
    model = xgboost.XGBClassifier(**TREES).fit(frame(), LABEL)

    saved(model, Encoder(NAMES))
    with pytest.raises(FeatureMismatch, match=r'got null="zero" - at column 1'):
        saved(model, Encoder(NAMES, NULLABLE))


@pytest.mark.parametrize("dense", [True, False])
def test_an_encoder_that_the_splits_contradict_is_refused(dense: bool) -> None:
    vectorizer = DictVectorizer(sparse=not dense)
    model = trained(vectorizer.fit_transform(MADE), LABEL)
    kinds: tuple[MissingValue, MissingValue] = ("zero", "missing")
    absent, other = kinds if dense else kinds[::-1]

    with pytest.raises(FeatureMismatch, match=f'Expected absent="{absent}", got absent="{other}"'):
        saved(model, Encoder(vectorizer.feature_names_, absent=other, missing=math.nan))
    saved(model, Encoder(vectorizer.feature_names_, absent=absent, missing=math.nan))


def test_numbers_beside_sparse_categories_are_asked_whether_0_was_missing() -> None:
    vectorizer = DictVectorizer()
    model = trained(vectorizer.fit_transform(MADE), LABEL)

    with pytest.raises(
        FeatureMismatch, match=r"Expected missing=, got none - at the encoder, .*0 "
    ):
        saved(model, Encoder(vectorizer.feature_names_, absent="missing"))


def test_the_trainers_predictions_answer_all_but_what_no_row_of_them_lacks(tmp_path: Path) -> None:
    vectorizer = DictVectorizer()
    rows = vectorizer.fit_transform(MADE)
    model = trained(rows, LABEL)
    path = tmp_path / "check.parquet"
    said = model.predict(xgboost.DMatrix(rows))
    pd.DataFrame(MADE).assign(prediction=said).to_parquet(path, index=False)

    saved(model, Encoder(vectorizer.feature_names_, absent="missing"), check=path)

    whole = frame()[~SOME]
    said = booster().predict(xgboost.DMatrix(whole))
    whole.assign(prediction=said).to_parquet(path, index=False)
    with pytest.raises(FeatureMismatch, match="got neither - at column 1, 'income'"):
        saved(booster(), Encoder(NAMES), check=path)


def test_what_nobody_said_is_stored_and_shown(capsys: pytest.CaptureFixture[str]) -> None:
    stored = bentoml_ext.save_model(
        "questions", small.booster(), encoder=Encoder(small.FEATURES, missing=math.nan)
    )
    bundle = bentoml_ext.load_bundle(stored)
    render.show(render.inspected(stored, bundle))

    assert bundle.manifest.assumptions is not None
    assert [one.part for one in bundle.manifest.assumptions] == ["columns"]
    assert "nothing has checked the order (check=FILE)" in capsys.readouterr().out


def test_an_estimator_with_names_assumes_nothing() -> None:
    stored = bentoml_ext.save_model(
        "questions",
        xgboost.XGBClassifier(**TREES).fit(frame(0.0), LABEL),
        encoder=Encoder(NAMES),
    )

    assert bentoml_ext.load_bundle(stored).manifest.assumptions == []
