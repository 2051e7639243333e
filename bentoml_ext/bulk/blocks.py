"""Blocks: some thousands of applications at a time, as Arrow columns or as lines of NDJSON."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Generic, TypeAlias, TypeVar

import msgspec
import pyarrow as pa

from bentoml_ext.columns import ColumnEncoder
from bentoml_ext.encoder import Encoded, Encoder
from bentoml_ext.errors import ConfigError
from bentoml_ext.lines import LineEncoder, split_lines

__all__ = ["BLOCK_ROWS", "Block", "Blocks", "Lines", "Tables", "TextTables", "plain_type"]

BLOCK_ROWS = 32_768
"""Rows of a block of columns that is not wide: 4 MB as rows of 30 features, and a call costs little
beside its work."""

Block: TypeAlias = "pa.RecordBatch | bytes"
Kept: TypeAlias = "list[pa.Array]"

B = TypeVar("B")


class Blocks(ABC, Generic[B]):
    """One kind of block. Not for two threads at once.

    Args:
        encoder: whose fields and columns they are.
        kept: the columns to keep, and their types.
        first_only: whether it is enough to know the first wrong values.
    """

    @abstractmethod
    def __init__(self, encoder: Encoder, kept: pa.Schema, *, first_only: bool) -> None: ...

    @abstractmethod
    def encode(self, block: B) -> tuple[Encoded, Kept]:
        """Rows and refusals, and the columns to keep, of all applications of a block."""

    @abstractmethod
    def texts(self, block: B, indices: Sequence[int]) -> list[str]:
        """Applications of a block as they came, in JSON."""


class Tables(Blocks["pa.RecordBatch"]):
    """Arrow record batches."""

    text_numbers = False

    def __init__(self, encoder: Encoder, kept: pa.Schema, *, first_only: bool) -> None:
        self._encoder = ColumnEncoder(
            encoder, text_numbers=self.text_numbers, first_only=first_only
        )
        self._fields = [field.name for field in encoder.fields]
        self._kept = kept

    def encode(self, block: pa.RecordBatch) -> tuple[Encoded, Kept]:
        kept = [block.column(field.name).cast(field.type) for field in self._kept]
        return self._encoder.encode(block), kept

    def texts(self, block: pa.RecordBatch, indices: Sequence[int]) -> list[str]:
        shown = block.select(self._fields).take(pa.array(indices, pa.int64()))
        return [
            msgspec.json.encode(application, enc_hook=str).decode()
            for application in shown.to_pylist()
        ]


class TextTables(Tables):
    """Arrow record batches in which numbers are text, as CSV has them."""

    text_numbers = True


class Lines(Blocks[bytes]):
    """Whole lines of NDJSON."""

    def __init__(self, encoder: Encoder, kept: pa.Schema, *, first_only: bool) -> None:
        self._encoder = LineEncoder(encoder, kept.names, most=1 if first_only else None)
        self._kept = kept

    def encode(self, block: bytes) -> tuple[Encoded, Kept]:
        encoded, values = self._encoder.encode(block)
        columns = list(zip(*values, strict=True)) or [()] * len(self._kept)
        return encoded, [_array(*pair) for pair in zip(self._kept, columns, strict=True)]

    def texts(self, block: bytes, indices: Sequence[int]) -> list[str]:
        lines = split_lines(block)
        return [lines[index].decode(errors="replace") for index in indices]


def plain_type(kind: pa.DataType) -> pa.DataType:
    """The type of the values, where it is that of a dictionary's codes."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _array(field: pa.Field, values: Sequence[object]) -> pa.Array:
    try:
        made = pa.array(values)
        # Given the type, Arrow would cut 2.9 to 2.
        return made if made.type == field.type else made.cast(field.type)
    except (pa.ArrowException, OverflowError, TypeError, ValueError) as error:
        raise ConfigError(
            f"Expected {field.type} as in the first lines, got another value - at the column to "
            f"keep, '{field.name}': {error}."
        ) from error
