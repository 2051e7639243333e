"""Handlers: from the bodies of simple requests to the bodies of their answers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate

import numpy as np

from bentoml_ext.decisions.base import array_of
from bentoml_ext.errors import InvalidApplication
from bentoml_ext.scoring.scorer import Scorer
from bentoml_ext.serving.fastpath.endpoint import AT_ONCE_BYTES, Body, Named

__all__ = ["BatchHandler", "SingleHandler"]


class SingleHandler:
    """Answers single applications, many of them with one call.

    Args:
        scorer: scores the applications.
        capacity: most rows of one call.
    """

    def __init__(self, scorer: Scorer, capacity: int = 256) -> None:
        self._scorer = scorer
        self._capacity = capacity
        self._is_mixed = len(scorer.backend.members) > 1
        self._rows = np.zeros((capacity, scorer.encoder.n_features), np.float32)
        self._octets = self._rows.data.cast("B")
        self._cells = self._octets.cast("f")

    def at_once(self, requests: list[bytes]) -> list[Body]:
        """The answers, in order; None to forward a request."""
        bodies: list[Body] = []
        for start in range(0, len(requests), self._capacity):
            bodies += self._bodies(requests[start : start + self._capacity])
        return bodies

    async def answer(self, request: bytes) -> Body:
        """The answer, or None to forward the request."""
        return self._bodies([request])[0]

    def _bodies(self, requests: list[bytes]) -> list[Body]:
        reader, decider = self._scorer.reader, self._scorer.decider
        read = [reader.one(request) for request in requests]
        taken = [values for values in read if values is not None]
        if not taken:
            return [None] * len(read)
        try:
            if len(taken) == 1:
                made = [self._scorer.single(taken[0], decider.body)]
            else:
                for index, values in enumerate(taken):
                    reader.write(values, self._cells, self._octets, index)
                margins = self._scorer.sound_margins(self._rows[: len(taken)])
                made = decider.each(margins)
        except InvalidApplication:
            return [None] * len(read)
        bodies: Iterator[bytes] = iter(made)
        if self._is_mixed:
            backend = self._scorer.backend.for_rows(len(taken)).name
            bodies = (Named.of(one, backend) for one in bodies)
        return [None if values is None else next(bodies) for values in read]


class BatchHandler:
    """Answers arrays of applications, a long one beside the event loop.

    Args:
        scorer: scores the applications.
        limit: most applications of one request; a longer request is forwarded, and refused there.
    """

    def __init__(self, scorer: Scorer, limit: int) -> None:
        self._scorer = scorer
        self._limit = limit
        self._is_mixed = len(scorer.backend.members) > 1
        # Two threads: one reads the next batch while the backend scores without the GIL.
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="batch")

    def at_once(self, requests: list[bytes]) -> list[Body]:
        """The answers, in order, up to `AT_ONCE_BYTES` of bodies; None to forward a request."""
        taken = accumulate(map(len, requests))
        return [
            self._body(request) if size <= AT_ONCE_BYTES else None
            for request, size in zip(requests, taken, strict=True)
        ]

    async def answer(self, request: bytes) -> Body:
        """The answers, or None to forward the request."""
        if len(request) <= AT_ONCE_BYTES:
            return self._body(request)
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._body, request)

    def _body(self, request: bytes) -> Body:
        applications = self._scorer.reader.many(request)
        if applications is None or len(applications) > self._limit:
            return None
        margins = self._scorer.margins_by(self._scorer.reader.rows, applications)
        body = array_of(self._scorer.decider, margins)
        return Named.of(body, self._scorer.scored_by(len(margins))) if self._is_mixed else body
