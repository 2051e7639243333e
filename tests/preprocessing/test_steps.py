"""Steps: each kind of scikit-learn's that becomes one of an encoder, and those that are refused."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
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
from sklearn.impute import KNNImputer, MissingIndicator, SimpleImputer
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    SplineTransformer,
    StandardScaler,
    TargetEncoder,
)

from bentoml_ext.encoders.encoder import Encoder
from bentoml_ext.encoders.steps import Indicator, Number, OneHot, Ranges, Step, Table
from bentoml_ext.errors import ExportRefused, InvalidApplication
from bentoml_ext.preprocessing.columns import Curve, Finite, Numeric
from bentoml_ext.preprocessing.comparing import compare_pipeline
from bentoml_ext.preprocessing.compiling import Compiled, compile_pipeline
from bentoml_ext.preprocessing.sides import Sides, as_sides
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
        amount=random.gamma(2, 500, len(made)).round(2),
        when=pd.Timestamp("2026-01-31"),
        several=[["a", 1]] * len(made),
    )


def compiled(frame: pd.DataFrame, *steps: Any) -> Compiled:
    pipeline = make_pipeline(*steps, xgb.XGBClassifier(n_estimators=4, max_depth=3, n_jobs=1))
    with warnings.catch_warnings(action="ignore"):
        pipeline.fit(frame, np.arange(len(frame)) % 3 == 0)
        return compile_pipeline(pipeline, frame)


def part_of(made: Compiled, encoder: Encoder | None = None) -> Any:
    tried = made if encoder is None else replace(made, encoder=encoder)
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
    "columns that were not chosen, and may not be null": lambda: (
        None,
        columns((StandardScaler(), ["debt", "amount"]), (onto_dense(), ["home", "grade"])),
        SelectKBest(k=3),
    ),
    "logarithms": lambda: (
        ["amount", "age", "debt", "income"],
        FunctionTransformer(np.log1p),
    ),
    "logarithms, filled in and scaled": lambda: (
        ["amount", "income"],
        FunctionTransformer(np.log),
        SimpleImputer(add_indicator=True),
        StandardScaler(),
    ),
    "distances from the mean, in bins": lambda: (
        ["age", "debt"],
        StandardScaler(),
        FunctionTransformer(np.abs),
        KBinsDiscretizer(4, encode="ordinal"),
    ),
    "distances of distances": lambda: (
        ["debt", "amount"],
        FunctionTransformer(np.abs),
        FunctionTransformer(np.sqrt),
        StandardScaler(),
        FunctionTransformer(np.abs),
    ),
    "a function beyond float64, scaled": lambda: (
        ["amount", "age"],
        StandardScaler(),
        FunctionTransformer(np.cosh),
        StandardScaler(),
    ),
    "powers": lambda: (["amount", "debt", "age"], PowerTransformer()),
    "powers of positive numbers": lambda: (["amount", "age"], PowerTransformer(method="box-cox")),
    "quantiles, scaled": lambda: (
        ["amount", "income"],
        QuantileTransformer(n_quantiles=40, output_distribution="normal"),
        StandardScaler(),
    ),
    "logarithms in a sparse matrix": lambda: (
        None,
        columns(
            (FunctionTransformer(np.log1p), ["gaps", "amount"]),
            ("passthrough", ["age"]),
            (OneHotEncoder(), ["home"]),
            sparse_threshold=1,
        ),
    ),
    "several steps of the same columns": lambda: (
        ["age", "amount"],
        make_union(StandardScaler(), KBinsDiscretizer(3), FunctionTransformer(np.sqrt)),
    ),
    "a text for what is missing": lambda: (
        ["home"],
        SimpleImputer(missing_values="other", strategy="most_frequent", add_indicator=True),
        onto_dense(),
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


def doubled(rows: Any) -> Any:
    return rows * 2


REFUSED = {
    "FunctionTransformer(doubled)": FunctionTransformer(doubled),
    "SplineTransformer": SplineTransformer(),
    "PolynomialFeatures": PolynomialFeatures(),
    "KNNImputer": KNNImputer(),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_step_without_the_same_bits_everywhere_is_refused_by_name(
    name: str, frame: pd.DataFrame
) -> None:
    with pytest.raises(ExportRefused) as refused:
        compiled(frame[["age"]], REFUSED[name])

    assert f"got {name} - at step" in str(refused.value)


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        ((FunctionTransformer(np.log1p), onto_dense(handle_unknown="ignore")), "of every number"),
        ((StandardScaler(), SimpleImputer(missing_values=0)), r"missing_values=0 .* field 'age'"),
        ((FunctionTransformer(np.log1p, validate=True),), r"FunctionTransformer\(log1p\)"),
    ],
)
def test_steps_that_are_covered_otherwise_alone_are_refused(
    steps: Any, reason: str, frame: pd.DataFrame
) -> None:
    with pytest.raises(ExportRefused, match=reason):
        compiled(frame[["age"]], *steps)


def test_a_function_behind_which_no_tree_stands_is_refused(frame: pd.DataFrame) -> None:
    linear = xgb.XGBClassifier(booster="gblinear", n_estimators=2)
    pipeline = make_pipeline(FunctionTransformer(np.log1p), linear)
    pipeline.fit(frame[["amount"]], frame["age"] > 40)

    with pytest.raises(ExportRefused, match="got gblinear, which multiplies its values"):
        compile_pipeline(pipeline, frame[["amount"]])


def test_numbers_of_which_numpy_makes_half_floats_are_refused(frame: pd.DataFrame) -> None:
    with pytest.raises(ExportRefused, match="got bool: log1p makes float16 of it"):
        compiled(frame[["owns"]], FunctionTransformer(np.log1p))


def test_a_function_s_last_bits_may_rise_and_fall() -> None:
    """Near an edge each number is asked about, so that a jagged function is followed."""

    def jagged(numbers: Any) -> Any:
        is_odd = np.frombuffer(numbers.tobytes(), np.int64) % 2 == 1
        return np.where(is_odd, numbers - 1e-15, numbers)

    column = Numeric("x", np.dtype(float), (Curve(jagged, is_checked=False),))
    sides = Sides(np.array([0.5], np.float32), np.float32(np.nan))
    (finite,) = as_sides([column], {0: sides})
    assert isinstance(finite, Finite)
    assert finite.edges is not None

    near = finite.edges[0] + np.arange(-40, 40) * np.spacing(finite.edges[0])
    found = finite.values[np.searchsorted(finite.edges, near, side="right")]
    assert np.array_equal(found.astype(np.float32), sides.cells(jagged(near)))
    assert len(finite.edges) > 1


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
        "logarithms",
        "quantiles, scaled",
        "powers",
        "a text for what is missing",
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
