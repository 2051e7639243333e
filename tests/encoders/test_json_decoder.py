"""The reader takes only what the encoder takes, and gives the encoder's bits."""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bentoml_ext.arrays import Rows
from bentoml_ext.encoders.encoder import Encoder, Field, MissingValue
from bentoml_ext.encoders.field import FLOAT32_MAX
from bentoml_ext.encoders.json_decoder import JsonDecoder
from bentoml_ext.errors import InvalidApplication
from models.fields import EXAMPLE, FIELDS
from tests.support.small import assert_same_bits

FEATURES = ["age", "amount", "home=owner", "home=rent", "job=fixed", "job=other", "income"]
RULES = (
    Field("age", minimum=0, sentinels=(99999999,)),
    Field("amount"),
    Field("home", ("owner", "rent")),
    Field("income", nullable=True, minimum=0, sentinels=(-1, 7, 99999999)),
    Field("job", ("fixed", "other")),
)
NUMBERS = st.one_of(
    st.integers(-5, 120),
    st.integers(-(10**30), 10**30),
    st.floats(),
    st.sampled_from([0.0, -0.0, 7, 7.0, 99999999, 99999998.5, 1e8, 3.4028235e38, 3.5e38, 1e-45]),
)
VALUES: st.SearchStrategy[Any] = st.one_of(
    NUMBERS, st.none(), st.booleans(), st.text(max_size=3), st.just([])
)
TEXTS = st.one_of(st.sampled_from(["owner", "rent", "fixed", "other"]), VALUES)
APPLICATIONS = st.fixed_dictionaries(
    {"age": NUMBERS, "amount": NUMBERS, "income": VALUES, "home": TEXTS, "job": TEXTS},
    optional={"note": VALUES},
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
PLAIN = st.fixed_dictionaries(
    {
        "age": st.integers(0, 120) | st.floats(0, 9e7) | st.just(-0.0),
        "amount": st.floats(-FLOAT32_MAX, FLOAT32_MAX)
        | st.sampled_from([-0.0, 1e-45, FLOAT32_MAX]),
        "income": st.none() | st.sampled_from([0, -0.0, 6.5]),
        "home": st.sampled_from(["owner", "rent"]),
        "job": st.sampled_from(["fixed", "other"]),
    },
    optional={"note": TEXT | st.none() | st.booleans() | st.lists(TEXT, max_size=1)},
)
GOOD = {"age": 30, "amount": 2.5, "home": "rent", "income": None, "job": "other"}


def written(reader: JsonDecoder, values: Any, n_features: int) -> Rows:
    rows = np.full((3, n_features), 9, np.float32)
    octets = rows.data.cast("B")
    reader.write(values, octets.cast("f"), octets, 1)
    assert (rows[[0, 2]] == 9).all()
    return rows[1:2]


@pytest.mark.parametrize("absent", ["zero", "missing"])
@given(application=APPLICATIONS)
def test_what_the_reader_takes_the_encoder_takes_with_the_same_bits(
    absent: MissingValue, application: dict[str, Any]
) -> None:
    encoder = Encoder(FEATURES, RULES, absent=absent, null=absent)
    reader = JsonDecoder(encoder)

    for values in (reader.one(json.dumps(application).encode()), reader.plain(application)):
        if values is None:
            continue
        encoder.check(application)
        expected = encoder.rows([application]).view(np.uint32).tolist()
        assert written(reader, values, len(FEATURES)).view(np.uint32).tolist() == expected
        assert reader.rows([values]).view(np.uint32).tolist() == expected


@pytest.mark.parametrize("absent", ["zero", "missing"])
@pytest.mark.parametrize("null", ["zero", "missing"])
@given(batch=st.lists(PLAIN, max_size=4) | st.lists(APPLICATIONS, max_size=2))
def test_a_batch_that_the_reader_takes_has_the_encoders_bits(
    absent: MissingValue, null: MissingValue, batch: list[dict[str, Any]]
) -> None:
    encoder = Encoder(FEATURES, RULES, absent=absent, null=null)
    reader = JsonDecoder(encoder, ["note"])

    values = reader.many(json.dumps(batch).encode())

    if values is not None:
        encoder.check_all(batch)
        assert_same_bits(expected=encoder.rows(batch), got=reader.rows(values))


@given(batch=st.lists(PLAIN, max_size=4))
def test_plain_batches_take_the_short_way(batch: list[dict[str, Any]]) -> None:
    assert (
        JsonDecoder(Encoder(FEATURES, RULES), ["note"]).many(json.dumps(batch).encode()) is not None
    )


@given(texts=st.sets(TEXT, min_size=1, max_size=4), other=TEXT)
@example(texts={"", "1", "1.0", "null", "None"}, other="0")
@example(texts={"mro", "name", "_value_", "__class__", "__", "a=b", "="}, other="_0")
@example(texts={"\x00", "\u00e9", "e\u0301", "\U0001f600"}, other="E\u0301")
def test_a_category_is_found_by_its_whole_text(texts: set[str], other: str) -> None:
    encoder = Encoder(["age", *(f"home={text}" for text in texts)])
    reader = JsonDecoder(encoder, ["home"])
    batch = [{"age": 1, "home": text} for text in texts]

    for values in (reader.many(json.dumps(batch).encode()), list(map(reader.plain, batch))):
        assert values is not None
        taken = [one for one in values if one is not None]
        assert_same_bits(expected=encoder.rows(batch), got=reader.rows(taken))
        assert [reader.kept(one) for one in taken] == [(text,) for text in texts]
    assert (reader.plain({"age": 1, "home": other}) is None) == (other not in texts)


@pytest.mark.parametrize(
    "value", [0, 2, 2.0, True, "_2", "home=rent", "Rent", "rent ", b"rent", []]
)
def test_a_category_is_not_taken_for_its_column(value: Any) -> None:
    reader = JsonDecoder(Encoder(FEATURES, RULES))

    assert reader.plain(GOOD | {"home": value}) is None
    assert reader.one(msgspec.json.encode(GOOD | {"home": value})) is None


def test_a_plain_application_takes_the_short_way() -> None:
    reader = JsonDecoder(Encoder(FEATURES, RULES), [*GOOD, "note"])

    for values in (reader.one(json.dumps(GOOD).encode()), reader.plain(GOOD)):
        assert values is not None
        assert reader.kept(values) == (30.0, 2.5, "rent", None, "other", None)


@pytest.mark.parametrize("note", [None, "by phone", 7, -0.0, [], {"branch": None}])
def test_what_is_kept_besides_leaves_no_trace_in_a_row(note: Any) -> None:
    encoder = Encoder(FEATURES, RULES)
    reader = JsonDecoder(encoder, ["note", "home", "pad"])

    values = reader.many(json.dumps([GOOD | {"note": note}, GOOD]).encode())

    assert values is not None
    assert_same_bits(expected=encoder.rows([GOOD, GOOD]), got=reader.rows(values))
    assert list(map(reader.kept, values)) == [(note, "rent", None), (None, "rent", None)]


@pytest.mark.parametrize(
    ("layout", "taken"),
    [
        ("{0}\n{0}", True),
        ("{0}\n{0}\n", True),
        ("{0}\n\n{0}", False),
        ("{0} {0}\n\n", False),
        ("{0}{0}\n", False),
        ("{1}\n{0}{0}", False),
        (" {0}\n{0}", False),
        ("", False),
        ("\n", False),
    ],
)
def test_lines_are_taken_if_each_is_an_object(layout: str, taken: bool) -> None:
    body = layout.format(json.dumps(GOOD), json.dumps(GOOD).replace(",", "\n,", 1)).encode()

    assert (JsonDecoder(Encoder(FEATURES, RULES)).lines(body) is not None) == taken


def test_the_credit_example_takes_the_short_way() -> None:
    features = [
        f"{field.name}={category}" if field.categories else field.name
        for field in FIELDS
        for category in field.categories or ("",)
    ]

    assert JsonDecoder(Encoder(features, FIELDS)).one(json.dumps(EXAMPLE).encode()) is not None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b"[" * 100_000,
        b'{"age": 1e400}',
        json.dumps(GOOD | {"note": "by phone"}).encode(),
        json.dumps(GOOD | {"age": math.nan}).encode(),
        json.dumps(GOOD).encode() + b"x",
        json.dumps(GOOD).encode("utf-16"),
    ],
)
def test_what_is_not_plainly_right_goes_the_encoders_way(body: bytes) -> None:
    assert JsonDecoder(Encoder(FEATURES, RULES)).one(body) is None


