"""Tree ensemble: trees as one ai.onnx.ml TreeEnsembleRegressor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from bentoml_ext.arrays import Margins
from bentoml_ext.boosters.ensemble import Bools, Floats, Ints, Trees
from bentoml_ext.export.graph.builder import GraphBuilder

__all__ = ["add_trees"]

_LEAF, _LESS, _LESS_OR_EQUAL, _EQUAL = range(4)
# A split goes left below its threshold and right on a code of the node: that is where true leads.
_MODES: Final = np.array([b"LEAF", b"BRANCH_LT", b"BRANCH_LEQ", b"BRANCH_EQ"], object)
# A node without codes asks for a number that no whole number equals.
_NO_CODE: Final = np.float32(0.5)


@dataclass(frozen=True, eq=False)
class _Nodes:
    """Node by node, every array (n_nodes,): the attributes of the operator, less the first tree."""

    tree: Ints
    node: Ints
    feature: Ints
    value: Floats
    mode: Ints
    true: Ints
    false: Ints
    missing_is_true: Bools


def add_trees(
    ops: GraphBuilder,
    rows: str,
    trees: Trees,
    column: Ints,
    base: Margins,
    *,
    n_columns: int | None = None,
    output: str | None = None,
) -> str:
    """Append an ensemble: tree 0 is the base, tree t + 1 is tree t.

    Args:
        ops: the graph's nodes.
        rows: name of a float32 tensor, (n, n_features).
        trees: at least one; codes ask for whole numbers.
        column: int64, (n_trees,), the output column of each tree. It is the first of its columns if
            its leaves hold a value for every target; -1 is the same as 0.
        base: float32, (n_targets,), added to the first columns.
        n_columns: columns of the output; as many as there are targets by default.
        output: name of the output.

    Returns:
        The name of a float32 tensor, (n, n_columns).
    """
    nodes = _nodes(trees)
    width = trees.leaf.shape[1]
    leaf = np.flatnonzero(trees.is_leaf)
    owner = trees.tree_of_node[leaf]
    offset = np.maximum(column, 0)[owner][:, None] + np.arange(width)
    return ops.add(
        "TreeEnsembleRegressor",
        rows,
        output=output,
        domain="ai.onnx.ml",
        aggregate_function="SUM",
        post_transform="NONE",
        n_targets=n_columns or len(base),
        nodes_treeids=_with_base(nodes.tree + 1),
        nodes_nodeids=_with_base(nodes.node),
        nodes_featureids=_with_base(nodes.feature),
        nodes_values=_with_base(nodes.value),
        nodes_modes=_MODES[_with_base(nodes.mode)],
        nodes_truenodeids=_with_base(nodes.true),
        nodes_falsenodeids=_with_base(nodes.false),
        nodes_missing_value_tracks_true=_with_base(nodes.missing_is_true.astype(np.int64)),
        target_treeids=np.concatenate([np.zeros(len(base), np.int64), np.repeat(owner + 1, width)]),
        target_nodeids=np.concatenate(
            [np.zeros(len(base), np.int64), np.repeat((leaf - trees.first[owner]), width)]
        ),
        target_ids=np.concatenate([np.arange(len(base)), offset.ravel()]),
        target_weights=np.concatenate([base, trees.leaf[leaf].ravel()]),
    )


def _with_base(values: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """The values with that of the base in front: a leaf, so all of it is 0."""
    return np.concatenate([np.zeros(1, values.dtype), values])


def _nodes(trees: Trees) -> _Nodes:
    """The nodes of all trees, those with codes as a chain of one code each."""
    tree = trees.tree_of_node
    codes = trees.categorical
    below = _LESS if trees.goes_left == "<" else _LESS_OR_EQUAL
    left, right = np.maximum(trees.left, 0), np.maximum(trees.right, 0)
    nodes = _Nodes(
        tree=tree,
        node=np.arange(len(tree)) - trees.first[tree],
        feature=trees.feature,
        value=trees.threshold,
        mode=np.where(trees.is_leaf, _LEAF, np.where(codes, _EQUAL, below)),
        true=np.where(codes, right, left),
        false=np.where(codes, left, right),
        missing_is_true=np.where(codes, ~trees.default_left & codes, trees.default_left),
    )
    return _chained(trees, nodes) if codes.any() else nodes


def _chained(trees: Trees, nodes: _Nodes) -> _Nodes:
    """The nodes with codes spread out: a node asks for the first, new nodes for the others.

    All nodes of a chain lead to the same right child when the code is theirs. The last leads to the
    left child when it is not. A missing value leaves the chain at its first node or at its end.
    """
    count = np.diff(trees.first_code)
    value = nodes.value.copy()
    value[trees.categorical] = _NO_CODE
    # ONNX Runtime joins equality nodes in a row whose true branches look equal. It drops the second
    # branch and adds the weights of its leaves to the first node of all. A leaf's own value has no
    # other use, so it keeps different leaves different.
    value[trees.is_leaf] = nodes.node[trees.is_leaf]
    some = np.flatnonzero(trees.categorical & (count > 0))
    value[some] = trees.codes[trees.first_code[some]]
    extra = np.where(trees.categorical, np.maximum(count - 1, 0), 0)
    owner = np.repeat(np.arange(len(extra)), extra)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(extra) - extra, extra)
    # New nodes are numbered after the last of their tree.
    sizes = np.diff(trees.first)
    per_tree = np.add.reduceat(extra, trees.first[:-1])
    shift = np.cumsum(per_tree) - per_tree
    number = np.arange(len(owner)) - shift[nodes.tree[owner]] + sizes[nodes.tree[owner]]
    last = within == extra[owner] - 1
    false = nodes.false.copy()
    false[owner[within == 0]] = number[within == 0]
    new_false = np.where(last, nodes.false[owner], number + 1)
    tree = np.concatenate([nodes.tree, nodes.tree[owner]])
    order = np.argsort(tree, kind="stable")

    def joined(old: npt.NDArray[np.generic], new: npt.NDArray[np.generic]) -> Ints:
        both: Ints = np.concatenate([old, new.astype(old.dtype)])[order]
        return both

    return _Nodes(
        tree=tree[order],
        node=joined(nodes.node, number),
        feature=joined(nodes.feature, nodes.feature[owner]),
        value=joined(value, trees.codes[trees.first_code[owner] + within + 1]).astype(np.float32),
        mode=joined(nodes.mode, nodes.mode[owner]),
        true=joined(nodes.true, nodes.true[owner]),
        false=joined(false, new_false),
        missing_is_true=joined(nodes.missing_is_true, nodes.missing_is_true[owner]).astype(bool),
    )
