"""Application: one ONNX file from the fields that a client sends to the answer.

Inputs: one for each field, by its name, (n, 1). A category is a string. A number is float32, which
the encoder rounds it to, or float64 where the encoder scales it first. NaN stands for null; an
empty string is the null of a nullable category. In float32 the code 99999999 is
100000000: either is refused.

Outputs: `margin` float32, (n, n_margins), and the answer. Bands give `probability` float32 and
`decision` string, each (n, 1). Another policy gives its columns by their names. Where the service
would refuse an application each number is NaN, each text "INVALID", each label of whole
numbers `NO_LABEL`. It refuses an unknown
category, a number out of its range, a code for missing, and null where it is not allowed.

The bits are the service's own on any number of threads and for any n.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

import numpy as np
import onnx
import xgboost as xgb
from onnx import TensorProto, helper

from bentoml_ext.boosters.ensemble import Ensemble
from bentoml_ext.boosters.xgb.confirm import read
from bentoml_ext.decisions.bands import BandDecider
from bentoml_ext.decisions.base import Column, Decider
from bentoml_ext.decisions.deciding import decider_of
from bentoml_ext.decisions.policy import Policy
from bentoml_ext.decisions.value_bands import ValueBandDecider
from bentoml_ext.encoders.encoder import Encoder, Field
from bentoml_ext.errors import ConfigError
from bentoml_ext.export.graph.builder import GraphBuilder
from bentoml_ext.export.graph.encoder_rows import add_rows, looked_up, type_of
from bentoml_ext.export.graph.expf import sigmoid
from bentoml_ext.export.graph.model import add_model
from bentoml_ext.export.graph.predictions import add_predictions
from bentoml_ext.objectives.logistic import first_margin_above
from bentoml_ext.objectives.table import objective_of

__all__ = ["INVALID", "outputs_of", "refused_of", "to_application_onnx"]

INVALID: Final = "INVALID"

NO_LABEL: Final = -(2**63)
"""No policy has it: its whole numbers end at 2**53."""
"""The decision on an application that must not be scored."""

_FLOAT32_MAX: Final = float(np.finfo(np.float32).max)


def to_application_onnx(
    booster: xgb.Booster,
    encoder: Encoder,
    policy: Policy,
    *,
    properties: Mapping[str, str] | None = None,
) -> onnx.ModelProto:
    """An ONNX model from an application's fields to margins and answer.

    Args:
        booster: of any objective.
        encoder: with the rules of the fields, which become part of the graph.
        policy: what is answered.
        properties: metadata of the file.

    Raises:
        ConfigError: the policy does not fit the model, or a decision is called "INVALID".
        ExportRefused: no exact graph covers the booster.
    """
    source, ensemble = read(booster)
    objective = objective_of(ensemble.objective, ensemble.transform)
    decider = decider_of(policy, objective, ensemble.n_targets)
    outputs = outputs_of(decider)
    _check(encoder, decider, outputs)
    ops = GraphBuilder(prefix="bentoml_ext_")
    checked = [_checked(ops, encoder, field) for field in encoder.fields]
    valid = checked[0]
    for other in checked[1:]:
        valid = ops.add("And", valid, other)
    rows = add_rows(ops, encoder)
    margins = add_model(ops, source, ensemble, rows, deterministic_threads=True)
    if isinstance(decider, BandDecider):
        _bands(ops, decider, margins, valid)
    else:
        _predictions(ops, ensemble, decider, margins, valid)
    model = ops.to_model(
        "bentoml_ext_application",
        inputs=[_tensor(field.name, type_of(encoder, field)) for field in encoder.fields],
        outputs=[_tensor(name, kind, width) for name, (kind, width) in outputs.items()],
        properties=dict(properties or {}),
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def _check(encoder: Encoder, decider: Decider, outputs: Collection[str]) -> None:
    text = decider.schema.text
    if text is not None and INVALID in text.values:
        raise ConfigError(
            f"Expected no answer '{INVALID}', got {list(text.values)} - at the policy. It is the "
            "decision on an application that is refused."
        )
    if taken := [field.name for field in encoder.fields if field.name in outputs]:
        raise ConfigError(
            f"Expected fields that are not called as an output, got {taken} - at the encoder."
        )
    if both := [f.name for f in encoder.fields if f.nullable and "" in f.categories]:
        raise ConfigError(
            f"Expected an empty text to be null or a category, got both - at field '{both[0]}'."
        )


_KINDS: Final = {
    "number": TensorProto.FLOAT,
    "numbers": TensorProto.FLOAT,
    "text": TensorProto.STRING,
}


def outputs_of(decider: Decider) -> dict[str, tuple[int, int]]:
    """The outputs with their types and widths: the margins, then the answer's columns.

    The text of bands is called `decision`, and comes last.
    """
    columns = {column.name: column for column in decider.schema.numbers}
    if (text := decider.schema.text) is not None:
        named = {"decision": text} if isinstance(decider, BandDecider) else {text.name: text}
        columns = {**columns, **named}
    answer = {name: (_kind(column), column.count) for name, column in columns.items()}
    return {"margin": (TensorProto.FLOAT, decider.n_margins), **answer}


def _kind(column: Column) -> int:
    return TensorProto.INT64 if column.is_whole else _KINDS[column.kind]


def refused_of(column: Column) -> str | int:
    """What stands in the place of a decision on an application that is refused."""
    return NO_LABEL if column.is_whole else INVALID


def _tensor(name: str, kind: int, width: int = 1) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, ["n", width])


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


def _predictions(
    ops: GraphBuilder, ensemble: Ensemble, decider: Decider, margins: str, valid: str
) -> None:
    """The outputs of a value or of classes."""
    answer = _served(ops, ensemble, margins)
    zero, axis = ops.constant(0, np.float32), ops.constant([1], np.int64)
    # 0 for a finite number alone: no other has an answer.
    for numbers in (answer, ops.add("Where", ops.add("IsNaN", margins), margins, zero)):
        nothing = ops.add("ReduceSum", ops.add("Mul", numbers, zero), axis, keepdims=1)
        valid = ops.add("And", valid, ops.add("Equal", nothing, zero))
    unknown = ops.add("Where", valid, *(ops.constant(x, np.float32) for x in (1, np.nan)))
    ops.add("Mul", margins, unknown, output="margin")
    for column in decider.schema.numbers:
        ops.add("Mul", answer, unknown, output=column.name)
    if (text := decider.schema.text) is None:
        return
    if isinstance(decider, ValueBandDecider):
        above = ops.add("Greater", answer, ops.constant([decider.bounds], np.float32))
        code = ops.add("ReduceSum", ops.cast(above, TensorProto.INT64), axis, keepdims=1)
    else:
        is_class = ensemble.objective == "multi:softmax" or ensemble.n_targets == 1
        code = ops.cast(answer, TensorProto.INT64) if is_class else _largest(ops, answer)
    _text(ops, text.name, text, code, valid)


def _largest(ops: GraphBuilder, probabilities: str) -> str:
    return ops.add("ArgMax", probabilities, axis=1, keepdims=1, select_last_index=0)


def _served(ops: GraphBuilder, ensemble: Ensemble, margins: str) -> str:
    """float32, (n, m): the predictions that are served."""
    if objective_of(ensemble.objective).predicts_margins:
        return sigmoid(ops, margins)
    found = add_predictions(
        ops, ensemble.objective, margins, ensemble.n_targets, ensemble.transform
    )
    if ensemble.n_targets == 1 or ensemble.objective == "multi:softmax":
        return ops.add("Unsqueeze", found, ops.constant([1], np.int64))
    return found


def _text(ops: GraphBuilder, name: str, column: Column, code: str, valid: str) -> None:
    """A text or whole number by its code, or what a refused application gets."""
    at = ops.add("Where", valid, code, ops.constant(len(column.values), np.int64))
    kind = np.int64 if column.is_whole else object
    table = ops.constant(np.array([*column.values, refused_of(column)], kind))
    ops.add("Gather", table, at, axis=0, output=name)


def _bands(ops: GraphBuilder, decider: BandDecider, margins: str, valid: str) -> None:
    """The three outputs; a product and not a Where, which would lose the sign of -0.0."""
    unknown = ops.add("Where", valid, *(ops.constant(x, np.float32) for x in (1, np.nan)))
    margin = ops.add("Mul", margins, unknown, output="margin")
    ops.add("Mul", sigmoid(ops, margins), unknown, output="probability")
    band = ops.constant(0, np.int64)
    for bound in decider.policy.bands:
        crossing = ops.constant(first_margin_above(bound.above), np.float32)
        above = ops.add("GreaterOrEqual", margin, crossing)
        band = ops.add("Add", band, ops.cast(above, TensorProto.INT64))
    _text(ops, "decision", decider.schema.columns[0], band, valid)
