"""Models as people keep them: imported as their trainer's model predicts, or refused by name."""

from __future__ import annotations

import json
import math
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import bentoml
import numpy as np
import pandas as pd
import pytest
import xgboost
from scipy import sparse  # type: ignore[import-untyped]
from sklearn.feature_extraction import DictVectorizer
from sklearn.preprocessing import OneHotEncoder

import bentoml_ext
from bentoml_ext.decisions.presets import of_threshold
from bentoml_ext.encoders.reading import Reading
from bentoml_ext.errors import (
    ConfigError,
    ExportRefused,
    FeatureMismatch,
    ImportRefused,
    InvalidApplication,
)
from bentoml_ext.importers import importing
from bentoml_ext.importers.asking import ask
from bentoml_ext.importers.find import find
from bentoml_ext.scoring.scorer import Scorer
from tests.support import small
from tests.support.kept import applications, kept, outcomes, probabilities, trained

MADE = applications()
LABEL = outcomes(MADE)


def imported(source: str | Path, name: str, /, **said: Any) -> Scorer:
    """A scorer of what `bentoml ext import` makes of a source."""
    files = {part: said.pop(part) for part in ("features", "fields", "policy") if part in said}
    request = importing.ImportRequest(str(source), reading=Reading(**said), **files)
    return bentoml_ext.load_model(importing.import_model(request, name), "onnx")


def assert_answers(scorer: Scorer, asked: Sequence[Any], expected: Any) -> None:
    """Batch and single way both give these probabilities, bit for bit."""
    batch = [answer.probability for answer in scorer.classify_batch(asked)]
    single = [scorer.classify(one).probability for one in asked[:50]]

    small.assert_same_bits(expected=expected, got=np.array(batch, np.float32))
    small.assert_same_bits(expected=expected[:50], got=np.array(single, np.float32))


@pytest.mark.parametrize("made_dense", [True, False])
def test_a_sparse_vectorizer_is_asked_what_training_saw(made_dense: bool) -> None:
    vectorizer = DictVectorizer()
    rows = vectorizer.fit_transform(MADE)
    rows = rows.toarray() if made_dense else rows
    model = trained(rows, LABEL)
    tag = kept("sources_sparse", model, vectorizer)

    with pytest.raises(ImportRefused, match=r"Expected --absent, got none .*--check FILE"):
        imported(tag, "sources_asked")
    scorer = imported(tag, "sources_said", absent="zero" if made_dense else "missing")

    assert_answers(scorer, MADE, probabilities(model, rows))


def test_a_file_with_one_hot_columns_is_asked_what_training_saw(tmp_path: Path) -> None:
    frame = pd.DataFrame(MADE)[["home", "job"]]
    encoder = OneHotEncoder().fit(frame)
    rows = encoder.transform(frame)
    model = trained(rows, LABEL)
    model.save_model(tmp_path / "model.ubj")
    names = [name.replace("_", "=", 1) for name in encoder.get_feature_names_out()]
    (tmp_path / "features.json").write_text(json.dumps(names))
    how: dict[str, Any] = {"features": tmp_path / "features.json"}

    with pytest.raises(ImportRefused, match="Expected --absent"):
        imported(tmp_path / "model.ubj", "sources_asked", **how)
    scorer = imported(tmp_path / "model.ubj", "sources_csr", absent="missing", **how)

    assert_answers(scorer, MADE, probabilities(model, rows))


def test_a_number_named_as_a_category_is_asked_about_with_its_way_out(tmp_path: Path) -> None:
    frame = pd.DataFrame(MADE)[["age", "income"]].rename(columns={"income": "income=net"})
    matrix = xgboost.DMatrix(frame, LABEL)
    model = xgboost.train({"objective": "binary:logistic", "nthread": 1}, matrix, 9)
    model.save_model(tmp_path / "model.ubj")

    with pytest.raises(
        ImportRefused, match=r"'income=net' is read as category 'net' of field 'income'\. .*--separ"
    ):
        imported(tmp_path / "model.ubj", "sources_named")
    scorer = imported(tmp_path / "model.ubj", "sources_named", separator="::")

    assert_answers(scorer, frame.to_dict(orient="records"), model.predict(matrix))


@pytest.mark.parametrize("method", ["hist", "exact", "approx"])
def test_columns_that_held_1_or_nothing_are_asked_whether_0_was_missing(
    tmp_path: Path, method: str
) -> None:
    frame = pd.DataFrame(MADE)[["home", "job"]]
    encoder = OneHotEncoder().fit(frame)
    rows = encoder.transform(frame)
    names = list(encoder.get_feature_names_out())
    matrix = xgboost.DMatrix(rows, LABEL, feature_names=names)
    model = xgboost.train({"objective": "binary:logistic", "tree_method": method}, matrix, 9)
    model.save_model(tmp_path / "model.ubj")
    cells = pd.DataFrame(rows.toarray(), columns=names).to_dict(orient="records")

    with pytest.raises(ImportRefused, match=r"Expected --missing, got none .* keep no 0"):
        imported(tmp_path / "model.ubj", "sources_ones")
    scorer = imported(tmp_path / "model.ubj", "sources_ones", missing=0.0)

    assert_answers(scorer, cells, model.predict(matrix))


