"""Application graph: one ONNX file from the fields that a client sends to the decision.

Inputs: one for each field, by its name, (n, 1): string for a category, float32 for a number, which
is what the encoder rounds it to. NaN stands for null; an empty string is the null of a nullable
category. In float32 the code 99999999 is 100000000: either is refused.

Outputs, each (n, 1): `margin` float32, `probability` float32, `decision` string. Where the service
would refuse an application (an unknown category, a number out of its range or a code for missing,
null where it is not allowed) margin and probability are NaN and the decision is "INVALID".

The bits are the service's own on any number of threads and for any n.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import onnx
import xgboost as xgb
from onnx import TensorProto, helper
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import OneHotEncoder

from bentoml_ext.encoder import Encoder, Field
from bentoml_ext.errors import ConfigError
from bentoml_ext.export.expf import sigmoid
from bentoml_ext.export.graph import add_model, read
from bentoml_ext.export.operators import ML_OPSET, OPSET, Operators
from bentoml_ext.policy import Policy
from bentoml_ext.probability import first_margin_above
from bentoml_ext.scorer import OBJECTIVES

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
        ConfigError: the margin is no log-odds, or a decision is called "INVALID".
        ExportRefused: no exact graph covers the booster.
    """
    source, ensemble = read(booster)
    _check(ensemble.objective, encoder, policy)
    ops = Operators(prefix="bentoml_ext_")
    checked = [_checked(ops, field) for field in encoder.fields]
    valid = checked[0]
    for other in checked[1:]:
        valid = ops.add("And", valid, other)
    rows = _rows(ops, encoder)
    margins = add_model(ops, source, ensemble, rows, thread_proof=True)
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
    if objective not in OBJECTIVES or INVALID in policy.answers:
        raise ConfigError(
            f"Expected an objective of {', '.join(OBJECTIVES)} and no answer '{INVALID}', got "
            f"'{objective}' and {list(policy.answers)} - at the model."
        )
    if taken := [field.name for field in encoder.fields if field.name in _OUTPUTS]:
        raise ConfigError(
            f"Expected fields that are not called as an output, got {taken} - at the encoder."
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


def _checked(ops: Operators, field: Field) -> str:
    """bool, (n, 1): whether the service would take the value; as `Field.check`."""
    name = field.name
    if field.categories:
        known = [*field.categories, *([""] if field.nullable else [])]
        found = ops.add(
            "LabelEncoder",
            name,
            domain="ai.onnx.ml",
            keys_strings=known,
            values_int64s=[1] * len(known),
            default_int64=0,
        )
        return ops.cast(found, TensorProto.BOOL)
    lowest = -_FLOAT32_MAX if field.minimum is None else field.minimum
    # NaN is neither: it passes only where null is allowed. A bound is rounded as the number was, so
    # that what was within it still is.
    taken = ops.add(
        "And",
        ops.add("GreaterOrEqual", name, ops.constant(lowest, np.float32)),
        ops.add("LessOrEqual", name, ops.constant(_FLOAT32_MAX, np.float32)),
    )
    for sentinel in field.sentinels:
        same = ops.add("Equal", name, ops.constant(sentinel, np.float32))
        taken = ops.add("And", taken, ops.add("Not", same))
    return ops.add("Or", taken, ops.add("IsNaN", name)) if field.nullable else taken


def _rows(ops: Operators, encoder: Encoder) -> str:
    """float32, (n, n_features): what `Encoder.rows` makes of the fields."""
    names = {}
    for field in encoder.fields:
        if field.categories:
            names[field.name] = field.name
            continue
        number = field.name
        if encoder.null == "zero":
            null = ops.add("IsNaN", number)
            number = ops.add("Where", null, ops.constant(0, np.float32), number)
        names[field.name] = number
    joined = _joined(ops, encoder, names)
    columns, is_category = _columns(encoder)
    if encoder.absent == "missing":
        gap = ops.add("Equal", joined, ops.constant(0, np.float32))
        gap = ops.add("And", gap, ops.constant(is_category[None, :]))
        joined = ops.add("Where", gap, ops.constant(np.nan, np.float32), joined)
    if columns == list(range(len(columns))):
        return joined
    return ops.add("Gather", joined, ops.constant(np.argsort(columns), np.int64), axis=1)


def _columns(encoder: Encoder) -> tuple[list[int], Any]:
    """Where each joined column stands in a row, and whether it is one of a category."""
    columns, is_category = [], []
    for field in encoder.fields:
        names = [f"{field.name}{encoder.separator}{c}" for c in field.categories] or [field.name]
        columns += [encoder.columns[name] for name in names]
        is_category += [bool(field.categories)] * len(names)
    return columns, np.array(is_category, np.bool_)


def _joined(ops: Operators, encoder: Encoder, names: Mapping[str, str]) -> str:
    """The fields side by side, categories as 0 and 1: by skl2onnx, from scikit-learn's steps."""
    steps: list[tuple[str, Any, list[int]]] = []
    for i, field in enumerate(encoder.fields):
        known = np.array(field.categories, object)
        one_hot = OneHotEncoder(categories=[known], handle_unknown="ignore", dtype=np.float32)
        steps.append((f"step_{i}", one_hot if field.categories else "passthrough", [i]))
    example = [[field.categories[0] if field.categories else 0.0 for field in encoder.fields]]
    transformer = ColumnTransformer(steps, sparse_threshold=0).fit(np.array(example, object))
    kinds = [
        (f"input_{i}", (StringTensorType if field.categories else FloatTensorType)([None, 1]))
        for i, field in enumerate(encoder.fields)
    ]
    part = convert_sklearn(
        transformer, initial_types=kinds, target_opset={"": OPSET, "ai.onnx.ml": ML_OPSET}
    )
    given = {f"input_{i}": names[field.name] for i, field in enumerate(encoder.fields)}
    return ops.adopt(part.graph, given)


def _answers(ops: Operators, policy: Policy, margins: str, valid: str) -> None:
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
