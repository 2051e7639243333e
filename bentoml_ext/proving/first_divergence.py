"""First divergence: the tree that a wrong margin comes from."""

from __future__ import annotations

import onnx

from bentoml_ext.arrays import Rows
from bentoml_ext.boosters import reference
from bentoml_ext.boosters.ensemble import Ensemble, Trees
from bentoml_ext.proof.bits import words_of
from bentoml_ext.proving.graph_reader import read_graph_trees

__all__ = ["first_tree"]


def first_tree(ensemble: Ensemble, model: onnx.ModelProto, row: Rows) -> int | None:
    """The first tree, from 0, that gives one row another leaf; None if all are the same.

    Args:
        ensemble: what the booster adds up.
        model: any graph.
        row: float32, (n_features,).
    """
    trees = ensemble.model
    try:
        operators = read_graph_trees(model)
        if not isinstance(trees, Trees) or not len(trees) or not operators:
            return None
        graph = operators[0]
        theirs = graph.leaves(row)
    except (ValueError, KeyError, IndexError):
        return None
    ours = reference.leaves(trees, row[None, :])[0]
    # Our graphs begin with the base; others add it in another way.
    _, start = graph.weights_of(int(graph.root[0]))
    if graph.mode[graph.root[0]] == "LEAF" and (
        len(theirs) > len(ours) or words_of(start) == words_of(ensemble.base)
    ):
        theirs = theirs[1:]
    for tree, (mine, other) in enumerate(zip(ours, theirs, strict=False)):
        _, weights = graph.weights_of(int(other))
        if words_of(trees.leaf[mine]) != words_of(weights):
            return tree
    return None if len(ours) == len(theirs) else min(len(ours), len(theirs))
