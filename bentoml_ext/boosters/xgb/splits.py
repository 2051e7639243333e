"""Splits: what the thresholds of a booster show of the rows that it was trained on."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from bentoml_ext.arrays import Floats
from bentoml_ext.boosters.ensemble import Trees
from bentoml_ext.boosters.xgb.reader import read_ensemble

if TYPE_CHECKING:
    import xgboost

__all__ = [
    "of_gaps",
    "of_numbers",
    "of_ones_alone",
    "of_other_numbers",
    "of_zeros_and_ones",
    "parting",
]

Range: TypeAlias = tuple[float, float]

BELOW_ONE: Final = np.float32(1) - np.float32(1 + 1e-6)
"""`tree_method="exact"` splits a column whose smallest number is 1 there from what is missing."""

ABOVE_ONE: Final[Range] = (2.0, 2.0001)
"""Between these every method splits a column whose largest number is 1 from what is missing."""

BELOW_ALL: Final = (-np.inf, float(np.float32(-1e-5)))
"""Where "hist" splits any column from what is missing: from XGBoost 3.3 on, and before."""

NEAR: Final = 1e-4
BESIDE_ZERO: Final = (-NEAR, NEAR)
"""Here every method splits a column of zeros from what is missing."""

BETWEEN: Final = ((0.5 - NEAR, 0.5 + NEAR), (1 - NEAR, 1 + NEAR))
"""Where a column of 0 and 1 is split: "exact" takes the middle, every other method the 1."""


def parting(booster: xgboost.Booster) -> frozenset[int]:
    """Columns in which some split sends 0 and a missing value different ways."""
    trees = _trees(booster)
    if trees is None:
        # To a sum of products, what is missing is 0.
        return frozenset()
    return _columns(trees, ~trees.is_leaf & ((trees.threshold > 0) != trees.default_left))


def of_ones_alone(booster: xgboost.Booster) -> frozenset[int]:
    """Columns that held 1 or nothing in training: no split of theirs parts 0 from 1.

    So XGBoost sees a column of a category whose rows are sparse, and keep no 0.
    """
    trees = _trees(booster)
    if trees is None:
        return frozenset()
    low, high = ABOVE_ONE
    beside = ((trees.threshold > low) & (trees.threshold < high)) | (trees.threshold == BELOW_ONE)
    lone = beside & ((trees.threshold > 1) != trees.default_left)
    # A split below all numbers shows none of them.
    others = ~lone & ~np.isin(trees.threshold, BELOW_ALL)
    return _columns(trees, ~trees.is_leaf & lone) - _columns(trees, ~trees.is_leaf & others)


def of_zeros_and_ones(booster: xgboost.Booster, columns: Collection[int]) -> frozenset[int]:
    """Those of `columns` of categories in which some split parts 0 from 1: training saw both."""
    trees = _trees(booster)
    if trees is None:
        return frozenset()
    between = _within(trees.threshold, *BETWEEN)
    return _columns(trees, ~trees.is_leaf & between).intersection(columns)


def of_numbers(booster: xgboost.Booster, columns: Collection[int]) -> dict[int, float]:
    """Those of `columns` that held more than 0 and nothing, each with a threshold that shows it."""
    return _split_outside(booster, columns, BESIDE_ZERO)


def of_other_numbers(booster: xgboost.Booster, columns: Collection[int]) -> dict[int, float]:
    """Those of `columns` that held more than 0, 1 and nothing, each with a threshold as above."""
    return _split_outside(booster, columns, BESIDE_ZERO, *BETWEEN, ABOVE_ONE)


def _split_outside(
    booster: xgboost.Booster, columns: Collection[int], *ranges: Range
) -> dict[int, float]:
    trees = _trees(booster) if columns else None
    if trees is None:
        return {}
    odd = _by_threshold(trees) & ~np.isneginf(trees.threshold)
    odd &= ~_within(trees.threshold, *ranges) & np.isin(trees.feature, list(columns))
    return dict(zip(trees.feature[odd].tolist(), trees.threshold[odd].tolist(), strict=True))


def _within(places: Floats, *ranges: Range) -> npt.NDArray[np.bool_]:
    """Which places lie within one of the ranges, without their ends."""
    found = np.zeros(places.shape, np.bool_)
    for low, high in ranges:
        found |= (places > low) & (places < high)
    return found


def of_gaps(booster: xgboost.Booster) -> frozenset[int]:
    """Columns of numbers that had missing values in training.

    Where a column has none, each tree method sends what is missing one way in all of its splits.
    """
    trees = _trees(booster)
    if trees is None:
        return frozenset()
    splits = _by_threshold(trees)
    to_the_left = _columns(trees, splits & trees.default_left)
    return to_the_left & _columns(trees, splits & ~trees.default_left)


def _by_threshold(trees: Trees) -> npt.NDArray[np.bool_]:
    return ~trees.is_leaf & ~trees.categorical


def _trees(booster: xgboost.Booster) -> Trees | None:
    model = read_ensemble(booster).model
    return model if isinstance(model, Trees) else None


def _columns(trees: Trees, splits: npt.NDArray[np.bool_]) -> frozenset[int]:
    return frozenset(np.unique(trees.feature[splits]).tolist())
