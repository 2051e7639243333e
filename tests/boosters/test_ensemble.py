"""Ensemble: trees of another kind than XGBoost's fit the reader, the graph and the proof."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from bentoml_ext.boosters import reference
from bentoml_ext.boosters.ensemble import (
    MISSING_AS_ZERO,
    NAN_MISSING,
    ZERO_MISSING,
    Ensemble,
    Trees,
)
from bentoml_ext.boosters.xgb.reader import read_ensemble
from bentoml_ext.errors import ExportRefused
from bentoml_ext.export.graph.builder import GraphBuilder
from bentoml_ext.export.graph.margins import add_margins
from bentoml_ext.proof.bits import BitComparison
from bentoml_ext.proving.row_sampler import Sampler
from bentoml_ext.proving.structure import compare_structure
from tests.support import small
from tests.support.forest import WIDTH, ensemble_of, trained, truth


def test_trees_that_go_left_on_equality_are_summed_exported_and_proven() -> None:
    forest = trained(missing=0.1)
    ensemble = ensemble_of(forest)
    ops = GraphBuilder()
    add_margins(ops, ensemble, "rows", output="margin")
    graph = ops.to_model(
        "test",
        inputs=[helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["n", WIDTH])],
        outputs=[helper.make_tensor_value_info("margin", TensorProto.FLOAT, ["n", 1])],
        properties={},
    )
    options = ort.SessionOptions()
    # Without `deterministic_threads` the order of the sum holds on one thread.
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(graph.SerializeToString(), options)
    sampler = Sampler(ensemble)
    compared = BitComparison("boundary", "onnx")

    for batch in sampler.boundary():
        # A split on "missing or not" has an infinite threshold, and no infinity is asked.
        rows = batch[~np.isinf(batch).any(axis=1)]
        expected = truth(forest, rows)
        compared.compare("margin", expected, session.run(None, {"rows": rows})[0], rows)
        compared.compare("margin", expected, reference.margins(ensemble, rows), rows)
        compared.seen(len(rows))

    assert compared.part().holds
    assert compared.rows > 3 * sampler.n_splits
    assert compare_structure(ensemble, graph).holds
    other = replace(ensemble, model=replace(trees_of(ensemble), goes_left="<"))
    difference = compare_structure(other, graph).difference
    assert difference is not None
    assert (difference.what, difference.expected) == ("split mode", "BRANCH_LT")


def test_boundary_rows_reach_the_split_that_they_are_of() -> None:
    ensemble = ensemble_of(trained(missing=0))
    trees, sampler = trees_of(ensemble), Sampler(ensemble)
    rows = np.concatenate(list(sampler.boundary()))
    places = reference.leaves(trees, rows)
    on, above = places[0::4], places[2::4]
    tree = trees.tree_of_node[sampler.splits]
    each = np.arange(len(tree))
    # A value on the threshold and the next one above it part at this very split.
    assert (on[each, tree] != above[each, tree]).all()


@pytest.mark.parametrize(
    ("kind", "way"),
    [(NAN_MISSING, ["left", "right", "left"]), (ZERO_MISSING, ["left", "left", "left"])],
)
def test_a_node_says_which_values_are_missing(kind: int, way: list[str]) -> None:
    stump = one_split(kind)
    rows = np.array([[np.nan], [0], [-1]], np.float32)

    found = reference.leaves(stump, rows)[:, 0]

    assert [("left", "right")[leaf - 1] for leaf in found] == way


def test_missing_counts_as_zero_where_the_node_says_so() -> None:
    rows = np.array([[np.nan], [0]], np.float32)

    missing, zero = reference.leaves(one_split(MISSING_AS_ZERO), rows)[:, 0]

    assert missing == zero


@pytest.mark.parametrize("kind", [ZERO_MISSING, MISSING_AS_ZERO])
def test_the_graph_refuses_what_the_operator_cannot_do(kind: int) -> None:
    ensemble = Ensemble("reg:squarederror", 1, np.zeros(1, np.float32), one_split(kind), "", "")

    with pytest.raises(ExportRefused, match="NaN alone to be missing"):
        add_margins(GraphBuilder(), ensemble, "rows")
    doubles: Any = np.zeros(1)
    with pytest.raises(ExportRefused, match="trees of float32, got float64"):
        add_margins(GraphBuilder(), replace(ensemble, base=doubles), "rows")


def test_the_cover_of_a_node_is_that_of_its_children() -> None:
    trees = trees_of(read_ensemble(small.booster()))
    inner = np.flatnonzero(~trees.is_leaf)
    offset = trees.first[:-1][trees.tree_of_node[inner]]

    both = trees.cover[trees.left[inner] + offset] + trees.cover[trees.right[inner] + offset]

    assert np.allclose(trees.cover[inner], both)
    assert (trees.cover > 0).all()


def trees_of(ensemble: Ensemble) -> Trees:
    assert isinstance(ensemble.model, Trees)
    return ensemble.model


def one_split(missing: int) -> Trees:
    """Left below -0.5 and where a value is missing, otherwise right."""
    none = np.zeros(3, np.int64)
    return Trees(
        first=np.array([0, 3]),
        target=np.zeros(1, np.int64),
        feature=none,
        threshold=np.array([-0.5, 0, 0], np.float32),
        left=np.array([1, -1, -1]),
        right=np.array([2, -1, -1]),
        default_left=np.array([True, False, False]),
        categorical=np.zeros(3, np.bool_),
        leaf=np.array([[0], [1], [2]], np.float32),
        first_code=np.zeros(4, np.int64),
        codes=np.zeros(0, np.int64),
        cover=np.array([2, 1, 1], np.float32),
        missing=np.full(3, missing, np.int8),
    )
