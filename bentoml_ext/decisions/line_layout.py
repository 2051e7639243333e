"""Line layout: the JSON of answers, of one or of many, as a schema says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
import numpy as np

from bentoml_ext.decisions.base import AnswerSchema, Column, Columns
from bentoml_ext.decisions.checked import Label
from bentoml_ext.decisions.float_text import padded_each

__all__ = ["LineLayout"]

_NUMBER: Final = np.dtype("S20")
_END: Final = "S4"


class LineLayout:
    """JSON of answers: what stands before each value, the values, and what stands after the last.

    Args:
        schema: of the answers.
    """

    def __init__(self, schema: AnswerSchema) -> None:
        self._columns = schema.columns
        *self._openings, self._closing = _fixed(schema)
        self._texts = {
            column.name: [_quoted(value) for value in column.values] for column in schema.columns
        }
        self._padded = {
            name: np.array([text.encode() for text in texts]) for name, texts in self._texts.items()
        }
        self._blank = self._blank_line()

    def text(self, name: str, code: int) -> str:
        """A value of a column of texts, by its code, as JSON."""
        return self._texts[name][code]

    def line(self, values: Sequence[str]) -> str:
        """An answer with these texts of its values, in order."""
        parts = [part for pair in zip(self._openings, values, strict=True) for part in pair]
        return "".join(parts) + self._closing

    def lines(self, columns: Columns, end: bytes) -> bytes:
        """The answers of all rows, in order.

        Args:
            columns: by the names of the schema; numbers are finite.
            end: what follows each answer, at most two bytes.
        """
        first = columns[self._columns[0].name]
        rows = np.full(len(first), self._blank)
        at = 0
        for column in self._columns:
            found = columns[column.name]
            if column.kind == "text":
                rows[f"value{at}"] = self._padded[column.name].take(found)
                at += 1
                continue
            for texts in padded_each(found).reshape(len(found), column.count).T:
                rows[f"value{at}"] = texts
                at += 1
        rows["closing"] = self._closing.encode() + end
        # NUL fills up what is shorter than its field, and JSON text never has one.
        return rows.tobytes().translate(None, b"\0")

    def _blank_line(self) -> np.void:
        """A line with what is the same in all of them."""
        layout, widths = [], list(self._widths())
        fixed = [opening.encode() for opening in self._openings]
        for at, (opening, width) in enumerate(zip(fixed, widths, strict=True)):
            layout += [(f"opening{at}", f"S{len(opening)}"), (f"value{at}", width)]
        layout.append(("closing", f"S{len(self._closing.encode()) + 2}"))
        blank = np.zeros(1, layout)
        for at, opening in enumerate(fixed):
            blank[f"opening{at}"] = opening
        made: np.void = blank[0]
        return made

    def _widths(self) -> Iterator[np.dtype[np.bytes_]]:
        for column in self._columns:
            if column.kind == "text":
                yield self._padded[column.name].dtype
            else:
                yield from [_NUMBER] * column.count


def _fixed(schema: AnswerSchema) -> Iterator[str]:
    """What stands before each value, then what stands after the last."""
    before = "{"
    for column in schema.columns:
        before += f"{_quoted(column.name)}: "
        opening, closing = _around(column)
        for place in range(column.count):
            name = f"{_quoted(column.each[place])}: " if column.each else ""
            yield f"{before}{opening if place == 0 else ''}{name}"
            before = ", "
        before = f"{closing}, "
    yield before.removesuffix(", ") + "}"


def _around(column: Column) -> tuple[str, str]:
    """The brackets of several numbers."""
    if column.kind != "numbers":
        return "", ""
    return ("{", "}") if column.each else ("[", "]")


def _quoted(value: Label) -> str:
    return msgspec.json.encode(value).decode()
