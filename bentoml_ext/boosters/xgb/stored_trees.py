"""Stored trees: the arrays of a booster's document as Trees, none of them taken on trust."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from bentoml_ext.boosters.ensemble import NAN_MISSING, Bools, Floats, Ints, Trees
from bentoml_ext.boosters.xgb.soundness import check_parents, check_values, check_ways
from bentoml_ext.errors import ExportRefused

__all__ = ["read_trees", "weighted"]

# XGBoost takes no larger code: float32 has no more whole numbers.
_CODE_LIMIT: Final = 1 << 24

Stored = Sequence[Mapping[str, Any]]


def read_trees(
    model: Mapping[str, Any], *, n_features: int, n_targets: int, rounds: int | None = None
) -> Trees:
    """The trees of the first `rounds` rounds, without nodes that no row can reach.

    Args:
        model: the part of the document that holds `trees`.
        n_features: columns of a row.
        n_targets: margins of a row.
        rounds: all by default.

    Raises:
        ExportRefused: a number that no tree of XGBoost holds; the message names tree and node.
    """
    trees = model["trees"]
    if not len(trees) == len(model["tree_info"]) == int(model["gbtree_model_param"]["num_trees"]):
        raise ExportRefused(
            f"Expected as many trees as num_trees and tree_info say, got {len(trees)} - at model."
        )
    stored = trees[: _count(model, rounds)]
    target = _whole(model["tree_info"], "tree_info", "model")[: len(stored)]
    if ((target < 0) | (target >= n_targets)).any():
        raise ExportRefused(f"Expected targets below {n_targets}, got another - at tree_info.")
    # XGBoost puts a tree where its id says, and leaves the place of another one empty.
    if odd := [index for index, tree in enumerate(trees) if tree["id"] != index]:
        raise ExportRefused(
            f"Expected id {odd[0]}, got {trees[odd[0]]['id']!r:.40} - at tree {odd[0]}."
        )
    joined = _joined(stored, target, n_targets)
    seen = check_ways(joined)
    check_parents(joined, _Arrays(stored).whole("parents"), seen)
    check_values(joined, seen, n_features)
    return joined if seen.all() else _without(joined, seen)


def weighted(trees: Trees, holder: Mapping[str, Any], n_stored: int, base: Floats | None) -> Trees:
    """Every leaf times its tree's weight, in float32: what dropping trees in training leaves.

    Args:
        trees: of the first rounds.
        holder: the part of the document that holds `weight_drop`.
        n_stored: trees in the document.
        base: float32, (n_targets,), to which dart up to 3.2 adds each tree by itself, and which
            it then subtracts.

    Raises:
        ExportRefused: weights for other trees, or a weight that is not a number.
    """
    weights = _numbers(holder["weight_drop"], "weight_drop", "the booster")
    if len(weights) != n_stored or not np.isfinite(weights).all():
        raise ExportRefused(
            f"Expected a finite weight for each of {n_stored} trees, got {len(weights)} weights, "
            f"{np.count_nonzero(~np.isfinite(weights))} of them not finite - at weight_drop."
        )
    leaf = trees.leaf
    if base is not None:
        through = np.where(trees.target < 0, 0, trees.target)[trees.tree_of_node]
        around = base[through][:, None] if leaf.shape[1] == 1 else base[None, :]
        leaf = (leaf + around) - around
    with np.errstate(over="ignore"):
        products = leaf * weights[trees.tree_of_node][:, None]
    # An inner node holds nothing, and must not get the sign of a product.
    result = replace(trees, leaf=np.where(trees.is_leaf[:, None], products, np.float32(0)))
    check_values(result, np.ones(len(leaf), np.bool_))
    return result


def _count(model: Mapping[str, Any], rounds: int | None) -> int:
    """How many trees the first rounds have."""
    trees = len(model["trees"])
    if rounds is None:
        return trees
    starts = _whole(model["iteration_indptr"], "iteration_indptr", "model")
    if not 0 < rounds < len(starts):
        raise ExportRefused(
            f"Expected at most {len(starts) - 1} rounds, got {rounds} - at best_iteration. "
            "The booster has been cut since it was trained."
        )
    if starts[0] != 0 or starts[-1] != trees or (np.diff(starts) < 0).any():
        raise ExportRefused(
            f"Expected rounds that share out {trees} trees, got others - at iteration_indptr."
        )
    return int(starts[rounds])


def _whole(values: Any, name: str, where: str) -> Ints:
    """int64, (n,): whole numbers, or truths as 0 and 1."""
    array = np.asarray(values)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iub"):
        raise ExportRefused(
            f"Expected a list of whole numbers, got another - at {name} of {where}."
        )
    return array.astype(np.int64)


def _numbers(values: Any, name: str, where: str) -> Floats:
    """float32, (n,): any numbers; NaN where text had no number to say."""
    array = np.asarray(values)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iuf"):
        raise ExportRefused(f"Expected a list of numbers, got another - at {name} of {where}.")
    with np.errstate(over="ignore"):
        return array.astype(np.float32)


def _joined(stored: Stored, target: Ints, n_targets: int) -> Trees:
    """The arrays of all stored trees behind one another."""
    arrays = _Arrays(stored)
    left = arrays.whole("left_children")
    is_leaf = left == -1
    numbers = arrays.numbers("split_conditions")
    # XGBoost before 1.3 knew no other splits than those by a number.
    categorical = (arrays.whole("split_type", default=0) == 1) & ~is_leaf
    widths = [int(tree["tree_param"]["size_leaf_vector"]) for tree in stored]
    if set(widths) - {0, 1}:
        leaf = _vector_leaves(stored, is_leaf, widths, n_targets)
        target = np.full_like(target, -1)
    else:
        leaf = np.where(is_leaf, numbers, np.float32(0))[:, None]
    first_code, codes = _codes(stored, arrays.first)
    return Trees(
        first=arrays.first,
        target=target,
        feature=np.where(is_leaf, 0, arrays.whole("split_indices")),
        threshold=np.where(is_leaf | categorical, np.float32(0), numbers).astype(np.float32),
        left=left,
        # A vector leaf keeps the number of its values in place of a right child.
        right=np.where(is_leaf, -1, arrays.whole("right_children")).astype(np.int64),
        default_left=(arrays.whole("default_left") == 1) & ~is_leaf,
        categorical=categorical,
        leaf=leaf,
        first_code=first_code,
        codes=codes,
        cover=arrays.numbers("sum_hessian", default=np.nan),
        missing=np.full(len(left), NAN_MISSING, np.int8),
    )


class _Arrays:
    """The arrays of all trees, one behind the other, each as long as its tree has nodes."""

    def __init__(self, stored: Stored) -> None:
        self._stored = stored
        self._sizes = [int(tree["tree_param"]["num_nodes"]) for tree in stored]
        self.first: Ints = np.cumsum([0, *self._sizes])

    def whole(self, name: str, default: int | None = None) -> Ints:
        """int64, (n_nodes,); `default` for trees without the array."""
        return np.concatenate([np.zeros(0, np.int64), *self._of(name, _whole, default)])

    def numbers(self, name: str, default: float | None = None) -> Floats:
        """float32, (n_nodes,); `default` for trees without the array."""
        return np.concatenate([np.zeros(0, np.float32), *self._of(name, _numbers, default)])

    def _of(self, name: str, read: Any, default: float | None = None) -> Iterator[Any]:
        for index, (tree, size) in enumerate(zip(self._stored, self._sizes, strict=True)):
            values = [default] * size if default is not None and name not in tree else tree[name]
            if len(values) != size or size < 1:
                raise ExportRefused(
                    f"Expected {size} nodes, got {len(values)} - at {name} of tree {index}."
                )
            yield read(values, name, f"tree {index}")


def _vector_leaves(stored: Stored, is_leaf: Bools, widths: list[int], n_targets: int) -> Floats:
    """float32, (n_nodes, n_targets): the values in each leaf, 0 in inner nodes."""
    values = []
    for index, (tree, width) in enumerate(zip(stored, widths, strict=True)):
        if width != n_targets:
            raise ExportRefused(
                f"Expected leaves of {n_targets} values, got {width} - at tree {index}."
            )
        where = f"tree {index}"
        count = len(tree["left_children"])
        if "leaf_weights" in tree:
            leaves = _numbers(tree["leaf_weights"], "leaf_weights", where).reshape(-1, width)
            place = _whole(tree["right_children"], "right_children", where)
            is_mine = _whole(tree["left_children"], "left_children", where) == -1
            if (is_mine & ((place < 0) | (place >= len(leaves)))).any():
                raise ExportRefused(
                    f"Expected leaves among {len(leaves)}, got another - at tree {index}."
                )
            values.append(leaves[np.where(is_mine, place, 0)])
        else:
            # Before XGBoost 3.2 every node stores its weight, and that of a leaf is its value.
            weights = _numbers(tree["base_weights"], "base_weights", where).reshape(-1, width)
            if len(weights) != count:
                raise ExportRefused(
                    f"Expected {count} nodes, got {len(weights)} - at base_weights of tree {index}."
                )
            values.append(weights)
    joined = np.concatenate(values)
    return np.where(is_leaf[:, None], joined, np.float32(0))


def _codes(stored: Stored, first: Ints) -> tuple[Ints, Ints]:
    """`Trees.first_code` and `Trees.codes`."""
    count = np.zeros(int(first[-1]), np.int64)
    parts = [np.zeros(0, np.int64)]
    for index, (tree, start, end) in enumerate(zip(stored, first, first[1:], strict=False)):
        if not len(tree.get("categories_nodes", ())):
            continue
        node, begin, size, codes = (
            _whole(tree[name], name, f"tree {index}")
            for name in (
                "categories_nodes",
                "categories_segments",
                "categories_sizes",
                "categories",
            )
        )
        known = len(node) == len(begin) == len(size) and (np.diff(node) > 0).all()
        known = known and node[0] >= 0 and node[-1] < end - start and (size >= 0).all()
        known = known and (begin >= 0).all() and (begin + size <= len(codes)).all()
        if not known or ((codes < 0) | (codes >= _CODE_LIMIT)).any():
            raise ExportRefused(
                f"Expected codes from 0 on for nodes in rising order, got others - at tree {index}."
            )
        count[start + node] = size
        within = np.arange(int(size.sum())) - np.repeat(np.cumsum(size) - size, size)
        parts.append(codes[np.repeat(begin, size) + within])
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(count)]), np.concatenate(parts)


def _without(trees: Trees, seen: Bools) -> Trees:
    """The same trees without nodes that no row can reach: pruning leaves some behind."""
    offset = trees.first[:-1][trees.tree_of_node]
    number = np.cumsum(seen) - 1
    kept = np.bincount(trees.tree_of_node[seen], minlength=len(trees))
    first = np.concatenate([np.zeros(1, np.int64), np.cumsum(kept)])
    shift = first[:-1][trees.tree_of_node]
    renumbered: dict[str, Any] = {
        name: np.where(
            trees.is_leaf, -1, number[np.where(trees.is_leaf, 0, child + offset)] - shift
        )[seen]
        for name, child in (("left", trees.left), ("right", trees.right))
    }
    sizes = np.diff(trees.first_code)
    return replace(
        trees,
        first=first,
        **renumbered,
        feature=trees.feature[seen],
        threshold=trees.threshold[seen],
        default_left=trees.default_left[seen],
        categorical=trees.categorical[seen],
        leaf=trees.leaf[seen],
        cover=trees.cover[seen],
        missing=trees.missing[seen],
        first_code=np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes[seen])]),
        codes=trees.codes[np.repeat(seen, sizes)],
    )
