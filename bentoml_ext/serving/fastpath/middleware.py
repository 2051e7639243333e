"""Middleware: answers simple requests to the fast routes in front of BentoML.

It knows HTTP and nothing of the answers. A request that is not simple is forwarded untouched, its
body replayed. BentoML's own path is the specification: every error comes from there, except the
504 of a request whose time runs out in the fast path. The micro batcher has answered most requests
before. The middleware sees the others: for example a body that arrived in parts, or a long one.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import nullcontext
from time import perf_counter
from typing import TYPE_CHECKING, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bentoml_ext.serving.fastpath.endpoint import Endpoint
from bentoml_ext.serving.fastpath.micro_batch import MicroBatcher
from bentoml_ext.serving.fastpath.request_head import is_json
from bentoml_ext.serving.headers import Headers
from bentoml_ext.serving.limits import declared
from bentoml_ext.serving.timeout import DEADLINE, too_late

if TYPE_CHECKING:
    from bentoml_ext.serving.fastpath.observing import Observer, Seen

__all__ = ["SAMPLED", "FastPath"]

SAMPLED: Final = "bentoml_ext.sampled"
"""Key of a scope: whether its trace is sampled, if that has been decided before."""


class FastPath:
    """ASGI application in front of `app`.

    Args:
        app: BentoML's application.
        timeout_s: seconds until a request gets a 504; None for no limit.
        scrape: path of the metrics; every count reaches Prometheus before it is answered.
    """

    def __init__(self, app: ASGIApp, timeout_s: float | None, scrape: str = "/metrics") -> None:
        self.app = app
        self.scrape = scrape
        self.timeout_s = timeout_s
        self.batcher = MicroBatcher()
        self._endpoints: dict[str, Endpoint] = {}
        self._observer: Observer | None = None
        self._concurrency: asyncio.Semaphore | None = None

    def open(
        self,
        endpoints: dict[str, Endpoint],
        concurrency: asyncio.Semaphore | None = None,
        observer: Observer | None = None,
    ) -> None:
        """Begin to answer; until then every request is forwarded.

        Args:
            endpoints: by path.
            concurrency: BentoML's limit, to be held while a request is answered.
            observer: of each request; None where nothing is observed.
        """
        self._endpoints = endpoints
        self._concurrency = concurrency
        self._observer = observer
        if observer is not None:
            from bentoml_ext.serving.fastpath.observed_batch import ObservedBatcher

            self.batcher = ObservedBatcher(observer)
        self.batcher.open(endpoints, concurrency)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            endpoint = self._endpoints.get(scope["path"])
            if endpoint is not None and self._may_answer(scope):
                await self._answer(endpoint, scope, receive, send)
                return
            if scope["path"] == self.scrape:
                self.flush()
        await self.app(scope, receive, send)

    def flush(self) -> None:
        """Bring every count to Prometheus."""
        for endpoint in self._endpoints.values():
            endpoint.flush()

    def _may_answer(self, scope: Scope) -> bool:
        return (
            scope["method"] == "POST"
            and not scope["query_string"]
            and is_json(scope["headers"])
            and (self._concurrency is None or not self._concurrency.locked())
        )

    async def _answer(self, endpoint: Endpoint, scope: Scope, receive: Receive, send: Send) -> None:
        if declared(scope["headers"]) > endpoint.max_bytes:
            await self.app(scope, receive, send)
            return
        began = perf_counter()
        seen = self._see(scope)
        if scope.get(SAMPLED):
            await self.app(scope, receive, send)
            return
        messages: list[Message] = []
        # BentoML names each answer by a random id.
        request_id = random.getrandbits(64)
        with endpoint.in_progress():
            answer = await self._in_time(endpoint, scope, receive, messages, request_id)
        if answer is None:
            await self.app(scope, _replay(messages, receive), send)
            return
        status, headers, body = answer
        seconds = perf_counter() - began
        endpoint.count(seconds, status)
        span = None
        if self._observer is not None and seen is not None:
            span = self._observer.trace_of(seen, request_id)
            if status == 200:
                headers = [*headers, *self._observer.headers(seen, span)]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        if self._observer is not None and seen is not None and span is not None:
            caller = (scope.get("client"), scope["scheme"])
            self._observer.log(caller, seen, span, (status, headers), seconds)
            self._observer.flush()

    def _see(self, scope: Scope) -> Seen | None:
        """What the head of a request means for observing; decides whether it is sampled."""
        if self._observer is None:
            return None
        seen = self._observer.see(scope["path"], scope["headers"])
        decided = scope.setdefault(SAMPLED, self._observer.samples(seen.parent))
        self._observer.decide(decided)
        return seen

    async def _in_time(
        self,
        endpoint: Endpoint,
        scope: Scope,
        receive: Receive,
        messages: list[Message],
        request_id: int,
    ) -> tuple[int, Headers, bytes] | None:
        """Status, headers and body; 504 when the time is over; None to forward the request."""
        if self.timeout_s is not None:
            # A forwarded request keeps its deadline.
            scope[DEADLINE] = asyncio.get_running_loop().time() + self.timeout_s
        try:
            async with asyncio.timeout_at(scope.get(DEADLINE)), self._concurrency or nullcontext():
                request = await _read(receive, messages, endpoint.max_bytes)
                found = None if request is None else await endpoint.answer(request)
        except TimeoutError:
            if self.timeout_s is None:
                raise
            late = too_late(self.timeout_s)
            return late.status_code, late.raw_headers, bytes(late.body)
        if found is None:
            return None
        length = (b"content-length", b"%d" % len(found))
        name = (b"x-bentoml-request-id", b"%016x" % request_id)
        return 200, [*endpoint.headers_of(found), length, name], found


async def _read(receive: Receive, messages: list[Message], max_bytes: int) -> bytes | None:
    """The body, or None if it is too long or the client has gone; `messages` keeps what came."""
    size = 0
    while True:
        messages.append(message := await receive())
        if message["type"] != "http.request":
            return None
        size += len(message.get("body", b""))
        if size > max_bytes:
            return None
        if not message.get("more_body"):
            return b"".join(message.get("body", b"") for message in messages)


def _replay(messages: list[Message], receive: Receive) -> Receive:
    """A `receive` that repeats these messages, then goes on with the real one."""
    left = list(reversed(messages))

    async def again() -> Message:
        return left.pop() if left else await receive()

    return again
