"""Sides: a number that a function has bent reaches the trees as the side of each threshold.

A logarithm has other last bits on another machine, and no step of an encoder repeats it. But a tree
only asks whether a number is below a threshold. So the fitted steps themselves say which numbers of
an application are on which side, and a row holds one number of the same side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from bentoml_ext.arrays import Floats
from bentoml_ext.boosters.ensemble import Trees
from bentoml_ext.boosters.xgb.reader import read_ensemble
from bentoml_ext.encoders.field import FLOAT32_MAX
from bentoml_ext.errors import ExportRefused
from bentoml_ext.preprocessing.columns import Column, Domain, Finite, Numeric, is_null
from bentoml_ext.preprocessing.ranges import (
    Bools,
    Doubles,
    Ranks,
    edges_of,
    followed,
    near_edges,
)

__all__ = ["Sides", "as_sides", "sides_of"]

NAN: Final = -2
"""Rank of a number that the steps turn into NaN; it is below all others, as in logarithms."""


@dataclass(frozen=True, eq=False)
class Sides:
    """What the trees see of a column.

    Args:
        cuts: float32, rising: where a number differs from those below.
        marker: float32: what is missing besides NaN, or NaN.
    """

    cuts: Floats
    marker: np.float32

    def ranks(self, values: npt.NDArray[Any]) -> Ranks:
        """int64, as the values: which side of the cuts each is on."""
        with np.errstate(over="ignore"):
            single = values.astype(np.float32)
        found: Ranks = np.searchsorted(self.cuts, single, side="right").astype(np.int64)
        # An infinity differs from all numbers: a scaler behind it takes none.
        found += np.isposinf(values).astype(np.int64) - np.isneginf(values)
        return np.where(np.isnan(single), NAN, found)

    def cells(self, values: npt.NDArray[Any]) -> Floats:
        """float32, as the values: the number that stands for each in a row; NaN for missing."""
        below = np.nextafter(self.cuts[:1], np.float32(-np.inf))
        standing = np.append(below, self.cuts).astype(np.float32)
        standing[standing == self.marker] = np.nan
        ranks = self.ranks(values)
        return np.where(ranks == NAN, np.float32(np.nan), standing[ranks.clip(0, len(self.cuts))])


def sides_of(columns: Sequence[Column], estimator: Any, missing: float) -> dict[int, Sides]:
    """The sides of each column at the estimator that a function has bent.

    Raises:
        ExportRefused: the booster has no trees.
    """
    bent = {
        at: column
        for at, column in enumerate(columns)
        if isinstance(column, Numeric) and column.is_bent
    }
    if not bent:
        return {}
    trees = read_ensemble(estimator.get_booster()).model
    if not isinstance(trees, Trees):
        name = next(iter(bent.values())).field
        raise ExportRefused(
            f"Expected trees behind a function of the field '{name}', got gblinear, which "
            "multiplies its values. Apply the function to the frame ahead of the pipeline."
        )
    marker = np.float32(missing)
    return {at: Sides(_cuts(trees, at, marker), marker) for at in bent}


def _cuts(trees: Trees, column: int, marker: np.float32) -> Floats:
    is_split = ~trees.is_leaf & (trees.feature == column)
    # The marker has a side of its own.
    own = [marker, np.nextafter(marker, np.float32(np.inf))] if np.isfinite(marker) else []
    cuts: Floats = np.unique(np.array([*trees.threshold[is_split], *own], np.float32))
    return cuts if len(cuts) else np.ones(1, np.float32)


def as_sides(columns: Sequence[Column], sides: Mapping[int, Sides]) -> tuple[Column, ...]:
    """The columns at the estimator, those that a function has bent as ranges of numbers."""
    return tuple(
        _ranged(column, sides[at]) if isinstance(column, Numeric) and at in sides else column
        for at, column in enumerate(columns)
    )


def _ranged(column: Numeric, sides: Sides) -> Finite:
    """The ranges of an application's numbers that end on the same side."""

    def ranks(values: Doubles) -> Ranks:
        return sides.ranks(values)

    (edges,) = edges_of([column], ranks)
    edges = near_edges(column, edges, sides.ranks)
    firsts = np.array([np.nextafter(edges[0], -np.inf) if edges else column.low, *edges])
    values, refused = followed(column, firsts)
    refused |= _below(column, firsts, refused)
    cells = [*sides.cells(values).tolist(), _cell(sides, column.null), np.nan]
    refused = np.array([*refused, False, True])
    domain = Domain(tuple(firsts.tolist()), column.null, None)
    made = np.empty(len(cells), object)
    made[:] = cells
    return _bounded(
        Finite(
            column.field,
            domain,
            made,
            refused,
            is_filled=column.is_filled,
            edges=edges,
        ),
        column,
    )


def _below(column: Numeric, firsts: Doubles, refused: Bools) -> Bools:
    """The ranges in which a function has no value, where a step refuses its infinity at their end.

    A field has a least number and no other gap: a logarithm takes nothing below 0 where a scaler
    behind it refuses the infinity of 0.
    """
    ends = np.flatnonzero(refused & (firsts == column.start))
    return np.arange(len(firsts)) < max(ends.tolist(), default=0)


def _cell(sides: Sides, null: float) -> float:
    return float("nan") if is_null(null) else float(sides.cells(np.array([null]))[0])


def _bounded(finite: Finite, column: Numeric) -> Finite:
    """The ranges with those that the steps refuse before the least and behind the greatest."""
    edges, values, refused = finite.edges or (), [*finite.values], [*finite.refused]
    if column.low > -FLOAT32_MAX:
        edges, values, refused = (column.low, *edges), [np.nan, *values], [True, *refused]
    if column.high < FLOAT32_MAX:
        edges = (*edges, float(np.nextafter(column.high, np.inf)))
        values, refused = [*values[:-2], np.nan, *values[-2:]], [*refused[:-2], True, *refused[-2:]]
    made = np.empty(len(values), object)
    made[:] = values
    domain = Domain(tuple(range(len(values) - 2)), column.null, None)
    return replace(finite, domain=domain, values=made, refused=np.array(refused), edges=edges)
