"""Request head: what the headers of a request ask for, by the parser that uvicorn uses."""

from __future__ import annotations

import httptools

from bentoml_ext.serving.fastpath.upgrade import without_offer
from bentoml_ext.serving.headers import Headers

__all__ = ["is_json", "simple_content_length", "simple_head"]

JSON = {
    b"application/json" + parameter
    for parameter in (
        b"",
        b"; charset=utf-8",
        b";charset=utf-8",
        b"; charset=UTF-8",
        b";charset=UTF-8",
    )
}

# They change how a request is read or answered.
SPECIAL = {b"expect", b"te", b"trailer", b"transfer-encoding"}


def is_json(headers: Headers) -> bool:
    """Whether the body is unencoded JSON: by its content type, or without one."""
    for name, value in headers:
        if name == b"content-type" and value not in JSON:
            return False
        if name == b"content-encoding":
            return False
    return True


def simple_content_length(head: bytes) -> int | None:
    """Bytes of the body that follows a simple head; None if the head is not simple."""
    found = simple_head(head)
    return None if found is None else found[0]


def simple_head(head: bytes) -> tuple[int, Headers] | None:
    """Bytes of the body that follows a simple head, and its headers; None if it is not simple.

    A simple head announces JSON of a given length above 0, keeps the connection open, and has no
    `SPECIAL` header. An offer to upgrade is declined.

    Args:
        head: up to and with the empty line.
    """
    seen = _Seen()
    parser = httptools.HttpRequestParser(seen)
    try:
        parser.feed_data(head)
    except httptools.HttpParserError:
        return None
    except httptools.HttpParserUpgrade:
        return simple_head(without_offer(head.partition(b"\r\n")[0], seen.headers))
    headers = dict(seen.headers)
    if not parser.should_keep_alive() or SPECIAL & headers.keys() or not is_json(seen.headers):
        return None
    # The parser refuses a second content length, and one that is not a number. With 0 the request
    # has ended already, and the parser forgets whether the connection is kept.
    length = int(headers.get(b"content-length", b"0"))
    return (length, seen.headers) if length else None


class _Seen:
    """Collects the headers that the parser finds."""

    def __init__(self) -> None:
        self.headers: Headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))
