"""Asks XGBoost and ONNX Runtime about the same rows, the ones where a difference would show."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
import xgboost as xgb

from bentoml_ext.arrays import Rows
from bentoml_ext.boosters.ensemble import Ensemble, Trees
from bentoml_ext.boosters.xgb.estimator import Model

__all__ = ["boundary_rows", "equal_share", "native_margins", "native_predictions", "run", "session"]

Floats = npt.NDArray[np.float32]

_TINY, _HUGE = np.float32(1e-45), np.finfo(np.float32).max
_ODD = (np.nan, np.inf, -np.inf, -0.0, 0.0, _TINY, -_TINY, _HUGE, -_HUGE, 1e-38, 16777216.0, 3e9)


def boundary_rows(ensemble: Ensemble, count: int = 1000, *, finite: bool = False) -> Rows:
    """Rows in which every value may decide.

    Each column cycles, in a shuffled order, through its split thresholds, the next float32 to
    either side, and all its codes. What is next to a code, the odd numbers of float32 and random
    numbers follow. With more such values than rows, a random part of them.

    Args:
        ensemble: the model whose thresholds count.
        count: rows.
        finite: without infinities, which a DMatrix refuses.

    Returns:
        float32, (count, n_features).
    """
    generator = np.random.default_rng(5)
    rows = np.empty((count, ensemble.n_features), np.float32)
    for column in range(ensemble.n_features):
        random = generator.normal(scale=2, size=max(count // 4, 1))
        values = np.concatenate([_special(ensemble, column), random]).astype(np.float32)
        if finite:
            values = values[~np.isinf(values)]
        rows[:, column] = np.resize(generator.permutation(values), count)
    return rows


def _special(ensemble: Ensemble, column: int) -> npt.NDArray[np.float64]:
    values: list[Any] = [_ODD]
    trees = ensemble.model
    if isinstance(trees, Trees):
        mine = (trees.feature == column) & ~trees.is_leaf
        at = np.unique(trees.threshold[mine & ~trees.categorical])
        with np.errstate(all="ignore"):
            values += [at, np.nextafter(at, -np.inf, dtype=np.float32)]
            values += [np.nextafter(at, np.inf, dtype=np.float32)]
        if (mine & trees.categorical).any():
            listed = np.repeat(mine, np.diff(trees.first_code))
            codes = np.unique(trees.codes[listed])
            values += [codes, codes + 0.5, codes + 1, -codes, [-0.5, -1, 1e6, 16777215]]
    return np.concatenate(values).astype(np.float64)


def native_margins(model: Model, rows: Rows, *, inplace: bool) -> Floats:
    """float32, (n, n_targets): XGBoost's margins by one of its two ways."""
    if isinstance(model, xgb.XGBModel):
        return np.asarray(model.predict(rows, output_margin=True)).reshape(len(rows), -1)
    if inplace:
        margins = model.inplace_predict(rows, predict_type="margin", validate_features=False)
    else:
        margins = model.predict(xgb.DMatrix(rows), output_margin=True, validate_features=False)
    return np.asarray(margins).reshape(len(rows), -1)


def native_predictions(model: Model, rows: Rows, *, inplace: bool) -> Floats:
    """float32: what the model's own predict says, or a classifier's predict_proba."""
    if isinstance(model, xgb.XGBClassifier):
        return np.asarray(model.predict_proba(rows))
    if isinstance(model, xgb.XGBModel):
        return np.asarray(model.predict(rows))
    if inplace:
        return np.asarray(model.inplace_predict(rows, validate_features=False))
    return np.asarray(model.predict(xgb.DMatrix(rows), validate_features=False))


def session(graph: onnx.ModelProto, *, threads: int = 1) -> ort.InferenceSession:
    """A session with so many intra-op threads."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    # Threads that wait by spinning take the cores from one another.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(
        graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def run(loaded: ort.InferenceSession, rows: Rows, *, batch: int) -> dict[str, Any]:
    """Every output of a graph with one input, the rows handed over in batches."""
    name = loaded.get_inputs()[0].name
    parts = [loaded.run(None, {name: part}) for part in _batches(rows, batch)]
    return {
        output.name: np.concatenate([part[i] for part in parts])
        for i, output in enumerate(loaded.get_outputs())
    }


def _batches(rows: Rows, batch: int) -> Iterator[Rows]:
    # Once even for no rows: a graph must take none.
    starts = range(0, max(len(rows), 1), batch)
    return (rows[start : start + batch] for start in starts)


def equal_share(expected: Floats, got: Floats) -> float:
    """The share of numbers with the same bits; 0 if type or shape differ."""
    if expected.shape != got.shape or not expected.dtype == got.dtype == np.float32:
        return 0.0
    same = np.ascontiguousarray(expected).view(np.uint32) == np.ascontiguousarray(got).view(
        np.uint32
    )
    return float(same.mean()) if same.size else 1.0
