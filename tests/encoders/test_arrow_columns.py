"""Columns: the one-application encoder is the truth, for rows and for refusals."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bentoml_ext.encoders.arrow_columns import ColumnEncoder
from bentoml_ext.encoders.encoder import Application, Encoder, Field, MissingValue
from bentoml_ext.encoders.field import FLOAT32_MAX
from bentoml_ext.errors import InvalidApplication
from models.synthetic import generate
from models.training import Trained
from tests.support.small import assert_same_bits

HOMES = ("owner", "rent")
TYPES = {
    "whole": (pa.int64(), pa.int32(), pa.uint8()),
    "number": (pa.float64(), pa.float32()),
    "text": (
        pa.string(),
        pa.large_string(),
        pa.string_view(),
        pa.dictionary(pa.int8(), pa.string()),
        pa.dictionary(pa.int32(), pa.large_string()),
    ),
}
WRONG_TYPES = (pa.bool_(), pa.string(), pa.timestamp("s"), pa.list_(pa.int64()), pa.null())
NUMBERS = st.floats() | st.sampled_from([-0.0, FLOAT32_MAX, 2e38, 1e39, 99.0, -1.0, 0.1])


@st.composite
def encoders(draw: st.DrawFn) -> Encoder:
    filler: st.SearchStrategy[MissingValue] = st.sampled_from(["zero", "missing"])
    rules = [
        Field(
            "age", minimum=draw(st.sampled_from([None, 0.0, -2.5])), nullable=draw(st.booleans())
        ),
        Field("home", HOMES, nullable=draw(st.booleans())),
        Field("income", nullable=draw(st.booleans()), sentinels=draw(st.sampled_from([(), (99,)]))),
    ]
    features = ("age", "home=owner", "home=rent", "income")
    return Encoder(features, rules, absent=draw(filler), null=draw(filler))


@st.composite
def columns(draw: st.DrawFn, rows: int) -> dict[str, pa.Array]:
    def column(name: str, values: st.SearchStrategy[Any] | None = None) -> pa.Array:
        kind = draw(st.sampled_from(TYPES[name]))
        if values is None:
            low, high = int(np.iinfo(str(kind)).min), int(np.iinfo(str(kind)).max)
            values = st.integers(low, high)
        return pa.array(draw(st.lists(st.none() | values, min_size=rows, max_size=rows)), kind)

    return {
        "age": column("whole"),
        "home": column("text", st.sampled_from([*HOMES, "tent", ""])),
        "income": column("number", NUMBERS),
    }


def truth(encoder: Encoder, applications: list[Application]) -> tuple[list[Application], list[str]]:
    """The applications that the one-application encoder takes, and all that it says of others."""
    taken: list[Application] = []
    said: list[str] = []
    for index, application in enumerate(applications):
        wrong = list(encoder.wrong(application))
        said += [str(error.at(index)) for error in wrong]
        taken += [] if wrong else [application]
    return taken, said


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_rows_and_refusals_are_those_of_the_one_application_encoder(data: st.DataObject) -> None:
    encoder = data.draw(encoders())
    batch = pa.RecordBatch.from_pydict(data.draw(columns(data.draw(st.integers(0, 12)))))
    taken, said = truth(encoder, batch.to_pylist())

    rows, refused = ColumnEncoder(encoder).encode(batch)

    assert_same_bits(expected=encoder.rows(taken), got=rows)
    assert [str(error) for error in refused] == said


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_slice_is_encoded_as_a_copy_of_it_is(data: st.DataObject) -> None:
    encoder = data.draw(encoders())
    batch = pa.RecordBatch.from_pydict(data.draw(columns(9)))
    part = batch.slice(3, 4)
    taken, said = truth(encoder, part.to_pylist())

    rows, refused = ColumnEncoder(encoder).encode(part)

    assert_same_bits(expected=encoder.rows(taken), got=rows)
    assert [str(error) for error in refused] == said


def test_ten_thousand_generated_applications_get_their_own_rows(trained: Trained) -> None:
    portfolio = generate(10_000, fields=trained.encoder.fields)

    rows, refused = ColumnEncoder(trained.encoder).encode(portfolio.to_arrow())

    assert refused == []
    assert_same_bits(expected=trained.encoder.rows(portfolio.applications()), got=rows)


@pytest.mark.parametrize("kind", WRONG_TYPES, ids=str)
@pytest.mark.parametrize("field", ["age", "home"])
def test_every_value_of_a_wrong_type_is_refused(field: str, kind: pa.DataType) -> None:
    given = {"age": pa.array([1, 2]), "home": pa.array(["rent", "rent"])}
    if field == "home" and kind == pa.string():
        kind = pa.int64()
    examples = {pa.list_(pa.int64()): [1], pa.bool_(): True, pa.string(): "1", pa.null(): None}
    batch = pa.RecordBatch.from_pydict(given | {field: pa.array([examples.get(kind, 1)] * 2, kind)})

    rows, refused = ColumnEncoder(Encoder(("age", "home=rent"))).encode(batch)

    assert len(rows) == 0
    assert [(error.index, error.field) for error in refused] == [(0, field), (1, field)]


@pytest.mark.parametrize("absent", ["zero", "missing"])
@pytest.mark.parametrize("null", ["zero", "missing"])
@pytest.mark.parametrize(
    "ages",
    [
        pa.array([None, None], pa.string()),
        pa.array([None, None], pa.bool_()),
        pa.nulls(2),
        pa.DictionaryArray.from_arrays(
            pa.array([0, None], pa.int8()), pa.array([None], pa.int64())
        ),
        pa.array([None, 7], pa.int64()),
    ],
    ids=lambda array: str(array.type) if isinstance(array, pa.Array) else array,
)
def test_a_null_is_a_null_in_a_column_of_any_type(
    ages: pa.Array, null: MissingValue, absent: MissingValue
) -> None:
    encoder = Encoder(["age"], [Field("age", nullable=True)], null=null, absent=absent)

    rows, refused = ColumnEncoder(encoder).encode(pa.RecordBatch.from_pydict({"age": ages}))

    assert refused == []
    assert_same_bits(expected=encoder.rows([{"age": age} for age in ages.to_pylist()]), got=rows)


def test_a_decimal_is_the_number_that_its_digits_name() -> None:
    amounts = ["0.10", "123456789012.34", "16777217.01", "0.00"]
    batch = pa.RecordBatch.from_pydict(
        {"amount": pa.array(list(map(Decimal, amounts)), pa.decimal128(18, 2))}
    )
    encoder = Encoder(["amount"])

    rows, refused = ColumnEncoder(encoder).encode(batch)

    assert refused == []
    expected = encoder.rows([{"amount": float(amount)} for amount in amounts])
    assert_same_bits(expected=expected, got=rows)


@given(
    texts=st.lists(
        st.none()
        | st.floats().map(repr)
        | st.integers().map(str)
        | st.sampled_from(["", "x", " 5", "+5", ".5", "5.", "1e999", "inf", "1_0", "1,5", "99"])
    )
)
def test_text_is_a_number_where_it_may_be(texts: list[str | None]) -> None:
    encoder = Encoder(["age"], [Field("age", minimum=0, nullable=True, sentinels=(99,))])
    taken = []
    for text in texts:
        found = re.fullmatch(r"[-+]?[0-9.]+(e[-+]?[0-9]+)?", text or "")
        application = {"age": float(found[0]) if found else text}
        taken += [] if list(encoder.wrong(application)) else [application]
    batch = pa.RecordBatch.from_pydict({"age": pa.array(texts, pa.string())})

    rows, refused = ColumnEncoder(encoder, text_numbers=True).encode(batch)

    assert len(rows) + len(refused) == len(texts)
    assert_same_bits(expected=encoder.rows(taken), got=rows)


def test_categories_of_numbers_are_numbers() -> None:
    ages = pa.array([30, 40, 30]).dictionary_encode()

    rows, refused = ColumnEncoder(Encoder(["age"])).encode(
        pa.RecordBatch.from_pydict({"age": ages})
    )

    assert refused == []
    assert rows[:, 0].tolist() == [30, 40, 30]


def test_a_whole_number_too_long_for_a_float_is_no_sentinel() -> None:
    sentinel = 2.0**60
    encoder = Encoder(["age"], [Field("age", sentinels=(sentinel,))])
    batch = pa.RecordBatch.from_pydict({"age": pa.array([2**60, 2**60 + 1])})

    rows, refused = ColumnEncoder(encoder).encode(batch)

    assert [error.index for error in refused] == [0]
    assert rows.tolist() == [[sentinel]]


@pytest.mark.parametrize("kind", [pa.float32(), pa.float16()], ids=str)
@pytest.mark.parametrize("sentinel", [99_999_999.0, 16_777_217.0, -99_999_999.0, 4097.0, -0.1])
@pytest.mark.parametrize("coded", [False, True])
def test_what_a_sentinel_becomes_in_a_narrow_type_is_refused(
    sentinel: float, coded: bool, kind: pa.DataType
) -> None:
    encoder = Encoder(["age"], [Field("age", sentinels=(sentinel,), nullable=True)])
    with np.errstate(over="ignore"):
        ages = pa.array(np.array([5.0, sentinel, 7.0]).astype(kind.to_pandas_dtype()), kind)
    if coded:
        ages = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2], pa.int8()), ages)
    wide = pa.array([5.0, float(ages[1].as_py()), 7.0])

    rows, refused = ColumnEncoder(encoder).encode(pa.RecordBatch.from_pydict({"age": ages}))
    honest = ColumnEncoder(encoder).encode(pa.RecordBatch.from_pydict({"age": wide}))

    assert rows[:, 0].tolist() == [5.0, 7.0]
    assert [error.index for error in refused] == [1]
    # In float64 the sentinel would be itself, so that this is a number like any other.
    is_one = wide[1].as_py() in (sentinel, math.inf, -math.inf)
    assert len(honest.rows) == (2 if is_one else 3)


def test_a_column_of_only_a_rounded_sentinel_is_refused_with_the_reason() -> None:
    encoder = Encoder(["age"], [Field("age", sentinels=(16_777_217.0,))])
    batch = pa.RecordBatch.from_pydict({"age": pa.array([16_777_217.0] * 2, pa.float32())})

    rows, refused = ColumnEncoder(encoder).encode(batch)

    assert len(rows) == 0
    assert str(refused[0]) == (
        "Expected a finite number, got 16777216.0, what 16777217, a code for a missing value, "
        "becomes in float - at field 'age' of application 0."
    )


def test_a_missing_column_is_named_with_those_that_came() -> None:
    batch = pa.RecordBatch.from_pydict({"Age": pa.array([1])})

    with pytest.raises(InvalidApplication, match=r"no columns of that name among Age.*'age'"):
        ColumnEncoder(Encoder(["age"])).encode(batch)


def test_a_column_twice_is_refused() -> None:
    batch = pa.RecordBatch.from_arrays([pa.array([1])] * 2, ["age", "age"])

    with pytest.raises(InvalidApplication, match="2 columns of that name"):
        ColumnEncoder(Encoder(["age"])).encode(batch)


def test_a_column_named_like_a_feature_is_refused() -> None:
    batch = pa.RecordBatch.from_pydict({"home": pa.array(["rent"]), "home=rent": pa.array([5])})

    with pytest.raises(InvalidApplication, match="'home=rent'"):
        ColumnEncoder(Encoder(["home=rent"])).encode(batch)


def test_other_columns_are_ignored() -> None:
    batch = pa.RecordBatch.from_pydict({"age": pa.array([3]), "customer": pa.array(["A1"])})

    rows, _ = ColumnEncoder(Encoder(["age"])).encode(batch)

    assert rows.tolist() == [[3.0]]


def test_a_number_that_is_not_finite_names_row_and_field() -> None:
    batch = pa.RecordBatch.from_pydict({"age": pa.array([1.0, math.nan, math.inf, 2.0])})

    rows, refused = ColumnEncoder(Encoder(["age"])).encode(batch)

    assert np.array_equal(rows[:, 0], [1, 2])
    assert [str(error) for error in refused] == [
        "Expected a finite number, got NaN - at field 'age' of application 1.",
        "Expected a finite number, got Infinity - at field 'age' of application 2.",
    ]
