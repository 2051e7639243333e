"""What bulk requests take of a worker: memory, time, libraries; and that they are counted."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import bentoml
import pytest

from models.fields import EXAMPLE
from models.synthetic import generate
from models.training import Trained
from tests.support.bulk_bodies import ARROW, BOTH, NDJSON, bulk, ndjson_of, said, stream_of
from tests.support.servers import ROOT, Server, eventually, serve
from tests.support.spied import series, serve_spied, worker_of

LINE = ndjson_of([EXAMPLE])
MB = 1024 * 1024
NO_PYARROW = """raise ModuleNotFoundError("No module named 'pyarrow'", name="pyarrow")"""


def begin(server: Server, kind: str = NDJSON, body: bytes = LINE) -> socket.socket:
    """A chunked request whose body has begun and does not go on."""
    connection = socket.create_connection(("127.0.0.1", server.port), 10)
    head = f"POST /classify_batch HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\n"
    chunk = b"%x\r\n%b\r\n" % (len(body), body)
    connection.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + chunk)
    return connection


@pytest.fixture(scope="module")
def spied(
    home: Path, credit_model: bentoml.Model, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A service with a short timeout, whose worker tells what it has imported."""
    folder = tmp_path_factory.mktemp("spied")
    with serve_spied(home, folder, 'traffic={"timeout": 5}', {"BACKEND": "onnx"}) as server:
        yield server


def test_pyarrow_comes_with_the_first_arrow_request(spied: Server) -> None:
    assert said(bulk(spied, NDJSON, [EXAMPLE]))
    before = spied.client.post("/modules").json()
    assert said(bulk(spied, ARROW, [EXAMPLE]))
    after = spied.client.post("/modules").json()

    assert "pyarrow" not in before
    assert "pyarrow" in after


@pytest.mark.parametrize("kind", BOTH)
def test_a_client_that_goes_away_leaves_a_worker_that_answers(
    onnx_server: Server, kind: str
) -> None:
    body = LINE if kind == NDJSON else stream_of(generate(9).to_arrow())[:-50]
    # Twice as many as are read at once.
    for _ in range(8):
        begin(onnx_server, kind, body).close()

    # The client waits for half a minute, and a body that does not come holds its place for a whole.
    assert len(said(bulk(onnx_server, kind, [EXAMPLE]))) == 1


def test_a_body_that_does_not_come_in_time_is_504_and_frees_its_place(spied: Server) -> None:
    waiting = [begin(spied) for _ in range(6)]
    heads = [connection.recv(65536).split(b"\r\n")[0] for connection in waiting]
    for connection in waiting:
        connection.close()

    assert all(b"504" in head for head in heads)
    assert len(said(bulk(spied, NDJSON, [EXAMPLE]))) == 1


def test_single_requests_are_answered_while_a_body_comes_slowly(spied: Server) -> None:
    with begin(spied) as connection:
        assert spied.client.post("/classify", json=EXAMPLE).status_code == 200
        assert spied.client.post("/classify_batch", json=[EXAMPLE]).status_code == 200
        connection.sendall(b"0\r\n\r\n")
        answer = b""
        while not answer.endswith(b"0\r\n\r\n"):
            answer += connection.recv(65536)

    assert b'"probability"' in answer


def test_lines_are_answered_without_pyarrow(
    home: Path, tmp_path: Path, credit_model: bentoml.Model
) -> None:
    (tmp_path / "pyarrow.py").write_text(NO_PYARROW)
    with serve(home, PYTHONPATH=f"{tmp_path}:{ROOT}", BACKEND="onnx") as server:
        lines, columns = (bulk(server, kind, [EXAMPLE]) for kind in (NDJSON, ARROW))

    assert len(said(lines)) == 1
    assert columns.status_code == 415
    assert "'bulk' extra" in columns.json()["error"]


def test_bulk_requests_are_counted_in_bentomls_own_series(own_home: Path) -> None:
    at = {"endpoint": "/classify_batch"}
    with serve(own_home, BACKEND="onnx", MAX_BULK_ROWS="5") as server:
        for kind in BOTH:
            for rows in (1, 5, 6):
                bulk(server, kind, [EXAMPLE] * rows)
            bulk(server, kind, b"nothing")

        counts = {
            status: series(server, "request_total", http_response_code=status, **at)
            for status in ("200", "400", "413")
        }
        assert counts == {"200": 4, "400": 2, "413": 2}
        assert series(server, "request_in_progress", **at) == 0


@pytest.mark.parametrize("kind", BOTH)
def test_an_upload_is_never_held_whole(
    home: Path, credit_model: bentoml.Model, trained: Trained, kind: str
) -> None:
    generated = generate(2000, fields=trained.encoder.fields)
    rows, times = 200_000, 100
    if kind == ARROW:
        batch = generated.to_arrow()
        whole = stream_of(*[batch] * times)
    else:
        whole = ndjson_of(generated.applications()) * times
    with serve(home, BACKEND="onnx") as server:
        assert said(bulk(server, kind, [EXAMPLE]))
        before = worker_of(server).memory_info().rss
        answer = bulk(server, kind, whole)
        after = worker_of(server).memory_info().rss

    assert answer.headers["x-scored"] == str(rows)
    assert len(said(answer)) == rows
    # An upload of 41 MB of lines; the margins of its rows are 0.8.
    assert after - before < 24 * MB


def test_the_access_log_and_the_limit_at_once_hold(own_home: Path, tmp_path: Path) -> None:
    at = {"endpoint": "/classify_batch"}
    config = 'traffic={"max_concurrency": 1}, logging={"access": {"enabled": True}}'
    with serve_spied(own_home, tmp_path, config) as server:
        with begin(server):
            eventually(lambda: series(server, "request_in_progress", **at) == 1)
            assert bulk(server, NDJSON, [EXAMPLE]).status_code == 429
        eventually(lambda: bulk(server, NDJSON, [EXAMPLE]).status_code == 200)
        eventually(lambda: f"path=/classify_batch,type={NDJSON},length={len(LINE)}" in server.log)


def test_what_is_no_stream_is_bentomls(onnx_server: Server, example_answer: bytes) -> None:
    for kind in ("application/json", "text/plain", "application/x-ndjsonx"):
        answer = bulk(onnx_server, kind, json.dumps([EXAMPLE]).encode())
        assert answer.content == b"[" + example_answer + b"]"
    assert onnx_server.client.get("/classify_batch").status_code == 405
