"""Real server processes for tests: on 127.0.0.1, on a free port, ended by their own pid."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TypeVar

import httpx

__all__ = ["START_S", "Server", "eventually", "free_port", "running", "serve", "started"]

ROOT = Path(__file__).parents[2]
START_S = 60.0
STOP_S = 15.0
STARTS = 3
# Below those that the kernel gives to whoever asks for any port, and to outgoing connections. Each
# worker of pytest-xdist has its own: another's server may not be bound yet.
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
PORTS = range(20_000 + WORKER, 32_000, WORKERS)

Found = TypeVar("Found")


class PortTakenError(AssertionError):
    """A server ended because another process had one of its ports."""


class Server:
    """A running server.

    Args:
        port: where it listens on 127.0.0.1.
        process: the `bentoml serve` process.
        log_path: its output.
    """

    def __init__(self, port: int, process: subprocess.Popen[bytes], log_path: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.port = port
        self.process = process
        self.log_path = log_path
        self.client = httpx.Client(base_url=self.url, timeout=30)

    @property
    def log(self) -> str:
        """What it has printed so far."""
        return self.log_path.read_text(errors="replace")

    def is_ready(self) -> bool:
        """Whether GET /readyz answers 200."""
        try:
            return self.client.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def wait(self, limit_s: float = START_S) -> None:
        """Wait until it is ready.

        Raises:
            PortTakenError: it ended, as one of its ports was taken.
            AssertionError: it ended, or took too long; with its output.
        """
        end = time.monotonic() + limit_s
        while not self.is_ready():
            self.must_run()
            # BentoML starts a worker again and again that fails to start.
            assert "Application startup failed" not in self.log, self.log
            assert time.monotonic() < end, f"not ready in {limit_s:g} s:\n{self.log}"
            time.sleep(0.05)
        # Where it has ended, another answered on its port.
        self.must_run()

    def must_run(self) -> None:
        """Find it running.

        Raises:
            PortTakenError: it ended, as one of its ports was taken.
            AssertionError: it ended; with its output.
        """
        code = self.process.poll()
        if code is not None and "Address already in use" in self.log:
            raise PortTakenError(self.log)
        assert code is None, f"ended with {code}:\n{self.log}"

    def stop(self) -> None:
        """End it and every process that it started."""
        self.client.close()
        # It leads a session of its own, so that its workers end with it.
        for sign in (signal.SIGTERM, signal.SIGKILL):
            if self.process.poll() is None:
                os.killpg(self.process.pid, sign)
                with suppress(subprocess.TimeoutExpired):
                    self.process.wait(STOP_S)
        with suppress(ProcessLookupError):
            # Workers that outlived it.
            os.killpg(self.process.pid, signal.SIGKILL)


@contextmanager
def serve(
    home: Path,
    target: str = ".",
    *options: str,
    cwd: Path = ROOT,
    python: str = sys.executable,
    wait: Callable[[Server], object] | None = Server.wait,
    **environ: str,
) -> Iterator[Server]:
    """`bentoml serve TARGET`, ready unless told not to wait.

    Args:
        home: BENTOML_HOME.
        target: what is served; by default what bentofile.yaml of `cwd` names.
        options: more of the command line.
        cwd: folder to start in.
        python: interpreter whose BentoML is used.
        wait: what to wait for, until it is ready by default; None to wait for nothing.
        environ: variables to set, such as BACKEND="onnx".
    """
    command = [python, "-m", "bentoml", "serve", target, "--host", "127.0.0.1", *options]
    with started(command, "--port=", home, cwd, wait, **environ) as server:
        yield server


@contextmanager
def started(
    command: list[str],
    port_option: str,
    home: Path,
    cwd: Path,
    wait: Callable[[Server], object] | None,
    **environ: str,
) -> Iterator[Server]:
    """A command that serves on a free port, past what is waited for; ended when the block ends."""
    # BentoML takes its supervisor's ports as a test takes the server's: it looks for free ones and
    # binds them a moment later, when another process may have them.
    for start in range(1, STARTS + 1):
        port = free_port()
        with running([*command, f"{port_option}{port}"], port, home, cwd, **environ) as server:
            try:
                if wait is not None:
                    wait(server)
            except PortTakenError:
                if start == STARTS:
                    raise
                continue
            yield server
            return


@contextmanager
def running(
    command: list[str], port: int, home: Path, cwd: Path = ROOT, **environ: str
) -> Iterator[Server]:
    """A command that serves on a port, perhaps not yet ready; ended when the block ends."""
    log_path = home / f"server-{port}.log"
    # Hundreds of servers end, each with its clients gone.
    variables = {**os.environ, "BENTOML_HOME": str(home), "DRAIN_SECONDS": "0", **environ}
    with log_path.open("wb") as log:
        process = _start(command, cwd, variables, log)
    server = Server(port, process, log_path)
    try:
        yield server
    finally:
        server.stop()


def free_port() -> int:
    """A port of 127.0.0.1 on which nothing listens now, of this worker's own."""
    while True:
        port = secrets.choice(PORTS)
        with socket.socket() as free, suppress(OSError):
            free.bind(("127.0.0.1", port))
            return port


def eventually(check: Callable[[], Found], limit_s: float = 10) -> Found:
    """What `check` returns, as soon as it is true."""
    end = time.monotonic() + limit_s
    while not (found := check()):
        assert time.monotonic() < end, f"not true in {limit_s:g} s, but {found!r}"
        time.sleep(0.05)
    return found


def _start(
    command: list[str], cwd: Path, environ: dict[str, str], log: IO[bytes]
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command, cwd=cwd, env=environ, stdout=log, stderr=log, start_new_session=True
    )
