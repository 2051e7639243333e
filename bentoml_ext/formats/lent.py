"""Lent: a file of Python's in the hands of Arrow's reader of CSV, which reads it in a thread.

The thread releases the file and its buffers a moment after the last records, and needs the GIL for
that. If the process ends in that moment, Python ends the thread. C++ then aborts the process, after
all is written: "terminate called without an active exception".
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Generator, Iterable
from typing import Any, Final, Protocol

import pyarrow as pa

__all__ = ["batches"]

LIMIT_S: Final = 1.0
"""A reader that is given up in the middle may wait for a pipe in which nothing comes."""
LOOK_S: Final = 0.001


class SupportsRead(Protocol):
    """What is read in pieces."""

    def read(self, size: int = -1, /) -> bytes:
        """So many bytes."""


def batches(
    file: SupportsRead, read: Callable[[Any], Iterable[pa.RecordBatch]]
) -> Generator[pa.RecordBatch, None, None]:
    """What is read of a file; ends when the reader has let go of it.

    Args:
        file: to read.
        read: makes the reader of a file.
    """
    loan = _Loan(file)
    lent: weakref.ref[Any] = weakref.ref(loan)
    views = loan.views
    reader = read(loan)
    del loan
    try:
        yield from reader
    finally:
        del reader
        end = time.monotonic() + LIMIT_S
        while any(one() is not None for one in (lent, *views)) and time.monotonic() < end:
            time.sleep(LOOK_S)


class _Loan:
    """As much of a file as Arrow asks for.

    Args:
        file: to read.
    """

    closed = False

    def __init__(self, file: SupportsRead) -> None:
        self._file = file
        self.views: list[weakref.ref[memoryview]] = []

    def readable(self) -> bool:
        """Whether it can be read."""
        return True

    def read(self, size: int = -1, /) -> memoryview:
        """So many bytes, as a view that lives for as long as Arrow needs them."""
        view = memoryview(self._file.read(size))
        # The list stays the same one: `batches` looks at it.
        self.views[:] = [one for one in self.views if one() is not None]
        self.views.append(weakref.ref(view))
        return view
