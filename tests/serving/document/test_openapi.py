"""The OpenAPI document is a valid one, and what it tells of answers is what the service answers."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import bentoml
import msgspec
import pytest

import bentoml_ext
from bentoml_ext.serving.bento.requirements import has_arrow
from bentoml_ext.serving.document.openapi import with_arrow
from bentoml_ext.serving.streaming.codec import ARROW, NDJSON
from models.fields import EXAMPLE
from tests.support.installs import environment, uv
from tests.support.servers import Server

Document = dict[str, Any]


@pytest.fixture(scope="module")
def document(onnx_server: Server) -> Document:
    found: Document = onnx_server.client.get("/docs.json").json()
    return found


def body_schema(document: Document, path: str, status: int) -> Document:
    """The schema of an answer that the document tells of."""
    operation = document["paths"][path]
    answer = next(iter(operation.values()))["responses"][str(status)]
    schema: Document = answer["content"]["application/json"]["schema"]
    name = schema.get("$ref", "").rpartition("/")[2]
    return document["components"]["schemas"][name] if name else schema


@pytest.mark.slow
def test_a_validator_of_another_hand_finds_it_valid(document: Document, tmp_path: Path) -> None:
    python = environment(tmp_path / "venv", "openapi-spec-validator")
    (tmp_path / "docs.json").write_text(json.dumps(document))

    uv(
        "run",
        "--no-project",
        "--python",
        python,
        "-m",
        "openapi_spec_validator",
        tmp_path / "docs.json",
    )


@pytest.mark.parametrize("path", ["/classify", "/classify_batch"])
def test_it_tells_of_every_status_that_a_hot_route_answers(document: Document, path: str) -> None:
    responses = document["paths"][path]["post"]["responses"]

    assert responses.keys() == {"200", "400", "413", "415", "429", "500", "504"}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/classify", EXAMPLE | {"age": -1}),
        ("/classify", {}),
        ("/classify", "text"),
        ("/classify_batch", [EXAMPLE, EXAMPLE | {"home": "tent"}]),
        ("/classify_batch", {}),
    ],
)
def test_a_refusal_has_the_body_that_is_told(
    onnx_server: Server, document: Document, path: str, body: Any
) -> None:
    reply = onnx_server.client.post(path, json=body)

    schema = body_schema(document, path, 400)
    assert reply.status_code == 400
    assert set(schema["required"]) <= reply.json().keys() <= schema["properties"].keys()


def test_a_body_that_is_too_large_or_of_another_kind_has_the_body_that_is_told(
    onnx_server: Server, document: Document
) -> None:
    lines = {"content-type": NDJSON}
    reply = onnx_server.client.post("/classify_batch", content=b"x" * 2_000_000, headers=lines)

    assert reply.status_code == 413
    assert reply.json().keys() == body_schema(document, "/classify_batch", 413)["properties"].keys()


def test_the_model_is_told_with_what_it_has(onnx_server: Server, document: Document) -> None:
    told = onnx_server.client.get("/model").json()

    schema = body_schema(document, "/model", 200)
    assert set(schema["required"]) == schema["properties"].keys()
    assert schema["properties"].keys() <= told.keys()


def test_nothing_is_in_it_that_python_or_bentoml_alone_knows(document: Document) -> None:
    assert document["info"]["version"] == "dev"
    assert "root_input" not in json.dumps(document)


def test_arrow_is_told_where_pyarrow_is(
    document: Document, credit_model: bentoml.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = bentoml_ext.get_service(credit_model.tag, name="told")
    assert importlib.util.find_spec("pyarrow") is not None
    assert ARROW in document["paths"]["/classify_batch"]["post"]["requestBody"]["content"]

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    content = service.openapi_spec.paths["/classify_batch"].post["requestBody"]["content"]

    assert content.keys() == {"application/json", NDJSON}


def test_a_bento_tells_of_arrow_where_it_installs_pyarrow_whatever_built_it(
    document: Document,
) -> None:
    without = with_arrow(msgspec.yaml.encode(document), has_arrow=False)
    again = with_arrow(without, has_arrow=True)

    post = msgspec.yaml.decode(without)["paths"]["/classify_batch"]["post"]
    for part in (post["requestBody"], post["responses"]["200"]):
        assert part["content"].keys() == {"application/json", NDJSON}
    assert msgspec.yaml.decode(again) == document


@pytest.mark.parametrize(
    ("lines", "has"),
    [
        ("numpy==2.1.0\nbentoml-ext==0.1.0+sha0", False),
        ("pyarrow>=17", True),
        ("bentoml_ext[onnx, bulk]", True),
        ("bentoml-ext[ray]==0.1.0", True),
        ("bentoml-ext[auto]\nbulk", False),
    ],
)
def test_what_installs_pyarrow_is_known(lines: str, has: bool) -> None:
    assert has_arrow(lines) is has
