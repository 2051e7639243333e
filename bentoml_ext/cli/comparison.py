"""Comparison: what `compare` shows while it works, and what it prints."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Literal

from rich.console import Group, RenderableType
from rich.table import Table

from bentoml_ext.cli.progress import progress, scoring
from bentoml_ext.compare.backends import Steps
from bentoml_ext.compare.grid import Grid
from bentoml_ext.compare.parts import parts_of

if TYPE_CHECKING:
    from bentoml_ext.compare.document import Report

__all__ = ["of", "steps"]


@contextmanager
def steps() -> Iterator[Steps]:
    """Bars on stderr, if that is a terminal: rows, measurements, processes."""
    with ExitStack() as stack:
        yield Steps(_Late(stack).rows, _Late(stack, "Timing").step, _Late(stack, "Loading").step)


class _Late:
    """A bar that is shown from its first step on, in the place of the one before."""

    def __init__(self, stack: ExitStack, what: str = "Comparing") -> None:
        self._stack, self._what = stack, what
        self._move: object = None

    def rows(self, done: int, total: int | None, rows: int) -> None:
        if self._move is None:
            self._stack.close()
            self._move = self._stack.enter_context(scoring(self._what))
        self._move(done, total, rows)  # type: ignore[operator]

    def step(self, done: int, total: int) -> None:
        if self._move is None:
            self._stack.close()
            self._move = self._stack.enter_context(progress(self._what))
        self._move(done, total)  # type: ignore[operator]


def of(report: Report) -> RenderableType:
    """A report as sentences and tables."""
    return Group(*_lines(report))


def _lines(report: Report) -> Iterator[RenderableType]:
    """A table has an empty line before and after it."""
    was_table = False
    for place, part in enumerate(parts_of(report)):
        is_table = isinstance(part, Grid)
        if place and (is_table or was_table):
            yield ""
        yield _table(part) if isinstance(part, Grid) else part
        was_table = is_table


def _table(grid: Grid) -> Table:
    made = Table(box=None, pad_edge=False)
    for place, name in enumerate((grid.title, *grid.names)):
        side: Literal["left", "right"] = "right" if place >= grid.right else "left"
        made.add_column(name, justify=side, overflow="fold")
    for row in grid.rows:
        made.add_row(*row)
    return made
