"""Progress: a bar on stderr while a command works, where somebody watches."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn
from rich.progress import Progress as Bar

if TYPE_CHECKING:
    from bentoml_ext.proving.every_form import ProofProgress

__all__ = ["progress", "proving", "scoring"]


@contextmanager
def progress(what: str) -> Iterator[ProofProgress]:
    """A bar on stderr while a proof runs, if that is a terminal; yields what moves it."""
    console = Console(stderr=True)
    with Bar(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def proving() -> Iterator[ProofProgress]:
    """The same while a model is stored, whose printed facts say which forms are left out."""
    from bentoml_ext.export.forms import FormLeftOut

    with progress("Proving") as move, warnings.catch_warnings():
        warnings.simplefilter("ignore", FormLeftOut)
        yield move


@contextmanager
def scoring(what: str = "Scoring") -> Iterator[Callable[[int, int | None, int], None]]:
    """A bar on stderr with rows and rows a second, if that is a terminal; yields what moves it."""
    console = Console(stderr=True)
    rate = TextColumn("{task.fields[rows]:,} rows, {task.fields[rate]:,.0f}/s")
    columns = (TextColumn(what), BarColumn(), TaskProgressColumn(), rate)
    first: tuple[float, int] | None = None
    with Bar(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None, rows=0, rate=0.0)

        def move(done: int, total: int | None, rows: int) -> None:
            nonlocal first
            # From the first block on: what came before is the start of the command.
            first = first or (time.perf_counter(), rows)
            seconds = time.perf_counter() - first[0]
            speed = (rows - first[1]) / seconds if rows > first[1] else 0.0
            bar.update(task, completed=done, total=total, rows=rows, rate=speed)

        yield move
