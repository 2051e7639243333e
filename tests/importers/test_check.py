"""`bentoml ext import --check`: the trainer's own predictions decide, refuse and name the cure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xgboost
from click.testing import CliRunner
from sklearn.feature_extraction import DictVectorizer

import bentoml_ext
from bentoml_ext.cli import ext
from bentoml_ext.errors import NotAccepted
from bentoml_ext.importers import importing
from tests.support import small
from tests.support.commands import ext_command
from tests.support.kept import applications, kept, outcomes, probabilities, trained

MADE = applications()
LABEL = outcomes(MADE)


def model_of(made: list[dict[str, Any]], *, dense: bool, **options: Any) -> tuple[Any, Any, Any]:
    """A booster, its vectorizer, and its own answers."""
    vectorizer = DictVectorizer(**options)
    rows = vectorizer.fit_transform(made)
    rows = rows.toarray() if dense else rows
    booster = trained(rows, LABEL)
    return booster, vectorizer, probabilities(booster, rows)


def written(folder: Path, made: list[dict[str, Any]], said: Any) -> Path:
    path = folder / "said.parquet"
    pd.DataFrame(made).assign(probability=said).to_parquet(path)
    return path


@pytest.mark.parametrize("dense", [True, False])
def test_a_check_finds_out_what_training_saw(tmp_path: Path, dense: bool) -> None:
    booster, vectorizer, said = model_of(MADE, dense=dense)
    tag = kept("check_found", booster, vectorizer)

    ended = ext_command(
        "import",
        tag,
        "--name",
        "check_in",
        "--check",
        str(written(tmp_path, MADE, said)),
    )

    assert ended.returncode == 0, ended.stderr
    assert "Accepted on 400 of the trainer's predictions, every bit equal" in ended.stdout
    assert "found by --check" in ended.stdout
    scorer = bentoml_ext.load_model("check_in:latest", "onnx")
    got = [answer.probability for answer in scorer.classify_batch(MADE)]
    small.assert_same_bits(expected=said, got=np.array(got, np.float32))


def test_a_switch_that_is_wrong_is_refused_with_its_cure(tmp_path: Path) -> None:
    booster, vectorizer, said = model_of(MADE, dense=True)
    tag = kept("check_wrong", booster, vectorizer)
    path = written(tmp_path, MADE, said)

    ended = ext_command(
        "import",
        tag,
        "--name",
        "check_no",
        "--absent",
        "missing",
        "--check",
        str(path),
    )

    assert ended.returncode == 1
    assert "`--absent zero` cures it" in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_the_marker_that_no_file_keeps_is_said_to_be_assumed_and_is_found(tmp_path: Path) -> None:
    frame = pd.DataFrame(MADE)[["age", "income"]].astype(float)
    frame.loc[frame.index % 4 == 0, "income"] = -1
    model = xgboost.XGBClassifier(n_estimators=20, max_depth=3, missing=-1, n_jobs=1)
    # Unlike 0, which lies beside -1: what is missing goes with large incomes.
    model.fit(frame, (frame["income"] == -1) | (frame["income"] > frame["income"].median()))
    model.save_model(tmp_path / "clf.ubj")
    said = np.array(model.predict_proba(frame)[:, 1])
    command = ["import", str(tmp_path / "clf.ubj"), "--name", "check_marker"]
    check = ["--check", str(written(tmp_path, frame.to_dict("records"), said))]

    unchecked, refused, found = (
        CliRunner().invoke(ext, [*command, *more], env={"COLUMNS": "200"})
        for more in ([], ["--missing", "nan", *check], check)
    )

    assert "NaN alone" in unchecked.stdout
    assert "no file keeps an estimator's missing= (--missing NUMBER" in unchecked.stdout
    assert refused.exit_code == 1
    assert "`--missing -1` cures it" in refused.stderr
    assert found.exit_code == 0, found.stderr
    assert "NaN and -1" in found.stdout
    scorer = bentoml_ext.load_model("check_marker:latest", "onnx")
    got = [answer.probability for answer in scorer.classify_batch(frame.to_dict("records"))]
    small.assert_same_bits(expected=said, got=np.array(got, np.float32))


def test_names_in_another_order_are_found_out(tmp_path: Path) -> None:
    frame = pd.DataFrame(MADE)[["age", "income"]]
    booster = trained(frame.to_numpy(), LABEL)
    booster.save_model(tmp_path / "model.ubj")
    said = probabilities(booster, frame.to_numpy())
    path = written(tmp_path, frame.to_dict("records"), said)
    (tmp_path / "names.json").write_text(json.dumps(["income", "age"]))

    ended = ext_command("import", str(tmp_path / "model.ubj"), "--name", "check_order",
        "--features", str(tmp_path / "names.json"), "--check", str(path),
    )  # fmt: skip

    assert ended.returncode == 1
    assert "order" in ended.stderr


def test_a_model_at_training_time_is_checked_too(tmp_path: Path) -> None:
    booster, vectorizer, said = model_of(MADE, dense=False)
    path = written(tmp_path, MADE, said)
    names = vectorizer.feature_names_

    with pytest.raises(NotAccepted):
        bentoml_ext.save_model(
            "check_saved", booster, encoder=bentoml_ext.Encoder(names), check=path
        )
    stored = bentoml_ext.save_model(
        "check_saved", booster, encoder=bentoml_ext.Encoder(names, absent="missing"), check=path
    )

    acceptance = bentoml_ext.load_bundle(stored).proof.acceptance
    assert acceptance is not None
    assert (acceptance.rows, acceptance.tolerance) == (400, 0)


def test_an_import_without_a_check_says_what_it_assumed() -> None:
    booster, vectorizer, _ = model_of(MADE, dense=False, sparse=False)
    tag = kept("check_none", booster, vectorizer)

    ended = ext_command("import", tag, "--name", "check_without")

    assert ended.returncode == 0, ended.stderr
    for said in ("the DictVectorizer is dense", "assumed: the default (--policy FILE)", "--check"):
        assert said in ended.stdout


def test_a_file_of_the_vectorizers_own_rows_is_no_file_of_applications(tmp_path: Path) -> None:
    booster, vectorizer, said = model_of(MADE, dense=False, sparse=False)
    rows = pd.DataFrame(vectorizer.transform(MADE), columns=vectorizer.feature_names_)
    path = tmp_path / "rows.parquet"
    rows.assign(probability=said).to_parquet(path)

    request = importing.ImportRequest(kept("check_rows", booster, vectorizer), check=path)

    with pytest.raises(NotAccepted, match="give the applications as clients send them"):
        importing.import_model(request, "check_of_rows")
