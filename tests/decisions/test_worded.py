"""Answers that are predictions: numbers, several numbers, classes; the same on every route."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from bentoml_ext.arrays import Ints, Margins, Predictions
from bentoml_ext.decisions.base import AnswerSchema, Column, Columns, Decider, array_of
from bentoml_ext.decisions.deciding import decider_of, default_policy
from bentoml_ext.decisions.policy import Classes, Policy, Value, policy_from_json
from bentoml_ext.errors import BundleError, ConfigError, InvalidApplication
from bentoml_ext.formats.answers import Answers
from bentoml_ext.objectives.table import objective_of
from bentoml_ext.proof.bits import BitComparison
from bentoml_ext.proof.reference_decisions import compare_decider
from bentoml_ext.serving.document.schema import answer_schema
from tests.support import small

LABELS = ("ada", 'b "c"', "ünder")
KINDS: dict[str, tuple[Policy, str, int]] = {
    "value": (Value(), "reg:squarederror", 1),
    "counts": (Value("claims"), "count:poisson", 1),
    "targets": (Value(), "reg:squarederror", 3),
    "levels": (Value("price", ("low", 'm"id', "hoch")), "reg:quantileerror", 3),
    "chance": (Value(), "binary:logistic", 1),
    "yes or no": (Classes(("no", "yes")), "binary:logistic", 1),
    "risk": (Value("hazard"), "survival:cox", 1),
    "classes": (Classes(LABELS, "kind"), "multi:softprob", 3),
    "labels": (Classes(LABELS, with_probabilities=False), "multi:softmax", 3),
    "hinge": (Classes(("no", "yes"), with_probabilities=False), "binary:hinge", 1),
    "bands": (small.policy(), "binary:logistic", 1),
}


def decider(kind: str) -> Decider:
    policy, objective, n_margins = KINDS[kind]
    return decider_of(policy, objective_of(objective), n_margins)


def margins_for(kind: str, n: int = 60) -> Margins:
    random = np.random.default_rng(n)
    found: Margins = (random.normal(size=(n, KINDS[kind][2])) * 3).astype(np.float32)
    found[: n // 4] = np.round(found[: n // 4])
    return found


def test_a_value_is_its_prediction_in_the_fewest_digits() -> None:
    assert decider("value").body(small.column(12.5)) == b'{"prediction": 12.5}'
    assert decider("value").body(small.column(1e20)) == b'{"prediction": 1e+20}'
    assert decider("counts").body(small.column(0.0)) == b'{"claims": 1.0}'


def test_several_values_are_an_array() -> None:
    margins = np.array([[1.5, -0.0, 3]], np.float32)

    assert decider("targets").body(margins) == b'{"prediction": [1.5, -0.0, 3.0]}'


def test_classes_are_a_label_and_a_probability_of_each() -> None:
    body = decider("classes").body(np.array([[0, 2, 2]], np.float32))

    assert list(json.loads(body)) == ["kind", "probabilities"]
    assert json.loads(body)["kind"] == 'b "c"'
    assert json.loads(body)["probabilities"].keys() == set(LABELS)
    assert body.startswith(b'{"kind": "b \\"c\\"", "probabilities": {"ada": 0.06337')


def test_a_class_without_probabilities_is_its_label() -> None:
    assert decider("labels").body(np.array([[0, 1, 2]], np.float32)) == (
        '{"prediction": "ünder"}'.encode()
    )
    assert decider("hinge").body(small.column(-0.5)) == b'{"prediction": "no"}'


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [0, 1, 5, 60])
def test_every_route_gives_the_same_answers(kind: str, n: int) -> None:
    one, margins = decider(kind), margins_for(kind, n)

    bodies = [json.loads(one.body(row)) for row in margins[:, None]]
    rows = Answers(one).batch(margins).to_pylist()

    assert json.loads(array_of(one, margins)) == bodies
    assert [json.loads(line) for line in one.bodies(margins, b"\n").splitlines()] == bodies
    assert len(rows) == n
    for row, body in zip(rows, bodies, strict=True):
        for column in one.schema.columns:
            in_json = body[column.name]
            assert row[column.name] == (in_json if column.kind == "text" else _single(in_json))


def _single(numbers: Any) -> Any:
    """As float32 has them."""
    if isinstance(numbers, dict):
        return {name: _single(number) for name, number in numbers.items()}
    found = np.asarray(numbers, np.float32)
    return found.tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_the_document_describes_the_answer(kind: str) -> None:
    one = decider(kind)
    schema, body = answer_schema(one), json.loads(one.body(margins_for(kind, 1)))

    assert schema["required"] == list(schema["properties"]) == list(body)
    for name, value in body.items():
        described = schema["properties"][name]
        kinds = {str: "string", float: "number", list: "array", dict: "object"}
        assert described["type"] == kinds[type(value)]
        assert value in described.get("enum", [value])


@pytest.mark.parametrize("kind", KINDS)
def test_a_proof_finds_every_answer_equal(kind: str) -> None:
    one, margins = decider(kind), margins_for(kind)
    predictions = objective_of(KINDS[kind][1]).served(margins)
    comparison = BitComparison("answers", "the decider")

    compare_decider(comparison, one, margins, predictions, singly=True)

    assert comparison.difference is None
    assert comparison.compared == comparison.equal > 0


@pytest.mark.parametrize("kind", ["value", "classes", "labels"])
def test_a_proof_finds_an_answer_of_another_row(kind: str) -> None:
    one, margins = decider(kind), margins_for(kind)
    predictions = objective_of(KINDS[kind][1]).served(margins)[::-1].copy()
    comparison = BitComparison("answers", "the decider")

    compare_decider(comparison, one, margins, predictions, singly=True)

    assert comparison.difference is not None


def test_a_number_that_json_has_not_is_refused() -> None:
    one = decider("counts")

    assert one.lost(small.column(100, np.nan, 5)).tolist() == [True, True, False]
    with pytest.raises(InvalidApplication):
        one.body(small.column(100))


@pytest.mark.parametrize(
    ("policy", "objective", "n_margins"),
    [
        (small.policy(), "reg:squarederror", 1),
        (small.policy(), "binary:logistic", 3),
        (Classes(LABELS), "reg:squarederror", 3),
        (Classes(LABELS), "multi:softprob", 4),
        (Classes(LABELS), "multi:softmax", 3),
        (Classes(("no", "yes")), "binary:hinge", 1),
    ],
    ids=str,
)
def test_a_policy_that_does_not_fit_is_refused(
    policy: Policy, objective: str, n_margins: int
) -> None:
    with pytest.raises(ConfigError, match=rf"of '{objective}' - at the policy\. Give Bands"):
        decider_of(policy, objective_of(objective), n_margins)


@pytest.mark.parametrize(
    ("objective", "n_margins", "policy"),
    [
        ("binary:logistic", 1, small.policy()),
        ("binary:logistic", 3, Value()),
        ("multi:softprob", 3, Classes((0, 1, 2))),
        ("multi:softmax", 3, Classes((0, 1, 2), with_probabilities=False)),
        ("binary:hinge", 1, Classes((0, 1), with_probabilities=False)),
        ("binary:hinge", 2, Value()),
        ("reg:quantileerror", 4, Value()),
    ],
)
def test_a_model_without_a_policy_gets_that_of_its_objective(
    objective: str, n_margins: int, policy: Policy
) -> None:
    found = default_policy(objective_of(objective), n_margins)

    assert found == policy
    assert decider_of(found, objective_of(objective), n_margins).n_margins == n_margins


@pytest.mark.parametrize("kind", KINDS)
def test_a_policy_comes_back_from_its_file(kind: str) -> None:
    policy = KINDS[kind][0]

    assert policy_from_json(policy.to_json()) == policy
    assert json.loads(policy.to_json())["kind"] in ("bands", "value", "classes")


def test_a_policy_of_format_2_is_its_bands() -> None:
    plain = json.loads(small.policy().to_json())
    del plain["kind"]

    assert policy_from_json(json.dumps(plain).encode()) == small.policy()


@pytest.mark.parametrize(
    "plain",
    [
        {"kind": "other"},
        {"kind": "value", "key": "model"},
        {"kind": "value", "digits": 2},
        {"kind": "classes", "labels": ["a"]},
        {"kind": "classes", "labels": ["a", "a"]},
        {"kind": "classes", "labels": ["a", ""]},
        {"kind": "classes", "labels": ["a", "b"], "key": "Probabilities"},
        {"kind": "classes"},
    ],
    ids=str,
)
def test_a_file_that_is_no_policy_is_refused(plain: dict[str, Any]) -> None:
    with pytest.raises(BundleError, match="Expected a policy, got"):
        policy_from_json(json.dumps(plain).encode())


class Rounded(Decider):
    """A decider of another package: whole numbers, and whether they are even."""

    schema = AnswerSchema(
        (Column("parity", "text", values=("even", "odd")), Column("whole", "number"))
    )
    policy = Value("whole")

    def columns(self, margins: Margins) -> Columns:
        whole = np.rint(margins[:, 0])
        return {"parity": (whole % 2).astype(np.int64), "whole": whole}

    def body(self, margins: Margins) -> bytes:
        found = self.columns(margins)
        parity = self.schema.columns[0].values[found["parity"][0]]
        return f'{{"parity": "{parity}", "whole": {found["whole"][0]}}}'.encode()

    def decide(self, predictions: Predictions) -> Ints:
        return np.array([int(one) % 2 for one in predictions[:, 0]], np.int64)


def test_a_decider_of_another_hand_is_worded_and_proven() -> None:
    one, margins = Rounded(), small.column(0.2, 1.4, 7.6)
    comparison = BitComparison("answers", "the decider")

    compare_decider(comparison, one, margins, np.rint(margins), singly=True)

    assert comparison.difference is None
    assert array_of(one, margins) == (
        b'[{"parity": "even", "whole": 0.0}, {"parity": "odd", "whole": 1.0}, '
        b'{"parity": "even", "whole": 8.0}]'
    )
    assert one.answers(margins)[1] == {"parity": "odd", "whole": 1.0}
    assert Answers(one, "m:1").batch(margins).schema.field("whole").type == pa.float32()
    assert answer_schema(one)["properties"]["parity"]["enum"] == ["odd", "even"]
