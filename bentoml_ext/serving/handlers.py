"""Handlers: from the body of a plain request to the body of its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeAlias

import numpy as np

from bentoml_ext.reader import Values
from bentoml_ext.scorer import Scorer

__all__ = ["BatchHandler", "Gatherer", "classify_handler"]

Body: TypeAlias = "bytes | None"

ON_LOOP_BYTES = 32 * 1024
"""A batch up to this long, about 150 applications, takes less time than a thread's hand-over."""


def classify_handler(scorer: Scorer) -> Callable[[bytes], bytes | Awaitable[bytes] | None]:
    """Answers one application: at once, or together with the others that have arrived.

    Args:
        scorer: whose backend decides which.
    """
    read, body = scorer.reader.one, scorer.decider.body

    if scorer.backend.gathers:
        gather = Gatherer(scorer).add

        def gathered(request: bytes) -> Awaitable[bytes] | None:
            values = read(request)
            return None if values is None else gather(values)

        return gathered

    margin = scorer.margin

    def at_once(request: bytes) -> bytes | None:
        values = read(request)
        return None if values is None else body(margin(values))

    return at_once


class Gatherer:
    """Scores the applications that have arrived in one call, without waiting for more.

    All requests that came in one round of the event loop add their rows; the call is made when
    the round is over.

    Args:
        scorer: what scores them.
        capacity: rows of one call at the most.
    """

    def __init__(self, scorer: Scorer, capacity: int = 256) -> None:
        self._scorer = scorer
        self._capacity = capacity
        self._rows = np.zeros((capacity, scorer.encoder.n_features), np.float32)
        self._octets = self._rows.data.cast("B")
        self._cells = self._octets.cast("f")
        self._waiting: list[asyncio.Future[bytes]] = []

    def add(self, values: Values) -> asyncio.Future[bytes]:
        """The body of the answer to come."""
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._score)
        index = len(self._waiting)
        self._scorer.reader.write(values, self._cells, self._octets, index)
        answer: asyncio.Future[bytes] = loop.create_future()
        self._waiting.append(answer)
        if index + 1 == self._capacity:
            self._score()
        return answer

    def _score(self) -> None:
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        try:
            margins = self._scorer.backend.margins(self._rows[: len(waiting)])
            answers = map(self._scorer.decider.body, margins.tolist())
        except Exception as error:
            # Each of them must hear of it, or it would wait for ever.
            for answer in waiting:
                if not answer.done():
                    answer.set_exception(error)
            return
        for answer, body in zip(waiting, answers, strict=True):
            # A client that has gone has cancelled its own.
            if not answer.done():
                answer.set_result(body)


class BatchHandler:
    """Answers an array of applications, a long one beside the event loop.

    Args:
        scorer: what scores them.
        limit: applications at the most; more are handed on to be refused.
    """

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
