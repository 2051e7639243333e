"""Given: the rows of the trainer's file, as columns of Arrow or as JSON objects."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa

from bentoml_ext.arrays import Ints
from bentoml_ext.encoders.encoder import Application
from bentoml_ext.encoders.field import Field
from bentoml_ext.encoders.strict_json import json_value
from bentoml_ext.errors import InvalidApplication, UnreadableInput

__all__ = ["Columns", "Given", "Objects"]

INTEGER: Final = re.compile(r"[-+]?[0-9]+")
NUMBER: Final = re.compile(
    r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?|[-+]?(nan|inf)", re.I
)
BOOLEANS: Final = {"True": True, "False": False, "true": True, "false": False}


class Given(ABC):
    """Applications and what stands beside them, by row from 0."""

    names: Sequence[str]
    """Of the columns, or of all keys; in order of their first appearance."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def applications(
        self, rows: Ints, fields: Sequence[Field], without: Sequence[str]
    ) -> list[Application]:
        """Some applications as a client would send them.

        Args:
            rows: which.
            fields: of the application: where the file has no types, they say what a text is.
            without: names of the columns outside an application.

        Raises:
            UnreadableInput: a row that is not an application; names it.
        """

    @abstractmethod
    def values(self, name: str) -> pa.ChunkedArray | list[Any]:
        """A column: Arrow's own, or Python's values, None where an object has no such key."""

    @abstractmethod
    def batch(self, start: int, stop: int, names: Sequence[str]) -> pa.RecordBatch | None:
        """Some rows as columns; None where the file holds objects."""

    @property
    def text_numbers(self) -> bool:
        """Whether a number of `batch` is text."""
        return False

    @abstractmethod
    def place(self, row: int) -> str:
        """Where a row stands, in words."""


class Columns(Given):
    """Columns of Arrow.

    Args:
        table: the rows; no name twice.
        line_of: for a file of text, the line of a row, from 1.
    """

    def __init__(self, table: pa.Table, line_of: Callable[[int], int] | None = None) -> None:
        self.table = table
        self.names = table.column_names
        self._line_of = line_of

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @property
    def text_numbers(self) -> bool:
        """Whether all is text, as in CSV."""
        return self._line_of is not None

    def applications(
        self, rows: Ints, fields: Sequence[Field], without: Sequence[str]
    ) -> list[Application]:
        names = [name for name in self.names if name not in without]
        taken = self.table.select(names).take(pa.array(rows, pa.int64()))
        texts = {f.name: f for f in fields} if self.text_numbers else {}
        columns = [_plain(taken.column(name).to_pylist(), texts.get(name)) for name in names]
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]

    def values(self, name: str) -> pa.ChunkedArray:
        return self.table.column(name)

    def batch(self, start: int, stop: int, names: Sequence[str]) -> pa.RecordBatch | None:
        known = [name for name in self.names if name in names]
        part = self.table.select(known).slice(start, stop - start)
        columns = [column.combine_chunks() for column in part.columns]
        return pa.RecordBatch.from_arrays(columns, names=known)

    def place(self, row: int) -> str:
        return f"row {row}" + (f" (line {self._line_of(row)})" if self._line_of else "")


class Objects(Given):
    """JSON objects.

    Args:
        texts: an object each, undecoded, so that a million take the memory of their text.
        lines: of each, from 1; None where they are entries of one array.
    """

    def __init__(self, texts: Sequence[bytes], lines: Sequence[int] | None = None) -> None:
        self._texts, self._lines = texts, lines
        names: dict[str, None] = {}
        for row in range(len(texts)):
            names.update(dict.fromkeys(self._object(row)))
        self.names = list(names)

    def __len__(self) -> int:
        return len(self._texts)

    def applications(
        self, rows: Ints, fields: Sequence[Field], without: Sequence[str]
    ) -> list[Application]:
        return [
            {name: value for name, value in self._object(row).items() if name not in without}
            for row in rows.tolist()
        ]

    def batch(self, start: int, stop: int, names: Sequence[str]) -> None:
        return None

    def values(self, name: str) -> list[Any]:
        return [self._object(row).get(name) for row in range(len(self))]

    def place(self, row: int) -> str:
        return f"row {row}" + (f" (line {self._lines[row]})" if self._lines else "")

    def _object(self, row: int) -> dict[str, Any]:
        try:
            value = json_value(self._texts[row])
        except InvalidApplication as error:
            reason = str(error).rstrip(".")
            raise UnreadableInput(f"{reason} - at {self.place(row)} of the check.") from error
        if not isinstance(value, dict):
            got = type(value).__name__
            raise UnreadableInput(
                f"Expected an object of fields, got {got} - at {self.place(row)} of the check."
            )
        return value


def _plain(values: list[Any], field: Field | None) -> list[Any]:
    """Values as JSON has them; a text of a file without types is what its field takes."""
    if field is None:
        return [float(value) if isinstance(value, Decimal) else value for value in values]
    if field.categories:
        # An empty text is null in such a file, unless training saw it as a category.
        return ["" if value is None and "" in field.categories else value for value in values]
    return [_number(value) for value in values]


def _number(text: str | None) -> Any:
    """The number of a text, or the text itself, which the field refuses by name."""
    if text is None or (value := BOOLEANS.get(stripped := text.strip())) is None:
        if text is None or not NUMBER.fullmatch(stripped):
            return text
        return int(stripped) if INTEGER.fullmatch(stripped) else float(stripped)
    return value
