"""Pipelines: kept in a file or in BentoML's store, they are imported as they predict."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import bentoml
import joblib
import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from sklearn.compose import make_column_transformer as columns
from sklearn.feature_extraction import DictVectorizer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder, StandardScaler

import bentoml_ext
from bentoml_ext.encoders.reading import Reading
from bentoml_ext.errors import ConfigError, FeatureMismatch, ImportRefused, NotAccepted
from bentoml_ext.importers.importing import ImportRequest, import_model
from bentoml_ext.preprocessing.frames import applications_of
from tests.preprocessing.test_compiling import frame_of


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    frame = frame_of(np.random.default_rng(6))
    # As a postal code: digits that are no number, in a file without types, too.
    frame["area"] = np.random.default_rng(1).choice(["01011", "1011"], len(frame))
    return frame.assign(when="2026-01-31")


@pytest.fixture(scope="module")
def pipeline(frame: pd.DataFrame) -> Pipeline:
    made = make_pipeline(
        columns(
            (make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), ["income"]),
            (KBinsDiscretizer(3), ["age"]),
            (OneHotEncoder(handle_unknown="ignore"), ["home", "area"]),
            ("passthrough", ["owns"]),
        ),
        xgb.XGBClassifier(n_estimators=6, max_depth=3, n_jobs=1),
    )
    return made.fit(frame, frame["income"].fillna(0) > 180)


@pytest.fixture(scope="module")
def checks(
    pipeline: Pipeline, frame: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder of the applications with the pipeline's own predictions, in four formats."""
    folder = tmp_path_factory.mktemp("checks")
    found = frame.assign(prediction=pipeline.predict_proba(frame)[:, 1])
    found.to_parquet(folder / "check.parquet")
    found.to_csv(folder / "check.csv", index=False)
    lines = found.drop(columns="when")
    lines.to_json(folder / "check.ndjson", orient="records", lines=True, double_precision=15)
    return folder


def kept(pipeline: Any, how: str, folder: Path) -> str:
    """What `import` is given for a pipeline that was kept in some way."""
    path = folder / f"pipeline.{how}"
    if how == "sklearn":
        return str(bentoml.sklearn.save_model("kept_pipeline", pipeline).tag)
    if how == "picklable":
        return str(bentoml.picklable_model.save_model("kept_pipeline", pipeline).tag)
    if how == "joblib":
        joblib.dump(pipeline, path, compress=3)
    elif how == "skops":
        pytest.importorskip("skops.io").dump(pipeline, path)
    else:
        path.write_bytes(pickle.dumps(pipeline))
    return str(path)


