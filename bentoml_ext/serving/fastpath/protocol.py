"""Protocol: uvicorn's own protocol, with the micro batch in front.

uvicorn takes a protocol class of the user's, but `bentoml serve` hands none over: `install` makes
this the one that uvicorn picks by itself. What this touches of that class is not all public;
tests/serving/fastpath/test_protocol.py fails when a name moves. Requests that the micro batcher
does not take are uvicorn's, untouched.
"""

from __future__ import annotations

from typing import Any

from uvicorn.config import HTTP_PROTOCOLS
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from bentoml_ext.serving.fastpath.micro_batch import MicroBatcher
from bentoml_ext.serving.fastpath.middleware import SAMPLED, FastPath
from bentoml_ext.serving.fastpath.upgrade import Parser, without_offer
from bentoml_ext.serving.headers import Headers

__all__ = ["Connection", "install"]

LENIENT = "set_dangerous_leniencies" in HttpToolsProtocol.__init__.__code__.co_names and hasattr(
    Parser, "set_dangerous_leniencies"
)
"""Whether uvicorn's own parser leaves unread what follows a request that asks to close."""

READ_S = 1.0
"""To read what has come."""


def install() -> None:
    """Let uvicorn make its connections of this class, in this process."""
    HTTP_PROTOCOLS["auto"] = f"{Connection.__module__}:{Connection.__qualname__}"


class Connection(HttpToolsProtocol):
    """A client's connection to uvicorn; takes what uvicorn's own takes."""

    def __init__(self, config: Any, server_state: Any, *rest: Any, **options: Any) -> None:
        super().__init__(config, server_state, *rest, **options)
        special = config.root_path or config.limit_concurrency is not None or self.access_log
        app = config.app
        self._wire = app.batcher if isinstance(app, FastPath) and not special else MicroBatcher()
        self.parser = self._new_parser()
        # The head of a request whose offer to upgrade is declined, without it.
        self._declined: bytes | None = None
        # Whether uvicorn's parser is between two requests.
        self._between = True
        # Whether the micro batcher owes an answer.
        self._owed = False
        # What uvicorn made of the last request that the micro batcher has handed on.
        self._handed_on: RequestResponseCycle | None = None
        # What uvicorn had not answered when the next request came.
        self._unanswered: list[RequestResponseCycle] = []
        self._ended = False
        self._seen = 0.0
        # Whether the first timer has not run off yet.
        self._is_new = True

    @property
    def default_headers(self) -> Headers:
        """Of every answer."""
        headers: Headers = self.server_state.default_headers
        return headers

    def connection_made(self, transport: Any) -> None:
        """A client has connected: it has as long for its first request as for each later one."""
        super().connection_made(transport)
        # uvicorn waits without end for a first request.
        self._keep_alive(self.timeout_keep_alive)

    def data_received(self, data: bytes) -> None:
        """Take one plain request; all else is uvicorn's."""
        if self._owed:
            # Answers keep the order of requests, and uvicorn may refuse these data at once.
            self._wire.finish()
        if (
            self._between
            and (self.cycle is None or self.cycle.response_complete)
            and not self.flow.write_paused
            and self._wire.take(self, data)
        ):
            self._owed = True
            self._seen = self.loop.time()
        else:
            super().data_received(data)

    def answer(self, octets: bytes) -> None:
        """Write the answer that was owed."""
        self._owed = False
        if self.transport.is_closing():
            return
        self.transport.write(octets)
        self.server_state.total_requests += 1
        if self.timeout_keep_alive_task is None:
            self._keep_alive(self.timeout_keep_alive)

    def forward(self, data: bytes, sampled: bool | None = None) -> None:
        """Let uvicorn see a request after all."""
        self._owed = False
        if not self.transport.is_closing():
            super().data_received(data)
            self._handed_on = self.cycle
            if sampled is not None and self.cycle is not None:
                # Its task has not begun.
                scope: dict[str, Any] = self.cycle.scope  # type: ignore[assignment]
                scope[SAMPLED] = sampled

    def abort(self) -> None:
        """End the connection, as its answer has failed."""
        self._owed = False
        self.transport.abort()

    def on_message_begin(self) -> None:
        """The parser has seen the first byte of a request."""
        self._between = False
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The parser has seen the head: a request is made of it, unless it offers to upgrade."""
        if self.parser.should_upgrade():
            self._declined = self._without_offer()
        if self._declined is None:
            before = self.cycle
            super().on_headers_complete()
            if before is None or before.response_complete:
                self._unanswered.clear()
            else:
                self._unanswered.append(before)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is over: no request has anybody to answer."""
        # uvicorn tells the last request alone; one before it would fail as it writes.
        for cycle in self._unanswered:
            cycle.disconnected = True
            cycle.message_event.set()
        super().connection_lost(exc)

    def on_message_complete(self) -> None:
        """The parser has seen the last, or no more than the head, which it will see again."""
        if self._declined is None:
            self._between = True
            super().on_message_complete()

    def declined(self) -> tuple[Parser, bytes] | None:
        """Where an offer to upgrade was just declined: a new parser, and the head without it."""
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
        """The head without its offer to upgrade; None for one that is uvicorn's to take."""
        method = self.parser.get_method()
        is_websocket = method == b"GET" and self._get_upgrade() == b"websocket"
        if method == b"CONNECT" or (is_websocket and self.ws_protocol_class is not None):
            return None
        version = self.parser.get_http_version().encode()
        return without_offer(b"%b %b HTTP/%b" % (method, self.url, version), self.headers)

    def eof_received(self) -> bool | None:  # type: ignore[override]
        """The client will send no more: whether to stay open until it has its answer."""
        if self._owed:
            self._wire.finish()
        late = self._handed_on
        # uvicorn closes, which is soon enough for an answer that comes in the same round of the
        # event loop; the micro batcher has taken one. Under TLS there is no staying open.
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
            self._wire.finish()
        super().shutdown()

    def timeout_keep_alive_handler(self) -> None:
        """Close, unless the micro batcher has had a request meanwhile."""
        left = self._seen + self.timeout_keep_alive - self.loop.time()
        if self._is_new:
            # What came while the event loop stood is still to be read: nobody sends a first request
            # again.
            self._is_new = False
            left = max(left, READ_S)
        if left > 0:
            self._keep_alive(left)
        else:
            super().timeout_keep_alive_handler()

    def _keep_alive(self, seconds: float) -> None:
        # One timer a connection, and not one a request.
        self.timeout_keep_alive_task = self.loop.call_later(
            seconds, self.timeout_keep_alive_handler
        )
