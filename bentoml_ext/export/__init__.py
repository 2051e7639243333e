"""Booster to ONNX graph, with the same bits."""

from bentoml_ext.boosters.ensemble import Ensemble, Linear, Tree, Trees
from bentoml_ext.boosters.xgb.estimator import Source
from bentoml_ext.boosters.xgb.reader import read_ensemble
from bentoml_ext.export.graph import add_answers, add_model, read, to_onnx
from bentoml_ext.export.operators import ML_OPSET, OPSET, Operators
from bentoml_ext.export.pipeline_graph import pipeline_to_onnx
from bentoml_ext.export.proof import Progress, Proven, prove

__all__ = [
    "ML_OPSET",
    "OPSET",
    "Ensemble",
    "Linear",
    "Operators",
    "Progress",
    "Proven",
    "Source",
    "Tree",
    "Trees",
    "add_answers",
    "add_model",
    "pipeline_to_onnx",
    "prove",
    "read",
    "read_ensemble",
    "to_onnx",
]
