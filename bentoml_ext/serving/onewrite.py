"""One write for a whole answer, where uvicorn serves.

uvicorn checks and joins the headers of every answer anew, and writes its head and its body one
after the other, each by a system call that wakes the client: together the dearest part of a short
answer. The heads here are all alike, so they are checked and joined once.

What this touches is uvicorn's own and not public. `answer` does it only for the very class that it
knows and for an answer with nothing special about it; tests/test_onewrite.py fails when a name
moves, and every other answer goes out by ASGI.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from starlette.types import Send
from uvicorn.protocols.http.httptools_impl import (
    HEADER_RE,
    HEADER_VALUE_RE,
    STATUS_LINE,
    RequestResponseCycle,
)

__all__ = ["Headers", "OneWrite"]

Headers: TypeAlias = list[tuple[bytes, bytes]]


class OneWrite:
    """Writes answers that are alike but for their body and a last header or two.

    Args:
        headers: of every answer, but for its length.

    Raises:
        ValueError: a header that would break the head.
    """

    def __init__(self, headers: Headers) -> None:
        for name, value in headers:
            if HEADER_RE.search(name) or HEADER_VALUE_RE.search(value):
                raise ValueError(f"Expected a header, got {name!r}: {value!r}.")
        self._fixed = b"".join(b"%b: %b\r\n" % header for header in headers)
        # uvicorn makes a new list once a second, when the date changes.
        self._defaults: Headers | None = None
        self._head = b""

    def answer(self, send: Send, body: bytes, request_id: bytes) -> bool:
        """Answer 200 in one write, if that can be done.

        Args:
            send: of a request that has been read whole and not been answered.
            body: of the answer.
            request_id: value of x-bentoml-request-id: digits and letters.

        Returns:
            Whether it was done; if not, nothing was.
        """
        cycle: Any = getattr(send, "__self__", None)
        if type(cycle) is not RequestResponseCycle or (
            cycle.response_started
            or cycle.disconnected
            or not cycle.keep_alive
            or cycle.access_log
            or cycle.flow.write_paused
        ):
            return False
        if cycle.default_headers is not self._defaults:
            self._defaults = cycle.default_headers
            lines = b"".join(b"%b: %b\r\n" % header for header in cycle.default_headers)
            self._head = STATUS_LINE[200] + lines + self._fixed
        # What RequestResponseCycle.send does of a whole answer with a length.
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        cycle.transport.write(
            b"%bcontent-length: %d\r\nx-bentoml-request-id: %b\r\n\r\n%b"
            % (self._head, len(body), request_id, body)
        )
        cycle.message_event.set()
        cycle.on_response()
        return True
