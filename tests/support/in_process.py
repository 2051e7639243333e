"""A service in this process, asked as over HTTP, one service at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal

from bentoml_ext.serving.from_tags import service_for

__all__ = ["ORIGIN", "Client", "asked", "asked_of"]

ORIGIN = "http://model.test"


class Client:
    """Asks an application that runs in another thread; redirects are not followed."""

    def __init__(self, portal: BlockingPortal, client: httpx.AsyncClient) -> None:
        self._portal, self._client = portal, client

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """The answer."""
        return self._portal.call(partial(self._client.request, method, path, **options))

    def get(self, path: str) -> httpx.Response:
        """The answer to a GET."""
        return self.request("GET", path)

    def post(self, path: str, **options: Any) -> httpx.Response:
        """The answer to a POST."""
        return self.request("POST", path, **options)


@contextmanager
def asked(tag: Any, **config: Any) -> Iterator[Client]:
    """A client of a service of a stored model, made as `bentoml_ext.service` is configured."""
    # Prometheus takes the series of one service for each process.
    config.setdefault("metrics", {"enabled": False})
    with asked_of(service_for(tag, **config)) as client:
        yield client


@contextmanager
def asked_of(service: Any) -> Iterator[Client]:
    """A client of a service."""
    app = service.to_asgi()

    @asynccontextmanager
    async def running() -> Any:
        transport = httpx.ASGITransport(app)
        async with (
            app.app.router.lifespan_context(app.app),
            httpx.AsyncClient(transport=transport, base_url=ORIGIN, timeout=60) as client,
        ):
            yield client

    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(running()) as client,
    ):
        yield Client(portal, client)
