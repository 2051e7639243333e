"""One line: what every command of `bentoml` says of a disk that is full or only read.

A command that a signal ends says nothing.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click
from bentoml._internal.configuration import get_debug_mode
from bentoml_cli.utils import BentoMLCommandGroup

from bentoml_ext.disk_errors import STDOUT, place_of, refusal, remedy
from bentoml_ext.internals.home import home_path
from bentoml_ext.signals import ended_by_signal

__all__ = ["say_in_one_line"]

REFUSED = (
    *(errno.EACCES, errno.EPERM, errno.EROFS),
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG),
)
"""What a disk answers to a write that its operator alone can make possible."""

NUMBER = re.compile(r"\[Errno (\d+)\]")


def say_in_one_line() -> None:
    """Let BentoML's commands say so; once. In debug mode the traceback stays."""
    group: Any = BentoMLCommandGroup
    if not hasattr(group.invoke, "bentoml_ext"):
        group.invoke = _in_one_line(group.invoke)
        group.main = _printed(group.main)


def _in_one_line(invoke: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(invoke)
    def wrapper(group: click.Group, context: click.Context) -> Any:
        try:
            with ended_by_signal():
                return invoke(group, context)
        except OSError as error:
            if get_debug_mode() or (told := _told(error)) is None:
                raise
            raise click.ClickException(told) from error

    wrapper.bentoml_ext = True  # type: ignore[attr-defined]
    return wrapper


def _printed(main: Callable[..., Any]) -> Callable[..., Any]:
    """The whole of a command: its help and its version are printed before it is invoked."""

    @wraps(main)
    def wrapper(*given: Any, **named: Any) -> Any:
        try:
            return main(*given, **named)
        except OSError as error:
            if place_of(error) != STDOUT:
                raise
            click.echo(f"Error: {refusal(error)}", err=True)
            sys.exit(1)

    return wrapper


def _told(error: OSError) -> str | None:
    """One line of an error of the disk; None for another, whose traceback is needed."""
    number, place = error.errno, place_of(error)
    if place == STDOUT and number in REFUSED:
        return refusal(error)
    if isinstance(error, shutil.Error) and (found := NUMBER.search(str(error))):
        # Of a folder's copy: each file's source, target and reason.
        number, place = int(found[1]), error.args[0][0][1]
    # A failed write, unlike an opening, has no name.
    path = Path(place or home_path())
    # A home that was read-only may lack the folder in which a command wants to write.
    lacks_folder = number == errno.ENOENT and home_path() in path.parents
    if number is None or not (number in REFUSED or lacks_folder):
        return None
    return f"{os.strerror(number)}: {path}{remedy(number)}"
