"""Turns: which of the uploads in progress work, and which hold much; the others wait."""

from __future__ import annotations

from threading import Semaphore

__all__ = ["AT_ONCE", "LARGE_BYTES", "READERS", "Turns"]

AT_ONCE = 4
"""Uploads that work, and as many that hold more than `LARGE_BYTES`."""

READERS = 48
"""Uploads that are read at a time; each holds a thread, which mostly waits for its client."""

LARGE_BYTES = 8 * 1024 * 1024
"""Of a record batch, or of all dictionaries: what writers of streams make is smaller."""


class Turns:
    """Who waits for a client gives its turn away: so a client that stalls stops nobody."""

    def __init__(self) -> None:
        self.working = Semaphore(AT_ONCE)
        self.large = Semaphore(AT_ONCE)
