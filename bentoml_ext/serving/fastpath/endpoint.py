"""Endpoint: a fast route, its handler, and the headers of its answers."""

from __future__ import annotations

import logging
import re
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol, TypeAlias

from bentoml_ext.serving.fastpath.metrics import BufferedMetrics
from bentoml_ext.serving.headers import Headers

__all__ = ["AT_ONCE_BYTES", "Body", "Endpoint", "Handler", "Named"]

# BentoML gives this name's parents a handler; ours alone would be silent.
_logger = logging.getLogger("bentoml.fastpath")

AT_ONCE_BYTES = 32 * 1024
"""A batch up to this long, about 150 applications, takes less time than a thread's hand-over."""

Body: TypeAlias = bytes | None
"""The body of a 200, or None to forward the request to BentoML."""


class Named(bytes):
    """The body of a 200, with the name of the backend that scored it."""

    backend: str

    @classmethod
    def of(cls, body: bytes, backend: str) -> Named:
        """The same body, with a backend's name."""
        named = cls(body)
        named.backend = backend
        return named


CONTROL = re.compile(rb"[\x00-\x1f\x7f]")


class Handler(Protocol):
    """Answers the bodies of requests."""

    def at_once(self, requests: list[bytes], /) -> list[Body]:
        """The answers to bodies, in order.

        None for a body that is not simple, or that would hold up the event loop.
        """
        ...

    async def answer(self, request: bytes, /) -> Body:
        """The answer to a body, however long it takes."""
        ...


class Endpoint:
    """A fast route.

    Args:
        handler: answers the bodies.
        headers: of every answer, except length, request id and the backend of a `Named` body.
        metrics: counts the answers; None if metrics are off.
        max_bytes: of a body; a request with a longer one is forwarded, and refused there.

    Raises:
        ValueError: a header that would break the head of an answer.
    """

    def __init__(
        self,
        handler: Handler,
        headers: Headers,
        metrics: BufferedMetrics | None,
        max_bytes: int = 16 * 1024 * 1024,
    ) -> None:
        for name, value in headers:
            if CONTROL.search(name + value):
                raise ValueError(f"Expected a header, got {name!r}: {value!r}.")
        self.headers = headers
        self.max_bytes = max_bytes
        self._handler = handler
        self._metrics = metrics

    def at_once(self, requests: list[bytes]) -> list[Body]:
        """The answers that need no waiting, in order; None to forward a request."""
        try:
            return self._handler.at_once(requests)
        except Exception:
            # Each request may succeed alone on BentoML's path: only this log shows the error.
            _logger.exception("%d requests could not be answered together.", len(requests))
            return [None] * len(requests)

    async def answer(self, request: bytes) -> Body:
        """The answer, or None to forward the request."""
        try:
            return await self._handler.answer(request)
        except Exception:
            # BentoML's path meets the same error, logs it and answers it.
            return None

    def headers_of(self, body: bytes) -> Headers:
        """The headers of one answer, except length and request id."""
        if isinstance(body, Named):
            return [*self.headers, (b"x-backend", body.backend.encode())]
        return self.headers

    def in_progress(self) -> AbstractContextManager[object]:
        """A block in which one more request is in progress."""
        return nullcontext() if self._metrics is None else self._metrics.in_progress()

    def count(self, seconds: float, status: int = 200) -> None:
        """Count an answer that took so long."""
        if self._metrics is not None:
            if status == 200:
                self._metrics.add(seconds)
            else:
                self._metrics.observe(status, seconds)

    def flush(self) -> None:
        """Bring every count to Prometheus."""
        if self._metrics is not None:
            self._metrics.flush()
