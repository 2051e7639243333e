"""Opening: a file of any of the formats, known by its content, becomes rows."""

from __future__ import annotations

import csv
import gzip
import io
import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from bentoml_ext.acceptance.given import Columns, Given, Objects
from bentoml_ext.encoders.strict_json import json_value
from bentoml_ext.errors import InvalidApplication, TooLarge, UnreadableInput
from bentoml_ext.formats import arrow_limits

__all__ = ["opened"]

OTHERS: Final = {
    b"\x80": "a pickle",
    b"PK\x03\x04": "a zip or Excel file",
    b"\xd0\xcf\x11\xe0": "an Excel file",
    b"SQLite format 3": "a database",
    b"\x89HDF": "an HDF5 file",
    b"\xff\xfe": "text in UTF-16",
    b"\xfe\xff": "text in UTF-16",
}
"""By their first bytes: what people keep tables in, and this does not read."""

TO_MEND: Final = "Write it as Parquet, CSV, NDJSON or Arrow: `df.to_parquet('check.parquet')`."
SEPARATORS: Final = ",;\t|"
CHUNK: Final = 1024 * 1024
WORD_BYTES: Final = 8
"""Of a value in memory, more or less."""


def opened(data: bytes, path: Path) -> Given:
    """The rows of a file.

    Args:
        data: its bytes.
        path: its name, for messages.

    Raises:
        UnreadableInput: damaged, of no such format, or without rows; names the place.
    """
    try:
        if data.startswith(b"\x1f\x8b"):
            data = _unpacked(data)
        given = _reader(data, path)(data)
    except (
        pa.ArrowException,
        csv.Error,
        OSError,
        EOFError,
        MemoryError,
        struct.error,
        UnicodeDecodeError,
        zlib.error,
    ) as error:
        reason = " ".join(str(error).split())[:200].rstrip(". ")
        raise UnreadableInput(f"Expected a table, got: {reason} - at {path}. {TO_MEND}") from error
    twice = [name for name in given.names if list(given.names).count(name) > 1]
    if twice:
        raise UnreadableInput(
            f"Expected every column once, got '{twice[0]}' twice - at {path}. Rename one of them."
        )
    if not len(given):
        raise UnreadableInput(
            f"Expected applications with the trainer's predictions, got 0 rows - at {path}."
        )
    return given


def _reader(data: bytes, path: Path) -> Callable[[bytes], Given]:
    for begin, what in OTHERS.items():
        if data.startswith(begin):
            raise UnreadableInput(f"Expected a table, got {what} - at {path}. {TO_MEND}")
    if data.startswith(b"PAR1"):
        return _parquet
    if data.startswith((b"ARROW1", b"\xff\xff\xff\xff")):
        return _arrow
    text = data.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"["):
        return _array
    if text.startswith(b"{"):
        return _lines
    return _csv


def _unpacked(data: bytes) -> bytes:
    found = bytearray()
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
        while piece := file.read(CHUNK):
            found += piece
            _check_size(len(found))
    return bytes(found)


def _check_size(size: int) -> None:
    if size > (most := arrow_limits.MAX_UNPACKED_BYTES):
        raise TooLarge(
            f"Expected at most {most} bytes when unpacked, got more - at the check. Give fewer "
            "rows: some thousands say as much."
        )


def _parquet(data: bytes) -> Given:
    file = pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
    # As the file says; an octet of it may be a thousand rows.
    _check_size(file.metadata.num_rows * file.metadata.num_columns * WORD_BYTES)
    return _columns(file.read(use_threads=False))


def _arrow(data: bytes) -> Given:
    if data.startswith(arrow_limits.MAGIC):
        arrow_limits.FileMessages(io.BytesIO(data)).check_all()
        return _columns(pa.ipc.open_file(pa.BufferReader(data)).read_all())
    stream = arrow_limits.Messages(pa.BufferReader(data), arrow_limits.MAX_UNPACKED_BYTES)
    return _columns(pa.ipc.open_stream(stream).read_all())