def test_numbers_beside_sparse_categories_are_asked_whether_0_was_missing(tmp_path: Path) -> None:
    frame = pd.DataFrame(MADE)
    encoder = OneHotEncoder().fit(frame[["home"]])
    income = sparse.csr_matrix(frame[["income"]].to_numpy())
    rows = sparse.hstack([income, encoder.transform(frame[["home"]])]).tocsr()
    model = trained(rows, LABEL)
    model.save_model(tmp_path / "model.ubj")
    names = [name.replace("_", "=", 1) for name in encoder.get_feature_names_out()]
    (tmp_path / "names").write_text("\n".join(["income", *names]))
    source = find(str(tmp_path / "model.ubj"), tmp_path / "names")

    with pytest.raises(ImportRefused, match=r"Expected --missing, got none .* keep no 0"):
        ask(source, Reading(absent="missing"))
    ask(source, reading := Reading(absent="missing", missing=0.0))

    found = source.read(reading)
    encoded = found.encoder.rows(frame.to_dict(orient="records"))
    small.assert_same_bits(
        expected=probabilities(model, rows), got=found.model.inplace_predict(encoded)
    )


@pytest.mark.parametrize("method", ["hist", "exact", "approx"])
@pytest.mark.parametrize("was_dense", [True, False])
def test_an_option_that_the_splits_contradict_is_refused(was_dense: bool, method: str) -> None:
    vectorizer = DictVectorizer()
    rows = vectorizer.fit_transform(MADE)
    rows = rows.toarray() if was_dense else rows
    tag = kept("sources_other", trained(rows, LABEL, tree_method=method), vectorizer)
    right, wrong = ("zero", "missing") if was_dense else ("missing", "zero")

    with pytest.raises(
        ImportRefused, match=f"Expected --absent {right}, got --absent {wrong} - at"
    ):
        imported(tag, "sources_other", absent=wrong)


@pytest.mark.parametrize("by_estimator", [True, False])
def test_of_dense_rows_whose_zeros_were_missing_the_numbers_lost_theirs_too(
    by_estimator: bool,
) -> None:
    made = [{**one, "age": 0 if index % 4 else one["age"]} for index, one in enumerate(MADE)]
    vectorizer = DictVectorizer(sparse=False)
    dense = vectorizer.fit_transform(made)
    if by_estimator:
        model: Any = xgboost.XGBClassifier(n_estimators=9, missing=0.0).fit(dense, LABEL)
        expected = model.predict_proba(dense)[:, 1]
    else:
        model = trained(sparse.csr_matrix(dense), LABEL)
        expected = probabilities(model, sparse.csr_matrix(dense))
    tag = kept("sources_thinned", model, vectorizer)

    with pytest.raises(ImportRefused, match="Expected --missing 0, got --absent zero"):
        imported(tag, "sources_thinned")
    with pytest.raises(ImportRefused, match="Expected --missing, got none"):
        imported(tag, "sources_thinned", absent="missing")
    scorer = imported(tag, "sources_thinned", missing=0.0)

    assert_answers(scorer, made, expected)


@pytest.mark.parametrize(
    "attributes", [{"note": ""}, {"scikit_learn": "[]"}, {"best_iteration": "-1"}]
)
def test_odd_attributes_of_a_booster_change_no_answer(
    tmp_path: Path, attributes: dict[str, str]
) -> None:
    frame = pd.DataFrame(MADE)[["age", "income"]]
    model = trained(frame, LABEL, 9)
    model.set_attr(**attributes)
    model.save_model(tmp_path / "model.ubj")

    scorer = imported(tmp_path / "model.ubj", "sources_attributes")

    assert_answers(scorer, frame.to_dict(orient="records"), probabilities(model, frame))


def test_margins_and_codes_that_no_file_explains_are_said(tmp_path: Path) -> None:
    codes = np.array([[one["age"], index % 3] for index, one in enumerate(MADE)], np.float32)
    kinds, names = ["float", "c"], ["age", "branch"]
    matrix = xgboost.DMatrix(codes, LABEL, feature_names=names, feature_types=kinds)
    parameters = {"objective": "binary:logitraw", "max_cat_to_onehot": 1}
    xgboost.train(parameters, matrix, 9).save_model(path := tmp_path / "model.ubj")

    stored = importing.import_model(importing.ImportRequest(str(path)), "sources_said")
    origin = bentoml_ext.load_bundle(stored).manifest.origin

    assert origin is not None
    said = {one.part: (one.read_as, one.why) for one in origin.assumptions}
    own = "its own predict and predict_proba give the margin"
    assert said["probability"] == ("sigmoid of the margin", own)
    assert said["categories"][0] == "codes from 0, of branch"
    assert said["categories"][1].endswith("kept no categories (--fields FILE)")


