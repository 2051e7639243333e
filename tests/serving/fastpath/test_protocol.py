"""The micro batcher in uvicorn's connections: the same answers, in order, however the bytes
come."""

from __future__ import annotations

import ast
import asyncio
import inspect
import random
import re
import textwrap
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvicorn
from uvicorn.config import HTTP_PROTOCOLS
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from bentoml_ext.serving.fastpath.endpoint import Endpoint
from bentoml_ext.serving.fastpath.micro_batch import HEADS
from bentoml_ext.serving.fastpath.protocol import HEAD_S, Connection, install
from tests.support.pipes import KEEP_ALIVE_S, Client, Pipe, Wraps, specification


def request(
    body: bytes = b'{"a": 1}', *headers: bytes, line: bytes = b"POST /wrap HTTP/1.1"
) -> bytes:
    lines = [line, b"Host: x", *headers, b"Content-Length: %d" % len(body), b"", b""]
    return b"\r\n".join(lines) + body


PLAIN = request()
ANSWER = (
    b"HTTP/1.1 200 OK\r\ndate: today\r\nx-backend: onnx\r\ncontent-length: 10\r\n"
    b'x-bentoml-request-id: id\r\n\r\n[{"a": 1}]'
)
CLOSE = request(b"{}", b"Connection: close")


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(test())


def test_a_plain_request_makes_no_task_and_gets_uvicorns_bytes() -> None:
    async def talk() -> None:
        ours, theirs = Client(), Client(HttpToolsProtocol)
        ours.pipe.send(PLAIN)
        assert not ours.state.tasks
        await ours.settled()

        assert ours.answered == ANSWER == await theirs.send(PLAIN)
        assert (ours.handler.at_once_calls, theirs.handler.at_once_calls) == ([1], [])
        assert ours.state.total_requests == theirs.state.total_requests == 1

    run(talk)


def test_requests_of_one_round_are_answered_by_one_call() -> None:
    async def talk() -> None:
        one, other = Client(), Client()
        other.server._batcher = one.server._batcher
        one.pipe.send(PLAIN)
        other.pipe.send(request(b"[2]"))
        await one.settled()

        assert one.handler.at_once_calls == [2]
        assert one.answered == ANSWER
        assert other.answered.endswith(b"[[2]]")

    run(talk)


# Each is right or wrong in its own way; together, in any order, they share a connection.
KINDS = [
    PLAIN,
    request(b"[" + b"1," * 400 + b"1]"),
    request(b"forwarded, as of an x"),
    request(b"raises!"),
    request(b""),
    request(b"", b"Connection: keep-alive"),
    request(b"{}", b"content-type: application/json; charset=utf-8"),
    request(b"{}", b"Content-Type: text/plain"),
    request(b"{}", b"Connection: keep-alive"),
    request(b"{}", b"X-Long: " + b"a" * 3000),
    request(b"{}", b"Expect: 100-continue"),
    request(b"{}", b"TE: trailers"),
    request(b"{}", line=b"POST /wrap?a=1 HTTP/1.1"),
    request(b"{}", line=b"POST /%77rap HTTP/1.1"),
    request(b"{}", line=b"POST http://x/wrap HTTP/1.1"),
    request(b"{}", line=b"PUT /wrap HTTP/1.1"),
    request(b"{}", line=b"POST /other HTTP/1.1"),
    request(b"{}", b"Connection: keep-alive", line=b"POST /wrap HTTP/1.0"),
    b"GET /wrap HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /wrap HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n",
    b"\r\n" + PLAIN,
    # What looks like a request inside of another is none.
    request(PLAIN),
    request(PLAIN, line=b"POST /soon HTTP/1.1"),
    request(b"{}", b"X-Inner: POST /wrap HTTP/1.1"),
]
LAST = [
    CLOSE,
    request(b"", b"Connection: close"),
    request(b"{}", line=b"POST /wrap HTTP/1.0"),
    request(b"{}", b"Content-Length: 3") + CLOSE,
    request(b"{}", b"Transfer-Encoding: chunked") + CLOSE,
    request(b"{}", b"Content-Length : 2") + CLOSE,
    request(b"{}", line=b"post /wrap HTTP/1.1") + CLOSE,
    request(b"{}", line=b"POST  /wrap HTTP/1.1") + CLOSE,
    request(b"{}", line=b"POST /wrap HTTP/1.1 ") + CLOSE,
    PLAIN.replace(b"\r\n", b"\n") + CLOSE,
    PLAIN.replace(b"Host: x\r\n", b"Host: x\n") + CLOSE,
    b"no request at all\r\n\r\n" + CLOSE,
    PLAIN[:-3],
]


