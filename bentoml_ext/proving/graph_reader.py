"""Graph reader: what a tree ensemble of an ONNX file says, whoever wrote the file.

Nothing here is shared with the code that writes our graphs: it reads the operator's attributes as
the ONNX standard defines them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import onnx
from onnx import helper, numpy_helper

from bentoml_ext.arrays import Rows
from bentoml_ext.boosters.ensemble import Bools, Floats, Ints

__all__ = ["GraphTrees", "read_graph_trees", "read_sets", "tree_nodes"]

_TABLE: Final = re.compile(r"codes_of_feature_(\d+)_(\d+)")

OPERATORS: Final = ("TreeEnsembleRegressor", "TreeEnsembleClassifier")


@dataclass(frozen=True, eq=False)
class GraphTrees:
    """The nodes of one operator, in the order in which they stand there.

    Args:
        tree: int64, (n_nodes,), from 0 in order of appearance: ONNX Runtime adds in that order.
        mode: (n_nodes,), as "BRANCH_LT" or "LEAF".
        feature: int64, (n_nodes,).
        value: float32, (n_nodes,), what the feature is compared with.
        true: int64, (n_nodes,), index of the node to go to if the comparison holds; -1 in a leaf.
        false: int64, (n_nodes,), index of the other; -1 in a leaf.
        missing_is_true: bool, (n_nodes,), whether a missing value goes the way of true.
        root: int64, (n_trees,), index of each tree's first node.
        leaf_node: int64, (n_weights,), index of the node that holds a weight.
        leaf_target: int64, (n_weights,), the output column that the weight is added to.
        leaf_weight: float32, (n_weights,).
        n_targets: output columns.
        base_values: float32, added by ONNX Runtime after the last tree; may be empty.
    """

    tree: Ints
    mode: Any
    feature: Ints
    value: Floats
    true: Ints
    false: Ints
    missing_is_true: Bools
    root: Ints
    leaf_node: Ints
    leaf_target: Ints
    leaf_weight: Floats
    n_targets: int
    base_values: Floats

    @property
    def n_trees(self) -> int:
        """Trees, that of the base included."""
        return len(self.root)

    def weights_of(self, node: int) -> tuple[Ints, Floats]:
        """Columns and weights of one leaf, by rising column."""
        start, end = np.searchsorted(self.leaf_node, [node, node + 1])
        return self.leaf_target[start:end], self.leaf_weight[start:end]

    def leaves(self, row: Rows) -> Ints:
        """int64, (n_trees,): the leaf of each tree that one row reaches.

        Args:
            row: float32, (n_features,).
        """
        place = self.root.copy()
        compare: dict[str, Any] = {
            "BRANCH_LT": np.less,
            "BRANCH_LEQ": np.less_equal,
            "BRANCH_GT": np.greater,
            "BRANCH_GTE": np.greater_equal,
            "BRANCH_EQ": np.equal,
            "BRANCH_NEQ": np.not_equal,
        }
        while (inner := np.flatnonzero(self.true[place] >= 0)).size:
            node = place[inner]
            x, value = row[self.feature[node]], self.value[node]
            goes = np.zeros(len(node), np.bool_)
            for mode in np.unique(self.mode[node]):
                mine = self.mode[node] == mode
                goes[mine] = compare[str(mode)](x[mine], value[mine])
            goes |= np.isnan(x) & self.missing_is_true[node]
            place[inner] = np.where(goes, self.true[node], self.false[node])
        return place


def read_graph_trees(model: onnx.ModelProto) -> list[GraphTrees]:
    """Every tree ensemble of a model, in the order of the nodes, those of graphs inside included.

    Raises:
        ValueError: attributes that contradict the standard, with the place.
    """
    return [_read(node) for node in tree_nodes(model.graph)]


def read_sets(model: onnx.ModelProto) -> dict[int, tuple[int, Floats]]:
    """Columns that tables look up, behind those of a row: by number, their feature and its codes.

    Raises:
        ValueError: a table with other values than 0, 1 and, in its last row, missing.
    """
    sets: dict[int, tuple[int, Floats]] = {}
    for constant in _constants(model.graph):
        if not (named := _TABLE.search(constant.name)):
            continue
        table, (feature, first) = numpy_helper.to_array(constant), map(int, named.groups())
        if (
            not np.isnan(table[-1]).all()
            or not np.isin(table[:-1], (0, 1)).all()
            or table[-2].any()
        ):
            raise ValueError(f"another table for feature {feature}")
        for column in range(table.shape[1]):
            codes = np.flatnonzero(table[:-2, column]).astype(np.float32)
            if sets.setdefault(first + column, (feature, codes))[0] != feature:
                raise ValueError(f"two features for column {first + column}")
            if not np.array_equal(sets[first + column][1], codes):
                raise ValueError(f"two tables for column {first + column}")
    return sets


def _constants(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """The constants of a graph, and of graphs inside it."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from _constants(attribute.g)


