"""Quotes: a quotation mark that nobody closes swallows the records that follow it.

Arrow reads them as one cell, without a word. Here the bytes are counted as they pass: with an odd
number of quotation marks, each line must be a record.
"""

from __future__ import annotations

import io
from typing import IO, Any, Final

import pyarrow as pa

__all__ = ["Watched", "with_line_feeds"]

CHUNK: Final = 256 * 1024


class Watched:
    """Text after its header, and how many quotation marks and lines it has.

    Args:
        file: the text.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._quotes = self._lines = 0
        self._inside = False

    def read(self, size: int = -1, /) -> bytes:
        """So many bytes, which are counted."""
        piece = self._file.read(size)
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
    begin = text.peek(CHUNK)
    if b"\r" not in begin or b"\n" in begin:
        return text
    return io.BufferedReader(_LineFeeds(text), CHUNK)


class _LineFeeds(io.RawIOBase):
    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        piece = self._file.read(len(buffer)).replace(b"\r", b"\n")
        buffer[: len(piece)] = piece
        return len(piece)
