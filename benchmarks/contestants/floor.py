"""The floor: a constant answer, bare ASGI. What uvicorn can do when nothing is done."""

from __future__ import annotations

from typing import Any

BODY = b'{"Status": "APPROVED", "probability": 0.2224117}'
HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(BODY))]


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Read the body, answer the same."""
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": BODY})
