"""Observing: what tracing, CORS and the access log ask of the fast path, request by request.

Each needs little of a request: a sample, a header, a line. The fast path does that itself, and
forwards only the sampled requests to BentoML, which writes their spans.
"""

from __future__ import annotations

import random
from contextvars import ContextVar
from typing import Any, NamedTuple

from opentelemetry import propagate, trace
from opentelemetry.sdk.trace.sampling import Sampler, SamplingResult
from opentelemetry.trace import SpanContext, TraceFlags
from starlette.middleware.cors import CORSMiddleware
from starlette.types import Receive, Scope, Send

from bentoml_ext.internals import observation
from bentoml_ext.serving.fastpath.access_log import AccessLog, Answer, Caller
from bentoml_ext.serving.headers import Headers

__all__ = ["Decided", "Observer", "Seen"]

DECIDED: ContextVar[bool | None] = ContextVar("decided", default=None)
"""Whether the trace that begins in this task is sampled; None lets BentoML decide."""

LAST_ID = (1 << 64) - 1


class Decided(Sampler):
    """BentoML's sampler, which keeps to an earlier decision.

    Args:
        sampler: decides by the trace id: below a bound is sampled.
    """

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler

    def should_sample(
        self, parent_context: Any, trace_id: int, name: str, *rest: Any, **more: Any
    ) -> SamplingResult:
        """The decision about a span."""
        decided = DECIDED.get()
        if decided is not None:
            trace_id = 0 if decided else LAST_ID
        return self._sampler.should_sample(parent_context, trace_id, name, *rest, **more)

    def get_description(self) -> str:
        """The description of BentoML's sampler."""
        return self._sampler.get_description()


class Seen(NamedTuple):
    """What the headers of a request mean for observing.

    Args:
        parent: the span that the client has named; None if it has named no span.
        extra: headers of CORS for the answer.
        logged: the request's part of a line in the access log.
    """

    parent: SpanContext | None
    extra: Headers
    logged: str


class Observer:
    """Traces, CORS and access log of one service, as configured.

    Args:
        rate: share of the requests that is sampled; None without tracing.
        cors: Starlette's options; None without CORS.
        access_log: None where it is off.
        names_trace: whether an answer carries the id of its trace.
    """

    def __init__(
        self,
        rate: float | None,
        cors: dict[str, Any] | None,
        access_log: AccessLog | None,
        names_trace: bool,
    ) -> None:
        self._rate = rate
        self._cors = None if cors is None else CORSMiddleware(_answer, **cors)
        self.access_log = access_log
        self.names_trace = names_trace
        self.needs_trace = names_trace or access_log is not None

    @classmethod
    def of_settings(cls) -> Observer | None:
        """The observer that BentoML's settings ask for; None if they ask for nothing."""
        asked = observation.asked()
        parts = observation.access_log_options()
        log = None if parts is None else AccessLog(parts, observation.access_log_skips())
        if asked.rate is None and asked.cors is None and log is None and not asked.names_trace:
            return None
        return cls(asked.rate, asked.cors, log, asked.names_trace)

    def see(self, path: str, headers: Headers) -> Seen:
        """What the headers of a POST mean; the same for the same headers."""
        extra = [] if self._cors is None else _headers_of(self._cors, headers)
        log = self.access_log
        return Seen(_parent(headers), extra, "" if log is None else log.request(path, headers))

    def samples(self, parent: SpanContext | None) -> bool:
        """Whether to sample a request."""
        if self._rate is None:
            return False
        if parent is not None:
            return parent.trace_flags.sampled
        return random.random() < self._rate  # noqa: S311 (a sample)

    def decide(self, sampled: bool) -> None:
        """Let BentoML's path keep to a decision, in this task."""
        if self._rate is not None:
            DECIDED.set(sampled)

    def headers(self, seen: Seen, span: SpanContext) -> Headers:
        """The headers of CORS and tracing for an answer."""
        if self.names_trace:
            return [*seen.extra, (b"x-bentoml-trace-id", b"%032x" % span.trace_id)]
        return seen.extra

    def log(
        self, caller: Caller, seen: Seen, span: SpanContext, answer: Answer, seconds: float
    ) -> None:
        """Keep the line of an answered request, if the access log is on."""
        if self.access_log is not None and seen.logged:
            self.access_log.write(caller, seen.logged, answer, seconds, span)

    def flush(self) -> None:
        """Write the lines that `log` has kept."""
        if self.access_log is not None:
            self.access_log.flush()

    def trace_of(self, seen: Seen, request_id: int) -> SpanContext:
        """The trace of a request that is answered without a span: the client's, or a new trace."""
        if seen.parent is not None:
            flags, trace_id = seen.parent.trace_flags, seen.parent.trace_id
        else:
            flags, trace_id = TraceFlags(0), random.getrandbits(128)
        return SpanContext(trace_id, request_id, False, flags)


def _parent(headers: Headers) -> SpanContext | None:
    fields = propagate.get_global_textmap().fields
    carrier = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}
    if carrier.keys().isdisjoint(fields):
        return None
    span = trace.get_current_span(propagate.extract(carrier)).get_span_context()
    return span if span.is_valid else None


def _headers_of(cors: CORSMiddleware, headers: Headers) -> Headers:
    """The headers that CORS adds to an answer; the middleware awaits nothing: one step runs it."""
    added: Headers = []

    async def send(message: Any) -> None:
        added.extend(message["headers"])

    running = cors({"type": "http", "method": "POST", "headers": headers}, _nothing, send)
    try:
        running.send(None)
    except StopIteration:
        return added
    running.close()
    raise RuntimeError("Expected CORS headers at once, got a middleware that waits.")


async def _answer(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})


async def _nothing() -> Any:
    return {}
