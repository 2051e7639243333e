"""Report: two versions, or one version on two files, of a model without bands."""

from __future__ import annotations

import msgspec

from bentoml_ext.compare.applications import FileFacts
from bentoml_ext.compare.gate import GateResult
from bentoml_ext.compare.machine import Machine
from bentoml_ext.compare.predictions.kind import Task
from bentoml_ext.compare.predictions.measures import Measure
from bentoml_ext.compare.predictions.movers import PredictionMover
from bentoml_ext.compare.predictions.sides import Agreement, PredictionSide
from bentoml_ext.compare.stability import FieldShift, Stability

__all__ = ["PredictionsReport"]


class PredictionsReport(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="predictions"
):
    """A model that answers a value, an order or a class.

    Args:
        verdict: what changes, in one sentence.
        task: what the model answers.
        labels: of the classes; empty of another task.
        first, second: champion and challenger, or one version on the first and second file.
        data, second_data: the file as both versions read it, or the two files.
        outcome: name of the column with the outcomes; empty where none was named.
        group: name of the column of those that are ranked together; empty where none was named.
        agreement: of two versions on the same applications; None of two files.
        measures: how well the predictions fit the outcomes; empty without enough of them.
        psi: of the predictions.
        field_shift: of two files, CSI by field; empty of two versions.
        movers: of two versions, the applications that move most.
        notes: what the figures cannot say, in sentences.
        measured: where and when.
        gates: what became of the limits.
    """

    verdict: str
    task: Task
    labels: list[str]
    first: PredictionSide
    second: PredictionSide
    data: FileFacts
    second_data: FileFacts
    outcome: str
    group: str
    measures: list[Measure]
    psi: Stability | None
    notes: list[str]
    measured: Machine
    agreement: Agreement | None = None
    field_shift: list[FieldShift] = []
    movers: list[PredictionMover] = []
    gates: list[GateResult] = []
