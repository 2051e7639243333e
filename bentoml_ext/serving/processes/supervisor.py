"""Supervisor: the process of `bentoml serve`, its word to the workers, and theirs to it.

BentoML's supervisor starts a worker that has ended anew, every ten seconds, whatever it ended of. A
worker that was killed is rightly replaced, and at once; one that refuses its model would refuse it
for ever. The folder of a server has its notes, its metrics and the lock that its workers wait for.
"""

from __future__ import annotations

import errno
import logging
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from urllib.parse import quote

import click
from bentoml.exceptions import NotFound

from bentoml_ext import files
from bentoml_ext.errors import BentoMLExtError, ConfigError, SelfTestFailed
from bentoml_ext.internals.server import listens_on
from bentoml_ext.serving.processes import lifeline

__all__ = [
    "FOR_GOOD",
    "check_port",
    "end_server",
    "ending_where_scarce",
    "grant_seconds",
    "is_hurried",
    "pin",
    "pinned",
    "ready",
    "supervise",
]

# BentoML gives this name's parents a handler; ours alone would be silent.
_logger = logging.getLogger("bentoml.classifier")

FOR_GOOD = (BentoMLExtError, NotFound, ImportError)
"""Errors that the next worker meets again: of a model, a setting or an installation."""

VARIABLE = "_BENTOML_EXT_SUPERVISOR"
"""For workers: the supervisor's process id, and the folder of its server."""

FAILED, READY, RELOAD = ".failed", ".ready-", ".reload"
METRICS = "metrics"
REPLACED, SHORT = ".replaced", ".short"
HOME = "home"
ROOM_BYTES = 1024 * 1024
LEAST_FILES = 20


def supervise() -> None:
    """Called in every process that makes a service.

    In that of `bentoml serve`: end with an error when a worker calls `end_server`, start a new
    worker at once for one that was ready. The metrics are kept apart from those of other servers.
    In a worker: end when that process does. In another
    process nothing changes, and with --reload, where the next edit may mend it, a worker that can
    never serve ends nothing.

    Raises:
        ConfigError: there is no room for the folder of the server.
    """
    context = click.get_current_context(silent=True)
    if context is None:
        return
    pid, folder = _given()
    if folder is not None and "fd" in context.params:
        lifeline.follow(folder)
    elif context.command.name == "serve" and pid != os.getpid():
        _begin(context)


def _begin(context: click.Context) -> None:
    # Not for workers, which import this module too.
    from bentoml_ext.internals.arbiter import use_metrics_folder, watch_over
    from bentoml_ext.internals.home import lend_home

    _check_files()
    folder = lifeline.begin()
    _check_room(folder)
    os.environ[VARIABLE] = f"{os.getpid()}:{folder}"
    if context.params.get("reload"):
        (folder / RELOAD).touch()
    lend_home(folder / HOME)
    use_metrics_folder(folder / METRICS)
    watch_over(_Workers(folder))
    context.call_on_close(partial(_end, folder))


def _check_files() -> None:
    """Find that this process may open its files: ZeroMQ would abort it."""
    if sys.platform == "win32":
        return
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit != resource.RLIM_INFINITY and limit < LEAST_FILES:
        raise ConfigError(
            f"Expected at least {LEAST_FILES} open files, got {limit} - at this process's limit. "
            "Raise it: `ulimit -n 1024`."
        )


def _check_room(folder: Path) -> None:
    """Find room for metrics: a worker whose file of them cannot grow ends by SIGBUS."""
    try:
        files.write(folder / METRICS, bytes(ROOM_BYTES))
        (folder / METRICS).unlink()
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise ConfigError(
            f"Expected room for metrics, got {error.strerror or error} - at {folder.parent}. "
            "Set TMPDIR to a folder with more."
        ) from error


def check_port() -> None:
    """Called in the process of `bentoml serve` before it listens: find that it can.

    Raises:
        ConfigError: says why not.
    """
    from bentoml_ext.internals.arbiter import check_free

    context = click.get_current_context(silent=True)
    if context is not None and context.command.name == "serve":
        check_free(*listens_on(context.params))


