"""Too long bodies, paths that nobody has, clients that leave: refused, counted, forgotten."""

from __future__ import annotations

import json
import select
import socket
from contextlib import ExitStack, closing

import numpy as np
import pyarrow as pa
import pytest

from bentoml_ext.serving.streaming.turns import AT_ONCE, LARGE_BYTES
from models.fields import EXAMPLE
from tests.support.bulk_bodies import (
    ARROW,
    BOTH,
    NDJSON,
    arrow_of,
    bulk,
    ndjson_of,
    said,
    stream_of,
)
from tests.support.servers import Server, eventually
from tests.support.spied import worker_of

MB = 1024 * 1024


@pytest.fixture(params=["onnx_server", "long_server"])
def server(request: pytest.FixtureRequest) -> Server:
    """A server with the fast path, and one without."""
    made: Server = request.getfixturevalue(request.param)
    return made


def opened(
    server: Server, *, path: str = "/classify", length: str, kind: str = ""
) -> socket.socket:
    """A connection on which the head of a request has been sent."""
    made = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    kind = kind or "application/json"
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\n{length}\r\n\r\n"
    made.sendall(head.encode())
    return made


def counted(server: Server, endpoint: str, status: int) -> float:
    """Answers of that status so far, as the metrics have it."""
    wanted = f'endpoint="{endpoint}",http_response_code="{status}"'
    lines = server.client.get("/metrics").text.splitlines()
    found = [line for line in lines if "request_total" in line and wanted in line]
    return sum(float(line.rpartition(" ")[2]) for line in found)


@pytest.mark.parametrize(
    ("path", "size", "way_out"),
    [
        ("/classify", MB, "many to /classify_batch"),
        ("/classify_batch", 16 * MB, "application/x-ndjson"),
        ("/nowhere", 256 * MB, "MAX_BULK_BYTES"),
    ],
)
def test_a_long_body_is_refused_before_it_is_read(
    server: Server, path: str, size: int, way_out: str
) -> None:
    with closing(opened(server, path=path, length=f"Content-Length: {size + 1}")) as connection:
        answer = ""
        while "}" not in answer:
            answer += connection.recv(10_000).decode()

    assert answer.startswith("HTTP/1.1 413 ")
    assert f"Expected at most {size} bytes, got more" in answer
    assert way_out in answer


