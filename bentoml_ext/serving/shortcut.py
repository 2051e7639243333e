"""Shortcut: answers plain requests to hot routes in front of BentoML.

It knows HTTP and nothing of what is answered. Whatever it is not sure of it hands on untouched,
the body replayed: BentoML's own path is the specification, and every error comes from there.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Generator
from contextlib import nullcontext
from functools import partial
from time import perf_counter
from types import CoroutineType, coroutine
from typing import Any, Protocol, TypeAlias

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bentoml_ext.serving.access import AccessLog
from bentoml_ext.serving.onewrite import Headers, OneWrite
from bentoml_ext.serving.tally import Tally
from bentoml_ext.serving.timeout import PromptTimeout

__all__ = ["MAX_BODY_BYTES", "Handler", "Route", "Shortcut"]

MAX_BODY_BYTES = 16 * 1024 * 1024
"""A longer body is BentoML's: 10 000 applications take 2 MB."""

Found: TypeAlias = bytes | Awaitable[bytes | None] | None
"""The body of an answer, the promise of one, or None to hand the request on."""


class Handler(Protocol):
    """Answers the body of a request.

    Args:
        prompt: whether it always promises, and keeps that within a round of the event loop.
    """

    prompt: bool

    def __call__(self, request: bytes, /) -> Found:
        """The answer to a body."""
        ...


JSON = b"application/json"


class Route:
    """A hot route.

    Args:
        handler: what answers it.
        headers: of every answer, but for length and request id.
        tally: counts its answers; None where metrics are off.
    """

    def __init__(self, handler: Handler, headers: Headers, tally: Tally | None) -> None:
        self.prompt = handler.prompt
        self.headers = headers
        self.one_write = OneWrite(headers)
        self.tally = tally
        self._handler = handler

    def find(self, body: bytes) -> Found:
        """The answer, the promise of one, or None."""
        try:
            return self._handler(body)
        except Exception:
            # Whatever it is, BentoML's path meets it too, and logs and words it.
            return None

    async def wait(self, promise: Awaitable[bytes | None]) -> bytes | None:
        """The answer that was promised, or None."""
        if self.tally is not None:
            self.tally.going(1)
        try:
            return await promise
        except Exception:
            return None
        finally:
            if self.tally is not None:
                self.tally.going(-1)


class Shortcut:
    """ASGI application in front of `app`.

    Args:
        app: BentoML's application.
        timeout_s: seconds until a request that has to wait gets a 504; None for no limit.
    """

    def __init__(self, app: ASGIApp, timeout_s: float | None) -> None:
        self.app = app
        self.timeout_s = timeout_s
        self.routes: dict[str, Route] = {}
        self.access_log: AccessLog | None = None
        self.concurrency: asyncio.Semaphore | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self.routes.get(scope["path"]) if scope["type"] == "http" else None
        if route is None or not self._may_answer(scope):
            if scope["type"] == "http" and scope["path"] == "/metrics":
                self.flush()
            await self.app(scope, receive, send)
            return
        # A body that came with its headers is here already: then nothing waits, and so nothing
        # needs a timeout.
        message, receive = _step(receive)
        if message is None or message.get("more_body") or message["type"] != "http.request":
            rest = receive if message is None else _replay([message], receive)
            await self._in_time(partial(self._read, route), scope, rest, send)
            return
        started = perf_counter()
        found: Any = route.find(message["body"])
        if route.prompt and self.concurrency is None and found is not None:
            # Nothing is waited for but the end of this round of the event loop.
            found = await found
        if type(found) is bytes:
            await self._send(route, found, started, scope, send)
        elif found is None:
            await self.app(scope, _replay([message], receive), send)
        else:
            rest = _replay([message], receive)
            await self._in_time(partial(self._wait, route, found, started), scope, rest, send)

    def flush(self) -> None:
        """Bring every count to Prometheus."""
        for route in self.routes.values():
            if route.tally is not None:
                route.tally.flush()

    def _may_answer(self, scope: Scope) -> bool:
        return (
            scope["method"] == "POST"
            and _is_json(scope["headers"])
            and (self.concurrency is None or not self.concurrency.locked())
        )

    async def _in_time(self, work: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        app = work if self.timeout_s is None else PromptTimeout(work, self.timeout_s)
        await app(scope, receive, send)

    async def _read(self, route: Route, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request whose body is not here yet."""
        started, messages, size = perf_counter(), [], 0
        found: Any = None
        async with self.concurrency or nullcontext():
            while True:
                messages.append(message := await receive())
                size += len(message.get("body", b""))
                if message["type"] != "http.request" or size > MAX_BODY_BYTES:
                    break
                if not message.get("more_body"):
                    found = route.find(b"".join(part["body"] for part in messages))
                    break
        await self._wait(route, found, started, scope, _replay(messages, receive), send)

    async def _wait(  # noqa: PLR0917 (bound in front of an ASGI application's three)
        self, route: Route, found: Found, started: float, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Answer when the handler has its answer; `receive` gives the request again."""
        if found is not None and not isinstance(found, bytes):
            async with self.concurrency or nullcontext():
                found = await route.wait(found)
        if found is None:
            await self.app(scope, receive, send)
        else:
            await self._send(route, found, started, scope, send)

    async def _send(
        self, route: Route, body: bytes, started: float, scope: Scope, send: Send
    ) -> None:
        # BentoML names each answer by a random id.
        request_id = b"%016x" % random.getrandbits(64)
        seconds = perf_counter() - started
        if route.tally is not None:
            route.tally.add(seconds)
        if self.access_log is None and route.one_write.answer(send, body, request_id):
            return
        length = (b"content-length", b"%d" % len(body))
        headers = [*route.headers, length, (b"x-bentoml-request-id", request_id)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        if self.access_log is not None:
            self.access_log.write(scope, headers, seconds)


def _is_json(headers: Headers) -> bool:
    for name, value in headers:
        if name == b"content-type":
            return value == JSON or value.startswith(JSON + b";")
    return True


def _step(receive: Receive) -> tuple[Message | None, Receive]:
    """The first message, if it is here already, and a `receive` for what is to come."""
    first = receive()
    if not isinstance(first, CoroutineType):
        return None, _once(first, receive)
    try:
        waiting = first.send(None)
    except StopIteration as arrived:
        return arrived.value, receive
    return None, _once(_go_on(first, waiting), receive)


@coroutine
def _go_on(begun: CoroutineType[Any, Any, Any], waiting: Any) -> Generator[Any, Any, Any]:
    """Await a coroutine that has begun and waits for something."""
    while True:
        try:
            value = yield waiting
        except BaseException as error:
            # A cancellation, say, is the coroutine's to see.
            step = partial(begun.throw, error)
        else:
            step = partial(begun.send, value)
        try:
            waiting = step()
        except StopIteration as ended:
            return ended.value


def _once(first: Awaitable[Message], receive: Receive) -> Receive:
    """A `receive` whose first message is awaited already."""
    left = [first]

    async def again() -> Message:
        return await (left.pop() if left else receive())

    return again


def _replay(messages: list[Message], receive: Receive) -> Receive:
    """A `receive` that gives these messages again, then what is to come."""
    left = list(reversed(messages))

    async def again() -> Message:
        return left.pop() if left else await receive()

    return again
