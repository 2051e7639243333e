"""The server's end of a connection, its client in memory: every octet comes when a test says."""

from __future__ import annotations

import asyncio
import re
from copy import copy
from typing import Any

import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from bentoml_ext.serving.fastpath.endpoint import Body, Endpoint
from bentoml_ext.serving.fastpath.middleware import FastPath
from bentoml_ext.serving.fastpath.protocol import Connection

__all__ = ["KEEP_ALIVE_S", "Client", "Pipe", "Wraps", "specification"]

KEEP_ALIVE_S = 5


class Wraps:
    """A handler that puts a body into brackets, and forwards a body with an x."""

    def __init__(self) -> None:
        self.at_once_calls: list[int] = []

    def at_once(self, requests: list[bytes]) -> list[Body]:
        self.at_once_calls.append(len(requests))
        return [wrapped(request) for request in requests]

    async def answer(self, request: bytes) -> Body:
        await asyncio.sleep(0)
        return wrapped(request)


def wrapped(request: bytes) -> Body:
    if b"!" in request:
        raise RuntimeError("not for me")
    # An empty body too, for which no real handler has an answer.
    return None if b"x" in request else b"[%b]" % request


async def specification(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers every forwarded request; one path at once, and the rest when the body is whole."""
    body, more = b"", scope["path"] != "/soon"
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return
        body, more = body + message["body"], message["more_body"]
    answer = b"%b of %d" % (scope["path"].encode(), len(body))
    headers = [(b"content-length", b"%d" % len(answer))]
    await send({"type": "http.response.start", "status": 202, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


class Pipe(asyncio.Transport):
    """A transport in memory: keeps what is written, and gives what is sent when it is read."""

    def __init__(self) -> None:
        super().__init__()
        self.protocol: Any = None
        self.written = b""
        self.lost = False
        self._closing = False
        self._paused = False
        self._coming: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview[int]) -> None:
        # As uvloop's: what is written while it closes is lost, and after that it is an error.
        if self.lost:
            raise RuntimeError("the handler is closed")
        if not self._closing:
            self.written += bytes(data)

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            asyncio.get_running_loop().call_soon(self.lose, None)

    def abort(self) -> None:
        self.close()

    def lose(self, error: Exception | None) -> None:
        if not self.lost:
            self._closing = self.lost = True
            self.protocol.connection_lost(error)

    def end(self) -> None:
        """The client sends no more."""
        if not self.protocol.eof_received():
            self.close()

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        self._paused = False
        asyncio.get_running_loop().call_soon(self._give)

    def send(self, data: bytes) -> None:
        # A transport gives no empty data; h11 takes them for the end.
        if data:
            self._coming.append(data)
        self._give()

    def _give(self) -> None:
        while self._coming and not self._paused and not self._closing:
            self.protocol.data_received(self._coming.pop(0))


class Client:
    """A connection, its routes open, and the server's end of it as `uvicorn` makes it."""

    def __init__(
        self,
        kind: type[HttpToolsProtocol] | type[H11Protocol] = Connection,
        at_a_time: int = 1,
        **options: Any,
    ) -> None:
        self.handler = Wraps()
        self.limit = asyncio.Semaphore(at_a_time)
        app = FastPath(specification, None)
        route = Endpoint(self.handler, [(b"x-backend", b"onnx")], None)
        app.open({"/wrap": route, "/classify": route}, self.limit)
        options = {"access_log": False, "timeout_keep_alive": KEEP_ALIVE_S, **options}
        config = uvicorn.Config(app, http=kind, lifespan="off", log_config=None, **options)
        config.load()
        self.config = config
        self.state = ServerState()
        self.state.default_headers = [(b"date", b"today")]
        self._connect(kind)

    def beside(self) -> Client:
        """Another connection to the same server."""
        other = copy(self)
        other._connect(type(self.server))
        return other

    def _connect(self, kind: type[Any]) -> None:
        self.pipe = Pipe()
        self.server = kind(config=self.config, server_state=self.state, app_state={})
        self.pipe.protocol = self.server
        self.server.connection_made(self.pipe)

    async def send(self, *parts: bytes, rounds: int = 100) -> bytes:
        """What has been answered to these, sent so many rounds of the event loop apart."""
        for part in parts:
            self.pipe.send(part)
            for _ in range(rounds):
                await asyncio.sleep(0)
        await self.settled()
        return self.answered

    async def settled(self) -> None:
        """When all is worked off: a request of uvicorn's takes some rounds of the event loop."""
        idle = 0
        for _ in range(100):
            await asyncio.sleep(0)
            # Between two tasks, the transport reads on or the micro batcher answers.
            idle = 0 if self.state.tasks else idle + 1
            if idle == 5:
                return

    @property
    def answered(self) -> bytes:
        return re.sub(rb"(x-bentoml-request-id: )[0-9a-f]{16}", rb"\1id", self.pipe.written)
