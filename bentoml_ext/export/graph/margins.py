"""Margins: rows become margins, in the booster's own order of addition, as ONNX operators."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bentoml_ext.boosters.ensemble import (
    NAN_MISSING,
    Bools,
    Ensemble,
    Floats,
    Ints,
    Linear,
    Trees,
)
from bentoml_ext.errors import ExportRefused
from bentoml_ext.export.graph.builder import GraphBuilder
from bentoml_ext.export.graph.code_sets import CodeSets, add_columns, spread
from bentoml_ext.export.graph.row_blocks import in_blocks
from bentoml_ext.export.graph.tree_ensemble import add_trees

__all__ = ["add_margins"]


def add_margins(
    ops: GraphBuilder,
    ensemble: Ensemble,
    rows: str,
    *,
    deterministic_threads: bool = False,
    output: str | None = None,
) -> str:
    """Append the nodes that turn rows into margins.

    Args:
        ops: any graph's nodes, also those of an application's whole graph.
        ensemble: the booster.
        rows: name of a float32 tensor, (n, n_features), NaN for missing.
        deterministic_threads: strict order on any number of intra-op threads; without it, on one.
        output: name of the margins; made up by default.

    Returns:
        The name of a float32 tensor, (n, n_targets).
    """
    model = ensemble.model
    if isinstance(model, Linear):
        return _linear(ops, ensemble, model, rows, output)
    if not len(model):
        return _constant(ops, ensemble, rows, output)
    _check_kind(ensemble, model)
    _check_codes(ensemble, model)
    may_be_zero = _may_be_negative_zero(ensemble, model)
    name = None if may_be_zero.any() else output
    sets = spread(model, ensemble.n_features)
    if sets is None:
        rows = _whole_codes(ops, ensemble, model, rows)
    else:
        model = sets.trees
    if deterministic_threads:
        margins = _one_column_a_tree(ops, ensemble, model, rows, name, sets=sets)
    else:
        rows = rows if sets is None else add_columns(ops, rows, sets)
        # ONNX Runtime adds its own `base_values` last: so the base is a first tree of one leaf.
        margins = add_trees(ops, rows, model, model.target, ensemble.base, output=name)
    if may_be_zero.any():
        if deterministic_threads and sets is not None:
            rows = add_columns(ops, rows, sets)
        counts = _non_zero_leaves(ops, ensemble, model, rows)
        none = ops.add("Equal", counts, ops.constant(0, np.float32))
        here = ops.add("And", none, ops.constant(may_be_zero[None, :]))
        # A product, because ONNX Runtime's Where turns -0.0 into 0.0.
        signs = (ops.constant(sign, np.float32) for sign in (-1, 1))
        margins = ops.add("Mul", margins, ops.add("Where", here, *signs), output=output)
    return margins


def _constant(ops: GraphBuilder, ensemble: Ensemble, rows: str, output: str | None) -> str:
    """No trees: the base for every row."""
    size = ops.add("Shape", rows)
    count = ops.add("Slice", size, *(ops.constant([at], np.int64) for at in (0, 1)))
    shape = ops.add("Concat", count, ops.constant([ensemble.n_targets], np.int64), axis=0)
    return ops.add("Expand", ops.constant(ensemble.base[None, :]), shape, output=output)


def _linear(
    ops: GraphBuilder, ensemble: Ensemble, linear: Linear, rows: str, output: str | None
) -> str:
    """gblinear: bias and base, then each column's product, one after the other."""
    base = linear.bias + ensemble.base
    if _is_negative_zero(base).any():
        raise ExportRefused(
            "Expected bias and base margin to be something, got -0.0 - at the gblinear booster. "
            "ONNX Runtime would lose the sign."
        )
    column = ops.add("Unsqueeze", rows, ops.constant([2], np.int64))
    products = ops.add("Mul", column, ops.constant(linear.weights[None, :, :]))
    nothing = ops.constant(0, np.float32)
    products = ops.add("Where", ops.add("IsNaN", column), nothing, products)
    start = _constant(ops, replace(ensemble, base=base), rows, None)
    start = ops.add("Unsqueeze", start, ops.constant([1], np.int64))
    steps = ops.add("Concat", start, products, axis=1)
    return ops.running_total(steps, output)


