"""Sources: a file in one of the formats becomes blocks of applications."""

from __future__ import annotations

import lzma
import shutil
import sys
import tempfile
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from itertools import chain
from pathlib import Path
from typing import IO, Any, Final, TypeAlias, cast

import pyarrow as pa
import pyarrow.parquet as pq

from bentoml_ext.arrays import block_rows
from bentoml_ext.disk_errors import naming
from bentoml_ext.encoders.arrow_columns import check_names
from bentoml_ext.encoders.arrow_types import is_binary
from bentoml_ext.encoders.arrow_values import is_text
from bentoml_ext.encoders.encoder import Encoder
from bentoml_ext.encoders.ndjson import split_lines
from bentoml_ext.encoders.strict_json import json_value
from bentoml_ext.errors import ConfigError, InvalidApplication, UnreadableInput
from bentoml_ext.formats.arrow_limits import FileMessages
from bentoml_ext.formats.arrow_stream import all_columns, arrow_batches, sound_slices
from bentoml_ext.formats.blocks import BLOCK_ROWS, Block, Lines, Tables
from bentoml_ext.formats.csv_source import open_csv
from bentoml_ext.formats.fitting import check_types, checked_nulls
from bentoml_ext.formats.folder_keys import Key, key_columns, with_keys
from bentoml_ext.formats.line_blocks import BLOCK_LINES, line_blocks
from bentoml_ext.formats.source import Opened, Source, bytes_of, kept_columns, nothing_of, rows_of
from bentoml_ext.formats.spelling import ENCODING, PLAIN, Spelling
from bentoml_ext.formats.unpacked import foreign, unpacked

__all__ = ["FORMATS", "open_source"]

LINES_BYTES: Final = 4 * 1024 * 1024
"""Of a block of NDJSON: some 16 000 applications."""

UNCODED: Final = frozenset({"DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY"})
"""Encodings of Parquet that Arrow cannot read as codes; DuckDB writes them."""

ARROW_FILE: Final = b"ARROW1"

DAMAGED: Final = (
    pa.ArrowException,
    OSError,
    EOFError,
    MemoryError,
    UnicodeError,
    lzma.LZMAError,
)
"""What is raised while a file is read that is not what it should be."""

SAMPLE_LINES: Final = 1_000
"""Lines of NDJSON whose values decide the types of the kept columns."""


Opener: TypeAlias = Callable[..., Opened]
"""Of a file, the encoder and the columns to keep; that of text takes a `spelling`, too."""


@contextmanager
def open_source(
    path: Path | None,
    form: str,
    encoder: Encoder,
    keep: Sequence[str],
    groups: range | None = None,
    *,
    keys: Sequence[Key] = (),
    spelling: Spelling = PLAIN,
) -> Iterator[Source]:
    """A file's applications.

    Args:
        path: of the file; None for standard input.
        form: name of a format.
        encoder: whose fields they have; other columns are not read.
        keep: names of further columns to keep.
        groups: row groups to read of a Parquet file; None for all of the file.
        keys: columns that the names of its folders give.
        spelling: of a file of text.

    Raises:
        OSError: no such file.
        ConfigError: it has no column of a name to keep.
        InvalidApplication: a field has no column, or one of a type that none of its values has.
        UnreadableInput: it is not what its format says, or damaged; also while it is read.
    """
    place = "standard input" if path is None else path
    # None where the process was started with it closed.
    if path is None and sys.stdin is None:
        raise ConfigError("Expected an open standard input, got a closed one - at INPUT.")
    with ExitStack() as stack:
        file = sys.stdin.buffer if path is None else stack.enter_context(path.open("rb"))
        try:
            opener = FORMATS[form] if groups is None else partial(_parquet, groups=groups)
            spelling.check(form, place)
            if spelling != PLAIN:
                opener = partial(opener, spelling=spelling)
            yield _wanted(opener(file, encoder, keep), encoder, keep, keys)
        except DAMAGED as error:
            # Arrow raises OSError without errno for a damaged file.
            if getattr(error, "errno", None) is not None:
                raise
            reason = " ".join(str(error).split()) or type(error).__name__
            hint = ENCODING if "UTF8" in reason or isinstance(error, UnicodeError) else ""
            raise UnreadableInput(f"Expected {form}, got: {reason} - at {place}.{hint}") from error


def _wanted(opened: Opened, encoder: Encoder, keep: Sequence[str], keys: Sequence[Key]) -> Source:
    """What is wanted of a file, checked before a row is read."""
    columns, blocks = opened.columns, opened.blocks
    keys = [key for key in keys if key[0] in encoder.names or key[0] in keep]
    if opened.kind is Lines:
        if keys:
            raise ConfigError(
                f"Expected the value of '{keys[0][0]}' in each line of NDJSON, got it in the name "
                "of a folder. Write the lines with all their values, or Parquet."
            )
    else:
        named = key_columns(keys, encoder)
        own = [field for field in named if field.name not in columns.names]
        columns = pa.schema([*columns, *own])
        check_names(encoder, columns.names)
        if opened.kind is Tables:
            check_types(encoder, columns)
        if keys:
            blocks = (with_keys(block, keys, named) for block in cast("Iterator[Any]", blocks))
        if opened.kind is Tables:
            blocks = checked_nulls(encoder, columns, cast("Iterator[Any]", blocks))
    kept = kept_columns(columns, keep)
    return Source(opened.kind, kept, blocks, opened.total, opened.position)


