"""Clock: what a contestant says of its own seconds."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["Clock"]


class Clock:
    """Seconds by step, and in all from its making to `write`, without imports and model loading."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = defaultdict(float)
        self._began = time.perf_counter()

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Add what the block takes to a step: read, encode, predict or write."""
        began = time.perf_counter()
        yield
        self._seconds[name] += time.perf_counter() - began

    def write(self, path: Path, rows: int) -> None:
        """Write rows and seconds as `bentoml ext score --json` does.

        Args:
            path: the file; a standard output would be shared with the libraries' own words.
            rows: that were scored.
        """
        written = {"rows": rows, "seconds": time.perf_counter() - self._began}
        steps = {f"{name}_s": seconds for name, seconds in self._seconds.items()}
        path.write_text(json.dumps(written | steps))
