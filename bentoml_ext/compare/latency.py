"""Latency: how long backends take for one application and for many, in turns on this machine."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, TypeAlias, cast

import msgspec
import numpy as np

from bentoml_ext.arrays import Rows
from bentoml_ext.encoders.json_decoder import Values
from bentoml_ext.scoring.scorer import Scorer

__all__ = ["SIZES", "Latency", "measured"]

SIZES: Final = (1, 8, 64, 512, 4096)
"""Rows of a call; 1 is an application on the way of a request, from JSON to JSON."""

ROUNDS: Final = 5
BUDGET_S: Final = 0.03
"""For a backend and a size in each round."""
FEWEST: Final = 20
"""Calls of a round, however long they take, so that a 99th percentile has a meaning."""

Call: TypeAlias = Callable[[int], object]
"""Of the number of the call: each call scores other rows, as requests do."""


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """The time of calls of one size.

    Args:
        backend: that was timed.
        rows: of a call; 1 is an application on the way of a request, from JSON to JSON.
        calls: that were timed, in `ROUNDS` rounds.
        p50_us, p99_us: percentiles of all calls.
        low_us, high_us: the least and the greatest p50 of a round.
        rows_per_s: by the p50.
    """

    backend: str
    rows: int
    calls: int
    p50_us: float
    p99_us: float
    low_us: float
    high_us: float
    rows_per_s: float


def measured(
    scorers: Mapping[str, Scorer],
    bodies: Sequence[bytes],
    rows: Rows,
    on_step: Callable[[int, int], None] | None = None,
) -> list[Latency]:
    """Time every backend at every size, in turns.

    Args:
        scorers: by name of the backend.
        bodies: applications as JSON that every reader takes.
        rows: what to score, over and over where they are fewer than a call takes.
        on_step: called with the measurements that are done and all that there will be.
    """
    pool = np.resize(rows, (max(len(rows), 2 * SIZES[-1]), rows.shape[1]))
    calls = {
        (name, size): _single(scorer, bodies) if size == 1 else _batch(scorer, pool, size)
        for name, scorer in scorers.items()
        for size in SIZES
    }
    times: dict[tuple[str, int], list[list[float]]] = {key: [] for key in calls}
    steps = ROUNDS * len(calls)
    with _no_collections():
        # In turns, and back in the next round: a machine that is slow for a while is slow for all.
        for round_ in range(ROUNDS):
            for done, key in enumerate(list(calls)[:: 1 if round_ % 2 == 0 else -1], 1):
                times[key].append(_times(calls[key]))
                if on_step is not None:
                    on_step(round_ * len(calls) + done, steps)
    return [_latency(*key, times[key]) for key in calls]


def _single(scorer: Scorer, bodies: Sequence[bytes]) -> Call:
    def call(number: int) -> object:
        values = cast("Values", scorer.reader.one(bodies[number % len(bodies)]))
        return scorer.single(values, scorer.decider.body)

    return call


def _batch(scorer: Scorer, pool: Rows, size: int) -> Call:
    last = len(pool) - size + 1

    def call(number: int) -> object:
        start = number * size % last
        return scorer.backend.margins(pool[start : start + size])

    return call


def _times(call: Call) -> list[float]:
    call(0)
    taken: list[float] = []
    end = time.perf_counter() + BUDGET_S
    while len(taken) < FEWEST or time.perf_counter() < end:
        start = time.perf_counter()
        call(len(taken))
        taken.append(time.perf_counter() - start)
    return taken


def _latency(name: str, size: int, rounds: Sequence[Sequence[float]]) -> Latency:
    every = np.concatenate([np.array(one) for one in rounds]) * 1e6
    middles = [float(np.median(one)) * 1e6 for one in rounds]
    p50, p99 = (float(one) for one in np.percentile(every, [50, 99]))
    return Latency(
        backend=name,
        rows=size,
        calls=len(every),
        p50_us=p50,
        p99_us=p99,
        low_us=min(middles),
        high_us=max(middles),
        rows_per_s=size / p50 * 1e6,
    )


@contextmanager
def _no_collections() -> Iterator[None]:
    """No full garbage collection meanwhile: a server has none of them, either."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
