"""Costs: what a call of a backend takes on this machine, measured in a bounded time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np

from bentoml_ext.arrays import Rows
from bentoml_ext.backends.base import Backend
from bentoml_ext.backends.crossover import Cost

__all__ = ["measure"]

FEW, MANY = 2, 512
"""Rows of the two calls through which the line is drawn."""

BUDGET_S = 0.03
"""For each of the three timings of a backend; only the call that is under way may go beyond."""


def measure(backend: Backend, rows: Rows) -> Cost:
    """The cost of a backend.

    Args:
        backend: ready to score.
        rows: of which as many as a call takes are drawn; a few hundred are enough.
    """
    random = np.random.default_rng(0)

    def draw(n: int) -> Rows:
        # Others in each call: of rows that come again in the same order the processor learns the
        # way through the trees, and scores them in less than half the time.
        return rows[random.integers(len(rows), size=n)]

    row = draw(1)
    single = backend.single(row)

    def refill() -> Rows:
        row[:] = draw(1)
        return row

    # The first call of a library also sets it up.
    backend.margins(draw(FEW))
    few = _least_s(backend.margins, lambda: draw(FEW))
    many = _least_s(backend.margins, lambda: draw(MANY))
    row_s = (many - few) / (MANY - FEW)
    return Cost(_least_s(lambda _: single(), refill), few - FEW * row_s, row_s)


def _least_s(call: Callable[[Rows], object], draw: Callable[[], Rows]) -> float:
    """Seconds of the shortest call: whatever else the machine does can only make it longer."""
    least, end = math.inf, time.perf_counter() + BUDGET_S
    while True:
        rows = draw()
        start = time.perf_counter()
        call(rows)
        now = time.perf_counter()
        least = min(least, now - start)
        if now > end:
            return least
