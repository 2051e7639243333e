"""Processes: who ends with whom, who is replaced, and what several servers share."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import bentoml
import psutil
import pytest

from bentoml_ext.serving.processes import lifeline
from models.fields import EXAMPLE
from tests.support.servers import ROOT, START_S, Server, eventually, free_port, running, serve
from tests.support.spied import series, serve_spied, worker_of, workers_of

COUNTED = {"endpoint": "/classify", "http_response_code": "200"}

NEVER_LOOKS = """
from functools import partial
from bentoml._internal.utils import circus

circus.create_standalone_arbiter = partial(circus.create_standalone_arbiter, check_delay=86400)
"""


def server_folder(server: Server) -> Path:
    """The folder of notes, metrics and lock of a server."""
    given = workers_of(server)[0].environ()["_BENTOML_EXT_SUPERVISOR"]
    return Path(given.partition(":")[2])


def test_a_worker_that_was_killed_is_replaced_without_waiting_for_the_next_look(
    home: Path, tmp_path: Path, credit_model: bentoml.Model
) -> None:
    (tmp_path / "sitecustomize.py").write_text(NEVER_LOOKS)
    environ = {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    with serve_spied(home, tmp_path, environ=environ) as server:
        for _ in range(2):
            worker = worker_of(server)
            worker.kill()
            worker.wait(START_S)
            eventually(lambda: workers_of(server) and server.is_ready(), START_S)

        assert server.client.post("/classify", json=EXAMPLE).status_code == 200
        assert server.log.count("has ended by SIGKILL. A new one starts.") == 2


@pytest.fixture(scope="module")
def pair(
    credit_model: bentoml.Model, home: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Server, Server]]:
    """Two servers on one BENTOML_HOME; the first had answered before the second began."""
    with ExitStack() as stack:
        first = stack.enter_context(serve(home))
        assert first.client.post("/classify", json=EXAMPLE).is_success
        yield first, stack.enter_context(serve(home))


def test_two_servers_on_one_home_keep_their_metrics_apart(pair: tuple[Server, Server]) -> None:
    first, second = pair

    first.client.post("/classify", json=EXAMPLE)

    assert series(first, "request_total", **COUNTED) == 2
    assert series(second, "request_total", **COUNTED) == 0
    assert list((server_folder(first) / "metrics").glob("*.db"))


def test_a_taken_port_is_one_line(pair: tuple[Server, Server], home: Path) -> None:
    taken = pair[0].port

    lines = refused(home, "--port", str(taken))

    assert "Expected a free port, got one that another process has" in lines[-1]
    remedy = f"127.0.0.1:{taken}. End that process, or take another port: --port {taken + 1}."
    assert remedy in lines[-1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "told"),
    [
        (
            ("--host", "192.0.2.1"),
            "an address of this machine, got another - at 192.0.2.1",
        ),
        (("--port", "70000"), "Expected a port up to 65535, got 70000 - at --port"),
        (("--host", "nowhere"), "Expected an IP address, got nowhere - at --host"),
    ],
)
def test_an_address_that_cannot_be_had_is_one_line(
    home: Path, credit_model: bentoml.Model, options: tuple[str, ...], told: str
) -> None:
    assert told in refused(home, *options)[-1]


def refused(home: Path, *options: str) -> list[str]:
    """What `bentoml serve` prints of an address that it does not take."""
    command = [sys.executable, "-m", "bentoml", "serve", ".", "--host", "127.0.0.1", *options]
    environ = {**os.environ, "BENTOML_HOME": str(home)}
    ended = subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    )
    lines = (ended.stdout + ended.stderr).splitlines()
    assert (ended.returncode, len(lines)) == (1, 1), lines
    return lines


def test_a_supervisor_that_may_open_too_few_files_ends_with_one_line(
    home: Path, credit_model: bentoml.Model
) -> None:
    serving = [sys.executable, "-m", "bentoml", "serve", ".", "--host", "127.0.0.1"]
    done = subprocess.run(
        ["sh", "-c", 'ulimit -n 16; exec "$@"', "sh", *serving],
        cwd=ROOT,
        env={**os.environ, "BENTOML_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith("Raise it: `ulimit -n 1024`.\n")
    assert done.stderr.count("\n") == 1


def test_a_server_that_may_open_too_few_files_ends_with_one_line(
    home: Path, credit_model: bentoml.Model
) -> None:
    port = free_port()
    serving = [sys.executable, "-m", "bentoml", "serve", ".", "--host", "127.0.0.1"]
    command = ["sh", "-c", 'ulimit -n 20; exec "$@"', "sh", *serving, f"--port={port}"]

    with running(command, port, home, BACKEND="onnx") as server:
        assert server.process.wait(START_S) == 1

        (line,) = [line for line in server.log.splitlines() if "Server stopped" in line]
        assert "Expected more open files" in line
        assert "`ulimit -n 1024`" in line
        assert "Traceback" not in server.log


def test_workers_end_with_a_killed_supervisor_and_what_it_left_is_removed(
    pair: tuple[Server, Server], home: Path
) -> None:
    first, second = pair
    (worker,), folder = workers_of(second), server_folder(second)
    lives = server_folder(first)

    second.process.send_signal(signal.SIGKILL)
    second.process.wait()

    eventually(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE)
    eventually(lambda: can_bind(second.port))
    eventually(lambda: is_swept(folder))
    assert lives.exists()


def is_swept(folder: Path) -> bool:
    # A server of another test that starts meanwhile may be looking at the lock, or removing it.
    lifeline.sweep(folder.parent)
    return not folder.exists()


def can_bind(port: int) -> bool:
    with socket.socket() as probe, suppress(OSError):
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
        return True
    return False


def test_a_server_ends_with_the_make_that_started_it(
    home: Path, credit_model: bentoml.Model
) -> None:
    port = free_port()
    makefile = (ROOT / "Makefile").read_text()
    # The Makefile's own recipe, in this environment.
    bin_, stamp = Path(sys.executable).parent, home / "installed"
    stamp.touch()
    command = ["make", "serve", f"PORT={port}", f"BIN={bin_}", f"SERVING={stamp}", "-o", str(stamp)]
    assert "$(SERVING): " in makefile
    with running(command, port, home, BENTOML_HOST="127.0.0.1", BACKEND="onnx") as server:
        server.wait()
        processes = psutil.Process(server.process.pid).children(recursive=True)
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(START_S)

        _, left = psutil.wait_procs(processes, START_S)
        assert left == []


def test_a_store_that_is_removed_ends_no_worker_that_answers(
    own_home: Path, tmp_path: Path
) -> None:
    with serve_spied(own_home, tmp_path, config="workers=2") as server:
        first, second = eventually(lambda: ready_workers(server), START_S)
        (own_home / "models").rename(own_home / "gone")

        first.kill()
        eventually(lambda: "A worker is missing, the others answer" in server.log, START_S)
        answer = server.client.post("/classify", json=EXAMPLE)
        second.kill()
        server.process.wait(START_S)

    assert answer.status_code == 200
    (missing,) = [line for line in server.log.splitlines() if "A worker is missing" in line]
    (stopped,) = [line for line in server.log.splitlines() if "Server stopped" in line]
    for line in (missing, stopped):
        assert "Expected model 'credit_risk_model:" in line
        assert f"{own_home}/models" in line
    assert (server.process.returncode, "Traceback" in server.log) == (1, False)


def ready_workers(server: Server) -> list[psutil.Process]:
    """Both workers, once they answer."""
    ready = list(server_folder(server).glob(".ready-*"))
    return [psutil.Process(int(one.name[7:])) for one in ready] if len(ready) == 2 else []
