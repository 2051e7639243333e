"""Import: a course-style model becomes a bundle, and nothing of a pickle is run."""

from __future__ import annotations

import builtins
import json
import operator
import os
import pickle
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bentoml
import cloudpickle
import numpy as np
import pytest
import xgboost
from bentoml.exceptions import BentoMLException, NotFound
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import bentoml_ext
from bentoml_ext import importer
from bentoml_ext.errors import FeatureMismatch, ImportRefused
from tests import small
from tests.commands import bentoml_command

SEEN = [{"age": 1, "home": "owner", "income": 2}, {"age": 3, "home": "rent", "income": 4}]


def fitted(**options: Any) -> DictVectorizer:
    """A DictVectorizer whose columns are `small.FEATURES`."""
    return DictVectorizer(**options).fit(SEEN)


def pickled(*objects: Any) -> bytes:
    """As BentoML writes custom objects."""
    data: bytes = cloudpickle.dumps({f"object {i}": value for i, value in enumerate(objects)})
    return data


class Runs:
    """An object whose pickle calls a function when it is read."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


class Own(DictVectorizer):  # type: ignore[misc]
    """A DictVectorizer of somebody's own."""


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    """A file that appears if code of a pickle runs."""
    return tmp_path / "ran"


@pytest.mark.parametrize("sparse", [True, False])
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_dict_vectorizer_is_read_under_any_key_and_protocol(sparse: bool, protocol: int) -> None:
    objects = {"the Vectorizer!": fitted(sparse=sparse), "threshold": 0.5, "note": ["a", 1, None]}

    encoder = importer.encoder_of_pickle(pickle.dumps(objects, protocol))

    assert encoder.features == small.FEATURES
    assert encoder.absent == encoder.null == ("missing" if sparse else "zero")


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.dtype("float32"), float])
def test_a_dict_vectorizer_of_any_float_is_read(dtype: Any) -> None:
    encoder = importer.encoder_of_pickle(pickled(fitted(dtype=dtype)))

    assert encoder.features == small.FEATURES


def test_a_separator_of_the_users_own_is_kept() -> None:
    encoder = importer.encoder_of_pickle(pickled(fitted(separator=" is ", sparse=False)))

    assert encoder.features[1] == "home is owner"
    assert encoder.rows([{"home": "rent"}]).tolist() == [[0, 0, 1, 0]]


def test_what_null_means_can_be_said() -> None:
    data = pickled(fitted(sparse=True))

    assert importer.encoder_of_pickle(data, "zero").null == "zero"
    assert importer.encoder_of_pickle(data, "zero").absent == "missing"


def _hostile(marker: Path) -> dict[str, tuple[Any, str]]:
    command, code = f"touch {marker}", f"open({str(marker)!r}, 'w')"
    return {
        "a shell command": (Runs(os.system, command), f"{os.name}.system"),
        "eval": (Runs(eval, code), "builtins.eval"),
        "exec": (Runs(exec, code), "builtins.exec"),
        "open": (Runs(open, str(marker), "w"), "io.open"),
        "a process": (Runs(subprocess.Popen, ["touch", str(marker)]), "subprocess.Popen"),
        "getattr": (Runs(getattr, builtins, "eval"), "builtins.getattr"),
        "an attribute": (operator.attrgetter("system"), "operator.attrgetter"),
        "a lambda": (lambda: Path(marker).touch(), "cloudpickle."),
        "a pipeline": (make_pipeline(fitted(), LogisticRegression()), "sklearn.pipeline.Pipeline"),
        "a subclass": (Own().fit(SEEN), "tests.test_importer.Own"),
        "an array": (np.ones(3), "numpy"),
        "our own class": (importer._Vectorizer(), "bentoml_ext.importer._Vectorizer"),
        "a class": (Path, "pathlib.Path"),
    }


HOSTILE = sorted(_hostile(Path()))


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside a vectorizer"])
def test_anything_else_in_the_pickle_is_refused_by_name_and_not_run(
    marker: Path, kind: str, beside: bool
) -> None:
    hostile, name = _hostile(marker)[kind]
    data = pickled(fitted(), hostile) if beside else pickled(hostile)

    with pytest.raises(ImportRefused, match=rf"nothing else, got '{name}.*Nothing of it was run"):
        importer.encoder_of_pickle(data)

    assert not marker.exists()


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_hides_inside_a_vectorizer_is_refused_and_not_run(marker: Path, kind: str) -> None:
    vectorizer = fitted()
    vectorizer.vocabulary_, name = _hostile(marker)[kind]

    with pytest.raises(ImportRefused, match=f"got '{name}"):
        importer.encoder_of_pickle(pickled(vectorizer))

    assert not marker.exists()


