"""Saving: a pipeline in the store answers what the pipeline itself answers."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from click.testing import CliRunner
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import bentoml_ext
from bentoml_ext.cli.inspect import inspect_command
from bentoml_ext.encoders.steps import Number, Sum
from bentoml_ext.errors import ExportRefused, FeatureMismatch, InvalidApplication, ProofFailed
from bentoml_ext.preprocessing import compiling, fields
from bentoml_ext.preprocessing.comparing import compare_pipeline
from bentoml_ext.preprocessing.frames import applications_of
from bentoml_ext.serving.document.schema import application_schema, example_of
from tests.preprocessing.test_compiling import frame_of


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return frame_of(np.random.default_rng(5))[["age", "income", "owns", "home"]]


@pytest.fixture(scope="module")
def pipeline(frame: pd.DataFrame) -> Pipeline:
    columns = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), ["age", "income"]),
            ("texts", OneHotEncoder(handle_unknown="ignore"), ["home", "owns"]),
        ]
    )
    made = make_pipeline(columns, xgb.XGBClassifier(n_estimators=8, max_depth=3, n_jobs=1))
    return made.fit(frame, frame["income"].fillna(0) > 180)


def test_a_stored_pipeline_gives_the_bits_of_predict_proba(
    pipeline: Pipeline, frame: pd.DataFrame
) -> None:
    stored = bentoml_ext.save_model("pipeline_test", pipeline, example=frame)
    bundle = bentoml_ext.load_bundle(stored)

    own = pipeline.predict_proba(frame)[:, 1]
    for backend in ("onnx", "xgboost"):
        scorer = bentoml_ext.load_model(stored, backend)
        bodies = json.dumps(applications_of(frame, bundle.encoder)).encode()
        values = scorer.reader.many(bodies)
        assert values is not None
        answers = scorer.decider.answers(scorer.margins_by(scorer.reader.rows, values))
        assert np.array_equal(np.array([one.probability for one in answers], np.float32), own)
    (part,) = [part for part in bundle.proof.parts if part.name == "pipeline"]
    assert part.holds
    assert part.checked > 2_000


def test_fields_are_those_of_the_frame(pipeline: Pipeline, frame: pd.DataFrame) -> None:
    encoder = compiling.compile_pipeline(pipeline, frame).encoder

    said = {field.name: field.expected for field in encoder.fields}

    assert said == {
        "age": "a finite number or null",
        "income": "a finite number or null",
        "home": "a text",
        "owns": "one of the codes 0 to 1, true or false",
    }
    with pytest.raises(InvalidApplication, match="field 'home'"):
        encoder.check({"age": 1, "income": 2, "home": 3, "owns": True})


def test_fields_are_edited_as_a_file_and_given_back(
    pipeline: Pipeline, frame: pd.DataFrame, tmp_path: Path
) -> None:
    stored = bentoml_ext.save_model("pipeline_test", pipeline, example=frame)
    shown = CliRunner().invoke(inspect_command, [str(stored.tag), "--fields"])
    (tmp_path / "as it is.json").write_text(shown.stdout)
    rules = json.loads(shown.stdout)
    rules["age"] |= {"unit": "years", "minimum": 18, "maximum": 99}
    (tmp_path / "edited.json").write_text(json.dumps(rules))

    same, edited = (
        bentoml_ext.save_model(
            "pipeline_test", pipeline, example=frame, fields=tmp_path / f"{name}.json"
        )
        for name in ("as it is", "edited")
    )

    own = bentoml_ext.load_bundle(stored).encoder
    assert bentoml_ext.load_bundle(same).encoder.to_json() == own.to_json()
    with pytest.raises(InvalidApplication, match="a finite number in years, at least 18, at most"):
        bentoml_ext.load_bundle(edited).encoder.check({"age": 3, "income": 1, "home": "rent"})


def test_the_range_of_training_is_said_and_not_enforced(
    pipeline: Pipeline, frame: pd.DataFrame
) -> None:
    encoder = compiling.compile_pipeline(pipeline, frame).encoder
    age, income, *_ = encoder.fields

    assert age.seen == (frame["age"].min(), frame["age"].max())
    assert age.trained == f"in training from {frame['age'].min()} to {frame['age'].max()}"
    assert income.seen == (frame["income"].min(), frame["income"].max())
    assert encoder.fields[-1].seen is None
    age.check(frame["age"].max() + 1000.5)
    application = application_schema(encoder.fields, example_of(encoder.fields))["properties"][
        "age"
    ]
    assert application["description"].endswith(f". I{age.trained[1:]}.")
    assert not {"minimum", "maximum"} & set(application)


def test_a_bound_of_float32_is_named_where_a_number_is_beyond_it(frame: pd.DataFrame) -> None:
    made = make_pipeline(StandardScaler(), xgb.XGBClassifier(n_estimators=2, n_jobs=1))
    tiny = frame[["income"]] * 1e-3
    made.fit(tiny, frame["age"] > 40)
    (field,) = compiling.compile_pipeline(made, tiny).encoder.fields

    assert field.expected == "a finite number or null"
    with pytest.raises(InvalidApplication, match="number, nearer to 0: after the model's steps"):
        field.check(3.3e38)


def test_a_pipeline_without_its_frame_is_refused(pipeline: Pipeline) -> None:
    with pytest.raises(ExportRefused, match="Expected a pandas DataFrame, got NoneType"):
        bentoml_ext.save_model("pipeline_test", pipeline)
    with pytest.raises(FeatureMismatch, match=r"Expected a bentoml_ext\.Encoder"):
        bentoml_ext.save_model("pipeline_test", pipeline.steps[-1][1])


def test_a_wrong_row_is_found_by_the_proof(
    pipeline: Pipeline, frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = Number

    def shifted(field: str, column: int, sums: Any, *others: Any) -> Any:
        (first, *rest) = sums
        nearly = Sum(first.operation, first.operand * (1 + 1e-7))
        return right(field, column, (nearly, *rest), *others)

    monkeypatch.setattr(fields, "Number", shifted)
    with pytest.raises(ProofFailed, match="Expected row"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bentoml_ext.save_model("pipeline_test", pipeline, example=frame)


def test_a_frame_between_steps_and_a_marker_for_missing_are_as_the_estimator_reads_them(
    frame: pd.DataFrame,
) -> None:
    columns = ColumnTransformer(
        [
            ("scaled", StandardScaler(), ["age"]),
            ("filled", SimpleImputer(strategy="constant", fill_value=-1), ["income"]),
        ]
    ).set_output(transform="pandas")
    made = make_pipeline(columns, xgb.XGBClassifier(n_estimators=4, missing=-1, n_jobs=1))
    made.fit(frame, frame["income"].fillna(0) > 180)
    compiled = compiling.compile_pipeline(made, frame)

    part = compare_pipeline(compiled, made.steps[-1][1].get_booster())

    assert part.holds
    assert compiled.encoder.features == ("scaled__age", "filled__income")