def stopped_early(**parameters: Any) -> tuple[xgboost.XGBClassifier, Any, DictVectorizer]:
    """An estimator whose best round is not its last, its rows, and their vectorizer."""
    vectorizer = DictVectorizer(sparse=False)
    rows = vectorizer.fit_transform(MADE)
    model = xgboost.XGBClassifier(
        n_estimators=200, early_stopping_rounds=5, max_depth=3, n_jobs=1, **parameters
    )
    model.fit(rows[:300], LABEL[:300], eval_set=[(rows[300:], LABEL[300:])], verbose=False)
    assert model.best_iteration + 1 < model.get_booster().num_boosted_rounds()
    return model, rows, vectorizer


@pytest.mark.parametrize("suffix", ["ubj", "json"])
def test_an_estimators_file_is_read_as_the_estimator_predicts(tmp_path: Path, suffix: str) -> None:
    model, rows, vectorizer = stopped_early()
    model.save_model(tmp_path / f"clf.{suffix}")
    (tmp_path / "names").write_text("\n".join(vectorizer.feature_names_))

    scorer = imported(
        tmp_path / f"clf.{suffix}", "sources_clf", features=tmp_path / "names", absent="zero"
    )

    assert_answers(scorer, MADE, model.predict_proba(rows)[:, 1])
    manifest = bentoml_ext.load_bundle("sources_clf:latest").manifest
    assert manifest.n_trees == model.best_iteration + 1
    assert manifest.origin is not None
    assert manifest.origin.trees == model.get_booster().num_boosted_rounds()


@pytest.mark.parametrize("rounds", ["best", "all"])
@pytest.mark.parametrize("by_file", [True, False])
def test_a_booster_that_stopped_early_is_asked_which_rounds_count(
    tmp_path: Path, rounds: str, by_file: bool
) -> None:
    estimator, rows, vectorizer = stopped_early()
    booster = estimator.get_booster()
    booster.set_attr(scikit_learn=None)
    booster.save_model(tmp_path / "model.ubj")
    (tmp_path / "names").write_text("\n".join(vectorizer.feature_names_))
    how: dict[str, Any] = {"absent": "zero"}
    if by_file:
        how["features"] = tmp_path / "names"
    source = tmp_path / "model.ubj" if by_file else kept("sources_stopped", booster, vectorizer)

    with pytest.raises(ImportRefused, match="--rounds best where the model predicts by its best"):
        imported(source, "sources_rounds", **how)
    scorer = imported(source, "sources_rounds", rounds=rounds, **how)

    used = (0, estimator.best_iteration + 1) if rounds == "best" else (0, 0)
    expected = booster.predict(xgboost.DMatrix(rows), iteration_range=used)
    assert_answers(scorer, MADE, expected)


def test_saving_a_booster_that_stopped_early_asks_which_rounds_count() -> None:
    estimator, _, vectorizer = stopped_early()
    booster = estimator.get_booster()
    encoder = bentoml_ext.Encoder(vectorizer.feature_names_)

    with pytest.raises(ExportRefused, match="Expected rounds='best' or rounds='all', got none"):
        bentoml_ext.save_model("sources_asks", booster, encoder=encoder)
    stored = bentoml_ext.save_model("sources_best", booster, encoder=encoder, rounds="best")

    manifest = bentoml_ext.load_bundle(stored).manifest
    assert manifest.n_trees == estimator.best_iteration + 1


def test_an_estimator_of_dart_is_served_as_it_adds() -> None:
    vectorizer = DictVectorizer(sparse=False)
    rows = vectorizer.fit_transform(MADE)
    model = xgboost.XGBClassifier(n_estimators=30, booster="dart", rate_drop=0.3, n_jobs=1)
    model.fit(rows, LABEL)
    encoder = bentoml_ext.Encoder(vectorizer.feature_names_)

    saved = bentoml_ext.save_model("sources_dart", model, encoder=encoder)
    by_tag = imported(kept("sources_dart_kept", model, vectorizer), "sources_dart_read")

    expected = model.predict_proba(rows)[:, 1]
    for scorer in (by_tag, *(bentoml_ext.load_model(saved, name) for name in ("onnx", "xgboost"))):
        assert_answers(scorer, MADE, expected)


