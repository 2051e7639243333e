"""ONNX Runtime backend: scores the tree ensemble as an ONNX graph."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import onnxruntime as ort

from bentoml_ext.arrays import Floats, Margins, Rows
from bentoml_ext.backends.base import Backend
from bentoml_ext.errors import BackendError

__all__ = ["OnnxRuntimeBackend", "all_margins"]


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
        return cast("Margins", np.asarray(margins).reshape(len(rows)))

    def single(self, row: Rows) -> Callable[[], float]:
        # Input and output stay bound to the same memory: half the time of `run`.
        margin = np.empty((1, 1), np.float32)
        binding = self._session.io_binding()
        binding.bind_ortvalue_input(self._input, ort.OrtValue.ortvalue_from_numpy(row))
        binding.bind_ortvalue_output("margin", ort.OrtValue.ortvalue_from_numpy(margin))
        run, cell = self._session.run_with_iobinding, margin.data.cast("B").cast("f")

        def call() -> float:
            run(binding)
            return cell[0]

        return call


def all_margins(graph: bytes) -> Callable[[Rows], Floats]:
    """A function from rows, float32 (n, n_features), n > 0, to margins, float32 (n, n_targets).

    Args:
        graph: an ONNX graph of ours.
    """
    session = _session(graph)
    name = session.get_inputs()[0].name

    def margins(rows: Rows) -> Floats:
        (found,) = session.run(["margin"], {name: rows})
        return cast("Floats", np.asarray(found))

    return margins


def _session(graph: str | bytes) -> ort.InferenceSession:
    """A graph ready to run: a file's name, or its bytes."""
    options = ort.SessionOptions()
    # More threads would add the trees in another order: the last bits would depend on the machine.
    # Parallelism comes from processes and from chunks of rows.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # Its warnings go to stderr unasked; errors are raised anyway.
    options.log_severity_level = 3
    return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
