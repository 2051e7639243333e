"""Disk errors: what the system answers to a read or a write, in one line that says where."""

from __future__ import annotations

from traceback import walk_tb
from typing import Final

__all__ = ["STDOUT", "place_of", "refusal"]

STDOUT: Final = "standard output"

PRINTERS: Final = ("click.utils", "rich.console")
"""Modules whose own writes go to standard output, and whose errors name no file."""


def place_of(error: OSError) -> str | None:
    """The file that an error names, or standard output where printing failed; otherwise None."""
    if named := error.filename2 or error.filename:
        return str(named)
    frames = [frame for frame, _ in walk_tb(error.__traceback__)]
    printed = frames and frames[-1].f_globals.get("__name__") in PRINTERS
    return STDOUT if printed else None


def refusal(error: OSError) -> str:
    """One line of an error: what the system answers, and where."""
    place = place_of(error)
    return f"{error.strerror or error}" + (f": {place}" if place else "")