@pytest.mark.parametrize("marker", [-1.0, 0.0, 1.0, 999.0])
def test_an_estimators_marker_for_missing_is_honoured(marker: float) -> None:
    vectorizer = DictVectorizer(sparse=False)
    marked = [one | {"income": marker if one["age"] % 5 == 0 else one["income"]} for one in MADE]
    rows = vectorizer.fit_transform(marked)
    model = xgboost.XGBClassifier(n_estimators=30, max_depth=3, missing=marker, n_jobs=1)
    model.fit(rows, LABEL)
    encoder = bentoml_ext.Encoder(vectorizer.feature_names_)

    saved = bentoml_ext.save_model("sources_marker", model, encoder=encoder)
    by_tag = imported(kept("sources_marked", model, vectorizer), "sources_m", missing=marker)

    for scorer in (bentoml_ext.load_model(saved, "onnx"), by_tag):
        assert_answers(scorer, marked, model.predict_proba(rows)[:, 1])


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("method", ["hist", "exact"])
@pytest.mark.parametrize("third", [3.0, None], ids=["number", "null"])
def test_numbers_among_the_texts_of_a_field_are_refused(
    sparse: bool, method: str, third: float | None
) -> None:
    # "1" and 1 are two columns of a DictVectorizer, and null fills that of the numbers.
    told = [{"job": ("1", third, "1", 1.0 if third else "2")[i % 4], "age": i} for i in range(400)]
    vectorizer = DictVectorizer(sparse=sparse)
    rows = vectorizer.fit_transform(told)
    label = [i % 4 in (1, 2) for i in range(400)]
    how = {"objective": "binary:logistic", "tree_method": method}
    model = xgboost.train(how, xgboost.DMatrix(rows, label=label), 5)
    tag = kept("sources_mixed", model, vectorizer)
    encoder = bentoml_ext.Encoder(vectorizer.feature_names_, null="missing")

    if third is None:
        asked = [{"job": "1", "age": 3}, {"job": None, "age": 3}]
        fill = "missing" if sparse else "zero"
        scorer = imported(tag, "sources_mixed_in", absent=fill)
        expected = model.predict(xgboost.DMatrix(vectorizer.transform(asked)))
        assert_answers(scorer, asked, expected)
        return
    message = r"field 'job', got numbers, too: .* - at column \d, 'job'\. Train with"
    with pytest.raises(FeatureMismatch, match=message):
        imported(tag, "sources_mixed_in", absent="missing" if sparse else "zero")
    with pytest.raises(FeatureMismatch, match=message):
        bentoml_ext.save_model("sources_mixed_saved", model, encoder=encoder)


def test_a_separator_that_names_have_in_them_is_not_guessed(tmp_path: Path) -> None:
    made = [{"annual_income": one["income"], "home": one["home"]} for one in MADE]
    vectorizer = DictVectorizer(sparse=False, separator="_")
    rows = vectorizer.fit_transform(made)
    model = trained(rows, LABEL)
    tag = kept("sources_separator", model, vectorizer)
    fields = tmp_path / "fields.json"
    fields.write_text(json.dumps([{"name": "annual_income", "minimum": 0}, {"name": "home"}]))

    with pytest.raises(FeatureMismatch, match="number 'annual_income' or the category 'income'"):
        imported(tag, "sources_separator_asked")
    scorer = imported(tag, "sources_separator_said", fields=fields)

    assert_answers(scorer, made, probabilities(model, rows))
    assert [field.name for field in scorer.encoder.fields] == ["annual_income", "home"]


@pytest.mark.parametrize("unknown", ["refuse", "zero"])
def test_a_category_without_a_column_is_refused_or_all_zeros(unknown: str) -> None:
    vectorizer = DictVectorizer(sparse=False)
    vectorizer.fit(MADE)
    support = [name != "home=parents" for name in vectorizer.feature_names_]
    vectorizer.restrict(np.array(support))
    rows = vectorizer.transform(MADE)
    model = trained(rows, LABEL)
    tag = kept("sources_restricted", model, vectorizer)

    scorer = imported(tag, "sources_unknown", unknown=unknown)

    if unknown == "zero":
        assert_answers(scorer, MADE, probabilities(model, rows))
    else:
        with pytest.raises(InvalidApplication, match=r"one of 'owner', 'rent'.* got \"parents\""):
            scorer.classify_batch(MADE)


def test_a_baseline_is_a_category_that_training_gave_no_column(tmp_path: Path) -> None:
    frame = pd.get_dummies(pd.DataFrame(MADE)[["age", "home"]], drop_first=True)
    model = trained(frame, LABEL)
    model.save_model(tmp_path / "model.json")
    fields = tmp_path / "fields.json"
    fields.write_text(json.dumps({"age": {"unit": "years"}, "home": {"baseline": ["owner"]}}))

    scorer = imported(
        tmp_path / "model.json", "sources_base", fields=fields, separator="_", absent="zero"
    )

    asked = [{"age": one["age"], "home": one["home"]} for one in MADE]
    assert_answers(scorer, asked, probabilities(model, frame))
    with pytest.raises(InvalidApplication, match="one of 'parents', 'rent', 'owner', got \"boat\""):
        scorer.classify({"age": 30, "home": "boat"})


