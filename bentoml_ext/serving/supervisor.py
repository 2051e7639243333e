"""Supervisor: the process of `bentoml serve`, its word to the workers, and theirs to it.

BentoML's supervisor starts a worker that has ended anew, every ten seconds, whatever it ended of. A
worker that was killed is rightly replaced; one that refuses its model would refuse it for ever.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import tempfile
from contextlib import suppress
from functools import partial
from pathlib import Path
from urllib.parse import quote

import click
from bentoml.exceptions import NotFound

from bentoml_ext.errors import BentoMLExtError, SelfTestFailed

__all__ = ["FOR_GOOD", "end_server", "pin", "pinned", "supervise"]

# BentoML gives this name's parents a handler; ours alone would be silent.
_logger = logging.getLogger("bentoml.classifier")

FOR_GOOD = (BentoMLExtError, NotFound, ImportError)
"""Errors that the next worker meets again: of a model, a setting or an installation."""

VARIABLE = "_BENTOML_EXT_SUPERVISOR"
"""For workers: the supervisor's process id, and the folder of notes between it and them."""

FAILED = ".failed"


def supervise() -> None:
    """Let this process end with an error when a worker calls `end_server`.

    In another process than that of `bentoml serve`, and with --reload, where the next edit may mend
    it, nothing changes.
    """
    context = click.get_current_context(silent=True)
    if context is None or context.command.name != "serve" or context.params.get("reload"):
        return
    if _folder(os.getpid()) is None:
        folder = Path(tempfile.mkdtemp(prefix="bentoml_ext-"))
        os.environ[VARIABLE] = f"{os.getpid()}:{folder}"
        context.call_on_close(partial(_end, folder))


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

    Returns only where no `supervise` was called in the process that started this one.
    """
    folder = _folder(os.getppid())
    if folder is None:
        return
    # One of several workers tells; a folder that is gone says that the server ends already.
    with suppress(OSError):
        (folder / FAILED).touch(exist_ok=False)
        what = "Self-test failed" if isinstance(error, SelfTestFailed) else "Server stopped"
        _logger.error("%s: %s", what, " ".join(str(error).split()))
    os.kill(os.getppid(), signal.SIGTERM)
    os._exit(1)


def _folder(pid: int) -> Path | None:
    """The folder of notes of a supervisor with this process id."""
    found, _, folder = os.environ.get(VARIABLE, "").partition(":")
    return Path(folder) if found == str(pid) else None


def _end(folder: Path) -> None:
    failed = (folder / FAILED).exists()
    shutil.rmtree(folder, ignore_errors=True)
    if failed:
        raise click.exceptions.Exit(1)
