"""Applications: the real feature path, from what a client sends to what it is answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from bentoml_ext.arrays import Rows
from bentoml_ext.boosters.base import Truth
from bentoml_ext.encoders.arithmetic import undone
from bentoml_ext.encoders.edges import beside_edges
from bentoml_ext.encoders.encoder import Application, Encoder, Field
from bentoml_ext.encoders.field import FLOAT32_MAX
from bentoml_ext.encoders.steps import Number, Ranges
from bentoml_ext.proof.bits import BitComparison
from bentoml_ext.proof.reference_decisions import compare_decider
from bentoml_ext.proving.row_sampler import Sampler
from bentoml_ext.scoring.scorer import Scorer

__all__ = ["generated", "through_reader"]


def generated(encoder: Encoder, sampler: Sampler, n: int) -> list[Application]:
    """Applications that the encoder's rules admit, their numbers over the training ranges.

    Args:
        encoder: with the rules of its fields.
        sampler: of the booster's thresholds.
        n: how many.
    """
    random = sampler.random
    columns = {field.name: _values(field, encoder, sampler, n) for field in encoder.fields}
    for field in encoder.fields:
        if field.nullable:
            given = random.random(n) > 0.1
            values = columns[field.name]
            columns[field.name] = [v if g else None for v, g in zip(values, given, strict=True)]
    return [
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ]


def _values(field: Field, encoder: Encoder, sampler: Sampler, n: int) -> list[Any]:
    random = sampler.random
    step = encoder.step(field.name)
    known: list[Any] = [*field.categories, *field.baseline] or [*field.codes]
    if known and (field.is_listed or not isinstance(step, Number | Ranges)):
        return [known[at] for at in random.integers(len(known), size=n)]
    values = random.integers(-4_000, 4_001, n) / 4
    if isinstance(step, Number):
        values = undone(step, sampler.column(step.column, n))
        # More digits than float32 has: the encoder's rounding is a step of the path.
        values *= 1 + random.uniform(-1e-8, 1e-8, n) * (random.random(n) < 0.5)
        if encoder.missing is not None:
            (marker,) = undone(step, np.array([encoder.missing]))
            values[random.random(n) < 0.1] = marker
    if len(edges := beside_edges(encoder, field)):
        share = 0.3 if isinstance(step, Number) else 1.0
        values = np.where(random.random(n) < share, random.choice(edges, n), values)
    values = values.clip(-FLOAT32_MAX, FLOAT32_MAX)
    low, high = field.minimum, field.maximum
    values = values.clip(-np.inf if low is None else low, np.inf if high is None else high)
    values[np.isin(values, field.sentinels)] = max(field.minimum or 0.0, 0.0)
    made: list[Any] = values.tolist()
    if field.boolean:
        flags = random.random(n).tolist()
        made = [flag < 0.05 if flag < 0.1 else one for flag, one in zip(flags, made, strict=True)]
    return made


def through_reader(
    comparison: BitComparison,
    scorer: Scorer,
    applications: Sequence[Application],
    rows: Rows,
    truth: Truth,
) -> None:
    """Compare the way of a request: JSON, JsonDecoder, one row in place, margin, answer.

    An application that the JsonDecoder does not take is left out: a request with it uses the
    Encoder.

    Args:
        comparison: collects the result.
        scorer: with the backend that is judged.
        applications: valid ones.
        rows: what the encoder makes of them.
        truth: the booster's answers to these rows.
    """
    values = [scorer.reader.one(msgspec.json.encode(one)) for one in applications]
    taken = np.array([one is not None for one in values], np.bool_)
    plain = [one for one in values if one is not None]
    if not plain:
        return
    rows, margins = rows[taken], np.concatenate([scorer.single(one, np.copy) for one in plain])
    single = np.empty_like(rows)
    octets = single.data.cast("B")
    for index, one in enumerate(plain):
        scorer.reader.write(one, octets.cast("f"), octets, index)
    comparison.compare("row", rows, single, rows)
    comparison.compare("row in a batch", rows, scorer.reader.rows(plain), rows)
    part = truth.of(taken)
    comparison.compare("margin", part.margins, margins, rows)
    compare_decider(comparison, scorer.decider, margins, part.served, rows, singly=True)
    comparison.seen(len(rows))
