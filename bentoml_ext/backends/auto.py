"""Auto backend: hands each call to the backend that is fastest for as many rows."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Callable, Mapping
from typing import Any

from bentoml_ext.arrays import Margins, Rows
from bentoml_ext.backends.base import Backend
from bentoml_ext.backends.crossover import Crossover
from bentoml_ext.backends.registry import AUTO
from bentoml_ext.backends.timing import measure

__all__ = ["AutoBackend"]


class AutoBackend(Backend):
    """Several backends with the same bits, and a table that picks one by the number of rows.

    Args:
        backends: by name.
        crossover: the table; names some of them.
        measured_s: seconds that it took to measure it, or None if it was set.
    """

    name = AUTO
    filename = ""

    def __init__(
        self,
        backends: Mapping[str, Backend],
        crossover: Crossover,
        measured_s: float | None = None,
    ) -> None:
        self._members = tuple(backends.values())
        self._asked = [backends[name] for _, name in crossover.steps]
        self._limits = [rows for rows, _ in crossover.steps[1:]]
        self._crossover, self._measured_s = crossover, measured_s

    @classmethod
    def measured(cls, backends: Mapping[str, Backend], rows: Rows) -> AutoBackend:
        """The backends, each asked for the numbers of rows at which it is the fastest here.

        Args:
            backends: by name; at least one.
            rows: float32, (n, n_features): rows to time them on.
        """
        start = time.perf_counter()
        crossover = Crossover.cheapest(measure(backends, rows))
        return cls(backends, crossover, time.perf_counter() - start)

    @property
    def members(self) -> tuple[Backend, ...]:
        return self._members

    def for_rows(self, rows: int) -> Backend:
        return self._asked[bisect_right(self._limits, rows)]

    def margins(self, rows: Rows) -> Margins:
        return self.for_rows(len(rows)).margins(rows)

    def single(self, row: Rows, margins: Margins) -> Callable[[], None]:
        return self._asked[0].single(row, margins)

    def __str__(self) -> str:
        found = "set" if self._measured_s is None else f"measured in {self._measured_s:.2f} s"
        return f"{self.name} ({self._crossover}, {found})"

    def describe(self) -> dict[str, Any]:
        found = "set" if self._measured_s is None else "measured"
        steps = [{"from_rows": rows, "backend": name} for rows, name in self._crossover.steps]
        return {"crossover": {"found": found, "seconds": self._measured_s, "steps": steps}}
