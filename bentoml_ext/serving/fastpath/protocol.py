"""Protocol: uvicorn's own protocol, with the micro batch in front.

uvicorn accepts a protocol class, but `bentoml serve` names none: `install` makes this class
uvicorn's default. It uses names of uvicorn's class that are not public;
tests/serving/fastpath/test_protocol.py fails when a name moves. A request that the micro batcher
does not take goes to uvicorn's protocol, untouched.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.config import HTTP_PROTOCOLS
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from bentoml_ext.serving.fastpath.micro_batch import MicroBatcher
from bentoml_ext.serving.fastpath.middleware import SAMPLED, FastPath
from bentoml_ext.serving.fastpath.upgrade import (
    HTTP_1_1_REQUIRED,
    Parser,
    speaks_http_2,
    without_offer,
)
from bentoml_ext.serving.headers import Headers

__all__ = ["Connection", "install"]

LENIENT = "set_dangerous_leniencies" in HttpToolsProtocol.__init__.__code__.co_names and hasattr(
    Parser, "set_dangerous_leniencies"
)
"""Whether uvicorn's own parser leaves data unread after a request that asks to close."""

READ_S = 1.0
"""Time to read data that have arrived."""

HEAD_S = 60.0
"""Time for the rest of a head that has begun; uvicorn waits for it without a limit."""


def install() -> None:
    """Let uvicorn use this class for its connections, in this process."""
    HTTP_PROTOCOLS["auto"] = f"{Connection.__module__}:{Connection.__qualname__}"


