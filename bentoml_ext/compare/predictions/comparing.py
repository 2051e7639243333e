"""Comparing: two versions on one file, or one version on two files, without bands."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from bentoml_ext.arrays import Floats, Predictions
from bentoml_ext.compare.applications import Progress
from bentoml_ext.compare.machine import Machine
from bentoml_ext.compare.paired import InStep
from bentoml_ext.compare.predictions.answered import Answered, Numbers
from bentoml_ext.compare.predictions.kind import Kind
from bentoml_ext.compare.predictions.measures import measures
from bentoml_ext.compare.predictions.movers import PredictionMover, PredictionMovers
from bentoml_ext.compare.predictions.predicting import Predicting
from bentoml_ext.compare.predictions.report import PredictionsReport
from bentoml_ext.compare.predictions.sides import PredictionSide, agreement, sides_of
from bentoml_ext.compare.predictions.verdict import notes, verdict_of_files, verdict_of_versions
from bentoml_ext.compare.scored import check_outcome
from bentoml_ext.compare.scores_file import write_table
from bentoml_ext.compare.stability import Stability, field_shifts, of_counts, of_values
from bentoml_ext.errors import UnreadableInput

__all__ = ["compare_prediction_files", "compare_prediction_versions"]


def compare_prediction_versions(
    champion: Predicting,
    challenger: Predicting,
    on_progress: Progress | None = None,
    scores: Path | None = None,
) -> PredictionsReport:
    """Compare two versions of one kind on a file.

    Args:
        champion, challenger: of the same file, with the same outcome.
        on_progress: see `Progress`.
        scores: file for the paired predictions, Parquet.

    Raises:
        UnreadableInput: as `Applications.batches`; or no application that both answer.
        ConfigError: the outcome is a field, or has values that the model does not predict.
    """
    check_outcome(champion.outcome, champion.subject, challenger.subject)
    measured, kind = Machine.here(), champion.kind
    one, other, movers = _in_step(champion, challenger, on_progress)
    both = one.answers & other.answers
    one, other = one.of(both), other.of(both)
    _check_any(champion, one)
    tags = str(champion.subject.tag), str(challenger.subject.tag)
    if scores is not None:
        columns = {"row": pa.array(np.flatnonzero(both)), **_columns(kind, one, other)}
        metadata = {"champion": tags[0], "challenger": tags[1]}
        write_table(scores, pa.table(columns).replace_schema_metadata(metadata))
    agreed = agreement(kind, one, other)
    figures = measures(kind, one.known, other.known, is_paired=True)
    return _report(
        (champion, challenger),
        sides_of(kind, tags, one, other),
        verdict=verdict_of_versions(kind, agreed, figures, len(one)),
        agreement=agreed,
        measures=figures,
        psi=_psi(kind, one, other),
        movers=movers,
        notes=notes(champion, one, figures, is_paired=True),
        measured=measured,
    )


def compare_prediction_files(
    first: Predicting, second: Predicting, on_progress: Progress | None = None
) -> PredictionsReport:
    """Compare two files under one version.

    Raises:
        UnreadableInput: as `Applications.batches`; or a file without an answer.
        ConfigError: the outcome is a field, or has values that the model does not predict.
    """
    check_outcome(first.outcome, first.subject)
    measured, kind = Machine.here(), first.kind
    one, other = (_answered(predicting, on_progress) for predicting in (first, second))
    paths = first.data.path, second.data.path
    names = tuple(str(path) if paths[0].name == paths[1].name else path.name for path in paths)
    figures = measures(kind, one.known, other.known, is_paired=False)
    sides = sides_of(kind, (names[0], names[1]), one, other)
    psi = _psi(kind, one, other)
    shift = field_shifts(first.subject.bundle.encoder, first.sample.rows, second.sample.rows)
    said = [
        f"{side.name}: {note}"
        for side, part, answered in zip(sides, (first, second), (one, other), strict=True)
        for note in notes(part, answered, figures, is_paired=False)
    ]
    return _report(
        (first, second),
        sides,
        verdict=verdict_of_files(kind, sides, psi, shift),
        measures=figures,
        psi=psi,
        field_shift=shift,
        notes=said,
        measured=measured,
    )


def _report(
    both: tuple[Predicting, Predicting], sides: Sequence[PredictionSide], **figures: Any
) -> PredictionsReport:
    """The report of both, with what they are."""
    first, second = both
    return PredictionsReport(
        task=first.kind.task,
        labels=list(first.kind.labels),
        first=sides[0],
        second=sides[1],
        data=first.data.facts(),
        second_data=second.data.facts(),
        outcome=first.outcome,
        group=first.group,
        **figures,
    )


def _in_step(
    champion: Predicting, challenger: Predicting, on_progress: Progress | None
) -> tuple[Answered, Answered, list[PredictionMover]]:
    """What both answer to all applications, and those that move most."""
    movers = PredictionMovers(champion.kind)
    others: InStep[Predictions] = InStep(block.predictions for block in challenger.blocks())
    for batch, predictions, _ in champion.blocks(on_progress):
        movers.see(predictions, others.take(len(predictions)), batch.texts)
    others.end()
    one, other = champion.whole(), challenger.whole()
    return one, other, movers.found(one, other)


def _answered(predicting: Predicting, on_progress: Progress | None) -> Answered:
    for _ in predicting.blocks(on_progress):
        pass
    whole = predicting.whole()
    found = whole.of(whole.answers)
    _check_any(predicting, found)
    return found


def _check_any(predicting: Predicting, found: Answered) -> None:
    if not len(found):
        data = predicting.data
        raise UnreadableInput(
            f"Expected an application with an answer, got {data.rows:,} without one - at "
            f"{data.path}. {data.first_refusal}".rstrip()
        )


def _psi(kind: Kind, one: Answered, other: Answered) -> Stability | None:
    if not kind.labels:
        return of_values(one.values, other.values)
    most = len(kind.labels)
    counts = [np.bincount(part.values.astype(np.int64), minlength=most) for part in (one, other)]
    return of_counts(counts[0], counts[1])


def _columns(kind: Kind, one: Answered, other: Answered) -> dict[str, pa.Array]:
    """What both answer, and what became of it."""
    columns = {}
    for name, side in (("champion", one), ("challenger", other)):
        columns[f"{name}_prediction"] = _said(kind, side.values)
        if kind.has_chances:
            columns[f"{name}_outcome_probability"] = pa.array(side.chances, from_pandas=True)
    return {**columns, "outcome": _said(kind, one.outcomes)}


def _said(kind: Kind, values: Floats | Numbers) -> pa.Array:
    """Numbers, or labels by their place; null for NaN."""
    if not kind.labels:
        return pa.array(values, from_pandas=True)
    places = pa.array(values, pa.float64(), from_pandas=True).cast(pa.int8())
    return pa.DictionaryArray.from_arrays(places, pa.array(kind.labels))
