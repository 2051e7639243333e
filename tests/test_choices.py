"""A choice of thousands in a few words, and what was meant."""

from __future__ import annotations

import pytest

from bentoml_ext.choices import SHOWN, meant, one_of, some_of
from bentoml_ext.encoders.encoder import Field
from bentoml_ext.errors import InvalidApplication

MANY = tuple(f"merchant {number:04}" for number in range(5000))


def test_a_refusal_of_a_field_with_thousands_of_categories_is_short() -> None:
    with pytest.raises(InvalidApplication) as caught:
        Field("shop", MANY).check("Merchant 1234")

    assert str(caught.value) == (
        "Expected one of 5000 texts, such as 'merchant 0000', 'merchant 0001', 'merchant 0002' "
        "(did you mean 'merchant 1234'?), got \"Merchant 1234\" - at field 'shop'."
    )


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Merchant 0123", "merchant 0123"),
        (" merchant0123 ", "merchant 0123"),
        ("merchnat 0123", "merchant 0123"),
        ("mercant 0123", "merchant 0123"),
        ("merchants 0123", "merchant 0123"),
        ("", None),
        ("shop", None),
        ("x" * 10**6, None),
    ],
)
def test_what_was_meant_differs_by_case_blanks_or_a_letter(text: str, name: str | None) -> None:
    assert meant(text, MANY) == name


def test_of_few_each_is_told_and_none_is_guessed() -> None:
    few = MANY[:SHOWN]

    assert one_of(few) == "one of " + ", ".join(map(repr, few))
    assert some_of(few) == ", ".join(few)
    assert meant("Merchant 0001", few) is None
    assert some_of(MANY) == "merchant 0000, merchant 0001, merchant 0002 and 4997 more"


def test_a_long_category_is_cut_where_it_is_told() -> None:
    assert len(Field("note", ("x" * 10**6, "y")).expected) < 200


def test_names_of_another_field_are_not_mixed_up() -> None:
    assert [meant("0", tuple(f"{letter}{i}" for i in range(30))) for letter in "ab"] == [None] * 2
    assert meant("SHOP 7", tuple(f"shop {i}" for i in range(30))) == "shop 7"