def test_columns_of_get_dummies_take_true_and_false(tmp_path: Path) -> None:
    frame = pd.get_dummies(pd.DataFrame(MADE)[["age", "home"]])
    model = trained(frame, LABEL)
    model.save_model(tmp_path / "model.ubj")

    scorer = imported(tmp_path / "model.ubj", "sources_dummies")

    assert_answers(scorer, frame.to_dict("records"), probabilities(model, frame))
    with pytest.raises(InvalidApplication, match="at most 1, true or false, got 3"):
        scorer.classify(frame.to_dict("records")[0] | {"home_owner": 3})


def test_a_boosters_own_names_need_no_file_of_features(tmp_path: Path) -> None:
    frame = pd.DataFrame(MADE)[["age", "income"]].assign(income=lambda f: f.income.mask(f.age < 25))
    model = trained(frame, LABEL)
    model.save_model(tmp_path / "model.ubj")

    refusing = imported(tmp_path / "model.ubj", "sources_named", missing=math.nan)
    scorer = imported(tmp_path / "model.ubj", "sources_null", null="missing")

    asked = json.loads(frame.to_json(orient="records"))
    with pytest.raises(InvalidApplication, match="got null - at field 'income'"):
        refusing.classify_batch(asked)
    assert_answers(scorer, asked, probabilities(model, frame))


@pytest.mark.parametrize("null", ["zero", "missing"])
def test_null_among_texts_is_read_as_in_training(null: str) -> None:
    made = [one | {"job": None if one["age"] > 60 else one["job"]} for one in MADE]
    vectorizer = DictVectorizer(sparse=False)
    rows = vectorizer.fit_transform(made)
    if null == "zero":
        rows = np.nan_to_num(rows)
    model = trained(rows, LABEL)
    tag = kept("sources_gap", model, vectorizer)

    scorer = imported(tag, "sources_gap_read", null=null)

    assert_answers(scorer, made, probabilities(model, rows))


def test_several_categories_at_once_are_read_as_in_training() -> None:
    made: list[dict[str, Any]] = [
        {"age": one["age"], "tags": [one["home"], one["job"]][: one["age"] % 3]} for one in MADE
    ]
    vectorizer = DictVectorizer(sparse=False)
    rows = vectorizer.fit_transform(made)
    model = trained(rows, LABEL)

    scorer = imported(kept("sources_lists", model, vectorizer), "sources_lists_read")

    assert_answers(scorer, made, probabilities(model, rows))
    with pytest.raises(InvalidApplication, match="a list of them"):
        scorer.classify({"age": 30, "tags": ["rent", "rent"]})


def test_an_empty_text_is_a_category_like_any_other() -> None:
    made = [one | {"job": "" if one["age"] > 60 else one["job"]} for one in MADE]
    vectorizer = DictVectorizer(sparse=False)
    rows = vectorizer.fit_transform(made)
    model = trained(rows, LABEL)

    scorer = imported(kept("sources_empty", model, vectorizer), "sources_empty_read")

    assert_answers(scorer, made, probabilities(model, rows))


def test_booleans_of_a_vectorizer_are_read_as_in_training() -> None:
    made = [{"age": one["age"], "owns": one["home"] == "owner"} for one in MADE]
    vectorizer = DictVectorizer(sparse=False)
    rows = vectorizer.fit_transform(made)
    model = trained(rows, LABEL)

    scorer = imported(kept("sources_flags", model, vectorizer), "sources_flags_read")

    assert_answers(scorer, made, probabilities(model, rows))


def of_categories(values: Sequence[Any]) -> tuple[xgboost.Booster, pd.DataFrame]:
    """A booster with a column of XGBoost's own categories."""
    picked = [values[one["age"] % len(values)] for one in MADE]
    frame = pd.DataFrame({"age": [one["age"] for one in MADE], "region": pd.Categorical(picked)})
    label = (np.array([one["age"] % len(values) for one in MADE]) == 1) ^ (LABEL == 1)
    matrix = xgboost.DMatrix(frame, label=label.astype(int), enable_categorical=True)
    parameters = {"objective": "binary:logistic", "max_depth": 3, "max_cat_to_onehot": 2}
    return xgboost.train(parameters, matrix, 20), frame


@pytest.mark.parametrize("values", [["AP", "EU", "US", ""], [100, 205, 307]], ids=str)
def test_xgboosts_own_categories_are_sent_as_what_they_are(
    tmp_path: Path, values: list[Any]
) -> None:
    model, frame = of_categories(values)
    model.save_model(tmp_path / "model.ubj")

    scorer = imported(tmp_path / "model.ubj", "sources_native")

    expected = model.predict(xgboost.DMatrix(frame, enable_categorical=True))
    assert_answers(scorer, frame.to_dict("records"), expected)
    for odd in ("XX", 3.7, 99, -1, True):
        with pytest.raises(InvalidApplication, match="at field 'region'"):
            scorer.classify({"age": 30, "region": odd})


