"""Application: one ONNX file from the fields that a client sends to the decision.

Inputs: one for each field, by its name, (n, 1). A category is a string. A number is float32, which
the encoder rounds it to, or float64 where the encoder scales it first. NaN stands for null; an
empty string is the null of a nullable category. In float32 the code 99999999 is
100000000: either is refused.

Outputs, each (n, 1): `margin` float32, `probability` float32, `decision` string. Where the service
would refuse an application margin and probability are NaN and the decision is "INVALID". It refuses
an unknown category, a number out of its range, a code for missing, and null where it is not
allowed.

The bits are the service's own on any number of threads and for any n.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

import numpy as np
import onnx
import xgboost as xgb
from onnx import TensorProto, helper

from bentoml_ext.boosters.xgb.confirm import read
from bentoml_ext.decisions.bands import BandDecider
from bentoml_ext.decisions.base import AnswerSchema
from bentoml_ext.decisions.policy import Bands
from bentoml_ext.encoders.encoder import Encoder, Field
from bentoml_ext.errors import ConfigError
from bentoml_ext.export.graph.builder import GraphBuilder
from bentoml_ext.export.graph.encoder_rows import add_rows, looked_up, type_of
from bentoml_ext.export.graph.expf import sigmoid
from bentoml_ext.export.graph.model import add_model
from bentoml_ext.objectives.logistic import first_margin_above
from bentoml_ext.objectives.table import log_odds, objective_of

__all__ = ["INVALID", "to_application_onnx"]

INVALID: Final = "INVALID"
"""The decision on an application that must not be scored."""

_FLOAT32_MAX: Final = float(np.finfo(np.float32).max)


def to_application_onnx(
    booster: xgb.Booster,
    encoder: Encoder,
    policy: Bands,
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
    outputs = _outputs(BandDecider(policy).schema)
    _check(ensemble.objective, encoder, policy, outputs)
    ops = GraphBuilder(prefix="bentoml_ext_")
    checked = [_checked(ops, encoder, field) for field in encoder.fields]
    valid = checked[0]
    for other in checked[1:]:
        valid = ops.add("And", valid, other)
    rows = add_rows(ops, encoder)
    margins = add_model(ops, source, ensemble, rows, deterministic_threads=True)
    _answers(ops, policy, margins, valid)
    model = ops.to_model(
        "bentoml_ext_application",
        inputs=[_tensor(field.name, type_of(encoder, field)) for field in encoder.fields],
        outputs=[_tensor(name, kind) for name, kind in outputs.items()],
        properties=dict(properties or {}),
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def _check(objective: str, encoder: Encoder, policy: Bands, outputs: Collection[str]) -> None:
    if objective_of(objective).output != "probability" or INVALID in policy.answers:
        raise ConfigError(
            f"Expected an objective of {', '.join(log_odds())} and no answer '{INVALID}', got "
            f"'{objective}' and {list(policy.answers)} - at the model."
        )
    if taken := [field.name for field in encoder.fields if field.name in outputs]:
        raise ConfigError(
            f"Expected fields that are not called as an output, got {taken} - at the encoder."
        )
    if both := [f.name for f in encoder.fields if f.nullable and "" in f.categories]:
        raise ConfigError(
            f"Expected an empty text to be null or a category, got both - at field '{both[0]}'."
        )


_KINDS: Final = {"number": TensorProto.FLOAT, "text": TensorProto.STRING}


def _outputs(schema: AnswerSchema) -> dict[str, int]:
    """The outputs and their types: the margin, the answer's numbers, and its text as `decision`."""
    numbers = {column.name: _KINDS[column.kind] for column in schema.numbers}
    decision = {"decision": _KINDS[schema.text.kind]} if schema.text else {}
    return {"margin": TensorProto.FLOAT, **numbers, **decision}


def _tensor(name: str, kind: int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, ["n", 1])


def _checked(ops: GraphBuilder, encoder: Encoder, field: Field) -> str:
    """bool, (n, 1): whether the service would take the value; as `Field.check`."""
    name = field.name
    is_double = type_of(encoder, field) == TensorProto.DOUBLE
    if field.categories:
        known = [*field.categories, *field.baseline, *([""] if field.nullable else [])]
        # Null is an empty text here: a field that takes any text, and not null, refuses it.
        places = dict.fromkeys(known, 1)
        if field.unknown == "zero":
            places.setdefault("", 0)
        found = looked_up(ops, name, places, default=int(field.unknown == "zero"))
        taken = ops.cast(found, TensorProto.BOOL)
    elif field.is_listed:
        codes = ops.constant([field.codes], np.float64 if is_double else np.float32)
        same = ops.cast(ops.add("Equal", name, codes), TensorProto.INT64)
        found = ops.add("ReduceSum", same, ops.constant([1], np.int64), keepdims=1)
        taken = ops.cast(found, TensorProto.BOOL)
    else:
        taken = _in_range(ops, field, np.float64 if is_double else np.float32)
    if field.nullable and not field.categories:
        taken = ops.add("Or", taken, ops.add("IsNaN", name))
    return taken


def _in_range(ops: GraphBuilder, field: Field, kind: type[np.floating[Any]]) -> str:
    """bool, (n, 1): whether a number is in the range of its field, and no sentinel."""
    name = field.name
    lowest = -_FLOAT32_MAX if field.minimum is None else field.minimum
    highest = _FLOAT32_MAX if field.maximum is None else field.maximum
    # NaN is neither: it passes only where null is allowed. A bound is rounded as the number was, so
    # that what was within it still is.
    taken = ops.add(
        "And",
        ops.add("GreaterOrEqual", name, ops.constant(lowest, kind)),
        ops.add("LessOrEqual", name, ops.constant(highest, kind)),
    )
    for sentinel in field.sentinels:
        same = ops.add("Equal", name, ops.constant(sentinel, kind))
        taken = ops.add("And", taken, ops.add("Not", same))
    return taken


def _answers(ops: GraphBuilder, policy: Bands, margins: str, valid: str) -> None:
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
