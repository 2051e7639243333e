"""Base: a family of another library is proven by the same proof as XGBoost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
from onnx import TensorProto, helper

from bentoml_ext.boosters.ensemble import Ensemble, Trees
from bentoml_ext.encoders.encoder import Encoder
from bentoml_ext.encoders.field import Field
from bentoml_ext.export.graph.builder import GraphBuilder
from bentoml_ext.export.graph.margins import add_margins
from bentoml_ext.proving.every_form import prove
from bentoml_ext.store.bundle import GRAPH
from tests.support.forest import WIDTH, ForestFamily, ensemble_of, trained

NAMES = tuple(f"x{index}" for index in range(WIDTH))


def graph_of(ensemble: Ensemble) -> onnx.ModelProto:
    """Rows to margins, as `to_onnx` makes it of a booster."""
    ops = GraphBuilder()
    add_margins(ops, ensemble, "rows", deterministic_threads=True, output="margin")
    return ops.to_model(
        "test",
        inputs=[helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["n", WIDTH])],
        outputs=[helper.make_tensor_value_info("margin", TensorProto.FLOAT, ["n", 1])],
        properties={},
    )


def encoder() -> Encoder:
    """Four numbers, which may be missing."""
    return Encoder(NAMES, fields=[Field(name, nullable=True) for name in NAMES])


def test_a_forest_of_another_library_is_proven_in_every_part() -> None:
    forest = trained(missing=0.1)
    files = {GRAPH: graph_of(ensemble_of(forest)).SerializeToString()}

    proven = prove(forest, files, encoder=encoder(), random_rows=200, family=ForestFamily())

    proof = proven.proof
    assert proof.holds
    assert proof.oracle.startswith("apply, scikit-learn")
    judged = {(part.name, part.subject) for part in proof.parts}
    assert {("structure", "onnx"), ("boundary", "onnx"), ("boundary", "one by one")} <= judged
    assert {("requests", "onnx"), ("answers", "service")} <= judged
    assert np.isfinite(proven.rows.margins).all()


def test_the_proof_finds_one_other_leaf_of_a_forest() -> None:
    forest = trained(missing=0.1)
    ensemble = ensemble_of(forest)
    assert isinstance(ensemble.model, Trees)
    leaf = ensemble.model.leaf.copy()
    leaf[np.flatnonzero(ensemble.model.is_leaf)[7]] += np.float32(0.25)
    other = replace(ensemble, model=replace(ensemble.model, leaf=leaf))
    files = {GRAPH: graph_of(other).SerializeToString()}

    proof = prove(forest, files, encoder=encoder(), random_rows=200, family=ForestFamily()).proof

    assert not proof.holds
    assert {part.name for part in proof.parts if not part.holds} >= {"structure", "boundary"}
