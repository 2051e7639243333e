"""The encoder gives DictVectorizer's rows, and refuses what must not be scored."""

from __future__ import annotations

import gc
import json
import math
import weakref
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction import DictVectorizer

from bentoml_ext.encoders.encoder import Encoder, Field
from bentoml_ext.encoders.steps import Number
from bentoml_ext.errors import BundleError, FeatureMismatch, InvalidApplication

NAMES = st.sampled_from(["age", "home", "income", "job", "records"])
TEXTS = st.text(st.characters(exclude_characters="="), max_size=4)
NUMBERS = st.one_of(
    st.none(), st.integers(-(10**9), 10**9), st.floats(-1e38, 1e38), st.just(math.nan)
)
LOOSE = st.dictionaries(NAMES, st.one_of(TEXTS, NUMBERS), max_size=5)
# Within one data set a field is a number or a category, never both.
STRICT = st.fixed_dictionaries(
    {}, optional={"age": NUMBERS, "income": NUMBERS, "home": TEXTS, "job": TEXTS}
)

FIELDS = (
    Field("age", unit="years", minimum=0),
    Field("home", ("owner", "rent")),
    Field("income", minimum=0, nullable=True, sentinels=(99999999,)),
)
GOOD = {"age": 30, "home": "rent", "income": 1200.5}
SEVERAL = [GOOD, GOOD | {"income": None, "age": -7}, GOOD | {"age": -1, "home": "owner"}]


@pytest.fixture
def encoder() -> Encoder:
    return Encoder(["age", "home=owner", "home=rent", "income"], FIELDS)


def test_a_refused_application_is_not_kept() -> None:
    class Known(dict[str, Any]):
        """A dict that can be watched."""

    gc.disable()
    try:
        application = Known(age="old")
        watched = weakref.ref(application)
        with pytest.raises(InvalidApplication):
            Encoder(["age"]).check(application)
        del application

        assert watched() is None
    finally:
        gc.enable()


def bits(rows: npt.NDArray[Any]) -> list[list[int]]:
    # NaN and the sign of zero count too.
    found: list[list[int]] = np.ascontiguousarray(rows, np.float32).view(np.uint32).tolist()
    return found


@given(st.lists(STRICT, min_size=1, max_size=5), st.lists(LOOSE, max_size=5))
def test_rows_are_those_of_a_dense_dict_vectorizer(
    seen: list[dict[str, Any]], asked: list[dict[str, Any]]
) -> None:
    vectorizer = DictVectorizer(sparse=False).fit(seen)
    encoder = Encoder(list(vectorizer.feature_names_), null="missing")

    rows = encoder.rows(asked)

    expected = vectorizer.transform(asked) if asked else np.zeros((0, encoder.n_features))
    assert rows.shape == expected.shape
    assert bits(rows) == bits(expected)


@given(st.lists(STRICT, min_size=1, max_size=5), st.lists(STRICT, min_size=1, max_size=5))
def test_a_gap_of_a_sparse_dict_vectorizer_is_missing(
    seen: list[dict[str, Any]], asked: list[dict[str, Any]]
) -> None:
    vectorizer = DictVectorizer(sparse=True).fit(seen)
    encoder = Encoder(list(vectorizer.feature_names_), absent="missing", null="missing")
    sparse = vectorizer.transform(asked)
    expected = np.full(sparse.shape, np.nan)
    for row, start, end in zip(expected, sparse.indptr, sparse.indptr[1:], strict=False):
        row[sparse.indices[start:end]] = sparse.data[start:end]

    assert bits(encoder.rows(asked)) == bits(expected)


def test_null_means_what_it_meant_in_training() -> None:
    features = ["age", "income"]
    applications = [{"age": 30, "income": None}]

    assert Encoder(features, null="zero").rows(applications)[0, 1] == 0
    assert math.isnan(Encoder(features, null="missing").rows(applications)[0, 1])


