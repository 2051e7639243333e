"""Lost log: one line where standard output takes no more, in the place of a traceback a record."""

from __future__ import annotations

import logging
import sys
from functools import cache
from typing import Any

__all__ = ["say_once_that_a_log_is_lost"]

OWN = logging.Handler.handleError
"""Python's way: a traceback for each record that could not be written."""


def say_once_that_a_log_is_lost() -> None:
    """BentoML logs to standard output, which may be full, or a pipe that nobody reads."""
    handler: Any = logging.StreamHandler
    handler.handleError = _handle


def _handle(handler: logging.Handler, record: logging.LogRecord) -> None:
    error = sys.exception()
    if isinstance(error, OSError):
        _say(error.strerror)
    else:
        OWN(handler, record)


@cache
def _say(reason: str | None) -> None:
    if sys.stderr is not None:
        sys.stderr.write(f"The log is lost: {reason}.\n")
