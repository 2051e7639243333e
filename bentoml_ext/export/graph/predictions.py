"""Predictions: margins become what XGBoost's objective makes of them, as ONNX operators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from onnx import TensorProto

from bentoml_ext.errors import ExportRefused
from bentoml_ext.export.graph.builder import GraphBuilder
from bentoml_ext.export.graph.expf import expf, sigmoid, softmax
from bentoml_ext.export.graph.log1pf import softplus
from bentoml_ext.objectives.table import SINGLE, SORTED
from bentoml_ext.objectives.values import LEAST_STEP

__all__ = ["OBJECTIVES", "add_class_probabilities", "add_predictions"]


def _identity(_: GraphBuilder, margins: str) -> str:
    return margins


def _hinge(ops: GraphBuilder, margins: str) -> str:
    positive = ops.add("Greater", margins, ops.constant(0, np.float32))
    return ops.cast(positive, TensorProto.FLOAT)


def _first_largest(ops: GraphBuilder, margins: str) -> str:
    """(n, k) to (n,): the class, as float32; the first of equals."""
    winner = ops.add("ArgMax", margins, axis=1, keepdims=0, select_last_index=0)
    return ops.cast(winner, TensorProto.FLOAT)


def _exponential(ops: GraphBuilder, margins: str) -> str:
    """The exponential in float64, then rounded."""
    return ops.cast(ops.add("Exp", ops.cast(margins, TensorProto.DOUBLE)), TensorProto.FLOAT)


def _expectiles(ops: GraphBuilder, margins: str) -> str:
    """(n, k): the first margin, and on top of it what each further one adds, which is positive."""
    start, one, end = (ops.constant([at], np.int64) for at in (0, 1, np.iinfo(np.int64).max))
    first = ops.add("Slice", margins, start, one, one)
    added = softplus(ops, ops.add("Slice", margins, one, end, one))
    added = ops.add("Add", ops.constant(LEAST_STEP, np.float32), added)
    steps = ops.add("Concat", first, added, axis=1)
    return ops.add("CumSum", steps, ops.constant(1, np.int64))


def _rising(ops: GraphBuilder, margins: str, n_targets: int) -> str:
    """(n, k): each row in rising order."""
    count = ops.constant([n_targets], np.int64)
    return ops.add("TopK", margins, count, axis=1, largest=0, sorted=1, n_outputs=2)


OBJECTIVES: Final[dict[str, Callable[[GraphBuilder, str], str]]] = {
    "binary:hinge": _hinge,
    "binary:logistic": sigmoid,
    "binary:logitraw": _identity,
    "count:poisson": expf,
    "multi:softmax": _first_largest,
    "multi:softprob": softmax,
    "rank:map": _identity,
    "rank:ndcg": _identity,
    "rank:pairwise": _identity,
    "reg:absoluteerror": _identity,
    "reg:expectileerror": _expectiles,
    "reg:gamma": expf,
    "reg:linear": _identity,
    "reg:logistic": sigmoid,
    "reg:pseudohubererror": _identity,
    "reg:quantileerror": _identity,
    "reg:squarederror": _identity,
    "reg:squaredlogerror": _identity,
    "reg:tweedie": expf,
    "survival:aft": _exponential,
    "survival:cox": expf,
}
"""Predictions as operators; `bentoml_ext.objectives` has the same arithmetic in numpy."""


def add_predictions(
    ops: GraphBuilder, objective: str, margins: str, n_targets: int, transform: str = ""
) -> str:
    """Append what `Booster.predict` gives.

    Args:
        ops: the graph's nodes.
        objective: XGBoost's name.
        margins: name of a float32 tensor, (n, n_targets).
        n_targets: margins of a row.
        transform: as `Ensemble.transform`.

    Returns:
        The name of a float32 tensor: (n, n_targets), or (n,) with one target or multi:softmax.

    Raises:
        ExportRefused: an objective that is not known.
    """
    if objective not in OBJECTIVES:
        raise ExportRefused(
            f"Expected one of {', '.join(OBJECTIVES)}, got '{objective}' - at the objective. "
            "What it makes of a margin is not known."
        )
    if transform == SORTED:
        predictions = _rising(ops, margins, n_targets)
    elif transform == SINGLE:
        predictions = expf(ops, margins)
    else:
        predictions = OBJECTIVES[objective](ops, margins)
    if n_targets == 1 and objective != "multi:softmax":
        predictions = ops.add("Squeeze", predictions, ops.constant([1], np.int64))
    return predictions


def add_class_probabilities(
    ops: GraphBuilder, predictions: str, n_columns: int, n_classes: int
) -> str:
    """Append what `predict_proba` of a scikit-learn estimator makes of predictions.

    Args:
        ops: the graph's nodes.
        predictions: name of what `add_predictions` gave: (n,) if `n_columns` is 1.
        n_columns: its columns.
        n_classes: the estimator's `n_classes_`.

    Returns:
        The name of a float32 tensor: (n, 2), or (n, n_columns) as it is.

    Raises:
        ExportRefused: an estimator whose own answer makes no sense.
    """
    if n_columns == 1:
        column = ops.add("Unsqueeze", predictions, ops.constant([1], np.int64))
        other = ops.add("Sub", ops.constant(1, np.float32), column)
        return ops.add("Concat", other, column, axis=1)
    if n_classes in (n_columns, 2):
        return predictions
    raise ExportRefused(
        f"Expected {n_classes} columns of predictions, got {n_columns} - at predict_proba."
    )