def cut(stream: bytes, pick: random.Random) -> list[bytes]:
    """A stream in a few parts, often where a head or a request in it begins."""
    anywhere = range(len(stream) + 1)
    there = [found.start() for found in re.finditer(b"POST|\\r\\n\\r\\n", stream)] or anywhere
    places = pick.choices(anywhere, k=pick.choice([0, 0, 1, 3, 8]))
    places = sorted([*places, *pick.choices(there, k=pick.choice([0, 1, 2]))])
    return [stream[a:b] for a, b in zip([0, *places], [*places, len(stream)], strict=True)]


@pytest.mark.parametrize("seed", range(8))
def test_any_stream_gets_the_same_answers_with_the_wire_as_without(seed: int) -> None:
    # Not secret: the same streams in every run.
    pick = random.Random(seed)  # noqa: S311

    async def talk() -> None:
        calls = 0
        for _ in range(250):
            # Whole requests come apart from each other as a rule, but not always.
            rounds = pick.choice([0, 1, 2, 100])
            # uvicorn refuses what is no request before it answers what came right before.
            last = pick.choice(LAST if rounds == 100 else LAST[:3])
            parts = [*pick.choices([PLAIN] * 8 + KINDS, k=pick.randrange(6)), last]
            match pick.randrange(3):
                case 0:
                    parts = [piece for part in parts for piece in cut(part, pick)]
                case 1:
                    parts = cut(b"".join(parts), pick)
            ours, theirs = Client(), Client(HttpToolsProtocol)
            got = await ours.send(*parts, rounds=rounds)
            assert got == await theirs.send(*parts, rounds=rounds), (rounds, parts)
            assert ours.pipe.is_closing() == theirs.pipe.is_closing(), parts
            assert ours.state.total_requests == theirs.state.total_requests, parts
            ours.pipe.close()
            theirs.pipe.close()
            calls += len(ours.handler.at_once_calls)

        assert calls > 50

    run(talk)


OFFERS = [
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAB\r\n",
    b"UPGRADE: h2c,h2\r\nConnection: keep-alive, upgrade\r\n",
    b"Upgrade: TLS/1.0\r\nConnection: upgrade\r\nUpgrade: h2c\r\n",
    b"Upgrade: h2c\r\n",
]


@pytest.mark.parametrize("seed", range(2))
def test_an_offer_to_upgrade_changes_nothing(seed: int) -> None:
    pick = random.Random(seed)  # noqa: S311

    async def talk() -> None:
        calls = 0
        for _ in range(250):
            rounds = pick.choice([0, 1, 2, 100])
            parts = [*pick.choices([PLAIN] * 4 + KINDS, k=pick.randrange(6)), CLOSE]
            offers = pick.choices([*OFFERS, b""], k=len(parts))
            # Before all that looks like a request inside of another, too: there it is a body.
            asked = [
                part.replace(b"Host: x\r\n", b"Host: x\r\n" + offer, 1)
                for part, offer in zip(parts, offers, strict=True)
            ]
            match pick.randrange(3):
                case 0:
                    asked = [piece for part in asked for piece in cut(part, pick)]
                case 1:
                    asked = cut(b"".join(asked), pick)
            ours, theirs = Client(), Client(HttpToolsProtocol)
            got = await ours.send(*asked, rounds=rounds)
            assert got == await theirs.send(*parts), asked
            assert ours.pipe.is_closing() == theirs.pipe.is_closing(), asked
            ours.pipe.close()
            theirs.pipe.close()
            calls += len(ours.handler.at_once_calls)

        assert calls > 50

    run(talk)


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = bytes.fromhex("000000040000000000")


