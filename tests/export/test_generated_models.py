"""Boosters that nobody thought of: generated parameters and data, and trees written by hand."""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np
import pytest
import xgboost as xgb
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.comparison import boundary_rows, equal_share, run, session
from bentoml_ext.arrays import Rows
from bentoml_ext.boosters.ensemble import Ensemble
from bentoml_ext.boosters.xgb.confirm import read
from bentoml_ext.export import to_onnx

SETTINGS = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))

OBJECTIVES = [
    "binary:logistic",
    "binary:hinge",
    "reg:squarederror",
    "reg:logistic",
    "count:poisson",
    "multi:softprob",
    "multi:softmax",
]
floats32 = st.floats(width=32, allow_nan=False)


def assert_same_bits(booster: xgb.Booster, ensemble: Ensemble, rows: Rows) -> None:
    finite = np.where(np.isinf(rows), np.nan, rows).astype(np.float32)
    data = xgb.DMatrix(finite)
    margins = booster.predict(data, output_margin=True).reshape(len(rows), -1)
    for deterministic_threads, threads in ((False, 1), (True, 2)):
        got = session(
            to_onnx(booster, deterministic_threads=deterministic_threads), threads=threads
        )
        outputs = run(got, finite, batch=101)

        assert equal_share(margins, outputs["margin"]) == 1.0
        assert equal_share(booster.predict(data), outputs["prediction"]) == 1.0
        if ensemble.kind == "gbtree":
            inplace = booster.inplace_predict(rows, predict_type="margin").reshape(len(rows), -1)
            assert equal_share(inplace, run(got, rows, batch=101)["margin"]) == 1.0


@st.composite
def trained_boosters(draw: st.DrawFn) -> xgb.Booster:
    objective = draw(st.sampled_from(OBJECTIVES))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    columns = draw(st.integers(1, 6))
    rows = generator.normal(size=(draw(st.integers(5, 120)), columns)).astype(np.float32)
    rows *= draw(st.sampled_from([1e-42, 1e-3, 1, 1e6, 1e30]))
    if draw(st.booleans()):
        rows = np.round(rows)
    rows[generator.random(rows.shape) < draw(st.sampled_from([0, 0.2, 0.9]))] = np.nan
    params: dict[str, Any] = {
        "objective": objective,
        "nthread": 1,
        "booster": draw(st.sampled_from(["gbtree", "dart"])),
        "max_depth": draw(st.integers(0, 7)),
        "eta": draw(st.sampled_from([1e-3, 0.3, 1.0, 30.0])),
        "lambda": draw(st.sampled_from([0.0, 1.0, 50.0])),
        "min_child_weight": draw(st.sampled_from([0, 1, 5])),
        "num_parallel_tree": draw(st.integers(1, 3)),
        "subsample": draw(st.sampled_from([0.5, 1.0])),
        "seed": draw(st.integers(0, 1000)),
    }
    if params["booster"] == "dart":
        params["rate_drop"] = draw(st.sampled_from([0, 0.5]))
    if objective.startswith("multi"):
        params["num_class"] = draw(st.integers(2, 5))
    if draw(st.booleans()):
        params["base_score"] = draw(st.sampled_from([0.5, 0.1, 0.9]))
    labels = generator.integers(0, params.get("num_class", 2), len(rows))
    data = xgb.DMatrix(rows, label=labels)
    return xgb.train(params, data, num_boost_round=draw(st.integers(0, 6)))


@SETTINGS
@given(trained_boosters())
def test_any_trained_booster_has_the_bits_of_xgboost(booster: xgb.Booster) -> None:
    _, ensemble = read(booster)

    assert_same_bits(booster, ensemble, boundary_rows(ensemble, 202))


@st.composite
def written_trees(draw: st.DrawFn, columns: int) -> dict[str, Any]:
    """One tree in XGBoost's JSON: any shape, any float32 as threshold or leaf."""
    inner = draw(st.integers(0, 7))
    left, right, parents = [-1], [-1], [2147483647]
    for _ in range(inner):
        leaf = draw(st.sampled_from([n for n, child in enumerate(left) if child < 0]))
        left[leaf], right[leaf] = len(left), len(left) + 1
        left += [-1, -1]
        right += [-1, -1]
        parents += [leaf, leaf]
    size = len(left)
    small = st.sampled_from([-0.0, 0.0, 1e-45, -1e-45, 0.5, -0.5, 1e-30, 3e38, 1.5])
    numbers = draw(st.lists(floats32 | small, min_size=size, max_size=size))
    # The sum must stay a number: infinite leaves of both signs would not.
    numbers = [n if left[i] >= 0 or abs(n) < 1e37 else 1.0 for i, n in enumerate(numbers)]
    return {
        "base_weights": [0.0] * size,
        "categories": [],
        "categories_nodes": [],
        "categories_segments": [],
        "categories_sizes": [],
        "default_left": draw(st.lists(st.integers(0, 1), min_size=size, max_size=size)),
        "id": 0,
        "left_children": left,
        "loss_changes": [0.0] * size,
        "parents": parents,
        "right_children": right,
        "split_conditions": numbers,
        "split_indices": draw(st.lists(st.integers(0, columns - 1), min_size=size, max_size=size)),
        "split_type": [0] * size,
        "sum_hessian": [1.0] * size,
        "tree_param": {
            "num_deleted": "0",
            "num_feature": str(columns),
            "num_nodes": str(size),
            "size_leaf_vector": "1",
        },
    }


