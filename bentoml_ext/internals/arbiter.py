"""Arbiter: what starts the workers of `bentoml serve`, and starts new ones for those that end.

BentoML takes it from circus, and looks after its workers every ten seconds. As in `internals`,
BentoML and circus do not promise these names; tests/serving/processes/test_supervisor.py fails
when one of them moves.
"""

from __future__ import annotations

import errno
import ipaddress
import logging
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

from bentoml._internal.configuration.containers import BentoMLContainer
from bentoml._internal.utils import circus

from bentoml_ext.errors import BentoMLExtError, ConfigError

__all__ = ["Watch", "check_free", "grant", "use_metrics_folder", "watch_over"]

# BentoML gives this name's parents a handler; ours alone would be silent.
_logger = logging.getLogger("bentoml.serve")

OLD_S = 10.0
"""From this age on a worker counts as one that was ready, whatever it says of itself."""
AGAIN_S = 0.1
LAST_PORT = 65535

REMEDIES = {
    errno.EADDRINUSE: (
        "a free port",
        "one that another process has",
        "End that process, or take another port: --port {next}.",
    ),
    errno.EACCES: (
        "a port that this user may take",
        "one that is not",
        "Take one from 1024 on: --port {next}.",
    ),
    errno.EADDRNOTAVAIL: (
        "an address of this machine",
        "another",
        "Give one of its own, or --host 0.0.0.0 for all of them.",
    ),
}


_granted_s = 0.0


class Watch(Protocol):
    """Keeps track of a server's workers."""

    def was_ready(self, pid: int) -> bool:
        """Whether a worker has begun to answer."""
        ...

    def hurry(self) -> None:
        """Let workers end without waiting for new connections."""
        ...

    def has_ended(self, pid: int) -> None:
        """Learn that a worker is gone."""
        ...


def use_metrics_folder(path: Path) -> None:
    """Let the servers that this process starts keep their metrics at `path`.

    BentoML has one folder for all servers of a home, and each empties it when it starts.
    """
    BentoMLContainer.prometheus_multiproc_dir.set(str(path))


def grant(seconds: float) -> None:
    """Let a worker live longer after its SIGTERM; by default circus kills it after 30 s."""
    global _granted_s  # noqa: PLW0603
    _granted_s = seconds


def watch_over(watch: Watch) -> None:
    """Let the arbiter that BentoML makes next in this process start new workers at once.

    It does so for those that were ready; one that fails while it starts is, as ever, started anew
    every ten seconds.
    """
    processes: Any = circus
    made = processes.create_standalone_arbiter

    def create(*args: Any, **options: Any) -> Any:
        arbiter = made(*args, **options)
        arbiter.start = partial(_start, arbiter, watch)
        return arbiter

    processes.create_standalone_arbiter = create


def _start(arbiter: Any, watch: Watch, cb: Callable[[Any], Any] | None = None) -> None:
    for listener in arbiter.sockets.values():
        if not listener.is_unix:
            check_free(listener.host, listener.port)
    for watcher in arbiter.watchers:
        watcher.graceful_timeout += _granted_s
        watcher.hooks["after_reap"] = partial(_ended, watch)
    try:
        with _prompt(arbiter, watch):
            type(arbiter).start(arbiter, cb)
    except RuntimeError as error:
        if arbiter.numprocesses():
            raise
        # Only in a container, where BentoML starts no second worker.
        raise BentoMLExtError("Expected a worker that runs, got none - at this server.") from error


@contextmanager
def _prompt(arbiter: Any, watch: Watch) -> Iterator[None]:
    """A block in which the end of a worker is acted on when it happens."""

    def look() -> None:
        if arbiter._stopping or not _all_were_ready(arbiter, watch):
            return
        if arbiter._exclusive_running_command is None:
            arbiter.manage_watchers()
        else:
            arbiter.loop.call_later(AGAIN_S, look)

    def on_signal(_: int, __: FrameType | None) -> None:
        arbiter.loop.add_callback_from_signal(look)

    def on_interrupt(*_: Any) -> None:
        # At the console nobody wants to wait. Workers have sessions of their own, so that the
        # terminal interrupts this process alone.
        watch.hurry()
        arbiter.ctrl.sys_hdl.quit()

    before = signal.signal(signal.SIGCHLD, on_signal)
    signal.signal(signal.SIGINT, on_interrupt)
    if sys.stdin is not None and sys.stdin.isatty():
        # The terminal is gone. The arbiter would start its workers anew, and stay.
        signal.signal(signal.SIGHUP, lambda *_: arbiter.ctrl.sys_hdl.quit())
    try:
        yield
    finally:
        signal.signal(signal.SIGCHLD, before)


def _all_were_ready(arbiter: Any, watch: Watch) -> bool:
    """Whether none of the workers that have ended has failed to start."""
    from circus.process import DEAD_OR_ZOMBIE, UNEXISTING

    return all(
        process.age() > OLD_S or watch.was_ready(process.pid)
        for watcher in arbiter.watchers
        for process in watcher.processes.values()
        if process.status in (DEAD_OR_ZOMBIE, UNEXISTING)
    )


def _ended(
    watch: Watch, watcher: Any, arbiter: Any, process_pid: int, exit_code: int | None, **_: Any
) -> bool:
    if not (arbiter._stopping or watcher.is_stopping()) and watch.was_ready(process_pid):
        how = f"with exit code {exit_code}"
        if exit_code is not None and exit_code < 0:
            how = f"by {signal.Signals(-exit_code).name}"
        then = "A new one starts" if watcher.respawn else "In a container BentoML starts no other"
        _logger.warning("Worker %d has ended %s. %s.", process_pid, how, then)
    if exit_code == -signal.SIGBUS:
        folder = BentoMLContainer.prometheus_multiproc_dir.get()
        _logger.error("Expected room for metrics, got a full disk or folder - at %s.", folder)
    watch.has_ended(process_pid)
    return True


def check_free(host: str, port: int) -> None:
    """Refuse an address on which this process cannot listen.

    Raises:
        ConfigError: says why not.
    """
    try:
        version = ipaddress.ip_address(host).version
    except ValueError as error:
        raise ConfigError(
            f"Expected an IP address, got {host} - at --host. Take 127.0.0.1 for this machine "
            "alone, or 0.0.0.0 for every address it has."
        ) from error
    if not 0 <= port <= LAST_PORT:
        raise ConfigError(f"Expected a port up to {LAST_PORT}, got {port} - at --port.")
    try:
        with socket.socket(socket.AF_INET6 if version == 6 else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        expected, got, remedy = REMEDIES.get(
            error.errno or 0,
            (
                "an address to listen on",
                error.strerror or str(error),
                "Take another --host, --port.",
            ),
        )
        step = port + (3000 if port < 1024 else 1)
        raise ConfigError(
            f"Expected {expected}, got {got} - at {host}:{port}. {remedy.format(next=step)}"
        ) from error
