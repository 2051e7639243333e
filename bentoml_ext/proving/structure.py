"""Structure: every tree, node, threshold, direction and leaf of a graph against the booster's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import onnx
from onnx import numpy_helper

from bentoml_ext.boosters.ensemble import Bools, Ensemble, Floats, Ints, Linear, Trees
from bentoml_ext.proof.bits import BitComparison, words_of
from bentoml_ext.proof.record import STRUCTURE, Part
from bentoml_ext.proving.graph_reader import GraphTrees, read_graph_trees, read_sets

__all__ = ["compare_structure"]


def compare_structure(ensemble: Ensemble, model: onnx.ModelProto, subject: str = "onnx") -> Part:
    """The structural part of a proof.

    Args:
        ensemble: what the booster adds up.
        model: a graph of ours, thread-proof or not.
        subject: how the graph is called in the result.
    """
    note = "trees, split modes, features, thresholds, directions, leaves, base margin"
    check = BitComparison(STRUCTURE, subject, note)
    try:
        operators = read_graph_trees(model)
        if isinstance(ensemble.model, Linear) or not len(ensemble.model):
            _compare_constants(check, ensemble, model)
        elif not operators:
            check.word("tree operators", "1 or more", "0")
        else:
            trees, sets = ensemble.model, read_sets(model)
            _compare_trees(check, ensemble, trees, operators[0], sets)
            # A second one counts the leaves that are not -0.0.
            counted = _is_something(trees.leaf) & trees.is_leaf[:, None]
            other = replace(trees, leaf=counted.astype(np.float32))
            zeros = replace(ensemble, base=np.zeros_like(ensemble.base))
            for operator in operators[1:]:
                _compare_trees(check, zeros, other, operator, sets)
    except (ValueError, KeyError, IndexError) as error:
        check.word("a tree ensemble", "one by the standard", str(error))
    return check.part()


@dataclass(frozen=True)
class _Place:
    """Which tree and node the elements of an array belong to."""

    trees: Trees
    node: Ints

    def __call__(self, at: int) -> tuple[int, int]:
        node = self.node[at]
        tree = int(self.trees.tree_of_node[node])
        return tree, int(node - self.trees.first[tree])


def _compare_trees(
    check: BitComparison,
    ensemble: Ensemble,
    trees: Trees,
    graph: GraphTrees,
    sets: Mapping[int, tuple[int, Floats]],
) -> None:
    """Walk down both side by side, and count the booster's nodes that were reached."""
    check.word("trees with that of the base", str(len(trees) + 1), str(graph.n_trees))
    check.word("values added last", "0", str(len(graph.base_values)))
    _, base = graph.weights_of(int(graph.root[0]))
    check.word("base margin", words_of(ensemble.base), words_of(base))
    count = min(len(trees), graph.n_trees - 1)
    ours, theirs = trees.first[:count], graph.root[1 : count + 1]
    walk = _Walk(check, trees, graph, ensemble.n_targets, sets)
    while len(ours):
        check.seen(len(ours))
        ours, theirs = walk.down(ours, theirs)