@st.composite
def written_boosters(draw: st.DrawFn) -> xgb.Booster:
    columns = 3
    trees = draw(st.lists(written_trees(columns), min_size=1, max_size=5))
    for number, tree in enumerate(trees):
        tree["id"] = number
    data = xgb.DMatrix(np.zeros((2, columns), np.float32), label=[0, 1])
    base = draw(st.sampled_from([0.5, 0.2]))
    params = {"objective": "binary:logistic", "base_score": base}
    document = json.loads(bytes(xgb.train(params, data, 1).save_raw("json")))
    model = document["learner"]["gradient_booster"]["model"]
    model["trees"] = trees
    model["tree_info"] = [0] * len(trees)
    model["iteration_indptr"] = list(range(len(trees) + 1))
    model["gbtree_model_param"]["num_trees"] = str(len(trees))
    booster = xgb.Booster()
    booster.load_model(bytearray(json.dumps(document), "utf-8"))
    return booster


@SETTINGS
@given(written_boosters())
def test_any_written_tree_has_the_bits_of_xgboost(booster: xgb.Booster) -> None:
    _, ensemble = read(booster)

    assert_same_bits(booster, ensemble, boundary_rows(ensemble, 202))


@SETTINGS
@given(
    st.integers(0, 2**32),
    st.sampled_from([1, 3, 100]),
    st.sampled_from([2, 5, 33, 70]),
    st.integers(1, 6),
)
def test_any_split_by_codes_has_the_bits_of_xgboost(
    seed: int, onehot: int, codes: int, depth: int
) -> None:
    generator = np.random.default_rng(seed)
    rows = generator.normal(size=(200, 3)).astype(np.float32)
    rows[:, :2] = generator.integers(0, codes, (200, 2))
    rows[generator.random(rows.shape) < 0.1] = np.nan
    labels = generator.random(200) < 0.5 + 0.4 * np.sin(np.nan_to_num(rows[:, 0] * 2))
    how: dict[str, Any] = {"feature_types": ["c", "c", "q"], "enable_categorical": True}
    params = {"objective": "binary:logistic", "max_cat_to_onehot": onehot, "max_depth": depth}
    booster = xgb.train(params, xgb.DMatrix(rows, label=labels, **how), 5)
    _, ensemble = read(booster)

    assert_same_bits(booster, ensemble, boundary_rows(ensemble, 404))


@pytest.mark.parametrize("deterministic_threads", [False, True])
@pytest.mark.parametrize("targets", [1, 2])
def test_equal_leaves_behind_codes_in_a_row_stay_apart(
    deterministic_threads: bool, targets: int
) -> None:
    # ONNX Runtime would take two such leaves for one and lose the second's weight.
    rows = np.repeat(np.arange(6, dtype=np.float32), 40)[:, None]
    labels = np.isin(rows[:, 0], [2, 3]).astype(np.float32)
    how: dict[str, Any] = {"feature_types": ["c"], "enable_categorical": True}
    params = {"max_cat_to_onehot": 100, "max_depth": 4, "base_score": 0.5, "lambda": 0}
    labels = np.stack([labels, 1 - labels], axis=1)[:, :targets]
    booster = xgb.train(params, xgb.DMatrix(rows, label=labels, **how), 3)
    outputs = run(
        session(to_onnx(booster, deterministic_threads=deterministic_threads)), rows, batch=240
    )

    margins = booster.predict(xgb.DMatrix(rows), output_margin=True).reshape(240, -1)
    assert equal_share(margins, outputs["margin"]) == 1.0


@pytest.mark.slow
def test_a_hundred_thousand_nodes_are_exported_exactly() -> None:
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(4000, 30)).astype(np.float32)
    labels = rows[:, 0] * rows[:, 1] + generator.normal(size=4000)
    params = {"max_depth": 12, "min_child_weight": 0, "lambda": 0, "max_bin": 64, "nthread": 1}
    with warnings.catch_warnings(action="error"):
        booster = xgb.train(params, xgb.DMatrix(rows, label=labels), 60)
    graph = to_onnx(booster)

    expected = booster.predict(xgb.DMatrix(rows))
    assert equal_share(expected, run(session(graph), rows, batch=1000)["prediction"]) == 1.0
