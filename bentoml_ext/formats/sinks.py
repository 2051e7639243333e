"""Sinks: record batches become a file in one of the formats."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import IO, Any, Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from bentoml_ext import files
from bentoml_ext.encoders.arrow_types import is_binary, plain_type
from bentoml_ext.errors import ConfigError

__all__ = ["Sink", "open_sink"]

TEXTS: Final = ("csv", "ndjson")
"""Formats that are text."""

ROW_GROUP: Final = 2**19
"""Rows of a row group in Parquet."""


class Sink(ABC):
    """Writes record batches of one schema to a binary file.

    Args:
        file: to write to.
        schema: of the batches.
    """

    @abstractmethod
    def __init__(self, file: IO[bytes], schema: pa.Schema) -> None: ...

    @abstractmethod
    def write(self, batch: pa.RecordBatch) -> None:
        """Write a batch after those before."""

    @abstractmethod
    def close(self) -> None:
        """Write what ends the format; the file stays open."""


@contextmanager
def open_sink(path: Path | None, form: str, schema: pa.Schema) -> Iterator[Sink]:
    """A sink for a file that is there, whole, only if the block ends without an error.

    Args:
        path: of the file; None for standard output, where what was written is written.
        form: name of a format.
        schema: of the batches.

    Raises:
        ConfigError: the format cannot hold a column.
        OSError: as `files.replacing`.
    """
    _check_types(path, form, schema)
    with ExitStack() as stack:
        file = files.stdout() if path is None else stack.enter_context(files.replacing(path))
        sink = _kind(path, form)(file, schema)
        try:
            yield sink
        except BaseException:
            # Otherwise the garbage collector closes the writer, on a file that is closed by then.
            with suppress(Exception):
                sink.close()
            raise
        sink.close()
        file.flush()


class ParquetSink(Sink):
    """Parquet, in row groups of half a million rows."""

    def __init__(self, file: IO[bytes], schema: pa.Schema) -> None:
        # A dictionary of what hardly repeats, such as a probability, costs more than it saves.
        texts = [field.name for field in schema if pa.types.is_dictionary(field.type)]
        self._writer = pq.ParquetWriter(
            file, schema, use_dictionary=texts, write_page_checksum=True
        )
        self._waiting: list[pa.RecordBatch] = []

    def write(self, batch: pa.RecordBatch) -> None:
        self._waiting.append(batch)
        if sum(map(len, self._waiting)) >= ROW_GROUP:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._waiting:
            self._writer.write_table(pa.Table.from_batches(self._waiting))
            self._waiting.clear()


class ArrowSink(Sink):
    """Arrow's file format."""

    make: Callable[..., Any] = staticmethod(pa.ipc.new_file)

    def __init__(self, file: IO[bytes], schema: pa.Schema) -> None:
        self._writer = self.make(file, schema)

    def write(self, batch: pa.RecordBatch) -> None:
        self._writer.write_batch(batch)

    def close(self) -> None:
        self._writer.close()


class ArrowStreamSink(ArrowSink):
    """Arrow's stream format, for pipes."""

    make = staticmethod(pa.ipc.new_stream)


class CsvSink(Sink):
    """CSV with a header."""

    def __init__(self, file: IO[bytes], schema: pa.Schema) -> None:
        self._schema = pa.schema([(field.name, plain_type(field.type)) for field in schema])
        self._writer = pacsv.CSVWriter(file, self._schema)

    def write(self, batch: pa.RecordBatch) -> None:
        self._writer.write_batch(batch.cast(self._schema))

    def close(self) -> None:
        self._writer.close()


class NdjsonSink(Sink):
    """A JSON object a line."""

    def __init__(self, file: IO[bytes], schema: pa.Schema) -> None:
        self._file = file
        keys = [msgspec.json.encode(name).decode() for name in schema.names]
        self._openings = [f"{{{keys[0]}: ", *(f", {key}: " for key in keys[1:])]

    def write(self, batch: pa.RecordBatch) -> None:
        columns = (_json(column) for column in batch.columns)
        parts = [part for pair in zip(self._openings, columns, strict=True) for part in pair]
        lines = pc.binary_join_element_wise(*parts, "}\n", "")
        if len(lines):
            _, offsets, text = lines.buffers()
            self._file.write(memoryview(text)[: memoryview(offsets).cast("i")[len(lines)]])

    def close(self) -> None:
        pass


def _check_types(path: Path | None, form: str, schema: pa.Schema) -> None:
    """Try the columns one by one, before there is a row to lose."""
    for field in schema:
        kind = plain_type(field.type)
        try:
            if form in TEXTS and is_binary(kind):
                raise pa.ArrowInvalid("bytes that need not be text")
            one = pa.schema([field])
            sink = _kind(path, form)(BytesIO(), one)
            sink.write(pa.RecordBatch.from_arrays([pa.nulls(1, field.type)], schema=one))
            sink.close()
        except (pa.ArrowException, NotImplementedError) as error:
            raise ConfigError(
                f"Expected columns that {form} can hold, got {kind}: {error} - at --keep "
                f"{field.name}. Leave it out, or write Parquet by --to parquet."
            ) from error


def _kind(path: Path | None, form: str) -> type[Sink]:
    if form == "arrow" and (path is None or path.suffix == ".arrows"):
        return ArrowStreamSink
    return SINKS[form]


def _json(column: pa.Array) -> pa.Array:
    """Text of each value in JSON: a float32 in the fewest digits that give it."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        texts = [msgspec.json.encode(text).decode() for text in column.dictionary.to_pylist()]
        return pa.array(texts, pa.string()).take(column.indices)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        # Neither null nor NaN is a number in JSON.
        return pc.if_else(pc.fill_null(pc.is_finite(column), False), column.cast("string"), "null")
    if pa.types.is_struct(kind) and not column.null_count and kind.num_fields:
        keys = [f"{msgspec.json.encode(field.name).decode()}: " for field in kind]
        return _joined("{", keys, [_json(child) for child in column.flatten()], "}")
    if pa.types.is_fixed_size_list(kind) and not column.null_count and kind.list_size:
        size, values = kind.list_size, column.flatten()
        places = [pa.array(range(at, len(values), size), pa.int64()) for at in range(size)]
        return _joined("[", [""] * size, [_json(values.take(place)) for place in places], "]")
    values = (msgspec.json.encode(value, enc_hook=str).decode() for value in column.to_pylist())
    return pa.array(values, pa.string())


def _joined(opening: str, keys: Sequence[str], values: Sequence[pa.Array], end: str) -> pa.Array:
    """Texts of several values as one text of JSON."""
    parts: list[Any] = []
    for place, (key, value) in enumerate(zip(keys, values, strict=True)):
        parts += [(", " if place else opening) + key, value]
    return pc.binary_join_element_wise(*parts, end, "")


SINKS: Final[Mapping[str, type[Sink]]] = {
    "arrow": ArrowSink,
    "csv": CsvSink,
    "ndjson": NdjsonSink,
    "parquet": ParquetSink,
}