@pytest.mark.parametrize(
    ("change", "expected", "got"),
    [
        ({"age": "30"}, "a finite number in years, at least 0", '"30", a number written as a text'),
        ({"age": True}, "a finite number", "true"),
        ({"age": None}, "a finite number", "null"),
        ({"age": [30]}, "a finite number", "[30]"),
        ({"age": math.nan}, "a finite number", "NaN"),
        ({"age": math.inf}, "a finite number", "Infinity"),
        ({"age": 1e39}, "a finite number", "1e+39"),
        ({"age": 10**400}, "a finite number", "1000"),
        ({"age": -1}, "at least 0", "-1"),
        ({"income": 99999999}, "or null", "99999999, a code for a missing value"),
        ({"income": 99999999.0}, "or null", "99999999.0, a code for a missing value"),
        ({"home": "castle"}, "one of 'owner', 'rent'", '"castle"'),
        ({"home": None}, "one of 'owner', 'rent'", "null"),
        ({"home": 3}, "one of 'owner', 'rent'", "3"),
    ],
)
def test_a_bad_value_names_field_expected_and_got(
    encoder: Encoder, change: dict[str, Any], expected: str, got: str
) -> None:
    (field,) = change

    with pytest.raises(InvalidApplication) as caught:
        encoder.check(GOOD | change)

    assert caught.value.field == field
    assert expected in caught.value.expected
    assert got in caught.value.got
    assert f"field '{field}'" in str(caught.value)


@pytest.mark.parametrize("field", sorted(GOOD))
def test_a_missing_field_is_refused(encoder: Encoder, field: str) -> None:
    application = {name: value for name, value in GOOD.items() if name != field}

    with pytest.raises(InvalidApplication, match=f"got nothing - at field '{field}'"):
        encoder.check(application)


def test_an_application_that_is_no_object_is_refused(encoder: Encoder) -> None:
    with pytest.raises(InvalidApplication, match="an object of fields, got 3"):
        encoder.check(3)


def test_a_bad_application_of_a_batch_is_named_by_its_index(encoder: Encoder) -> None:
    with pytest.raises(InvalidApplication, match="field 'age' of application 1") as caught:
        encoder.check_all([GOOD, GOOD | {"age": -1}, GOOD | {"age": -2}])

    assert caught.value.index == 1


def test_a_good_application_with_more_keys_passes(encoder: Encoder) -> None:
    encoder.check(GOOD | {"income": None, "note": "by phone"})


SAID: tuple[dict[str, Any], ...] = (
    {},
    {"absent": "missing"},
    {"null": "missing"},
    {"missing": -1},
    {"features": ["age", "home_owner", "home_rent", "income"], "separator": "_"},
)
"""What an encoder may be given, each other than its default."""


def told(**said: Any) -> Encoder:
    return Encoder(**{"features": ["age", "home=owner", "home=rent", "income"], **said})


def parts_of(one: Encoder) -> tuple[Any, ...]:
    return one.features, one.fields, one.steps, one.absent, one.null, one.missing


@pytest.mark.parametrize("said", SAID, ids=str)
def test_an_encoder_survives_its_file(said: dict[str, Any]) -> None:
    made = told(fields=FIELDS, **said)
    again = Encoder.from_json(made.to_json())

    assert parts_of(again) == parts_of(made)
    assert bits(again.rows(SEVERAL)) == bits(made.rows(SEVERAL))


@pytest.mark.parametrize("said", SAID, ids=str)
def test_an_encoder_with_another_marker_keeps_all_that_it_was_told(said: dict[str, Any]) -> None:
    wanted = told(fields=FIELDS, **(said | {"missing": -7}))

    found = told(fields=FIELDS, **said).marking(-7)

    assert parts_of(found) == parts_of(wanted)
    assert bits(found.rows(SEVERAL)) == bits(wanted.rows(SEVERAL))


