"""What the fast path shares with BentoML: metrics, logs, limits; and what a worker loads."""

from __future__ import annotations

import asyncio
import gc
import json
import re
import socket
import weakref
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import bentoml
import httpx
import pytest

from bentoml_ext.serving.timeout import DEADLINE, PromptTimeout
from models.fields import EXAMPLE
from tests.support.homes import home_of
from tests.support.servers import Server, eventually
from tests.support.spied import series, serve_spied, worker_of

BODY = json.dumps(EXAMPLE).encode()
SECONDS_IN_2001 = 1e9


def classify(server: Server, body: bytes = BODY, **headers: str) -> httpx.Response:
    headers.setdefault("content-type", "application/json")
    return server.client.post("/classify", content=body, headers=headers)


@pytest.fixture(scope="module")
def spied(
    credit_model: bentoml.Model, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """The service on ONNX Runtime, with a look into its worker."""
    home = home_of(credit_model, tmp_path_factory.mktemp("spied"))
    with serve_spied(home, home, environ={"BACKEND": "onnx"}) as server:
        yield server


def test_plain_requests_are_answered_before_uvicorn_makes_requests_of_them(spied: Server) -> None:
    heads = [spied.client.post("/plain_heads").json()]
    classify(spied)
    heads.append(spied.client.post("/plain_heads").json())

    assert heads == [0, 1]


def test_a_scrape_right_after_a_request_shows_it(spied: Server) -> None:
    at = {"endpoint": "/classify", "http_response_code": "200"}
    before = series(spied, "request_total", **at)
    for count in range(1, 4):
        classify(spied)

        assert series(spied, "request_total", **at) == before + count


def test_an_onnx_worker_imports_no_training_library(spied: Server) -> None:
    classify(spied)
    classify(spied, b"{}")
    spied.client.post("/classify_batch", content=b"[" + BODY + b"]")
    loaded = {name.partition(".")[0] for name in spied.client.post("/modules").json()}

    assert "onnxruntime" in loaded
    heavy = {"xgboost", "sklearn", "scipy", "pandas", "onnx", "skl2onnx", "onnxmltools", "pyarrow"}
    assert not loaded & heavy


def threads_after_batches(server: Server) -> int:
    """The threads of a worker that has answered single requests and long batches."""
    big = b"[" + b",".join([BODY] * 2000) + b"]"
    for _ in range(3):
        classify(server)
        server.client.post("/classify_batch", content=big)
    return int(worker_of(server).num_threads())


def test_a_worker_has_no_pool_of_native_threads(
    spied: Server, own_home: Path, tmp_path: Path
) -> None:
    # The event loop, two for batches, BentoML's one for synchronous methods, and the lifeline.
    assert threads_after_batches(spied) <= 5
    with serve_spied(own_home, tmp_path, environ={"BACKEND": "xgboost"}) as server:
        assert threads_after_batches(server) <= 5


@pytest.mark.parametrize("workers", [1, 2])
def test_requests_are_counted_in_bentomls_own_series(
    own_home: Path, tmp_path: Path, workers: int
) -> None:
    with serve_spied(own_home, tmp_path, f"workers={workers}") as server:
        # A connection each, so that both workers get some.
        for _ in range(40):
            headers = {"content-type": "application/json"}
            assert httpx.post(f"{server.url}/classify", content=BODY, headers=headers).is_success
        for _ in range(3):
            assert classify(server, b"{}").status_code == 400

        at = {"endpoint": "/classify", "runner_name": "spied"}
        # The other worker brings its counts in its own time.
        eventually(lambda: series(server, "request_total", http_response_code="200", **at) == 40)
        assert series(server, "request_total", http_response_code="400", **at) == 3
        ok = {**at, "http_response_code": "200"}
        assert series(server, "request_duration_seconds_count", **ok) == 40
        assert series(server, "request_duration_seconds_bucket", le="+Inf", **ok) == 40
        assert series(server, "request_duration_seconds_sum", **ok) > 0
        assert series(server, "request_in_progress", **at) == 0
        # Seconds since 1970, and not since the machine started.
        assert series(server, "last_request_timestamp_seconds") > SECONDS_IN_2001


@pytest.fixture(scope="module")
def logging(
    credit_model: bentoml.Model, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Server]]:
    """Two servers with the access log and a short timeout: with the fast path, and without."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                serve_spied(
                    home_of(credit_model, folder := tmp_path_factory.mktemp(fastpath)),
                    folder,
                    'traffic={"timeout": 2}',
                    {"BACKEND": "onnx", "ACCESS_LOG": "on", "FASTPATH": fastpath},
                )
            )
            for fastpath in ("on", "off")
        ]


def logged(server: Server) -> list[str]:
    """The lines of requests to /classify, without what differs by chance."""
    lines = [line for line in server.log.splitlines() if "path=/classify" in line]
    # Without the fast path a line also has the ids of a trace, of which there is none with it.
    chance = r"^\S+ |127\.0\.0\.1:\d+|[\d.]+ms|\(trace=.*\)"
    return [re.sub(chance, "", line).strip() for line in lines]


def two_lines(server: Server) -> list[str]:
    """What is logged of the first two requests."""
    eventually(lambda: len(logged(server)) >= 2)
    return logged(server)


def test_the_access_log_has_bentomls_lines_where_it_is_on(logging: list[Server]) -> None:
    for server in logging:
        classify(server)
        classify(server, b"{}")
    short, long = map(two_lines, logging)

    assert [server.client.get("/model").json()["fastpath"] for server in logging] == [True, False]
    assert len(short) == 2
    assert re.search(r"status=200,type=application/json,length=\d+\)", short[0])
    assert short == long


def test_the_access_log_is_off_unless_asked_for(onnx_server: Server) -> None:
    classify(onnx_server)

    assert "path=/classify" not in onnx_server.log


def begin(server: Server, *, length: int = len(BODY)) -> socket.socket:
    """A request whose body does not come."""
    connection = socket.create_connection(("127.0.0.1", server.port), 10)
    head = f"POST /classify HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"
    connection.sendall(head.encode())
    return connection


def late_answer(server: Server) -> tuple[list[bytes], str]:
    """The 504 of a body that does not come, without its date, and the line that is logged of it."""
    at, before = {"endpoint": "/classify"}, len(logged(server))
    with begin(server) as connection:
        eventually(lambda: series(server, "request_in_progress", **at) == 1)
        answer = b""
        while b"}" not in answer:
            answer += connection.recv(65536)
    (line,) = eventually(lambda: logged(server)[before:])

    late = {**at, "http_response_code": "504"}
    assert series(server, "request_total", **late) == 1
    assert series(server, "request_duration_seconds_count", **late) == 1
    assert series(server, "request_duration_seconds_sum", **late) > 0
    assert series(server, "request_in_progress", **at) == 0
    return [line for line in answer.split(b"\r\n") if not line.startswith(b"date:")], line


def test_a_body_that_does_not_come_in_time_is_the_same_504_counted_and_logged(
    logging: list[Server],
) -> None:
    short, long = map(late_answer, logging)

    assert short == long
    assert short[0][0] == b"HTTP/1.1 504 Gateway Timeout"
    assert short[0][-1] == b'{"error":"Not able to process the request in 2 seconds"}'
    assert "status=504" in short[1]


@pytest.mark.parametrize("fastpath", ["on", "off"])
def test_one_request_too_many_at_once_is_429(own_home: Path, tmp_path: Path, fastpath: str) -> None:
    config = 'traffic={"max_concurrency": 1}'
    with serve_spied(own_home, tmp_path, config, {"FASTPATH": fastpath}) as server:
        with begin(server) as waiting:
            eventually(lambda: series(server, "request_in_progress", endpoint="/classify") == 1)
            assert classify(server).status_code == 429
            waiting.sendall(BODY)
            assert b"200 OK" in waiting.recv(65536)

        assert classify(server).status_code == 200


class Scope(dict[str, Any]):
    """A scope that can be watched."""


def test_an_answered_request_is_not_kept_until_its_timeout() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive() -> Any:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        await asyncio.sleep(0)

    async def requests() -> int:
        limited, watched = PromptTimeout(app, 60), []
        for _ in range(100):
            scope = Scope(type="http")
            watched.append(weakref.ref(scope))
            await limited(scope, receive, send)
        del scope
        gc.collect()
        return sum(ref() is not None for ref in watched)

    assert asyncio.run(requests()) == 0


def test_the_applications_own_timeout_error_is_not_a_504() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise TimeoutError("the application's")

    async def nothing(*_: Any) -> Any:
        return {}

    with pytest.raises(TimeoutError, match="the application's"):
        asyncio.run(PromptTimeout(app, 60)({"type": "http"}, nothing, nothing))


def test_time_that_has_begun_before_does_not_begin_anew() -> None:
    async def app(*_: Any) -> Any:
        await asyncio.sleep(60)

    async def answer() -> list[Any]:
        messages: list[Any] = []

        async def send(message: Any) -> None:
            messages.append(message)

        scope = {"type": "http", DEADLINE: asyncio.get_running_loop().time() + 0.01}
        await PromptTimeout(app, 60)(scope, app, send)
        return messages

    start, _ = asyncio.run(answer())
    assert start["status"] == 504
