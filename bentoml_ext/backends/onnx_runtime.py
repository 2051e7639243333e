"""ONNX Runtime backend: scores the tree ensemble as an ONNX graph."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import onnxruntime as ort

from bentoml_ext.arrays import Margins, Rows
from bentoml_ext.backends.base import Backend
from bentoml_ext.errors import BackendError

__all__ = ["OnnxRuntimeBackend"]


class OnnxRuntimeBackend(Backend):
    """The graph's output `margin`, computed by ONNX Runtime on one thread."""

    name = "onnx"
    filename = "graph.onnx"

    def __init__(self, path: Path) -> None:
        try:
            self._session = _session(str(path))
        except Exception as error:
            raise BackendError(
                f"Expected an ONNX graph, got {type(error).__name__} - at {path}."
            ) from error
        self._input = self._session.get_inputs()[0].name

    def margins(self, rows: Rows) -> Margins:
        try:
            (margins,) = self._session.run(["margin"], {self._input: rows})
        except Exception as error:
            raise BackendError(
                f"Expected rows for this graph, got {rows.dtype} {rows.shape} - at ONNX Runtime."
            ) from error
        return cast("Margins", margins)

    def single(self, row: Rows, margins: Margins) -> Callable[[], None]:
        # Input and output stay bound to the same memory: half the time of `run`.
        binding = self._session.io_binding()
        binding.bind_ortvalue_input(self._input, ort.OrtValue.ortvalue_from_numpy(row))
        binding.bind_ortvalue_output("margin", ort.OrtValue.ortvalue_from_numpy(margins))
        run = self._session.run_with_iobinding

        # The default keeps both arrays, whose memory the library reads and fills.
        def call(_: tuple[Rows, Margins] = (row, margins)) -> None:
            run(binding)

        return call


def _session(graph: str) -> ort.InferenceSession:
    """The graph in a file, ready to run."""
    options = ort.SessionOptions()
    # More threads would add the trees in another order: the last bits would depend on the machine.
    # Parallelism comes from processes and from chunks of rows.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # Its warnings go to stderr unasked; errors are raised anyway.
    options.log_severity_level = 3
    return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
