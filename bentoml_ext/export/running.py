"""Running: an ONNX file in ONNX Runtime, as whoever it is given to runs it."""

from __future__ import annotations

import onnx
import onnxruntime as ort

__all__ = ["session"]


def session(model: onnx.ModelProto | bytes, threads: int) -> ort.InferenceSession:
    """The model, loaded to run with so many intra-op threads; all else as ONNX Runtime sets it."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    data = model if isinstance(model, bytes) else model.SerializeToString()
    return ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
