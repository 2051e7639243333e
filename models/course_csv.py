"""The course's CSV file: read, cleaned the course's way, refused where it is not what it should be.

Cleaning: column names in lower case, codes to words, 99999999 to "not given" in income, assets and
debt, rows of unknown status dropped. Further columns are ignored.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator, Mapping
from io import StringIO
from pathlib import Path
from typing import Any, Final

import numpy as np

from bentoml_ext.encoders.encoder import Application, Field
from bentoml_ext.errors import InvalidApplication
from models.dataset import Dataset
from models.errors import DataRefused
from models.fields import FIELDS, MISSING

__all__ = ["CODES", "STATUS", "load"]

CODES: Final[dict[str, dict[int, str]]] = {
    "home": dict(enumerate(("unk", "rent", "owner", "private", "ignore", "parents", "other"))),
    "marital": dict(enumerate(("unk", "single", "married", "widow", "separated", "divorced"))),
    "records": dict(enumerate(("unk", "no", "yes"))),
    "job": dict(enumerate(("unk", "fixed", "partime", "freelance", "others"))),
}
"""What the codes of a column mean, as the course decodes them."""

STATUS: Final[dict[int, int | None]] = {0: None, 1: 0, 2: 1}
"""Status to default: 1 is good, 2 is bad, and 0 (unknown) is dropped."""


def load(path: Path) -> Dataset:
    """The cleaned file, in its own order.

    Raises:
        DataRefused: no such file, not UTF-8, empty, or without a needed column. Or a cell is not a
            number, not a known code or out of range; the message names its line and column.

    Source:
        The preparation step of the course's week 6 notebook.
    """
    data = _read(path)
    applications: list[Application] = []
    defaults: list[int] = []
    for line, cells in _records(_text(data, path), path):
        try:
            default = _decode("status", cells["status"], STATUS)
            application = {field.name: _value(field, cells[field.name]) for field in FIELDS}
        except InvalidApplication as error:
            where = f"line {line} of {path}, column '{error.field}'"
            raise DataRefused(f"Expected {error.expected}, got {error.got} - at {where}.") from None
        if default is not None:
            applications.append(application)
            defaults.append(default)
    if not applications:
        raise DataRefused(f"Expected applications of known status, got none - at {path}.")
    origin = {"source": path.name, "sha256": hashlib.sha256(data).hexdigest()}
    return Dataset(applications, np.array(defaults, dtype=np.uint8), origin)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataRefused(
            f"Expected a readable file, got '{error.strerror}' - at {path}."
        ) from error


def _text(data: bytes, path: Path) -> str:
    try:
        # Spreadsheets begin a UTF-8 file with a byte order mark: keep it out of the first column.
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataRefused(
            f"Expected UTF-8 text, got byte 0x{data[error.start]:02x} - at line {line} of {path}. "
            "Save the file as CSV in UTF-8."
        ) from error


def _records(text: str, path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and cells by column name in lower case; empty lines are skipped."""
    reader = csv.reader(StringIO(text, newline=""), strict=True)
    try:
        names = [name.strip().lower() for name in next(reader, [])]
        _check_header(names, path)
        for cells in filter(None, reader):
            if len(cells) != len(names):
                raise DataRefused(
                    f"Expected {len(names)} cells, got {len(cells)} - "
                    f"at line {reader.line_num} of {path}."
                )
            yield reader.line_num, dict(zip(names, cells, strict=True))
    except csv.Error as error:
        raise DataRefused(
            f"Expected CSV, got '{error}' - at line {reader.line_num} of {path}."
        ) from error


def _check_header(names: list[str], path: Path) -> None:
    if not names:
        raise DataRefused(f"Expected a line of column names, got an empty file - at {path}.")
    for name in ("status", *(field.name for field in FIELDS)):
        if names.count(name) != 1:
            got = "it twice" if name in names else "only " + ", ".join(map(repr, names))[:200]
            raise DataRefused(f"Expected a column '{name}', got {got} - at line 1 of {path}.")


def _value(field: Field, cell: str) -> Any:
    """What a cell means for a field; None where the number was not given."""
    if field.categories:
        return _decode(field.name, cell, CODES[field.name])
    number = _number(field.name, cell)
    if field.nullable and number == MISSING:
        return None
    field.check(number)
    # The course's columns of these fields are floats, since it marks a missing value by NaN.
    return float(number) if field.nullable else number


def _decode(name: str, cell: str, meaning: Mapping[int, Any]) -> Any:
    code = _number(name, cell)
    if code not in meaning:
        codes = ", ".join(map(str, meaning))
        raise InvalidApplication(f"one of the codes {codes}", repr(cell), name)
    return meaning[int(code)]


def _number(name: str, cell: str) -> int | float:
    try:
        return float(cell) if "." in cell else int(cell)
    except ValueError:
        raise InvalidApplication("a number", repr(cell), name) from None
