"""A service in this process: requests reach its application without a server."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import httpx

__all__ = ["posted"]


def posted(service: Any, requests: Sequence[tuple[str, bytes, str]]) -> list[httpx.Response]:
    """The answers to POSTs, in order.

    Args:
        service: of BentoML.
        requests: path, body and content type of each.
    """
    return asyncio.run(_posted(service.to_asgi(), requests))


async def _posted(app: Any, requests: Sequence[tuple[str, bytes, str]]) -> list[httpx.Response]:
    behind = app.app
    transport = httpx.ASGITransport(app)
    async with (
        behind.router.lifespan_context(behind),
        httpx.AsyncClient(transport=transport, base_url="http://in-process") as client,
    ):
        return [
            await client.post(path, content=body, headers={"content-type": kind})
            for path, body, kind in requests
        ]
