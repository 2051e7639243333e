"""The 13 fields of an application for credit, with their units and allowed categories.

The serving process imports this module, so it depends on the encoder and on nothing else.

The data are Spanish applications for credit from before the euro. Their own dictionary counts money
in Kpts, thousands of pesetas (github.com/gastonstat/CreditScoring, issue 1; 1 000 Kpts are about
6 010 euros at the fixed rate of 166.386). Income and expenses are a month's, judged by their size;
the dictionary names no period.
"""

from __future__ import annotations

from typing import Any, Final

from bentoml_ext.encoders.field import Field

__all__ = ["EXAMPLE", "FIELDS", "MISSING"]

MISSING: Final = 99_999_999
"""What the data set writes for a number that was not given."""

_MONEY: Final = "thousands of pesetas"


_MOST_MONEY: Final = 10_000_000
"""Some 60 million euros: no application for credit, but a number in another unit, or a slip."""


def _number(name: str, unit: str, most: float = _MOST_MONEY, *, nullable: bool = False) -> Field:
    return Field(name, unit=unit, minimum=0, maximum=most, nullable=nullable, sentinels=(MISSING,))


FIELDS: Final[tuple[Field, ...]] = (
    _number("seniority", "years", 100),
    Field("home", ("rent", "owner", "private", "ignore", "parents", "other", "unk")),
    _number("time", "months", 1200),
    _number("age", "years", 150),
    Field("marital", ("single", "married", "widow", "separated", "divorced", "unk")),
    Field("records", ("no", "yes", "unk")),
    Field("job", ("fixed", "partime", "freelance", "others", "unk")),
    _number("expenses", _MONEY),
    _number("income", _MONEY, nullable=True),
    _number("assets", _MONEY, nullable=True),
    _number("debt", _MONEY, nullable=True),
    _number("amount", _MONEY),
    _number("price", _MONEY),
)
"""In the order of the data set's columns.

seniority: years in the present job. home: how the applicant lives. time: length of the credit.
records: whether unpaid credit is on record. assets and debt: of the applicant, before this credit.
amount: credit asked for. price: of what it is to pay for. "unk": the form did not say.
"""

EXAMPLE: Final[dict[str, Any]] = {
    "seniority": 3,
    "home": "owner",
    "time": 36,
    "age": 26,
    "marital": "single",
    "records": "no",
    "job": "freelance",
    "expenses": 35,
    "income": 0.0,
    "assets": 60000.0,
    "debt": 3000.0,
    "amount": 800,
    "price": 1000,
}
"""The application that the course sends with curl."""
