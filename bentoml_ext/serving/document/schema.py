"""Schema: the bodies of a service, as OpenAPI and BentoML's clients read them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from bentoml_ext.encoders.field import Application, Field
from bentoml_ext.encoders.strict_json import json_value
from bentoml_ext.errors import InvalidApplication

# They import numpy, which the serving command does without.
if TYPE_CHECKING:
    from bentoml_ext.decisions.base import Column, Decider

__all__ = [
    "Schema",
    "add_bulk",
    "answer_schema",
    "application_schema",
    "batch_of",
    "call_schema",
    "example_of",
]

Schema = dict[str, Any]

EXAMPLE_MARGIN = -1.25
"""Margin of the answer that the OpenAPI page shows: a probability of 0.22."""


def application_schema(fields: Sequence[Field], example: Application) -> Schema:
    """An application: an object with every field at its root."""
    return {
        "type": "object",
        "properties": {field.name: _field_schema(field) for field in fields},
        "required": [field.name for field in fields],
        "example": dict(example),
    }


def example_of(fields: Sequence[Field]) -> Application:
    """An application that keeps the rules of its fields."""
    return {field.name: _example_value(field) for field in fields}


def answer_schema(decider: Decider) -> Schema:
    """An answer of a decider, by its schema."""
    import numpy as np

    margins = np.full((1, decider.n_margins), EXAMPLE_MARGIN, np.float32)
    columns = decider.schema.columns
    return {
        "type": "object",
        "properties": {column.name: _column_schema(column) for column in columns},
        "required": [column.name for column in columns],
        "example": json_value(decider.body(margins)),
    }


def _column_schema(column: Column) -> Schema:
    said: Schema = {"description": column.description} if column.description else {}
    if column.kind == "text":
        # The last code first: of bands that is the highest.
        kind = "integer" if column.is_whole else "string"
        return {"type": kind, "enum": list(column.values[::-1])} | said
    limits = {"minimum": column.minimum, "maximum": column.maximum}
    number: Schema = {"type": "number"}
    number |= {name: limit for name, limit in limits.items() if limit is not None}
    if column.kind == "number":
        return number | said
    if not column.each:
        many = {"type": "array", "items": number, "minItems": column.count}
        return many | {"maxItems": column.count} | said
    each = dict.fromkeys(column.each, number)
    return {"type": "object", "properties": each, "required": list(column.each)} | said


def batch_of(schema: Schema, limit: int) -> Schema:
    """Up to `limit` of them, in order."""
    return {"type": "array", "items": schema, "maxItems": limit}


def call_schema(application: Schema, whole: str) -> Schema:
    """Arguments of `classify` in BentoML's client: a whole application, or its fields.

    Of a root input its client takes the value alone. Of an object it takes the properties by name,
    and what comes without a name is the first of them. The service says what is missing.

    Args:
        application: the schema of one.
        whole: name of the property that holds a whole application.
    """
    properties = {whole: {"description": "All fields at once."}, **application["properties"]}
    return {**application, "properties": properties, "required": [], "root_input": False}


def add_bulk(operation: dict[str, Any], media_types: Iterable[str]) -> None:
    """Describe bulk requests in the OpenAPI operation of a batch.

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
    schema = _text_schema(field) if field.categories else _number_schema(field)
    # OpenAPI 3.0 has no null type.
    null: Schema = {"nullable": True} if field.nullable else {}
    said = [field.expected, field.trained]
    words = " ".join(f"{one[:1].upper()}{one[1:]}." for one in said if one)
    return {"description": words} | schema | null


def _text_schema(field: Field) -> Schema:
    text: Schema = {"type": "string"}
    if field.unknown == "refuse":
        text["enum"] = [*field.categories, *field.baseline]
    if not field.multiple:
        return text
    # Not anyOf: of that BentoML keeps the first.
    return {"oneOf": [text, {"type": "array", "items": text, "uniqueItems": True}]}


def _number_schema(field: Field) -> Schema:
    number: Schema = {"type": "number"}
    if field.is_listed:
        number["enum"] = list(field.codes)
    limits = {"minimum": field.minimum, "maximum": field.maximum}
    number |= {name: limit for name, limit in limits.items() if limit is not None}
    return {"oneOf": [number, {"type": "boolean"}]} if field.boolean else number


def _example_value(field: Field) -> Any:
    """A value that the field takes: its first category, 0, or the next number that it allows."""
    if field.categories:
        return field.categories[0]
    low, high = field.plain
    for number in (*field.codes[:1], *(field.seen or ())[:1], 0, 1, low, high, (low + high) / 2):
        try:
            field.check(number)
        except InvalidApplication:
            continue
        return number
    return None
