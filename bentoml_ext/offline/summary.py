"""Summary: the counts of a run of scoring."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Final

import msgspec

__all__ = ["Summary"]

ADDED: Final = (
    *("rows", "scored", "rejected", "parts"),
    *("read_s", "encode_s", "predict_s", "write_s"),
)


@dataclass
class Summary:
    """Counts and times of one run; `rows` is `scored` and `rejected` together.

    Args:
        model: tag.
        backend: name.
        output: where the answers are, in words.
        workers: how many scored at a time.
        rows: applications that were read.
        scored: those that got an answer.
        rejected: those that must not be scored.
        parts: files that were scored.
        skipped: files that were there already.
        seconds: in all, from the first read to the last file in place.
        read_s, encode_s, predict_s, write_s: of that; encode and predict are sums over workers.
    """

    model: str
    backend: str
    output: str = ""
    workers: int = 1
    rows: int = 0
    scored: int = 0
    rejected: int = 0
    parts: int = 0
    skipped: int = 0
    seconds: float = 0.0
    read_s: float = 0.0
    encode_s: float = 0.0
    predict_s: float = 0.0
    write_s: float = 0.0

    @property
    def rows_per_s(self) -> float:
        """Rows a second in all."""
        return self.rows / self.seconds if self.seconds else 0.0

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Add the time of a block to `what`."""
        start = perf_counter()
        try:
            yield
        finally:
            setattr(self, what, getattr(self, what) + perf_counter() - start)

    def add(self, part: Summary) -> None:
        """Add the counts and times of a part, but for its `seconds`: parts run side by side."""
        for name in ADDED:
            setattr(self, name, getattr(self, name) + getattr(part, name))

    def to_json(self) -> bytes:
        """The summary for programs, with `rows_per_s`."""
        plain = msgspec.to_builtins(self) | {"rows_per_s": self.rows_per_s}
        return msgspec.json.format(msgspec.json.encode(plain), indent=1)
