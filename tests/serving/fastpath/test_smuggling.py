"""Three readers of HTTP differ about no request: where it ends, what it gets, what comes after.

The fast path stands in front of uvicorn's own protocol on httptools, which is the second reader.
The third is uvicorn's protocol on h11, in front of the same application.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

import h11
import pytest
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from bentoml_ext.serving.fastpath.protocol import Connection
from tests.support.pipes import Client
from tests.support.smuggling import CATALOGUE, CLOSE, LINE, PLAIN, asked

REQUESTS = int(os.environ.get("FUZZ", "6000"))
SEED = int(os.environ.get("FUZZ_SEED", "0"))
SHARES = 4

Answers = list[tuple[int, bytes]]
Opinion = tuple[Answers, bool, Answers, bool]

LOST_BY_UVICORN = {"offers HTTP/2"}
"""uvicorn's own loses the body of what offers to upgrade; ours reads it, as h11 does."""

H11_DIFFERS = {
    "h11 takes a length that is said twice alike": {
        "two equal lengths",
        "a list of equal lengths",
    },
    "h11 counts lengths up to 20 digits, httptools up to 64 bits": {
        "a length of 2 to the 64th and 8",
        "a length of 40 zeros",
        "a size of 30 digits",
        "a size beyond 64 bits",
    },
    "h11 answers a request before it refuses what comes right behind it": {
        "a length and more",
        "a length of 0 and a body",
    },
    "h11 lets chunks win over a length, as RFC 9112 allows; httptools refuses both": {
        "a length and chunks",
        "a short length and chunks",
        "a length beyond and chunks",
        "chunks and a length",
        "chunks of none, a length, a request",
    },
    "h11 knows no other coding before chunked": {
        "identity, chunked",
        "gzip, chunked",
    },
    "h11 reads a folded line as a blank, as RFC 9112 allows; httptools refuses it": {
        "a coding on a folded line",
        "a folded length",
        "a folded line",
        "a folded line by a tab",
        "a folded line of blanks",
        "a trailer that is folded",
    },
    "h11 takes a bare LF as the end of a line, as RFC 9112 allows; httptools refuses it": {
        "a bare LF after a header",
        "a bare LF after the line",
        "a coding behind a bare LF",
        "an end of CRLF after a bare LF",
        "an end of a bare LF",
        "an end of a bare LF after CRLF",
        "an end of bare LFs",
        "bare LFs",
    },
    "h11 waits for the end of a line where httptools refuses a bare CR": {
        "an end of a bare CR",
        "bare CRs",
    },
    "h11 does not look into a chunk's line, but for the size": {
        "a size before a blank",
        "a size before a tab",
        "an empty extension",
        "an extension with a NUL",
        "an extension with a bare CR",
    },
    "h11 gives a trailer no meaning; httptools refuses the second word of the length": {
        "a trailer of a coding",
        "a trailer of a length",
    },
    "h11 takes no empty line between two requests": {
        "a bare CR before it",
        "a bare LF before it",
        "an empty line after it",
        "an empty line before it",
        "three empty lines before it",
    },
    "h11 takes one blank between the words of a line": {
        "two blanks",
        "two blanks before the version",
    },
    "h11 takes any word as a method": {
        "HTTP/2's own",
        "a method in small letters",
        "a method that nobody has",
    },
    "h11 knows no other versions, or answers them as 1.1": {
        "HTTP/1.2",
        "HTTP/2.0",
        "no version",
    },
    "h11 hands a target on as it is; httptools takes the path out of it, or refuses it": {
        "a backslash",
        "a connection to another",
        "a fragment",
        "a host alone",
        "a whole address",
        "a whole address in capitals",
        "a whole address of TLS",
        "a whole address of another",
        "a whole address with a user",
        "a whole address without a host",
        "a whole address without a path",
        "no slash",
    },
    "h11 takes controls in a value, but for NUL": {
        "a value with a DEL",
        "a value with a control",
    },
    "h11 wants one host, as RFC 9112 does; uvicorn's application decides otherwise": {
        "no host",
        "two equal hosts",
        "two hosts",
    },
    "h11 sends no 100 to HTTP/1.0": {"expects 100, HTTP/1.0"},
}
"""Where the two libraries differ by design: why, and about what of the catalogue."""


