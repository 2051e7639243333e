"""Access log: the line that BentoML writes of a request, for requests of the fast path."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import TypeAlias

from opentelemetry import context, trace
from opentelemetry.trace import NonRecordingSpan, SpanContext

from bentoml_ext.internals import observation
from bentoml_ext.serving.headers import Headers

__all__ = ["AccessLog", "Answer", "Caller"]

_logger = logging.getLogger("bentoml.access")

Caller: TypeAlias = tuple[tuple[str, int] | None, str]
Answer: TypeAlias = tuple[int, Headers]


class AccessLog:
    """Writes BentoML's access-log lines.

    Args:
        parts: which of BentoML's parts a line has: request_content_length, request_content_type,
            response_content_length, response_content_type.
        skips: prefixes of paths that have no line.
    """

    def __init__(self, parts: dict[str, bool], skips: tuple[str, ...] = ()) -> None:
        self._skips = skips
        self._request = _names(parts, "request")
        self._response = _names(parts, "response")
        enabled = _logger.isEnabledFor(logging.INFO)
        self._plain = observation.plain_log(_logger) if enabled else None
        self._service = observation.service_of_traces()
        self._lines: list[str] = []
        self._second, self._start = 0, ""

    def request(self, path: str, headers: Headers) -> str:
        """A POST's part of a line, without its scheme; empty if it has no line."""
        if path.startswith(self._skips):
            return ""
        return ",".join(["method=POST", f"path={path}", *_fields(self._request, headers)])

    def write(
        self, caller: Caller, request: str, answer: Answer, seconds: float, span: SpanContext
    ) -> None:
        """Keep the line of an answered request; `flush` writes it.

        Args:
            caller: address and port, and the scheme.
            request: the request's part, from `request`.
            answer: status and headers.
            seconds: duration of the request.
            span: trace and id of the request.
        """
        client, scheme = caller
        status, headers = answer
        address = f"{client[0]}:{client[1]}" if client else "_"
        response = ",".join([f"status={status}", *_fields(self._response, headers)])
        line = f"{address} (scheme={scheme},{request}) ({response}) {seconds * 1000:.3f}ms"
        if self._plain is None:
            with _within(span):
                _logger.info("%s", line)
            return
        sampled = 1 if span.trace_flags.sampled else 0
        self._lines.append(
            f"{self._prefix()}{line} (trace={span.trace_id:032x},span={span.span_id:016x},"
            f"sampled={sampled},service.name={self._service})\n"
        )

    def flush(self) -> None:
        """Write the kept lines in one piece: a line costs less than a system call."""
        if self._plain is None or not self._lines:
            return
        text, self._lines = "".join(self._lines), []
        handler = self._plain[0]
        # A reader of the log may have gone; requests are answered all the same.
        with handler.lock or nullcontext(), suppress(OSError, ValueError):
            handler.stream.write(text)
            handler.flush()

    def _prefix(self) -> str:
        """Time, level and component, as in BentoML's own lines."""
        now = int(time.time())
        if now != self._second and self._plain is not None:
            _, form, between = self._plain
            self._second, self._start = now, time.strftime(form, time.localtime(now)) + between
        return self._start


@contextmanager
def _within(span: SpanContext) -> Iterator[None]:
    """A block whose log records carry the ids of a request, as BentoML's do."""
    token = context.attach(trace.set_span_in_context(NonRecordingSpan(span)))
    try:
        yield
    finally:
        context.detach(token)


def _names(parts: dict[str, bool], side: str) -> list[tuple[str, bytes]]:
    """The fields of one side, in BentoML's order: the word in the log, and the header."""
    order = (("type", b"content-type"), ("length", b"content-length"))
    return [(word, header) for word, header in order if parts[f"{side}_content_{word}"]]


def _fields(names: list[tuple[str, bytes]], headers: Iterable[tuple[bytes, bytes]]) -> list[str]:
    found = dict(headers)
    return [f"{word}={found.get(header, b'').decode('latin-1')}" for word, header in names]
