"""Application: one ONNX file from the fields that a client sends to the decision.

Inputs: one for each field, by its name, (n, 1): string for a category, float32 for a number, which
is what the encoder rounds it to. NaN stands for null; an empty string is the null of a nullable
category. In float32 the code 99999999 is 100000000: either is refused.

Outputs, each (n, 1): `margin` float32, `probability` float32, `decision` string. Where the service
would refuse an application (an unknown category, a number out of its range or a code for missing,
null where it is not allowed) margin and probability are NaN and the decision is "INVALID".

The bits are the service's own on any number of threads and for any n.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import onnx
import xgboost as xgb
from onnx import TensorProto, helper

from bentoml_ext.decisions.policy import Policy
from bentoml_ext.encoders.encoder import FILL, Encoder, Field
from bentoml_ext.encoders.steps import Codes, Number, OneHot, Step
from bentoml_ext.errors import ConfigError
from bentoml_ext.export.graph.builder import GraphBuilder
from bentoml_ext.export.graph.expf import sigmoid
from bentoml_ext.export.graph.model import add_model, read
from bentoml_ext.objectives.logistic import LOG_ODDS, first_margin_above

__all__ = ["INVALID", "to_application_onnx"]

INVALID: Final = "INVALID"
"""The decision on an application that must not be scored."""

_FLOAT32_MAX: Final = float(np.finfo(np.float32).max)


def to_application_onnx(
    booster: xgb.Booster,
    encoder: Encoder,
    policy: Policy,
    *,
    properties: Mapping[str, str] | None = None,
) -> onnx.ModelProto:
    """An ONNX model from an application's fields to margin, probability and decision.

    Args:
        booster: its margin is a log-odds.
        encoder: with the rules of the fields, which become part of the graph.
        policy: bands over the probability.
        properties: metadata of the file.

    Raises:
        ConfigError: the margin is not a log-odds, or a decision is called "INVALID".
        ExportRefused: no exact graph covers the booster.
    """
    source, ensemble = read(booster)
    _check(ensemble.objective, encoder, policy)
    ops = GraphBuilder(prefix="bentoml_ext_")
    checked = [_checked(ops, field) for field in encoder.fields]
    valid = checked[0]
    for other in checked[1:]:
        valid = ops.add("And", valid, other)
    rows = _rows(ops, encoder)
    margins = add_model(ops, source, ensemble, rows, deterministic_threads=True)
    _answers(ops, policy, margins, valid)
    model = ops.to_model(
        "bentoml_ext_application",
        inputs=[_tensor(field.name, _type_of(field)) for field in encoder.fields],
        outputs=[_tensor(name, kind) for name, kind in _OUTPUTS.items()],
        properties=dict(properties or {}),
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def _check(objective: str, encoder: Encoder, policy: Policy) -> None:
    if objective not in LOG_ODDS or INVALID in policy.answers:
        raise ConfigError(
            f"Expected an objective of {', '.join(LOG_ODDS)} and no answer '{INVALID}', got "
            f"'{objective}' and {list(policy.answers)} - at the model."
        )
    if taken := [field.name for field in encoder.fields if field.name in _OUTPUTS]:
        raise ConfigError(
            f"Expected fields that are not called as an output, got {taken} - at the encoder."
        )
    if both := [f.name for f in encoder.fields if f.nullable and "" in f.categories]:
        raise ConfigError(
            f"Expected an empty text to be null or a category, got both - at field '{both[0]}'."
        )


_OUTPUTS: Final = {
    "margin": TensorProto.FLOAT,
    "probability": TensorProto.FLOAT,
    "decision": TensorProto.STRING,
}


def _type_of(field: Field) -> int:
    return int(TensorProto.STRING if field.categories else TensorProto.FLOAT)


def _tensor(name: str, kind: int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, ["n", 1])


def _checked(ops: GraphBuilder, field: Field) -> str:
    """bool, (n, 1): whether the service would take the value; as `Field.check`."""
    name = field.name
    if field.categories or field.codes:
        known = [*field.categories, *field.baseline, *([""] if field.nullable else [])]
        found = _looked_up(
            ops,
            name,
            dict.fromkeys(known if field.categories else map(float, field.codes), 1),
            default=int(field.unknown == "zero"),
        )
        taken = ops.cast(found, TensorProto.BOOL)
    else:
        taken = _in_range(ops, field)
    if field.nullable and not field.categories:
        taken = ops.add("Or", taken, ops.add("IsNaN", name))
    return taken


def _in_range(ops: GraphBuilder, field: Field) -> str:
    """bool, (n, 1): whether a number is in the range of its field, and no sentinel."""
    name = field.name
    lowest = -_FLOAT32_MAX if field.minimum is None else field.minimum
    highest = _FLOAT32_MAX if field.maximum is None else field.maximum
    # NaN is neither: it passes only where null is allowed. A bound is rounded as the number was, so
    # that what was within it still is.
    taken = ops.add(
        "And",
        ops.add("GreaterOrEqual", name, ops.constant(lowest, np.float32)),
        ops.add("LessOrEqual", name, ops.constant(highest, np.float32)),
    )
    for sentinel in field.sentinels:
        same = ops.add("Equal", name, ops.constant(sentinel, np.float32))
        taken = ops.add("And", taken, ops.add("Not", same))
    return taken


def _rows(ops: GraphBuilder, encoder: Encoder) -> str:
    """float32, (n, n_features): what `Encoder.rows` makes of the fields."""
    parts = [
        _WRITERS[type(step)](ops, encoder, field, step)
        for field, step in zip(encoder.fields, encoder.steps, strict=True)
    ]
    joined = ops.add("Concat", *parts, axis=1) if len(parts) > 1 else parts[0]
    columns = [column for step in encoder.steps for column in step.columns_filled]
    if columns != list(range(len(columns))):
        joined = ops.add("Gather", joined, ops.constant(np.argsort(columns), np.int64), axis=1)
    if encoder.missing is not None:
        marked = ops.add("Equal", joined, ops.constant(encoder.missing, np.float32))
        joined = ops.add("Where", marked, ops.constant(np.nan, np.float32), joined)
    return joined


def _number(ops: GraphBuilder, encoder: Encoder, field: Field, _: Step) -> str:
    """float32, (n, 1)."""
    if encoder.null == "missing":
        return field.name
    null = ops.add("IsNaN", field.name)
    return ops.add("Where", null, ops.constant(0, np.float32), field.name)


def _one_hot(ops: GraphBuilder, encoder: Encoder, field: Field, step: OneHot) -> str:
    """float32, (n, categories), and a column more where null has one."""
    absent = ops.constant(FILL[encoder.absent], np.float32)
    places: dict[str, int] = dict(zip(step.columns, range(len(step.columns)), strict=True))
    if field.nullable:
        places[""] = len(step.columns)
    at = _looked_up(ops, field.name, places, default=-1)
    one = ops.add("Equal", at, ops.constant(np.arange(len(step.columns))[None, :], np.int64))
    cells = ops.add("Where", one, ops.constant(1, np.float32), absent)
    if step.gap is None:
        return cells
    null = ops.add("Equal", at, ops.constant(len(step.columns), np.int64))
    gap = ops.add("Where", null, ops.constant(FILL[encoder.null], np.float32), absent)
    return ops.add("Concat", cells, gap, axis=1)


def _codes(ops: GraphBuilder, encoder: Encoder, field: Field, step: Codes) -> str:
    """float32, (n, 1)."""
    said: Sequence[Any] = step.texts or [float(number) for number in step.numbers]
    codes: dict[Any, int] = dict(zip(said, range(len(said)), strict=True))
    at = ops.cast(_looked_up(ops, field.name, codes, default=-1), TensorProto.FLOAT)
    # A text without a code is null here: every other unknown text was refused.
    none = ops.add("Less", at, ops.constant(0, np.float32))
    return ops.add("Where", none, ops.constant(FILL[encoder.null], np.float32), at)


_WRITERS: Final[Mapping[type[Step], Any]] = {Number: _number, OneHot: _one_hot, Codes: _codes}


def _looked_up(ops: GraphBuilder, name: str, places: Mapping[Any, int], *, default: int) -> str:
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


def _answers(ops: GraphBuilder, policy: Policy, margins: str, valid: str) -> None:
    """The three outputs; a product and not a Where, which would lose the sign of -0.0."""
    unknown = ops.add("Where", valid, *(ops.constant(x, np.float32) for x in (1, np.nan)))
    margin = ops.add("Mul", margins, unknown, output="margin")
    ops.add("Mul", sigmoid(ops, margins), unknown, output="probability")
    order = policy.answers[::-1]
    band = ops.constant(0, np.int64)
    for bound in policy.bands:
        crossing = ops.constant(first_margin_above(bound.above), np.float32)
        above = ops.add("GreaterOrEqual", margin, crossing)
        band = ops.add("Add", band, ops.cast(above, TensorProto.INT64))
    at = ops.add("Where", valid, band, ops.constant(len(order), np.int64))
    table = ops.constant(np.array([*order, INVALID], object))
    ops.add("Gather", table, at, axis=0, output="decision")