def test_texts_that_xgboost_cut_are_asked_for(tmp_path: Path) -> None:
    model, frame = of_categories(["AP", "EU", "ÜS"])
    model.save_model(tmp_path / "model.ubj")
    if xgboost.__version__ >= "3.4":
        pytest.skip("this XGBoost stores texts whole")
    fields = tmp_path / "fields.json"
    fields.write_text(json.dumps({"region": {"categories": ["AP", "EU", "ÜS"]}}))

    with pytest.raises(ImportRefused, match="texts that XGBoost did not store whole"):
        imported(tmp_path / "model.ubj", "sources_cut_texts")
    scorer = imported(tmp_path / "model.ubj", "sources_whole", fields=fields)

    expected = model.predict(xgboost.DMatrix(frame, enable_categorical=True))
    assert_answers(scorer, frame.to_dict("records"), expected)


def test_without_texts_the_field_says_which_codes_there_are(tmp_path: Path) -> None:
    model, frame = of_categories(["AP", "EU", "US"])
    document = json.loads(model.save_raw("json"))
    # As XGBoost writes before 3.1.
    document["learner"]["gradient_booster"]["model"].pop("cats")
    document["version"] = [3, 0, 5]
    path = tmp_path / "model.json"
    path.write_text(json.dumps(document))
    coded = frame.assign(region=frame.region.cat.codes)
    fields = tmp_path / "fields.json"
    fields.write_text(json.dumps({"region": {"categories": ["AP", "EU", "US"]}}))

    scorer = imported(path, "sources_codes")
    by_text = imported(path, "sources_texts", fields=fields)

    expected = model.predict(xgboost.DMatrix(frame, enable_categorical=True))
    assert_answers(scorer, coded.to_dict("records"), expected)
    assert_answers(by_text, frame.to_dict("records"), expected)
    with pytest.raises(InvalidApplication, match="one of the codes 0 to"):
        scorer.classify({"age": 30, "region": 99})


@pytest.mark.parametrize(
    "name", ["model.bst", "model.model", "model.xgb", "m.JSON", "model", "a.b"]
)
@pytest.mark.parametrize("form", ["json", "ubj"])
def test_a_file_is_known_by_its_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, form: str
) -> None:
    frame = pd.DataFrame(MADE)[["age", "income"]]
    model = trained(frame, LABEL)
    (tmp_path / name).write_bytes(model.save_raw(form))
    monkeypatch.chdir(tmp_path)

    scorer = imported(name, "sources_content")

    assert_answers(scorer, frame.to_dict("records"), probabilities(model, frame))


def test_json_with_a_bare_nan_is_read(tmp_path: Path) -> None:
    model, frame = of_categories(["AP", "EU", "US"])
    text = model.save_raw("json").decode()
    document = json.loads(text)
    tree = document["learner"]["gradient_booster"]["model"]["trees"][0]
    node = tree["categories_nodes"][0]
    # XGBoost writes it up to 3.0 as the condition of a split by category.
    tree["split_conditions"][node] = float("nan")
    path = tmp_path / "model.json"
    path.write_text(json.dumps(document))
    assert "NaN" in path.read_text()

    scorer = imported(path, "sources_nan")

    expected = model.predict(xgboost.DMatrix(frame, enable_categorical=True))
    assert_answers(scorer, frame.to_dict("records"), expected)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (pickle.dumps({"a": 1}), "a pickle"),
        (b"x\x9c\xed", "a compressed pickle"),
        (b"PK\x03\x04rest", "a zip archive"),
        (b"binf\x00\x00\x00\x3f", "XGBoost's old binary format"),
        (b"\x00\x00\x00\x3f\x04\x00\x00\x00", "XGBoost's old binary format"),
        (
            # A base score of 0.3.
            b"\x9a\x99\x99\x3e\x04" + bytes(131) + b"\x0f" + bytes(7) + b"binary:logistic",
            "XGBoost's old binary format",
        ),
        (b"booster[0]:\n0:[f0<1]", "a dump of trees"),
        (b'[{"nodeid": 0, "depth": 0}]', "a dump of trees"),
        (b"tree\nversion=v4\n", "a model of LightGBM"),
        (b"# A project\n", "Expected a booster"),
    ],
    ids=[
        "pickle",
        "joblib",
        "zip",
        "binf",
        "binary",
        "binary 0.3",
        "dump",
        "json dump",
        "lightgbm",
        "text",
    ],
)
@pytest.mark.parametrize("name", ["model.pkl", "model.ubj", "README.md"])
def test_another_file_is_named_for_what_it_is(
    tmp_path: Path, data: bytes, what: str, name: str
) -> None:
    (tmp_path / name).write_bytes(data)

    with pytest.raises(ImportRefused, match=what):
        imported(tmp_path / name, "sources_other")


