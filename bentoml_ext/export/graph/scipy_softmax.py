"""scipy softmax: scipy's softmax in float32, bit for bit, for estimators of multi:softmax.

`XGBClassifier.predict_proba` leaves XGBoost's own softmax aside there. scipy's is made of numpy's
exponential, which has its own polynomial and fused multiply-adds, and of numpy's sum in eight
strands. numpy takes this exponential on every x86-64 processor with AVX2; elsewhere the C library's
runs and XGBClassifier itself answers with other bits. So the export is confirmed where it is made.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import onnxruntime as ort
from onnx import TensorProto, helper
from scipy.special import softmax  # type: ignore[import-untyped]

from bentoml_ext.errors import ExportRefused
from bentoml_ext.export.graph.builder import OPSET, GraphBuilder

__all__ = ["numpy_softmax"]

# exp(x) = 2**q * P(r) / Q(r) with x = q * ln2 + r, in float32 with fused multiply-adds.
_LOG2_E: Final = 1.442695040888963407359924681001892137
_MINUS_LN2: Final = (-6.93145752e-1, -1.42860677e-6)
_NUMERATOR: Final = (
    5.082762527590693718096e-04,
    6.757896990527504603057e-03,
    5.114512081637298353406e-02,
    2.473615434895520810817e-01,
    7.257664613233124478488e-01,
    9.999999999980870924916e-01,
)
_DENOMINATOR: Final = (2.159509375685829852307e-02, -2.742335390411667452936e-01, 1.0)
# Below this numpy answers 0. The power of two of the smallest x that is looked at stays above -152.
_UNDERFLOW, _LOWEST, _FIRST_POWER = -103.97208404541015625, -105.0, -152
# numpy adds up to this many numbers in eight strands, and halves longer rows.
_STRANDS, _BLOCK = 8, 128


def numpy_softmax(ops: GraphBuilder, margins: str, n_columns: int) -> str:
    """float32, (n, n_columns) to (n, n_columns).

    Raises:
        ExportRefused: numpy computes another exponential on this machine.
    """
    trial = GraphBuilder()
    trial.add("Identity", _softmax(trial, "margins", n_columns), output="answer")
    _confirm(trial, n_columns)
    return _softmax(ops, margins, n_columns)


def _softmax(ops: GraphBuilder, margins: str, n_columns: int) -> str:
    exps = _exp(ops, ops.add("Sub", margins, ops.largest(margins)))
    total = _sum(ops, exps, range(n_columns))
    return ops.add("Div", exps, ops.add("Unsqueeze", total, ops.constant([1], np.int64)))


def _exp(ops: GraphBuilder, x: str) -> str:
    """float32, any shape: numpy's exponential of numbers up to 0."""

    def number(value: float) -> str:
        # A constant of float32 in float64, as all numbers here.
        return ops.constant(np.float64(np.float32(value)))

    d = ops.add("Max", ops.cast(x, TensorProto.DOUBLE), number(_LOWEST))
    q = ops.add("Round", _rounded(ops, ops.add("Mul", d, number(_LOG2_E))))
    r = d
    for part in _MINUS_LN2:
        r = _fused(ops, q, number(part), r)
    polynomials = []
    for first, *others in (_NUMERATOR, _DENOMINATOR):
        value = number(first)
        for coefficient in others:
            value = _fused(ops, value, r, number(coefficient))
        polynomials.append(value)
    ratio = _rounded(ops, ops.add("Div", *polynomials))
    powers = ops.constant([2.0**power for power in range(_FIRST_POWER, 1)], np.float64)
    at = ops.add("Sub", ops.cast(q, TensorProto.INT64), ops.constant(_FIRST_POWER, np.int64))
    # A NaN has become some whole number, which must not point outside of the table.
    at = ops.add("Max", at, ops.constant(0, np.int64))
    y = ops.cast(ops.add("Mul", ratio, ops.add("Gather", powers, at, axis=0)), TensorProto.FLOAT)
    below = ops.add("LessOrEqual", d, number(_UNDERFLOW))
    return ops.add("Where", below, ops.constant(0, np.float32), y)


def _rounded(ops: GraphBuilder, x: str) -> str:
    """float64 rounded to float32, as float64."""
    return ops.cast(ops.cast(x, TensorProto.FLOAT), TensorProto.DOUBLE)


def _fused(ops: GraphBuilder, a: str, b: str, c: str) -> str:
    """a * b + c, rounded once to float32; all of them float32 values in float64.

    The product is exact in float64 and the sum nearly so. Its rounding to float32 goes wrong only
    where the sum lands in the middle between two float32: then what float64 lost must decide.
    """
    product = ops.add("Mul", a, b)
    total = ops.add("Add", product, c)
    part = ops.add("Sub", total, product)
    lost = ops.add(
        "Add",
        ops.add("Sub", product, ops.add("Sub", total, part)),
        ops.add("Sub", c, part),
    )
    near = _rounded(ops, total)
    rest = ops.add("Sub", total, near)
    other = ops.add("Add", near, ops.add("Add", rest, rest))
    # The number as far on the other side is a float32 only if the sum is in the middle.
    in_middle = ops.add("Equal", _rounded(ops, other), other)
    beyond = ops.add("Greater", ops.add("Mul", rest, lost), ops.constant(0, np.float64))
    return ops.add("Where", ops.add("And", in_middle, beyond), other, near)


def _sum(ops: GraphBuilder, x: str, columns: range) -> str:
    """float32, (n,): numpy's sum of these columns of (n, k)."""

    def running(some: range) -> str:
        return ops.running_total(ops.add("Gather", x, ops.constant(list(some), np.int64), axis=1))

    count = len(columns)
    if count < _STRANDS:
        return running(columns)
    if count > _BLOCK:
        half = count // 2 - count // 2 % _STRANDS
        return ops.add("Add", _sum(ops, x, columns[:half]), _sum(ops, x, columns[half:]))
    even = count - count % _STRANDS
    strands = [running(columns[first:even:_STRANDS]) for first in range(_STRANDS)]
    while len(strands) > 1:
        strands = [ops.add("Add", *strands[i : i + 2]) for i in range(0, len(strands), 2)]
    (total,) = strands
    for column in columns[even:]:
        total = ops.add("Add", total, running(range(column, column + 1)))
    return total


def _confirm(trial: GraphBuilder, n_columns: int) -> None:
    """Compare with scipy on this machine.

    Raises:
        ExportRefused: a bit differs.
    """
    tensors = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", n_columns])
        for name in ("margins", "answer")
    ]
    graph = helper.make_graph(trial.nodes, "trial", tensors[:1], tensors[1:], trial.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    generator = np.random.default_rng(0)
    margins = generator.normal(scale=5, size=(2000, n_columns)).astype(np.float32)
    (got,) = session.run(None, {"margins": margins})
    if not np.array_equal(softmax(margins, axis=1).view(np.uint32), got.view(np.uint32)):
        raise ExportRefused(
            "Expected multi:softprob, got multi:softmax in a classifier - at the objective. Its "
            "predict_proba is numpy's exponential, which on this processor is not the known one: "
            "train with multi:softprob, or export its booster."
        )
