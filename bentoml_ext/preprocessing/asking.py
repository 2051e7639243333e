"""Asking: what a fitted step of scikit-learn makes of each value that a column may have."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from bentoml_ext.errors import ExportRefused
from bentoml_ext.preprocessing.columns import Finite, Numeric, Usable, is_null

__all__ = ["asked", "transformed"]


def asked(step: Any, columns: Sequence[Usable], widths: Sequence[int], place: str) -> list[Finite]:
    """The output of a step that treats each of its columns alone, for those of few values.

    Args:
        step: fitted.
        columns: its input.
        widths: how many columns it makes of each; those of a `Numeric` are left out.
        place: where it stands, for errors.
    """
    made: list[Finite] = []
    asking = _Asking(step, columns)
    start = 0
    for at, (column, width) in enumerate(zip(columns, widths, strict=True)):
        if isinstance(column, Finite):
            cells, refused = asking.cells(at, column)
            if refused[: len(column.domain.known)].all():
                raise ExportRefused(
                    f"Expected a step that takes the values of '{column.field}', got one that "
                    f"takes none of {[*column.domain.known][:3]} - at {place}."
                )
            some = cells[:, start : start + width].T
            made += [replace(column, values=values, refused=refused) for values in some]
        start += width
    return made


def transformed(step: Any, frame: Any) -> npt.NDArray[Any]:
    """What a step makes of rows, dense."""
    with warnings.catch_warnings(action="ignore"):
        result = step.transform(frame)
    if hasattr(result, "toarray"):
        result = result.toarray()
    return np.asarray(result)


class _Asking:
    """Asks a step about one column at a time; the others hold a value that it takes."""

    def __init__(self, step: Any, columns: Sequence[Usable]) -> None:
        self._step, self._columns = step, columns
        self._fillers = [_filler(column) for column in columns]
        self._names = getattr(step, "feature_names_in_", None)

    def cells(
        self, at: int, column: Finite
    ) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.bool_]]:
        """object, (values, the step's columns), and bool: which of the values it refuses."""
        refused = column.refused.copy()
        refused[-1] |= column.domain.other is None
        width = self._of(at, [self._fillers[at]]).shape[1]
        cells = np.full((len(column.values), width), np.nan, object)
        known = [row for row in range(len(column.values) - 2) if not refused[row]]
        for rows in (known, [-2], [-1]):
            try:
                cells[rows] = self._of(at, list(column.values[rows]))
            except (ValueError, TypeError):
                for row in rows:
                    refused[row] = refused[row] or not self._one(at, column, cells, row)
        return cells, refused

    def _one(self, at: int, column: Finite, cells: npt.NDArray[np.object_], row: int) -> bool:
        """Whether the step takes one value; if so, its cells are written."""
        try:
            cells[row] = self._of(at, [column.values[row]])[0]
        except (ValueError, TypeError):
            return False
        return True

    def _of(self, at: int, values: list[Any]) -> npt.NDArray[Any]:
        import pandas as pd

        series = {}
        for place, column in enumerate(self._columns):
            said = values if place == at else [self._fillers[place]] * len(values)
            name = f"column {place}" if self._names is None else self._names[place]
            series[name] = pd.Series(said, dtype=_kind(column, said))
        frame = pd.DataFrame(series)
        return transformed(self._step, frame.to_numpy() if self._names is None else frame)


def _kind(column: Usable, values: Any) -> Any:
    """The type of a column of these values: that of the user's frame, where it can hold null."""
    if isinstance(column, Numeric):
        return column.kind
    if column.is_text or any(isinstance(value, str) for value in values):
        return object
    if column.kind is not None and not any(map(is_null, values)):
        return column.kind
    return np.float64


def _filler(column: Usable) -> Any:
    """A value that the step takes, most likely."""
    if isinstance(column, Numeric):
        return column.kind.type(1)
    taken = np.flatnonzero(~column.refused)
    # The first of a number's ranges may lie below every category, the second is one.
    return column.values[taken[1 if column.edges else 0]]
