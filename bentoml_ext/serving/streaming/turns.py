"""Turns: which of the uploads in progress work, and which hold much; the others wait."""

from __future__ import annotations

from threading import Lock, Semaphore

__all__ = ["AT_ONCE", "LARGE_BYTES", "READERS", "STALL_BYTES", "STALL_S", "Turns"]

AT_ONCE = 4
"""Uploads that work, and as many that hold more than `LARGE_BYTES`."""

READERS = 48
"""Uploads that are read at a time; each holds a thread, which mostly waits for its client."""

LARGE_BYTES = 8 * 1024 * 1024
"""Of a record batch, or of all dictionaries: what writers of streams make is smaller."""

STALL_S = 2.0
STALL_BYTES = 64 * 1024
"""A large upload of which no more comes in so many seconds is ended, if another waits for its turn:
at that rate its time would be over long before it."""


class Turns:
    """Who waits for a client gives its turn away: so a client that stalls stops nobody."""

    def __init__(self) -> None:
        self.working = Semaphore(AT_ONCE)
        self.large = Semaphore(AT_ONCE)
        self.wanted = 0
        self._lock = Lock()

    def want(self, more: int) -> None:
        """So many more uploads wait to hold much."""
        with self._lock:
            self.wanted += more
