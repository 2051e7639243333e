"""Handlers: from the body of a plain request to the body of its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeAlias

import numpy as np

from bentoml_ext.scorer import Scorer

__all__ = ["BatchHandler", "Gatherer"]

Body: TypeAlias = "bytes | None"

ON_LOOP_BYTES = 32 * 1024
"""A batch up to this long, about 150 applications, takes less time than a thread's hand-over."""


class Gatherer:
    """Answers single applications, all that have arrived at once, without waiting for more.

    The requests that came in one round of the event loop are decoded, scored and worded together
    when the round is over. One call then serves them all, and what each step needs is still in the
    processor's caches for the next: a request that is worked off alone between system calls takes
    three times as long as the same work in a loop.

    Args:
        scorer: what scores them.
        capacity: rows of one call at the most.
    """

    prompt = True

    def __init__(self, scorer: Scorer, capacity: int = 256) -> None:
        self._scorer = scorer
        self._capacity = capacity
        self._rows = np.zeros((capacity, scorer.encoder.n_features), np.float32)
        self._octets = self._rows.data.cast("B")
        self._cells = self._octets.cast("f")
        self._arrived: list[tuple[bytes, asyncio.Future[Body]]] = []

    def __call__(self, request: bytes) -> asyncio.Future[Body]:
        """The body of the answer to come in this round, or None to hand the request on."""
        loop = asyncio.get_running_loop()
        if not self._arrived:
            loop.call_soon(self._answer)
        answer: asyncio.Future[Body] = loop.create_future()
        self._arrived.append((request, answer))
        return answer

    def _answer(self) -> None:
        arrived, self._arrived = self._arrived, []
        for start in range(0, len(arrived), self._capacity):
            part = arrived[start : start + self._capacity]
            try:
                bodies = self._bodies([request for request, _ in part])
            except Exception:
                # BentoML's path meets it again, and logs and words it for each of them.
                bodies = [None] * len(part)
            for (_, answer), body in zip(part, bodies, strict=True):
                # A client that has gone has cancelled its own.
                if not answer.done():
                    answer.set_result(body)

    def _bodies(self, requests: list[bytes]) -> list[Body]:
        reader, body = self._scorer.reader, self._scorer.decider.body
        read = [reader.one(request) for request in requests]
        taken = [values for values in read if values is not None]
        if not taken:
            return [None] * len(read)
        if len(taken) == 1:
            margins = [self._scorer.margin(taken[0])]
        else:
            for index, values in enumerate(taken):
                reader.write(values, self._cells, self._octets, index)
            margins = self._scorer.backend.margins(self._rows[: len(taken)]).tolist()
        bodies = map(body, margins)
        return [None if values is None else next(bodies) for values in read]


class BatchHandler:
    """Answers an array of applications, a long one beside the event loop.

    Args:
        scorer: what scores them.
        limit: applications at the most; more are handed on to be refused.
    """

    prompt = False

    def __init__(self, scorer: Scorer, limit: int) -> None:
        self._scorer = scorer
        self._limit = limit
        # One thread: two would only take the GIL from each other and from the event loop.
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="batch")

    def __call__(self, request: bytes) -> bytes | Awaitable[Body] | None:
        if len(request) <= ON_LOOP_BYTES:
            return self.answer(request)
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(self._pool, partial(self.answer, request))

    def answer(self, request: bytes) -> Body:
        """The answers, or None to hand the request on."""
        applications = self._scorer.reader.many(request)
        if applications is None or len(applications) > self._limit:
            return None
        margins = self._scorer.backend.margins(self._scorer.reader.rows(applications))
        return self._scorer.decider.body_of_batch(margins)
