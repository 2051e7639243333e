"""What becomes of margins is asked of the XGBoost that is installed, and rebuilt bit for bit."""

from __future__ import annotations

import ctypes
import math
import platform
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import xgboost as xgb
from onnx import TensorProto, helper

from benchmarks.comparison import equal_share, session
from benchmarks.making import OBJECTIVES, VERSION, objective
from bentoml_ext.boosters.xgb import ubjson
from bentoml_ext.boosters.xgb.confirm import read
from bentoml_ext.boosters.xgb.transform import predictions_of
from bentoml_ext.export.graph.builder import OPSET, GraphBuilder
from bentoml_ext.export.graph.log1pf import log1pf
from bentoml_ext.export.graph.predictions import add_predictions
from bentoml_ext.objectives.table import SORTED, objective_of

Floats = npt.NDArray[np.float32]

KINDS: dict[str, dict[str, Any]] = {name: {} for name in OBJECTIVES}
KINDS |= {
    "multi:softprob": {},
    "reg:quantileerror": {"quantile_alpha": [0.1, 0.4, 0.5, 0.9]},
    "reg:quantileerror ": {"quantile_alpha": np.linspace(0.01, 0.99, 20).tolist()},
}
if VERSION >= (3, 3):
    KINDS["reg:expectileerror "] = {"expectile_alpha": [0.1, 0.5, 0.9]}


def run(ops: GraphBuilder, name: str, values: Floats) -> Floats:
    graph = helper.make_graph(
        ops.nodes,
        "transform",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", values.shape[1]])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None)],
        ops.constants,
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", 3)]
    loaded = session(helper.make_model(graph, opset_imports=opsets, ir_version=8))
    result: Floats = loaded.run([name], {"x": values})[0]
    return result


@pytest.mark.parametrize("kind", KINDS)
def test_any_margins_become_the_predictions_of_xgboost(kind: str) -> None:
    booster = objective(kind.strip(), **KINDS[kind])
    _, ensemble = read(booster)
    random = np.random.default_rng(1)
    scales = np.repeat([4.0, 30.0, 1e-3, 0.0], [60_000, 5_000, 5_000, 10])[:, None]
    shape = (len(scales), ensemble.n_targets)
    margins = (random.normal(size=shape) * scales).astype(np.float32)
    ops = GraphBuilder()
    name = add_predictions(ops, ensemble.objective, "x", ensemble.n_targets, ensemble.transform)
    got = run(ops, name, margins)

    document = ubjson.decode(bytes(booster.save_raw("ubj")))
    expected = predictions_of(document, margins)
    assert equal_share(expected, got.reshape(len(margins), -1)) == 1.0
    in_numpy = objective_of(ensemble.objective, ensemble.transform).predict(margins)
    assert equal_share(expected, in_numpy) == 1.0


def test_quantiles_are_put_in_order_by_the_xgboost_that_does() -> None:
    _, ensemble = read(objective("reg:quantileerror", quantile_alpha=[0.1, 0.5, 0.9]))

    assert ensemble.transform == (SORTED if VERSION >= (3, 4) else "")


def test_log1pf_has_the_bits_of_the_c_library() -> None:
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("another C library")
    if tuple(int(part) for part in platform.libc_ver()[1].split(".")) >= (2, 41):
        pytest.skip("this C library's log1pf is another")
    library = ctypes.CDLL("libm.so.6").log1pf
    library.restype, library.argtypes = ctypes.c_float, [ctypes.c_float]
    random = np.random.default_rng(0)
    edges = [0x3ED413D7, 0x3ED413DB, 0x3F7FFFFB, 0x31000000, 0x24800000]
    beside = [np.arange(edge - 300, edge + 5, dtype=np.int32).view(np.float32) for edge in edges]
    x = np.concatenate([random.random(50_000), np.exp(-random.random(50_000) * 90), [0, 1]])
    x = np.concatenate([x.astype(np.float32), *beside])
    ops = GraphBuilder()
    got = run(ops, log1pf(ops, "x"), x[:, None])

    expected = np.array([library(float(value)) for value in x], np.float32)
    assert equal_share(expected[:, None], got) == 1.0


def test_predictions_are_asked_of_margins_as_they_are() -> None:
    booster = objective("reg:squarederror")
    document = ubjson.decode(bytes(booster.save_raw("ubj")))
    margins = np.array([[1.5], [-0.0], [math.pi]], np.float32)

    assert equal_share(margins, predictions_of(document, margins)) == 1.0
    assert xgb.__version__ in ".".join(map(str, document["version"]))
