"""log1pf: the C library's function as ONNX operators on float32; softplus is made of it.

`bentoml_ext.objectives.log1pf` has the same arithmetic in numpy and says where it comes from. Where
the C library has another, the export sees that XGBoost predicts otherwise and is refused.
"""

from __future__ import annotations

import numpy as np

from bentoml_ext.export.graph.builder import GraphBuilder
from bentoml_ext.export.graph.expf import expf
from bentoml_ext.objectives.log1pf import LN2_PARTS, PLACES, POLYNOMIAL

__all__ = ["log1pf", "softplus"]

_LN2_HIGH, _LN2_LOW = LN2_PARTS
_SMALL, _HALF, _NEAR_TWO, _TINY = PLACES


def log1pf(ops: GraphBuilder, x: str) -> str:
    """float32 of any shape, from 0 to 1: log(1 + x)."""

    def number(value: float) -> str:
        return ops.constant(value, np.float32)

    def step(operator: str, *inputs: str) -> str:
        return ops.add(operator, *inputs)

    one, half, low = number(1), number(0.5), number(_LN2_LOW)
    u = step("Add", one, x)
    is_two = step("Equal", u, number(2))
    # The part of x that the rounding of 1 + x has lost.
    lost = step(
        "Where",
        is_two,
        step("Sub", one, step("Sub", u, x)),
        step("Sub", x, step("Sub", u, one)),
    )
    c = step("Add", low, step("Div", lost, u))
    f = step("Where", step("Less", x, number(_HALF)), step("Sub", u, one), _halved(ops, u, one))
    f = step("Where", step("Less", x, number(_SMALL)), x, f)
    square = step("Mul", step("Mul", half, f), f)
    s = step("Div", f, step("Add", number(2), f))
    z = step("Mul", s, s)
    first, *others = POLYNOMIAL
    r = step("Mul", z, number(first))
    for coefficient in others:
        r = step("Mul", z, step("Add", number(coefficient), r))
    rest = step("Mul", s, step("Add", square, r))
    high = number(_LN2_HIGH)
    result = step("Sub", high, step("Sub", step("Sub", square, step("Add", rest, c)), f))
    near = step("Mul", square, step("Sub", one, step("Mul", number(0.66666666666666666), f)))
    near = step("Sub", high, step("Sub", step("Sub", near, c), f))
    result = step("Where", step("Less", x, number(_NEAR_TWO)), result, near)
    result = step("Where", is_two, step("Add", high, c), result)
    plain = step("Sub", f, step("Sub", square, rest))
    result = step("Where", step("Less", x, number(_HALF)), plain, result)
    return step("Where", step("Less", x, number(_TINY)), x, result)


def _halved(ops: GraphBuilder, u: str, one: str) -> str:
    return ops.add("Sub", ops.add("Mul", u, ops.constant(0.5, np.float32)), one)


def softplus(ops: GraphBuilder, x: str) -> str:
    """float32 of any shape: XGBoost's log(1 + exp(x))."""
    rest = log1pf(ops, expf(ops, ops.add("Neg", ops.add("Abs", x))))
    zero = ops.constant(0, np.float32)
    return ops.add("Where", ops.add("Greater", x, zero), ops.add("Add", x, rest), rest)
