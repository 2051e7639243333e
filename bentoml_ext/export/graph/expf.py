"""expf: the C library's function, and what XGBoost makes of it, as ONNX operators on float64.

ONNX Runtime's own Exp, Sigmoid and Softmax round differently. `bentoml_ext.objectives.expf` has
the same arithmetic in numpy and says where it comes from.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from onnx import TensorProto

from bentoml_ext.export.graph.builder import GraphBuilder
from bentoml_ext.objectives.expf import (
    EXPF_CUBIC,
    EXPF_INVERSE_LN2,
    EXPF_INVERSE_LN2_PARTS,
    EXPF_STEPS,
    HIGHEST,
    LOWEST,
    power_of_two,
)
from bentoml_ext.objectives.logistic import SIGMOID_CAP

__all__ = ["expf", "sigmoid", "softmax"]

_FIRST_POWER: Final = -152
_LAST_POWER: Final = 128


def expf(ops: GraphBuilder, x: str) -> str:
    """float32 of any shape: the exponential of `x`. NaN stays NaN."""
    d = ops.cast(x, TensorProto.DOUBLE)

    def number(value: float) -> str:
        return ops.constant(value, np.float64)

    # Min and Max hand NaN on; Clip does not promise to.
    d = ops.add("Max", ops.add("Min", d, number(HIGHEST)), number(LOWEST))
    step = ops.add("Round", ops.add("Mul", d, number(EXPF_INVERSE_LN2)))
    high, low = (ops.add("Mul", d, number(part)) for part in EXPF_INVERSE_LN2_PARTS)
    r = ops.add("Add", ops.add("Sub", high, step), low)
    cubic, square, linear = (number(coefficient) for coefficient in EXPF_CUBIC)
    z = ops.add("Add", ops.add("Mul", cubic, r), square)
    y = ops.add("Add", ops.add("Mul", linear, r), number(1.0))
    y = ops.add("Add", ops.add("Mul", z, ops.add("Mul", r, r)), y)
    return ops.cast(ops.add("Mul", y, _power(ops, step)), TensorProto.FLOAT)


def _power(ops: GraphBuilder, step: str) -> str:
    """float64: 2 ** (step / 32), from a table."""
    # Powers of two times parts: ONNX Runtime multiplies them out once, when it loads the graph.
    powers = [[2.0**power] for power in range(_FIRST_POWER, _LAST_POWER + 1)]
    parts = [[power_of_two(part) for part in range(EXPF_STEPS)]]
    table = ops.add(
        "Reshape",
        ops.add("Mul", ops.constant(powers, np.float64), ops.constant(parts, np.float64)),
        ops.constant([-1], np.int64),
    )
    at = ops.cast(step, TensorProto.INT64)
    at = ops.add("Sub", at, ops.constant(_FIRST_POWER * EXPF_STEPS, np.int64))
    # A NaN has become some whole number, which must not point outside of the table.
    at = ops.add("Max", at, ops.constant(0, np.int64))
    return ops.add("Gather", table, at, axis=0)


def sigmoid(ops: GraphBuilder, margins: str) -> str:
    """float32 of any shape: XGBoost's logistic function."""
    one = ops.constant(1, np.float32)
    x = ops.add("Min", ops.add("Neg", margins), ops.constant(SIGMOID_CAP, np.float32))
    return ops.add("Div", one, ops.add("Add", expf(ops, x), one))


def softmax(ops: GraphBuilder, margins: str) -> str:
    """float32, (n, k) to (n, k): XGBoost's softmax, whose sum is a float64 taken in order."""
    exps = expf(ops, ops.add("Sub", margins, ops.largest(margins)))
    total = ops.running_total(ops.cast(exps, TensorProto.DOUBLE))
    total = ops.add("Unsqueeze", ops.cast(total, TensorProto.FLOAT), ops.constant([1], np.int64))
    return ops.add("Div", exps, total)
