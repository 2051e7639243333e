"""skl2onnx converter: the exact exporter, registered for XGBoost's estimators.

After `register_with_skl2onnx()`, `skl2onnx.to_onnx(Pipeline([..., ("model", XGBClassifier())]))`
gives a graph whose XGBoost part has XGBoost's own bits.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import xgboost as xgb
from onnx import TensorProto
from skl2onnx import update_registered_converter
from skl2onnx.common.data_types import FloatTensorType, Int64TensorType

from bentoml_ext.boosters.xgb.confirm import read
from bentoml_ext.errors import ExportRefused
from bentoml_ext.export.graph.builder import ML_OPSET, GraphBuilder
from bentoml_ext.export.graph.labels import add_labels, answers_with_class, columns_of
from bentoml_ext.export.graph.model import add_answers, add_model
from bentoml_ext.export.skl2onnx_steps import (
    check_steps_after,
    check_steps_ahead,
    hand_over,
    operators_for,
    register_steps,
)

__all__ = ["register_with_skl2onnx"]

_CLASSIFIERS: Final = (xgb.XGBClassifier, xgb.XGBRFClassifier)
_OTHERS: Final = (xgb.XGBRegressor, xgb.XGBRFRegressor, xgb.XGBRanker)
_LOWEST_OPSET: Final = 13


def register_with_skl2onnx() -> None:
    """Make skl2onnx convert XGBoost's estimators exactly, in place of any other converter.

    A classifier gives `label` (int64, what `predict` says) and `probabilities` (float32, the bits
    of `predict_proba`; with `options={"zipmap": False}` a tensor (n, n_classes)). All others give
    `variable`: float32, (n, n_targets), the bits of `predict`. Rows that come as float64 or whole
    numbers are rounded to float32, as XGBoost itself does. The bits hold on any number of threads.

    StandardScaler, RobustScaler, MinMaxScaler, MaxAbsScaler and SimpleImputer ahead of it are
    converted exactly, too: in the type of the file's input, as scikit-learn computes in the type of
    its rows. With any other step ahead of it, or within another estimator (CalibratedClassifierCV,
    StackingClassifier, ...), the estimator is refused by ExportRefused:
    `bentoml_ext.export.pipeline_to_onnx` exports whole pipelines, and compares them.
    """
    register_steps()
    for estimator in (*_CLASSIFIERS, *_OTHERS):
        is_classifier = estimator in _CLASSIFIERS
        update_registered_converter(
            estimator,
            f"BentoMLExt{estimator.__name__}",
            _classifier_shapes if is_classifier else _other_shapes,
            _convert_classifier if is_classifier else _convert_other,
            overwrite=True,
            options={"zipmap": [True, False, "columns"], "nocl": [True, False]}
            if is_classifier
            else None,
        )


def _classifier_shapes(operator: Any) -> None:
    """Types and shapes of `label` and `probabilities`."""
    rows = operator.inputs[0].get_first_dimension()
    model = operator.raw_operator
    columns = columns_of(model)
    flat = columns == 1 or model.n_classes_ != 2 or answers_with_class(model)
    operator.outputs[0].type = Int64TensorType([rows] if flat else [rows, columns])
    operator.outputs[1].type = FloatTensorType([rows, max(columns, 2)])


def _other_shapes(operator: Any) -> None:
    """Type and shape of `variable`."""
    rows = operator.inputs[0].get_first_dimension()
    operator.outputs[0].type = FloatTensorType([rows, columns_of(operator.raw_operator)])


def _convert_classifier(scope: Any, operator: Any, container: Any) -> None:
    model = operator.raw_operator
    label, probabilities = operator.outputs
    ops, margins, answers = _answers(scope, operator, container)
    labels = add_labels(ops, model, margins, answers)
    ops.add("Identity", labels, output=label.full_name)
    ops.add("Identity", answers, output=probabilities.full_name)
    hand_over(ops, container, _domains(container))


def _convert_other(scope: Any, operator: Any, container: Any) -> None:
    (variable,) = operator.outputs
    ops, _, answers = _answers(scope, operator, container)
    shape = ops.constant([-1, columns_of(operator.raw_operator)], np.int64)
    ops.add("Reshape", answers, shape, output=variable.full_name)
    hand_over(ops, container, _domains(container))


def _answers(scope: Any, operator: Any, container: Any) -> tuple[GraphBuilder, str, str]:
    """The nodes up to the model's predictions, and the names of margins and predictions."""
    opset = container.target_opset_any_domain("")
    if opset < _LOWEST_OPSET or container.target_opset_any_domain("ai.onnx.ml") < ML_OPSET:
        raise ExportRefused(
            f"Expected opset {_LOWEST_OPSET} and ai.onnx.ml {ML_OPSET} at least, got "
            f"{container.target_opset} - at target_opset."
        )
    check_steps_after(scope, operator)
    check_steps_ahead(operator)
    ops = operators_for(scope, container, "xgboost")
    (rows,) = (variable.full_name for variable in operator.inputs)
    if not isinstance(operator.inputs[0].type, FloatTensorType):
        rows = ops.cast(rows, TensorProto.FLOAT)
    source, ensemble = read(operator.raw_operator)
    # Files of skl2onnx usually run in a default session, with a thread for every core.
    margins = add_model(ops, source, ensemble, rows, deterministic_threads=True)
    answers, _ = add_answers(ops, source, ensemble, margins)
    return ops, margins, answers


def _domains(container: Any) -> dict[str, int]:
    return {"": container.target_opset_any_domain(""), "ai.onnx.ml": ML_OPSET}
