"""Changed: a text as it is read, changed piece by piece."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import IO, Any, Final

__all__ = ["CHUNK", "REPLACED", "Utf8", "changed"]

CHUNK: Final = 256 * 1024

REPLACED: Final = "\ufffd"
"""What stands for bytes that are not UTF-8."""


def changed(text: IO[bytes], change: Callable[[bytes], bytes]) -> io.BufferedReader:
    """The same text; no piece ends between a backslash and what stands behind it.

    Args:
        text: to read.
        change: called with each piece; with an empty one at the end.
    """
    return io.BufferedReader(_Changed(text, change), CHUNK)


class Utf8:
    """Text in UTF-8, where bytes of another encoding are replaced.

    Arrow calls with a broken line, and must have it as text; a column that nobody asked for may be
    in any encoding.
    """

    def __init__(self) -> None:
        self.found_other = False
        self._left = b""

    def __call__(self, piece: bytes) -> bytes:
        """The piece, but for a letter that is cut at its end, which the next one begins with."""
        if not self._left and piece.isascii():
            return piece
        whole, self._left = self._left + piece, b""
        try:
            whole.decode()
        except UnicodeDecodeError as error:
            if piece and error.end == len(whole) and error.reason == "unexpected end of data":
                self._left = whole[error.start :]
                return whole[: error.start]
            self.found_other = True
            return whole.decode(errors="replace").encode()
        return whole


class _Changed(io.RawIOBase):
    def __init__(self, file: IO[bytes], change: Callable[[bytes], bytes]) -> None:
        self._file = file
        self._change = change
        self._left = b""
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        view = memoryview(buffer)
        while not self._left and not self._ended:
            piece = self._file.read(CHUNK)
            while piece.endswith(b"\\") and (more := self._file.read(1)):
                piece += more
            self._ended = not piece
            self._left = self._change(piece)
        taken, self._left = self._left[: len(view)], self._left[len(view) :]
        view[: len(taken)] = taken
        return len(taken)
