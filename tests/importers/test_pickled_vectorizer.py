"""Pickled: a DictVectorizer is read, and nothing else of a pickle; no code of it runs."""

from __future__ import annotations

import builtins
import operator
import os
import pickle
import subprocess
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pytest
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from bentoml_ext.errors import ImportRefused
from bentoml_ext.importers import pickled_vectorizer as module
from bentoml_ext.importers.pickled_vectorizer import Vectorizer, read_custom_objects
from tests.support import small
from tests.support.vectorizers import SEEN, Runs, fitted


def pickled(*objects: Any) -> bytes:
    """As BentoML writes custom objects."""
    data: bytes = cloudpickle.dumps({f"object {i}": value for i, value in enumerate(objects)})
    return data


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

    found = read_custom_objects(pickle.dumps(objects, protocol))

    assert found.vectorizer == Vectorizer(small.FEATURES, "=", sparse)
    assert found.cut_offs == {"threshold": 0.5}


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.dtype("float32"), float])
def test_a_dict_vectorizer_of_any_float_is_read(dtype: Any) -> None:
    found = read_custom_objects(pickled(fitted(dtype=dtype)))

    assert found.vectorizer.features == small.FEATURES


def test_a_separator_of_the_users_own_is_kept() -> None:
    vectorizer = read_custom_objects(pickled(fitted(separator=" is ", sparse=False))).vectorizer

    assert vectorizer.features[1] == "home is owner"
    assert vectorizer.separator == " is "


@pytest.mark.parametrize("key", ["threshold", "THRESHOLD_best", "cutoff", "cut_off", "cut-off"])
@pytest.mark.parametrize("number", [float, np.float32, np.float64])
def test_a_number_that_is_called_a_cut_off_is_kept(key: str, number: Any) -> None:
    data: bytes = cloudpickle.dumps({"dv": fitted(), key: number(0.25), "share": 0.9})

    assert read_custom_objects(data).cut_offs == {key: 0.25}


def test_a_flag_is_no_cut_off() -> None:
    data: bytes = cloudpickle.dumps({"dv": fitted(), "use_threshold": True, "max_threads": 0.5})

    assert not read_custom_objects(data).cut_offs


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
        "a subclass": (Own().fit(SEEN), "tests.importers.test_pickled_vectorizer.Own"),
        "an array": (np.ones(3), "numpy"),
        "our own class": (
            module._Vectorizer(),
            "bentoml_ext.importers.pickled_vectorizer._Vectorizer",
        ),
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
        read_custom_objects(data)

    assert not marker.exists()


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_hides_inside_a_vectorizer_is_refused_and_not_run(marker: Path, kind: str) -> None:
    vectorizer = fitted()
    vectorizer.vocabulary_, name = _hostile(marker)[kind]

    with pytest.raises(ImportRefused, match=f"got '{name}"):
        read_custom_objects(pickled(vectorizer))

    assert not marker.exists()


@pytest.mark.parametrize("module", ["os", "numpy", "sklearn.feature_extraction"])
@pytest.mark.parametrize("name", ["system", "DictVectorizer.__init__", "dtype.__class__", "load"])
def test_no_other_global_of_any_module_is_admitted(module: str, name: str) -> None:
    # A pickle may name a path of attributes, in opcodes that no pickler writes by itself.
    data = b"\x80\x04" + _text(module) + _text(name) + b"\x93."

    with pytest.raises(ImportRefused, match=f"got '{module}.{name}'"):
        read_custom_objects(data)


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
        ({"a": fitted(dtype=np.int64)}, "DictVectorizer of floats, got dtype int64"),
        ({"a": fitted(dtype=bool)}, "DictVectorizer of floats, got dtype bool"),
    ],
    ids=repr,
)
def test_objects_without_one_fitted_vectorizer_of_floats_are_refused(
    objects: Any, message: str
) -> None:
    with pytest.raises(ImportRefused, match=message):
        read_custom_objects(pickle.dumps(objects))


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
        read_custom_objects(pickle.dumps(vectorizer))


@pytest.mark.parametrize("name", ["encoder", "__class__", "__dict__", "fields"])
def test_an_attribute_that_a_vectorizer_does_not_have_changes_nothing(name: str) -> None:
    vectorizer = fitted()
    vars(vectorizer)[name] = float

    found = read_custom_objects(pickle.dumps({"a": vectorizer}))

    assert found.vectorizer.features == small.FEATURES


@pytest.mark.parametrize("part", [0, 1, 10, 100, -1])
def test_a_cut_pickle_is_refused(part: int) -> None:
    with pytest.raises(ImportRefused, match="Expected a pickle, got"):
        read_custom_objects(pickled(fitted())[:part])


@pytest.mark.parametrize("seed", range(20))
def test_a_changed_pickle_is_refused_or_still_a_vectorizer(seed: int) -> None:
    random = np.random.default_rng(seed)
    whole = pickled(fitted())
    for _ in range(50):
        data = bytearray(whole)
        data[random.integers(len(data))] = random.integers(256)

        try:
            found = read_custom_objects(bytes(data))
        except ImportRefused:
            continue
        assert len(found.vectorizer.features) == 4