def tree_nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """The nodes of a graph, and of graphs inside it, that are tree ensembles."""
    for node in graph.node:
        if node.op_type in OPERATORS:
            yield node
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from tree_nodes(attribute.g)


def _read(operator: onnx.NodeProto) -> GraphTrees:
    how = {a.name: helper.get_attribute_value(a) for a in operator.attribute}
    tree_id, node_id = _ints(how, "nodes_treeids"), _ints(how, "nodes_nodeids")
    places = _Places(tree_id, node_id)
    mode = np.array([text.decode() for text in how["nodes_modes"]], np.str_)
    inner = np.flatnonzero(mode != "LEAF")
    children = []
    for name in ("nodes_truenodeids", "nodes_falsenodeids"):
        child = np.full(len(mode), -1, np.int64)
        child[inner] = places.find(tree_id[inner], _ints(how, name)[inner])
        children.append(child)
    first_seen = np.sort(np.unique(tree_id, return_index=True)[1])
    number = {int(tree_id[at]): i for i, at in enumerate(first_seen)}
    tree = np.array([number[int(one)] for one in tree_id], np.int64)
    weights = "class" if "class_treeids" in how else "target"
    holder = places.find(_ints(how, f"{weights}_treeids"), _ints(how, f"{weights}_nodeids"))
    target = _ints(how, f"{weights}_ids")
    by_leaf = np.lexsort((target, holder))
    tracks = how.get("nodes_missing_value_tracks_true") or np.zeros(len(mode), np.int64)
    return GraphTrees(
        tree=tree,
        mode=mode,
        feature=_ints(how, "nodes_featureids"),
        value=np.array(how["nodes_values"], np.float32),
        true=children[0],
        false=children[1],
        missing_is_true=np.array(tracks, np.int64) == 1,
        root=_roots(tree, children, len(first_seen)),
        leaf_node=holder[by_leaf],
        leaf_target=target[by_leaf],
        leaf_weight=np.array(how[f"{weights}_weights"], np.float32)[by_leaf],
        n_targets=int(how.get("n_targets") or int(target.max(initial=0)) + 1),
        base_values=np.array(how.get("base_values") or [], np.float32),
    )


def _ints(how: dict[str, Any], name: str) -> Ints:
    return np.array(how[name], np.int64)


class _Places:
    """The place of a node, by its tree and its number in the tree."""

    def __init__(self, tree_id: Ints, node_id: Ints) -> None:
        self._width = int(node_id.max(initial=0)) + 1
        key = tree_id * self._width + node_id
        self._order = np.argsort(key, kind="stable")
        self._key = key[self._order]

    def find(self, trees: Ints, nodes: Ints) -> Ints:
        """int64, as `trees`: the index of each node.

        Raises:
            ValueError: there is no such node.
        """
        wanted = trees * self._width + nodes
        at = np.minimum(np.searchsorted(self._key, wanted), len(self._key) - 1)
        if (bad := np.flatnonzero(self._key[at] != wanted)).size:
            raise ValueError(f"no node {nodes[bad[0]]} in tree {trees[bad[0]]}")
        found: Ints = self._order[at]
        return found


def _roots(tree: Ints, children: list[Ints], n_trees: int) -> Ints:
    """int64, (n_trees,): the one node of each tree that is nobody's child."""
    below = np.concatenate(children)
    is_root = np.ones(len(tree), np.bool_)
    is_root[below[below >= 0]] = False
    roots = np.flatnonzero(is_root)
    if len(roots) != n_trees or len(np.unique(tree[roots])) != n_trees:
        raise ValueError(f"{len(roots)} roots in {n_trees} trees")
    # Each child once: no row can then walk in a circle.
    if len(np.unique(below[below >= 0])) != len(below[below >= 0]) and not _is_chain(children):
        raise ValueError("a node with two parents")
    result: Ints = roots[np.argsort(tree[roots])]
    return result


def _is_chain(children: list[Ints]) -> bool:
    """Whether only the true side shares children, as chains of codes do; no false side may."""
    false = children[1][children[1] >= 0]
    return len(np.unique(false)) == len(false)