def grant_seconds(drain: float) -> None:
    """Let the workers of the servers that this process starts drain before they are killed."""
    pid, _ = _given()
    if pid == os.getpid():
        from bentoml_ext.internals import arbiter

        arbiter.grant(drain)


class _Workers:
    """State of a server's workers, by the files in its folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def was_ready(self, pid: int) -> bool:
        return (self._folder / f"{READY}{pid}").exists()

    def hurry(self) -> None:
        lifeline.hurry(self._folder)

    def has_ended(self, pid: int) -> None:
        if self.was_ready(pid):
            (self._folder / f"{READY}{pid}").rename(self._folder / REPLACED)
        # Its requests in progress have ended with it. Its counts stay.
        for file in (self._folder / METRICS).glob(f"gauge_live*_{pid}.db"):
            file.unlink(missing_ok=True)


def ready() -> None:
    """Called by a worker that begins to answer."""
    _, folder = _given()
    # Only a hint, which a full disk may refuse.
    with suppress(OSError):
        if folder is not None:
            (folder / f"{READY}{os.getpid()}").touch()
            (folder / SHORT).unlink(missing_ok=True)


def is_hurried() -> bool:
    """Whether the supervisor over this process has ended, or was interrupted at the console."""
    _, folder = _given()
    return folder is not None and lifeline.is_hurried(folder)


def pin(tag: str, version: str) -> None:
    """Let every worker that this process starts take one version for a tag.

    Args:
        tag: that workers will ask for.
        version: whole tag of the version.
    """
    if (folder := _folder(os.getpid())) is not None:
        (folder / quote(tag, safe="")).write_text(version)


def pinned(tag: str) -> str | None:
    """The whole tag that the process which started this one has pinned, if it has."""
    folder = _folder(os.getppid())
    try:
        return None if folder is None else (folder / quote(tag, safe="")).read_text()
    except OSError:
        return None


def end_server(error: Exception) -> None:
    """Called by a worker that can never serve: log one line, end the server and this process.

    The server goes on where this worker takes the place of one that has ended, and others answer.

    Returns only where no `supervise` was called in the process that started this one.
    """
    folder = _folder(os.getppid())
    if folder is None:
        return
    goes_on = (folder / REPLACED).exists() and any(folder.glob(f"{READY}*"))
    # The first failed worker makes the mark and logs. Without the folder the server ends already.
    with suppress(OSError):
        (folder / (SHORT if goes_on else FAILED)).touch(exist_ok=False)
        what = "Self-test failed" if isinstance(error, SelfTestFailed) else "Server stopped"
        what = "A worker is missing, the others answer" if goes_on else what
        _logger.error("%s: %s", what, " ".join(str(error).split()))
    if not goes_on:
        os.kill(os.getppid(), signal.SIGTERM)
    os._exit(1)


@contextmanager
def ending_where_scarce() -> Iterator[None]:
    """A start of a worker that ends the server where a process may open too few files.

    The next worker may open no more, so it would fail and be started again for ever.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE):
            # Room for the note that `end_server` leaves; this process ends.
            os.close(0)
            message = f"Expected more open files, got: {error.strerror} - at a worker that starts."
            end_server(ConfigError(f"{message} Raise the limit: `ulimit -n 1024`."))
        raise


def _given() -> tuple[int, Path | None]:
    """Process id and folder of the supervisor over this process, or that it is; 0 without one."""
    pid, _, folder = os.environ.get(VARIABLE, "").partition(":")
    return int(pid or 0), Path(folder) if folder else None


def _folder(pid: int) -> Path | None:
    """The folder of notes of a supervisor with this process id."""
    found, folder = _given()
    return (
        folder if folder is not None and found == pid and not (folder / RELOAD).exists() else None
    )


def _end(folder: Path) -> None:
    failed = (folder / FAILED).exists()
    shutil.rmtree(folder, ignore_errors=True)
    if failed:
        raise click.exceptions.Exit(1)
