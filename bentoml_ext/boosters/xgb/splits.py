"""Splits: what the thresholds of a booster show of the rows that it was trained on."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from bentoml_ext.boosters.ensemble import Trees
from bentoml_ext.boosters.xgb.reader import read_ensemble

if TYPE_CHECKING:
    import xgboost

__all__ = ["of_ones_alone", "of_zeros_and_ones", "parting"]

BELOW_ONE: Final = np.float32(1) - np.float32(1 + 1e-6)
"""`tree_method="exact"` splits a column whose smallest number is 1 there from what is missing."""

ABOVE_ONE: Final = (2.0, 2.0001)
"""Between these every method splits a column whose largest number is 1 from what is missing."""

BETWEEN: Final = (0.5, 1.0)
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
    return _columns(trees, ~trees.is_leaf & lone) - _columns(trees, ~trees.is_leaf & ~lone)


def of_zeros_and_ones(booster: xgboost.Booster, columns: Collection[int]) -> frozenset[int]:
    """Those of `columns` of categories in which some split parts 0 from 1: training saw both."""
    trees = _trees(booster)
    if trees is None:
        return frozenset()
    return _columns(trees, ~trees.is_leaf & np.isin(trees.threshold, BETWEEN)).intersection(columns)


def _trees(booster: xgboost.Booster) -> Trees | None:
    model = read_ensemble(booster).model
    return model if isinstance(model, Trees) else None


def _columns(trees: Trees, splits: npt.NDArray[np.bool_]) -> frozenset[int]:
    return frozenset(np.unique(trees.feature[splits]).tolist())
