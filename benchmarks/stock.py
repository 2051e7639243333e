"""The stock converter, onnxmltools, put to the same test: the baseline of the exactness table."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
import xgboost as xgb
from onnxmltools import convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType

from benchmarks.comparison import Floats, equal_share, native_predictions
from bentoml_ext.arrays import Rows
from bentoml_ext.boosters.xgb.estimator import Model

__all__ = ["stock_verdict"]

# float32 sums of a few hundred leaves differ by far less; a row that went elsewhere by far more.
ROUNDING = 1e-4
# Errors by which onnxmltools refuses a model, or that XGBoost raises when asked for a text dump.
_REFUSALS = (NotImplementedError, RuntimeError, xgb.core.XGBoostError)
_UNKNOWN_ESTIMATOR = "No proper operator name"


def stock_verdict(model: Model, rows: Rows) -> tuple[str, float | None]:
    """What becomes of `model` in onnxmltools.

    Args:
        model: any.
        rows: float32, (n, n_features), ordinary numbers.

    Returns:
        exact, rounding, wrong, crashes, refuses or unusable (a file that ONNX Runtime does not
        load or run). Then the share of predictions with the same bits, None without predictions.
    """
    inputs = [("rows", FloatTensorType([None, rows.shape[1]]))]
    try:
        graph = convert_xgboost(model, initial_types=inputs)
    except _REFUSALS:
        return "refuses", None
    except Exception as error:
        return ("refuses" if _UNKNOWN_ESTIMATOR in str(error) else "crashes"), None
    try:
        outputs = _outputs(graph, rows)
    except Exception:
        return "unusable", None
    expected = native_predictions(model, rows, inplace=isinstance(model, xgb.XGBModel))
    # Whichever output comes closest is taken for the prediction: label, probabilities or variable.
    return max((_compare(expected, got) for got in outputs), key=_merit)


def _merit(judged: tuple[str, float]) -> tuple[int, float]:
    return ("wrong", "rounding", "exact").index(judged[0]), judged[1]


def _outputs(graph: onnx.ModelProto, rows: Rows) -> list[Floats]:
    """Every output as an array."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = ort.InferenceSession(
        graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    outputs = session.run(None, {"rows": rows})
    return [
        np.array([[row[key] for key in sorted(row)] for row in output], np.float32)
        if isinstance(output, list)
        else np.asarray(output, np.float32)
        for output in outputs
    ]


def _compare(expected: Floats, got: Floats) -> tuple[str, float]:
    # A booster's classifier comes out with a column for each class, XGBoost's own with one.
    if expected.ndim == 1 and got.ndim == 2 and got.shape[1] <= 2:
        got = got[:, -1]
    if expected.shape != got.shape:
        return "wrong", 0.0
    share = equal_share(expected, got)
    if share == 1.0:
        return "exact", share
    close = np.allclose(expected, got, rtol=ROUNDING, atol=ROUNDING)
    return ("rounding" if close else "wrong"), share