def _parquet(
    file: IO[bytes], encoder: Encoder, keep: Sequence[str], groups: range | None = None
) -> Opened:
    file = _seekable(file)
    _check_begin(file)
    texts = {field.name for field in encoder.fields if field.categories}
    opened = pq.ParquetFile(
        file,
        read_dictionary=_coded(file, texts),
        pre_buffer=False,
        page_checksum_verification=True,
    )
    names = encoder.names.union(keep)
    wanted = [name for name in opened.schema_arrow.names if name in names]
    groups = range(opened.num_row_groups) if groups is None else groups
    total = sum(opened.metadata.row_group(group).num_rows for group in groups)
    read, rows, done = block_rows(len(wanted), BLOCK_ROWS), rows_of(encoder), 0

    def blocks() -> Iterator[Block]:
        nonlocal done
        # Of a file without rows, too, the columns are judged.
        yield nothing_of(pa.schema([opened.schema_arrow.field(name) for name in wanted]))
        for batch in opened.iter_batches(
            read, row_groups=groups, columns=wanted, use_threads=False
        ):
            # In a damaged file a code may lead beyond its dictionary.
            for part in sound_slices(batch, rows):
                done += len(part)
                yield part

    return Opened(Tables, opened.schema_arrow, blocks(), total, lambda: done)


def _check_begin(file: IO[bytes]) -> None:
    begins_with = file.read(24)
    file.seek(0)
    if begins_with and not begins_with.startswith(b"PAR"):
        if (what := foreign(begins_with)) is not None:
            raise pa.ArrowInvalid(what)
        with suppress(UnicodeDecodeError):
            text = begins_with.decode("ascii")
            raise pa.ArrowInvalid(
                f"text that begins with {text!r}: say so by --from csv or --from ndjson"
            )


def _coded(file: IO[bytes], texts: Container[str]) -> list[str]:
    """The columns of texts that Arrow can read as codes: these need no look-up of their own."""
    footer = pq.read_metadata(file)
    kinds = {f.name: f.type for f in footer.schema.to_arrow_schema() if f.name in texts}
    coded = {name for name, kind in kinds.items() if is_text(kind) or is_binary(kind)}
    for group in map(footer.row_group, range(footer.num_row_groups)):
        for column in map(group.column, range(group.num_columns)):
            if column.path_in_schema in coded and UNCODED.intersection(column.encodings):
                coded.discard(column.path_in_schema)
    return sorted(coded)


def _arrow(file: IO[bytes], encoder: Encoder, keep: Sequence[str]) -> Opened:
    wanted = encoder.names.union(keep)
    begins_with = file.peek(len(ARROW_FILE))  # type: ignore[attr-defined]
    if not begins_with.startswith(ARROW_FILE) and (what := foreign(begins_with)) is not None:
        raise pa.ArrowInvalid(what)
    if begins_with.startswith(ARROW_FILE):
        batches = _arrow_file(_seekable(file), wanted, rows_of(encoder))
    else:
        batches = arrow_batches(file, wanted, rows_of(encoder))
    # The first batch has no rows: it names the columns.
    first = next(batches)
    return Opened(Tables, first.schema, chain([first], batches), *bytes_of(file))


def _arrow_file(file: IO[bytes], wanted: Container[str], rows: int) -> Iterator[pa.RecordBatch]:
    messages = FileMessages(file)
    messages.check_dictionaries()
    file.seek(0)
    reader = pa.ipc.open_file(file)
    places = [i for i, name in enumerate(reader.schema.names) if name in wanted]
    yield all_columns(reader.schema, places)
    for i in range(reader.num_record_batches):
        messages.check_batch(i)
        yield from sound_slices(reader.get_batch(i).select(places), rows)


def _ndjson(
    file: IO[bytes], encoder: Encoder, keep: Sequence[str], spelling: Spelling = PLAIN
) -> Opened:
    lines = block_rows(encoder.n_features, BLOCK_LINES)
    progress = bytes_of(file)
    blocks = line_blocks(unpacked(file, spelling.encoding), LINES_BYTES, max_lines=lines)
    first = next(blocks, b"")
    _check_no_array(first)
    return Opened(Lines, _kept_columns(first, encoder, keep), chain([first], blocks), *progress)


def _check_no_array(block: bytes) -> None:
    line, _, others = block.strip().partition(b"\n")
    if line.startswith(b"[") and not (others and line.rstrip().endswith(b"]")):
        raise pa.ArrowInvalid("one array: write each of its objects as a line")


def _kept_columns(lines: bytes, encoder: Encoder, keep: Sequence[str]) -> pa.Schema:
    """The columns to keep, with the types that the first lines have."""
    applications = []
    for line in split_lines(lines)[:SAMPLE_LINES] if keep else []:
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


def _seekable(file: IO[bytes]) -> IO[bytes]:
    """The file, or if it is a pipe, a copy on the disk: such formats are read from their end."""
    if file.seekable():
        return file
    copy = tempfile.TemporaryFile()  # noqa: SIM115 (its last reader closes it)
    with naming(Path(tempfile.gettempdir())):
        shutil.copyfileobj(file, copy)
    copy.seek(0)
    return copy


FORMATS: Final[Mapping[str, Opener]] = {
    "arrow": _arrow,
    "csv": open_csv,
    "ndjson": _ndjson,
    "parquet": _parquet,
}