def _check_kind(ensemble: Ensemble, trees: Trees) -> None:
    """Refuse sums and missing values that the operator does not have."""
    if ensemble.dtype != np.float32:
        raise ExportRefused(
            f"Expected trees of float32, got {ensemble.dtype} - at the ensemble. ONNX Runtime adds "
            "the operator's leaves in float32."
        )
    if (trees.missing != NAN_MISSING).any():
        raise ExportRefused(
            "Expected NaN alone to be missing, got a split that takes zero for missing, or missing "
            "for zero - at the ensemble. The operator has neither."
        )


def _check_codes(ensemble: Ensemble, trees: Trees) -> None:
    """Refuse a feature that some splits take for a code and others for a number."""
    inner = ~trees.is_leaf
    codes = np.zeros(ensemble.n_features, np.bool_)
    codes[trees.feature[trees.categorical]] = True
    numbers = np.zeros(ensemble.n_features, np.bool_)
    numbers[trees.feature[inner & ~trees.categorical]] = True
    if (codes & numbers).any():
        raise ExportRefused(
            "Expected a feature to be split by codes or by a threshold, got both - "
            f"at feature {np.flatnonzero(codes & numbers)[0]}."
        )


def _whole_codes(ops: GraphBuilder, ensemble: Ensemble, trees: Trees, rows: str) -> str:
    """Columns of codes cut down to whole numbers, as XGBoost does before it looks a code up."""
    codes = np.zeros(ensemble.n_features, np.bool_)
    codes[trees.feature[trees.categorical]] = True
    if not codes.any():
        return rows
    return ops.add("Where", ops.constant(codes[None, :]), ops.add("Floor", rows), rows)


def _one_column_a_tree(
    ops: GraphBuilder,
    ensemble: Ensemble,
    trees: Trees,
    rows: str,
    output: str | None,
    *,
    sets: CodeSets | None,
) -> str:
    """Each tree in a column of its own, then added column by column: no two threads ever add."""
    k = ensemble.n_targets
    slot = _place_in_target(trees.target) + 1
    slots = int(slot.max()) + 1
    # Column `slot * k + target`: reshaped to (n, slots, k) it is ready to be added up.
    column = slot * k + np.maximum(trees.target, 0)

    def score(block: GraphBuilder, some: str) -> str:
        some = some if sets is None else add_columns(block, some, sets)
        leaves = add_trees(block, some, trees, column, ensemble.base, n_columns=slots * k)
        shape = block.constant([0, slots, k], np.int64)
        return block.running_total(block.add("Reshape", leaves, shape))

    return in_blocks(ops, rows, k, score, output=output)


def _place_in_target(target: Ints) -> Ints:
    """int64, (n_trees,): how many trees of the same target come before."""
    place = np.zeros(len(target), np.int64)
    for one in np.unique(target):
        place[target == one] = np.arange((target == one).sum())
    return place


def _may_be_negative_zero(ensemble: Ensemble, trees: Trees) -> Bools:
    """bool, (n_targets,): whether nothing but -0.0 may be added up.

    base_score 0.5 is a base margin of -0.0, and a tree that found nothing has one leaf of -0.0.
    ONNX Runtime begins every sum with 0.0, so that it never answers -0.0.
    """
    possible = _is_negative_zero(ensemble.base)
    if possible.any():
        zero_leaf = _is_negative_zero(trees.leaf) & trees.is_leaf[:, None]
        in_tree = np.logical_or.reduceat(zero_leaf, trees.first[:-1], axis=0)
        for target in np.flatnonzero(possible):
            mine = in_tree[(trees.target == target) | (trees.target < 0)]
            possible[target] = mine[:, target if mine.shape[1] > 1 else 0].all()
    return possible


def _non_zero_leaves(ops: GraphBuilder, ensemble: Ensemble, trees: Trees, rows: str) -> str:
    """float32, (n, n_targets): how many leaves other than -0.0 each row reaches."""
    counted = (~_is_negative_zero(trees.leaf) & trees.is_leaf[:, None]).astype(np.float32)
    none = np.zeros_like(ensemble.base)
    return add_trees(ops, rows, replace(trees, leaf=counted), trees.target, none)


def _is_negative_zero(values: Floats) -> Bools:
    """bool, the same shape."""
    zeros: Bools = np.signbit(values) & (values == 0)
    return zeros
