"""The cost of a row is measured, and a graph that is slow is said to be."""

from __future__ import annotations

import pytest
from onnx import TensorProto, helper

from benchmarks.making import train
from bentoml_ext.errors import BackendError
from bentoml_ext.export import speed, to_onnx


def graph() -> bytes:
    made: bytes = to_onnx(train("binary"), deterministic_threads=False).SerializeToString()
    return made


def test_a_row_costs_something() -> None:
    assert speed.row_us(graph()) > 0


def test_a_graph_above_the_bound_is_said_to_be_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "SLOW_US", 0.0)

    said = speed.slowness(graph())
    assert said is not None
    assert "us on ONNX here" in said
    assert "BACKEND=auto" in said


def test_a_graph_below_the_bound_is_not_spoken_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "SLOW_US", float("inf"))

    assert speed.slowness(graph()) is None


def test_a_graph_of_other_inputs_is_refused() -> None:
    inputs = [helper.make_tensor_value_info("text", TensorProto.STRING, ["n"])]
    outputs = [helper.make_tensor_value_info("same", TensorProto.STRING, ["n"])]
    nodes = [helper.make_node("Identity", ["text"], ["same"])]
    model = helper.make_model(
        helper.make_graph(nodes, "other", inputs, outputs),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )

    with pytest.raises(BackendError, match="one input of rows"):
        speed.row_us(model.SerializeToString())