@pytest.mark.parametrize("objective", ["reg:squarederror", "multi:softprob", "count:poisson"])
def test_a_model_of_another_task_answers_its_own_predictions(
    tmp_path: Path, objective: str
) -> None:
    frame = pd.DataFrame(MADE)[["age", "income"]]
    more = {"num_class": 2} if objective == "multi:softprob" else {}
    booster = trained(frame, LABEL, 5, objective=objective, **more)
    booster.save_model(tmp_path / "model.ubj")

    scorer = imported(tmp_path / "model.ubj", "sources_objective")

    asked = frame.to_dict(orient="records")
    answers = scorer.classify_batch(asked)
    found = [one.get("probabilities", {"": one["prediction"]}) for one in answers]
    numbers = np.array([list(one.values()) for one in found], np.float32)
    assert numbers.tobytes() == booster.predict(xgboost.DMatrix(frame)).tobytes()


def test_a_threshold_beside_a_regression_is_refused() -> None:
    vectorizer = DictVectorizer(sparse=False)
    rows = vectorizer.fit_transform(MADE)
    tag = kept(
        "sources_no_cut",
        trained(rows, LABEL, objective="reg:squarederror"),
        vectorizer,
        threshold=0.25,
    )

    with pytest.raises(ImportRefused, match=r"no threshold of a model of 'reg:sq.*--policy FILE"):
        imported(tag, "sources_no_cut_imported")


