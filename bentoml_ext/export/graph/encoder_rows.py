"""Encoder rows: the fields of an application become a row, step by step, as ONNX operators."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
from onnx import TensorProto

from bentoml_ext.encoders.encoder import FILL, Encoder, Field
from bentoml_ext.encoders.filling import table_of
from bentoml_ext.encoders.steps import (
    NO_COLUMN,
    Codes,
    Indicator,
    Number,
    OneHot,
    Ranges,
    Step,
    Sum,
    Table,
)
from bentoml_ext.export.graph.builder import GraphBuilder

__all__ = ["add_rows", "as_floats", "looked_up", "type_of"]

Writer: TypeAlias = Callable[[GraphBuilder, Encoder, Field, Any], str]

_OPERATORS: Final = {"add": "Add", "subtract": "Sub", "multiply": "Mul", "divide": "Div"}
_BOUNDS: Final = {"at_least": "Less", "at_most": "Greater"}
"""What compares a number with the bound that then stands for it."""


def type_of(encoder: Encoder, field: Field) -> int:
    """ONNX's type of the input for a field: a number that is scaled has all of its digits."""
    if field.categories:
        return int(TensorProto.STRING)
    plain = all(_takes_single(step) for step in encoder.steps_of(field.name))
    return int(TensorProto.FLOAT if plain else TensorProto.DOUBLE)


def _takes_single(step: Step) -> bool:
    """Whether a number that was rounded to float32 fills the same cells."""
    looked_up = isinstance(step, OneHot | Codes | Table | Indicator)
    return looked_up or (isinstance(step, Number) and step.is_as_given)


def add_rows(ops: GraphBuilder, encoder: Encoder) -> str:
    """Append what `Encoder.rows` does with fields that passed its check.

    Args:
        ops: the graph's nodes; its inputs have the names of the fields, and `type_of` them.
        encoder: any.

    Returns:
        The name of a float32 tensor, (n, n_features).
    """
    parts = [
        _WRITERS[type(step)](ops, encoder, field, step)
        for field, steps in zip(encoder.fields, encoder.steps_by_field, strict=True)
        for step in steps
    ]
    joined = ops.add("Concat", *parts, axis=1) if len(parts) > 1 else parts[0]
    columns = [column for step in encoder.steps for column in step.columns_filled]
    if columns != list(range(len(columns))):
        joined = ops.add("Gather", joined, ops.constant(np.argsort(columns), np.int64), axis=1)
    if encoder.missing is not None:
        marked = ops.add("Equal", joined, ops.constant(encoder.missing, np.float32))
        joined = ops.add("Where", marked, ops.constant(np.nan, np.float32), joined)
    return joined


def looked_up(ops: GraphBuilder, name: str, places: Mapping[Any, int], *, default: int) -> str:
    """int64, as the input: the place of each text or float32."""
    is_text = all(isinstance(key, str) for key in places)
    keys: dict[str, Any] = {"keys_strings" if is_text else "keys_floats": list(places)}
    return ops.add(
        "LabelEncoder",
        name,
        domain="ai.onnx.ml",
        **keys,
        values_int64s=list(places.values()),
        default_int64=default,
    )


def _number(ops: GraphBuilder, encoder: Encoder, field: Field, step: Number) -> str:
    """float32, (n, 1)."""
    name = field.name
    if type_of(encoder, field) == TensorProto.DOUBLE:
        name = _scaled(ops, name, step)
    null = FILL[encoder.null] if step.null is None else step.null
    if math.isnan(null):
        return name
    is_null = ops.add("IsNaN", field.name)
    return ops.add("Where", is_null, ops.constant(null, np.float32), name)


def _scaled(ops: GraphBuilder, name: str, step: Number) -> str:
    """float32, (n, 1): the step's sums on a float64 input."""
    name = _rounded(ops, name, step)
    for one in step.sums:
        name = _rounded(ops, _summed(ops, name, one), step)
    for operation, bound in (("at_least", step.low), ("at_most", step.high)):
        if bound is not None:
            name = _clipped(ops, name, operation, bound)
    return ops.cast(name, TensorProto.FLOAT)


def _summed(ops: GraphBuilder, name: str, one: Sum) -> str:
    if one.operation in _BOUNDS:
        return _clipped(ops, name, one.operation, one.operand)
    if one.operation == "as_single":
        return _single(ops, name)
    return ops.add(_OPERATORS[one.operation], name, ops.constant(one.operand, np.float64))


def _clipped(ops: GraphBuilder, name: str, operation: str, bound: float) -> str:
    constant = ops.constant(bound, np.float64)
    return ops.add("Where", ops.add(_BOUNDS[operation], name, constant), constant, name)


def _single(ops: GraphBuilder, name: str) -> str:
    return ops.cast(ops.cast(name, TensorProto.FLOAT), TensorProto.DOUBLE)


def _rounded(ops: GraphBuilder, name: str, step: Number) -> str:
    return _single(ops, name) if step.single else name


