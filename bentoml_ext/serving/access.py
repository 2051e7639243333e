"""Access log: the line that BentoML writes of a request, for those that the shortcut answers."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from starlette.types import Scope

__all__ = ["AccessLog"]

_logger = logging.getLogger("bentoml.access")


class AccessLog:
    """Writes BentoML's access-log lines.

    Args:
        parts: which of BentoML's parts to tell: request_content_length, request_content_type,
            response_content_length, response_content_type.
    """

    def __init__(self, parts: dict[str, bool]) -> None:
        self._request = _names(parts, "request")
        self._response = _names(parts, "response")

    def write(
        self, scope: Scope, status: int, headers: Iterable[tuple[bytes, bytes]], seconds: float
    ) -> None:
        """Write the line of a request that was answered.

        Args:
            scope: of the request.
            status: of the response.
            headers: of the response.
            seconds: that it took.
        """
        client = scope.get("client")
        request = [f"scheme={scope['scheme']}", f"method={scope['method']}"]
        request.append(f"path={scope['path']}")
        _logger.info(
            "%s (%s) (%s) %.3fms",
            f"{client[0]}:{client[1]}" if client else "_",
            ",".join(request + _told(self._request, scope["headers"])),
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
