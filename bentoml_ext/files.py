"""Files that are read whole up to a limit, and written whole or not at all."""

from __future__ import annotations

import atexit
import os
import re
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, BinaryIO, Final

from bentoml_ext.errors import ConfigError

__all__ = ["MOST_BYTES", "MOST_TEXT_BYTES", "read", "replacing", "stdout", "write"]

MOST_BYTES: Final = 4 * 1024 * 1024 * 1024
"""Upper limit of a model's file: no known ONNX file or booster is nearly as large."""

MOST_TEXT_BYTES: Final = 64 * 1024 * 1024
"""Upper limit of a file written by hand, and of a pipe or a device, whose length is unknown."""

CHUNK: Final = 1024 * 1024

TEMPORARY: Final = re.compile(r"\..*-[0-9a-f]{16}", re.DOTALL)
"""Names of files that are not whole yet."""


def read(path: Path, most: int = MOST_BYTES) -> bytes:
    """The bytes of a file, if memory may hold them.

    Args:
        path: a file, or a pipe.
        most: bytes of a file; a pipe or a device may have no more than `MOST_TEXT_BYTES`.

    Raises:
        OSError: no such file, or none that can be read.
        ConfigError: more bytes.
    """
    most = most if path.is_file() else min(most, MOST_TEXT_BYTES)
    data = bytearray()
    with path.open("rb") as file:
        # The size of a file is known before memory is taken; a device has size 0 and no end.
        size = os.fstat(file.fileno()).st_size
        while size <= most and len(data) <= most and (piece := file.read(CHUNK)):
            data += piece
    if size > most or len(data) > most:
        raise ConfigError(f"Expected at most {most:,} bytes, got more - at {path}.")
    return bytes(data)


def stdout() -> BinaryIO:
    """Standard output, for bytes.

    Raises:
        ConfigError: the process was started with it closed.
    """
    if sys.stdout is None:
        raise ConfigError("Expected an open standard output, got a closed one - at -o -.")
    return sys.stdout.buffer


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
        OSError: the folder is missing or full, in the name of `path`, which is as it was. An error
            of the block's own about another file keeps that file's name.
    """
    try:
        if path.exists() and not path.is_file():
            with path.open("wb") as file:
                yield file
        else:
            # A circle of links is an error of the system's here, as an open would give it.
            with suppress(FileNotFoundError):
                path.stat()
            yield from _replaced(path.resolve())
    except OSError as error:
        # Libraries such as pyarrow raise OSError without errno for damaged input; that is not an
        # error of our output file.
        if error.errno is None or not (error.filename is None or _is_temporary(error.filename)):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def _replaced(path: Path) -> Iterator[IO[bytes]]:
    temporary = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
    _TEMPORARY_FILES.add(temporary)
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        # If the parent is not a folder, `unlink` fails too; `open` has raised the error already.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        _TEMPORARY_FILES.discard(temporary)


def _is_temporary(name: object) -> bool:
    return TEMPORARY.fullmatch(Path(str(name)).name) is not None


_TEMPORARY_FILES: set[Path] = set()


@atexit.register
def _sweep() -> None:
    """Remove files that an interrupt between a block and its end has left."""
    for temporary in _TEMPORARY_FILES:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
