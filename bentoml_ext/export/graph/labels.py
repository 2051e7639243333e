"""Labels: the class that an estimator of XGBoost predicts, as ONNX operators."""

from __future__ import annotations

import numpy as np
import xgboost as xgb
from onnx import TensorProto

from bentoml_ext.export.graph.builder import GraphBuilder

__all__ = ["add_labels", "answers_with_class", "columns_of"]


def add_labels(ops: GraphBuilder, model: xgb.XGBClassifier, margins: str, answers: str) -> str:
    """Append the nodes that turn margins and `predict_proba` into what `predict` says.

    Returns:
        The name of an int64 tensor, (n,); (n, n_labels) where there are several labels a row.
    """
    columns = columns_of(model)
    if answers_with_class(model):
        return ops.add("ArgMax", margins, axis=1, keepdims=0)
    if model.n_classes_ != 2 and columns == model.n_classes_:
        return ops.add("ArgMax", answers, axis=1, keepdims=0)
    deciding = answers
    if columns == 1:
        # The second column is the prediction itself, whatever the objective.
        deciding = ops.add("Gather", answers, ops.constant(1, np.int64), axis=1)
    above = ops.add("Greater", deciding, ops.constant(0.5, np.float32))
    return ops.cast(above, TensorProto.INT64)


def answers_with_class(model: xgb.XGBModel) -> bool:
    """Whether the booster itself predicts the class and no probability."""
    return isinstance(model, xgb.XGBClassifier) and model.objective == "multi:softmax"


def columns_of(model: xgb.XGBModel) -> int:
    """Columns of what the estimator's booster predicts; of its margins if that is the class."""
    if answers_with_class(model):
        return int(model.n_classes_)
    row = np.zeros((1, model.get_booster().num_features()), np.float32)
    predicted = model.get_booster().predict(xgb.DMatrix(row), validate_features=False)
    return int(np.asarray(predicted).reshape(1, -1).shape[1])
