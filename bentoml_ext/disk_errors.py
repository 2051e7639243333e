"""Disk errors: what the system answers to a read or a write, in one line that says where."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from traceback import walk_tb
from typing import Final

__all__ = ["STDOUT", "naming", "place_of", "refusal", "remedy"]

STDOUT: Final = "standard output"

REMEDIES: Final = {
    errno.EFBIG: "Raise this process's limit: `ulimit -f unlimited`.",
    errno.EMFILE: "Raise this process's limit: `ulimit -n 1024`.",
}
"""What to do about the answers of the system to a limit of a process."""

PRINTERS: Final = ("click.utils", "rich.console")
"""Modules whose own writes go to standard output, and whose errors name no file."""


def place_of(error: OSError) -> str | None:
    """The file that an error names, or standard output where printing failed; otherwise None."""
    if named := error.filename2 or error.filename:
        return str(named)
    frames = [frame for frame, _ in walk_tb(error.__traceback__)]
    printed = frames and frames[-1].f_globals.get("__name__") in PRINTERS
    return STDOUT if printed else None


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Name the file in an error of a write: unlike an opening, it names none.

    Raises:
        OSError: as the block.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def refusal(error: OSError) -> str:
    """One line of an error: what the system answers, where, and what to do."""
    place = place_of(error)
    return f"{error.strerror or error}" + (f": {place}" if place else "") + remedy(error.errno)


def remedy(number: int | None) -> str:
    """What to do about a limit of this process; nothing for what another error says itself."""
    return f". {REMEDIES[number]}" if number in REMEDIES else ""
