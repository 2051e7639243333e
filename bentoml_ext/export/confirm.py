"""Confirm: a graph that was just made answers some rows as the model does, or is withheld."""

from __future__ import annotations

from typing import Final

import numpy as np
import onnx
import onnxruntime as ort
import xgboost as xgb

from bentoml_ext.arrays import Floats, Rows
from bentoml_ext.boosters.ensemble import Ensemble, Ints, Trees
from bentoml_ext.boosters.xgb.estimator import EstimatorView, Model
from bentoml_ext.errors import ExportRefused

__all__ = ["confirm", "distinguishing_rows"]

_ROWS: Final = 300
# A row costs a cell for each column, and more in ONNX Runtime: of the widest models a few rows do.
_CELLS: Final = 4_000_000
_FEWEST: Final = 8
_MARKED: Final = 4_000
"""Splits that a row may stand on: later ones win where columns are few."""


def confirm(
    graph: onnx.ModelProto, model: Model, source: EstimatorView, ensemble: Ensemble
) -> None:
    """Compare margin and prediction of a few hundred rows, bit by bit.

    Args:
        graph: takes `rows`, gives `margin` and perhaps `prediction`.
        model: the one it was made of.
        source, ensemble: what was read of it.

    Raises:
        ExportRefused: a bit differs; names the first row.
    """
    rows = distinguishing_rows(ensemble)
    expected = {"margin": source.margins(rows)}
    if len(graph.graph.output) > 1:
        expected["prediction"] = source.predictions(model, rows)
    options = ort.SessionOptions()
    # Two, so that the order of a sum that depends on threads shows where none may.
    is_proof = any(
        p.key == "bentoml_ext.thread_proof" and p.value == "true" for p in graph.metadata_props
    )
    options.intra_op_num_threads = 2 if is_proof else 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    session = ort.InferenceSession(
        graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    found = session.run(list(expected), {"rows": rows})
    for (name, wanted), got in zip(expected.items(), found, strict=True):
        _compare(name, wanted, got)


def _compare(name: str, expected: Floats, got: Floats) -> None:
    if expected.shape != got.shape:
        raise ExportRefused(f"Expected {name} of shape {expected.shape}, got {got.shape}.")
    # Any NaN is as good as another.
    same = expected.view(np.uint32) == got.view(np.uint32)
    same |= np.isnan(expected) & np.isnan(got)
    if not same.all():
        at = tuple(int(index) for index in np.argwhere(~same)[0])
        raise ExportRefused(
            f"Expected {name} {float(expected[at]).hex()}, got {float(got[at]).hex()} - at probe "
            f"row {at[0]}. With XGBoost {xgb.__version__}, ONNX Runtime {ort.__version__} and the "
            "C library of this machine the model has no exact graph."
        )


def distinguishing_rows(ensemble: Ensemble) -> Rows:
    """float32, (n, n_features), finite or NaN: on splits, beside them, missing, and at random."""
    width = ensemble.n_features
    count = max(min(_ROWS, _CELLS // width), _FEWEST)
    random = np.random.default_rng(1)
    rows = random.normal(scale=2, size=(count, width)).astype(np.float32)
    rows[::3] = np.round(rows[::3])
    rows[random.random(rows.shape) < 0.1] = np.nan
    rows[0], rows[1] = np.nan, 0
    trees = ensemble.model
    if isinstance(trees, Trees):
        inner = np.flatnonzero(~trees.is_leaf & np.isfinite(trees.threshold))
        if len(inner):
            node = random.choice(inner, (count - 2, min(_MARKED, len(inner), 2 * width)))
            rows[np.arange(2, count)[:, None], trees.feature[node]] = _values(trees, node, random)
    return rows


def _values(trees: Trees, node: Ints, random: np.random.Generator) -> Floats:
    """float32, as `node`: on the split's threshold or beside it; a code of it or another."""
    values = trees.threshold[node]
    towards = np.where(random.random(node.shape) < 0.5, -np.inf, np.inf).astype(np.float32)
    with np.errstate(over="ignore", under="ignore"):
        beside = np.nextafter(values, towards)
    values = np.where((random.random(node.shape) < 0.3) & np.isfinite(beside), beside, values)
    first, end = trees.first_code[node], trees.first_code[node + 1]
    some = trees.categorical[node] & (end > first)
    if some.any():
        at = first + (random.random(node.shape) * (end - first)).astype(np.int64)
        codes = trees.codes[np.minimum(at, len(trees.codes) - 1)] + random.integers(
            0, 2, node.shape
        )
        values = np.where(some, codes, values)
    result: Floats = values.astype(np.float32)
    return result
