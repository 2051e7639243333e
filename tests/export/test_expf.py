"""expf as ONNX operators is the C library's, over all of float32, as XGBoost's objectives show."""

from __future__ import annotations

import math
import os

import numpy as np
import onnxruntime as ort
import pytest
import xgboost as xgb
from onnx import TensorProto, helper
from scipy.special import softmax  # type: ignore[import-untyped]

from benchmarks.comparison import equal_share
from bentoml_ext.arrays import Margins
from bentoml_ext.boosters.xgb import ubjson
from bentoml_ext.boosters.xgb.transform import transform_of
from bentoml_ext.export.graph.builder import OPSET, GraphBuilder
from bentoml_ext.export.graph.predictions import OBJECTIVES, add_predictions
from bentoml_ext.export.graph.scipy_softmax import numpy_softmax
from bentoml_ext.objectives.logistic import probabilities

EVERY = int(os.environ.get("EVERY", "61"))
"""Each EVERY-th exponential is compared; EVERY=1 compares all, in a minute of processor."""


def session(objective: str, k: int = 1, threads: int = 0) -> ort.InferenceSession:
    """Margins (n, k) to predictions."""
    ops = GraphBuilder()
    document = ubjson.decode(bytes(booster(objective, k).save_raw("ubj")))
    out = add_predictions(ops, objective, "margins", k, transform_of(document, k))
    ops.add("Identity", out, output="prediction")
    return loaded(ops, k, threads)


def loaded(ops: GraphBuilder, k: int, threads: int = 0) -> ort.InferenceSession:
    graph = helper.make_graph(
        ops.nodes,
        "predictions",
        [helper.make_tensor_value_info("margins", TensorProto.FLOAT, ["n", k])],
        [helper.make_tensor_value_info("prediction", TensorProto.FLOAT, None)],
        ops.constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    providers = ["CPUExecutionProvider"]
    return ort.InferenceSession(model.SerializeToString(), options, providers=providers)


def booster(objective: str, k: int = 1) -> xgb.Booster:
    """No trees: predicts the transformed base margin of a row."""
    params: dict[str, object] = {"objective": objective} | ({"num_class": k} if k > 1 else {})
    if objective == "reg:quantileerror":
        params["quantile_alpha"] = 0.5
    data = xgb.DMatrix(np.zeros((6, 1), np.float32), label=np.arange(6) % max(k, 2))
    if objective == "survival:aft":
        for bound in ("label_lower_bound", "label_upper_bound"):
            data.set_float_info(bound, np.ones(6))
    return xgb.train(params, data, num_boost_round=0)


def every(step: int) -> Margins:
    """Every `step`-th float32, NaN left out, infinities within."""
    last = int(np.float32(np.inf).view(np.uint32))
    sizes = np.append(np.arange(0, last, step), last).astype(np.uint32).view(np.float32)
    return np.concatenate([sizes, -sizes])


@pytest.mark.parametrize(
    "objective",
    [o for o in OBJECTIVES if not o.startswith(("multi", "reg:linear", "reg:expectile"))],
)
def test_predictions_of_any_margin_have_the_bits_of_xgboost(objective: str) -> None:
    margins = every(4001)
    data = xgb.DMatrix(np.zeros((len(margins), 1), np.float32), base_margin=margins)
    expected = booster(objective).predict(data)
    (got,) = session(objective).run(None, {"margins": margins[:, None]})

    assert equal_share(expected, got) == 1.0


@pytest.mark.parametrize("objective", ["multi:softprob", "multi:softmax"])
@pytest.mark.parametrize("k", [2, 3, 11])
def test_classes_of_any_margins_have_the_bits_of_xgboost(objective: str, k: int) -> None:
    generator = np.random.default_rng(k)
    margins = np.concatenate(
        [generator.normal(scale=scale, size=(20_000, k)) for scale in (0.01, 1, 30, 1e3)]
    ).astype(np.float32)
    # Ties: the first of equals must win.
    margins[::50] = np.round(margins[::50])
    data = xgb.DMatrix(np.zeros((len(margins), 1), np.float32), base_margin=margins)
    expected = booster(objective, k).predict(data)
    (got,) = session(objective, k).run(None, {"margins": margins})

    assert equal_share(expected, got) == 1.0


@pytest.mark.parametrize("k", [2, 3, 7, 8, 20, 130])
def test_a_classifiers_softmax_has_the_bits_of_scipy(k: int) -> None:
    generator = np.random.default_rng(k)
    rows = np.concatenate(
        [generator.normal(scale=scale, size=(40_000 // k, k)) for scale in (0.01, 1, 30, 1e3)]
    ).astype(np.float32)
    ops = GraphBuilder()
    ops.add("Identity", numpy_softmax(ops, "margins", k), output="prediction")
    (got,) = loaded(ops, k).run(None, {"margins": rows})

    assert equal_share(softmax(rows, axis=1), got) == 1.0


def test_the_numbers_that_need_a_fused_operation_have_the_bits_of_xgboost() -> None:
    margins = np.array(
        [float.fromhex("0x1.04845ep+5"), float.fromhex("-0x1.f8cbb2p+5")], np.float32
    )
    data = xgb.DMatrix(np.zeros((2, 1), np.float32), base_margin=margins)
    expected = booster("count:poisson").predict(data)
    (got,) = session("count:poisson").run(None, {"margins": margins[:, None]})

    assert equal_share(expected, got) == 1.0


def test_a_margin_that_is_not_a_number_gives_no_number() -> None:
    margins = np.array([[math.nan], [1.0]], np.float32)

    for objective in ("binary:logistic", "count:poisson"):
        (got,) = session(objective).run(None, {"margins": margins})
        assert np.isnan(got).tolist() == [True, False]


def test_the_graph_and_numpy_agree_on_the_probability() -> None:
    margins = every(3001)
    (got,) = session("binary:logistic").run(None, {"margins": margins[:, None]})

    assert equal_share(probabilities(margins), got) == 1.0


@pytest.mark.parametrize("sign", [1, -1])
def test_every_exponential_has_the_bits_of_xgboost(sign: int) -> None:
    native, graph = booster("count:poisson"), session("count:poisson", threads=1)
    native.set_param({"nthread": 1})
    # One thread and chunks that fit the cache take half the processor time of more.
    chunk = EVERY << 17
    first, last = (int(np.float32(size).view(np.uint32)) for size in (2.0**-26, 105.0))
    for start in range(first, last, chunk):
        sizes = np.arange(start, min(start + chunk, last), EVERY).astype(np.uint32).view(np.float32)
        margins = sign * sizes
        zeros = np.zeros((len(margins), 1), np.float32)
        data = xgb.DMatrix(zeros, base_margin=margins, nthread=1)
        (got,) = graph.run(None, {"margins": margins[:, None]})

        assert equal_share(native.predict(data), got) == 1.0
