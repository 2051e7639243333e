"""Files that are written whole or not at all."""

from __future__ import annotations

import atexit
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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
        # What a library calls an I/O error, of a file that it reads, has no number.
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def _replaced(path: Path) -> Iterator[IO[bytes]]:
    scratch = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
    _SCRATCHES.add(scratch)
    try:
        with scratch.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
    finally:
        # Where the folder is none, this fails as the opening did.
        with suppress(OSError):
            scratch.unlink(missing_ok=True)
        _SCRATCHES.discard(scratch)


_SCRATCHES: set[Path] = set()


@atexit.register
def _sweep() -> None:
    """Remove what is left where an interrupt came between a block and its end."""
    for scratch in _SCRATCHES:
        with suppress(OSError):
            scratch.unlink(missing_ok=True)
