"""Steps: each kind of scikit-learn's that becomes one of an encoder, and those that are refused."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import xgboost as xgb
from sklearn.compose import make_column_selector
from sklearn.compose import make_column_transformer as columns
from sklearn.feature_selection import SelectFromModel, SelectKBest, VarianceThreshold
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)

from bentoml_ext.encoders.encoder import Encoder
from bentoml_ext.encoders.steps import Indicator, Number, OneHot, Ranges, Step, Table
from bentoml_ext.errors import ExportRefused, InvalidApplication
from bentoml_ext.preprocessing.comparing import compare_pipeline
from bentoml_ext.preprocessing.compiling import Compiled, compile_pipeline
from tests.preprocessing.test_compiling import frame_of

NUMBERS = ["age", "income", "debt", "gaps", "rate"]


def onto_dense(**how: Any) -> OneHotEncoder:
    return OneHotEncoder(sparse_output=False, **how)


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    random = np.random.default_rng(3)
    made = frame_of(random)
    gaps = random.integers(0, 4, len(made)).astype(float)
    gaps[random.random(len(made)) < 0.2] = np.nan
    return made.assign(
        gaps=gaps,
        rate=random.choice([1.0, 2.5, 7.1], len(made)),
        when=pd.Timestamp("2026-01-31"),
        several=[["a", 1]] * len(made),
    )


def compiled(frame: pd.DataFrame, *steps: Any) -> Compiled:
    pipeline = make_pipeline(*steps, xgb.XGBClassifier(n_estimators=4, max_depth=3, n_jobs=1))
    with warnings.catch_warnings(action="ignore"):
        pipeline.fit(frame, np.arange(len(frame)) % 3 == 0)
        return compile_pipeline(pipeline, frame)


def part_of(made: Compiled, encoder: Encoder | None = None) -> Any:
    tried = Compiled(made.pipeline, made.example, encoder or made.encoder, made.estimator)
    return compare_pipeline(tried, made.estimator.get_booster())


CASES: dict[str, Callable[[], tuple[Any, ...]]] = {
    "bins, sparse": lambda: (NUMBERS, SimpleImputer(), KBinsDiscretizer(4)),
    "bins, dense": lambda: (
        NUMBERS,
        SimpleImputer(),
        KBinsDiscretizer(3, encode="onehot-dense", strategy="uniform"),
    ),
    "bins of scaled numbers, scaled": lambda: (
        NUMBERS,
        SimpleImputer(),
        RobustScaler(),
        KBinsDiscretizer(5, encode="ordinal"),
        StandardScaler(),
    ),
    "bins of float32": lambda: (["debt"], KBinsDiscretizer(5, encode="ordinal")),
    "a threshold": lambda: (NUMBERS, SimpleImputer(), Binarizer(threshold=30.3)),
    "a threshold of float32": lambda: (["debt"], StandardScaler(), Binarizer(threshold=0.1)),
    "a threshold as a category": lambda: (
        ["debt", "age"],
        MinMaxScaler(),
        Binarizer(threshold=0.3),
        onto_dense(),
    ),
    "chosen columns": lambda: (
        NUMBERS,
        SimpleImputer(),
        VarianceThreshold(0.01),
        SelectKBest(k=3),
    ),
    "columns that a model chose of sparse ones": lambda: (
        None,
        columns((StandardScaler(), NUMBERS), (OneHotEncoder(), ["home", "job"])),
        SelectFromModel(xgb.XGBClassifier(n_estimators=3, n_jobs=1), threshold="0.1*mean"),
    ),
    "categories that are fractions": lambda: (["rate", "gaps"], onto_dense()),
    "unknown ones among them": lambda: (
        ["rate", "gaps"],
        onto_dense(handle_unknown="ignore"),
    ),
    "categories that were filled in": lambda: (
        ["gaps", "rate"],
        SimpleImputer(strategy="most_frequent"),
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
    ),
    "means of fractions": lambda: (["rate", "grade"], TargetEncoder(random_state=0)),
    "indicators alone": lambda: (
        None,
        columns((MissingIndicator(), ["income", "gaps"]), ("passthrough", ["age"])),
    ),
    "one field in several ways": lambda: (
        None,
        columns(
            (StandardScaler(), ["age"]),
            (KBinsDiscretizer(3), ["age"]),
            (OneHotEncoder(handle_unknown="ignore"), ["age", "grade"]),
            (Binarizer(threshold=2), ["grade"]),
        ),
    ),
    "sums of float32, clipped, then of float64": lambda: (
        None,
        columns((MinMaxScaler(clip=True), ["debt"]), ("passthrough", ["age"])),
        StandardScaler(),
    ),
    "true and false, scaled": lambda: (["owns", "age"], StandardScaler()),
    "a function that does nothing": lambda: (["age"], FunctionTransformer(), StandardScaler()),
    "columns that no step uses": lambda: (
        None,
        columns((onto_dense(), ["home"]), ("drop", ["when", "several"])),
    ),
    "a frame between the steps": lambda: (
        ["age", "income", "home", "owns", "grade"],
        columns((onto_dense(), ["home"]), remainder="passthrough").set_output(transform="pandas"),
    ),
    "no step at all": lambda: (["age", "income", "debt", "owns", "grade"],),
    "columns by their type": lambda: (
        ["age", "income", "home", "job"],
        columns(
            (OneHotEncoder(), make_column_selector(dtype_include=["object", "str"])),
            (StandardScaler(), make_column_selector(dtype_include="number")),
        ),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_rows_and_predictions_are_the_pipelines_own(case: str, frame: pd.DataFrame) -> None:
    names, *steps = CASES[case]()
    made = compiled(frame if names is None else frame[names], *steps)

    part = part_of(made)

    assert part.holds, part.difference
    assert part.checked > 1_000


def nullable(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.astype({"age": "Int64", "gaps": "Int64", "income": "Float64", "owns": "boolean"})


def of_arrow(frame: pd.DataFrame) -> pd.DataFrame:
    types = {"age": "int64[pyarrow]", "gaps": "double[pyarrow]", "owns": "bool[pyarrow]"}
    return frame.astype({**types, "income": "double[pyarrow]", "home": "string[pyarrow]"})


def of_categories(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.astype({"grade": "category", "home": "category", "job": "category"})


@pytest.mark.parametrize("typed", [nullable, of_arrow, of_categories])
def test_types_of_pandas_are_read_as_scikit_learn_reads_them(
    typed: Callable[[pd.DataFrame], pd.DataFrame], frame: pd.DataFrame
) -> None:
    made = compiled(
        typed(frame),
        columns(
            (StandardScaler(), ["age", "income"]),
            (SimpleImputer(add_indicator=True), ["gaps"]),
            (onto_dense(), ["home", "job", "grade"]),
            ("passthrough", ["owns"]),
        ),
    )

    assert part_of(made).holds


def test_a_table_of_arrow_is_an_example(frame: pd.DataFrame) -> None:
    some = frame[["age", "income", "home"]]
    steps = columns((StandardScaler(), ["age", "income"]), (onto_dense(), ["home"]))
    made = compiled(some, steps)

    found = compile_pipeline(made.pipeline, pa.Table.from_pandas(some, preserve_index=False))

    assert found.encoder.to_json() == made.encoder.to_json()


def test_columns_of_get_dummies_are_fields(frame: pd.DataFrame) -> None:
    made = compiled(pd.get_dummies(frame[["age", "home"]]), "passthrough")

    assert part_of(made).holds
    assert [field.name for field in made.encoder.fields][:2] == ["age", "home_other"]
    made.encoder.check(dict.fromkeys(made.encoder.names, True) | {"age": 3})


def test_fractions_that_an_encoder_refuses_are_refused(frame: pd.DataFrame) -> None:
    encoder = compiled(frame[["rate"]], onto_dense()).encoder

    encoder.check({"rate": 2.5})
    with pytest.raises(InvalidApplication, match=r"one of the codes 1, 2\.5, 7\.1, got 2\.4"):
        encoder.check({"rate": 2.4})


REFUSED = {
    "FunctionTransformer(log1p)": FunctionTransformer(np.log1p),
    "PowerTransformer": PowerTransformer(),
    "PolynomialFeatures": PolynomialFeatures(),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_step_without_the_same_bits_everywhere_is_refused_by_name(
    name: str, frame: pd.DataFrame
) -> None:
    with pytest.raises(ExportRefused) as refused:
        compiled(frame[["age"]], REFUSED[name])

    assert f"got {name} - at step" in str(refused.value)


def test_two_columns_of_a_name_are_refused(frame: pd.DataFrame) -> None:
    made = compiled(frame[["age", "income"]], StandardScaler())

    with pytest.raises(ExportRefused, match="Expected each column once, got 'age' twice"):
        compile_pipeline(made.pipeline, frame[["age", "income", "age"]])


def test_a_date_that_a_step_uses_is_refused_by_name(frame: pd.DataFrame) -> None:
    made = compiled(frame[["when", "age"]], columns((onto_dense(), ["age"])))
    made.pipeline.steps[0] = ("all", columns((onto_dense(), ["when"])).fit(frame[["when"]]))

    with pytest.raises(ExportRefused, match=r"got datetime64.* - at column 'when' of step 'all/"):
        compile_pipeline(made.pipeline, frame[["when", "age"]])


def sabotaged(step: Step) -> Step | None:
    """A step whose numbers are a little other."""
    other: Step | None = None
    match step:
        case Number(sums=(*firsts, last)):
            sums = (*firsts, msgspec.structs.replace(last, operand=last.operand * (1 + 1e-6)))
            other = msgspec.structs.replace(step, sums=sums)
        case Number(null=float(null)):
            other = msgspec.structs.replace(step, null=null + 1)
        case OneHot(columns=known):
            (one, *_), others = known, [*known.values()][1:]
            columns = known | {one: others[0]}
            other = msgspec.structs.replace(step, columns=columns, other=known[one])
        case Table(texts=texts):
            one = next(iter(texts))
            cells = tuple(0.25 if cell is None else cell + 0.25 for cell in texts[one])
            other = msgspec.structs.replace(step, texts=texts | {one: cells})
        case Ranges(edges=(first, *rest)):
            edges = (float(np.nextafter(first, np.inf)), *rest)
            other = msgspec.structs.replace(step, edges=edges)
        case Indicator():
            other = msgspec.structs.replace(step, null=step.given)
    return other


@pytest.mark.parametrize(
    "case",
    [
        "bins, sparse",
        "bins of scaled numbers, scaled",
        "a threshold of float32",
        "unknown ones among them",
        "means of fractions",
        "indicators alone",
        "sums of float32, clipped, then of float64",
        "true and false, scaled",
    ],
)
def test_the_proof_finds_a_step_with_another_number(case: str, frame: pd.DataFrame) -> None:
    names, *steps = CASES[case]()
    made = compiled(frame if names is None else frame[names], *steps)
    encoder = made.encoder

    for at, step in enumerate(encoder.steps):
        if (other := sabotaged(step)) is None:
            continue
        tried = [*encoder.steps[:at], other, *encoder.steps[at + 1 :]]
        wrong = Encoder(
            encoder.features,
            encoder.fields,
            absent="missing",
            null="missing",
            missing=encoder.missing,
            steps=tried,
        )
        assert not part_of(made, wrong).holds, step
