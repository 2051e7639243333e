"""Drain: from SIGTERM on no client loses an answer, and the server ends in time."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import bentoml
import httpx
import pytest

from models.fields import EXAMPLE
from tests.support.servers import START_S, Server, eventually, serve
from tests.support.spied import worker_of

pytestmark = pytest.mark.slow

SECONDS = 2.0
LONG = "600"
"""A server that waits so long is ended by the test's own limit."""

CLIENTS = 8
PAUSE_S = 0.005
"""Between two requests of a client: the load is bounded."""


class Client(threading.Thread):
    """Asks as a browser or a service does: one connection, a new one after `Connection: close`."""

    def __init__(self, server: Server, expected: bytes) -> None:
        super().__init__(daemon=True)
        self._url, self._expected = f"{server.url}/classify", expected
        self.right, self.wrong, self.closed = 0, 0, 0
        self.lost, self.answered_again = 0, 0
        self.goes_on = True

    def run(self) -> None:
        with httpx.Client(timeout=START_S) as client:
            while self.goes_on:
                try:
                    answer = client.post(self._url, json=EXAMPLE)
                except httpx.TransportError:
                    self.lost += 1
                    time.sleep(0.1)
                    continue
                self.answered_again += self.lost > 0
                if answer.content == self._expected and answer.status_code == 200:
                    self.right += 1
                else:
                    self.wrong += 1
                self.closed += answer.headers.get("connection") == "close"
                time.sleep(PAUSE_S)


@contextmanager
def under_load(
    home: Path, expected: bytes, fastpath: str = "on"
) -> Iterator[tuple[Server, list[Client]]]:
    """A server and clients that ask all the time."""
    with serve(home, BACKEND="onnx", FASTPATH=fastpath, DRAIN_SECONDS=str(SECONDS)) as server:
        clients = [Client(server, expected) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        eventually(lambda: all(client.right > 5 for client in clients))
        yield server, clients
        for client in clients:
            client.goes_on = False
        for client in clients:
            client.join(START_S)


@pytest.mark.parametrize("fastpath", ["on", "off"])
def test_eight_clients_get_every_answer_until_the_time_is_over(
    own_home: Path, example_answer: bytes, fastpath: str
) -> None:
    with under_load(own_home, example_answer, fastpath) as (server, clients):
        server.process.send_signal(signal.SIGTERM)
        eventually(lambda: not server.is_ready())
        assert server.client.get("/readyz").status_code == 503
        assert server.client.get("/livez").status_code == 200
        server.process.send_signal(signal.SIGTERM)
        code = server.process.wait(20)
        eventually(lambda: all(client.lost for client in clients))

    assert code == 0
    assert [client.wrong for client in clients] == [0] * CLIENTS
    # A client that lost a request got no further answer: the time was over.
    assert [client.answered_again for client in clients] == [0] * CLIENTS
    assert all(client.closed > 5 for client in clients)
    assert "Traceback" not in server.log


def test_an_idle_connection_gets_an_answer_that_says_close(
    own_home: Path, example_answer: bytes
) -> None:
    body = json.dumps(EXAMPLE).encode()
    head = b"POST /classify HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    request = head + b"content-length: %d\r\n\r\n%b" % (len(body), body)
    with (
        serve(own_home, BACKEND="onnx", DRAIN_SECONDS=LONG) as server,
        socket.create_connection(("127.0.0.1", server.port)) as idle,
    ):
        idle.sendall(request)
        assert b"connection: close" not in idle.recv(4096)
        server.process.send_signal(signal.SIGTERM)
        eventually(lambda: not server.is_ready())
        idle.sendall(request)
        answer = b"".join(iter(lambda: idle.recv(4096), b""))
        # The console's interrupt ends the time that is left.
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(START_S) == 0

    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"\r\nconnection: close\r\n" in answer
    assert answer.endswith(example_answer)


def test_an_upload_in_progress_is_answered(own_home: Path, credit_model: bentoml.Model) -> None:
    with (
        serve(own_home, BACKEND="onnx", DRAIN_SECONDS="0.5") as server,
        socket.create_connection(("127.0.0.1", server.port)) as upload,
    ):
        upload.sendall(
            b"POST /classify_batch HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-ndjson\r\n"
            b"transfer-encoding: chunked\r\n\r\n"
        )
        time.sleep(0.3)
        server.process.send_signal(signal.SIGTERM)
        eventually(lambda: not server.is_ready())
        time.sleep(1.0)
        line = httpx.Request("POST", server.url, json=EXAMPLE).content + b"\n"
        upload.sendall(b"%x\r\n%b\r\n0\r\n\r\n" % (len(line), line))
        answer = b"".join(iter(lambda: upload.recv(4096), b""))
        assert server.process.wait(20) == 0

    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"connection: close" in answer


def test_an_interrupt_at_the_console_waits_for_nothing(
    own_home: Path, credit_model: bentoml.Model
) -> None:
    with serve(own_home, BACKEND="onnx", DRAIN_SECONDS=LONG) as server:
        os.killpg(server.process.pid, signal.SIGINT)
        assert server.process.wait(START_S) == 0

    assert "Traceback" not in server.log


def test_a_killed_worker_costs_each_client_one_request_at_most(
    own_home: Path, example_answer: bytes
) -> None:
    with under_load(own_home, example_answer) as (server, clients):
        before = [client.right for client in clients]
        worker_of(server).kill()
        eventually(lambda: server.log.count("has ended by SIGKILL. A new one starts."))
        eventually(
            lambda: all(now.right > old + 5 for now, old in zip(clients, before, strict=True)),
            START_S,
        )

    assert [client.wrong for client in clients] == [0] * CLIENTS
    assert all(client.lost <= 1 for client in clients)
