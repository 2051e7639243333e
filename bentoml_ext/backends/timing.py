"""Timing: the cost of calls of backends on this machine, measured in a bounded time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from bentoml_ext.arrays import Rows
from bentoml_ext.backends.base import Backend
from bentoml_ext.backends.crossover import Cost

__all__ = ["measure"]

FEW, MANY = 2, 512
"""Rows of the two calls through which the line is drawn."""

BUDGET_S = 0.1
"""For each backend; only the round that is under way may go beyond."""


def measure(backends: Mapping[str, Backend], rows: Rows) -> dict[str, Cost]:
    """The cost of each backend, by its name.

    Args:
        backends: ready to score.
        rows: what to score, over and over where they are fewer than a call takes.
    """
    few, many = (np.resize(rows, (n, rows.shape[1])) for n in (FEW, MANY))
    calls: dict[str, list[Callable[[], object]]] = {
        name: [
            backend.single(few[:1], backend.margins(few[:1])),
            partial(backend.margins, few),
            partial(backend.margins, many),
        ]
        for name, backend in backends.items()
    }
    least = {name: [math.inf] * 3 for name in backends}
    end = time.perf_counter() + BUDGET_S * len(backends)
    # In turns: a machine that is slow for a while is then slow for all of them. The processor does
    # not learn the way of these rows through one model's trees, which halves its time.
    while True:
        for name in backends:
            least[name] = list(map(min, least[name], map(_seconds, calls[name])))
        if time.perf_counter() > end:
            return {name: _cost(*times) for name, times in least.items()}


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _cost(one_s: float, few_s: float, many_s: float) -> Cost:
    row_s = (many_s - few_s) / (MANY - FEW)
    return Cost(one_s, few_s - FEW * row_s, row_s)
