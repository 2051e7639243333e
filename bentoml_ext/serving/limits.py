"""Limits: how long a body may be, and what becomes of one that does not come whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Final, NamedTuple, TypeAlias

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bentoml_ext.internals import observation
from bentoml_ext.serving.headers import Headers

__all__ = ["GONE", "MAX_APPLICATION_BYTES", "MAX_BATCH_BYTES", "BodyLimit", "Limit", "declared"]

GONE: Final = 499
"""nginx's status of a client that went away: only the metrics show it."""

MAX_APPLICATION_BYTES: Final = 1024 * 1024
"""Upper limit of one application, and of a line of NDJSON."""

MAX_BATCH_BYTES: Final = 16 * 1024 * 1024
"""Upper limit of a JSON array: 10 000 applications take 2 MB."""


class Limit(NamedTuple):
    """Upper limit of the bodies of one route.

    Args:
        size: bytes.
        way_out: what the client does about a longer one.
    """

    size: int
    way_out: str


Limits: TypeAlias = Callable[[Scope], Limit | None]


class BodyLimit:
    """ASGI middleware: 413 to a body that is too long, unread if its head gives the length.

    A client that leaves before its body is whole gets no answer; it is counted as 499.

    Args:
        app: the application.
        limits: what a request may have; None where the application sees to that.
    """

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self.app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        limit = self._limits(scope) if scope["type"] == "http" else None
        if limit is None:
            await self.app(scope, receive, send)
            return
        if declared(scope["headers"]) > limit.size:
            await _too_large(limit)(scope, receive, send)
            return
        body = _Body(limit.size, receive, send)
        try:
            await self.app(scope, body.receive, body.send)
        except ClientDisconnect:
            if not body.cut:
                raise
        if body.cut and not body.answered:
            answer = Response(status_code=GONE) if body.left else _too_large(limit)
            await answer(scope, receive, send)


class _Body:
    """A body as the application reads it."""

    def __init__(self, limit: int, receive: Receive, send: Send) -> None:
        self._limit = limit
        self._receive, self._send = receive, send
        self._size = 0
        self._whole = False
        self.left = False
        # Whether it has ended before it was whole: what the application says of it is not sent.
        self.cut = False
        self.answered = False

    async def receive(self) -> Message:
        if self.cut:
            return {"type": "http.disconnect"}
        message = await self._receive()
        if message["type"] != "http.request":
            self.left = self.cut = not self._whole
            return message
        self._size += len(message.get("body", b""))
        self._whole = not message.get("more_body")
        if self._size > self._limit:
            self.cut = True
            return {"type": "http.disconnect"}
        return message

    async def send(self, message: Message) -> None:
        if self.answered or not self.cut:
            self.answered = True
            await self._send(message)


def declared(headers: Headers) -> int:
    """Length of a body in bytes by its head; 0 if the head does not give it."""
    for name, value in headers:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0


def _too_large(limit: Limit) -> Response:
    message = (
        f"Expected at most {limit.size} bytes, got more - at the request's body. {limit.way_out}."
    )
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    headers = observation.answer_headers()
    return Response(json.dumps({"error": message}), status, headers, "application/json")
