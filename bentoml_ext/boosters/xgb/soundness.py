"""Soundness: trees that a row can walk through, and whose numbers make a score."""

from __future__ import annotations

from typing import Final, NoReturn

import numpy as np

from bentoml_ext.boosters.ensemble import Bools, Ints, Trees
from bentoml_ext.errors import ExportRefused

__all__ = ["check_parents", "check_values", "check_ways"]

_NO_PARENT: Final = (-1, (1 << 31) - 1)
"""What XGBoost stores for a root."""


def check_ways(trees: Trees) -> Bools:
    """bool, (n_nodes,): which nodes a row can reach.

    Args:
        trees: as they were stored.

    Raises:
        ExportRefused: a child outside of its tree, apart from its sibling, or with two parents.
    """
    size = np.diff(trees.first)[trees.tree_of_node]
    inner = ~trees.is_leaf
    outside = (trees.left < 0) | (trees.right < 0) | (trees.left >= size) | (trees.right >= size)
    if (bad := (inner & outside) | (trees.left < -1)).any():
        _refuse(trees, bad, "children among the tree's nodes", "one outside")
    # XGBoost goes to the left child or to the node behind it, wherever the right one is.
    if (bad := inner & (trees.right != trees.left + 1)).any():
        _refuse(trees, bad, "the right child behind the left one", "it elsewhere")
    offset = trees.first[:-1][trees.tree_of_node]
    left, right = trees.left + offset, trees.right + offset
    seen = np.zeros(len(left), np.bool_)
    level = trees.first[:-1]
    while len(level):
        once, times = np.unique(level, return_counts=True)
        if (twice := once[seen[once] | (times > 1)]).size:
            bad = np.isin(np.arange(len(seen)), twice)
            _refuse(trees, bad, "one way to each node", "two")
        seen[level] = True
        inside = level[inner[level]]
        level = np.concatenate([left[inside], right[inside]])
    return seen


def check_parents(trees: Trees, parents: Ints, seen: Bools) -> None:
    """Refuse a node that names another parent than the node that leads to it: XGBoost crashes.

    Args:
        trees: as they were stored, their ways checked.
        parents: int64, (n_nodes,), as they were stored.
        seen: bool, (n_nodes,), the nodes that a row can reach.

    Raises:
        ExportRefused: names tree and node.
    """
    offset = trees.first[:-1][trees.tree_of_node]
    size = np.diff(trees.first)[trees.tree_of_node]
    is_none = np.isin(parents, _NO_PARENT)
    expected = np.full(len(parents), -1, np.int64)
    inner = np.flatnonzero(seen & ~trees.is_leaf)
    for child in (trees.left, trees.right):
        expected[child[inner] + offset[inner]] = inner - offset[inner]
    found = np.where(is_none, -1, parents)
    outside = ~is_none & ((parents < 0) | (parents >= size))
    if (bad := outside | (seen & (found != expected))).any():
        _refuse(trees, bad, "the node that leads here as parent", "another")


def check_values(trees: Trees, seen: Bools, n_features: int | None = None) -> None:
    """Refuse a split that no row can be compared with, and a leaf that spoils every sum.

    Args:
        trees: as they were stored.
        seen: bool, (n_nodes,), the nodes that a row can reach; others may hold anything.
        n_features: columns of a row; None where they are checked already.

    Raises:
        ExportRefused: names tree and node.
    """
    if n_features is not None:
        bad = seen & ~trees.is_leaf & ((trees.feature < 0) | (trees.feature >= n_features))
        if bad.any():
            got = str(trees.feature[bad][0])
            _refuse(trees, bad, f"a feature from 0 to {n_features - 1}", got)
    if (bad := seen & np.isnan(trees.threshold)).any():
        _refuse(trees, bad, "a threshold", "NaN")
    if (bad := seen & ~np.isfinite(trees.leaf).all(axis=1)).any():
        values = trees.leaf[bad][0]
        _refuse(trees, bad, "a finite leaf", str(values[~np.isfinite(values)][0]))


def _refuse(trees: Trees, bad: Bools, expected: str, got: str) -> NoReturn:
    node = int(np.flatnonzero(bad)[0])
    tree = int(trees.tree_of_node[node])
    raise ExportRefused(
        f"Expected {expected}, got {got} - at tree {tree}, node {node - trees.first[tree]}. "
        "The model is damaged: train it again, or take a copy that is whole."
    )
