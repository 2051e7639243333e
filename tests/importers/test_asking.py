"""Asking: where a file's splits show what it does not say, the import asks, and guesses nothing."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import bentoml
import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import xgboost
from sklearn.feature_extraction import DictVectorizer
from sklearn.preprocessing import StandardScaler

import bentoml_ext
from bentoml_ext.acceptance import Check
from bentoml_ext.boosters.xgb.splits import of_gaps
from bentoml_ext.encoders.reading import Reading
from bentoml_ext.errors import FeatureMismatch, ImportRefused
from bentoml_ext.importers.asking import ask, ask_gaps
from bentoml_ext.importers.find import find
from bentoml_ext.importers.importing import ImportRequest, import_model
from bentoml_ext.scoring.scorer import Scorer
from tests.support import small
from tests.support.kept import applications, kept, outcomes, probabilities, trained

MADE = applications(1500)
LABEL = outcomes(MADE)
FRAME = pd.DataFrame(MADE)[["age", "income"]].astype(float)
SOME = np.arange(len(MADE)) % 5 == 0
GAPS = r"got neither - at column 1, 'income', of .*training saw missing values there"


def imported(source: str | Path, name: str, fields: Path | None = None, **said: Any) -> Scorer:
    request = ImportRequest(str(source), reading=Reading(**said), fields=fields)
    return bentoml_ext.load_model(import_model(request, name), "onnx")


def answers(scorer: Scorer, made: list[dict[str, Any]]) -> npt.NDArray[np.float32]:
    return np.array([one.probability for one in scorer.classify_batch(made)], np.float32)


def kept_estimator(place: Path, frame: pd.DataFrame, **how: Any) -> tuple[Path, Any]:
    """An estimator's file, and what the estimator itself says of the frame."""
    model = xgboost.XGBClassifier(n_estimators=30, max_depth=4, n_jobs=1, **how).fit(frame, LABEL)
    model.save_model(place / "clf.ubj")
    return place / "clf.ubj", np.array(model.predict_proba(frame)[:, 1])


@pytest.mark.parametrize("method", ["hist", "approx", "exact"])
@pytest.mark.parametrize("weighted", [False, True])
def test_splits_show_which_columns_had_missing_values(method: str, weighted: bool) -> None:
    rows = FRAME.assign(third=FRAME["age"] * 2 + FRAME["income"])
    weight = np.random.default_rng(0).random(len(rows)) if weighted else None
    how = {"objective": "binary:logistic", "tree_method": method, "subsample": 0.8, "nthread": 1}
    found = []
    for lost in ([], ["income"]):
        rows.loc[SOME, lost] = math.nan
        matrix = xgboost.DMatrix(rows, LABEL, weight=weight)
        found.append(of_gaps(xgboost.train(how, matrix, 30)))

    assert found == [frozenset(), frozenset({1})]


@pytest.mark.parametrize("marker", [-1.0, 0.0, -999.0])
def test_the_marker_of_an_estimator_is_asked_for(tmp_path: Path, marker: float) -> None:
    path, said = kept_estimator(tmp_path, frame := _marked(marker), missing=marker)

    with pytest.raises(ImportRefused, match=GAPS) as refused:
        imported(path, "asking_marker")

    assert "--missing NUMBER where a number stood for them" in str(refused.value)
    scorer = imported(path, "asking_marker", missing=marker)
    small.assert_same_bits(expected=said, got=answers(scorer, frame.to_dict("records")))


def test_the_marker_of_an_estimator_in_the_store_is_asked_for() -> None:
    vectorizer = DictVectorizer(sparse=False)
    made = [{**one, "income": -1.0} if lost else one for one, lost in zip(MADE, SOME, strict=True)]
    rows = vectorizer.fit_transform(made)
    model = xgboost.XGBClassifier(n_estimators=30, missing=-1, n_jobs=1).fit(rows, LABEL)
    tag = kept("asking_stored", model, vectorizer)

    with pytest.raises(ImportRefused, match="training saw missing values there"):
        imported(tag, "asking_stored_in")

    scorer = imported(tag, "asking_stored_in", missing=-1.0)
    small.assert_same_bits(
        expected=np.array(model.predict_proba(rows)[:, 1]), got=answers(scorer, made)
    )