@pytest.mark.parametrize("module", ["os", "numpy", "sklearn.feature_extraction"])
@pytest.mark.parametrize("name", ["system", "DictVectorizer.__init__", "dtype.__class__", "load"])
def test_no_other_global_of_any_module_is_admitted(module: str, name: str) -> None:
    # A pickle may name a path of attributes, in opcodes that no pickler writes by itself.
    data = b"\x80\x04" + _text(module) + _text(name) + b"\x93."

    with pytest.raises(ImportRefused, match=f"got '{module}.{name}'"):
        importer.encoder_of_pickle(data)


def _text(value: str) -> bytes:
    return b"\x8c" + bytes([len(value)]) + value.encode()


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        ({}, r"one DictVectorizer, got 0 among \[\]"),
        ({"scaler": 1.5}, r"got 0 among \['scaler'\]"),
        ({"a": fitted(), "b": fitted()}, r"got 2 among \['a', 'b'\]"),
        ({"a": [fitted()]}, r"got 0 among \['a'\]"),
        ([1, 2], "got 0 among"),
        (None, "got 0 among"),
        ({"a": DictVectorizer()}, r"fitted DictVectorizer, got one without \['feature_names_'"),
        ({"a": fitted(dtype=np.dtype("int64"))}, "DictVectorizer of floats, got dtype"),
    ],
    ids=repr,
)
def test_objects_without_one_fitted_vectorizer_of_floats_are_refused(
    objects: Any, message: str
) -> None:
    with pytest.raises(ImportRefused, match=message):
        importer.encoder_of_pickle(pickle.dumps(objects))


@pytest.mark.parametrize(
    "state",
    [
        {"feature_names_": 3},
        {"feature_names_": [1, 2, 3, 4]},
        {"feature_names_": ["age"]},
        {"vocabulary_": {"age": 7}},
        {"vocabulary_": None},
        {"separator": 3},
        {"separator": ""},
        {"dtype": "no such type"},
        {"dtype": ["f4"]},
    ],
    ids=repr,
)
def test_a_vectorizer_whose_state_is_odd_is_refused(state: dict[str, Any]) -> None:
    vectorizer = fitted()
    vars(vectorizer).update(state)

    with pytest.raises(ImportRefused, match="DictVectorizer"):
        importer.encoder_of_pickle(pickle.dumps(vectorizer))


@pytest.mark.parametrize("name", ["encoder", "__class__", "__dict__", "fields"])
def test_an_attribute_that_a_vectorizer_does_not_have_changes_nothing(name: str) -> None:
    vectorizer = fitted()
    vars(vectorizer)[name] = float

    encoder = importer.encoder_of_pickle(pickle.dumps({"a": vectorizer}))

    assert encoder.features == small.FEATURES


@pytest.mark.parametrize("part", [0, 1, 10, 100, -1])
def test_a_cut_pickle_is_refused(part: int) -> None:
    with pytest.raises(ImportRefused, match="Expected a pickle, got"):
        importer.encoder_of_pickle(pickled(fitted())[:part])


@pytest.mark.parametrize("seed", range(20))
def test_a_changed_pickle_is_refused_or_still_a_vectorizer(seed: int) -> None:
    random = np.random.default_rng(seed)
    whole = pickled(fitted())
    for _ in range(50):
        data = bytearray(whole)
        data[random.integers(len(data))] = random.integers(256)

        try:
            encoder = importer.encoder_of_pickle(bytes(data))
        except (ImportRefused, FeatureMismatch):
            continue
        assert encoder.n_features == 4


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

    assert importer.read_features(path) == names


