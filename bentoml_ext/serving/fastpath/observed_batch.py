"""Observed batch: a micro batch that is traced, has CORS, or writes an access log.

`MicroBatcher` knows nothing of observing, and so pays nothing for it.
"""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import NamedTuple, Protocol

from bentoml_ext.serving.fastpath.endpoint import Endpoint
from bentoml_ext.serving.fastpath.micro_batch import (
    END,
    HEAD_BYTES,
    HEADS,
    Caller,
    MicroBatcher,
    PendingBatch,
    logger,
)
from bentoml_ext.serving.fastpath.observing import Observer, Seen
from bentoml_ext.serving.fastpath.request_head import simple_head
from bentoml_ext.serving.headers import Headers

__all__ = ["ObservedBatcher"]

ID_OCTETS = 16
"""Length of a request's id, which ends the head of an answer."""


class ObservedCaller(Caller, Protocol):
    """A connection, as the observed batcher sees it."""

    @property
    def client(self) -> tuple[str, int] | None:
        """Address and port."""
        ...

    @property
    def scheme(self) -> str:
        """http or https."""
        ...


class Head(NamedTuple):
    """A simple head.

    Args:
        batch: the batch of its endpoint.
        length: bytes of the body that follows.
        seen: what the head means for observing.
        extra: headers for the answer, as bytes to send.
    """

    batch: ObservedBatch
    length: int
    seen: Seen
    extra: bytes


class ObservedBatcher(MicroBatcher):
    """Batches the simple requests of one worker, and observes them.

    Args:
        observer: traces, CORS and access log of the service.
    """

    def __init__(self, observer: Observer) -> None:
        super().__init__()
        self._observer = observer
        self._heads: dict[bytes, Head] = {}

    def make_batch(self, endpoint: Endpoint, path: str) -> PendingBatch:
        """The batch of an endpoint."""
        return ObservedBatch(endpoint, path, self._observer)

    def take(self, caller: ObservedCaller, data: bytes) -> bool:  # type: ignore[override]
        """As `MicroBatcher.take`; a sampled request is forwarded when its batch is answered."""
        end = data.find(END) + len(END)
        found = self._heads.get(data[:end]) or self._look(data[:end])
        if found is None or len(data) - end != found.length:
            return False
        if self._concurrency is not None and self._concurrency.locked():
            return False
        found.batch.add_seen(caller, data, data[end:], found)
        return True

    def _look(self, octets: bytes) -> Head | None:
        batch = self._batches.get(octets.partition(b"\r\n")[0])
        if not isinstance(batch, ObservedBatch) or len(octets) > HEAD_BYTES:
            return None
        simple = simple_head(octets)
        if simple is None or simple[0] > batch.max_bytes:
            return None
        if len(self._heads) == HEADS:
            self._heads.clear()
        seen = self._observer.see(batch.path, simple[1])
        extra = b"".join(b"%b: %b\r\n" % header for header in seen.extra)
        self._heads[octets] = head = Head(batch, simple[0], seen, extra)
        return head


class ObservedBatch(PendingBatch):
    """Requests to one endpoint that have arrived in one event-loop iteration.

    Args:
        endpoint: answers the requests.
        path: path of the endpoint.
        observer: traces, CORS and access log of the service.
    """

    def __init__(self, endpoint: Endpoint, path: str, observer: Observer) -> None:
        super().__init__(endpoint)
        self.path = path
        self._observer = observer
        self._waiting: list[tuple[ObservedCaller, bytes, bytes, float, Head]] = []

    def add_seen(self, caller: ObservedCaller, data: bytes, body: bytes, head: Head) -> None:
        """Add a request that arrived whole."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self.finish)
        self._waiting.append((caller, data, body, perf_counter(), head))

    def finish(self) -> None:
        """Answer every request of the batch; forward the sampled ones."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        sampled = [self._observer.samples(head.seen.parent) for *_, head in waiting]
        bodies = iter(
            self._endpoint.at_once(
                [one[2] for one, is_sampled in zip(waiting, sampled, strict=True) if not is_sampled]
            )
        )
        ended = perf_counter()
        for (caller, data, _, began, head), is_sampled in zip(waiting, sampled, strict=True):
            body = None if is_sampled else next(bodies)
            try:
                if body is None:
                    caller.forward(data, is_sampled)
                else:
                    self._send(caller, body, head, ended - began)
            except Exception:
                # One failure concerns one caller: every other caller still gets its answer.
                logger.exception("An answer could not be sent.")
                caller.abort()
        self._observer.flush()

    def _send(self, caller: ObservedCaller, body: bytes, head: Head, seconds: float) -> None:
        answer = self._answer(caller, body)
        # A head ends with the request's random id, and an empty line.
        end = len(answer) - len(body) - len(END)
        if not self._observer.needs_trace:
            caller.answer(answer[: end + 2] + head.extra + answer[end + 2 :])
            self._endpoint.count(seconds)
            return
        span = self._observer.trace_of(head.seen, int(answer[end - ID_OCTETS : end], 16))
        added = self._observer.headers(head.seen, span)
        extra = b"".join(b"%b: %b\r\n" % header for header in added)
        caller.answer(answer[: end + 2] + extra + answer[end + 2 :])
        self._endpoint.count(seconds)
        headers: Headers = [*self._endpoint.headers, (b"content-length", b"%d" % len(body))]
        where = (caller.client, caller.scheme)
        self._observer.log(where, head.seen, span, (200, headers), seconds)
