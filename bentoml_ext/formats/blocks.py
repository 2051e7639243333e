"""Blocks: some thousands of applications at a time, as Arrow columns or as lines of NDJSON."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Final, Generic, NamedTuple, TypeAlias, TypeVar

import msgspec
import numpy as np
import pyarrow as pa

from bentoml_ext.arrays import Ints
from bentoml_ext.encoders.arrow_columns import ColumnEncoder
from bentoml_ext.encoders.arrow_types import as_text, is_binary, plain_type
from bentoml_ext.encoders.arrow_values import undictionaried
from bentoml_ext.encoders.encoder import Encoded, Encoder
from bentoml_ext.encoders.ndjson import LineEncoder, split_lines
from bentoml_ext.errors import ConfigError, InvalidApplication

__all__ = [
    "BLOCK_ROWS",
    "Block",
    "Blocks",
    "Broken",
    "CommaTables",
    "CsvBlock",
    "CsvTables",
    "Lines",
    "Tables",
]

BLOCK_ROWS = 32_768
"""Rows of a block of columns that is not wide: 4 MB as rows of 30 features, and a call costs little
beside its work."""


class Broken(NamedTuple):
    """A line of CSV that is not a record.

    Args:
        place: in its block, in which it counts.
        text: as it came.
        error: what is wrong with it.
    """

    place: int
    text: str
    error: InvalidApplication


class CsvBlock(NamedTuple):
    """Lines of CSV.

    Args:
        batch: the records among them.
        broken: the others, by rising place.
    """

    batch: pa.RecordBatch
    broken: list[Broken]


Block: TypeAlias = "pa.RecordBatch | CsvBlock | bytes"
Kept: TypeAlias = "list[pa.Array]"

NUMBER: Final = re.compile(r'"[-+]?[0-9][0-9.,]*"')
"""What a refusal shows of a number in some country's spelling."""

NULLS: Final = {
    *('"NA"', '"N/A"', '"#N/A"', '"NULL"', '"Null"', '"null"', '"None"', '"none"'),
    *('"nan"', '"NaN"', "NaN", '"."', '"-"', '"?"', r'"\\N"'),
}
"""What a refusal shows of a text by which tools write that there is no value."""

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
    decimal = "."

    def __init__(self, encoder: Encoder, kept: pa.Schema, *, first_only: bool) -> None:
        self._encoder = ColumnEncoder(
            encoder,
            text_numbers=self.text_numbers,
            decimal=self.decimal,
            first_only=first_only,
        )
        self._fields = [field.name for field in encoder.fields]
        self._numbers = {field.name for field in encoder.fields if not field.categories}
        self._kept = kept

    def encode(self, block: pa.RecordBatch) -> tuple[Encoded, Kept]:
        kept = [block.column(field.name).cast(field.type) for field in self._kept]
        return self._encoder.encode(block), kept

    def texts(self, block: pa.RecordBatch, indices: Sequence[int]) -> list[str]:
        shown = block.select(self._fields).take(pa.array(indices, pa.int64()))
        for place, kind in enumerate(shown.schema.types):
            if is_binary(plain_type(kind)):
                text = as_text(undictionaried(shown.column(place)))
                shown = shown.set_column(place, self._fields[place], text)
        return [
            msgspec.json.encode(application, enc_hook=str).decode()
            for application in shown.to_pylist()
        ]


class _TextTables(Tables):
    text_numbers = True

    def encode(self, block: pa.RecordBatch) -> tuple[Encoded, Kept]:
        (rows, refused), kept = super().encode(block)
        return Encoded(rows, list(map(self._hinted, refused))), kept

    def _hinted(self, error: InvalidApplication) -> InvalidApplication:
        """The same error, which says how a number of another country, or no value, is read."""
        if error.got in NULLS:
            text = json.loads(error.got)
            got = f"{error.got} (if it stands for no value, say so by --null '{text}')"
            return InvalidApplication(error.expected, got, error.field, error.index)
        number = NUMBER.match(error.got)
        if number is None or error.field not in self._numbers:
            return error
        if self.decimal == "," and "." in number[0]:
            hint = "a point, where --decimal says that the comma is the decimal sign"
        elif self.decimal == "." and "," in number[0] and "." not in number[0]:
            hint = "if the comma is the decimal sign, say so by --decimal ,"
        elif self.decimal == "." and "," in number[0]:
            hint = "write thousands without signs between them"
        else:
            return error
        return InvalidApplication(error.expected, f"{number[0]} ({hint})", error.field, error.index)


class _CommaRecords(_TextTables):
    decimal = ","


class CsvTables(Blocks[CsvBlock]):
    """Records in which numbers are text, with broken lines among them."""

    records: type[_TextTables] = _TextTables

    def __init__(self, encoder: Encoder, kept: pa.Schema, *, first_only: bool) -> None:
        self._records = self.records(encoder, kept, first_only=first_only)

    def encode(self, block: CsvBlock) -> tuple[Encoded, Kept]:
        (rows, refused), kept = self._records.encode(block.batch)
        if block.broken:
            places = _places(block)
            refused = [error.at(int(places[error.index or 0])) for error in refused]
            refused += [line.error.at(line.place) for line in block.broken]
            refused.sort(key=lambda error: error.index or 0)
            # A broken line has nothing to keep.
            order = np.full(len(places) + len(block.broken), -1)
            order[places] = np.arange(len(places))
            kept = [column.take(pa.array(order, mask=order < 0)) for column in kept]
        return Encoded(rows, refused), kept

    def texts(self, block: CsvBlock, indices: Sequence[int]) -> list[str]:
        texts_at = {line.place: line.text for line in block.broken}
        at = {place: index for index, place in enumerate(_places(block).tolist())}
        records = [index for index in indices if index in at]
        texts = self._records.texts(block.batch, [at[index] for index in records])
        texts_at |= dict(zip(records, texts, strict=True))
        return [texts_at[index] for index in indices]


class CommaTables(CsvTables):
    """The same, where the decimal sign is a comma."""

    records = _CommaRecords


def _places(block: CsvBlock) -> Ints:
    """Where in a block its records stand."""
    every = np.arange(len(block.batch) + len(block.broken))
    return np.delete(every, [line.place for line in block.broken])


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