@pytest.mark.parametrize(("path", "size"), [("/classify", MB), ("/classify_batch", 16 * MB)])
def test_the_longest_body_is_taken_and_one_byte_more_is_413(
    server: Server, path: str, size: int
) -> None:
    value = EXAMPLE if path == "/classify" else [EXAMPLE]
    longest = json.dumps(value).encode().ljust(size)

    def answer(body: bytes, *, told: bool) -> int:
        pieces = iter([body[: size // 2], body[size // 2 :]])
        headers = {"content-type": "application/json"}
        content = body if told else pieces
        return server.client.post(path, content=content, headers=headers).status_code

    for told in (True, False):
        assert answer(longest, told=told) == 200
        assert answer(longest + b" ", told=told) == 413


def test_a_body_without_end_takes_no_memory(server: Server) -> None:
    worker = worker_of(server)
    before = worker.memory_info().rss
    chunk = b"100000\r\n" + b" " * MB + b"\r\n"
    with closing(opened(server, length="Transfer-Encoding: chunked")) as connection:
        for _ in range(200):
            connection.sendall(chunk)
        assert connection.recv(10_000).startswith(b"HTTP/1.1 413 ")

    assert worker.memory_info().rss - before < 50 * MB


@pytest.mark.parametrize("body", [b"[" * MB, b'{"age":' * 100_000, b"[[]," * 200_000])
def test_deep_nesting_is_400(server: Server, body: bytes) -> None:
    for path in ("/classify", "/classify_batch"):
        headers = {"content-type": "application/json"}
        assert server.client.post(path, content=body, headers=headers).status_code == 400


def test_paths_that_no_route_has_share_one_label(server: Server) -> None:
    before = counted(server, "unknown", 404)
    size = len(server.client.get("/metrics").content)
    for i in range(300):
        assert server.client.get(f"/{i}-{'x' * 8000}").status_code == 404
        assert server.client.put(f"/classify?{i}").status_code == 405

    assert counted(server, "unknown", 404) == before + 300
    assert counted(server, "/classify", 405) >= 300
    assert len(server.client.get("/metrics").content) < size + 20_000


def test_others_are_answered_while_a_long_body_is_decoded(server: Server) -> None:
    one = b"[" + b"[]," * 700 + b"1],"
    body = b"[" + one * (16 * MB // len(one) - 1) + b"1]"
    with closing(
        opened(server, path="/classify_batch", length=f"Content-Length: {len(body)}")
    ) as big:
        big.settimeout(60)
        big.sendall(body[:-1])
        for _ in range(100):
            # Meanwhile the worker reads what has been sent.
            assert server.client.post("/classify", json=EXAMPLE).status_code == 200
        big.sendall(body[-1:])
        answered = 0
        while not select.select([big], [], [], 0)[0]:
            assert server.client.post("/classify", json=EXAMPLE).status_code == 200
            answered += 1
        assert big.recv(10_000).startswith(b"HTTP/1.1 400 ")

    assert answered > 20


@pytest.mark.parametrize("kind", BOTH)
def test_clients_that_stall_in_the_middle_stop_nobody(server: Server, kind: str) -> None:
    applications = [dict(EXAMPLE)] * 6000
    body = ndjson_of(applications) if kind == NDJSON else arrow_of(applications)
    length = f"Content-Length: {len(body)}"
    with ExitStack() as stack:
        for i in range(300):
            idle = opened(server, path="/classify_batch", length="Content-Length: 999", kind=kind)
            stack.enter_context(closing(idle))
            if i % 15 == 0:
                idle = opened(server, path="/classify_batch", length=length, kind=kind)
                stack.enter_context(closing(idle))
                idle.sendall(body[: len(body) * 4 // 5])
        for other in BOTH:
            assert len(said(bulk(server, other, [EXAMPLE] * 3000))) == 3000
        assert server.client.post("/classify", json=EXAMPLE).status_code == 200


@pytest.mark.slow
def test_large_uploads_that_stall_give_way_to_another(server: Server) -> None:
    columns = {
        name: pa.array([value] * 100_000 if isinstance(value, str) else np.zeros(100_000) + value)
        for name, value in EXAMPLE.items()
    }
    body = stream_of(pa.RecordBatch.from_pydict(columns))
    assert len(body) > LARGE_BYTES * 5 // 4
    with ExitStack() as stack:
        stalled = []
        for _ in range(AT_ONCE):
            length = f"Content-Length: {len(body)}"
            one = opened(server, path="/classify_batch", length=length, kind=ARROW)
            stalled.append(stack.enter_context(closing(one)))
            one.sendall(body[: len(body) * 4 // 5])

        assert len(said(bulk(server, ARROW, body))) == 100_000
        told = stalled[0].recv(1000) or stalled[1].recv(1000)
        assert told.startswith(b"HTTP/1.1 408 ")


def test_a_thousand_clients_that_drip_stop_nobody(server: Server) -> None:
    request = b"POST /classify HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"
    with ExitStack() as stack:
        drips = []
        for _ in range(1000):
            one = socket.create_connection(("127.0.0.1", server.port), timeout=20)
            drips.append(stack.enter_context(closing(one)))
        for place in (*range(0, len(request), 20), len(request) - 1):
            for one in drips[place % 2 :: 2]:
                one.sendall(request[place : place + 1])
            assert server.client.post("/classify", json=EXAMPLE).status_code == 200
        for other in BOTH:
            assert len(said(bulk(server, other, [EXAMPLE] * 3000))) == 3000


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/classify", ""), ("/classify_batch", ""), ("/classify_batch", NDJSON)],
)
def test_a_client_that_leaves_is_counted_and_makes_no_lines(
    server: Server, path: str, kind: str
) -> None:
    before, log = counted(server, path, 499), server.log
    for _ in range(5):
        for length in ("Content-Length: 9000", "Transfer-Encoding: chunked"):
            connection = opened(server, path=path, length=length, kind=kind)
            connection.sendall(b"10\r\n{" if "chunked" in length else b"{")
            connection.close()

    eventually(lambda: counted(server, path, 499) == before + 10)
    assert server.log == log
    assert server.client.post("/classify", json=EXAMPLE).status_code == 200
