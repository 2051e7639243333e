"""Values of Python: every entry takes the same ones, and refuses others with one of our errors."""

from __future__ import annotations

import collections
import datetime
import enum
import json
import types
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bentoml_ext.backends.xgboost_native import XGBoostBackend
from bentoml_ext.decisions.bands import BandDecider
from bentoml_ext.errors import InvalidApplication
from bentoml_ext.scoring.scorer import Scorer
from tests.support import small


class Text(str):
    """A text that is more than one."""


class Home(enum.Enum):
    """A word that is no text."""

    RENT = "rent"


class HomeText(enum.StrEnum):
    """A word that is a text."""

    RENT = "rent"


class Count(enum.IntEnum):
    """A number with a name."""

    ONE = 1


TAKEN: dict[str, Any] = {
    "age": [1, 1.5, np.float64(1.5), Count.ONE, 2**70],
    "home": ["rent", Text("rent"), HomeText.RENT, np.str_("rent")],
}
REFUSED: list[Any] = [
    Decimal("1.5"),
    Decimal("NaN"),
    Fraction(1, 2),
    1j,
    np.float16(1.5),
    np.float32(1.5),
    np.longdouble(1.5),
    np.int64(1),
    np.bool_(True),
    np.bytes_(b"rent"),
    np.array(1.5),
    np.array(["rent"]),
    np.datetime64("2020-01-01"),
    pd.NA,
    pd.NaT,
    pd.Timestamp(0),
    pd.Series([1.5]),
    datetime.datetime(2020, 1, 1),
    datetime.timedelta(1),
    b"rent",
    bytearray(b"rent"),
    Home.RENT,
    "owner ",
    float("nan"),
    10**400,
    None,
    [1],
    {"rent"},
    {},
    object(),
]
MAPPINGS: list[Callable[[dict[str, Any]], Any]] = [
    dict,
    collections.OrderedDict,
    collections.UserDict,
    collections.ChainMap,
    types.MappingProxyType,
]


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Scorer:
    path = tmp_path_factory.mktemp("values") / "model.ubj"
    small.booster().save_model(path)
    return Scorer(small.encoder(), XGBoostBackend(path), BandDecider(small.policy()))


@pytest.mark.parametrize("make", MAPPINGS)
@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field in TAKEN for value in TAKEN[field]]
)
def test_a_value_that_one_entry_takes_every_entry_takes(
    scorer: Scorer, make: Callable[[dict[str, Any]], Any], field: str, value: Any
) -> None:
    application = make({**small.APPLICATION, field: value})
    plain = json.loads(json.dumps({**small.APPLICATION, field: value}))

    answer = scorer.classify(application)

    assert [answer] == scorer.classify_batch([application]) == scorer.classify_batch([plain])


@pytest.mark.parametrize("make", MAPPINGS)
@pytest.mark.parametrize("field", small.APPLICATION)
@pytest.mark.parametrize("value", REFUSED, ids=lambda value: type(value).__name__)
def test_a_value_that_one_entry_refuses_every_entry_refuses(
    scorer: Scorer, make: Callable[[dict[str, Any]], Any], field: str, value: Any
) -> None:
    application = make({**small.APPLICATION, field: value})

    with pytest.raises(InvalidApplication) as one:
        scorer.classify(application)
    with pytest.raises(InvalidApplication) as many:
        scorer.classify_batch([application])

    assert many.value.reason == one.value.reason
    assert "nested" not in one.value.detail["got"]


@pytest.mark.parametrize("application", [pd.Series(small.APPLICATION), list(small.APPLICATION)])
def test_what_is_no_mapping_is_no_application(scorer: Scorer, application: Any) -> None:
    for ask in (scorer.classify, lambda one: scorer.classify_batch([one])):
        with pytest.raises(InvalidApplication, match="Expected an object of fields"):
            ask(application)


@pytest.mark.parametrize("given", [None, 1, "text", b"octets", small.APPLICATION, 1.5])
def test_what_holds_no_applications_is_refused_as_such(scorer: Scorer, given: Any) -> None:
    with pytest.raises(InvalidApplication, match="Expected an array of applications"):
        scorer.classify_batch(given)


def test_applications_may_stand_in_whatever_holds_several(scorer: Scorer) -> None:
    expected = scorer.classify_batch([small.APPLICATION] * 2)

    holders: list[Any] = [
        (small.APPLICATION,) * 2,
        iter([small.APPLICATION] * 2),
        pd.Series([small.APPLICATION] * 2),
    ]
    for given in holders:
        assert scorer.classify_batch(given) == expected
