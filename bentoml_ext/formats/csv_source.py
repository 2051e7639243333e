"""CSV source: delimited text becomes blocks; a line that is not a record keeps its number."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator, Sequence
from typing import IO, Any, Final

import pyarrow as pa
import pyarrow.csv as pacsv

from bentoml_ext.encoders.encoder import Encoder
from bentoml_ext.errors import InvalidApplication
from bentoml_ext.formats import lent
from bentoml_ext.formats.arrow_stream import slices
from bentoml_ext.formats.blocks import Broken, CommaTables, CsvBlock, CsvTables
from bentoml_ext.formats.line_blocks import MAX_LINE_BYTES
from bentoml_ext.formats.quotes import Watched, with_line_feeds
from bentoml_ext.formats.source import Opened, bytes_of, nothing_of, rows_of
from bentoml_ext.formats.spelling import PLAIN, Spelling
from bentoml_ext.formats.unpacked import unpacked

__all__ = ["open_csv"]

BLOCK_BYTES: Final = 1024 * 1024

DELIMITERS: Final = (",", ";", "\t", "|")
"""The delimiter of a file is the one that parts the names of its fields."""


def open_csv(
    file: IO[bytes], encoder: Encoder, keep: Sequence[str], spelling: Spelling = PLAIN
) -> Opened:
    """A file of CSV: a header, then a record a line.

    Columns that nobody asked for are not looked at, so that they may be in any encoding.

    Raises:
        pyarrow.ArrowInvalid: no text, or none in UTF-8; also while it is read.
    """
    progress = bytes_of(file)
    text = with_line_feeds(unpacked(file, spelling.encoding))
    names, delimiter = _header(text, encoder.names.union(keep))
    wanted = [name for name in dict.fromkeys(names) if name in encoder.names or name in keep]
    # CSV has no types: a number is judged as text, and an identifier keeps its leading zeros.
    codes = pa.dictionary(pa.int32(), pa.string())
    texts = {field.name for field in encoder.fields if field.categories}
    kinds = {name: codes if name in texts else pa.string() for name in wanted}
    blocks = _blocks(text, names, delimiter, pa.schema(kinds.items()), rows_of(encoder))
    columns = pa.schema([(name, pa.string()) for name in names])
    kind = CsvTables if spelling.decimal == "." else CommaTables
    return Opened(kind, columns, blocks, *progress)


def _header(text: IO[bytes], wanted: frozenset[str]) -> tuple[list[str], str]:
    """The names of the columns, and what stands between them."""
    line = _record(text)
    offer = line.strip('"')
    if offer.lower().startswith("sep=") and len(offer) == len("sep=;"):
        delimiters: Sequence[str] = (offer[-1],)
        line = _record(text)
    else:
        delimiters = DELIMITERS
    if not line:
        raise pa.ArrowInvalid("an empty file")
    read = {
        delimiter: next(csv.reader(line.splitlines(keepends=True), delimiter=delimiter))
        for delimiter in delimiters
    }
    best = max(read, key=lambda delimiter: len(wanted.intersection(read[delimiter])))
    return read[best], best


def _record(text: IO[bytes]) -> str:
    """The next record that is not blank; a name that is quoted may have an end of line."""
    line = b""
    while more := text.readline(MAX_LINE_BYTES):
        line += more
        if line.strip() and line.count(b'"') % 2 == 0:
            break
    # A wanted name that is not UTF-8 does not match its field: the field is then missing.
    return line.strip(b"\r\n").decode(errors="replace")


def _blocks(
    text: IO[bytes], names: Sequence[str], delimiter: str, schema: pa.Schema, rows: int
) -> Iterator[CsvBlock]:
    yield CsvBlock(nothing_of(schema), [])
    broken: deque[tuple[int, Broken]] = deque()

    def note(row: Any) -> str:
        wrong = InvalidApplication(f"{row.expected_columns} cells", f"{row.actual_columns}")
        broken.append((row.number - 1, Broken(0, row.text, wrong)))
        return "skip"

    if not text.peek(1):  # type: ignore[attr-defined]
        return
    at, watched = 0, Watched(text)
    for batch in lent.batches(watched, lambda file: _open(file, names, delimiter, schema, note)):
        for part in slices(batch, rows):
            block = _joined(part, broken, at)
            at += len(part) + len(block.broken)
            yield block
    if broken:
        # What stands after the last record.
        last = [line._replace(place=row - at) for row, line in broken]
        at += len(last)
        yield CsvBlock(nothing_of(schema), last)
    watched.check(at)


def _open(file: Any, names: Sequence[str], delimiter: str, schema: pa.Schema, note: Any) -> Any:
    return pacsv.open_csv(
        file,
        # In one thread, so that Arrow knows the numbers of lines.
        read_options=pacsv.ReadOptions(
            use_threads=False, block_size=BLOCK_BYTES, column_names=list(names)
        ),
        parse_options=pacsv.ParseOptions(
            delimiter=delimiter, newlines_in_values=True, invalid_row_handler=note
        ),
        convert_options=pacsv.ConvertOptions(
            column_types=schema,
            include_columns=schema.names,
            null_values=[""],
            strings_can_be_null=True,
        ),
    )


def _joined(part: pa.RecordBatch, broken: deque[tuple[int, Broken]], at: int) -> CsvBlock:
    """Records with the broken lines among them; later broken lines stay in `broken`.

    Args:
        part: records.
        broken: those not yet placed, by their row.
        at: the row of the block.
    """
    placed: list[Broken] = []
    while broken and broken[0][0] < at + len(part) + len(placed):
        row, line = broken.popleft()
        placed.append(line._replace(place=row - at))
    return CsvBlock(part, placed)