class Third(H11Protocol):
    """uvicorn's protocol on h11; what it cannot answer any more ends the connection."""

    def data_received(self, data: bytes) -> None:
        """As of an event loop, which closes where a protocol raises."""
        try:
            super().data_received(data)
        except h11.LocalProtocolError:
            self.transport.abort()


SHORT, OWN, THIRD = Connection, HttpToolsProtocol, Third
KINDS = (SHORT, OWN, THIRD)


def answers(octets: bytes) -> Answers:
    """Status and body of each answer, in order."""
    found = []
    while octets:
        head, _, octets = octets.partition(b"\r\n\r\n")
        first, *lines = head.lower().split(b"\r\n")
        status = int(first.split()[1])
        headers = dict(line.split(b": ", 1) for line in lines)
        if b"transfer-encoding" in headers:
            body = b""
            size, _, octets = octets.partition(b"\r\n")
            while length := int(size, 16):
                body, octets = body + octets[:length], octets[length + 2 :]
                size, _, octets = octets.partition(b"\r\n")
            octets = octets[2:]
        else:
            # Without a length it goes to the end, but for an interim one.
            until = 0 if status < 200 else len(octets)
            length = int(headers.get(b"content-length", until))
            body, octets = octets[:length], octets[length:]
        found.append((status, body))
    return found


async def opinion(client: Client, *parts: bytes) -> Opinion:
    """What is answered to these, whether it closes then, and what a last request gets."""
    # uvicorn refuses before it answers what came right before: each has its time.
    got = answers(await client.send(*parts, rounds=10))
    closed = client.pipe.is_closing()
    then = answers(await client.send(CLOSE))[len(got) :]
    ended = client.pipe.is_closing()
    client.pipe.close()
    await asyncio.sleep(0)
    return got, closed, then, ended


@pytest.fixture(autouse=True)
def no_error_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.ERROR)
    yield
    assert not caplog.records


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_request_of_the_catalogue_is_read_alike(name: str) -> None:
    async def talk() -> None:
        short, own, third = [await opinion(Client(kind), CATALOGUE[name]) for kind in KINDS]

        assert (short == own) == (name not in LOST_BY_UVICORN)
        differs = any(name in names for names in H11_DIFFERS.values())
        assert (short == third) == (not differs), (short, third)

    asyncio.run(talk())


def test_every_name_of_a_difference_is_of_the_catalogue() -> None:
    assert set().union(LOST_BY_UVICORN, *H11_DIFFERS.values()) <= CATALOGUE.keys()


def test_no_request_of_the_catalogue_is_a_fault_of_ours_or_another_ones_answer() -> None:
    async def talk() -> None:
        for name, stream in CATALOGUE.items():
            got, _, then, _ = await opinion(Client(), stream)

            assert all(status in (100, 200, 202, 400) for status, _ in got + then), name
            # The hidden request of a refused one is answered to nobody.
            assert (200, b'[{"smuggled": 1}]') not in got + then, name
            assert then in ([], [(200, b'[{"last": 1}]')], got[:1]) or then[0][0] == 400, name

    asyncio.run(talk())


@pytest.mark.slow
@pytest.mark.parametrize("share", range(SHARES))
def test_a_split_request_is_read_as_without_the_fast_path(share: int) -> None:
    async def talk() -> None:
        ours, theirs = Client(SHORT), Client(OWN)
        for name, stream in list(CATALOGUE.items())[share::SHARES]:
            if name in LOST_BY_UVICORN or len(stream) > 500:
                continue
            # At every place in the long run, and byte by byte.
            places = range(1, len(stream), 1 if REQUESTS > 100_000 else 9)
            split = [(stream[:place], stream[place:]) for place in places]
            for parts in [*split, tuple(bytes([byte]) for byte in stream)]:
                short, own = [await opinion(client.beside(), *parts) for client in (ours, theirs)]
                assert short == own, (name, parts)

    asyncio.run(talk())


