"""One write for a whole answer.

uvicorn writes the head and the body of an answer one after the other, and each write is a system
call that wakes the client: together the dearest part of a short answer. Here the head waits for
the body. Everything else stays uvicorn's.

The names are uvicorn's own and not public: tests/test_onewrite.py fails when they move, and an
answer is then sent in two writes as before.
"""

from __future__ import annotations

from asyncio import Transport
from typing import Any, cast

from starlette.types import Send
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

__all__ = ["join_writes"]


class _Joined:
    """Stands in for the transport of one answer: keeps the head until the body comes."""

    __slots__ = ("close", "head", "transport")

    def __init__(self, transport: Any) -> None:
        self.transport = transport
        self.close = transport.close
        self.head: bytes | None = None

    def write(self, data: bytes) -> None:
        if self.head is None:
            self.head = data
        else:
            self.transport.write(self.head + data)


def join_writes(send: Send) -> None:
    """Let the head and the body that are sent next go out together.

    Args:
        send: of a request that has not been answered, and that is answered at once: one start and
            one body. Another server's is left as it is.
    """
    cycle = getattr(send, "__self__", None)
    if type(cycle) is RequestResponseCycle:
        cycle.transport = cast("Transport", _Joined(cycle.transport))
