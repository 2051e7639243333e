"""Whatever a converter gets wrong, the proof finds: in the structure, and in the bits."""

from __future__ import annotations

from functools import cache

import bentoml
import onnx
import pytest
from bentoml.exceptions import NotFound

import bentoml_ext
from bentoml_ext import export
from bentoml_ext.errors import ProofFailed
from bentoml_ext.export import forms
from bentoml_ext.proof.record import STRUCTURE, Proof
from bentoml_ext.proving.every_form import prove
from bentoml_ext.store.bundle import BOOSTER, GRAPH
from tests.proving.mutations import MUTATIONS, Attributes, mutated
from tests.support import small


@cache
def wrong(name: str) -> onnx.ModelProto:
    """The small model's graph with one fault."""
    graph = export.to_onnx(small.booster(), deterministic_threads=False, with_prediction=False)
    return mutated(graph, MUTATIONS[name][0])


@cache
def judged(name: str) -> Proof:
    """What a proof finds in that graph."""
    return proven(wrong(name))


def proven(graph: onnx.ModelProto) -> Proof:
    booster = small.booster()
    files = {BOOSTER: bytes(booster.save_raw("ubj")), GRAPH: graph.SerializeToString()}
    return prove(
        booster, files, encoder=small.encoder(), policy=small.policy(), random_rows=20_000
    ).proof


def test_an_unchanged_graph_is_proven() -> None:
    def nothing(_: Attributes) -> None:
        """Written again as it was."""

    graph = export.to_onnx(small.booster(), deterministic_threads=False, with_prediction=False)

    assert proven(mutated(graph, nothing)).holds


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_wrong_graph_is_found_in_its_structure(name: str) -> None:
    proof = judged(name)

    (structure,) = [part for part in proof.parts if part.name == STRUCTURE]
    assert not structure.holds
    assert structure.difference is not None
    assert structure.difference.what.startswith(MUTATIONS[name][1])
    assert structure.difference.expected != structure.difference.got


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_wrong_graph_is_found_in_its_bits(name: str) -> None:
    proof = judged(name)

    found = {part.name for part in proof.parts if part.name != STRUCTURE and not part.holds}
    assert found & {"boundary", "random"}
    assert {part.subject for part in proof.parts if not part.holds} == {"onnx"}
    assert proof.difference is not None
    assert proof.difference.row is not None
    assert len(proof.difference.values) == len(small.FEATURES)


@pytest.mark.parametrize("name", ["threshold", "mode", "direction"])
def test_what_is_wrong_at_a_split_alone_is_found_on_boundary_rows(name: str) -> None:
    boundary = [p for p in judged(name).parts if (p.name, p.subject) == ("boundary", "onnx")]

    assert [part.holds for part in boundary] == [False]


@pytest.mark.parametrize("name", ["threshold", "mode", "direction", "children", "leaves"])
def test_the_tree_that_is_wrong_is_named(name: str) -> None:
    difference = judged(name).difference

    # Tree 4 of the graph, whose first is the base.
    assert difference is not None
    assert difference.tree == 3


@pytest.mark.parametrize("name", ["threshold", "dropped"])
def test_a_model_whose_proof_fails_is_not_stored(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A fault of the exporter, which is not to be had otherwise.
    monkeypatch.setattr(forms, "to_onnx", lambda *_, **__: wrong(name))

    with pytest.raises(
        ProofFailed,
        match=r"Expected margin -?0x\S+, got -?0x\S+ - at row \d+, tree \d+.* Nothing was written",
    ):
        bentoml_ext.save_model("mutated", small.booster(), encoder=small.encoder())

    with pytest.raises(NotFound):
        bentoml.models.get("mutated")
