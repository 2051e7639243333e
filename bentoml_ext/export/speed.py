"""Speed: what one row costs a graph on this machine, so that a slow graph is said to be slow."""

from __future__ import annotations

import time
from typing import Final

import numpy as np

from bentoml_ext.backends.onnx_session import session
from bentoml_ext.errors import BackendError

__all__ = ["SLOW_US", "row_us", "slowness"]

SLOW_US: Final = 100.0
"""A row of the course model takes 7 us, and the booster itself 126 us."""

_CALLS: Final = 32


def row_us(graph: bytes) -> float:
    """Microseconds that one row takes, on one thread: the median of a few calls.

    Args:
        graph: an ONNX model with one input, float32, (n, n_features).

    Raises:
        BackendError: it has another input.
    """
    running = session(graph, threads=1)
    inputs = running.get_inputs()
    if len(inputs) != 1 or len(inputs[0].shape) != 2 or not isinstance(inputs[0].shape[1], int):
        raise BackendError("Expected a graph with one input of rows, got another - at the graph.")
    random = np.random.default_rng(0)
    taken = []
    for _ in range(_CALLS):
        # Codes of any size among them: a chain ends where the code is found.
        row = np.floor(random.exponential(50, (1, inputs[0].shape[1]))).astype(np.float32)
        start = time.perf_counter()
        running.run(None, {inputs[0].name: row})
        taken.append(time.perf_counter() - start)
    return float(np.median(taken)) * 1e6


def slowness(graph: bytes) -> str | None:
    """A sentence about a graph that takes over `SLOW_US` a row; None about others."""
    cost = row_us(graph)
    if cost <= SLOW_US:
        return None
    return (
        f"A row takes {cost:.0f} us on ONNX here. BACKEND=xgboost may be quicker; BACKEND=auto "
        "measures both and takes the quicker one for each number of rows."
    )
