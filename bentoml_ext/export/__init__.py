"""Export: a booster becomes an ONNX graph with the same bits."""

from bentoml_ext.export.graph.model import to_onnx
from bentoml_ext.export.pipelines.graph import pipeline_to_onnx

__all__ = ["pipeline_to_onnx", "to_onnx"]
