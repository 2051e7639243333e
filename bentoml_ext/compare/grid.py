"""Grid: a table of a comparison, before anyone has chosen how it looks."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from bentoml_ext.compare.applications import FileFacts

__all__ = ["Grid", "Part", "figure", "grid", "left_out"]


@dataclass
class Grid:
    """A table.

    Args:
        title: above the first column.
        names: of the other columns.
        right: the first column that holds numbers.
        rows: of texts, as many as columns.
    """

    title: str
    names: tuple[str, ...]
    right: int = 1
    rows: list[tuple[str, ...]] = field(default_factory=list)

    def add_row(self, *cells: str) -> None:
        """Add a row."""
        self.rows.append(cells)


Part: TypeAlias = "str | Grid"
"""Of a report: sentences and tables, in the order in which they are read."""


def grid(title: str, *names: str, right: int = 1) -> Grid:
    """A table without rows; arguments as of `Grid`."""
    return Grid(title, names, right)


def figure(value: float, digits: int = 4, sign: str = "") -> str:
    """A number in so many digits; with an exponent where it is very large or small alone."""
    if value and not 1e-4 <= abs(value) < 1e9:
        return f"{value:{sign}.{digits}g}"
    places = digits - 1 - math.floor(math.log10(abs(value))) if value else 0
    return f"{round(value, places):{sign},.{max(places, 0)}f}"


def left_out(data: FileFacts | None, model: str) -> list[str]:
    """A sentence about the applications that a model refuses; none where it takes all."""
    if data is None or not data.refused:
        return []
    return [
        f"Left out: {data.refused:,} of {data.rows:,} applications of {data.name} that {model} "
        f"refuses, first: {data.first_refusal}."
    ]
