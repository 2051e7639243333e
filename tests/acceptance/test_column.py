"""Column: the predictions are found by name, or asked for; what is none is refused with its row."""

from __future__ import annotations

import decimal
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from bentoml_ext.acceptance.column import find_column
from bentoml_ext.acceptance.given import Columns, Objects
from bentoml_ext.acceptance.opening import opened
from bentoml_ext.acceptance.predictions import read_predictions
from bentoml_ext.errors import UnreadableInput

FIELDS = {"age", "price", "score"}


def found(*names: str, asked: str | None = None) -> list[str]:
    return find_column(names, FIELDS, "Status", asked)[0]


NAMES = """
prediction predictions y_pred yhat y_proba proba p probability Probability margin log_odds
predicted_probability predict_proba PD Status raw_score proba_1
"""


@pytest.mark.parametrize("name", NAMES.split())
def test_a_known_name_is_found_among_others(name: str) -> None:
    assert found("customer_id", "age", name, "target", "price", "score") == [name]


@pytest.mark.parametrize("index", ["Unnamed: 0", "__index_level_0__", "", "index", "level_0"])
def test_the_only_column_that_is_no_field_is_taken_and_an_index_is_none(index: str) -> None:
    assert found(index, "age", "price", "score", "was") == ["was"]


def test_a_field_is_never_the_prediction() -> None:
    assert found("age", "score", "margin") == ["margin"]
    with pytest.raises(UnreadableInput, match="got 'score', a field of the model"):
        found("age", "score", "margin", asked="score")


@pytest.mark.parametrize(
    "names", [("age", "0", "1"), ("proba_0", "age", "proba_1"), ("id", "p0", "p1", "age")], ids=str
)
def test_the_two_columns_of_predict_proba_are_a_pair(names: tuple[str, ...]) -> None:
    first, second = found(*names)

    assert (first[-1], second[-1]) == ("0", "1")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("age", "probability", "margin"), "got 'probability', 'margin' - at the check"),
        (("age", "mine", "yours"), "got 'mine', 'yours' - at the check. Name it with --prediction"),
        (("age", "price"), "got none besides the fields"),
        (("p0", "p1", "p2"), "two classes, got a column 'p2', too"),
    ],
    ids=str,
)
def test_several_columns_that_may_be_it_are_asked_for(names: Any, message: str) -> None:
    with pytest.raises(UnreadableInput, match=message):
        found(*names)


def test_a_name_that_is_not_there_is_told_with_the_one_that_is_like_it() -> None:
    with pytest.raises(UnreadableInput, match=r"got 'y_Pred' - at --prediction\. Is it 'ypred'\?"):
        found("age", "ypred", "price", asked="y_Pred")


def column(values: Any) -> Columns:
    return Columns(pa.table({"p": values}))


@pytest.mark.parametrize(
    "values",
    [
        pa.array([0.25, 0.5], pa.float32()),
        pa.array([0.25, 0.5], pa.float16()),
        pa.array(["0.25", " 0.5"]),
        pa.array(["0.25", "5e-1"]).dictionary_encode(),
        pa.array([decimal.Decimal("0.25"), decimal.Decimal("0.50")]),
        pa.array([[0.75, 0.25], [0.5, 0.5]]),
        pa.array(["[0.75 0.25]", "[0.5, 0.5]"]),
        pa.array(["(0.75, 0.25)", "[0.5  0.5 ]"]),
    ],
    ids=lambda values: str(values.type),
)
def test_numbers_are_read_from_every_type(values: Any) -> None:
    numbers = read_predictions(column(values), ["p"]).numbers

    assert numbers.tolist() == [0.25, 0.5]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0.5, None], "a prediction, got null - at row 1, column 'p'"),
        ([0.5, float("nan")], "a prediction, got nan - at row 1"),
        (["0.5", "abc"], "a number like the others, got 'abc' - at row 1"),
        (["12.5%", "3%"], "between 0 and 1, got the percentage '12.5%' - at row 0"),
        (["0,25", "0,5"], "a decimal point, got '0,25' with a comma - at row 0"),
        ([[0.1, 0.2, 0.7], [0.1, 0.2, 0.7]], "the two of predict_proba, got 3 numbers"),
        ([[0.5, 0.5], [0.9, 0.2]], "two probabilities with sum 1, got 0.9 and 0.2 - at row 1"),
        (["[0.9 0.2]", "[0.5 0.5]"], "two probabilities with sum 1, got 0.9 and 0.2"),
    ],
    ids=repr,
)
def test_what_is_no_prediction_is_refused_with_its_row(values: Any, message: str) -> None:
    with pytest.raises(UnreadableInput, match=message):
        read_predictions(column(values), ["p"])


@pytest.mark.parametrize("value", [None, {"p": 1}, "x"], ids=repr)
def test_a_prediction_of_another_kind_in_json_is_refused_with_its_line(value: Any) -> None:
    texts = [json.dumps({"p": one}).encode() for one in (0.5, value)]

    with pytest.raises(UnreadableInput, match=r"at row 1 \(line 2\), column 'p'"):
        read_predictions(Objects(texts, [1, 2]), ["p"])


def test_a_key_that_an_object_lacks_is_null() -> None:
    given = opened(b'{"p": 0.5, "age": 1}\n{"age": 2}\n', Path("check.ndjson"))

    assert np.array(given.values("p")).tolist() == [0.5, None]
    with pytest.raises(UnreadableInput, match=r"got null - at row 1 \(line 2\)"):
        read_predictions(given, ["p"])
