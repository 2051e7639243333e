"""What BentoML is told of bodies: their JSON Schema, and that a request is decoded by us."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any, ClassVar

import bentoml
from starlette.requests import Request

from bentoml_ext.field import Application, Field
from bentoml_ext.json_value import json_value

__all__ = [
    "JsonBody",
    "Schema",
    "add_bulk",
    "answer_schema",
    "application_schema",
    "batch_of",
    "described_by",
]

Schema = dict[str, Any]


class JsonBody(bentoml.IODescriptor):
    """A whole request body that is one JSON value, of any content type.

    BentoML's own descriptor answers 500 to a body that is not JSON, and makes the schema anew for
    every request.
    """

    __root_input__: ClassVar[bool] = True
    json_schema: ClassVar[Schema] = {}

    body: bytes = b""

    def decode(self) -> Any:
        """The value, as `json_value` reads it."""
        return json_value(self.body)

    @classmethod
    async def from_http_request(cls, request: Request, serde: Any) -> JsonBody:
        """The request's body, not yet decoded."""
        return cls.model_construct(body=await request.body())

    @classmethod
    def model_json_schema(cls, *_: Any, **__: Any) -> Schema:
        """The schema that this body is described by."""
        return cls.json_schema | {"root_input": True}

    @classmethod
    def mime_type(cls) -> str:
        """JSON."""
        return "application/json"


def described_by(schema: Schema) -> type[JsonBody]:
    """A body with this schema."""
    return type(str(schema["title"]), (JsonBody,), {"json_schema": schema, "__module__": __name__})


def application_schema(fields: Sequence[Field], example: Application | None = None) -> Schema:
    """An application: an object with every field at its root."""
    schema: Schema = {
        "title": "Application",
        "type": "object",
        "properties": {field.name: _field_schema(field) for field in fields},
        "required": [field.name for field in fields],
    }
    return schema | ({"example": dict(example)} if example else {})


def answer_schema() -> Schema:
    """An answer; the key and the words of its status are the bundle's policy, see GET /model."""
    return {
        "title": "Answer",
        "type": "object",
        "properties": {
            "Status": {"type": "string", "description": "The policy's answer."},
            "probability": {"type": "number", "minimum": 0, "maximum": 1},
        },
        "example": {"Status": "APPROVED", "probability": 0.2224117},
    }


def batch_of(schema: Schema, limit: int) -> Schema:
    """Up to `limit` of them, in order."""
    title = f"{schema['title']}s"
    return {"title": title, "type": "array", "items": schema, "maxItems": limit}


def add_bulk(operation: dict[str, Any], media_types: Iterable[str]) -> None:
    """Tell, in the OpenAPI operation of a batch, of bulk requests.

    Args:
        operation: to be changed.
        media_types: that they may have, and are answered in.
    """
    stream = {"schema": {"type": "string", "format": "binary"}}
    for side in (operation["requestBody"], operation["responses"][HTTPStatus.OK.value]):
        side["content"] |= dict.fromkeys(media_types, stream)
    too_large = {"description": "More rows or bytes than one request may have."}
    operation["responses"][HTTPStatus.REQUEST_ENTITY_TOO_LARGE.value] = too_large
    operation["parameters"] = [
        {
            "name": "on_error",
            "in": "query",
            "description": "Of a stream: whether one bad application refuses them all, or is "
            "reported in its place.",
            "schema": {"type": "string", "enum": ["fail", "report"], "default": "fail"},
        }
    ]


def _field_schema(field: Field) -> Schema:
    schema: Schema = {"description": field.expected.capitalize() + "."}
    if field.categories:
        schema |= {"type": "string", "enum": list(field.categories)}
    else:
        schema["type"] = "number"
        if field.minimum is not None:
            schema["minimum"] = field.minimum
    # OpenAPI 3.0 has no null type.
    return schema | ({"nullable": True} if field.nullable else {})