@pytest.mark.parametrize(
    ("model", "encoder", "policy"),
    [
        (None, small.encoder(), None),
        ("model.ubj", small.encoder(), None),
        (xgboost.XGBClassifier(), small.encoder(), None),
        (small.booster(), list(small.FEATURES), None),
        (small.booster(), DictVectorizer(), None),
        (small.booster(), None, None),
        (small.booster(), small.encoder(), {"DECLINED": 0.5}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_wrong_type_is_one_of_our_errors(model: Any, encoder: Any, policy: Any) -> None:
    with pytest.raises(bentoml_ext.errors.BentoMLExtError, match="Expected "):
        bentoml_ext.save_model("sources_types", model, encoder=encoder, policy=policy)


def test_a_threshold_among_the_custom_objects_decides() -> None:
    vectorizer = DictVectorizer(sparse=False)
    model = trained(vectorizer.fit_transform(MADE), LABEL)
    tag = kept("sources_threshold", model, vectorizer, threshold=np.float64(0.25))

    scorer = imported(tag, "sources_cut")

    answers = scorer.classify_batch(MADE)
    assert {answer.status for answer in answers} == {"DECLINED", "APPROVED"}
    assert scorer.decider.policy == of_threshold(0.25)


def test_a_threshold_among_the_metadata_decides() -> None:
    vectorizer = DictVectorizer(sparse=False)
    model = trained(vectorizer.fit_transform(MADE), LABEL)
    tag = bentoml.xgboost.save_model(
        "sources_metadata",
        model,
        custom_objects={"dv": vectorizer},
        metadata={"auc": 0.8, "threshold": 0.25},
    ).tag

    assert imported(tag, "sources_metadata_cut").decider.policy == of_threshold(0.25)


def test_a_policy_file_decides(tmp_path: Path) -> None:
    vectorizer = DictVectorizer(sparse=False)
    model = trained(vectorizer.fit_transform(MADE), LABEL)
    path = tmp_path / "policy.json"
    policy = bentoml_ext.Bands("Risk", (bentoml_ext.Band(0.25, "high"),), "low")
    path.write_bytes(policy.to_json())

    scorer = imported(kept("sources_policy", model, vectorizer), "sources_bands", policy=path)

    assert scorer.decider.policy == policy


@pytest.mark.parametrize(
    "objects",
    [{"threshold": 0.5, "cutoff_low": 0.3}, {"threshold": "0.25"}, {"threshold": 25}, {"thr": [1]}],
    ids=str,
)
def test_a_cut_off_that_cannot_be_taken_is_asked_for(
    objects: dict[str, Any], tmp_path: Path
) -> None:
    vectorizer = DictVectorizer(sparse=False)
    tag = kept("sources_thr", trained(vectorizer.fit_transform(MADE), LABEL), vectorizer, **objects)

    with pytest.raises(ImportRefused, match=r"Expected one threshold between.*--policy FILE"):
        imported(tag, "sources_thr_asked")

    # The way out that the message names is one.
    path = tmp_path / "policy.json"
    path.write_text('{"DECLINED": 0.25, "otherwise": "APPROVED"}')
    scorer = imported(tag, "sources_thr_said", policy=path)
    assert scorer.decider.policy == of_threshold(0.25)


NUMBERS = pd.DataFrame(MADE)[["age", "income"]]


def stopped(kind: str) -> xgboost.XGBClassifier:
    """An estimator of which rounds lie behind the best."""
    worse = {"eval_set": [(NUMBERS, 1 - LABEL)], "verbose": False}
    model = xgboost.XGBClassifier(
        n_estimators=20, booster=kind, early_stopping_rounds=3, n_jobs=1, learning_rate=0.05
    )
    model.fit(NUMBERS, LABEL, **worse)
    assert model.best_iteration + 1 < model.get_booster().num_boosted_rounds()
    return model


@pytest.mark.parametrize("kind", ["gblinear", "dart", "gbtree"])
def test_an_estimator_that_stopped_early_answers_as_it_predicts_whatever_its_booster(
    kind: str, tmp_path: Path
) -> None:
    model = stopped(kind)
    model.save_model(tmp_path / "model.ubj")
    asked = NUMBERS.to_dict(orient="records")

    by_file = imported(tmp_path / "model.ubj", "sources_stopped")
    handed = bentoml_ext.save_model(
        "sources_handed", model, encoder=bentoml_ext.Encoder(list(NUMBERS))
    )

    expected = model.predict_proba(NUMBERS)[:, 1]
    assert_answers(by_file, asked, expected)
    assert_answers(bentoml_ext.load_model(handed, "onnx"), asked, expected)


def test_of_a_linear_booster_no_rounds_are_asked_for_because_all_count(tmp_path: Path) -> None:
    booster = stopped("gblinear").get_booster()
    booster.save_model(tmp_path / "model.json")

    for rounds in (None, "best", "all"):
        scorer = imported(tmp_path / "model.json", "sources_linear", rounds=rounds)
        expected = booster.predict(xgboost.DMatrix(NUMBERS))
        assert_answers(scorer, NUMBERS.to_dict(orient="records"), expected)


@pytest.mark.parametrize("strategy", ["one_output_per_tree", "multi_output_tree"])
def test_a_model_of_several_labels_answers_each_of_them(strategy: str, tmp_path: Path) -> None:
    model = xgboost.XGBClassifier(n_estimators=2, multi_strategy=strategy, n_jobs=1)
    model.fit(NUMBERS, np.column_stack([LABEL, 1 - LABEL])).save_model(tmp_path / "model.ubj")

    scorer = imported(tmp_path / "model.ubj", "sources_labels")

    answers = scorer.classify_batch(NUMBERS.to_dict(orient="records"))
    numbers = np.array([one["prediction"] for one in answers], np.float32)
    assert numbers.tobytes() == model.get_booster().predict(xgboost.DMatrix(NUMBERS)).tobytes()


def test_a_marker_of_infinity_marks_nothing_that_can_be_sent(tmp_path: Path) -> None:
    model = xgboost.XGBClassifier(n_estimators=3, missing=np.inf, n_jobs=1).fit(NUMBERS, LABEL)
    encoder = bentoml_ext.Encoder(list(NUMBERS))

    scorer = bentoml_ext.load_model(bentoml_ext.save_model("sources_inf", model, encoder=encoder))

    asked = NUMBERS.to_dict(orient="records")
    assert_answers(scorer, asked, model.predict_proba(NUMBERS)[:, 1])


def test_what_an_absent_category_became_is_not_asked_where_it_cannot_matter(
    tmp_path: Path,
) -> None:
    # Never split by a category: the age alone decides, and a sum knows no missing value.
    aged = np.array([one["age"] < 35 for one in MADE], np.int64)
    vectorizer = DictVectorizer()
    rows = vectorizer.fit_transform(MADE)
    for kind in ({"max_depth": 1}, {"booster": "gblinear"}):
        told = {"objective": "binary:logistic", "nthread": 1, **kind}
        model = xgboost.train(told, xgboost.DMatrix(rows, aged), 3)
        scorer = imported(kept("sources_age", model, vectorizer), "sources_open")
        assert_answers(scorer, MADE, probabilities(model, rows))


@pytest.mark.parametrize(
    "said", [{"rounds": 3}, {"check": 3}, {"check": [1]}, {"check": "no_such_file.csv"}], ids=str
)
def test_another_type_at_save_model_is_refused_by_its_name(said: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"at {next(iter(said))}"):
        bentoml_ext.save_model("sources_api", small.booster(), encoder=small.encoder(), **said)


@pytest.mark.parametrize("separator", ["::", " = "])
def test_a_check_finds_any_separator_behind_the_fields_that_it_has(
    separator: str, tmp_path: Path
) -> None:
    frame = pd.DataFrame(MADE)
    columns = pd.get_dummies(frame, prefix_sep=separator, dtype=float)
    model = trained(columns, LABEL)
    model.save_model(tmp_path / "model.ubj")
    frame.assign(prediction=probabilities(model, columns)).to_parquet(tmp_path / "check.parquet")

    request = importing.ImportRequest(str(tmp_path / "model.ubj"), check=tmp_path / "check.parquet")
    stored = importing.import_model(request, "sources_behind")

    scorer = bentoml_ext.load_model(stored, "onnx")
    assert [field.name for field in scorer.encoder.fields] == ["age", "income", "home", "job"]


@pytest.mark.parametrize("name", [None, 3, ["a"]], ids=str)
def test_a_name_of_another_type_is_refused(name: Any) -> None:
    with pytest.raises(ConfigError, match="Expected NAME or NAME:VERSION"):
        bentoml_ext.save_model(name, small.booster(), encoder=small.encoder())
    with pytest.raises(ConfigError, match="Expected NAME or NAME:VERSION"):
        bentoml_ext.load_model(name)
