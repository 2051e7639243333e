"""Behind nginx, the fast path and uvicorn's own protocol see and answer the same requests."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from bentoml_ext.serving.fastpath.endpoint import Endpoint
from bentoml_ext.serving.fastpath.middleware import FastPath
from bentoml_ext.serving.fastpath.protocol import Connection
from tests.serving.fastpath.test_smuggling import LOST_BY_UVICORN, REFUSAL, Answers, answers
from tests.support.pipes import Wraps, specification
from tests.support.servers import eventually, free_port
from tests.support.smuggling import CATALOGUE, CLOSE

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(NGINX is None, reason="nginx is not on this machine"),
]

CONFIG = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_request_buffering {buffering};
    {servers}
}}
"""
SERVER = """
    upstream u{port} {{ server 127.0.0.1:{port}; keepalive 4; }}
    server {{ listen 127.0.0.1:{front}; location / {{ proxy_pass http://u{port}; }} }}
"""


@dataclass
class Behind:
    """A server and nginx' port in front of it."""

    server: uvicorn.Server
    front: int

    @property
    def answered(self) -> int:
        """Requests that it has answered so far."""
        return self.server.server_state.total_requests


@contextmanager
def served(kind: type[Any], port: int) -> Iterator[uvicorn.Server]:
    """A real server whose connections are of that kind, in a thread."""
    app = FastPath(specification, None)
    app.open({"/classify": Endpoint(Wraps(), [(b"x-backend", b"onnx")], None)})
    config = uvicorn.Config(
        app, port=port, http=kind, lifespan="off", log_config=None, access_log=False
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        eventually(lambda: server.started)
        yield server
    finally:
        server.should_exit = True
        thread.join(10)


@pytest.fixture(scope="module", params=["on", "off"], ids=["buffered", "as it comes"])
def pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Behind, Behind]]:
    folder = tmp_path_factory.mktemp("nginx")
    with ExitStack() as stack:
        behind, blocks = [], []
        for kind in (Connection, HttpToolsProtocol):
            port, front = free_port(), free_port()
            behind.append(Behind(stack.enter_context(served(kind, port)), front))
            blocks.append(SERVER.format(port=port, front=front))
        stack.enter_context(in_front(folder, "".join(blocks), request.param))
        eventually(lambda: all(is_open(each.front) for each in behind))
        yield behind[0], behind[1]


@contextmanager
def in_front(folder: Path, servers: str, buffering: str) -> Iterator[None]:
    """nginx, its files in a folder, until the block ends."""
    assert NGINX is not None
    config = folder / "nginx.conf"
    config.write_text(CONFIG.format(folder=folder, servers=servers, buffering=buffering))
    process = subprocess.Popen(
        [NGINX, "-p", folder, "-c", config, "-e", folder / "error.log"], stderr=subprocess.DEVNULL
    )
    try:
        yield
        assert process.poll() is None, (folder / "error.log").read_text()
    finally:
        process.terminate()
        process.wait(10)


def is_open(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def talk(port: int, stream: bytes) -> Answers:
    """What a stream and a last request get on one connection."""
    came = b""
    with socket.create_connection(("127.0.0.1", port), 10) as connection, suppress(OSError):
        connection.sendall(stream + CLOSE)
        # Who waits for more of a request answers no more.
        connection.settimeout(1)
        while piece := connection.recv(65536):
            came += piece
    # HTTP/0.9 has no head.
    return answers(came) if came.startswith(b"HTTP/") or not came else [(200, came)]


def have_answered(servers: tuple[Behind, Behind], due: list[int]) -> bool:
    """Whether each has answered so many."""
    return [each.answered for each in servers] == due


def test_the_catalogue_is_answered_alike_behind_nginx(pair: tuple[Behind, Behind]) -> None:
    passed = []
    for name in sorted(CATALOGUE.keys() - LOST_BY_UVICORN):
        before = [each.answered for each in pair]
        short, own = (talk(each.front, CATALOGUE[name]) for each in pair)

        assert short == own, name
        handed_on = [got for got in short if 200 <= got[0] < 300 and b"<html>" not in got[1]]
        # As many as nginx has handed on: none is hidden in another.
        due = [number + len(handed_on) for number in before]
        assert eventually(partial(have_answered, pair, due)), (name, short)
        direct = [got for got in talk(pair[0].server.config.port, CATALOGUE[name]) if got[0] != 100]
        if handed_on and (400, REFUSAL) not in direct:
            # Whether a connection is kept is nginx' own affair.
            assert direct, name
            assert direct == handed_on[: len(direct)], name
            passed.append(name)

    assert len(passed) > 80
