"""Fitting: whether a column's type can hold what a field takes, before a row is scored."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from bentoml_ext.encoders.arrow_types import is_binary, plain_type
from bentoml_ext.encoders.arrow_values import is_text
from bentoml_ext.encoders.encoder import Encoder
from bentoml_ext.encoders.field import Field
from bentoml_ext.errors import InvalidApplication

__all__ = ["check_types"]

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
    for field in encoder.fields:
        for column in schema:
            kind = plain_type(column.type)
            if column.name != field.name or _takes(field, kind):
                continue
            remedy = next((cast for is_kind, cast in REMEDIES if is_kind(kind)), OTHER)
            got = f"a column of {column.type}: {remedy}"
            raise InvalidApplication(field.expected, got, field.name)


def _takes(field: Field, kind: pa.DataType) -> bool:
    if pa.types.is_nested(kind):
        return field.multiple
    if field.nullable or pa.types.is_null(kind):
        return True
    if field.categories:
        return is_text(kind) or is_binary(kind)
    numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    return numeric or (field.boolean and pa.types.is_boolean(kind))