@pytest.mark.parametrize("said", SAID, ids=str)
def test_an_encoder_of_the_first_formats_is_read_with_all_that_it_says(
    said: dict[str, Any],
) -> None:
    made = told(fields=FIELDS, **said)
    file = json.loads(made.to_json()) | {"separator": said.get("separator", "=")}
    # Bundles of format 2 had a separator in place of steps.
    del file["steps"]

    again = Encoder.from_json(json.dumps(file).encode())

    assert parts_of(again) == parts_of(made)
    assert bits(again.rows(SEVERAL)) == bits(made.rows(SEVERAL))


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"features": ["age", "age"]}, "every feature name once, got one twice"),
        ({"features": ["age"], "fields": [Field("age"), Field("age", minimum=1)]}, "at 'age'"),
        ({"features": ["a", "b"], "steps": [Number("a", 0), Number("b", 0)]}, "each of 2 columns"),
        ({"features": ["a"], "steps": [Number("a", 0), Number("b", 0)]}, "each of 1 columns once"),
    ],
    ids=str,
)
def test_what_stands_twice_is_refused(said: dict[str, Any], message: str) -> None:
    with pytest.raises(FeatureMismatch, match=message):
        Encoder(**said)


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]", b'{"features": 3}'])
def test_a_file_that_is_no_encoder_is_refused(data: bytes) -> None:
    with pytest.raises(BundleError, match=r"at encoder\.json"):
        Encoder.from_json(data)


def test_rules_for_other_fields_are_refused() -> None:
    with pytest.raises(FeatureMismatch, match="at 'home'"):
        Encoder(["age", "income"], FIELDS)


def test_a_rule_of_another_kind_is_refused() -> None:
    with pytest.raises(FeatureMismatch, match="at field 'home'"):
        Encoder(["age", "home", "income"], FIELDS)


def test_which_categories_exist_is_the_vocabularys_word() -> None:
    encoder = Encoder(["age", "home=rent", "income"], FIELDS)

    with pytest.raises(InvalidApplication, match="one of 'rent', got \"owner\""):
        encoder.check(GOOD | {"home": "owner"})


def test_a_field_that_was_null_among_its_texts_takes_null_again() -> None:
    vectorizer = DictVectorizer(sparse=False).fit([{"job": "fixed"}, {"job": None}])
    encoder = Encoder(list(vectorizer.feature_names_), null="missing")
    asked: list[dict[str, Any]] = [{"job": "fixed"}, {"job": None}]

    encoder.check_all(asked)

    assert bits(encoder.rows(asked)) == bits(vectorizer.transform(asked))
    with pytest.raises(InvalidApplication, match="one of 'fixed' or null, got 3"):
        encoder.check({"job": 3})


def test_a_key_named_like_a_feature_is_refused() -> None:
    encoder = Encoder(["age", "home=rent"])

    # It would count in the row, and no field's rules are kept by it.
    with pytest.raises(InvalidApplication, match=r"Expected the name of a field.*'home=rent'"):
        encoder.check({"age": 1, "home": "rent", "home=rent": 1e300})


@pytest.mark.parametrize(
    "said",
    [
        {"features": None},
        {"features": "abc"},
        {"absent": "no"},
        {"null": 0},
        {"missing": "x"},
        {"fields": {"a": 1}},
        {"fields": ["a"]},
        {"separator": 3},
    ],
    ids=str,
)
def test_an_argument_of_another_type_is_refused_by_its_name(said: dict[str, Any]) -> None:
    with pytest.raises(FeatureMismatch, match=f"at {next(iter(said))} of the encoder"):
        Encoder(**{"features": ["a"], **said})


@pytest.mark.parametrize("name", ['a"b', "c\\d", "e\nf"])
def test_a_field_whose_name_json_cannot_hold_as_it_is_is_refused(name: str) -> None:
    with pytest.raises(FeatureMismatch, match="Expected a field's name without quotes"):
        Encoder([name, "income"])


def test_a_number_of_another_library_is_refused_by_its_type() -> None:
    with pytest.raises(InvalidApplication, match=r"got 70 of type numpy\.int64"):
        Field("age").check(np.int64(70))


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"minimum": "x"}, "Expected `float . null`, got `str` - at minimum of field 'age'"),
        ({"nullable": "yes"}, "Expected `bool`, got `str` - at nullable of field 'age'"),
        (
            {"maximum": np.float64(3)},
            "Expected Python's own .* got numpy.float64 - at field 'age",
        ),
        ({"name": 3}, "Expected `str`, got `int` - at name of field '3'"),
    ],
    ids=["text", "word", "numpy", "name"],
)
def test_a_rule_of_another_type_is_refused(rule: dict[str, Any], message: str) -> None:
    with pytest.raises(FeatureMismatch, match=message):
        Encoder(["age"], [Field(**{"name": "age", **rule})])
