"""Pickled pipeline: what a Pipeline is made of is read, and no other name of a pickle is found."""

from __future__ import annotations

import io
import os
import pickle
from pathlib import Path
from typing import Any

import cloudpickle
import joblib
import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from sklearn.compose import make_column_transformer as columns
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_selection import VarianceThreshold
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline, make_union
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    OneHotEncoder,
    PowerTransformer,
    QuantileTransformer,
)

from bentoml_ext.errors import ImportRefused
from bentoml_ext.importers.pickled_pipeline import is_pickled, read_pickled_pipeline
from tests.preprocessing.test_compiling import frame_of


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return frame_of(np.random.default_rng(4))


@pytest.fixture(scope="module")
def pipeline(frame: pd.DataFrame) -> Pipeline:
    made = make_pipeline(
        columns(
            (SimpleImputer(add_indicator=True), ["income"]),
            (KBinsDiscretizer(3), ["age"]),
            (OneHotEncoder(), ["home", "grade"]),
            remainder="drop",
        ),
        xgb.XGBClassifier(n_estimators=3, n_jobs=1),
    )
    return made.fit(frame, frame["age"] > 40)


def by_joblib(pipeline: Any, compress: Any) -> bytes:
    made = io.BytesIO()
    joblib.dump(pipeline, made, compress=compress)
    return made.getvalue()


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_pipeline_of_pickle_is_read(
    protocol: int, pipeline: Pipeline, frame: pd.DataFrame
) -> None:
    data = pickle.dumps(pipeline, protocol)

    found = read_pickled_pipeline(data, "p.pkl")

    assert is_pickled(data)
    assert np.array_equal(found.predict_proba(frame), pipeline.predict_proba(frame))


@pytest.mark.parametrize("compress", [0, 3, ("gzip", 3), ("bz2", 3), ("xz", 3), ("lzma", 3)])
def test_a_pipeline_of_joblib_is_read(
    compress: Any, pipeline: Pipeline, frame: pd.DataFrame
) -> None:
    data = by_joblib(pipeline, compress)

    found = read_pickled_pipeline(data, "p.joblib")

    assert is_pickled(data)
    assert np.array_equal(found.predict_proba(frame), pipeline.predict_proba(frame))


def test_a_vectorizer_and_a_choice_of_cloudpickle_are_read() -> None:
    records = [{"age": 3, "home": "rent"}, {"age": 2.5, "home": "owner"}] * 5
    made = make_pipeline(DictVectorizer(), VarianceThreshold(), xgb.XGBClassifier(n_estimators=2))
    made.fit(records, [0, 1] * 5)

    found = read_pickled_pipeline(cloudpickle.dumps(made), "p.pkl")

    assert np.array_equal(found.predict_proba(records), made.predict_proba(records))


@pytest.mark.parametrize("write", [pickle.dumps, cloudpickle.dumps, lambda one: by_joblib(one, 0)])
def test_functions_of_numpy_are_read(write: Any, frame: pd.DataFrame) -> None:
    union = make_union(
        FunctionTransformer(np.log1p), PowerTransformer(), QuantileTransformer(n_quantiles=9)
    )
    made = make_pipeline(union, xgb.XGBClassifier(n_estimators=2, n_jobs=1))
    made.fit(frame[["age", "grade"]], frame["age"] > 40)

    found = read_pickled_pipeline(write(made), "p.pkl")

    own = made.predict_proba(frame[["age", "grade"]])
    assert np.array_equal(found.predict_proba(frame[["age", "grade"]]), own)


def test_a_function_of_numpy_is_not_called() -> None:
    class Calling:
        def __reduce__(self) -> Any:
            return (np.exp, (1.0,))

    with pytest.raises(ImportRefused, match="got one of exp - at p"):
        read_pickled_pipeline(pickle.dumps(Calling()), "p.pkl")