@pytest.mark.parametrize(
    "kept_as",
    [
        ("sklearn", "check.parquet"),
        ("picklable", "check.csv"),
        ("joblib", "check.ndjson"),
        ("pkl", "check.csv"),
        ("skops", "check.parquet"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*picklable_model")
def test_a_kept_pipeline_answers_as_it_predicts(
    kept_as: tuple[str, str],
    pipeline: Pipeline,
    frame: pd.DataFrame,
    checks: Path,
    tmp_path: Path,
) -> None:
    how, check = kept_as
    source = kept(pipeline, how, tmp_path)
    request = ImportRequest(source, check=checks / check, allow_pickle=how != "skops")

    stored = import_model(request, "imported_pipeline")

    scorer, bundle = bentoml_ext.load_model(stored, "onnx"), bentoml_ext.load_bundle(stored)
    asked = applications_of(frame.head(50), bundle.encoder)
    answers = [scorer.classify(one).probability for one in asked]
    assert np.array_equal(
        np.array(answers, np.float32), pipeline.predict_proba(frame.head(50))[:, 1]
    )
    assert bundle.proof.acceptance is not None
    assert {"when", "grade"}.isdisjoint(field.name for field in bundle.encoder.fields)


def test_a_pickle_is_read_where_the_user_says_so(
    pipeline: Pipeline, checks: Path, tmp_path: Path
) -> None:
    for how, error, said in (
        ("sklearn", ConfigError, "Expected --allow-pickle, got none - at kept_pipeline"),
        ("pkl", ImportRefused, "--allow-pickle reads a Pipeline"),
    ):
        source = kept(pipeline, how, tmp_path)
        with pytest.raises(error, match=said):
            import_model(ImportRequest(source, check=checks / "check.csv"), "never_stored")


def test_predictions_of_another_model_are_refused(
    pipeline: Pipeline, frame: pd.DataFrame, checks: Path, tmp_path: Path
) -> None:
    path = tmp_path / "check.parquet"
    frame.assign(prediction=0.25).to_parquet(path)
    request = ImportRequest(kept(pipeline, "pkl", tmp_path), check=path, allow_pickle=True)

    with pytest.raises(NotAccepted):
        import_model(request, "never_stored")


@pytest.mark.parametrize(
    ("said", "error", "expected"),
    [
        ({}, ImportRefused, "Give --check FILE"),
        ({"reading": Reading(absent="zero")}, ConfigError, "Expected no --absent for a Pipeline"),
    ],
)
def test_what_a_pipeline_needs_and_says_itself(
    said: Any, error: type[Exception], expected: str, pipeline: Pipeline, tmp_path: Path
) -> None:
    source = kept(pipeline, "pkl", tmp_path)

    with pytest.raises(error, match=expected):
        import_model(ImportRequest(source, allow_pickle=True, **said), "never_stored")


def test_an_example_lacks_no_column_that_a_step_uses(
    pipeline: Pipeline, frame: pd.DataFrame, tmp_path: Path
) -> None:
    path = tmp_path / "example.parquet"
    frame.drop(columns=["home", "when"]).to_parquet(path)
    request = ImportRequest(kept(pipeline, "pkl", tmp_path), example=path, allow_pickle=True)

    with pytest.raises(ImportRefused, match=r"got none of home - at .*example\.parquet"):
        import_model(request, "never_stored")


def test_another_object_is_refused_by_name(tmp_path: Path, checks: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(xgb.XGBClassifier()))
    request = ImportRequest(str(path), check=checks / "check.csv", allow_pickle=True)

    with pytest.raises(ImportRefused, match=r"got XGBClassifier - at model\.pkl"):
        import_model(request, "never_stored")


def test_rules_narrow_what_the_pipeline_takes(
    pipeline: Pipeline, frame: pd.DataFrame, tmp_path: Path
) -> None:
    rules = tmp_path / "fields.json"
    rules.write_text(json.dumps({"age": {"minimum": 18, "unit": "years"}}))
    stored = bentoml_ext.save_model("ruled_pipeline", pipeline, example=frame, fields=rules)

    (age,) = [one for one in bentoml_ext.load_bundle(stored).encoder.fields if one.name == "age"]
    assert age.expected == "a finite number in years, at least 18"
    rules.write_text(json.dumps({"age": {"nullable": True}}))
    with pytest.raises(FeatureMismatch, match="got 'nullable', which they refuse - at field 'age'"):
        bentoml_ext.save_model("ruled_pipeline", pipeline, example=frame, fields=rules)


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_native_categories_are_imported(frame: pd.DataFrame, tmp_path: Path, suffix: str) -> None:
    some = frame[["age", "home", "grade"]].astype({"home": "category", "grade": "category"})
    handed_on = columns((StandardScaler(), ["age"]), remainder="passthrough")
    made = make_pipeline(
        handed_on.set_output(transform="pandas"),
        xgb.XGBClassifier(n_estimators=4, n_jobs=1, enable_categorical=True),
    ).fit(some, (some["home"] == "rent") ^ (frame["grade"] > 2))
    check = some.assign(prediction=made.predict_proba(some)[:, 1])
    getattr(check, f"to_{suffix}")(tmp_path / f"check.{suffix}", index=False)
    source = kept(made, "joblib", tmp_path)

    request = ImportRequest(source, check=tmp_path / f"check.{suffix}", allow_pickle=True)
    stored = import_model(request, "imported_pipeline")

    home, grade = bentoml_ext.load_bundle(stored).encoder.fields[1:]
    assert home.categories == ("other", "owner", "parents", "rent")
    assert grade.codes == (1, 2, 3)


def test_a_vectorizer_at_the_head_is_imported(frame: pd.DataFrame, tmp_path: Path) -> None:
    records = frame[["age", "home", "owns"]].to_dict(orient="records")
    made = make_pipeline(DictVectorizer(), xgb.XGBClassifier(n_estimators=4, n_jobs=1))
    made.fit(records, frame["age"] > 40)
    check = tmp_path / "check.parquet"
    predicted = made.predict_proba(records)[:, 1]
    pd.DataFrame(records).assign(prediction=predicted).to_parquet(check)
    request = ImportRequest(kept(made, "pkl", tmp_path), check=check, allow_pickle=True)

    stored = import_model(request, "imported_pipeline")

    assert bentoml_ext.load_bundle(stored).proof.acceptance is not None
