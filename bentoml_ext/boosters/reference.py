"""Reference: margins of an Ensemble in numpy, slow, plain and exact."""

from __future__ import annotations

import numpy as np

from bentoml_ext.arrays import Rows
from bentoml_ext.boosters.ensemble import (
    MISSING_AS_ZERO,
    ZERO_MISSING,
    Bools,
    Ensemble,
    Floats,
    Ints,
    Linear,
    Trees,
)

__all__ = ["leaves", "margins"]

# XGBoost takes no larger code: float32 has no more whole numbers.
_CODE_LIMIT = 1 << 24


def margins(ensemble: Ensemble, rows: Rows) -> Floats:
    """(n, n_targets), of the ensemble's dtype: added in it, in the booster's order.

    Args:
        ensemble: any.
        rows: float32, (n, n_features), NaN for missing.
    """
    total = np.repeat(ensemble.base[None, :], len(rows), axis=0)
    with np.errstate(all="ignore"):
        if isinstance(ensemble.model, Linear):
            total = ensemble.model.bias + total
            for column, weight in zip(rows.T, ensemble.model.weights, strict=True):
                missing = np.isnan(column)[:, None]
                total = np.where(missing, total, total + column[:, None] * weight)
            return total
        trees = ensemble.model
        for target, nodes in zip(trees.target, leaves(trees, rows).T, strict=True):
            every = slice(None) if target < 0 else slice(target, target + 1)
            total[:, every] += trees.leaf[nodes]
    return total


def leaves(trees: Trees, rows: Rows) -> Ints:
    """int64, (n, n_trees): the leaf that each row reaches in each tree, as index into `leaf`.

    Args:
        trees: at least one.
        rows: float32, (n, n_features), NaN for missing.
    """
    place = np.repeat(trees.first[None, :-1], len(rows), axis=0)
    offset = place.copy()
    while (inner := ~trees.is_leaf[place]).any():
        row, tree = np.nonzero(inner)
        node = place[row, tree]
        value = rows[row, trees.feature[node]]
        missing = trees.missing[node]
        value = np.where(np.isnan(value) & (missing == MISSING_AS_ZERO), np.float32(0), value)
        is_missing = np.isnan(value) | ((value == 0) & (missing == ZERO_MISSING))
        threshold = trees.threshold[node]
        below = value < threshold if trees.goes_left == "<" else value <= threshold
        goes_left = np.where(trees.categorical[node], ~_listed(trees, node, value), below)
        goes_left = np.where(is_missing, trees.default_left[node], goes_left)
        child = np.where(goes_left, trees.left[node], trees.right[node])
        place[row, tree] = child + offset[row, tree]
    return place


def _listed(trees: Trees, node: Ints, value: Floats) -> Bools:
    """bool, as `node`: whether the value is one of the node's codes."""
    listed = np.zeros(len(node), np.bool_)
    for at in np.flatnonzero(trees.categorical[node]):
        if 0 <= value[at] < _CODE_LIMIT:
            codes = trees.codes[trees.first_code[node[at]] : trees.first_code[node[at] + 1]]
            listed[at] = int(value[at]) in codes
    return listed
