"""Arrow texts: what stands for each entry of a dictionary of texts, under a step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

import numpy as np

from bentoml_ext.arrays import Ints, Rows
from bentoml_ext.encoders.field import Field
from bentoml_ext.encoders.filling import table_of
from bentoml_ext.encoders.steps import NO_COLUMN, Codes, OneHot, Table

__all__ = ["NO_TRACE", "REFUSED", "Category", "places_of", "write_places"]

Category: TypeAlias = OneHot | Codes | Table
"""Steps of texts."""

REFUSED: Final = -1
NO_TRACE: Final = -2
"""What stands for a column where a text has none."""


def places_of(field: Field, step: Category, texts: Sequence[str | None]) -> list[int]:
    """The columns of categories, or their codes; below 0 for a text without one."""
    # A text of `baseline` has no column, and leaves no trace.
    unknown = NO_TRACE if field.unknown == "zero" else REFUSED
    if isinstance(step, OneHot):
        known = {
            text: NO_TRACE if column == NO_COLUMN else column
            for text, column in step.columns.items()
        }
        rest = step.other
    else:
        listed = step.categories
        known = {str(text): code for code, text in enumerate(listed)}
        # As `table_of` has them: behind the texts stands null, then any other text.
        rest = len(listed) + 1 if isinstance(step, Table) and step.other is not None else None
    if rest is not None and unknown == NO_TRACE:
        unknown = rest
    known = dict.fromkeys(field.baseline, NO_TRACE if rest is None else rest) | known
    return [REFUSED if text is None else known.get(text, unknown) for text in texts]


def write_places(step: Category, rows: Rows, found_at: Ints) -> None:
    """Write categories by what `places_of` says of them."""
    found = found_at >= 0
    if isinstance(step, OneHot):
        each = np.arange(len(rows)) * rows.shape[1]
        cells = each + found_at
        rows.reshape(-1)[cells if found.all() else cells[found]] = 1.0
    elif isinstance(step, Table):
        table = table_of(step)
        for place, at in enumerate(step.columns):
            rows[found, at] = table[found_at[found], place]
    else:
        rows[found, step.column] = found_at[found]
