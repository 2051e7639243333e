"""ONNX session: an ONNX file in ONNX Runtime, with the options that a stranger would use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import Timer
from typing import Any, Final

import onnx
import onnxruntime as ort

__all__ = ["run", "session"]

QUIET: Final = 4
"""ONNX Runtime's errors are raised; it need not log them, too."""

LIMIT_S: Final = 60.0
"""Time limit of one run: a foreign file may hold an endless loop."""


def session(model: onnx.ModelProto | bytes, threads: int) -> ort.InferenceSession:
    """The model, loaded to run with so many intra-op threads; other options keep their default."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = QUIET
    data = model if isinstance(model, bytes) else model.SerializeToString()
    return ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def run(
    running: ort.InferenceSession, outputs: Sequence[str] | None, feeds: Mapping[str, Any]
) -> Any:
    """The outputs of a file of anybody's; ended when it takes longer than `LIMIT_S`."""
    options = ort.RunOptions()
    options.log_severity_level = QUIET
    timer = Timer(LIMIT_S, setattr, (options, "terminate", True))
    timer.daemon = True
    timer.start()
    try:
        return running.run(outputs, feeds, options)
    finally:
        timer.cancel()
