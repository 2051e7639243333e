"""CSV source: delimited text becomes blocks; a line that is not a record keeps its number."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator, Sequence
from typing import IO, Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from bentoml_ext.encoders.encoder import Encoder
from bentoml_ext.errors import ConfigError, InvalidApplication
from bentoml_ext.formats import lent
from bentoml_ext.formats.arrow_stream import slices
from bentoml_ext.formats.blocks import Broken, CommaTables, CsvBlock, CsvTables
from bentoml_ext.formats.changed import REPLACED, Utf8, changed
from bentoml_ext.formats.line_blocks import MAX_LINE_BYTES
from bentoml_ext.formats.quotes import Watched, unescaped, with_line_feeds
from bentoml_ext.formats.source import Opened, bytes_of, nothing_of, rows_of
from bentoml_ext.formats.spelling import PLAIN, Spelling
from bentoml_ext.formats.unpacked import unpacked

__all__ = ["open_csv"]

BLOCK_BYTES: Final = 1024 * 1024

DELIMITERS: Final = (",", ";", "\t", "|")
"""The delimiter of a file is the one that parts the names of its fields; these come first."""


def open_csv(
    file: IO[bytes], encoder: Encoder, keep: Sequence[str], spelling: Spelling = PLAIN
) -> Opened:
    """A file of CSV: a header, then a record a line.

    Columns that nobody asked for are not looked at, so that they may be in any encoding.

    Raises:
        pyarrow.ArrowInvalid: no text, or none in UTF-8; also while it is read.
    """
    progress = bytes_of(file)
    _check_nulls(encoder, spelling.nulls)
    utf8 = Utf8()
    text = with_line_feeds(changed(unpacked(file, spelling.encoding), utf8))
    if spelling.quotes == "backslash":
        text = unescaped(text)
    names, delimiter = _header(text, encoder.names.union(keep), quoted=spelling.quotes != "none")
    wanted = [name for name in dict.fromkeys(names) if name in encoder.names or name in keep]
    # CSV has no types: a number is judged as text, and an identifier keeps its leading zeros.
    codes = pa.dictionary(pa.int32(), pa.string())
    texts = {field.name for field in encoder.fields if field.categories}
    kinds = {name: codes if name in texts else pa.string() for name in wanted}
    form = _Form(names, delimiter, pa.schema(kinds.items()), spelling)
    blocks = _in_utf8(_blocks(text, form, rows_of(encoder)), utf8)
    columns = pa.schema([(name, pa.string()) for name in names])
    kind = CsvTables if spelling.decimal == "." else CommaTables
    return Opened(kind, columns, blocks, *progress)


def _check_nulls(encoder: Encoder, nulls: Sequence[str]) -> None:
    for field in encoder.fields:
        if both := set(nulls).intersection(field.categories or ()):
            raise ConfigError(
                f"Expected a text that is not a category, got '{min(both)}', which is one of field "
                f"'{field.name}' - at --null. Leave it out."
            )


def _in_utf8(blocks: Iterator[CsvBlock], utf8: Utf8) -> Iterator[CsvBlock]:
    for block in blocks:
        if utf8.found_other:
            for name, column in zip(block.batch.schema.names, block.batch.columns, strict=True):
                texts = column.dictionary if pa.types.is_dictionary(column.type) else column
                if pc.any(pc.match_substring(texts, REPLACED)).as_py():
                    raise pa.ArrowInvalid(f"invalid UTF8 data in the column '{name}'")
        yield block


class _Form(NamedTuple):
    """How the records of a file are written.

    Args:
        names: of all columns.
        delimiter: between cells.
        schema: of the columns that are wanted.
        spelling: of the cells.
    """

    names: list[str]
    delimiter: str
    schema: pa.Schema
    spelling: Spelling


def _header(text: IO[bytes], wanted: frozenset[str], *, quoted: bool) -> tuple[list[str], str]:
    """The names of the columns, and what stands between them."""
    line = _record(text, quoted=quoted)
    offer = line.strip('"')
    if offer.lower().startswith("sep=") and len(offer) == len("sep=;"):
        delimiters: Sequence[str] = (offer[-1],)
        line = _record(text, quoted=quoted)
    else:
        odd = {sign for sign in line if sign.isascii() and not sign.isalnum()}
        delimiters = [*DELIMITERS, *sorted(odd.difference(DELIMITERS, '_"\\\r\n'))]
    if not line:
        raise pa.ArrowInvalid("an empty file")
    if "\0" in line:
        raise pa.ArrowInvalid(
            "bytes that are not text: unpack it, write it as gzip or zstd, or name its encoding, "
            "such as by --encoding utf-32-le"
        )
    read = {
        sign: next(csv.reader(line.splitlines(keepends=True), delimiter=sign))
        if quoted
        else line.split(sign)
        for sign in delimiters
    }
    # Names without their blanks: a blank behind each comma would count as a delimiter.
    best = max(read, key=lambda sign: len(wanted.intersection(map(str.strip, read[sign]))))
    return read[best], best


def _record(text: IO[bytes], *, quoted: bool) -> str:
    """The next record that is not blank; a name that is quoted may have an end of line."""
    line = b""
    while more := text.readline(MAX_LINE_BYTES):
        line += more
        if line.strip() and (not quoted or line.count(b'"') % 2 == 0):
            break
    # A wanted name that is not UTF-8 does not match its field: the field is then missing.
    return line.strip(b"\r\n").decode(errors="replace")


def _blocks(text: IO[bytes], form: _Form, rows: int) -> Iterator[CsvBlock]:
    yield CsvBlock(nothing_of(form.schema), [])
    broken: deque[tuple[int, Broken]] = deque()

    def note(row: Any) -> str:
        got = f"{row.actual_columns}"
        if row.number == 1 and row.actual_columns == row.expected_columns + 1:
            got += " (R's write.table names no column of row names: write row.names=FALSE)"
        wrong = InvalidApplication(f"{row.expected_columns} cells", got)
        broken.append((row.number - 1, Broken(0, row.text, wrong)))
        return "skip"

    if not text.peek(1):  # type: ignore[attr-defined]
        return
    at, watched = 0, Watched(text, sure=form.spelling.quotes is not None)
    for batch in lent.batches(watched, lambda file: _open(file, form, note)):
        for part in slices(batch, rows):
            block = _joined(part, broken, at)
            at += len(part) + len(block.broken)
            yield block
    if broken:
        # What stands after the last record.
        last = [line._replace(place=row - at) for row, line in broken]
        at += len(last)
        yield CsvBlock(nothing_of(form.schema), last)
    if form.spelling.quotes != "none":
        watched.check(at)


def _open(file: Any, form: _Form, note: Any) -> Any:
    return pacsv.open_csv(
        file,
        # In one thread, so that Arrow knows the numbers of lines.
        read_options=pacsv.ReadOptions(
            use_threads=False, block_size=BLOCK_BYTES, column_names=form.names
        ),
        parse_options=pacsv.ParseOptions(
            delimiter=form.delimiter,
            quote_char=False if form.spelling.quotes == "none" else '"',
            newlines_in_values=form.spelling.quotes != "none",
            invalid_row_handler=note,
        ),
        convert_options=pacsv.ConvertOptions(
            column_types=form.schema,
            include_columns=form.schema.names,
            null_values=["", *form.spelling.nulls],
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
