"""Import: a course-style model becomes a bundle, and nothing of a pickle is run."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import bentoml
import numpy as np
import pytest
import xgboost
from bentoml.exceptions import BentoMLException, NotFound
from sklearn.feature_extraction import DictVectorizer

import bentoml_ext
from bentoml_ext.encoders.feature_names import read_features
from bentoml_ext.encoders.reading import Reading
from bentoml_ext.errors import FeatureMismatch, ImportRefused
from bentoml_ext.importers.find import find, from_store
from tests.support import small
from tests.support.commands import bentoml_command, ext_command
from tests.support.vectorizers import Runs, fitted


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('["a", "b=c"]', ["a", "b=c"]),
        ('\n  ["a=[x]"]', ["a=[x]"]),
        ("a\nb=c\n", ["a", "b=c"]),
        ("  a \r\n\r\n b=c d", ["a", "b=c d"]),
        ("ä\n", ["ä"]),
        ("\ufeffa\nb", ["a", "b"]),
    ],
    ids=repr,
)
def test_feature_names_are_a_list_or_a_name_a_line(
    tmp_path: Path, text: str, names: list[str]
) -> None:
    path = tmp_path / "features"
    path.write_text(text, encoding="utf-8")

    assert read_features(path) == names


@pytest.mark.parametrize("data", [b"", b" \n\n", b"[]", b'["a", 3]', b'["a"', b"\xff\xfea"])
def test_a_file_without_feature_names_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "features"
    path.write_bytes(data)

    with pytest.raises(FeatureMismatch, match=f"at {path}"):
        read_features(path)


@pytest.fixture
def features(tmp_path: Path) -> Path:
    path = tmp_path / "features.json"
    path.write_text(json.dumps(small.FEATURES))
    return path


@pytest.mark.parametrize("suffix", ["json", "ubj"])
@pytest.mark.parametrize("absent", ["zero", "missing"])
def test_a_booster_file_with_its_feature_names_is_imported(
    tmp_path: Path, features: Path, suffix: str, absent: Any
) -> None:
    path = tmp_path / f"model.{suffix}"
    small.booster().save_model(path)

    source = find(str(path), features)
    imported = source.read(Reading(absent=absent))

    assert source.name == path.name
    assert imported.encoder.features == small.FEATURES
    assert (imported.encoder.absent, imported.encoder.null) == (absent, "missing")
    rows = small.rows(20)
    small.assert_same_bits(
        expected=small.booster().inplace_predict(rows), got=imported.model.inplace_predict(rows)
    )


def test_a_booster_file_needs_its_feature_names(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    small.booster().save_model(path)

    with pytest.raises(ImportRefused, match=r"feature names of model\.json, got none - at --feat"):
        find(str(path))


@pytest.mark.parametrize("suffix", ["json", "ubj"])
@pytest.mark.parametrize("part", [0.0, 0.1, 0.9])
def test_a_cut_booster_file_is_refused(
    tmp_path: Path, features: Path, suffix: str, part: float
) -> None:
    path = tmp_path / f"model.{suffix}"
    small.booster().save_model(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])

    with pytest.raises(ImportRefused, match=f"Expected a booster, got .* at {path}"):
        find(str(path), features)


@pytest.mark.parametrize("data", [b"{}", b"[1, 2]", b"null", b"not a model", b'{"learner": 3}'])
@pytest.mark.parametrize("suffix", ["json", "ubj"])
def test_a_file_that_is_no_booster_is_refused(
    tmp_path: Path, features: Path, suffix: str, data: bytes
) -> None:
    path = tmp_path / f"model.{suffix}"
    path.write_bytes(data)

    with pytest.raises(ImportRefused, match="Expected a booster, got"):
        find(str(path), features)


@pytest.mark.parametrize("name", ["model.ubj", "model.pkl", "model.JSON", "model"])
def test_a_file_that_is_not_there_is_refused(tmp_path: Path, features: Path, name: str) -> None:
    with pytest.raises(ImportRefused, match="Expected a booster file, got none"):
        find(str(tmp_path / name), features)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImportRefused, match=r"got a folder .* Name the file in it"):
        find(str(tmp_path))


def test_feature_names_are_not_for_a_tag(features: Path) -> None:
    with pytest.raises(ImportRefused, match="--features for a booster file alone"):
        find("model:latest", features)


def test_a_tag_that_is_not_in_the_store_is_not_found() -> None:
    with pytest.raises(NotFound, match="importer_nothing"):
        find("importer_nothing:latest")


@pytest.mark.parametrize("source", ["a b", "model/x", "Ümlaut", "", "m:v:w", "../x"])
def test_what_is_neither_file_nor_tag_is_refused(source: str) -> None:
    with pytest.raises(BentoMLException):
        find(source)


def test_a_model_without_custom_objects_says_how_to_save_one() -> None:
    stored = bentoml.xgboost.save_model("importer_bare", small.booster())

    with pytest.raises(ImportRefused, match=r"custom objects, got none .* custom_objects={'DictV"):
        from_store(stored.tag)


def test_a_bundle_is_not_imported_again() -> None:
    stored = bentoml_ext.save_model("importer_own", small.booster(), encoder=small.encoder())

    with pytest.raises(ImportRefused, match=r"bentoml\.xgboost, got one saved by bentoml_ext"):
        from_store(stored.tag)


def test_a_vectorizer_of_other_columns_is_refused_and_nothing_stored() -> None:
    narrow = DictVectorizer().fit([{"age": 1, "income": 2}])
    stored = bentoml.xgboost.save_model(
        "importer_narrow", small.booster(), custom_objects={"DictVectorizer": narrow}
    )

    ended = ext_command("import", str(stored.tag), "--name", "importer_refused")

    assert ended.returncode == 1
    assert ended.stderr == (
        f"Error: Expected 4 features for this booster, got 2 - at {stored.tag}.\n"
    )
    with pytest.raises(NotFound):
        bentoml.models.get("importer_refused")


def test_the_command_refuses_a_hostile_model_in_one_line(home: Path, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    stored = bentoml.xgboost.save_model(
        "importer_hostile",
        small.booster(),
        custom_objects={"DictVectorizer": fitted(), "x": Runs(os.system, f"touch {marker}")},
    )

    ended = bentoml_command(home, "ext", "import", str(stored.tag), "--name", "importer_refused")

    assert ended.returncode == 1
    assert ended.stderr.startswith("Error: Expected a DictVectorizer and nothing else, got 'posix")
    assert ended.stderr.count("\n") == 1
    assert not marker.exists()


@pytest.mark.parametrize("key", ["DictVectorizer", "dictVectorizer", "dv"])
def test_an_estimator_that_stopped_early_is_imported_as_it_predicts(key: str) -> None:
    rows, label = np.nan_to_num(small.rows(300)), np.arange(300) % 2
    estimator = xgboost.XGBClassifier(n_estimators=60, early_stopping_rounds=3, max_depth=2)
    estimator.fit(rows, label, eval_set=[(rows[:100], 1 - label[:100])], verbose=False)
    stored = bentoml.xgboost.save_model(
        "importer_early", estimator, custom_objects={key: fitted(sparse=False)}
    )

    ended = ext_command("import", str(stored.tag), "--name", f"importer_{key}")

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith(f"Imported {stored.tag} as importer_{key.lower()}:")
    scorer = bentoml_ext.load_model(f"importer_{key}:latest")
    small.assert_same_bits(
        expected=estimator.predict(rows, output_margin=True)[:, None], got=scorer.margins(rows)
    )