def test_a_client_that_speaks_http_2_gets_the_reason_in_http_2() -> None:
    async def talk() -> None:
        client = Client()
        got = await client.send(PREFACE + SETTINGS)

        goaway = got.removeprefix(SETTINGS)
        assert goaway != got
        # Length, GOAWAY, no flags, stream 0; the last stream is 0, the code HTTP_1_1_REQUIRED.
        assert goaway[:3] == (len(goaway) - 9).to_bytes(3, "big")
        assert goaway[3:17] == b"\x07" + bytes(9) + bytes([0, 0, 0, 13])
        assert goaway[17:].startswith(b"This server speaks HTTP/1.1.")
        assert client.pipe.is_closing()

    run(talk)


def test_a_body_that_looks_like_http_2_is_a_body() -> None:
    async def talk() -> None:
        ours, theirs = Client(), Client(HttpToolsProtocol)
        body = PREFACE + SETTINGS
        head = request(body).removesuffix(body)

        assert await ours.send(head, body) == await theirs.send(head, body) != b""
        await ours.send(PLAIN)
        # A later request is one of HTTP/1.1.
        assert b"400 Bad Request" in await ours.send(PREFACE + SETTINGS)

    run(talk)


def test_an_offer_of_a_websocket_is_uvicorns() -> None:
    async def talk() -> None:
        client = Client(ws="none")
        offer = b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        got = await client.send(b"GET /wrap HTTP/1.1\r\nHost: x\r\n" + offer)

        assert got.endswith(b"/wrap of 0")
        client.server.ws_protocol_class = type("Never", (), {})
        with pytest.raises(TypeError, match="Never"):
            await client.send(b"GET /wrap HTTP/1.1\r\nHost: x\r\n" + offer)

    run(talk)


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_head_gets_the_same_answer_with_the_wire_as_without(seed: int) -> None:
    pick = random.Random(seed)  # noqa: S311

    async def talk() -> None:
        for _ in range(500):
            head, _, body = PLAIN.partition(b"\r\n\r\n")
            octets = bytearray(head + b"\r\n\r\n")
            for _ in range(pick.choice([1, 1, 2])):
                at = pick.randrange(len(octets))
                change = bytes(pick.choices(b"\r\n\t :,;\0aZ0\x7f\xff", k=pick.choice([0, 1, 2])))
                octets[at : at + pick.choice([0, 1])] = change
            ours, theirs = Client(), Client(HttpToolsProtocol)
            stream = bytes(octets) + body
            assert await ours.send(stream) == await theirs.send(stream), stream
            assert await ours.send(CLOSE) == await theirs.send(CLOSE), stream

    run(talk)


def test_what_uvicorn_refuses_at_once_comes_after_the_answer_that_is_owed() -> None:
    async def talk() -> None:
        client = Client()
        client.pipe.send(PLAIN)
        client.pipe.send(b"no request at all\r\n\r\n")
        await client.settled()

        assert client.answered.startswith(ANSWER + b"HTTP/1.1 400 Bad Request\r\n")

    run(talk)


def test_a_server_that_ends_answers_what_it_has_taken() -> None:
    async def talk() -> None:
        client = Client()
        client.pipe.send(PLAIN)
        client.server.shutdown()

        assert client.answered == ANSWER
        assert client.pipe.is_closing()

    run(talk)


def test_a_client_that_sends_no_more_gets_its_answer() -> None:
    async def talk() -> None:
        client = Client()
        client.pipe.send(PLAIN)
        client.pipe.end()
        await client.settled()

        assert client.answered == ANSWER
        assert client.pipe.lost

    run(talk)


