"""One tag, one answer: the fields, rules and policy of every route are those of the bundle."""

from __future__ import annotations

import gc
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bentoml
import msgspec
import pytest

import bentoml_ext
from bentoml_ext.encoders.encoder import Encoder
from bentoml_ext.encoders.field import Field
from bentoml_ext.errors import ConfigError
from bentoml_ext.serving.contract import check_rules
from bentoml_ext.serving.document.schema import application_schema, example_of
from models.fields import EXAMPLE, FIELDS, MISSING
from models.training import Trained
from tests.support import small
from tests.support.commands import python_code
from tests.support.homes import store_of
from tests.support.servers import Server, serve

SERVICE = """
import bentoml_ext

svc = bentoml_ext.get_service("churn_test:latest")
"""

ODD = [{**EXAMPLE, "amount": amount} for amount in (-5, MISSING)]


@pytest.fixture(scope="module")
def bare(
    trained: Trained, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Server, bentoml_ext.Scorer]]:
    """The credit service over a model whose bundle has no rules, and that model's scorer."""
    home = tmp_path_factory.mktemp("home")
    with store_of(home):
        stored = bentoml_ext.save_model(
            "credit_risk_model", trained.booster, encoder=Encoder(trained.encoder.features)
        )
        scorer = bentoml_ext.load_model(stored, "onnx")
    with serve(home) as server:
        yield server, scorer


def test_the_bundles_rules_answer_on_every_route_as_in_the_library(
    bare: tuple[Server, bentoml_ext.Scorer],
) -> None:
    server, scorer = bare
    statuses = [scorer.classify(application).status for application in ODD]
    lines = b"\n".join(json.dumps(application).encode() for application in ODD)

    single = [server.client.post("/classify", json=application).json() for application in ODD]
    batch = server.client.post("/classify_batch", json=ODD).json()
    headers = {"content-type": "application/x-ndjson"}
    stream = server.client.post("/classify_batch", content=lines, headers=headers).text

    assert [answer["Status"] for answer in single] == statuses
    assert batch == single == list(map(json.loads, stream.splitlines()))


def test_the_openapi_page_tells_of_the_bundles_rules(
    bare: tuple[Server, bentoml_ext.Scorer],
) -> None:
    amount = schema_of(bare[0], "requestBody")["properties"]["amount"]

    assert amount == {"description": "A finite number.", "type": "number"}


def schema_of(server: Server, side: str) -> dict[str, Any]:
    operation = server.client.get("/docs.json").json()["paths"]["/classify"]["post"]
    part = operation[side] if side == "requestBody" else operation[side]["200"]
    schema: dict[str, Any] = part["content"]["application/json"]["schema"]
    return schema


def asked_by_bentoml(server: Server) -> tuple[Any, Any]:
    """What BentoML's own client makes of an answer, and of two in a batch."""
    with bentoml.SyncHTTPClient(server.url) as client:
        answers = (
            client.classify(small.APPLICATION),
            client.classify_batch([small.APPLICATION, small.APPLICATION]),
        )
    # It leaves its folder to the garbage collector, which would say so in another test.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        del client
        gc.collect()
    return answers


def test_the_schema_follows_the_policy_and_bentomls_client_keeps_the_decision(
    home: Path, tmp_path: Path
) -> None:
    policy = bentoml_ext.Bands("churn", (bentoml_ext.Band(0.4, "leaves"),), "stays")
    stored = bentoml_ext.save_model(
        "churn_test", small.booster(), encoder=small.encoder(), policy=policy
    )
    expected = bentoml_ext.load_model(stored).classify(small.APPLICATION)
    (tmp_path / "made.py").write_text(SERVICE)

    with serve(home, "made:svc", cwd=tmp_path) as server:
        schema = schema_of(server, "responses")
        one, many = asked_by_bentoml(server)

    assert schema["properties"]["churn"]["enum"] == ["leaves", "stays"]
    assert schema["required"] == ["churn", "probability"]
    assert one == {"churn": expected.status, "probability": float(expected.shortest)}
    assert many == [one, one]


