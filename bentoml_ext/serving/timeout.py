"""Timeout: a limit on a request that keeps nothing of it once it is answered.

BentoML's own starts a timer that is never cancelled and that holds the request's objects until it
goes off, 60 s later at the default: at a thousand requests a second, 60 000 dead requests. It also
runs every request in a second task. This one answers the same 504, cancels its timer, and needs
no task.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["DEADLINE", "PromptTimeout", "too_late"]

DEADLINE: Final = "bentoml_ext.deadline"
"""Key of a scope: when its time is over, by the event loop's clock, if that has begun before."""


class PromptTimeout:
    """ASGI middleware: 504 if the answer has not begun in time.

    Args:
        app: the application.
        timeout: seconds; BentoML's `traffic.timeout`.
    """

    def __init__(self, app: ASGIApp, timeout: float) -> None:
        self.app = app
        self.timeout = timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        end = asyncio.get_running_loop().time() + self.timeout
        clock = asyncio.timeout_at(scope.get(DEADLINE, end))

        async def send_in_time(message: Message) -> None:
            # Once begun, an answer may take as long as it takes.
            clock.reschedule(None)
            await send(message)

        try:
            async with clock:
                await self.app(scope, receive, send_in_time)
        except TimeoutError:
            # The application's own TimeoutError is its own affair.
            if not clock.expired():
                raise
            await too_late(self.timeout)(scope, receive, send)


def too_late(timeout: float) -> JSONResponse:
    """BentoML's 504."""
    error: dict[str, Any] = {"error": f"Not able to process the request in {timeout} seconds"}
    return JSONResponse(error, status_code=504)
