"""Heat map: counts of two answers as shaded cells."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Final

from bentoml_ext.compare.svg import Chart, drawing

__all__ = ["heat_map"]

WIDTH: Final = 378
HEIGHT: Final = 62
"""Of a cell; the width is that of a row."""

HEAD: Final = (112, 34)
LONGEST: Final = 14
NARROW: Final = 60


def heat_map(
    title: str,
    rows: Sequence[str],
    columns: Sequence[str],
    counts: Sequence[int],
    notes: Sequence[str] = (),
) -> Chart:
    """A cell for each pair; the darker, the more applications.

    Args:
        title: what it shows.
        rows, columns: answers.
        counts: row by row.
        notes: below each count.
    """
    across = max(WIDTH / len(columns), NARROW)
    down = HEIGHT if notes or len(columns) < 5 else NARROW / 2
    parts = [
        _text("tick", HEAD[0] + (place + 0.5) * across, HEAD[1] - 10, answer)
        for place, answer in enumerate(columns)
    ]
    total = max(sum(counts), 1)
    for place, count in enumerate(counts):
        row, column = divmod(place, len(columns))
        left, top = HEAD[0] + column * across, HEAD[1] + row * down
        # By the root: a few who are moved are seen beside hundreds who stay.
        shade = 0.75 * math.sqrt(count / total)
        kind = "a" if rows[row] == columns[column] else "b"
        parts.append(
            f'<rect class="cell {kind}" fill-opacity="{shade:.3f}" x="{left:g}" y="{top:g}" '
            f'width="{across - 3:g}" height="{down - 3:g}" rx="4"/>'
        )
        note = notes[place] if notes else ""
        middle = left + across / 2
        parts.append(_text("count", middle, top + down / 2 + (-3 if note else 4), f"{count:,}"))
        if note:
            parts.append(_text("note", middle, top + down / 2 + 15, note))
        if column == 0:
            parts.append(_text("tick", HEAD[0] / 2, top + down / 2 + 3, rows[row]))
    height = HEAD[1] + len(rows) * down
    return Chart(title, drawing(title, HEAD[0] + len(columns) * across, height, parts))


def _text(kind: str, x: float, y: float, text: str) -> str:
    short = text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
    return f'<text class="{kind}" text-anchor="middle" x="{x:g}" y="{y:g}">{escape(short)}</text>'
