"""Upgrade: declines a request's offer to change the protocol.

Java's HttpClient, Spring, Ktor and `curl --http2` offer HTTP/2 with every request over plain TCP.
A server need not accept. But httptools stops after the head of such a request: the body would be
lost, and its later bytes be read as a request. So the head is parsed again without its offer.

A client that speaks HTTP/2 without an offer reads frames alone: GOAWAY names the reason to it.
"""

from __future__ import annotations

from array import array
from typing import Protocol

import httptools

from bentoml_ext.serving.headers import Headers

__all__ = ["HTTP_1_1_REQUIRED", "Parser", "speaks_http_2", "without_offer"]

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS, GOAWAY = b"\x04", b"\x07"
REASON = b"This server speaks HTTP/1.1. Ask by HTTP/1.1, or put a proxy in front."


def _frame(kind: bytes, payload: bytes) -> bytes:
    """A frame of the whole connection, by RFC 9113, 4.1."""
    return len(payload).to_bytes(3, "big") + kind + bytes(5) + payload


HTTP_1_1_REQUIRED = _frame(SETTINGS, b"") + _frame(
    GOAWAY, bytes(4) + (13).to_bytes(4, "big") + REASON
)
"""What a server says in HTTP/2 that speaks HTTP/1.1 alone: no request was taken, and why."""


def speaks_http_2(data: bytes) -> bool:
    """Whether a connection begins as HTTP/2: with the preface, and a frame of settings."""
    return data.startswith(PREFACE) and data[len(PREFACE) + 3 :][:1] == SETTINGS


class Requester(Protocol):
    """Makes requests of what the parser finds."""

    def declined(self) -> tuple[Parser, bytes] | None:
        """If an offer was just declined: a new parser, and the head without the offer."""
        ...


class Parser(httptools.HttpRequestParser):
    """httptools' parser of requests, up to a declined offer; a new parser goes on there.

    Args:
        requester: gets the parser's callbacks, and names the declined head.
    """

    def __init__(self, requester: Requester) -> None:
        super().__init__(requester)
        self._requester = requester

    def feed_data(self, data: bytes | bytearray | memoryview[int] | array[int]) -> None:
        """Read what has come.

        Raises:
            HttpParserUpgrade: an offer that uvicorn accepts.
            HttpParserError: the data are not HTTP.
        """
        read, left = super().feed_data, memoryview(data)
        while True:
            try:
                read(left)
                return
            except httptools.HttpParserUpgrade as offer:
                declined = self._requester.declined()
                if declined is None:
                    raise
                left = left[offer.args[0] :]
            # A new parser: for the old one, a request that also asks to close ends the connection.
            parser, head = declined
            read = super(Parser, parser).feed_data
            read(head)


def without_offer(line: bytes, headers: Headers) -> bytes:
    """The head of a request, without its offer to upgrade.

    Args:
        line: its first line.
        headers: in order.
    """
    kept = [b"%b: %b\r\n" % header for header in headers if header[0].lower() != b"upgrade"]
    return b"%b\r\n%b\r\n" % (line, b"".join(kept))
