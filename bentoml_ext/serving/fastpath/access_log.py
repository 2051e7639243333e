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
        parts: which of BentoML's parts to tell: request_content_length, request_content_type,
            response_content_length, response_content_type.
        skips: what the paths begin with that are left out.
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
        """A POST's part of a line, but for its scheme; empty if it has no line."""
        if path.startswith(self._skips):
            return ""
        return ",".join(["method=POST", f"path={path}", *_told(self._request, headers)])

    def write(
        self, caller: Caller, request: str, answer: Answer, seconds: float, span: SpanContext
    ) -> None:
        """Tell of a request that was answered; `flush` writes the line.

        Args:
            caller: address and port, and the scheme.
            request: what `request` told.
            answer: status and headers.
            seconds: that it took.
            span: its trace and its id.
        """
        client, scheme = caller
        status, headers = answer
        address = f"{client[0]}:{client[1]}" if client else "_"
        response = ",".join([f"status={status}", *_told(self._response, headers)])
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
        """Write what was told, in one piece: a line costs less than a call of the system."""
        if self._plain is None or not self._lines:
            return
        text, self._lines = "".join(self._lines), []
        handler = self._plain[0]
        # Who read the log has gone. That is no reason to answer nobody.
        with handler.lock or nullcontext(), suppress(OSError, ValueError):
            handler.stream.write(text)
            handler.flush()

    def _prefix(self) -> str:
        """Time, level and component, as BentoML words them."""
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
    """What is told of one side, in BentoML's order: the word in the log, and the header."""
    order = (("type", b"content-type"), ("length", b"content-length"))
    return [(word, header) for word, header in order if parts[f"{side}_content_{word}"]]


def _told(names: list[tuple[str, bytes]], headers: Iterable[tuple[bytes, bytes]]) -> list[str]:
    found = dict(headers)
    return [f"{word}={found.get(header, b'').decode('latin-1')}" for word, header in names]
