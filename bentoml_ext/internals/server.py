"""Server: the middlewares, limits and metrics of BentoML's own application."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final

from bentoml._internal.configuration.containers import BentoMLContainer
from bentoml._internal.context import server_context
from bentoml._internal.server.http.instruments import RunnerTrafficMetricsMiddleware
from bentoml._internal.server.http.traffic import MaxConcurrencyMiddleware, TimeoutMiddleware
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

__all__ = ["Middlewares", "Series", "listens_on", "replace_middlewares", "request_timeout_s"]
AS_IT_CAME: Final = "bentoml_ext.as_it_came"
"""Key of a scope whose path is a label: the request's own scope."""


def listens_on(params: Mapping[str, Any]) -> tuple[str, int]:
    """Host and port of `bentoml serve` with these options."""
    http = BentoMLContainer.http
    return params.get("host") or http.host.get(), int(params.get("port") or http.port.get())


def request_timeout_s(service: str) -> float | None:
    """Seconds until a request to a configured service gets a 504; None for no limit."""
    # The number as it was written: the 504 shows it.
    return BentoMLContainer.config.services[service].get()["traffic"]["timeout"] or None


@dataclass
class Middlewares:
    """BentoML's middleware instances of one application, once it has started.

    Args:
        metrics: counts requests; None where metrics are off.
        concurrency: holds `traffic.max_concurrency`; None where that is not set.
    """

    metrics: RunnerTrafficMetricsMiddleware | None = None
    concurrency: asyncio.Semaphore | None = None


def replace_middlewares(
    app: Starlette, timeout: type[Any], label: Callable[[Scope], str] | None = None
) -> Middlewares:
    """Put `timeout` in the place of BentoML's timeout middleware, and catch the others' instances.

    Args:
        app: BentoML's application, before its first request.
        timeout: middleware class that takes `timeout` seconds.
        label: what the metrics call a request, by default by its path.

    Returns:
        Filled when the application starts.
    """
    caught = Middlewares()

    def metrics(app: Any, **options: Any) -> Any:
        counting = caught.metrics = RunnerTrafficMetricsMiddleware(
            lambda scope, *rest: app(scope.get(AS_IT_CAME, scope), *rest), **options
        )

        async def labelled(scope: Scope, receive: Receive, send: Send) -> None:
            if label is not None and "path" in scope and (name := label(scope)) != scope["path"]:
                scope = {**scope, "path": name, AS_IT_CAME: scope}
            await counting(scope, receive, send)

        return labelled

    def concurrency(app: Any, **options: Any) -> Any:
        made = MaxConcurrencyMiddleware(app, **options)
        caught.concurrency = made._semaphore
        return made

    stand_ins: dict[Any, Any] = {
        TimeoutMiddleware: timeout,
        RunnerTrafficMetricsMiddleware: metrics,
        MaxConcurrencyMiddleware: concurrency,
    }
    for middleware in app.user_middleware:
        middleware.cls = stand_ins.get(middleware.cls, middleware.cls)
    return caught


class Series:
    """BentoML's Prometheus series of one endpoint, the 200s fed by sums.

    Args:
        metrics: BentoML's own middleware, whose series they are.
        endpoint: the path.
    """

    def __init__(self, metrics: RunnerTrafficMetricsMiddleware, endpoint: str) -> None:
        if not metrics._is_setup:
            metrics._setup()
        who = {
            "service_name": server_context.bento_name,
            "service_version": server_context.bento_version,
            "runner_name": server_context.service_name,
        }
        where = {**who, "endpoint": endpoint}
        self._metrics, self._where = metrics, where
        self._total = metrics.metrics_request_total.labels(**where, http_response_code=200)
        self._duration = metrics.metrics_request_duration.labels(**where, http_response_code=200)
        self._in_progress = metrics.metrics_request_in_progress.labels(**where)
        self._last = metrics.metrics_last_request_timestamp.labels(**who)
        self.bounds: list[float] = list(self._duration._upper_bounds)

    def add(self, counts: list[int], seconds: float, last: float) -> None:
        """Count requests that were answered 200.

        Args:
            counts: requests under each of `bounds`; the last bound is infinite.
            seconds: sum of their durations.
            last: when the last one came, in seconds since 1970.
        """
        self._total.inc(sum(counts))
        self._duration._sum.inc(seconds)
        for bucket, count in zip(self._duration._buckets, counts, strict=True):
            if count:
                bucket.inc(count)
        self._last.set(last)

    def observe(self, status: int, seconds: float) -> None:
        """Count one request that was answered otherwise."""
        how = {**self._where, "http_response_code": status}
        self._metrics.metrics_request_total.labels(**how).inc()
        self._metrics.metrics_request_duration.labels(**how).observe(seconds)
        self._last.set_to_current_time()

    def in_progress(self) -> AbstractContextManager[object]:
        """A block in which one more request is in progress."""
        return self._in_progress.track_inprogress()