def test_a_client_that_sends_no_more_gets_the_answer_of_a_request_that_is_forwarded() -> None:
    async def talk() -> None:
        for rounds in range(4):
            client = Client()
            client.pipe.send(request(b"x"))
            for _ in range(rounds):
                await asyncio.sleep(0)
            client.pipe.end()
            await client.settled()

            assert client.answered.endswith(b"/wrap of 1")
            assert client.pipe.lost

    run(talk)


@pytest.mark.parametrize("body", [b"{}", b"x"], ids=["answered", "forwarded"])
def test_a_client_that_has_gone_harms_nobody(body: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async def talk() -> None:
        gone, other = Client(), Client()
        other.server._batcher = gone.server._batcher
        gone.pipe.send(request(body))
        other.pipe.send(PLAIN)
        gone.pipe.lose(ConnectionResetError())
        await other.settled()

        assert (gone.answered, other.answered) == (b"", ANSWER)

    run(talk)

    assert not caplog.records


def test_a_client_that_has_gone_from_a_pipeline_is_no_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def talk() -> None:
        for rounds in range(6):
            client = Client()
            client.pipe.send(request(b"x") * 3)
            for _ in range(rounds):
                await asyncio.sleep(0)
            client.pipe.lose(ConnectionResetError())
            await client.settled()

            assert not client.state.tasks

    run(talk)

    assert not caplog.records


def test_an_answer_that_cannot_be_sent_is_nobody_elses_affair(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def talk() -> None:
        broken, other = Client(), Client()
        other.server._batcher = broken.server._batcher
        broken.pipe.send(PLAIN)
        other.pipe.send(request(b"[2]"))
        monkeypatch.setattr(broken.pipe, "write", None)
        await other.settled()

        assert broken.pipe.lost
        assert other.answered.endswith(b"[[2]]")

    run(talk)


def test_the_date_is_todays() -> None:
    async def talk() -> None:
        client = Client()
        await client.send(PLAIN)
        client.state.default_headers = [(b"date", b"tomorrow")]

        assert await client.send(PLAIN) == ANSWER + ANSWER.replace(b"today", b"tomorrow")

    run(talk)


class Clock(asyncio.SelectorEventLoop):
    """An event loop whose time passes only when it is put forward."""

    now_s = 0.0

    def time(self) -> float:
        return self.now_s


def test_a_connection_is_closed_when_it_has_been_idle_and_not_before() -> None:
    clock = Clock()

    async def talk() -> None:
        client = Client()
        # One request is the micro batcher's, the next uvicorn's: each keeps the connection open.
        for asked in (PLAIN, PLAIN, request(b"x"), PLAIN, PLAIN):
            await client.send(asked)
            clock.now_s += KEEP_ALIVE_S - 1
            await client.settled()
            assert not client.pipe.is_closing()
        clock.now_s += 1
        await client.settled()

        assert client.pipe.is_closing()

    with asyncio.Runner(loop_factory=lambda: clock) as runner:
        runner.run(talk())


def test_a_connection_is_closed_that_sends_nothing_but_not_before_it_was_read() -> None:
    clock = Clock()

    async def talk() -> None:
        silent, late = Client(), Client()
        # The event loop stood.
        clock.now_s += 10 * KEEP_ALIVE_S
        await silent.settled()
        assert not silent.pipe.is_closing()
        assert await late.send(PLAIN) == ANSWER
        clock.now_s += 2
        await silent.settled()

        assert silent.pipe.is_closing()
        assert not late.pipe.is_closing()

    with asyncio.Runner(loop_factory=lambda: clock) as runner:
        runner.run(talk())


def test_a_connection_is_closed_whose_head_drips_on_but_not_one_whose_body_does() -> None:
    clock = Clock()

    async def talk() -> None:
        dripping, late, slow = Client(), Client(), Client()
        head, _, body = PLAIN.partition(b"\r\n\r\n")
        await late.send(head)
        await slow.send(head + b"\r\n\r\n" + body[:1])
        for piece in (b"GET / HTTP/1.1\r\n", b"x", b"y", b"z"):
            await dripping.send(piece)
            clock.now_s += HEAD_S / 4 - 1
        assert await late.send(b"\r\n\r\n" + body) == ANSWER
        assert not dripping.pipe.is_closing()
        clock.now_s += 4
        await dripping.settled()

        assert dripping.pipe.is_closing()
        assert not late.pipe.is_closing()
        assert await slow.send(body[1:]) == ANSWER

    with asyncio.Runner(loop_factory=lambda: clock) as runner:
        runner.run(talk())


def test_a_client_that_does_not_read_is_left_to_uvicorn() -> None:
    async def talk() -> None:
        client = Client()
        client.server.pause_writing()
        assert await client.send(PLAIN) == b""
        client.server.resume_writing()
        await client.settled()

        assert client.answered == ANSWER
        assert client.handler.at_once_calls == []

    run(talk)


def test_nothing_is_taken_while_bentomls_limit_is_reached() -> None:
    async def talk() -> None:
        client = Client()
        async with client.limit:
            assert b"202 Accepted" in await client.send(PLAIN)

        assert (await client.send(PLAIN)).endswith(ANSWER)

    run(talk)


@pytest.mark.parametrize(
    "option", [{"root_path": "/v1"}, {"limit_concurrency": 100}], ids=["root path", "limit"]
)
def test_a_server_with_something_special_about_it_is_left_to_uvicorn(
    option: dict[str, Any],
) -> None:
    async def talk() -> None:
        client = Client(**option)
        await client.send(PLAIN)

        assert client.handler.at_once_calls == []

    run(talk)


def test_another_application_is_left_to_uvicorn() -> None:
    async def talk() -> None:
        config = uvicorn.Config(specification, http=Connection, lifespan="off", log_config=None)
        config.load()
        pipe = Pipe()
        pipe.protocol = Connection(config=config, server_state=ServerState(), app_state={})
        pipe.protocol.connection_made(pipe)
        pipe.send(PLAIN)
        for _ in range(8):
            await asyncio.sleep(0)

        assert b"202 Accepted" in pipe.written

    run(talk)


def test_a_client_that_sends_a_new_head_every_time_fills_no_memory() -> None:
    async def talk() -> None:
        client = Client()
        batcher = client.server._batcher
        for i in range(HEADS + 10):
            client.pipe.send(request(b"{}", b"X-Request-Id: %d" % i))
            batcher.finish()

        assert len(batcher._simple) == 10
        assert client.answered.count(b"200 OK") == HEADS + 10

    run(talk)


def test_a_header_that_breaks_the_head_is_refused() -> None:
    with pytest.raises(ValueError, match="Expected a header"):
        Endpoint(Wraps(), [(b"x-model-tag", b"a\r\nb: c")], None)


def test_uvicorn_picks_our_connection_by_itself() -> None:
    before = HTTP_PROTOCOLS["auto"]
    try:
        install()
        config = uvicorn.Config(specification, log_config=None)
        config.load()
    finally:
        HTTP_PROTOCOLS["auto"] = before

    assert config.http_protocol_class is Connection


def test_uvicorn_ends_a_response_as_it_did() -> None:
    # What `Connection.answer` does in its install: a change here is a reason to read it again.
    source = inspect.getsource(HttpToolsProtocol.on_response_complete)
    lines = ast.unparse(ast.parse(textwrap.dedent(source))).splitlines()

    assert [line.strip() for line in lines] == [
        "def on_response_complete(self) -> None:",
        "self.server_state.total_requests += 1",
        "if self.transport.is_closing():",
        "return",
        "self._unset_keepalive_if_required()",
        "self.flow.resume_reading()",
        "if self.pipeline:",
        "cycle, app = self.pipeline.pop()",
        "self._start_asgi_task(cycle, app)",
        "else:",
        "self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, "
        "self.timeout_keep_alive_handler)",
    ]
