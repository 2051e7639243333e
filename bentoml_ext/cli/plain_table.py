"""Plain table: columns without lines, and what every comparison says of its file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from bentoml_ext.compare.applications import FileFacts

__all__ = ["left_out", "table"]


def table(title: str, *names: str, right: int = 1) -> Table:
    """A plain table; the columns from `right` on hold numbers."""
    made = Table(box=None, pad_edge=False)
    for place, name in enumerate((title, *names)):
        made.add_column(name, justify="right" if place >= right else "left", overflow="fold")
    return made


def left_out(data: FileFacts | None, model: str) -> list[str]:
    """A sentence about the applications that a model refuses; none where it takes all."""
    if data is None or not data.refused:
        return []
    return [
        f"Left out: {data.refused:,} of {data.rows:,} applications of {data.name} that {model} "
        f"refuses, first: {data.first_refusal}."
    ]
