"""Upload: the body of a request as a file, read by a thread beside the event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine, Iterable, Iterator
from concurrent.futures import Future
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from bentoml_ext.errors import TooLarge

__all__ = ["Upload", "check_bytes"]

T = TypeVar("T")


class Upload:
    """A body that is taken from the network as it is read, and no faster.

    Args:
        receive: of the request; this is made in the event loop that it belongs to.
        max_bytes: of the body.
    """

    closed = False
    """pyarrow asks."""

    def __init__(self, receive: Receive, max_bytes: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._receive = receive
        self._max_bytes = max_bytes
        self._parts: deque[bytes] = deque()
        self._held = 0
        self._taken = 0
        self._ended = False
        self._abandoned = False
        self._waiting: Future[None] | None = None

    def read(self, size: int) -> bytes:
        """So many bytes, fewer only at the end; called in a thread.

        Raises:
            TooLarge: the body is longer than `max_bytes`.
            ClientDisconnect: the client has gone.
            CancelledError: the request was abandoned.
        """
        if self._held < size and not self._ended:
            self._wait(self._fill(size))
        taken: list[bytes] = []
        while size and self._parts:
            part = self._parts.popleft()
            if len(part) > size:
                self._parts.appendleft(part[size:])
                part = part[:size]
            taken.append(part)
            size -= len(part)
            self._held -= len(part)
        return b"".join(taken)

    def while_wanted(self, blocks: Iterable[T]) -> Iterator[T]:
        """The same blocks, until the request is abandoned."""
        for block in blocks:
            if self._abandoned:
                raise ClientDisconnect
            yield block

    def abandon(self) -> None:
        """Nobody waits for the answer any more: end the thread's work at its next step."""
        self._abandoned = True
        if self._waiting is not None:
            self._waiting.cancel()

    def close(self) -> None:
        """Nothing: pyarrow closes what it has read."""

    def _wait(self, work: Coroutine[Any, Any, None]) -> None:
        self._waiting = asyncio.run_coroutine_threadsafe(work, self._loop)
        if self._abandoned:
            self._waiting.cancel()
        self._waiting.result()

    async def _fill(self, size: int) -> None:
        while self._held < size and not self._ended:
            message = await self._receive()
            if message["type"] != "http.request":
                raise ClientDisconnect
            part = message.get("body", b"")
            self._ended = not message.get("more_body")
            self._parts.append(part)
            self._held += len(part)
            self._taken += len(part)
            check_bytes(self._taken, self._max_bytes)


def check_bytes(size: int, max_bytes: int) -> None:
    """Refuse a body that is too long.

    Raises:
        TooLarge: says what to do.
    """
    if size > max_bytes:
        raise TooLarge(
            f"Expected at most {max_bytes} bytes, got more - at the request's body. Send it in "
            "parts, or score a file by `bentoml ext score`; the server's limit is MAX_BULK_BYTES."
        )