@pytest.mark.parametrize("how", ["option", "rule"])
def test_numbers_that_may_be_null_answer_the_question(tmp_path: Path, how: str) -> None:
    path, said = kept_estimator(tmp_path, frame := _marked(math.nan))
    made = frame.astype(object).where(frame.notna(), None).to_dict("records")
    fields = tmp_path / "fields.json"
    fields.write_text(json.dumps({"income": {"nullable": True}}))

    with pytest.raises(ImportRefused, match=GAPS):
        imported(path, "asking_null")

    scorer = (
        imported(path, "asking_null", null="missing")
        if how == "option"
        else imported(path, "asking_null", fields)
    )
    small.assert_same_bits(expected=said, got=answers(scorer, made))


def test_null_as_zero_is_not_what_was_missing_in_training(tmp_path: Path) -> None:
    path, _ = kept_estimator(tmp_path, _marked(math.nan))

    with pytest.raises(ImportRefused, match="got --null zero - at column 1, 'income'"):
        ask(find(str(path)), Reading(null="zero"))


def test_a_check_without_a_missing_value_is_no_answer(tmp_path: Path) -> None:
    path, said = kept_estimator(tmp_path, frame := _marked(-1.0), missing=-1)
    whole, check = frame[~SOME], tmp_path / "check.parquet"
    whole.assign(prediction=said[~SOME]).to_parquet(check, index=False)
    request = ImportRequest(str(path), check=check)

    with pytest.raises(ImportRefused, match=GAPS):
        import_model(request, "asking_check")

    frame.assign(prediction=said).to_parquet(check, index=False)
    scorer = bentoml_ext.load_model(import_model(request, "asking_check"), "onnx")
    small.assert_same_bits(expected=said, got=answers(scorer, frame.to_dict("records")))


def test_rows_without_a_missing_value_ask_nothing(tmp_path: Path) -> None:
    path, said = kept_estimator(tmp_path, FRAME)

    ask_gaps(find(str(path)), Reading())

    scorer = imported(path, "asking_whole")
    small.assert_same_bits(expected=said, got=answers(scorer, FRAME.to_dict("records")))


def test_a_field_with_the_separator_in_its_name_is_no_category(tmp_path: Path) -> None:
    made = [{"annual=income": one["income"], "home": one["home"]} for one in MADE]
    vectorizer = DictVectorizer(sparse=False)
    model = trained(rows := vectorizer.fit_transform(made), LABEL)
    tag = kept("asking_named", model, vectorizer)
    message = r"category of 'annual', got other numbers: .* - at column 0, 'annual=income'\. Where"
    fields = tmp_path / "fields.json"
    fields.write_text(json.dumps({"annual=income": {}, "home": {}}))

    with pytest.raises(FeatureMismatch, match=message):
        imported(tag, "asking_named_in")
    with pytest.raises(FeatureMismatch, match=message):
        encoder = bentoml_ext.Encoder(vectorizer.feature_names_)
        bentoml_ext.save_model("asking_saved", model, encoder=encoder)

    scorer = imported(tag, "asking_named_in", fields)
    small.assert_same_bits(expected=probabilities(model, rows), got=answers(scorer, made))


@pytest.mark.parametrize("method", ["hist", "approx", "exact"])
def test_rows_that_were_scaled_are_refused(method: str) -> None:
    vectorizer = DictVectorizer(sparse=False)
    rows = StandardScaler().fit_transform(vectorizer.fit_transform(MADE))
    tag = kept("asking_scaled", trained(rows, LABEL, tree_method=method), vectorizer)

    with pytest.raises(FeatureMismatch, match="Rows that were scaled"):
        imported(tag, "asking_scaled_in")


def test_a_list_that_holds_a_category_twice_is_refused_at_import() -> None:
    made = [{**one, "tags": ["x", "x", "y"][i % 3 :]} for i, one in enumerate(MADE)]
    label = [i % 3 == 0 for i in range(len(made))]
    vectorizer = DictVectorizer(sparse=False)
    tag = kept("asking_twice", trained(vectorizer.fit_transform(made), label), vectorizer)

    with pytest.raises(FeatureMismatch, match=r"splits them at 2 .* 'tags=x'.*category twice"):
        imported(tag, "asking_twice_in")


@pytest.mark.parametrize("method", ["hist", "approx", "exact"])
@pytest.mark.parametrize("sparse", [False, True])
def test_columns_of_zeros_and_ones_are_never_taken_for_numbers(method: str, sparse: bool) -> None:
    vectorizer = DictVectorizer(sparse=sparse)
    model = trained(rows := vectorizer.fit_transform(MADE), LABEL, 60, tree_method=method)
    tag = kept("asking_flags", model, vectorizer)

    scorer = imported(tag, "asking_flags_in", absent="missing" if sparse else "zero")

    small.assert_same_bits(expected=probabilities(model, rows), got=answers(scorer, MADE))


