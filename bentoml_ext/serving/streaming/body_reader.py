"""Body reader: the body of a request as a file, read by a thread beside the event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, wait
from http import HTTPStatus
from typing import TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from bentoml_ext.errors import TooLarge
from bentoml_ext.serving.streaming.turns import LARGE_BYTES, STALL_BYTES, STALL_S, Turns

__all__ = ["Upload", "check_bytes"]

T = TypeVar("T")

AHEAD_BYTES = 512 * 1024
"""A block of lines."""

BEGIN_BYTES = 64 * 1024
"""uvicorn reads this much before it lets a client wait."""

POLL_S = 0.2


class Upload:
    """A body that is taken from the network as it is read, with a small read-ahead.

    Args:
        receive: of the request; belongs to the running event loop.
        max_bytes: upper limit of the body.
        turns: shared by all uploads, the reading thread has one; None for no limits.
    """

    closed = False
    """pyarrow reads it."""

    def __init__(self, receive: Receive, max_bytes: int, turns: Turns | None = None) -> None:
        self._turns = turns
        self._kept = 0
        self._is_large = False
        self._loop = asyncio.get_running_loop()
        self._receive = receive
        self._max_bytes = max_bytes
        self._parts: deque[bytes] = deque()
        self._held = 0
        self._taken = 0
        self._ended = False
        self._abandoned = False
        self._filling: Future[None] | None = None

    def read(self, size: int) -> bytes:
        """So many bytes, fewer only at the end; called in a thread.

        Raises:
            TooLarge: the body is longer than `max_bytes`.
            ClientDisconnect: the client has gone.
            CancelledError: the request was abandoned.
        """
        self.hold(size)
        # The read-ahead must end first: only one side touches the parts at a time.
        self._settle()
        self._begin(size)
        self._settle()
        taken: list[bytes] = []
        while size and self._parts:
            part = self._parts.popleft()
            if len(part) > size:
                self._parts.appendleft(part[size:])
                part = part[:size]
            taken.append(part)
            size -= len(part)
            self._held -= len(part)
        # Read ahead while the thread works on these bytes.
        self._begin(AHEAD_BYTES)
        return b"".join(taken)

    async def begin(self) -> None:
        """Wait for the first bytes, before a thread is taken.

        Raises:
            TooLarge, ClientDisconnect: as `read`.
        """
        await self._fill(BEGIN_BYTES)

    def hold(self, size: int, *, for_good: bool = False) -> None:
        """Wait until so many bytes may be held; called in a thread.

        Args:
            size: bytes to be read or unpacked next.
            for_good: whether they are held to the end of the request.

        Raises:
            ClientDisconnect: the request was abandoned.
        """
        total = self._kept + size
        if for_good:
            self._kept = total
        if self._turns is None or self._is_large or total <= LARGE_BYTES:
            return
        self._turns.working.release()
        self._turns.want(1)
        try:
            while not self._turns.large.acquire(timeout=POLL_S):
                if self._abandoned:
                    raise ClientDisconnect
            self._is_large = True
        finally:
            self._turns.want(-1)
            self._turns.working.acquire()

    def end(self) -> None:
        """Give the memory turn back; called in the thread."""
        if self._turns is not None and self._is_large:
            self._turns.large.release()
        # A raised error refers to this thread's frames, and they to this upload: a circle.
        self._filling = None

    def while_wanted(self, blocks: Iterable[T]) -> Iterator[T]:
        """The same blocks, until the request is abandoned."""
        for block in blocks:
            if self._abandoned:
                raise ClientDisconnect
            yield block

    def abandon(self) -> None:
        """End the thread's work at its next step: nobody waits for the answer."""
        self._abandoned = True
        if (filling := self._filling) is not None:
            filling.cancel()

    def close(self) -> None:
        """Do nothing: pyarrow closes its input."""

    def _begin(self, size: int) -> None:
        """Let the event loop read up to so many bytes, unless they are held already."""
        self._filling = None
        if self._held < size and not self._ended:
            self._filling = asyncio.run_coroutine_threadsafe(self._fill(size), self._loop)
            if self._abandoned:
                self._filling.cancel()

    def _settle(self) -> None:
        if (filling := self._filling) is None:
            return
        if self._turns is None or filling.done():
            filling.result()
            return
        self._turns.working.release()
        try:
            self._wait(filling, self._turns)
        finally:
            self._turns.working.acquire()

    def _wait(self, filling: Future[None], turns: Turns) -> None:
        """Wait for the client, without limit unless a large upload stalls and another waits."""
        if not self._is_large:
            filling.result()
        while not filling.done():
            before = self._taken
            wait([filling], STALL_S)
            if turns.wanted and not filling.done() and self._taken - before < STALL_BYTES:
                raise HTTPException(
                    HTTPStatus.REQUEST_TIMEOUT,
                    f"Expected {STALL_BYTES} bytes in {STALL_S:g} seconds, got fewer - at the "
                    "request's body. Others wait: send it faster, or in record batches of less "
                    f"than {LARGE_BYTES} bytes.",
                )
        filling.result()

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
