"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

__all__ = ["replacing", "write"]


def write(path: Path, data: bytes) -> None:
    """Write a file as `replacing` does.

    Raises:
        OSError: as `replacing`.
    """
    with replacing(path) as file:
        file.write(data)


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file of a temporary name beside `path`, renamed into place if the block has ended well.

    A device or a pipe is written to; the file behind a link is replaced, and the link stays.

    Raises:
        OSError: the folder is missing or full, in the name of `path`, which is as it was.
    """
    try:
        if path.exists() and not path.is_file():
            with path.open("wb") as file:
                yield file
        else:
            yield from _replaced(path.resolve())
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def _replaced(path: Path) -> Iterator[IO[bytes]]:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    scratch = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes it private; the result is an ordinary file.
        scratch.chmod(0o666 & ~_umask())
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