def test_the_encoder_itself_refuses_what_is_wrong() -> None:
    encoder = Encoder(FEATURES, RULES)

    assert JsonDecoder(encoder).plain(GOOD | {"income": 7}) is None
    with pytest.raises(InvalidApplication, match="got 7, a code for a missing value"):
        encoder.check(GOOD | {"income": 7})


def test_text_that_is_no_utf8_is_the_encoders() -> None:
    assert JsonDecoder(Encoder(FEATURES, RULES)).plain(GOOD | {"home": "\ud800"}) is None


@pytest.mark.parametrize("features", [["age", "income"], ["home=owner", "home=rent"]])
@pytest.mark.parametrize("n", [0, 1, 3])
def test_fields_may_be_all_numbers_or_all_categories(features: list[str], n: int) -> None:
    encoder = Encoder(features)
    reader = JsonDecoder(encoder)
    batch = [{field.name: (*field.categories, 6.5)[0] for field in encoder.fields}] * n

    values = reader.many(json.dumps(batch).encode())

    assert values is not None
    assert_same_bits(expected=encoder.rows(batch), got=reader.rows(values))


def test_a_category_that_is_null_is_the_encoders() -> None:
    encoder = Encoder(
        FEATURES, [*RULES[:2], Field("home", ("owner", "rent"), nullable=True), *RULES[3:]]
    )

    assert JsonDecoder(encoder).plain(GOOD | {"home": None}) is None
    encoder.check(GOOD | {"home": None})