def test_a_plain_request_is_answered_however_it_is_split() -> None:
    async def talk() -> None:
        client, stream = Client(), PLAIN + PLAIN
        for first in range(len(stream)):
            for second in range(first, len(stream), 5):
                parts = stream[:first], stream[first:second], stream[second:]
                got, closed, _, _ = await opinion(client.beside(), *parts)

                assert (got, closed) == ([(200, b'[{"a": 1}]')] * 2, False), parts

    asyncio.run(talk())


def chunked(body: bytes, pick: random.Random) -> bytes:
    """A body in chunks, some with an extension, and perhaps a trailer."""
    lines, left = b"", body
    while left:
        size = pick.randrange(1, len(left) + 1)
        extension = pick.choice([b"", b"", b";a", b';a="b"'])
        lines += b"%x%b\r\n%b\r\n" % (size, extension, left[:size])
        left = left[size:]
    return lines + b"0\r\n" + pick.choice([b"", b"X-Sum: 1\r\n"]) + b"\r\n"


HEADERS = [
    b"X-Request-Id: 1",
    b"Connection: keep-alive",
    b"Content-Type: application/json",
    b"Accept: */*",
    b"X-Inner: POST /classify HTTP/1.1",
]


def sound(number: int, pick: random.Random) -> tuple[bytes, Answers]:
    """A request that all must read alike, and what it gets, which tells it from any other."""
    body = b'{"n": %d%b}' % (number, b" " * pick.choice([0, 0, 0, 9, 700]))
    headers = pick.sample(HEADERS, k=pick.choice([0, 0, 1, 2]))
    length: int | None = -1
    line, sent, due = LINE, body, [(200, b"[%b]" % body)]
    match pick.randrange(12):
        case 0:
            headers, length = [*headers, b"Transfer-Encoding: chunked"], None
            sent = chunked(body, pick)
        case 1:
            headers, due = [*headers, b"Expect: 100-continue"], [(100, b""), *due]
        case 2:
            line = b"POST /%63lassify HTTP/1.1"
        case 3:
            line, due = b"POST /c%d HTTP/1.1" % number, [(202, b"/c%d of %d" % (number, len(body)))]
        case 4:
            line, length, sent = b"GET /g%d HTTP/1.1" % number, None, b""
            due = [(202, b"/g%d of 0" % number)]
        case 5:
            sent = b"x" * (number % 1000 + 1)
            due = [(202, b"/classify of %d" % len(sent))]
        case 6:
            sent = asked(body=body)
            line, due = b"PUT /p%d HTTP/1.1" % number, [(202, b"/p%d of %d" % (number, len(sent)))]
    return asked(*headers, line=line, body=sent, length=length), due


