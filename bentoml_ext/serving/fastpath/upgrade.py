"""Upgrade: an offer to go on in another protocol, which a request is answered without.

Java's HttpClient, Spring, Ktor and `curl --http2` offer HTTP/2 with every request on a plain
connection. A server need not take an offer, but httptools reads no further than the head of a
request that makes one: its body would be lost, and what comes of it later be read as a request. So
such a head is read again without its offer.
"""

from __future__ import annotations

from array import array
from typing import Protocol

import httptools

from bentoml_ext.serving.headers import Headers

__all__ = ["Parser", "without_offer"]


class Requester(Protocol):
    """Who makes requests of what the parser finds."""

    def declined(self) -> tuple[Parser, bytes] | None:
        """Where an offer was just declined: a parser anew, and the head without the offer."""
        ...


class Parser(httptools.HttpRequestParser):
    """httptools' parser of requests, up to an offer that is declined; a new one reads on there.

    Args:
        requester: who is called back, and says what was declined.
    """

    def __init__(self, requester: Requester) -> None:
        super().__init__(requester)
        self._requester = requester

    def feed_data(self, data: bytes | bytearray | memoryview[int] | array[int]) -> None:
        """Read what has come.

        Raises:
            HttpParserUpgrade: an offer that is taken.
            HttpParserError: no HTTP.
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
            # Not this one: to it, what asks to close besides is the end of the connection.
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
