"""JSON Schema of the service's requests and answers, made from the fields and the policy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bentoml_ext.encoder import Application, Field

__all__ = ["answer_schema", "application_schema", "batch_of"]

Schema = dict[str, Any]


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
    return {"type": "array", "items": schema, "maxItems": limit}


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
