"""A real Ray cluster for tests: a head on this machine, on a free port, ended by its own pid."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from tests.support.servers import free_port

__all__ = ["QUIET", "Cluster", "cluster"]

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "disabled",
    "RAY_memory_monitor_refresh_ms": "0",
    "PYTHONWARNINGS": "ignore",
}
"""No word to Ray's makers, no token in the user's home, no worker killed on a full machine."""

START_S = 90.0
STORE_BYTES = 100_000_000


class Cluster:
    """A running cluster.

    Args:
        address: for --address.
        process: of the head.
    """

    def __init__(self, address: str, process: subprocess.Popen[bytes]) -> None:
        self.address = address
        self.process = process

    def workers(self) -> list[psutil.Process]:
        """Processes that score parts now."""
        found = []
        for process in psutil.Process(self.process.pid).children(recursive=True):
            with suppress(psutil.Error):
                if any("MapWorker" in word for word in process.cmdline()):
                    found.append(process)
        return found


@contextmanager
def cluster(cpus: int) -> Iterator[Cluster]:
    """A head with as many CPUs; ended with all its processes when the block ends."""
    # pytest's own folders are too deep: the path of a socket has 107 characters.
    folder = Path(tempfile.mkdtemp(prefix="ray-"))
    port = free_port()
    command = [
        str(Path(sys.executable).with_name("ray")),
        *("start", "--head", "--block", f"--port={port}", f"--num-cpus={cpus}"),
        *("--node-ip-address=127.0.0.1", "--include-dashboard=false"),
        *(f"--object-store-memory={STORE_BYTES}", f"--temp-dir={folder}"),
    ]
    with (folder / "head.log").open("wb") as log:
        process = subprocess.Popen(
            command, env=os.environ | QUIET, stdout=log, stderr=log, start_new_session=True
        )
    try:
        _wait(port, process, folder / "head.log")
        yield Cluster(f"127.0.0.1:{port}", process)
    finally:
        _stop(process)
        shutil.rmtree(folder, ignore_errors=True)


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_S
    while b"Ray runtime started" not in log.read_bytes():
        assert process.poll() is None, log.read_text(errors="replace")
        assert time.monotonic() < end, f"not ready in {START_S:g} s"
        time.sleep(0.1)
    socket.create_connection(("127.0.0.1", port), 5).close()


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the head and all below it, at once: asked to, it would drain for half a minute."""
    family = [process.pid]
    with suppress(psutil.Error):
        family += [child.pid for child in psutil.Process(process.pid).children(recursive=True)]
    for pid in family:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()
