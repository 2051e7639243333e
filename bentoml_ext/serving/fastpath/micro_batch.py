"""Micro batch: answers the simple requests of one event-loop iteration together.

A server makes a scope, a task and two callables for every request; together they cost more than
the model. A request that arrives whole and has a simple head needs only its body. The requests of
one iteration are a batch, decoded, scored and worded when the iteration ends. One call serves the
batch, and the data of each step stay in the processor's caches. No request waits for another.
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
"""Heads to remember: a client repeats its head, except for the content length."""

logger = logging.getLogger("bentoml.fastpath")


class Caller(Protocol):
    """A connection, as the micro batcher sees it."""

    @property
    def default_headers(self) -> Headers:
        """Headers of every answer of the server; a new list whenever they change."""
        ...

    def answer(self, octets: bytes) -> None:
        """Write a whole answer."""
        ...

    def forward(self, data: bytes, sampled: bool | None = None) -> None:
        """Let the server make a request of these bytes.

        Args:
            data: the whole request.
            sampled: whether its trace is sampled; None if that is not decided.
        """
        ...

    def abort(self) -> None:
        """End the connection: its answer has failed."""
        ...


class MicroBatcher:
    """Batches the simple requests of one worker; takes none before `open`."""

    def __init__(self) -> None:
        self._concurrency: asyncio.Semaphore | None = None
        self._batches: dict[bytes, PendingBatch] = {}
        self._simple: dict[bytes, tuple[PendingBatch, int]] = {}

    def open(self, endpoints: dict[str, Endpoint], concurrency: asyncio.Semaphore | None) -> None:
        """Begin to answer.

        Args:
            endpoints: by path.
            concurrency: BentoML's limit; while it is reached, no request is taken.
        """
        # BentoML's router decodes a path; a request whose path needs decoding is forwarded.
        self._batches = {
            b"POST %b HTTP/1.1" % path.encode(): self.make_batch(endpoint, path)
            for path, endpoint in endpoints.items()
            if quote(path) == path
        }
        self._concurrency = concurrency

    def make_batch(self, endpoint: Endpoint, path: str) -> PendingBatch:
        """The batch of an endpoint."""
        return PendingBatch(endpoint)

    def take(self, caller: Caller, data: bytes) -> bool:
        """Answer at the end of this event-loop iteration, if the data are one simple request.

        Args:
            caller: a connection without an unfinished request.
            data: everything that the connection has received.

        Returns:
            Whether the request was taken. If so, one of `caller.answer`, `caller.forward` and
            `caller.abort` is called, once.
        """
        # `find` returns -1 without a blank line; `end` is then 3, and no known head is that short.
        end = data.find(END) + len(END)
        head = data[:end]
        simple = self._simple.get(head) or self._read(head)
        if simple is None or len(data) - end != simple[1]:
            return False
        if self._concurrency is not None and self._concurrency.locked():
            return False
        simple[0].add(caller, data, data[end:])
        return True

    def finish(self) -> None:
        """Answer now every request that was taken in this iteration."""
        for batch in self._batches.values():
            batch.finish()

    def _read(self, head: bytes) -> tuple[PendingBatch, int] | None:
        batch = self._batches.get(head.partition(b"\r\n")[0])
        if batch is None or len(head) > HEAD_BYTES:
            return None
        length = simple_content_length(head)
        if length is None or length > batch.max_bytes:
            return None
        if len(self._simple) == HEADS:
            # A client whose head always differs gains nothing from remembered heads.
            self._simple.clear()
        self._simple[head] = batch, length
        return batch, length


class PendingBatch:
    """Requests to one endpoint that have arrived in one event-loop iteration."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self.max_bytes = min(AT_ONCE_BYTES, endpoint.max_bytes)
        self._arrived: list[tuple[Caller, bytes, bytes, float]] = []
        self._fixed = b"".join(b"%b: %b\r\n" % header for header in endpoint.headers)
        # A server makes a new list once a second, when the date changes.
        self._defaults: Headers | None = None
        self._head = b""

    def add(self, caller: Caller, data: bytes, body: bytes) -> None:
        """Add a request that arrived whole."""
        if not self._arrived:
            asyncio.get_running_loop().call_soon(self.finish)
        self._arrived.append((caller, data, body, perf_counter()))

    def finish(self) -> None:
        """Answer every request of the batch."""
        arrived, self._arrived = self._arrived, []
        if not arrived:
            return
        bodies = self._endpoint.at_once([body for _, _, body, _ in arrived])
        ended = perf_counter()
        for (caller, data, _, began), body in zip(arrived, bodies, strict=True):
            try:
                if body is None:
                    caller.forward(data)
                else:
                    caller.answer(self._answer(caller, body))
                    self._endpoint.count(ended - began)
            except Exception:
                # One failure concerns one caller: every other caller still gets its answer.
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