@pytest.mark.parametrize("data", [b"", b" \n\n", b"[]", b'["a", 3]', b'["a"', b"\xff\xfea"])
def test_a_file_without_feature_names_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "features"
    path.write_bytes(data)

    with pytest.raises(FeatureMismatch, match=f"at {path}"):
        importer.read_features(path)


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

    imported = importer.find(str(path), features, absent=absent)

    assert imported.encoder.features == small.FEATURES
    assert (imported.encoder.absent, imported.encoder.null) == (absent, "missing")
    assert imported.origin == {"imported-from": path.name}
    rows = small.rows(20)
    small.assert_same_bits(
        expected=small.booster().inplace_predict(rows), got=imported.model.inplace_predict(rows)
    )


def test_a_booster_file_needs_its_feature_names(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    small.booster().save_model(path)

    with pytest.raises(ImportRefused, match=r"feature names of model\.json, got none - at --feat"):
        importer.find(str(path), None)


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
        importer.find(str(path), features)


@pytest.mark.parametrize("data", [b"{}", b"[1, 2]", b"null", b"not a model", b'{"learner": 3}'])
@pytest.mark.parametrize("suffix", ["json", "ubj"])
def test_a_file_that_is_no_booster_is_refused(
    tmp_path: Path, features: Path, suffix: str, data: bytes
) -> None:
    path = tmp_path / f"model.{suffix}"
    path.write_bytes(data)

    with pytest.raises(ImportRefused, match="Expected a booster, got"):
        importer.find(str(path), features)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path, features: Path) -> None:
    with pytest.raises(ImportRefused, match="Expected a booster file, got none"):
        importer.find(str(tmp_path / "model.ubj"), features)


def test_feature_names_are_not_for_a_tag(features: Path) -> None:
    with pytest.raises(ImportRefused, match="--features for a booster file alone"):
        importer.find("model:latest", features)


def test_a_tag_that_is_not_in_the_store_is_not_found() -> None:
    with pytest.raises(NotFound, match="importer_nothing"):
        importer.find("importer_nothing:latest", None)


@pytest.mark.parametrize("source", ["a b", "model/x", "Ümlaut", "", "m:v:w", "../x"])
def test_what_is_neither_file_nor_tag_is_refused(source: str) -> None:
    with pytest.raises(BentoMLException):
        importer.find(source, None)


def test_a_model_without_custom_objects_says_how_to_save_one() -> None:
    stored = bentoml.xgboost.save_model("importer_bare", small.booster())

    with pytest.raises(ImportRefused, match=r"custom objects, got none .* custom_objects={'DictV"):
        importer.from_store(stored.tag)


def test_a_bundle_is_not_imported_again() -> None:
    stored = bentoml_ext.save_model("importer_own", small.booster(), encoder=small.encoder())

    with pytest.raises(ImportRefused, match=r"bentoml\.xgboost, got one saved by bentoml_ext"):
        importer.from_store(stored.tag)


def test_a_vectorizer_of_other_columns_is_refused_and_nothing_stored(home: Path) -> None:
    narrow = DictVectorizer().fit([{"age": 1, "income": 2}])
    stored = bentoml.xgboost.save_model(
        "importer_narrow", small.booster(), custom_objects={"DictVectorizer": narrow}
    )

    ended = bentoml_command(home, "ext", "import", str(stored.tag), "--name", "importer_refused")

    assert ended.returncode == 1
    assert ended.stderr == (
        "Error: Expected 4 features for this booster, got 2 - at the encoder.\n"
    )
    with pytest.raises(NotFound):
        bentoml.models.get("importer_refused")


def test_the_command_refuses_a_hostile_model_in_one_line(home: Path, marker: Path) -> None:
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
def test_an_estimator_that_stopped_early_is_imported_as_it_predicts(home: Path, key: str) -> None:
    rows, label = small.rows(300), np.arange(300) % 2
    estimator = xgboost.XGBClassifier(n_estimators=60, early_stopping_rounds=3, max_depth=2)
    estimator.fit(rows, label, eval_set=[(rows[:100], 1 - label[:100])], verbose=False)
    stored = bentoml.xgboost.save_model(
        "importer_early", estimator, custom_objects={key: fitted(sparse=False)}
    )

    ended = bentoml_command(home, "ext", "import", str(stored.tag), "--name", f"importer_{key}")

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith(f"Imported {stored.tag} as importer_{key.lower()}:")
    scorer = bentoml_ext.load_model(f"importer_{key}:latest")
    small.assert_same_bits(
        expected=estimator.predict(rows, output_margin=True), got=scorer.margins(rows)
    )
