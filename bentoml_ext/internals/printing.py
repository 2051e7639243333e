"""Printing: letters that standard output cannot hold are escaped; Python would give a traceback."""

from __future__ import annotations

import io
import sys

__all__ = ["escape_what_output_lacks"]


def escape_what_output_lacks() -> None:
    """Let BentoML print its banner, and any file's name, in a locale without their letters."""
    for stream in (sys.stdout, sys.stderr):
        # None where the process was started with it closed.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
