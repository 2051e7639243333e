"""Quotes: a quotation mark that nobody closes swallows the records that follow it.

Arrow reads them as one cell, without a word. Here the bytes are counted as they pass: with an odd
number of quotation marks, each line must be a record. A backslash before a quotation mark is asked
about: it ends a cell in the CSV of most tools, and belongs to the mark in Spark's, R's and MySQL's.
"""

from __future__ import annotations

import io
import re
from typing import IO, Final

import pyarrow as pa

from bentoml_ext.formats.changed import CHUNK, changed

__all__ = ["Watched", "unescaped", "with_line_feeds"]

MARK: Final = re.compile(rb'\\["\\]|"')
QUOTED: Final = re.compile(rb'"[^"]*"?')


class Watched:
    """Text after its header, and how many quotation marks and lines it has.

    Args:
        file: the text.
        sure: whether the user says how a quotation mark in a cell is written.
    """

    def __init__(self, file: IO[bytes], *, sure: bool = False) -> None:
        self._file = file
        self._sure = sure
        self._quotes = self._lines = 0
        self._inside = self._backslash = False

    def read(self, size: int = -1, /) -> bytes:
        """So many bytes, which are counted."""
        piece = self._file.read(size)
        if not self._sure:
            self._check_backslashes(piece)
        self._quotes += piece.count(b'"')
        self._count(piece)
        return piece

    def check(self, records: int) -> None:
        """Refuse a text with a record that spans lines outside a pair of quotation marks.

        Raises:
            pyarrow.ArrowInvalid: there are more lines than records.
        """
        lines = self._lines + self._inside
        if self._quotes % 2 and records < lines:
            raise pa.ArrowInvalid(
                f"a quotation mark that is not closed: {lines} lines would become {records} records"
            )

    def _check_backslashes(self, piece: bytes) -> None:
        if (self._backslash and piece.startswith(b'"')) or b'\\"' in piece:
            raise pa.ArrowInvalid(
                "a quotation mark behind a backslash, which may end a cell: say "
                "--quotes backslash (Spark, R's write.table, MySQL) or --quotes double (others)"
            )
        self._backslash = piece.endswith(b"\\")

    def _count(self, piece: bytes) -> None:
        """Count the lines that are not blank."""
        if b"\n\n" in piece or b"\n\r" in piece or piece[:1] in (b"\n", b"\r"):
            *ended, last = piece.split(b"\n")
            for line in ended:
                self._lines += self._inside or bool(line.strip(b"\r"))
                self._inside = False
            self._inside |= bool(last.strip(b"\r"))
        else:
            self._lines += piece.count(b"\n")
            self._inside = not piece.endswith(b"\n") if piece else self._inside


def with_line_feeds(text: io.BufferedReader) -> io.BufferedReader:
    """The same text; where lines end in carriage returns alone, as of old Macs, in line feeds."""
    begin = QUOTED.sub(b"", text.peek(CHUNK))
    first = re.search(rb"\r\n?|\n", begin.lstrip(b"\r\n"))
    if first is None or first[0] != b"\r":
        return text
    return changed(text, lambda piece: piece.replace(b"\r", b"\n"))


def unescaped(text: io.BufferedReader) -> io.BufferedReader:
    """The same text; a quotation mark behind a backslash is doubled in the place of it."""
    return changed(text, _Unescape())


class _Unescape:
    """Text of Spark's: within quotation marks, a backslash stands before a mark or a backslash."""

    def __init__(self) -> None:
        self._inside = False

    def __call__(self, piece: bytes) -> bytes:
        return MARK.sub(self._plain, piece)

    def _plain(self, found: re.Match[bytes]) -> bytes:
        mark = found[0]
        if mark == b'"':
            self._inside = not self._inside
        elif self._inside:
            return b'""' if mark.endswith(b'"') else b"\\"
        return mark
