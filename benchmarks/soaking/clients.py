"""Clients: connections that send a mix of requests, look at every answer, and count."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.soaking.mix import GONE, Due, Mix, Sent

__all__ = ["Clients", "Seen"]

AT_ONCE = 200
LONG_S = 60
LATELY_S = 0.5
"""Counts that a worker had not brought to the metrics when it was killed: 0.1 s of them, and what
a slow machine adds."""

Key = tuple[str, int]


@dataclass
class Seen:
    """What the clients saw.

    Args:
        answered: by endpoint and status; of a client that left in its body, 499.
        wrong: answers that were not the right one.
        unsure: by endpoint, requests that may or may not have been answered.
        lost: of those, the ones whose connection broke.
        uncounted: by endpoint and status, what was answered right before a kill.
    """

    answered: Counter[Key] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    unsure: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    uncounted: Counter[Key] = field(default_factory=Counter)
    _lately: deque[tuple[float, Key]] = field(default_factory=lambda: deque(maxlen=50_000))

    @property
    def requests(self) -> int:
        """All that were sent."""
        return self.answered.total() + self.unsure.total()

    def answer(self, due: Due, status: int, body: bytes) -> None:
        """Count an answer."""
        key = due.endpoint, status
        self.answered[key] += 1
        self._lately.append((time.monotonic(), key))
        if not due.is_right(status, body):
            self.wrong.append(f"{due.endpoint}: {status} {body[:200]!r}, expected {due!r}"[:1000])

    def kill(self) -> None:
        """A worker is killed now."""
        since = time.monotonic() - LATELY_S
        self.uncounted += Counter(key for at, key in self._lately if at > since)
        self._lately.clear()

    def difference(self, counted: Counter[Key]) -> list[str]:
        """Where the server's own counts are not what was seen, less what is not known."""
        found = []
        for key in sorted({*counted, *self.answered} - {("/metrics", 200)}):
            low = self.answered[key] - self.uncounted[key]
            high = self.answered[key] + self.unsure[key[0]]
            if not low <= counted[key] <= high:
                found.append(f"{key}: {counted[key]} counted, {low} to {high} seen")
        return found


class Clients:
    """Connections to one server.

    Args:
        port: of 127.0.0.1.
        mix: what they send.
        requests: to send, of all of them.
    """

    def __init__(self, port: int, mix: Mix, requests: int) -> None:
        self.seen = Seen()
        self._port = port
        self._mix = mix
        self._requests = requests
        self._coming: list[Sent] = []

    async def run(self, connections: int, each_round: Callable[[], None]) -> None:
        """Send everything; `each_round` is called about ten times a second."""
        async with asyncio.TaskGroup() as group:
            clients = [group.create_task(self._client()) for _ in range(connections)]
            while not all(client.done() for client in clients):
                await asyncio.sleep(0.1)
                await asyncio.to_thread(each_round)

    def _next(self) -> Sent:
        if not self._coming:
            self._coming = self._mix.drawn(10_000)
        return self._coming.pop()

    async def _client(self) -> None:
        while self.seen.requests < self._requests:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            except ConnectionError:
                # The only worker has just been killed, or all its room is taken.
                await asyncio.sleep(0.1)
                continue
            left = AT_ONCE
            while left and await self._ask(self._next(), reader, writer):
                left = left - 1 if self.seen.requests < self._requests else 0
            writer.close()

    async def _ask(
        self, sent: Sent, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Whether the connection can go on."""
        due = deque(sent.due)
        try:
            writer.write(sent.octets)
            if sent.leaves:
                await self._leave(due[0], writer)
                return False
            async with asyncio.timeout(LONG_S):
                while due:
                    status, body = await _answer(reader)
                    self.seen.answer(due.popleft(), status, body)
        except (ConnectionError, asyncio.IncompleteReadError):
            self.seen.unsure.update(one.endpoint for one in due)
            self.seen.lost += len(due)
            return False
        # It stays with a body that the server does not read.
        return sent.due[0].status != 413

    async def _leave(self, due: Due, writer: asyncio.StreamWriter) -> None:
        await writer.drain()
        if due.status == GONE:
            self.seen.answered[due.endpoint, GONE] += 1
        else:
            self.seen.unsure[due.endpoint] += 1


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Status and body of the next answer."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    status = int(head[9:12])
    _, named, rest = head.partition(b"\r\ncontent-length:")
    if named:
        return status, await reader.readexactly(int(rest[: rest.index(b"\r")]))
    body = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readexactly(2)
    return status, body
