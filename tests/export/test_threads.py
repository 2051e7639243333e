"""A file of `to_onnx` has XGBoost's bits as anybody runs it: ONNX Runtime's defaults, any batch."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import xgboost as xgb

from bentoml_ext.arrays import Rows
from bentoml_ext.export import to_onnx
from bentoml_ext.export.graph.row_blocks import BLOCK
from tests.support import small
from tests.support.commands import python_code

BATCHES = (0, 1, 2, 50, 51, 99, 101, 1_000, 10_000)
LEVELS = (
    ort.GraphOptimizationLevel.ORT_DISABLE_ALL,
    ort.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    ort.GraphOptimizationLevel.ORT_ENABLE_ALL,
)
MODES = (ort.ExecutionMode.ORT_SEQUENTIAL, ort.ExecutionMode.ORT_PARALLEL)
MEMORY = """
import resource, sys
import numpy as np, onnxruntime as ort
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
options = ort.SessionOptions()
options.intra_op_num_threads = 8
options.log_severity_level = 3
session = ort.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
rows = np.ones((20_000, 4), np.float32)
session.run(None, {"rows": rows[:10]})
before = peak()
session.run(None, {"rows": rows})
print(peak() - before)
"""
"""Kilobytes that 20 000 rows take at most, on 8 threads."""


@pytest.fixture(scope="module")
def booster() -> xgb.Booster:
    """More trees than ONNX Runtime keeps together on two threads."""
    return small.booster(rounds=100)


def answers(graph: onnx.ModelProto, rows: Rows, **settings: int) -> list[np.ndarray]:
    options = ort.SessionOptions()
    for name, value in settings.items():
        setattr(options, name, value)
    options.log_severity_level = 3
    session = ort.InferenceSession(
        graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    found: list[np.ndarray] = session.run(["margin", "prediction"], {"rows": rows})
    return found


@pytest.mark.parametrize("threads", [0, 2, 4], ids=["default threads", "2 threads", "4 threads"])
def test_every_bit_is_the_boosters_under_onnx_runtimes_defaults(
    booster: xgb.Booster, threads: int
) -> None:
    graph = to_onnx(booster)

    for n in BATCHES:
        rows = small.rows(n, seed=n)
        margin, prediction = answers(graph, rows, intra_op_num_threads=threads)

        expected = booster.inplace_predict(rows, predict_type="margin")
        small.assert_same_bits(expected=expected, got=margin[:, 0])
        small.assert_same_bits(expected=booster.inplace_predict(rows), got=prediction)


def test_three_classes_too() -> None:
    rows = small.rows(500)
    label = np.digitize(np.nan_to_num(rows[:, 0]), [-0.3, 0.3])
    how = {"objective": "multi:softprob", "num_class": 3, "nthread": 1}
    booster = xgb.train(how, xgb.DMatrix(rows, label=label), 40)

    for n in (1, 51, 500):
        margin, prediction = answers(to_onnx(booster), rows[:n], intra_op_num_threads=2)
        expected = booster.inplace_predict(rows[:n], predict_type="margin")
        small.assert_same_bits(expected=expected, got=margin)
        small.assert_same_bits(expected=booster.inplace_predict(rows[:n]), got=prediction)


@pytest.mark.parametrize(("level", "mode"), list(itertools.product(LEVELS, MODES)))
def test_no_optimisation_and_no_order_of_nodes_changes_a_bit(
    booster: xgb.Booster, level: int, mode: int
) -> None:
    rows = small.rows(3 * BLOCK + 7)
    settings = {"graph_optimization_level": level, "execution_mode": mode}
    margin, prediction = answers(to_onnx(booster), rows, intra_op_num_threads=2, **settings)

    expected = booster.inplace_predict(rows, predict_type="margin")
    small.assert_same_bits(expected=expected, got=margin[:, 0])
    small.assert_same_bits(expected=booster.inplace_predict(rows), got=prediction)


def test_the_fast_form_has_other_bits_on_two_threads(booster: xgb.Booster) -> None:
    # Else the tests above would show nothing.
    rows = small.rows(51)
    margin, _ = answers(to_onnx(booster, deterministic_threads=False), rows, intra_op_num_threads=2)

    expected = booster.inplace_predict(rows, predict_type="margin")
    assert not np.array_equal(margin[:, 0], expected)


def test_memory_does_not_grow_with_trees_times_threads(
    booster: xgb.Booster, home: Path, tmp_path: Path
) -> None:
    onnx.save(to_onnx(booster, with_prediction=False), tmp_path / "model.onnx")

    printed = python_code(MEMORY, home, str(tmp_path / "model.onnx"))

    # A column for each tree, row and thread at a time would take 140 MB.
    assert int(printed.stdout) < 20_000, printed.stderr