def test_a_service_is_imported_without_a_look_at_the_store_or_the_bundle(tmp_path: Path) -> None:
    code = (
        "import sys, services.credit; print('bentoml_ext.store.bundle' in sys.modules);"
        "import bentoml_ext; bentoml_ext.get_service('not_there:latest')"
    )

    done = python_code(code, tmp_path)

    assert (done.returncode, done.stdout) == (0, "False\n"), done.stderr


def test_a_service_may_give_the_bundles_own_rules(credit_model: bentoml.Model) -> None:
    bundle = bentoml_ext.load_bundle(credit_model)

    check_rules(FIELDS, bundle.encoder.fields)
    check_rules(bundle.encoder.fields[::-1], bundle.encoder.fields)


def changed(name: str, **rules: Any) -> list[Field]:
    """The credit fields, but for one of them."""
    return [msgspec.structs.replace(f, **rules) if f.name == name else f for f in FIELDS]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (changed("amount", minimum=1), "minimum 0.0, got 1 - at field 'amount'"),
        (changed("age", sentinels=()), "sentinels .99999999.0,., got .. - at field 'age'"),
        (changed("income", nullable=False), "nullable True, got False - at field 'income'"),
        (changed("job", categories=("fixed",)), "categories .*, got .'fixed',. - at field 'job'"),
        (FIELDS[1:], "one of the bundle alone - at field 'seniority'"),
        ([*FIELDS, Field("pets")], "one of the service alone - at field 'pets'"),
    ],
)
def test_other_rules_than_the_bundles_are_refused_by_field_and_rule(
    credit_model: bentoml.Model, given: list[Field], told: str
) -> None:
    stored = bentoml_ext.load_bundle(credit_model).encoder.fields

    with pytest.raises(ConfigError, match=f"{told} .*--fields FILE"):
        check_rules(given, stored)


TEXT = {"type": "string", "enum": ["a", "b", "c"]}


@pytest.mark.parametrize(
    ("field", "schema"),
    [
        (Field("x", minimum=0, maximum=1), {"type": "number", "minimum": 0, "maximum": 1}),
        (Field("x", boolean=True), {"oneOf": [{"type": "number"}, {"type": "boolean"}]}),
        (Field("x", codes=(0, 2)), {"type": "number", "enum": [0, 2]}),
        (Field("x", nullable=True), {"type": "number", "nullable": True}),
        (Field("x", ("a", "b"), baseline=("c",)), TEXT),
        (Field("x", ("a", "b"), unknown="zero"), {"type": "string"}),
        (
            Field("x", ("a", "b", "c"), multiple=True),
            {"oneOf": [TEXT, {"type": "array", "items": TEXT, "uniqueItems": True}]},
        ),
    ],
)
def test_the_schema_tells_every_rule(field: Field, schema: dict[str, Any]) -> None:
    told = application_schema([field], example_of([field]))["properties"]["x"]

    assert told.pop("description") == f"{field.expected.capitalize()}."
    assert told == schema


def test_codes_that_only_the_bundle_knows_are_no_difference() -> None:
    check_rules([Field("x")], [Field("x", codes=(1, 2))])
    with pytest.raises(ConfigError, match=r"codes \(1, 2\), got \(1,\)"):
        check_rules([Field("x", codes=(1,))], [Field("x", codes=(1, 2))])


def test_an_example_that_nobody_gave_keeps_every_rule() -> None:
    fields = (
        *FIELDS,
        Field("years", minimum=18),
        Field("code", sentinels=(0, 1)),
        Field("low", minimum=0, sentinels=(0,)),
        Field("kind", codes=(3, 4)),
        Field("share", minimum=-1, maximum=-0.5),
    )

    for field in fields:
        field.check(example_of(fields)[field.name])