class Touching:
    """An object whose pickle writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (os.system, (f"touch {self.path}",))


@pytest.mark.parametrize("write", [pickle.dumps, cloudpickle.dumps, lambda one: by_joblib(one, 3)])
@pytest.mark.parametrize("place", ["a step", "in an array", "beside"])
def test_another_name_is_refused_and_not_run(write: Any, place: str, tmp_path: Path) -> None:
    hostile = Touching(tmp_path / "ran")
    found: Any = {
        "a step": Pipeline([("one", hostile), ("two", xgb.XGBClassifier())]),
        "in an array": np.array([hostile, "text"], object),
        "beside": [hostile],
    }[place]

    with pytest.raises(ImportRefused, match=r"got 'posix\.system' - at p\.pkl\. Nothing of it"):
        read_pickled_pipeline(write(found), "p.pkl")

    assert not (tmp_path / "ran").exists()


def test_a_function_of_the_users_is_refused_by_name() -> None:
    made = make_pipeline(FunctionTransformer(np.interp), xgb.XGBClassifier())

    with pytest.raises(ImportRefused, match=r"got 'numpy\.interp' - at p\.pkl"):
        read_pickled_pipeline(pickle.dumps(made), "p.pkl")


def test_a_state_of_a_class_is_refused() -> None:
    # A pickle may name a class and give it a state, in opcodes that no pickler writes by itself.
    data = b"\x80\x02csklearn.pipeline\nPipeline\n}X\x01\x00\x00\x00aK\x01sb."

    with pytest.raises(ImportRefused, match="Expected a state of an object that is admitted"):
        read_pickled_pipeline(data, "p.pkl")
    assert not hasattr(Pipeline, "a")


class Calling:
    """An object whose pickle calls what a Pipeline may name."""

    def __init__(self, called: Any, *given: Any) -> None:
        self.reduced = (called, given)

    def __reduce__(self) -> Any:
        return self.reduced


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_class_of_a_step_is_not_called(protocol: int) -> None:
    data = pickle.dumps(Calling(Pipeline, []), protocol)

    with pytest.raises(ImportRefused, match=r"got one of Pipeline - at p\.pkl\. Nothing of it was"):
        read_pickled_pipeline(data, "p.pkl")


@pytest.mark.parametrize(
    "code", [b"(csklearn.pipeline\nPipeline\no.", b"(isklearn.pipeline\nPipeline\n."]
)
def test_opcodes_that_call_a_class_are_refused(code: bytes) -> None:
    with pytest.raises(ImportRefused, match="Expected a pickled pipeline, got KeyError"):
        read_pickled_pipeline(code, "p.pkl")


def test_a_number_is_not_as_many_bytes() -> None:
    with pytest.raises(ImportRefused, match="Expected a pickled pipeline, got TypeError"):
        read_pickled_pipeline(pickle.dumps(Calling(bytearray, 2**40)), "p.pkl")


def test_an_array_without_its_bytes_is_refused() -> None:
    made: Any = np.arange(3.0).__reduce__()
    short = (made[2][0], (10**12,), *made[2][2:])

    class Short:
        def __reduce__(self) -> Any:
            return (*made[:2], short)

    with pytest.raises(ImportRefused, match="got others - at an array"):
        read_pickled_pipeline(pickle.dumps(Short(), 2), "p.pkl")


def test_a_bytearray_beyond_the_file_is_refused() -> None:
    data = b"\x80\x05\x96" + (2**40).to_bytes(8, "little") + b"."

    with pytest.raises(ImportRefused, match="Expected at most 12 bytes, got 1099511627776"):
        read_pickled_pipeline(data, "p.pkl")


@pytest.mark.parametrize("seed", range(40))
def test_a_changed_pickle_is_refused_or_still_an_object(seed: int, pipeline: Pipeline) -> None:
    random = np.random.default_rng(seed)
    data = bytearray(by_joblib(pipeline.steps[0][1], [0, 3][seed % 2]))
    for at in random.integers(len(data), size=3):
        data[at] = random.integers(256)

    try:
        read_pickled_pipeline(bytes(data), "p.pkl")
    except ImportRefused as error:
        assert "p.pkl" in str(error) or "array" in str(error)
