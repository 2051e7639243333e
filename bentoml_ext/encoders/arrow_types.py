"""Arrow types: what tools write, in the types that are scored, kept and written."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["as_text", "is_binary", "plain", "plain_type"]


def plain_type(kind: pa.DataType) -> pa.DataType:
    """The type of the values: of codes, of runs, of an extension; of views that of plain ones."""
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return plain_type(kind.value_type)
    if isinstance(kind, pa.BaseExtensionType):
        return plain_type(kind.storage_type)
    if pa.types.is_string_view(kind):
        return pa.string()
    return pa.binary() if pa.types.is_binary_view(kind) else kind


def plain(column: pa.Array) -> pa.Array:
    """A column as Arrow can pick from it and write it: neither views nor an extension."""
    if isinstance(column.type, pa.BaseExtensionType):
        column = column.storage
    if pa.types.is_run_end_encoded(column.type):
        column = pc.run_end_decode(column)
    if pa.types.is_dictionary(column.type):
        texts = plain(column.dictionary)
        if texts.type == column.type.value_type:
            return column
        ordered = column.type.ordered
        return pa.DictionaryArray.from_arrays(column.indices, texts, ordered=ordered)
    return column.cast(plain_type(column.type))


def is_binary(kind: pa.DataType) -> bool:
    """Whether values are bytes, as Hive and Impala write texts."""
    checks = (
        pa.types.is_binary,
        pa.types.is_large_binary,
        pa.types.is_binary_view,
        pa.types.is_fixed_size_binary,
    )
    return any(check(kind) for check in checks)


def as_text(column: pa.Array) -> pa.Array:
    """Bytes decoded as UTF-8; a byte that does not decode becomes U+FFFD."""
    try:
        return column.cast(pa.string())
    except pa.ArrowException:
        texts = (value and value.decode(errors="replace") for value in column.to_pylist())
        return pa.array(texts, pa.string())
