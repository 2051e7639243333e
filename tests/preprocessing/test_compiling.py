"""Compiling: a fitted pipeline becomes an encoder whose rows are those of its own `transform`."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline, make_union
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)

from bentoml_ext.arrays import Rows
from bentoml_ext.errors import ExportRefused
from bentoml_ext.preprocessing.compiling import compile_pipeline, takes
from bentoml_ext.preprocessing.frames import applications_of
from tests.encoders.test_every_route import assert_routes

Random = np.random.Generator
TEXTS = ["owner", "rent", "parents", "other"]


def frame_of(random: Random, n: int = 300) -> pd.DataFrame:
    """Applications of every type that a column may have; some values are missing."""
    home = random.choice(TEXTS, n, p=[0.5, 0.3, 0.15, 0.05]).astype(object)
    job = random.choice(["a", "b", "c"], n).astype(object)
    job[random.random(n) < 0.1] = None
    income = random.lognormal(5, 1, n)
    income[random.random(n) < 0.1] = np.nan
    return pd.DataFrame(
        {
            "age": random.integers(18, 80, n),
            "income": income,
            "debt": random.normal(size=n).astype(np.float32),
            "owns": random.random(n) < 0.5,
            "grade": random.integers(1, 4, n),
            "rate": random.choice([1.0, 2.5, 7.1], n),
            "home": home,
            "job": job,
        }
    )


def of_numbers(random: Random) -> Any:
    scaler = [StandardScaler, RobustScaler, MinMaxScaler, MaxAbsScaler][random.integers(4)]
    chosen = scaler(clip=True) if scaler is MinMaxScaler and random.integers(2) else scaler()
    strategy = ["mean", "median", "most_frequent"][random.integers(3)]
    imputer = SimpleImputer(strategy=strategy, add_indicator=bool(random.integers(2)))
    function = [
        FunctionTransformer(np.cbrt),
        FunctionTransformer(np.abs),
        PowerTransformer(),
        QuantileTransformer(n_quantiles=20),
    ][random.integers(4)]
    bins = KBinsDiscretizer(
        int(random.integers(2, 6)),
        encode=["onehot", "onehot-dense", "ordinal"][random.integers(3)],
        strategy=["uniform", "quantile"][random.integers(2)],
    )
    return [
        "passthrough",
        chosen,
        make_pipeline(SimpleImputer(strategy=strategy), bins),
        make_pipeline(imputer, Binarizer(threshold=float(random.normal()))),
        make_pipeline(imputer, chosen),
        make_pipeline(chosen, imputer),
        imputer,
        make_pipeline(imputer, function),
        make_pipeline(function, imputer, chosen),
        make_union("passthrough", make_pipeline(imputer, chosen)),
    ][random.integers(10)]


def of_categories(random: Random) -> Any:
    unknown = ["error", "ignore", "infrequent_if_exist"][random.integers(3)]
    drop = ["first", "if_binary", None][random.integers(3)]
    encoder = [
        OneHotEncoder(handle_unknown=unknown, drop=drop, sparse_output=bool(random.integers(2))),
        OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=40),
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
        OrdinalEncoder(),
        TargetEncoder(random_state=0),
    ][random.integers(5)]
    imputer = SimpleImputer(
        strategy=["constant", "most_frequent"][random.integers(2)],
        fill_value="none",
        missing_values=np.nan,
    )
    return [encoder, make_pipeline(imputer, encoder)][random.integers(2)]


def of_rates(random: Random) -> Any:
    """Categories that are fractions, filled in or scaled first."""
    encoder = [
        OneHotEncoder(handle_unknown="ignore"),
        OneHotEncoder(),
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
    ][random.integers(3)]
    first = [SimpleImputer(strategy="most_frequent"), StandardScaler()][random.integers(2)]
    if isinstance(first, StandardScaler):
        # Several numbers next to each other are scaled to one: none of them is the only one.
        encoder.set_params(handle_unknown=encoder.handle_unknown.replace("error", "ignore"))
    return [encoder, make_pipeline(first, encoder)][random.integers(2)]


def pipeline_of(random: Random, estimator: Any = None) -> Pipeline:
    """Random steps ahead of an estimator, by default of two classes."""
    wholes = [of_categories(random), "passthrough", StandardScaler()][random.integers(3)]
    if isinstance(wholes, Pipeline):
        wholes = wholes.steps[-1][1]
    columns = ColumnTransformer(
        [
            ("numbers", of_numbers(random), ["age", "income"]),
            ("single", of_numbers(random), ["debt"]),
            ("wholes", wholes, ["grade", "owns"]),
            # A field may be a category and a number at once.
            ("twice", of_numbers(random), [["grade"], ["rate"], ["age"]][random.integers(3)]),
            ("rates", of_rates(random), ["rate"]),
            ("texts", of_categories(random), ["home", "job"]),
        ],
        sparse_threshold=[0.3, 1.0, 0.0][random.integers(3)],
    )
    steps = [columns]
    if columns.sparse_threshold == 0 and random.integers(2) == 0:
        # Beside columns of float64, those of float32 become that, too.
        columns.set_params(single="passthrough")
        steps.append(StandardScaler())
    last = estimator or xgb.XGBClassifier(n_estimators=4, max_depth=3, n_jobs=1)
    return make_pipeline(*steps, last)


def rows_of(pipeline: Pipeline, frame: pd.DataFrame) -> Rows:
    """float32: what the estimator of a pipeline is given, NaN where a sparse matrix has nothing."""
    made = pipeline[:-1].transform(frame)
    if hasattr(made, "toarray"):
        dense = made.toarray()
        return np.where(dense == 0, np.nan, dense).astype(np.float32)
    return np.asarray(made).astype(np.float32)


@pytest.mark.parametrize(
    "seed", [pytest.param(seed, marks=[pytest.mark.slow] * (seed >= 20)) for seed in range(120)]
)
def test_rows_are_those_of_transform(seed: int) -> None:
    random = np.random.default_rng(seed)
    frame = frame_of(random)
    pipeline = pipeline_of(random)
    target = (frame["income"].fillna(0) + 100 * (frame["home"] == "rent") > 180).astype(int)
    with warnings.catch_warnings(action="ignore"):
        pipeline.fit(frame, target)
    made = compile_pipeline(pipeline, frame)
    others = frame_of(np.random.default_rng(seed + 1000))
    others.loc[::7, "home"] = "never seen"
    both = pd.concat([frame, others], ignore_index=True).astype(frame.dtypes)

    applications = applications_of(both, made.encoder)
    taken = np.array([takes(made.encoder, one) for one in applications])
    some = both[taken]
    with warnings.catch_warnings(action="ignore"):
        expected = rows_of(pipeline, some)
    for at, sides in made.sides.items():
        expected[:, at] = sides.cells(expected[:, at])
    sent = [one for one, ok in zip(applications, taken, strict=True) if ok]
    rows = made.encoder.rows(sent)

    assert_routes(made.encoder, sent)
    assert taken[: len(frame)].all()
    assert np.array_equal(rows, expected, equal_nan=True)
    # What the encoder refuses, the pipeline refuses, too.
    for place in np.flatnonzero(~taken)[:3]:
        with pytest.raises(ValueError, match="unknown categories"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pipeline.predict(both.iloc[place : place + 1])


def test_a_step_that_is_not_known_is_refused_by_name() -> None:
    class Doubled(StandardScaler):  # type: ignore[misc]
        """A class that derives from scikit-learn's."""

    frame = frame_of(np.random.default_rng(0))[["age"]]
    pipeline = make_pipeline(Doubled(), xgb.XGBClassifier(n_estimators=2))
    pipeline.fit(frame, frame["age"] > 40)

    with pytest.raises(ExportRefused, match=r"got Doubled - at step 'doubled'"):
        compile_pipeline(pipeline, frame)
