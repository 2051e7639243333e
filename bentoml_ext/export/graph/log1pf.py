"""log1pf: the C library's function as ONNX operators on float32; softplus is made of it.

glibc's up to 2.40, which is that of Sun's fdlibm. From 2.41 on the last bit is always the right
one; the export then sees that XGBoost predicts otherwise and is refused.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from bentoml_ext.export.graph.builder import GraphBuilder
from bentoml_ext.export.graph.expf import expf

__all__ = ["log1pf", "softplus"]

_LN2_HIGH, _LN2_LOW = 6.9313812256e-01, 9.0580006145e-06
_POLYNOMIAL: Final = (
    1.4798198640e-01,
    1.5313838422e-01,
    1.8183572590e-01,
    2.2222198546e-01,
    2.8571429849e-01,
    4.0000000596e-01,
    6.6666668653e-01,
)
# Up to the first, 1 + x is not taken; from the second on, half of it; from the third on, it is all
# but 2. Below the last, log1p(x) is x.
_SMALL, _HALF, _NEAR_TWO, _TINY = (
    float(np.array(bits, np.int32).view(np.float32))
    for bits in (0x3ED413D7, 0x3ED413DB, 0x3F7FFFFB, 0x31000000)
)


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
    first, *others = _POLYNOMIAL
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
