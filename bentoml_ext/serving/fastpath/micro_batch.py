"""Micro batch: answers simple requests of one turn of the event loop together.

A server makes a scope, a task and two callables of every request, which together cost more than
the model. A request that came whole and has a plain head needs none of them: only its body. All
such requests of one round of the event loop are decoded, scored and worded together when the round
is over: one call then serves them all, and what each step needs is still in the processor's caches
for the next. Nothing waits for more to come.
"""

from __future__ import annotations

import asyncio
import logging
import random
from time import perf_counter
from typing import Protocol
from urllib.parse import quote

from bentoml_ext.serving.fastpath.endpoint import AT_ONCE_BYTES, Endpoint, Named
from bentoml_ext.serving.fastpath.request_head import simple_content_length
from bentoml_ext.serving.headers import Headers

__all__ = ["Caller", "MicroBatcher"]

END = b"\r\n\r\n"
HEAD_BYTES = 2048
HEADS = 1024
"""Heads to remember: a client sends the same again and again, but for the length."""

logger = logging.getLogger("bentoml.fastpath")


class Caller(Protocol):
    """Who has sent a request: a connection, as the micro batcher sees it."""

    @property
    def default_headers(self) -> Headers:
        """Of every answer of the server; another list whenever they change."""
        ...

    def answer(self, octets: bytes) -> None:
        """Write a whole answer."""
        ...

    def forward(self, data: bytes, sampled: bool | None = None) -> None:
        """Let the server make a request of these bytes.

        Args:
            data: all of it.
            sampled: whether its trace is; None where that is not decided.
        """
        ...

    def abort(self) -> None:
        """End it, as its answer has failed."""
        ...


class MicroBatcher:
    """The plain requests of one worker; takes none until it has routes."""

    def __init__(self) -> None:
        self._concurrency: asyncio.Semaphore | None = None
        self._rounds: dict[bytes, PendingBatch] = {}
        self._plain: dict[bytes, tuple[PendingBatch, int]] = {}

    def open(self, routes: dict[str, Endpoint], concurrency: asyncio.Semaphore | None) -> None:
        """Begin to answer.

        Args:
            routes: by path.
            concurrency: BentoML's limit; while it is reached, nothing is taken.
        """
        # A path that is written otherwise in a request is left to who can read it.
        self._rounds = {
            b"POST %b HTTP/1.1" % path.encode(): self.make_batch(route, path)
            for path, route in routes.items()
            if quote(path) == path
        }
        self._concurrency = concurrency

    def make_batch(self, route: Endpoint, path: str) -> PendingBatch:
        """The round of a route."""
        return PendingBatch(route)

    def take(self, caller: Caller, data: bytes) -> bool:
        """Answer at the end of this round of the event loop, if the data are one plain request.

        Args:
            caller: of whom nothing is unfinished.
            data: all that has come.

        Returns:
            Whether it was taken: then the caller is called, once, with an answer, or with the data
            to hand them on.
        """
        # Where there is no end, three octets are left, which are no head.
        end = data.find(END) + len(END)
        head = data[:end]
        plain = self._plain.get(head) or self._read(head)
        if plain is None or len(data) - end != plain[1]:
            return False
        if self._concurrency is not None and self._concurrency.locked():
            return False
        plain[0].add(caller, data, data[end:])
        return True

    def finish(self) -> None:
        """Answer now what was taken in this round."""
        for round_ in self._rounds.values():
            round_.finish()

    def _read(self, head: bytes) -> tuple[PendingBatch, int] | None:
        round_ = self._rounds.get(head.partition(b"\r\n")[0])
        if round_ is None or len(head) > HEAD_BYTES:
            return None
        length = simple_content_length(head)
        if length is None or length > round_.max_bytes:
            return None
        if len(self._plain) == HEADS:
            # All at once: who sends a new head every time gets nothing from remembering.
            self._plain.clear()
        self._plain[head] = round_, length
        return round_, length


class PendingBatch:
    """Requests to one route that have arrived in one round of the event loop."""

    def __init__(self, route: Endpoint) -> None:
        self._route = route
        self.max_bytes = min(AT_ONCE_BYTES, route.max_bytes)
        self._arrived: list[tuple[Caller, bytes, bytes, float]] = []
        self._fixed = b"".join(b"%b: %b\r\n" % header for header in route.headers)
        # A server makes a new list once a second, when the date changes.
        self._defaults: Headers | None = None
        self._head = b""

    def add(self, caller: Caller, data: bytes, body: bytes) -> None:
        """A request that came whole."""
        if not self._arrived:
            asyncio.get_running_loop().call_soon(self.finish)
        self._arrived.append((caller, data, body, perf_counter()))

    def finish(self) -> None:
        """Answer what has arrived."""
        arrived, self._arrived = self._arrived, []
        if not arrived:
            return
        bodies = self._route.at_once([body for _, _, body, _ in arrived])
        ended = perf_counter()
        for (caller, data, _, began), body in zip(arrived, bodies, strict=True):
            try:
                if body is None:
                    caller.forward(data)
                else:
                    caller.answer(self._answer(caller, body))
                    self._route.count(ended - began)
            except Exception:
                # One failure is one caller's: the others still get their own answers.
                logger.exception("An answer could not be sent.")
                caller.abort()

    def _answer(self, caller: Caller, body: bytes) -> bytes:
        if caller.default_headers is not self._defaults:
            self._defaults = caller.default_headers
            lines = b"".join(b"%b: %b\r\n" % header for header in self._defaults)
            self._head = b"HTTP/1.1 200 OK\r\n" + lines + self._fixed
        head = self._head
        if type(body) is Named:
            head += b"x-backend: %b\r\n" % body.backend.encode()
        # BentoML names each answer by a random id.
        return b"%bcontent-length: %d\r\nx-bentoml-request-id: %016x\r\n\r\n%b" % (
            head,
            len(body),
            random.getrandbits(64),
            body,
        )