@dataclass
class Talk:
    """What one client sends, when, and how it ends.

    Args:
        parts: to send.
        rounds: of the event loop after each of them; None until all is worked off.
        due: what the sound requests in it get.
        odd: what comes after them, of the catalogue; empty for nothing.
        end: "stays", "ends" where it sends no more, or "goes" where its connection is reset.
    """

    parts: list[bytes] = field(default_factory=list)
    rounds: int | None = None
    due: Answers = field(default_factory=list)
    odd: str = ""
    end: str = "stays"

    @classmethod
    def made(cls, numbers: range, pick: random.Random) -> Talk:
        """One with so many requests, which carry these numbers."""
        talk = cls(rounds=pick.choice([None, None, 0, 1, 2, 5]))
        talk.end = pick.choice(["stays", "stays", "stays", "ends", "goes"])
        streams = []
        for number in numbers:
            stream, due = sound(number, pick)
            streams.append(stream)
            talk.due += due
        match pick.randrange(4):
            case 0 | 1:
                talk.parts = streams
            case 2:
                talk.parts = [piece for stream in streams for piece in cut(stream, pick)]
            case _:
                talk.parts = cut(b"".join(streams), pick)
        if talk.end == "stays":
            if pick.random() < 0.5:
                talk.odd = pick.choice(ODD)
        elif pick.random() < 0.5:
            # In the middle of a head or a body.
            talk.parts[-1] = talk.parts[-1][: pick.randrange(len(talk.parts[-1]) + 1)]
        return talk

    async def run(self, client: Client) -> tuple[Answers, bool]:
        """What it gets, and whether its connection is closed then."""
        for part in [*self.parts, CATALOGUE.get(self.odd, b"")]:
            client.pipe.send(part)
            if self.rounds is None:
                await client.settled()
            for _ in range(self.rounds or 0):
                await asyncio.sleep(0)
        if self.end == "ends":
            client.pipe.end()
        elif self.end == "goes":
            client.pipe.lose(ConnectionResetError())
        for _ in range(3):
            await client.settled()
        closed = client.pipe.is_closing()
        client.pipe.close()
        await asyncio.sleep(0)
        return answers(client.answered), closed


ODD = [name for name in CATALOGUE if len(CATALOGUE[name]) < 5000 and name not in LOST_BY_UVICORN]


def cut(stream: bytes, pick: random.Random) -> list[bytes]:
    """A stream in up to eight parts."""
    places = sorted(pick.choices(range(len(stream) + 1), k=pick.choice([0, 1, 1, 2, 7])))
    return [stream[a:b] for a, b in zip([0, *places], [*places, len(stream)], strict=True)]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(SEED, SEED + SHARES))
def test_of_many_clients_none_loses_an_answer_or_gets_another_ones(
    seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    # Not secret: the same streams in every run.
    pick = random.Random(seed)  # noqa: S311

    async def talk() -> None:
        clients = [Client(kind, at_a_time=9) for kind in KINDS]
        alone = {name: (await opinion(Client(), CATALOGUE[name]))[0] for name in ODD}
        asked_for = 0
        while asked_for < REQUESTS // SHARES:
            talks = []
            for _ in range(4):
                count = pick.randrange(1, 7)
                talks.append(Talk.made(range(asked_for, asked_for + count), pick))
                asked_for += count
            made = []
            for client in clients:
                made.append(await asyncio.gather(*(one.run(client.beside()) for one in talks)))
                assert client is not clients[0] or not caplog.records, talks
            for one, short, own, third in zip(talks, *made, strict=True):
                judge(one, alone.get(one.odd, []), short, own, third)
            # uvicorn's own fails as it answers a pipeline whose client has gone.
            caplog.clear()

        assert sum(clients[0].handler.at_once_calls) > asked_for // 8

    asyncio.run(talk())


Made = tuple[Answers, bool]


def judge(talk: Talk, odd: Answers, short: Made, own: Made, third: Made) -> None:
    """Compare what three readers have made of a talk."""
    differs = any(talk.odd in names for names in H11_DIFFERS.values())
    # uvicorn on httptools refuses at once, whatever it has yet to answer.
    at_once = talk.rounds is not None and (400, REFUSAL) in odd
    if talk.end == "stays" and not differs:
        assert third[0] == talk.due + odd, talk
        assert at_once or third == short, talk
    if talk.rounds is None or (talk.end == "stays" and not at_once):
        assert short == own, talk
    if talk.end == "stays" and not at_once:
        assert short[0] == talk.due + odd, talk
    for got, _ in short, own:
        answered = got[: len(got) - len(odd)] if talk.odd else got
        assert got == talk.due[: len(answered)] + odd, talk


REFUSAL = b"Invalid HTTP request received."