def test_null_is_the_category_that_pandas_made_of_it(tmp_path: Path) -> None:
    frame = pd.DataFrame(MADE)[["age", "home"]]
    frame.loc[SOME, "home"] = None
    rows = pd.get_dummies(frame, columns=["home"], dummy_na=True)
    model = xgboost.XGBClassifier(n_estimators=30, n_jobs=1).fit(rows, LABEL ^ SOME)
    model.save_model(tmp_path / "clf.ubj")
    fields = tmp_path / "fields.json"
    fields.write_text(json.dumps({"age": {}, "home": {"nullable": True}}))
    made = frame.astype(object).where(frame.notna(), None).to_dict("records")

    scorer = imported(tmp_path / "clf.ubj", "asking_nan", fields, separator="_", absent="zero")

    small.assert_same_bits(
        expected=np.array(model.predict_proba(rows)[:, 1]), got=answers(scorer, made)
    )
    origin = bentoml_ext.load_bundle("asking_nan:latest").manifest.origin
    assert origin is not None
    assert "null of home: category nan" in [f"{a.part}: {a.read_as}" for a in origin.assumptions]


def test_two_categories_that_null_may_be_are_asked_about(tmp_path: Path) -> None:
    frame = pd.DataFrame({"home": ["nan", "None", "rent"] * 100, "age": range(300)})
    rows = pd.get_dummies(frame)
    model = xgboost.XGBClassifier(n_estimators=5, n_jobs=1).fit(rows, frame["home"] == "nan")
    model.save_model(tmp_path / "clf.ubj")
    fields = tmp_path / "fields.json"
    fields.write_text(json.dumps({"age": {}, "home": {"nullable": True}}))

    with pytest.raises(ImportRefused, match="Expected one category that null is, got 'None' and"):
        imported(tmp_path / "clf.ubj", "asking_nulls", fields, separator="_", absent="zero")


def test_whole_numbers_that_are_typed_as_flags_keep_their_values(tmp_path: Path) -> None:
    rows = np.c_[FRAME["income"], FRAME["age"] % 4, FRAME["age"] > 40]
    names, types = ["income", "quarter", "adult"], ["float", "i", "i"]
    label = (rows[:, 1] > 1) ^ (rows[:, 2] > 0)
    matrix = xgboost.DMatrix(rows, label, feature_names=names, feature_types=types)
    model = xgboost.train({"objective": "binary:logistic", "nthread": 1}, matrix, 20)
    model.save_model(tmp_path / "model.ubj")

    scorer = imported(tmp_path / "model.ubj", "asking_typed")

    limits = {field.name: field.maximum for field in scorer.encoder.fields}
    assert limits == {"income": None, "quarter": None, "adult": 1}
    made = [dict(zip(names, map(float, row), strict=True)) for row in rows]
    small.assert_same_bits(expected=np.array(model.predict(matrix)), got=answers(scorer, made))


class Squared(xgboost.XGBClassifier):
    """Answers with another number than its booster."""

    def predict_proba(self, *args: Any, **named: Any) -> Any:
        """The squares."""
        return super().predict_proba(*args, **named) ** 2


def test_a_class_of_the_users_own_in_the_store_is_refused_by_name() -> None:
    model = Squared(n_estimators=3, n_jobs=1).fit(FRAME, LABEL)
    tag = bentoml.xgboost.save_model("asking_own", model).tag

    with pytest.raises(ImportRefused, match="XGBoost's own classes, got a 'Squared' - at asking"):
        find(str(tag))


def test_a_check_in_memory_at_training_time_answers_as_the_estimator() -> None:
    frame = _marked(-1.0)
    model = xgboost.XGBClassifier(n_estimators=30, missing=-1, n_jobs=1).fit(frame, LABEL)
    said = np.array(model.predict_proba(frame)[:, 1])
    check = Check.of(frame.to_dict("records"), said)
    encoder = bentoml_ext.Encoder(list(frame.columns))

    stored = bentoml_ext.save_model("asking_memory", model, encoder=encoder, check=check)

    got = answers(bentoml_ext.load_model(stored, "onnx"), frame.to_dict("records"))
    small.assert_same_bits(expected=said, got=got)


def _marked(marker: float) -> pd.DataFrame:
    """The frame, with a marker in a fifth of the incomes."""
    frame = FRAME.copy()
    frame.loc[SOME, "income"] = marker
    return frame
