"""Reads a booster into an Ensemble, from the bytes that XGBoost itself would store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import xgboost as xgb

from bentoml_ext.errors import ExportRefused
from bentoml_ext.export import ubjson
from bentoml_ext.export.base import base_margins, margins_without_data
from bentoml_ext.export.ensemble import Bools, Ensemble, Floats, Ints, Linear, Trees

__all__ = ["read_ensemble"]


def read_ensemble(
    booster: xgb.Booster, *, rounds: int | None = None, inplace: bool = False
) -> Ensemble:
    """What `booster` adds up.

    Args:
        booster: any booster; all that is read is `save_raw("ubj")` and its base margin.
        rounds: boosting rounds to use from the first on; all by default.
        inplace: for dart only: the sum of `Booster.inplace_predict`, which rounds each leaf through
            the base margin, instead of that of `Booster.predict`. All else has one sum.

    Raises:
        ExportRefused: a booster, a tree or an array that is none of the known kinds.
    """
    document = ubjson.decode(bytes(booster.save_raw("ubj")))
    learner = document["learner"]
    gradient = learner["gradient_booster"]
    kind = gradient["name"]
    base = base_margins(booster, document)
    ensemble = Ensemble(
        objective=learner["objective"]["name"],
        n_features=int(learner["learner_model_param"]["num_feature"]),
        base=base,
        model=Linear(base, base),
        version=".".join(str(part) for part in document["version"]),
        kind=kind,
        features=tuple(learner["feature_names"]),
    )
    if kind == "gblinear":
        linear = _linear(gradient["model"], ensemble)
        observed = margins_without_data(booster, document)
        # XGBoost 3.1 and 3.2 give every target of a gblinear booster the first target's base, and
        # take base_score itself for the base of one that was never trained.
        for used in (np.full_like(base, base[0]), base, observed):
            if np.array_equal(linear.bias + used, observed):
                return replace(ensemble, base=used, model=linear)
        raise ExportRefused("Expected bias and base margin to add up - at the gblinear booster.")
    if kind == "gbtree":
        return replace(ensemble, model=_trees(gradient["model"], rounds))
    if kind == "dart":
        trees = _trees(gradient["gbtree"]["model"], rounds)
        drop = np.asarray(gradient["weight_drop"], np.float32)[: len(trees)]
        return replace(ensemble, model=_weighted(trees, drop, base if inplace else None))
    raise ExportRefused(
        f"Expected booster gbtree, dart or gblinear, got '{kind}' - at the booster. "
        "How it adds up its parts is not known."
    )


def _linear(model: Mapping[str, Any], ensemble: Ensemble) -> Linear:
    """The weights; a booster that was never trained has none, and they are 0."""
    shape = (ensemble.n_features + 1, ensemble.n_targets)
    weights = np.asarray(model["weights"], np.float32)
    weights = weights.reshape(shape) if len(weights) else np.zeros(shape, np.float32)
    return Linear(bias=weights[-1], weights=weights[:-1])


def _weighted(trees: Trees, drop: Floats, base: Floats | None) -> Trees:
    """Dart: every leaf times its tree's weight, in float32."""
    leaf = trees.leaf
    if base is not None:
        through = np.where(trees.target < 0, 0, trees.target)[trees.tree_of_node]
        around = base[through][:, None] if leaf.shape[1] == 1 else base[None, :]
        leaf = (leaf + around) - around
    weighted = leaf * drop[trees.tree_of_node][:, None]
    # An inner node holds nothing, and must not get the sign of a product.
    return replace(trees, leaf=np.where(trees.is_leaf[:, None], weighted, np.float32(0)))


def _trees(model: Mapping[str, Any], rounds: int | None) -> Trees:
    """The trees of the first `rounds` rounds."""
    count = len(model["trees"])
    if rounds is not None:
        starts = model["iteration_indptr"]
        if not 0 < rounds < len(starts):
            raise ExportRefused(
                f"Expected at most {len(starts) - 1} rounds, got {rounds} - at best_iteration. "
                "The booster has been cut since it was trained."
            )
        count = int(starts[rounds])
    stored = model["trees"][:count]
    target = np.asarray(model["tree_info"][:count], np.int64)
    return _reachable(_joined(stored, target))