@dataclass(frozen=True)
class _Walk:
    """Two forms of the same trees, compared level by level.

    Args:
        check: where the result goes.
        trees: the booster's.
        graph: the operator's.
        k: margins of a row.
        sets: by column behind those of a row, the feature that it is looked up by, and its codes.
    """

    check: BitComparison
    trees: Trees
    graph: GraphTrees
    k: int
    sets: Mapping[int, tuple[int, Floats]]

    def down(self, ours: Ints, theirs: Ints) -> tuple[Ints, Ints]:
        """Compare a level of nodes; the next level."""
        trees, graph = self.trees, self.graph
        is_leaf = trees.is_leaf[ours]
        kind = np.where(is_leaf, "leaf", "split")
        found = np.where(graph.mode[theirs] == "LEAF", "leaf", "split")
        same = self.check.nodes("node", kind, found, _Place(trees, ours))
        ends = same & is_leaf
        self._leaves(ours[ends], theirs[ends])
        ours, theirs = ours[same & ~is_leaf], theirs[same & ~is_leaf]
        left, right = self._splits(ours, theirs)
        offset = trees.first[:-1][trees.tree_of_node[ours]]
        ours = np.concatenate([trees.left[ours] + offset, trees.right[ours] + offset])
        theirs = np.concatenate([left, right])
        return ours[theirs >= 0], theirs[theirs >= 0]

    def _splits(self, ours: Ints, theirs: Ints) -> tuple[Ints, Ints]:
        """The graph's left and right children; -1 where the way cannot be followed."""
        check, trees, graph = self.check, self.trees, self.graph
        codes = trees.categorical[ours]
        place = _Place(trees, ours)
        # A split by codes is a chain of equalities, or asks a column that a table looks up.
        looked_up = codes & np.isin(graph.feature[theirs], list(self.sets))
        chain = codes & ~looked_up
        below = "BRANCH_LT" if trees.goes_left == "<" else "BRANCH_LEQ"
        mode = np.where(chain, "BRANCH_EQ", below)
        same = check.nodes("split mode", mode, graph.mode[theirs], place)
        feature = graph.feature[theirs].copy()
        feature[looked_up] = [self.sets[int(column)][0] for column in feature[looked_up]]
        check.nodes("feature", trees.feature[ours], feature, place)
        number = np.flatnonzero(~chain)
        at = _Place(trees, ours[number])
        threshold = np.where(codes, np.float32(0.5), trees.threshold[ours])
        check.nodes("threshold", threshold[number], graph.value[theirs[number]], at)
        # True is left for a threshold and right for a code.
        missing = np.where(graph.missing_is_true[theirs] ^ chain, "left", "right")
        default = np.where(trees.default_left[ours], "left", "right")
        check.nodes("way of a missing value", default, missing, place)
        left, right = graph.true[theirs].copy(), graph.false[theirs].copy()
        for at_code in np.flatnonzero(codes):
            node, start = int(ours[at_code]), int(theirs[at_code])
            if looked_up[at_code]:
                self._codes(node, self.sets[int(graph.feature[start])][1], place(int(at_code)))
                continue
            left[at_code], right[at_code] = -1, -1
            if same[at_code]:
                left[at_code], right[at_code] = self._chain(node, start, place(int(at_code)))
        return left, right

    def _codes(self, node: int, found: Floats, place: tuple[int, int]) -> None:
        """Compare the codes of a node with those that were found."""
        trees = self.trees
        listed = trees.codes[trees.first_code[node] : trees.first_code[node + 1]]
        tree, local = place
        words = words_of(listed.astype(np.float32)), words_of(found)
        self.check.word("codes", *words, tree=tree, node=local)

    def _chain(self, node: int, start: int, place: tuple[int, int]) -> tuple[int, int]:
        """The end of a chain of codes that share one true child: the nodes left and right."""
        trees, graph = self.trees, self.graph
        at, right, codes = start, int(graph.true[start]), [graph.value[start]]
        while (
            graph.mode[after := int(graph.false[at])] == "BRANCH_EQ"
            and graph.true[after] == right
            and graph.missing_is_true[after] == graph.missing_is_true[start]
        ):
            at = after
            codes.append(graph.value[at])
        listed = trees.codes[trees.first_code[node] : trees.first_code[node + 1]]
        # A node without codes compares with 0.5, which is not a code.
        expected = listed.astype(np.float32) if len(listed) else np.array([0.5], np.float32)
        found = np.sort(np.array(codes, np.float32))
        tree, local = place
        self.check.word("codes", words_of(expected), words_of(found), tree=tree, node=local)
        return int(graph.false[at]), right

    def _leaves(self, ours: Ints, theirs: Ints) -> None:
        """Values and columns; a column of its own for each tree where the graph is thread-proof."""
        check, trees, graph = self.check, self.trees, self.graph
        width = trees.leaf.shape[1]
        start = np.searchsorted(graph.leaf_node, theirs)
        held = np.searchsorted(graph.leaf_node, theirs, side="right") - start
        place = _Place(trees, ours)
        full = check.nodes("values in a leaf", np.full_like(held, width), held, place)
        at = start[full][:, None] + np.arange(width)
        ours = ours[full]
        wide = _Place(trees, np.repeat(ours, width))
        check.nodes("leaf", trees.leaf[ours].ravel(), graph.leaf_weight[at].ravel(), wide)
        tree = trees.tree_of_node[ours]
        first = np.maximum(trees.target[tree], 0)
        if graph.n_targets != self.k:
            first = first + (_turn(trees)[tree] + 1) * self.k
        column = first[:, None] + np.arange(width)
        check.nodes("output column", column.ravel(), graph.leaf_target[at].ravel(), wide)


def _turn(trees: Trees) -> Ints:
    """int64, (n_trees,): how many trees are added to the same margin before."""
    turn = np.zeros(len(trees), np.int64)
    for target in np.unique(trees.target):
        mine = trees.target == target
        turn[mine] = np.arange(mine.sum())
    return turn


def _compare_constants(check: BitComparison, ensemble: Ensemble, model: onnx.ModelProto) -> None:
    """Without trees: bias and base, or the base, and the weights stand among the constants."""
    stored = [numpy_helper.to_array(one).ravel() for one in model.graph.initializer]
    known = {one.tobytes() for one in stored if one.dtype == np.float32}
    linear = ensemble.model
    base = linear.bias + ensemble.base if isinstance(linear, Linear) else ensemble.base
    wanted = {"base margin": base}
    if isinstance(linear, Linear):
        wanted["weights"] = linear.weights
    for what, values in wanted.items():
        found = np.ascontiguousarray(values, np.float32).tobytes() in known
        check.word(what, "a constant of the graph", "a constant of the graph" if found else "none")
    check.seen(len(wanted))


def _is_something(values: Floats) -> Bools:
    """bool, the same shape: all but -0.0."""
    something: Bools = ~(np.signbit(values) & (values == 0))
    return something
