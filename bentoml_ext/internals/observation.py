"""Observation: what BentoML's settings ask of tracing, CORS and logs, and what it logs.

BentoML does not promise these names; tests/internals/test_internals.py fails when one of
them moves.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from bentoml._internal import log
from bentoml._internal.configuration.containers import BentoMLContainer
from bentoml._internal.context import server_context, trace_context
from starlette.requests import ClientDisconnect

__all__ = [
    "LOGS_EXCEPTIONS",
    "Asked",
    "access_log_options",
    "access_log_skips",
    "answer_headers",
    "asked",
    "has_plain_answers",
    "hush_departures",
    "wrap_sampler",
]

LOGS_EXCEPTIONS: Final = "bentoml._internal.server.http_app"
"""The logger of errors that an API method raises."""


@dataclass(frozen=True)
class Asked:
    """Traces, CORS and trace id header, as configured.

    Args:
        rate: share of the requests whose trace is sampled; None without an exporter of traces.
        cors: options of Starlette's CORSMiddleware; None without CORS.
        names_trace: whether an answer carries the id of its trace.
    """

    rate: float | None
    cors: dict[str, Any] | None
    names_trace: bool


def asked() -> Asked:
    """The configuration of the service whose settings are in force."""
    exporter = BentoMLContainer.config.tracing.exporter_type.get()
    return Asked(
        (BentoMLContainer.tracing.sample_rate.get() or 0.0) if exporter else None,
        BentoMLContainer.access_control_options.get()
        if BentoMLContainer.http.cors.enabled.get()
        else None,
        bool(BentoMLContainer.http.response.trace_id.get()),
    )


def has_plain_answers(service: Any) -> bool:
    """Whether BentoML adds nothing to answers that a fast path in front of it would leave out.

    That is: no middleware of the user, ids in BentoML's own format, and no paths without traces.
    """
    return not (
        service.middlewares
        or BentoMLContainer.logging_formatting.get() != {"trace_id": "032x", "span_id": "016x"}
        or BentoMLContainer.tracing.excluded_urls.get()
    )


def plain_log(logger: logging.Logger) -> tuple[logging.StreamHandler[Any], str, str] | None:
    """The destination of a logger's lines, if BentoML formats them and a stream takes them.

    Returns:
        The handler, the format of the time, and the text between time and message; None if other
        logging than BentoML's own is set up.
    """
    while not logger.handlers and logger.propagate and logger.parent is not None:
        logger = logger.parent
    if len(logger.handlers) != 1 or logger.propagate:
        return None
    (handler,) = logger.handlers
    formatter = handler.formatter
    filters: list[Any] = [type(one) for one in handler.filters]
    if type(handler) is not logging.StreamHandler or type(formatter) is not logging.Formatter:
        return None
    if formatter._fmt != log.TRACED_LOG_FORMAT or filters != [log.TraceRecordFilter]:
        return None
    return handler, formatter.datefmt or log.DATE_FORMAT, f" [INFO] [{log._component_name()}] "


def service_of_traces() -> str | None:
    """The name that BentoML's lines give the service."""
    name: str | None = trace_context.service_name
    return name


def answer_headers() -> dict[str, str]:
    """Headers that BentoML gives the answers of API methods, for the request in progress."""
    headers = {"Server": f"BentoML Service/{server_context.service_name}"}
    forms = BentoMLContainer.logging_formatting.get()
    if trace_context.request_id is not None:
        headers["X-BentoML-Request-ID"] = format(trace_context.request_id, forms["span_id"])
    if BentoMLContainer.http.response.trace_id.get() and trace_context.trace_id is not None:
        headers["X-BentoML-Trace-ID"] = format(trace_context.trace_id, forms["trace_id"])
    return headers


def wrap_sampler(wrap: Callable[[Any], Any]) -> None:
    """Let another sampler decide, made of BentoML's; before the application is built."""
    provider = BentoMLContainer.tracer_provider.get()
    provider.sampler = wrap(provider.sampler)


def access_log_skips() -> tuple[str, ...]:
    """Prefixes of paths that BentoML's access log leaves out."""
    return tuple(BentoMLContainer.api_server_config.logging.access.skip_paths.get())


def access_log_options() -> dict[str, bool] | None:
    """The parts of a request that BentoML's access log writes; None if it is off."""
    access = BentoMLContainer.api_server_config.logging.access
    if not access.enabled.get():
        return None
    parts = ("request_content_length", "request_content_type")
    return {
        part: bool(getattr(access, part).get())
        for part in (*parts, *(part.replace("request", "response") for part in parts))
    }


def hush_departures() -> None:
    """Let BentoML log no traceback where a client has left in the middle of its request."""
    logging.getLogger(LOGS_EXCEPTIONS).addFilter(_is_no_departure)


def _is_no_departure(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], ClientDisconnect))
