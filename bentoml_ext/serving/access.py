"""Access log: the line that BentoML writes of a request, for those that the shortcut answers."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TypeAlias

from bentoml_ext.serving.route import Headers

__all__ = ["AccessLog", "Answer", "Caller"]

_logger = logging.getLogger("bentoml.access")

Caller: TypeAlias = tuple[tuple[str, int] | None, str]
Answer: TypeAlias = tuple[int, Headers]


class AccessLog:
    """Writes BentoML's access-log lines.

    Args:
        parts: which of BentoML's parts to tell: request_content_length, request_content_type,
            response_content_length, response_content_type.
        skips: what the paths begin with that are left out.
    """

    def __init__(self, parts: dict[str, bool], skips: tuple[str, ...] = ()) -> None:
        self._skips = skips
        self._request = _names(parts, "request")
        self._response = _names(parts, "response")

    def request(self, path: str, headers: Headers) -> str:
        """A POST's part of a line, but for its scheme; empty if it has no line."""
        if path.startswith(self._skips):
            return ""
        return ",".join(["method=POST", f"path={path}", *_told(self._request, headers)])

    def write(self, caller: Caller, request: str, answer: Answer, seconds: float) -> None:
        """Write the line of a request that was answered.

        Args:
            caller: address and port, and the scheme.
            request: what `request` told.
            answer: status and headers.
            seconds: that it took.
        """
        client, scheme = caller
        status, headers = answer
        _logger.info(
            "%s (scheme=%s,%s) (%s) %.3fms",
            f"{client[0]}:{client[1]}" if client else "_",
            scheme,
            request,
            ",".join([f"status={status}", *_told(self._response, headers)]),
            seconds * 1000,
        )


def _names(parts: dict[str, bool], side: str) -> list[tuple[str, bytes]]:
    """What is told of one side, in BentoML's order: the word in the log, and the header."""
    order = (("type", b"content-type"), ("length", b"content-length"))
    return [(word, header) for word, header in order if parts[f"{side}_content_{word}"]]


def _told(names: list[tuple[str, bytes]], headers: Iterable[tuple[bytes, bytes]]) -> list[str]:
    found = dict(headers)
    return [f"{word}={found.get(header, b'').decode('latin-1')}" for word, header in names]
