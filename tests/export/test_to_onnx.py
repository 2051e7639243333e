"""What the exported file says of itself, and what is refused rather than approximated."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import onnx
import pytest
import xgboost as xgb
from onnx import TensorProto, helper

from benchmarks.comparison import equal_share, native_margins, run, session
from benchmarks.making import fit, train
from bentoml_ext.boosters.xgb.confirm import read
from bentoml_ext.boosters.xgb.estimator import Model
from bentoml_ext.errors import ExportRefused
from bentoml_ext.export import to_onnx
from bentoml_ext.export.graph.builder import OPSET, GraphBuilder
from bentoml_ext.export.graph.model import add_answers, add_model


def rewritten(booster: xgb.Booster, change: Any) -> xgb.Booster:
    """The booster after a change to its JSON."""
    document = json.loads(bytes(booster.save_raw("json")))
    change(document["learner"])
    changed = xgb.Booster()
    changed.load_model(bytearray(json.dumps(document), "utf-8"))
    return changed


def test_file_names_its_maker_its_objective_and_the_version_of_xgboost() -> None:
    booster = train("binary", objective="binary:logistic", how={"feature_names": list("äbcde")})
    graph = to_onnx(booster)
    told = {entry.key: entry.value for entry in graph.metadata_props}

    assert graph.producer_name == "bentoml_ext"
    assert told["bentoml_ext.objective"] == "binary:logistic"
    assert told["bentoml_ext.xgboost"] == xgb.__version__
    assert json.loads(told["bentoml_ext.features"]) == list("äbcde")
    onnx.checker.check_model(graph, full_check=True)


def test_graph_has_one_input_and_two_outputs_of_float32() -> None:
    graph = to_onnx(train("classes", objective="multi:softprob", num_class=3)).graph

    assert [i.name for i in graph.input] == ["rows"]
    assert [o.name for o in graph.output] == ["margin", "prediction"]
    for tensor in (*graph.input, *graph.output):
        assert tensor.type.tensor_type.elem_type == TensorProto.FLOAT


def test_graph_without_prediction_has_the_margin_alone() -> None:
    booster = train("binary", objective="binary:logistic")
    graph = to_onnx(booster, deterministic_threads=False, with_prediction=False)
    rows = np.zeros((3, 5), np.float32)

    assert [o.name for o in graph.graph.output] == ["margin"]
    assert [node.op_type for node in graph.graph.node] == ["TreeEnsembleRegressor"]
    margins = run(session(graph), rows, batch=3)["margin"]
    assert equal_share(native_margins(booster, rows, inplace=False), margins) == 1.0


def test_exporting_twice_gives_the_same_bytes() -> None:
    booster = train("score")

    assert to_onnx(booster).SerializeToString() == to_onnx(booster).SerializeToString()


def test_exporting_leaves_the_booster_as_it_was() -> None:
    booster = train("score")
    before = bytes(booster.save_raw("ubj"))
    to_onnx(booster)

    assert bytes(booster.save_raw("ubj")) == before


def test_model_can_be_embedded_in_the_graph_of_a_whole_application() -> None:
    booster = train("binary", objective="binary:logistic")
    source, ensemble = read(booster)
    ops = GraphBuilder("model_")
    # The application's graph puts something of its own in front.
    doubled = ops.add("Add", "half", "half")
    margins = add_model(ops, source, ensemble, doubled, deterministic_threads=True, output="margin")
    answer, _ = add_answers(ops, source, ensemble, margins)
    ops.add("Identity", answer, output="probability")
    graph = helper.make_graph(
        ops.nodes,
        "application",
        [helper.make_tensor_value_info("half", TensorProto.FLOAT, ["n", 5])],
        [
            helper.make_tensor_value_info(n, TensorProto.FLOAT, None)
            for n in ("margin", "probability")
        ],
        ops.constants,
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", 3)]
    whole = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    rows = np.random.default_rng(0).normal(size=(200, 5)).astype(np.float32)
    outputs = run(session(whole, threads=2), (rows / 2).astype(np.float32), batch=200)

    data = xgb.DMatrix(rows)
    assert equal_share(booster.predict(data), outputs["probability"]) == 1.0


def test_a_custom_objective_is_exported_as_what_the_booster_predicts() -> None:
    def squared(predicted: np.ndarray, data: xgb.DMatrix) -> tuple[np.ndarray, np.ndarray]:
        return predicted - data.get_label(), np.ones_like(predicted)

    rows = np.random.default_rng(0).normal(size=(100, 3)).astype(np.float32)
    booster = xgb.train({}, xgb.DMatrix(rows, label=rows[:, 0]), 5, obj=squared)
    outputs = run(session(to_onnx(booster)), rows, batch=100)

    assert equal_share(booster.predict(xgb.DMatrix(rows)), outputs["prediction"]) == 1.0


def _with_both_kinds_of_split() -> Model:
    codes = {"feature_types": ["c", "q", "q", "c", "q"], "enable_categorical": True}
    booster = train("binary", rows="codes", how=codes, rounds=1, max_depth=2)

    def change(learner: dict[str, Any]) -> None:
        tree = learner["gradient_booster"]["model"]["trees"][0]
        numeric = [n for n, kind in enumerate(tree["split_type"]) if tree["left_children"][n] > 0]
        tree["split_type"] = [0] * len(tree["split_type"])
        for name in ("categories", "categories_nodes", "categories_segments", "categories_sizes"):
            tree[name] = []
        tree["split_indices"][numeric[-1]] = tree["split_indices"][numeric[0]] = 0
        tree["split_type"][0] = 1
        tree["categories"], tree["categories_nodes"] = [3], [0]
        tree["categories_segments"], tree["categories_sizes"] = [0], [1]

    return rewritten(booster, change)


def _cut() -> Model:
    model = fit(xgb.XGBRegressor, "score")
    model.get_booster().set_attr(best_iteration="50")
    return model


REFUSED: dict[str, tuple[Any, str]] = {
    "no model at all": (object, "Booster or scikit-learn estimator, got object"),
    "an estimator that is not fitted": (xgb.XGBRegressor, "fitted estimator"),
    "a feature split by codes and by a threshold": (
        _with_both_kinds_of_split,
        "got both - at feature 0",
    ),
    "an estimator whose booster was cut": (_cut, "rounds"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_is_refused_with_the_reason(what: str) -> None:
    make, reason = REFUSED[what]

    with pytest.raises(ExportRefused, match=reason):
        to_onnx(make())
