"""Timed: the margins of one application by each backend, and the time that a call takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np

from bentoml_ext.backends.base import Backend
from bentoml_ext.decisions.base import Decider, no_answer
from bentoml_ext.decisions.float_text import shortest

if TYPE_CHECKING:
    from bentoml_ext.arrays import Margins, Rows
    from bentoml_ext.scoring.opening import Opened
    from bentoml_ext.scoring.scorer import Scorer

__all__ = ["scored_by_each"]

ROUNDS: Final = 50
FEW: Final = 10
BUDGET_S: Final = 0.004
"""For each backend; a slower one is timed `FEW` times, and one slower still once."""
WARM: Final = 3
"""Calls before those that are timed."""


def scored_by_each(scorer: Scorer, opened: Sequence[Opened], application: Any) -> dict[str, Any]:
    """What each backend makes of an application that passed the encoder's check.

    Raises:
        InvalidApplication: it has no answer.
    """
    row = scorer.encoder.rows([application])
    serving = {one.name for one in scorer.backend.members}
    ready = {one.name: one.backend for one in opened if one.backend is not None}
    margins = {name: backend.margins(row) for name, backend in ready.items()}
    batches = {name: found.tobytes() for name, found in margins.items()}
    times = _seconds([_single(ready[name], row, found) for name, found in margins.items()])
    bits = {name: found.tobytes() for name, found in margins.items()}
    told = {
        name: _words(scorer.decider, found)
        | {"serves": name in serving, "us": 1e6 * median(taken), "calls": len(taken)}
        for (name, found), taken in zip(margins.items(), times, strict=True)
    }
    return {
        "equal": len({*bits.values(), *batches.values()}) == 1,
        "backends": [
            {"name": one.name, "why_not": one.why_not} | told.get(one.name, {}) for one in opened
        ],
    }


def _single(backend: Backend, row: Rows, margins: Margins) -> Callable[[], None]:
    """The way of a single request: `margins` is filled anew."""
    return backend.single(row, margins)


def _words(decider: Decider, margins: Margins) -> dict[str, Any]:
    if decider.lost(margins).any():
        raise no_answer()
    return {
        "margins": [shortest(margin) for margin in margins[0].tolist()],
        "bits": [f"{word:08x}" for word in margins[0].view(np.uint32).tolist()],
        "answer": msgspec.Raw(decider.body(margins)),
    }


def _seconds(calls: Sequence[Callable[[], None]]) -> list[list[float]]:
    """Seconds of each call, in turns, so that a slow moment is slow for all of them."""
    taken: list[list[float]] = [[] for _ in calls]
    for call in calls:
        for _ in range(WARM):
            call()
    start = time.perf_counter()
    for done in range(1, ROUNDS + 1):
        for call, seconds in zip(calls, taken, strict=True):
            seconds.append(_of(call))
        over = (time.perf_counter() - start) / (BUDGET_S * len(calls))
        if over > (1 if done >= FEW else FEW):
            break
        # The event loop, which answers the requests, goes first.
        time.sleep(0)
    return taken


def _of(call: Callable[[], None]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
