"""Drain: the time between a worker's SIGTERM and its end, in which no client loses an answer.

A balancer learns late that a server goes down, and a client's connection may carry a request at any
moment. So a worker first says that it is not ready. It goes on to answer, on new connections too,
and closes each connection after its next answer. When the time is over, uvicorn ends as ever.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import Sequence
from http import HTTPStatus
from types import FrameType
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from uvicorn import Server

from bentoml_ext.serving.fastpath.protocol import Connection
from bentoml_ext.serving.processes.supervisor import is_hurried

__all__ = ["Drain"]

CLOSE: Final = (b"connection", b"close")
LOOK_S: Final = 0.05

# BentoML gives this name's parents a handler; ours alone would be silent.
_logger = logging.getLogger("bentoml.classifier")


class Drain:
    """The end of this worker; uvicorn has one server in a process.

    Args:
        seconds: from SIGTERM on until new connections are refused; 0 for none.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._has_begun = False

    def follow(self) -> None:
        """Take SIGTERM from uvicorn's server until the time is over.

        A second SIGTERM changes nothing: a group's processes get one from outside and one from the
        supervisor. SIGINT, to the supervisor or to this process, ends the time at once.
        """
        if threading.current_thread() is not threading.main_thread():
            return
        server: Server | None = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
        if not self._seconds or server is None:
            return
        loop = asyncio.get_running_loop()

        def on_signal(_: int, __: FrameType | None) -> None:
            loop.call_soon_threadsafe(self._begin, server)

        signal.signal(signal.SIGTERM, on_signal)

    def route(self, routes: Sequence[BaseRoute]) -> Route:
        """The route of readiness: BentoML's own answer, and 503 from SIGTERM on.

        Args:
            routes: BentoML's, which have one of that name.
        """
        (asked,) = (one for one in routes if isinstance(one, Route) and one.name == "readyz")
        endpoint: Any = asked.endpoint

        async def readyz(request: Request) -> Response:
            if self._has_begun:
                says = "The server is going down.\n"
                return PlainTextResponse(says, HTTPStatus.SERVICE_UNAVAILABLE)
            answer: Response = await endpoint(request)
            return answer

        return Route(asked.path, readyz, name="readyz")

    def _begin(self, server: Server) -> None:
        if self._has_begun:
            return
        self._has_begun = True
        _logger.info("Going down: new connections are answered for %g s.", self._seconds)
        # Headers of every answer from now on; uvicorn makes the second of the first each second.
        server.config.encoded_headers.append(CLOSE)
        server.server_state.default_headers = [*server.server_state.default_headers, CLOSE]
        Connection.closing = True
        for connection in list(server.server_state.connections):
            # Requests that have begun know the headers of before.
            if (cycle := getattr(connection, "cycle", None)) is not None:
                cycle.default_headers = server.server_state.default_headers
                cycle.keep_alive = False
        self._look(server, asyncio.get_running_loop().time() + self._seconds)

    def _look(self, server: Server, end: float) -> None:
        """End the server when the time is over, or when the supervisor was interrupted."""
        loop = asyncio.get_running_loop()
        if is_hurried() or loop.time() >= end:
            server.handle_exit(signal.SIGTERM, None)
        else:
            loop.call_later(LOOK_S, self._look, server, end)
