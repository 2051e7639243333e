"""Predictions: values, orders and classes, compared by the command as a user does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn import metrics

import bentoml_ext
from tests.support import small
from tests.support.commands import ROOT, ext_command
from tests.support.tasks import booster_of

pytestmark = pytest.mark.slow


def compared(*words: str | Path) -> tuple[dict[str, Any], str]:
    """What `compare` writes as JSON, held against the schema, and prints."""
    path = Path(str(words[-1])).with_suffix(".json")
    ended = ext_command("compare", *words[:-1], "--json", path)
    assert ended.returncode == 0, ended.stderr
    report = json.loads(path.read_bytes())
    jsonschema.validate(report, json.loads((ROOT / "docs" / "compare.schema.json").read_text()))
    return report, ended.stdout


def test_a_worse_regression_is_said_to_fit_worse(
    tags: dict[str, tuple[str, str]], predictions_file: Path, tmp_path: Path
) -> None:
    one, other = tags["regression"]
    scores, page = tmp_path / "scores.parquet", tmp_path / "page.html"

    report, printed = compared(
        *(one, "--with", other, "--data", predictions_file, "--outcome", "number"),
        *("--scores", scores, "--html", page, tmp_path / "report"),
    )

    assert "the challenger fits worse: RMSE +" in printed.splitlines()[0]
    kept = pq.read_table(scores)
    truth = kept["outcome"].to_numpy()
    for side in ("champion", "challenger"):
        predicted = kept[f"{side}_prediction"].to_numpy()
        found = {one["name"]: one["figures"][side]["value"] for one in report["measures"]}
        assert found["r2"] == pytest.approx(metrics.r2_score(truth, predicted))
        assert found["mae"] == pytest.approx(np.abs(truth - predicted).mean())
    assert page.read_text().count("<svg") == 2


def test_a_classifier_that_chance_explains_is_said_to_fit_no_worse(
    tags: dict[str, tuple[str, str]], predictions_file: Path, tmp_path: Path
) -> None:
    one, other = tags["classes"]
    scores, page = tmp_path / "scores.parquet", tmp_path / "page.html"

    report, printed = compared(
        *(one, "--with", other, "--data", predictions_file, "--outcome", "label"),
        *("--scores", scores, "--html", page, tmp_path / "report"),
    )

    assert "of 300 classes change" in printed.splitlines()[0]
    assert "; the challenger fits neither better nor worse beyond chance: Accuracy -" in printed
    kept = pq.read_table(scores).to_pydict()
    truth, said = kept["outcome"], kept["challenger_prediction"]
    expected = metrics.confusion_matrix(truth, said, labels=report["labels"])
    cells = [cell["count"] for cell in report["second"]["confusion"]]
    assert np.array(cells).reshape(3, 3).tolist() == expected.tolist()
    found = {one["name"]: one["figures"]["challenger"]["value"] for one in report["measures"]}
    assert found["macro_f1"] == pytest.approx(metrics.f1_score(truth, said, average="macro"))
    assert page.read_text().count("<svg") == 3


def test_an_order_is_measured_within_groups(
    ranked_tags: tuple[str, str], predictions_file: Path, tmp_path: Path
) -> None:
    words = (ranked_tags[0], "--with", ranked_tags[1], "--data", predictions_file)

    _, alone = compared(*words, "--outcome", "rank", tmp_path / "alone")
    report, _ = compared(*words, "--outcome", "rank", "--group", "query", tmp_path / "grouped")

    assert "NDCG needs --group COLUMN" in alone
    assert [one["name"] for one in report["measures"]] == ["ndcg"]
    assert report["measures"][0]["figures"]["difference"]["value"] < 0


def test_two_files_of_a_regression_and_of_classes(
    tags: dict[str, tuple[str, str]], predictions_file: Path, tmp_path: Path
) -> None:
    for kind, outcome in (("regression", "number"), ("classes", "label")):
        words = (tags[kind][0], "--data", predictions_file, "--with-data", predictions_file)

        report, printed = compared(*words, "--outcome", outcome, tmp_path / kind)

        assert "no more than chance: PSI 0.0000" in printed.splitlines()[0]
        assert report["agreement"] is None
        assert all(one["figures"]["difference"]["value"] == 0 for one in report["measures"])


@pytest.mark.parametrize("kind", ["regression", "classes"])
def test_backends_of_every_task_agree(tags: dict[str, tuple[str, str]], kind: str) -> None:
    ended = ext_command("compare", tags[kind][0])

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("Every answer is the same; ")


def test_a_worse_model_fails_the_gate_of_its_measure(
    tags: dict[str, tuple[str, str]], predictions_file: Path, tmp_path: Path
) -> None:
    gates = tmp_path / "gates.toml"
    gates.write_text("[accuracy]\nmin_absolute_change = 0\n[flips]\nmax = 1\n[log_loss]\nmax = 9\n")
    words = ("compare", tags["classes"][0], "--with", tags["classes"][1])

    ended = ext_command(*words, "--data", predictions_file, "--outcome", "label", "--gates", gates)

    assert ended.returncode == 1
    lines = [line for line in ended.stdout.splitlines() if line.startswith("Gate ")]
    assert "fails" in lines[0]
    assert all(line.endswith("holds.") for line in lines[1:])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--with", "OTHER"], "Expected two versions that answer the same"),
        (["--with", "SAME", "--outcome", "age"], "got the field 'age'"),
        (["--with", "SAME", "--outcome", "home"], "got the field 'home'"),
        (["--with", "SAME", "--impact", "home"], "--impact is for a model that decides by bands"),
        (["--with", "SAME", "--group", "home"], "--group is for a model that answers an order"),
        (["--with", "SAME", "--outcome", "label"], "Expected numbers, got"),
    ],
)
def test_what_does_not_fit_the_task_is_refused(
    tags: dict[str, tuple[str, str]], predictions_file: Path, options: list[str], words: str
) -> None:
    one, other = tags["regression"]
    given = {"OTHER": tags["classes"][0], "SAME": other}

    ended = ext_command(
        *("compare", one, "--data", predictions_file),
        *(given.get(option, option) for option in options),
    )

    assert ended.returncode == 1
    assert words in ended.stderr


def test_several_predictions_are_compared_by_their_backends_alone(predictions_file: Path) -> None:
    booster = booster_of("targets")
    tag = str(bentoml_ext.save_model("predictions_two", booster, encoder=small.encoder()).tag)

    ended = ext_command("compare", tag, "--with", tag, "--data", predictions_file)

    assert ended.returncode == 1
    assert "Expected a model with one prediction, got several" in ended.stderr
