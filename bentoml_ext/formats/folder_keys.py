"""Folder keys: columns whose value stands in the name of a folder, such as Hive's `home=rent`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import unquote

import pyarrow as pa

from bentoml_ext.encoders.arrow_values import undictionaried
from bentoml_ext.encoders.encoder import Encoder
from bentoml_ext.errors import ConfigError, InvalidApplication
from bentoml_ext.formats.blocks import CsvBlock

__all__ = ["Key", "key_columns", "keys_of", "same_keys", "with_keys"]

Key: TypeAlias = tuple[str, "str | None"]
"""A column's name, and the text of its one value; None for null."""

NULL: Final = "__HIVE_DEFAULT_PARTITION__"

WHOLE: Final = re.compile(r"[-+]?[0-9]{1,18}")
NUMBER: Final = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
FLAGS: Final = {"true": True, "false": False}


def keys_of(source: Path, part: Path) -> tuple[Key, ...]:
    """What the folders between a source and its part say, as Hive, Spark, Polars and DuckDB do."""
    pairs = [name.partition("=") for name in part.relative_to(source).parent.parts if "=" in name]
    return tuple(
        (unquote(key), None if value in (NULL, "") else unquote(value)) for key, _, value in pairs
    )


def same_keys(source: Path, parts: Sequence[Path]) -> None:
    """Refuse parts that differ in their keys.

    Raises:
        ConfigError: names two such parts.
    """
    names = {tuple(name for name, _ in keys_of(source, part)): part for part in parts}
    if len(names) > 1:
        (first, one), (second, other), *_ = names.items()
        raise ConfigError(
            f"Expected the same columns in the names of all folders, got {list(first)} at {one} "
            f"and {list(second)} - at {other}. Name the folder whose parts count."
        )


def key_columns(keys: Sequence[Key], encoder: Encoder) -> pa.Schema:
    """The columns of keys: text, but for a number's field, where the text is a number."""
    numbers = {field.name for field in encoder.fields if not field.categories}
    return pa.schema(
        [(name, _type(text) if name in numbers else pa.string()) for name, text in keys]
    )


def with_keys(
    block: pa.RecordBatch | CsvBlock, keys: Sequence[Key], columns: pa.Schema
) -> pa.RecordBatch | CsvBlock:
    """A block with the columns of keys that it has not.

    Args:
        block: columns, or lines of CSV.
        keys: those that are wanted.
        columns: as `key_columns` says; of CSV all text.

    Raises:
        InvalidApplication: a file has such a column itself, with another value.
    """
    if isinstance(block, CsvBlock):
        columns = pa.schema([(name, pa.string()) for name, _ in keys])
        return block._replace(batch=_with_keys(block.batch, keys, columns))
    return _with_keys(block, keys, columns)


def _with_keys(batch: pa.RecordBatch, keys: Sequence[Key], columns: pa.Schema) -> pa.RecordBatch:
    for name, text in keys:
        if name in batch.schema.names:
            _check_same(name, text, batch.column(name))
            continue
        kind = columns.field(name).type
        value = pa.scalar(text, pa.string()) if kind == pa.string() else _value(text, kind)
        batch = batch.append_column(pa.field(name, kind), pa.repeat(value, len(batch)))
    return batch


def _check_same(name: str, text: str | None, column: pa.Array) -> None:
    """Refuse a file that says another thing than its folder."""
    for value in undictionaried(column).unique().to_pylist():
        if not _is_same(value, text):
            raise InvalidApplication(f"{text!r} as the folder's name says", repr(value), name)


def _is_same(value: Any, text: str | None) -> bool:
    if value is None or text is None:
        return value is None and text is None
    if isinstance(value, int | float) and NUMBER.fullmatch(text):
        return float(value) == float(text)
    return (value.decode(errors="replace") if isinstance(value, bytes) else str(value)) == text


def _type(text: str | None) -> pa.DataType:
    if text is None:
        return pa.null()
    if WHOLE.fullmatch(text):
        return pa.int64()
    if NUMBER.fullmatch(text):
        return pa.float64()
    return pa.bool_() if text.lower() in FLAGS else pa.string()


def _value(text: str | None, kind: pa.DataType) -> pa.Scalar:
    if text is None:
        return pa.scalar(None, kind)
    if kind == pa.bool_():
        return pa.scalar(FLAGS[text.lower()])
    return pa.scalar(int(text) if kind == pa.int64() else float(text), kind)
