"""Sources: a file in one of the formats becomes blocks of applications."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import IO, Any, Final, TypeAlias

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from bentoml_ext.arrays import block_rows
from bentoml_ext.bulk.blocks import (
    BLOCK_ROWS,
    Block,
    Blocks,
    Lines,
    Tables,
    TextTables,
    plain_type,
)
from bentoml_ext.bulk.streams import (
    BLOCK_LINES,
    arrow_batches,
    line_blocks,
    slices,
    sound_slices,
)
from bentoml_ext.encoder import Encoder
from bentoml_ext.errors import ConfigError, InvalidApplication, UnreadableInput
from bentoml_ext.json_value import json_value
from bentoml_ext.lines import split_lines
from bentoml_ext.names import some_of

__all__ = ["FORMATS", "Source", "open_source"]

LINES_BYTES: Final = 4 * 1024 * 1024
"""Of a block of NDJSON: some 16 000 applications."""

CSV_BYTES: Final = 1024 * 1024

ARROW_FILE: Final = b"ARROW1"

TOLD_BY: Final = 1_000
"""Lines of NDJSON that tell the types of what is to be kept."""


@dataclass(frozen=True)
class Source:
    """Applications to come.

    Args:
        kind: of the blocks.
        kept: the columns to keep, and their types.
        blocks: the applications, in order.
        total: how many steps of progress there are; None where nobody knows.
        position: how many of them are done.
    """

    kind: type[Blocks[Any]]
    kept: pa.Schema
    blocks: Iterator[Block]
    total: int | None
    position: Callable[[], int]


Opener: TypeAlias = Callable[[IO[bytes], Encoder, Sequence[str]], Source]


@contextmanager
def open_source(
    path: Path | None,
    form: str,
    encoder: Encoder,
    keep: Sequence[str],
    groups: range | None = None,
) -> Iterator[Source]:
    """A file's applications.

    Args:
        path: of the file; None for standard input.
        form: name of a format.
        encoder: whose fields they have; other columns are not read.
        keep: names of further columns to keep.
        groups: row groups to read of a Parquet file; None for all of the file.

    Raises:
        OSError: no such file.
        ConfigError: it has no column of a name to keep.
        UnreadableInput: it is not what its format says, or damaged; also while it is read.
    """
    place = "standard input" if path is None else path
    with ExitStack() as stack:
        file = sys.stdin.buffer if path is None else stack.enter_context(path.open("rb"))
        try:
            opener = FORMATS[form] if groups is None else partial(_parquet, groups=groups)
            yield opener(file, encoder, keep)
        except (pa.ArrowException, OSError, EOFError, MemoryError, UnicodeDecodeError) as error:
            # What Arrow calls an I/O error, of a damaged file, has no number.
            if getattr(error, "errno", None) is not None:
                raise
            told = " ".join(str(error).split()) or type(error).__name__
            raise UnreadableInput(f"Expected {form}, got: {told} - at {place}.") from error


def _parquet(
    file: IO[bytes], encoder: Encoder, keep: Sequence[str], groups: range | None = None
) -> Source:
    # Read as codes, texts need no look-up of their own.
    codes = [field.name for field in encoder.fields if field.categories]
    opened = pq.ParquetFile(
        _seekable(file), read_dictionary=codes, pre_buffer=False, page_checksum_verification=True
    )
    names = encoder.names.union(keep)
    wanted = [name for name in opened.schema_arrow.names if name in names]
    groups = range(opened.num_row_groups) if groups is None else groups
    total = sum(opened.metadata.row_group(group).num_rows for group in groups)
    read, rows, done = block_rows(len(wanted), BLOCK_ROWS), _rows_of(encoder), 0

    def blocks() -> Iterator[Block]:
        nonlocal done
        for batch in opened.iter_batches(
            read, row_groups=groups, columns=wanted, use_threads=False
        ):
            # In a damaged file a code may lead beyond its dictionary.
            for part in sound_slices(batch, rows):
                done += len(part)
                yield part

    kept = _kept(opened.schema_arrow, keep)
    return Source(Tables, kept, blocks(), total, lambda: done)


def _arrow(file: IO[bytes], encoder: Encoder, keep: Sequence[str]) -> Source:
    wanted = encoder.names.union(keep)
    begins_with = file.peek(len(ARROW_FILE))  # type: ignore[attr-defined]
    if begins_with.startswith(ARROW_FILE):
        batches = _arrow_file(_seekable(file), wanted, _rows_of(encoder))
    else:
        batches = arrow_batches(file, wanted, _rows_of(encoder))
    # The first one has no rows: it tells the columns.
    first = next(batches)
    return Source(Tables, _kept(first.schema, keep), chain([first], batches), *_bytes_of(file))


def _arrow_file(file: IO[bytes], wanted: Container[str], rows: int) -> Iterator[pa.RecordBatch]:
    reader = pa.ipc.open_file(file)
    places = [i for i, name in enumerate(reader.schema.names) if name in wanted]
    yield pa.RecordBatch.from_pylist([], pa.schema([reader.schema.field(i) for i in places]))
    for i in range(reader.num_record_batches):
        yield from sound_slices(reader.get_batch(i).select(places), rows)


def _csv(file: IO[bytes], encoder: Encoder, keep: Sequence[str]) -> Source:
    # CSV has no types: a number is judged as text, and an identifier keeps its leading zeros.
    texts = pa.dictionary(pa.int32(), pa.string())
    kinds = {field.name: texts if field.categories else pa.string() for field in encoder.fields}
    reader = pacsv.open_csv(
        file,
        read_options=pacsv.ReadOptions(use_threads=False, block_size=CSV_BYTES),
        parse_options=pacsv.ParseOptions(newlines_in_values=True),
        convert_options=pacsv.ConvertOptions(
            column_types=kinds,
            default_column_type=pa.string(),
            null_values=[""],
            strings_can_be_null=True,
        ),
    )
    kept = _kept(reader.schema, keep)
    rows = _rows_of(encoder)
    blocks = chain.from_iterable(slices(batch, rows) for batch in reader)
    return Source(TextTables, kept, blocks, *_bytes_of(file))


def _ndjson(file: IO[bytes], encoder: Encoder, keep: Sequence[str]) -> Source:
    lines = block_rows(encoder.n_features, BLOCK_LINES)
    blocks = line_blocks(file, LINES_BYTES, max_lines=lines)
    first = next(blocks, b"")
    return Source(Lines, _told(first, encoder, keep), chain([first], blocks), *_bytes_of(file))


def _told(lines: bytes, encoder: Encoder, keep: Sequence[str]) -> pa.Schema:
    """The columns to keep, of the types that the first lines tell."""
    applications = []
    for line in split_lines(lines)[:TOLD_BY] if keep else []:
        with suppress(InvalidApplication):
            applications.append(json_value(line))
    objects = [value for value in applications if isinstance(value, dict)]
    kinds = {name: _type_of(name, [one.get(name) for one in objects]) for name in keep}
    numbers = {field.name for field in encoder.fields if not field.categories}
    return pa.schema([(k, pa.float64() if k in numbers else kinds[k]) for k in kinds])


def _type_of(name: str, values: Sequence[Any]) -> pa.DataType:
    try:
        kind = pa.array(values).type
    except (pa.ArrowException, OverflowError, TypeError, ValueError) as error:
        raise ConfigError(
            f"Expected values of one type, got several - at the column to keep, '{name}': {error}."
        ) from error
    return pa.string() if pa.types.is_null(kind) else kind


def _kept(schema: pa.Schema, keep: Sequence[str]) -> pa.Schema:
    for name in keep:
        if schema.names.count(name) != 1:
            raise ConfigError(
                f"Expected one of the columns {some_of(schema.names)}, got '{name}' - at --keep."
            )
    return pa.schema([(name, plain_type(schema.field(name).type)) for name in keep])


def _rows_of(encoder: Encoder) -> int:
    """Rows of a block of columns."""
    return block_rows(encoder.n_features, BLOCK_ROWS)


def _bytes_of(file: IO[bytes]) -> tuple[int | None, Callable[[], int]]:
    """All bytes of a file, and a function that tells how many are read; nothing of a pipe."""
    if not file.seekable():
        return None, lambda: 0
    return os.fstat(file.fileno()).st_size, file.tell


def _seekable(file: IO[bytes]) -> IO[bytes]:
    """The file, or if it is a pipe, a copy on the disk: such formats are read from their end."""
    if file.seekable():
        return file
    copy = tempfile.TemporaryFile()  # noqa: SIM115 (its last reader closes it)
    shutil.copyfileobj(file, copy)
    copy.seek(0)
    return copy


FORMATS: Final[Mapping[str, Opener]] = {
    "arrow": _arrow,
    "csv": _csv,
    "ndjson": _ndjson,
    "parquet": _parquet,
}
