"""OpenAPI: what a service answers besides 200, its GET /model, and the media types it has here."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec
from attrs import evolve

from bentoml_ext.serving.document.schema import Schema, add_bulk
from bentoml_ext.serving.routes import BATCH, NAMES, method_of, path_of
from bentoml_ext.serving.streaming.codec import ARROW, CODECS, NDJSON

__all__ = ["complete", "with_arrow"]

ERROR: Final[Schema] = {
    "type": "object",
    "title": "Error",
    "required": ["error"],
    "properties": {"error": {"type": "string", "description": "What is wrong, and what to do."}},
}

REFUSAL: Final[Schema] = {
    "type": "object",
    "title": "Refusal",
    "required": ["error"],
    "properties": {
        "error": {"type": "string", "description": "What is wrong, in a sentence."},
        "index": {
            "type": "integer",
            "minimum": 0,
            "description": "Of a batch: which application, from 0.",
        },
        "field": {
            "type": "string",
            "description": "Which field; absent where the whole body is wrong.",
        },
        "expected": {"type": "string", "description": "What is taken there, in words."},
        "got": {"type": "string", "description": "What came, in words."},
    },
    "example": {
        "error": "Expected a finite number in years, at least 0, got -1 - at field 'age'.",
        "field": "age",
        "expected": "a finite number in years, at least 0",
        "got": "-1",
    },
}

ANSWERS: Final = {
    HTTPStatus.BAD_REQUEST: ("An application that breaks a rule, or no JSON.", "Refusal"),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: (
        "More applications or bytes than one request may have.",
        "Error",
    ),
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: ("A content type or encoding not read here.", "Error"),
    HTTPStatus.TOO_MANY_REQUESTS: ("More requests at once than the service takes.", "Error"),
    HTTPStatus.INTERNAL_SERVER_ERROR: ("A fault of the server; its log says which.", "Error"),
    HTTPStatus.GATEWAY_TIMEOUT: ("The time for a request is over.", "Error"),
}
"""The answers of a fast route besides 200, each with the schema of its body."""

NULL: Final[Schema] = {"type": "null"}

PROPERTIES: Final[Schema] = {
    "tag": {"type": "string"},
    "backend": {"type": "string"},
    "fields": {"type": "array", "items": {"type": "object"}},
    "policy": {"type": "object"},
    "proof": {"type": "object"},
}


def _answers(summary: str, description: str, schema: Schema) -> Schema:
    """A GET of ours, which answers 200 with JSON of a schema."""
    content = {"application/json": {"schema": schema}}
    answer = {"description": "Successful Response", "content": content}
    return {
        "tags": ["Service APIs"],
        "summary": summary,
        "description": description,
        "responses": {HTTPStatus.OK.value: answer},
    }


def _described(properties: Schema) -> Schema:
    return {
        "type": "object",
        "title": "Model",
        "required": list(properties),
        "properties": properties,
    }


MODEL: Final = _answers(
    "The model that answers",
    "Tag, backend, versions, fields with their rules, policy, proof and self-test.",
    _described(PROPERTIES),
)

MODELS: Final = _answers(
    "The models that answer",
    "Of each its name, and the answer of GET /NAME/model.",
    {"type": "array", "items": _described({"name": {"type": "string"}, **PROPERTIES})},
)


def complete(spec: Any, name: str, answering: Mapping[str, Sequence[str]]) -> None:
    """Describe our routes in BentoML's document, and keep the document valid.

    Args:
        spec: BentoML's, to be changed.
        name: of the service.
        answering: by the slot of each model, the kinds of API methods that it answers to.
    """
    for slot, kinds in answering.items():
        _complete(spec, slot, kinds)
        spec.paths[f"/{path_of(slot, 'model')}"] = _get(spec, name, method_of(slot, "model"), MODEL)
    if "" not in answering:
        spec.paths["/models"] = _get(spec, name, "models", MODELS)
    spec.components["schemas"] |= {"Refusal": REFUSAL, "Error": ERROR}
    for part in (*(path.post for path in spec.paths.values() if path.post), spec.components):
        part.update(_valid(part))


def _complete(spec: Any, slot: str, kinds: Sequence[str]) -> None:
    for kind in NAMES:
        if kind not in kinds:
            spec.paths.pop(f"/{path_of(slot, kind)}")
    for kind in kinds:
        operation = spec.paths[f"/{path_of(slot, kind)}"].post
        if kind in BATCH:
            add_bulk(operation, formats_here())
        # Swagger UI shows it beside the path, and the whole text when the path is opened.
        operation.setdefault("summary", re.split("[:;]", operation["description"])[0])
        responses = operation["responses"]
        # BentoML lists 404 on every route.
        responses.pop(HTTPStatus.NOT_FOUND.value, None)
        responses |= {status.value: _answer(*described) for status, described in ANSWERS.items()}


def _get(spec: Any, service: str, method: str, operation: Schema) -> Any:
    """A path with one GET, in BentoML's own class of paths."""
    named = operation | {"operationId": f"{service}__{method}", "x-bentoml-name": method}
    return type(next(iter(spec.paths.values())))(get=named)


def formats_here() -> list[str]:
    """The media types of bulk requests that can be read here."""
    has_arrow = importlib.util.find_spec("pyarrow") is not None
    return [name for name in CODECS if name != ARROW or has_arrow]


def with_arrow(document: bytes, *, has_arrow: bool) -> bytes:
    """A document in YAML that one environment wrote, for another that has pyarrow or has not."""
    whole = msgspec.yaml.decode(document)
    # A service that only depends on ours has no such route: nothing to add.
    operations = [
        item.get("post", {})
        for path, item in whole["paths"].items()
        if path.rpartition("/")[2] in BATCH
    ]
    for operation in operations:
        for side in (operation.get("requestBody", {}), *operation.get("responses", {}).values()):
            if (content := side.get("content", {})) and NDJSON in content:
                content.pop(ARROW, None)
                content |= {ARROW: content[NDJSON]} if has_arrow else {}
    return msgspec.yaml.encode(whole)


def _answer(description: str, schema: str) -> Schema:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"description": description, "content": content}


def _valid(part: Any) -> Any:
    """A part of BentoML's document as OpenAPI 3.0 has it, for tools that check.

    BentoML leaves in it a mark for its own client, and the null type of a later OpenAPI.
    """
    if isinstance(part, list):
        return [_valid(inner) for inner in part]
    if isinstance(part, dict):
        valid = {name: _valid(inner) for name, inner in part.items()}
        if NULL in (choices := valid.get("anyOf", ())):
            valid |= {"anyOf": [one for one in choices if one != NULL], "nullable": True}
        return valid
    if hasattr(part, "root_input"):
        return evolve(part, root_input=False, properties=_valid(part.properties))
    return evolve(part, schema=_valid(part.schema)) if hasattr(part, "schema") else part