def _columns(table: pa.Table) -> Given:
    # A code or an offset of a damaged file may lead beyond its column.
    table.validate(full=True)
    for place, field in enumerate(table.schema):
        if pa.types.is_string_view(field.type):
            # Arrow cannot pick among views.
            column = table.column(place).cast(pa.large_string())
            table = table.set_column(place, field.with_type(pa.large_string()), column)
    return Columns(table)


def _csv(data: bytes) -> Given:
    data = data.removeprefix(b"\xef\xbb\xbf")
    header = data.lstrip(b"\r\n").partition(b"\n")[0].decode()
    separator = max(SEPARATORS, key=lambda mark: (header.count(mark), -SEPARATORS.index(mark)))
    names = next(csv.reader(io.StringIO(header), delimiter=separator), [])
    # CSV has no types: what a text is, the model's fields say later.
    table = pacsv.read_csv(
        pa.BufferReader(data),
        read_options=pacsv.ReadOptions(use_threads=False),
        parse_options=pacsv.ParseOptions(delimiter=separator, newlines_in_values=True),
        convert_options=pacsv.ConvertOptions(
            column_types={name.strip(): pa.string() for name in names}
            | {name: pa.string() for name in names},
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
        ),
    )
    table = table.rename_columns([name.strip() for name in table.column_names])
    return Columns(table, lambda row: _line_of(data, separator, row))


def _line_of(data: bytes, separator: str, row: int) -> int:
    """The line, from 1, on which a row begins; the header is a row, too."""
    text = io.StringIO(data.decode(errors="replace"), newline="")
    reader = csv.reader(text, delimiter=separator)
    begin, seen = 1, -1
    for values in reader:
        if values:
            if seen == row:
                return begin
            seen += 1
        begin = reader.line_num + 1
    return begin


def _lines(data: bytes) -> Given:
    data = data.removeprefix(b"\xef\xbb\xbf")
    numbered = [
        (number, stripped)
        for number, line in enumerate(data.split(b"\n"), start=1)
        if (stripped := line.strip())
    ]
    first = numbered[0][1]
    if len(numbered) > 1 and not first.endswith(b"}") and _is_one_object(data):
        raise UnreadableInput(_NOT_LINES)
    if len(numbered) == 1 and (keys := _columns_of(first)):
        raise UnreadableInput(f"{_NOT_LINES} Its keys are {keys}.")
    return Objects([line for _, line in numbered], [number for number, _ in numbered])


_NOT_LINES: Final = (
    "Expected an object on each line, got one object for the whole file - at the check. "
    "In pandas: `df.to_json('check.ndjson', orient='records', lines=True)`."
)


def _is_one_object(data: bytes) -> bool:
    try:
        return isinstance(msgspec.json.decode(data), dict)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


def _columns_of(line: bytes) -> str:
    """The keys of an object whose values are columns, as pandas writes without `orient`."""
    try:
        value = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    if all(isinstance(inner, dict | list) and len(inner) > 2 for inner in value.values()):
        return ", ".join(list(value)[:6])
    return ""


def _array(data: bytes) -> Given:
    data = data.removeprefix(b"\xef\xbb\xbf")
    try:
        return Objects([bytes(one) for one in msgspec.json.decode(data, type=list[msgspec.Raw])])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # Python writes NaN, which JSON lacks.
        return Objects([json.dumps(one).encode() for one in _entries(data)])


def _entries(data: bytes) -> list[Any]:
    try:
        entries = json_value(data)
    except InvalidApplication as error:
        reason = str(error).rstrip(".")
        raise UnreadableInput(f"{reason} - at the check.") from error
    if not isinstance(entries, list):
        raise UnreadableInput(f"Expected an array, got {type(entries).__name__} - at the check.")
    return entries