class Connection(HttpToolsProtocol):
    """A client's connection to uvicorn; its arguments are those of uvicorn's own class."""

    closing = False
    """Whether each connection is closed after its next answer: the server goes down."""

    def __init__(self, config: Any, server_state: Any, *rest: Any, **options: Any) -> None:
        super().__init__(config, server_state, *rest, **options)
        special = config.root_path or config.limit_concurrency is not None or self.access_log
        app = config.app
        self._batcher = app.batcher if isinstance(app, FastPath) and not special else MicroBatcher()
        self.parser = self._new_parser()
        # The head of a request whose offer to upgrade is declined, without the offer.
        self._declined: bytes | None = None
        # Whether uvicorn's parser is between two requests.
        self._between = True
        # Whether uvicorn's parser is within a head, and what ends a head that takes too long.
        self._in_head = False
        self._head_timer: asyncio.TimerHandle | None = None
        # Whether the micro batcher owes an answer.
        self._owed = False
        # The cycle that uvicorn made for the last forwarded request.
        self._forwarded: RequestResponseCycle | None = None
        # Cycles that uvicorn had not answered when the next request arrived.
        self._unanswered: list[RequestResponseCycle] = []
        self._ended = False
        self._seen = 0.0
        # Whether the first timer still runs.
        self._is_new = True

    @property
    def default_headers(self) -> Headers:
        """Headers of every answer."""
        headers: Headers = self.server_state.default_headers
        return headers

    def connection_made(self, transport: Any) -> None:
        """A client has connected: the keep-alive timeout applies to its first request too."""
        super().connection_made(transport)
        # uvicorn waits for a first request without a limit.
        self._keep_alive(self.timeout_keep_alive)

    def data_received(self, data: bytes) -> None:
        """Take one simple request; give all other data to uvicorn."""
        if self._owed:
            # Answers keep the order of requests, and uvicorn may refuse these data at once.
            self._batcher.finish()
        if (
            self._between
            and (self.cycle is None or self.cycle.response_complete)
            and not self.flow.write_paused
            and self._batcher.take(self, data)
        ):
            self._owed = True
            self._seen = self.loop.time()
        elif self._is_first() and speaks_http_2(data):
            self.logger.warning("A client asks by HTTP/2. This server speaks HTTP/1.1.")
            self.transport.write(HTTP_1_1_REQUIRED)
            self.transport.close()
        else:
            super().data_received(data)
            # A head that came whole, as nearly every one does, needs no timer.
            if self._in_head and self._head_timer is None:
                self._head_timer = self.loop.call_later(HEAD_S, self.transport.close)

    def _is_first(self) -> bool:
        """Whether no request has begun on this connection."""
        return self._between and self.cycle is None and not self._seen

    def answer(self, octets: bytes) -> None:
        """Write the answer that was owed."""
        self._owed = False
        if self.transport.is_closing():
            return
        self.transport.write(octets)
        self.server_state.total_requests += 1
        if self.closing:
            self.transport.close()
        elif self.timeout_keep_alive_task is None:
            self._keep_alive(self.timeout_keep_alive)

    def forward(self, data: bytes, sampled: bool | None = None) -> None:
        """Give a request to uvicorn after all."""
        self._owed = False
        if not self.transport.is_closing():
            super().data_received(data)
            self._forwarded = self.cycle
            if sampled is not None and self.cycle is not None:
                # Its task has not begun.
                scope: dict[str, Any] = self.cycle.scope  # type: ignore[assignment]
                scope[SAMPLED] = sampled

    def abort(self) -> None:
        """End the connection: its answer has failed."""
        self._owed = False
        self.transport.abort()

    def on_message_begin(self) -> None:
        """The parser has seen the first byte of a request."""
        self._between = False
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The parser has seen the head: a request begins, unless the head offers to upgrade."""
        self._end_head()
        if self.parser.should_upgrade():
            self._declined = self._without_offer()
        if self._declined is None:
            before = self.cycle
            super().on_headers_complete()
            if before is None or before.response_complete:
                self._unanswered.clear()
            else:
                self._unanswered.append(before)

    def _end_head(self) -> None:
        self._in_head = False
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is over: none of its requests can be answered."""
        self._end_head()
        # uvicorn ends the last cycle alone; an earlier cycle would fail when it writes.
        for cycle in self._unanswered:
            cycle.disconnected = True
            cycle.message_event.set()
        super().connection_lost(exc)

    def on_message_complete(self) -> None:
        """The parser has seen a whole request, or a head with an offer, to be parsed again."""
        if self._declined is None:
            self._between = True
            super().on_message_complete()

    def declined(self) -> tuple[Parser, bytes] | None:
        """If an offer to upgrade was just declined: a new parser, and the head without it."""
        head, self._declined = self._declined, None
        if head is None:
            return None
        self.parser = self._new_parser()
        return self.parser, head

    def _new_parser(self) -> Parser:
        parser = Parser(self)
        if LENIENT:
            parser.set_dangerous_leniencies(lenient_data_after_close=True)
        return parser

    def _without_offer(self) -> bytes | None:
        """The head without its offer to upgrade; None if uvicorn accepts the offer."""
        method = self.parser.get_method()
        is_websocket = method == b"GET" and self._get_upgrade() == b"websocket"
        if method == b"CONNECT" or (is_websocket and self.ws_protocol_class is not None):
            return None
        version = self.parser.get_http_version().encode()
        return without_offer(b"%b %b HTTP/%b" % (method, self.url, version), self.headers)

    def eof_received(self) -> bool | None:  # type: ignore[override]
        """The client will send no more. Returns whether to stay open until it has its answer."""
        if self._owed:
            self._batcher.finish()
        late = self._forwarded
        # By default uvicorn closes on EOF. A forwarded request may not be answered yet, so keep
        # the connection half open. asyncio cannot do that under TLS.
        if late is None or late.response_complete or self.scheme != "http":
            return super().eof_received()
        self._ended = True
        return True

    def on_response_complete(self) -> None:
        """uvicorn has answered."""
        super().on_response_complete()
        if self._ended:
            self.transport.close()

    def shutdown(self) -> None:
        """The server ends."""
        if self._owed:
            self._batcher.finish()
        super().shutdown()

    def timeout_keep_alive_handler(self) -> None:
        """Close, unless the micro batcher has had a request meanwhile."""
        left = self._seen + self.timeout_keep_alive - self.loop.time()
        if self._is_new:
            # A request that arrived while the event loop was held up is still unread, and a client
            # does not send its first request again.
            self._is_new = False
            left = max(left, READ_S)
        if left > 0:
            self._keep_alive(left)
        else:
            super().timeout_keep_alive_handler()

    def _keep_alive(self, seconds: float) -> None:
        # One timer for a connection, not one for a request.
        self.timeout_keep_alive_task = self.loop.call_later(
            seconds, self.timeout_keep_alive_handler
        )
