"""Lifeline: a lock in a server's folder, by which others see that the server lives.

The supervisor holds it alone for as long as it lives, and the kernel lets go of it whatever the
supervisor ends of. Each worker waits for it, and so learns of the end. A folder whose lock nobody
holds is left of a server that was killed, and the next server removes it.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import tempfile
import threading
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

from bentoml_ext.errors import ConfigError

__all__ = ["begin", "follow", "hurry", "is_hurried", "sweep"]

_logger = logging.getLogger("bentoml.classifier")

PREFIX = "bentoml_ext-server-"
LOCK = "lock"
HURRY = ".hurry"
GRACE_S = 10.0
"""For the requests that a worker has when its supervisor has ended."""


def begin() -> Path:
    """A new folder, held by this process until it ends; those of servers that were killed go.

    Raises:
        ConfigError: there is no place for it.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    except OSError as error:
        raise ConfigError(
            f"Expected a folder for temporary files, got {error.strerror or error} - at "
            f"{error.filename or 'TMPDIR'}. Set TMPDIR to one that this user may write."
        ) from error
    # Under its name it is never seen without its holder.
    unseen = folder / f".{LOCK}"
    file = os.open(unseen, os.O_CREAT | os.O_RDWR, 0o600)
    # Never closed: that would let go of the lock.
    _lock(file)
    unseen.rename(folder / LOCK)
    sweep(folder.parent)
    return folder


def sweep(parent: Path) -> None:
    """Remove the folders of servers that were killed."""
    for folder in parent.glob(f"{PREFIX}*"):
        if _is_over(folder):
            shutil.rmtree(folder, ignore_errors=True)


@cache
def follow(folder: Path) -> None:
    """Let this process end when the one that has begun the folder does."""
    parent = os.getppid()
    threading.Thread(target=_follow, args=(folder, parent), name="lifeline", daemon=True).start()


def _follow(folder: Path, parent: int) -> None:
    with suppress(FileNotFoundError):
        file = os.open(folder / LOCK, os.O_RDWR)
        # Kept until this process ends too: what is in the folder is needed until then.
        if not _lock(file, shared=True):
            while os.getppid() == parent:
                time.sleep(1)
    _logger.warning("The supervisor has ended, and so does this worker.")
    hurry(folder)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_S)
    os._exit(1)


def hurry(folder: Path) -> None:
    """Let the workers of a server end without waiting for new connections."""
    # Without the folder they end anyway.
    with suppress(OSError):
        (folder / HURRY).touch()


def is_hurried(folder: Path) -> bool:
    """Whether they were hurried."""
    return (folder / HURRY).exists()


def _lock(file: int, *, shared: bool = False, wait: bool = True) -> bool:
    """Take the lock of an open file; False where another has it, or there are no such locks."""
    # Not on Windows.
    import fcntl

    how = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(file, how if wait else how | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _is_over(folder: Path) -> bool:
    try:
        file = os.open(folder / LOCK, os.O_RDWR)
    except OSError:
        # Another user's, or not yet held.
        return False
    try:
        return _lock(file, wait=False)
    finally:
        os.close(file)
