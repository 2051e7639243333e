"""The reader takes only what the encoder takes, and gives the encoder's bits."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bentoml_ext.arrays import Rows
from bentoml_ext.encoder import Encoder, Field, Filler
from bentoml_ext.errors import InvalidApplication
from bentoml_ext.reader import Reader
from models.fields import EXAMPLE, FIELDS

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
GOOD = {"age": 30, "amount": 2.5, "home": "rent", "income": None, "job": "other"}


def written(reader: Reader, values: Any, n_features: int) -> Rows:
    rows = np.full((3, n_features), 9, np.float32)
    octets = rows.data.cast("B")
    reader.write(values, octets.cast("f"), octets, 1)
    assert (rows[[0, 2]] == 9).all()
    return rows[1:2]


@pytest.mark.parametrize("absent", ["zero", "missing"])
@given(application=APPLICATIONS)
def test_what_the_reader_takes_the_encoder_takes_with_the_same_bits(
    absent: Filler, application: dict[str, Any]
) -> None:
    encoder = Encoder(FEATURES, RULES, absent=absent, null=absent)
    reader = Reader(encoder)

    for values in (reader.one(json.dumps(application).encode()), reader.plain(application)):
        if values is None:
            continue
        encoder.check(application)
        expected = encoder.rows([application]).view(np.uint32).tolist()
        assert written(reader, values, len(FEATURES)).view(np.uint32).tolist() == expected
        assert reader.rows([values]).view(np.uint32).tolist() == expected


@given(st.lists(APPLICATIONS, max_size=4))
def test_a_batch_that_the_reader_takes_has_the_encoders_bits(batch: list[dict[str, Any]]) -> None:
    encoder = Encoder(FEATURES, RULES)
    reader = Reader(encoder)

    values = reader.many(json.dumps(batch).encode())

    if values is not None:
        encoder.check_all(batch)
        rows, expected = reader.rows(values), encoder.rows(batch)
        assert rows.shape == expected.shape
        assert rows.view(np.uint32).tolist() == expected.view(np.uint32).tolist()


def test_a_plain_application_takes_the_short_way() -> None:
    reader = Reader(Encoder(FEATURES, RULES))

    assert reader.one(json.dumps(GOOD).encode()) == (30.0, 2.5, "rent", None, "other")
    assert reader.plain(GOOD) == (30.0, 2.5, "rent", None, "other")


def test_the_credit_example_takes_the_short_way() -> None:
    features = [
        f"{field.name}={category}" if field.categories else field.name
        for field in FIELDS
        for category in field.categories or ("",)
    ]

    assert Reader(Encoder(features, FIELDS)).one(json.dumps(EXAMPLE).encode()) is not None


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
    assert Reader(Encoder(FEATURES, RULES)).one(body) is None


def test_the_encoder_itself_refuses_what_is_wrong() -> None:
    encoder = Encoder(FEATURES, RULES)

    assert Reader(encoder).plain(GOOD | {"income": 7}) is None
    with pytest.raises(InvalidApplication, match="got 7, a code for a missing value"):
        encoder.check(GOOD | {"income": 7})


def test_a_category_that_is_null_is_the_encoders() -> None:
    encoder = Encoder(
        FEATURES, [*RULES[:2], Field("home", ("owner", "rent"), nullable=True), *RULES[3:]]
    )

    assert Reader(encoder).plain(GOOD | {"home": None}) is None
    encoder.check(GOOD | {"home": None})
