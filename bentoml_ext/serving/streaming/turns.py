"""Turns: limits the uploads that work, and those that hold much memory; other uploads wait."""

from __future__ import annotations

from threading import Lock, Semaphore

__all__ = ["AT_ONCE", "LARGE_BYTES", "READERS", "STALL_BYTES", "STALL_S", "Turns"]

AT_ONCE = 4
"""Uploads that work, and as many that hold more than `LARGE_BYTES`."""

READERS = 48
"""Uploads that are read at a time; each holds a thread, which mostly waits for its client."""

LARGE_BYTES = 8 * 1024 * 1024
"""Size of a large record batch, or of all its dictionaries: common writers make smaller ones."""

STALL_S = 2.0
STALL_BYTES = 64 * 1024
"""Pace of a large upload: a slower one is ended if another upload waits for its turn. At such a
pace the request would time out anyway."""


class Turns:
    """An upload that waits for its client gives its turn away, so a stalled client stops nobody."""

    def __init__(self) -> None:
        self.working = Semaphore(AT_ONCE)
        self.large = Semaphore(AT_ONCE)
        self.wanted = 0
        self._lock = Lock()

    def want(self, more: int) -> None:
        """Change the number of uploads that wait to hold much memory."""
        with self._lock:
            self.wanted += more