def _one_hot(ops: GraphBuilder, encoder: Encoder, field: Field, step: OneHot) -> str:
    """float32, (n, columns)."""
    blank = ops.constant(FILL[encoder.absent] if step.off is None else step.off, np.float32)
    column = {one: place for place, one in enumerate(step.columns_filled) if one != step.gap}
    places = {text: column.get(one, NO_COLUMN) for text, one in step.columns.items()}
    other = NO_COLUMN if step.other is None else column[step.other]
    # Beyond all columns, unless null has one.
    null = len(column) if step.null is None else column[step.null]
    at = _places(ops, encoder, field, step, places, default=other, null=null)
    one = ops.add("Equal", at, ops.constant(np.arange(len(column))[None, :], np.int64))
    cells = ops.add("Where", one, ops.constant(1, np.float32), blank)
    if step.gap is None:
        return cells
    is_null = ops.add("Equal", at, ops.constant(len(column), np.int64))
    gap = ops.add("Where", is_null, ops.constant(FILL[encoder.null], np.float32), blank)
    return ops.add("Concat", cells, gap, axis=1)


def _places(
    ops: GraphBuilder,
    encoder: Encoder,
    field: Field,
    step: OneHot | Table,
    places: Mapping[str, int],
    *,
    default: int,
    null: int,
) -> str:
    """int64, (n, 1): the place of each category, text or number, or of null."""
    if not step.whole:
        known = dict(places) | ({"": null} if field.nullable else {})
        return looked_up(ops, field.name, known, default=default)
    numbers = {float(text): place for text, place in places.items()}
    at = looked_up(ops, as_floats(ops, encoder, field), numbers, default=default)
    if not field.nullable:
        return at
    is_null = ops.add("IsNaN", field.name)
    return ops.add("Where", is_null, ops.constant(null, np.int64), at)


def as_floats(ops: GraphBuilder, encoder: Encoder, field: Field) -> str:
    """float32, (n, 1): the numbers of a field, NaN for one that float32 does not hold."""
    if type_of(encoder, field) == TensorProto.FLOAT:
        return field.name
    single = ops.cast(field.name, TensorProto.FLOAT)
    is_same = ops.add("Equal", ops.cast(single, TensorProto.DOUBLE), field.name)
    return ops.add("Where", is_same, single, ops.constant(np.nan, np.float32))


def _codes(ops: GraphBuilder, encoder: Encoder, field: Field, step: Codes) -> str:
    """float32, (n, 1)."""
    said: Sequence[Any] = step.texts or [float(number) for number in step.numbers]
    codes: dict[Any, int] = dict(zip(said, range(len(said)), strict=True))
    at = ops.cast(looked_up(ops, field.name, codes, default=-1), TensorProto.FLOAT)
    # A text without a code is null here: every other unknown text was refused.
    none = ops.add("Less", at, ops.constant(0, np.float32))
    return ops.add("Where", none, ops.constant(FILL[encoder.null], np.float32), at)


def _table(ops: GraphBuilder, encoder: Encoder, field: Field, step: Table) -> str:
    """float32, (n, columns)."""
    places = {text: place for place, text in enumerate(step.texts)}
    null, other = len(places), len(places) + 1
    at = _places(ops, encoder, field, step, places, default=other, null=null)
    found = ops.add("Gather", ops.constant(table_of(step)), at, axis=0)
    return ops.add("Reshape", found, ops.constant([-1, len(step.columns)], np.int64))


def _ranges(ops: GraphBuilder, _: Encoder, field: Field, step: Ranges) -> str:
    """float32, (n, columns)."""
    edges = ops.constant(np.array(step.edges)[None, :], np.float64)
    behind = ops.cast(ops.add("GreaterOrEqual", field.name, edges), TensorProto.INT64)
    at = ops.add("ReduceSum", behind, ops.constant([1], np.int64), keepdims=1)
    is_null, null = ops.add("IsNaN", field.name), ops.constant(len(step.cells), np.int64)
    at = ops.add("Where", is_null, null, at)
    found = ops.add("Gather", ops.constant(table_of(step)), at, axis=0)
    return ops.add("Reshape", found, ops.constant([-1, len(step.columns)], np.int64))


def _indicator(ops: GraphBuilder, _: Encoder, field: Field, step: Indicator) -> str:
    """float32, (n, 1)."""
    if field.categories:
        is_null = ops.cast(looked_up(ops, field.name, {"": 1}, default=0), TensorProto.BOOL)
    else:
        is_null = ops.add("IsNaN", field.name)
    return ops.add(
        "Where", is_null, *(ops.constant(one, np.float32) for one in (step.null, step.given))
    )


_WRITERS: Final[Mapping[type[Step], Writer]] = {
    Number: _number,
    OneHot: _one_hot,
    Codes: _codes,
    Table: _table,
    Ranges: _ranges,
    Indicator: _indicator,
}
