"""Readable: a binary file, as far as a stream is read from it."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Readable"]


class Readable(Protocol):
    """A binary file, as far as it is needed."""

    def read(self, size: int, /) -> bytes:
        """So many bytes, fewer only at the end."""
        ...