def _joined(stored: Sequence[Mapping[str, Any]], target: Ints) -> Trees:
    """The arrays of all stored trees behind one another."""
    sizes = np.array([len(tree["left_children"]) for tree in stored], np.int64)
    first = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])

    def all_of(name: str) -> Any:
        return np.concatenate([tree[name] for tree in stored]) if stored else np.zeros(0, np.int64)

    left, right = all_of("left_children").astype(np.int64), all_of("right_children")
    is_leaf = left < 0
    numbers = all_of("split_conditions").astype(np.float32)
    categorical = (all_of("split_type") == 1) & ~is_leaf
    wide = {int(tree["tree_param"]["size_leaf_vector"]) for tree in stored} - {0, 1}
    if wide:
        leaf = _vector_leaves(stored, is_leaf, wide.pop())
        target = np.full_like(target, -1)
    else:
        leaf = np.where(is_leaf, numbers, np.float32(0))[:, None]
    first_code, codes = _codes(stored, first)
    return Trees(
        first=first,
        target=target,
        feature=np.where(is_leaf, 0, all_of("split_indices")).astype(np.int64),
        threshold=np.where(is_leaf | categorical, np.float32(0), numbers).astype(np.float32),
        left=left,
        # A vector leaf keeps the number of its values in place of a right child.
        right=np.where(is_leaf, -1, right).astype(np.int64),
        default_left=(all_of("default_left") == 1) & ~is_leaf,
        categorical=categorical,
        leaf=leaf,
        first_code=first_code,
        codes=codes,
    )


def _vector_leaves(stored: Sequence[Mapping[str, Any]], is_leaf: Bools, width: int) -> Floats:
    """float32, (n_nodes, width): the values in each leaf, 0 in inner nodes."""
    values = []
    for tree in stored:
        if int(tree["tree_param"]["size_leaf_vector"]) != width:
            raise ExportRefused("Expected leaves of one width, got several - at the trees.")
        if "leaf_weights" in tree:
            leaves = tree["leaf_weights"].reshape(-1, width)
            # Clipped for inner nodes, whose right child may be any node.
            values.append(leaves[np.clip(tree["right_children"], 0, len(leaves) - 1)])
        else:
            # Before XGBoost 3.2 every node stores its weight, and that of a leaf is its value.
            values.append(tree["base_weights"].reshape(-1, width))
    joined = np.concatenate(values).astype(np.float32)
    return np.where(is_leaf[:, None], joined, np.float32(0))


def _codes(stored: Sequence[Mapping[str, Any]], first: Ints) -> tuple[Ints, Ints]:
    """`Trees.first_code` and `Trees.codes`."""
    nodes, starts, sizes, codes = [], [], [], []
    seen = 0
    for tree, offset in zip(stored, first, strict=False):
        if len(tree["categories_nodes"]):
            nodes.append(tree["categories_nodes"].astype(np.int64) + offset)
            starts.append(tree["categories_segments"].astype(np.int64) + seen)
            sizes.append(tree["categories_sizes"].astype(np.int64))
            codes.append(tree["categories"].astype(np.int64))
            seen += len(tree["categories"])
    count = np.zeros(int(first[-1]), np.int64)
    none = np.zeros(1, np.int64)
    if not nodes:
        return np.concatenate([none, count]), none[:0]
    node, start, size = np.concatenate(nodes), np.concatenate(starts), np.concatenate(sizes)
    count[node] = size
    first_code = np.concatenate([none, np.cumsum(count)])
    order = np.argsort(node, kind="stable")
    start, size = start[order], size[order]
    within = np.arange(int(size.sum())) - np.repeat(np.cumsum(size) - size, size)
    return first_code, np.concatenate(codes)[np.repeat(start, size) + within]


def _reachable(trees: Trees) -> Trees:
    """The same trees without nodes that no row can come to: pruning leaves some behind."""
    offset = trees.first[:-1][trees.tree_of_node]
    left, right = trees.left + offset, trees.right + offset
    seen = np.zeros(len(left), np.bool_)
    level = trees.first[:-1]
    while len(level):
        if seen[level].any():
            raise ExportRefused("Expected trees, got a node with two parents - at the trees.")
        seen[level] = True
        inner = level[~trees.is_leaf[level]]
        level = np.concatenate([left[inner], right[inner]])
    if seen.all():
        return trees
    number = np.cumsum(seen) - 1
    kept = np.zeros(len(trees), np.int64)
    np.add.at(kept, trees.tree_of_node[seen], 1)
    first = np.concatenate([np.zeros(1, np.int64), np.cumsum(kept)])
    shift = first[:-1][trees.tree_of_node]
    renumbered = {
        name: np.where(trees.is_leaf, -1, number[np.where(trees.is_leaf, 0, child)] - shift)[seen]
        for name, child in (("left", left), ("right", right))
    }
    sizes = np.diff(trees.first_code)
    return replace(
        trees,
        first=first,
        **renumbered,
        **{
            name: getattr(trees, name)[seen]
            for name in ("feature", "threshold", "default_left", "categorical", "leaf")
        },
        first_code=np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes[seen])]),
        codes=trees.codes[np.repeat(seen, sizes)],
    )
