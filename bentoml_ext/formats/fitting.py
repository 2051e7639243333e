"""Fitting: whether a column's type can hold what a field takes, before a row is scored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pyarrow as pa

from bentoml_ext.encoders.arrow_types import is_binary, plain_type
from bentoml_ext.encoders.arrow_values import is_null, is_text, undictionaried
from bentoml_ext.encoders.encoder import Encoder
from bentoml_ext.encoders.field import Field
from bentoml_ext.errors import InvalidApplication

__all__ = ["check_types", "checked_nulls"]

REMEDIES: Final = (
    (pa.types.is_nested, "write a column for each part, with one value a row"),
    (pa.types.is_temporal, "write the number or the text that the model was trained on"),
    (is_text, "cast it to a number"),
    (is_binary, "cast it to a number"),
)
OTHER: Final = "cast it to the type that the model was trained on"


def check_types(encoder: Encoder, schema: pa.Schema) -> None:
    """Refuse a column whose type lets no value be right.

    Columns that are missing are left to others. A nullable field may have a column of any plain
    type: its tool may have made one up for nulls.

    Raises:
        InvalidApplication: names column, type and what to do.
    """
    for field, column in _odd(encoder, schema):
        if pa.types.is_nested(plain_type(column.type)) or not field.nullable:
            raise _refusal(field, column)


def checked_nulls(
    encoder: Encoder, schema: pa.Schema, blocks: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """The blocks, if a column whose type was made up for nulls holds nothing else.

    Raises:
        InvalidApplication: as `check_types`, where such a column has a value.
    """
    odd = _odd(encoder, schema)
    for block in blocks:
        for field, column in odd:
            if not is_null(undictionaried(block.column(column.name))).all():
                raise _refusal(field, column)
        yield block


def _odd(encoder: Encoder, schema: pa.Schema) -> list[tuple[Field, pa.Field]]:
    """Fields, and their columns, whose type holds no value that is right."""
    return [
        (field, column)
        for field in encoder.fields
        for column in schema
        if column.name == field.name and not _holds(field, plain_type(column.type))
    ]


def _refusal(field: Field, column: pa.Field) -> InvalidApplication:
    kind = plain_type(column.type)
    remedy = next((cast for is_kind, cast in REMEDIES if is_kind(kind)), OTHER)
    got = f"a column of {column.type}: {remedy}"
    return InvalidApplication(field.expected, got, field.name)


def _holds(field: Field, kind: pa.DataType) -> bool:
    if pa.types.is_nested(kind):
        return field.multiple
    if pa.types.is_null(kind):
        return True
    if field.categories:
        return is_text(kind) or is_binary(kind)
    numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    return numeric or (field.boolean and pa.types.is_boolean(kind))
