"""Wire: answers plain requests as their bytes come off the socket, before there is a request.

A server makes a scope, a task and two callables of every request, which together cost more than
the model. A request that came whole and has a plain head needs none of them: only its body. All
such requests of one round of the event loop are decoded, scored and worded together when the round
is over: one call then serves them all, and what each step needs is still in the processor's caches
for the next. Nothing waits for more to come.
"""

from __future__ import annotations

import asyncio
import random
from time import perf_counter
from typing import Protocol

from bentoml_ext.serving.head import plain_length
from bentoml_ext.serving.route import Headers, Route

__all__ = ["Connection", "Wire"]

END = b"\r\n\r\n"
HEAD_BYTES = 2048
HEADS = 1024
"""Heads to remember: a client sends the same again and again, but for the length."""


class Connection(Protocol):
    """A client's connection, as the wire sees it."""

    @property
    def default_headers(self) -> Headers:
        """Of every answer of the server; another list whenever they change."""
        ...

    def answer(self, octets: bytes) -> None:
        """Write a whole answer."""
        ...

    def hand_on(self, data: bytes) -> None:
        """Let the server make a request of these bytes."""
        ...


class Wire:
    """The plain requests of one worker; takes none until it has routes."""

    def __init__(self) -> None:
        self._concurrency: asyncio.Semaphore | None = None
        self._rounds: dict[bytes, Round] = {}
        self._plain: dict[bytes, tuple[Round, int]] = {}

    def open(self, routes: dict[str, Route], concurrency: asyncio.Semaphore | None) -> None:
        """Begin to answer.

        Args:
            routes: by path.
            concurrency: BentoML's limit; while it is reached, nothing is taken.
        """
        self._rounds = {
            b"POST %b HTTP/1.1" % path.encode(): Round(route) for path, route in routes.items()
        }
        self._concurrency = concurrency

    def take(self, connection: Connection, data: bytes) -> bool:
        """Answer at the end of this round of the event loop, if the data are one plain request.

        Args:
            connection: on which nothing is unfinished.
            data: all that has come.

        Returns:
            Whether it was taken: then the connection is called, once, with an answer or with the
            data, to hand them on.
        """
        end = data.find(END) + len(END)
        head = data[:end]
        plain = self._plain.get(head) or self._read(head)
        if plain is None or len(data) - end != plain[1]:
            return False
        if self._concurrency is not None and self._concurrency.locked():
            return False
        plain[0].add(connection, data, data[end:])
        return True

    def answer(self) -> None:
        """Answer now what was taken in this round."""
        for round_ in self._rounds.values():
            round_.answer()

    def _read(self, head: bytes) -> tuple[Round, int] | None:
        round_ = self._rounds.get(head.partition(b"\r\n")[0])
        if round_ is None or len(head) > HEAD_BYTES:
            return None
        length = plain_length(head)
        if length is None:
            return None
        if len(self._plain) == HEADS:
            # All at once: who sends a new head every time gets nothing from remembering.
            self._plain.clear()
        self._plain[head] = round_, length
        return round_, length


class Round:
    """Requests to one route that have arrived in one round of the event loop."""

    def __init__(self, route: Route) -> None:
        self._route = route
        self._arrived: list[tuple[Connection, bytes, bytes, float]] = []
        self._fixed = b"".join(b"%b: %b\r\n" % header for header in route.headers)
        # A server makes a new list once a second, when the date changes.
        self._defaults: Headers | None = None
        self._head = b""

    def add(self, connection: Connection, data: bytes, body: bytes) -> None:
        """A request that came whole."""
        if not self._arrived:
            asyncio.get_running_loop().call_soon(self.answer)
        self._arrived.append((connection, data, body, perf_counter()))

    def answer(self) -> None:
        """Answer what has arrived."""
        arrived, self._arrived = self._arrived, []
        if not arrived:
            return
        bodies = self._route.at_once([body for _, _, body, _ in arrived])
        ended = perf_counter()
        for (connection, data, _, began), body in zip(arrived, bodies, strict=True):
            if body is None:
                connection.hand_on(data)
                continue
            if connection.default_headers is not self._defaults:
                self._defaults = connection.default_headers
                lines = b"".join(b"%b: %b\r\n" % header for header in self._defaults)
                self._head = b"HTTP/1.1 200 OK\r\n" + lines + self._fixed
            # BentoML names each answer by a random id.
            connection.answer(
                b"%bcontent-length: %d\r\nx-bentoml-request-id: %016x\r\n\r\n%b"
                % (self._head, len(body), random.getrandbits(64), body)
            )
            self._route.count(ended - began)
