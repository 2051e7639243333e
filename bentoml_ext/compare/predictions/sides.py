"""Sides: each side of a comparison by itself, and how far the answers of both lie apart."""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np

from bentoml_ext.arrays import Floats
from bentoml_ext.compare.interval import Interval, wilson
from bentoml_ext.compare.predictions.answered import Answered, Numbers
from bentoml_ext.compare.predictions.kind import Kind

__all__ = ["Agreement", "AnswerCell", "PredictionSide", "Tenth", "agreement", "sides_of"]

BINS: Final = 40
TENTHS: Final = 10


class Tenth(msgspec.Struct, frozen=True):
    """Some of the applications with a known outcome, by rising prediction.

    Args:
        count: about a tenth of all.
        predicted: their mean prediction.
        observed: their mean outcome.
    """

    count: int
    predicted: float
    observed: float


class AnswerCell(msgspec.Struct, frozen=True):
    """Applications with one label in a row and one in a column.

    Args:
        row, column: labels.
        count: how many.
    """

    row: str
    column: str
    count: int


class PredictionSide(msgspec.Struct, frozen=True, kw_only=True):
    """One side: a version on some applications.

    Args:
        name: tag of the version, or name of the file.
        rows: applications.
        mean, median: of the predictions; None of classes.
        edges: ends of the histogram, the same of both sides; empty of classes.
        counts: applications in each part of the histogram, or with each label.
        tenths: prediction and outcome by rising prediction; empty without outcomes, and of classes.
        confusion: outcomes by row, predicted labels by column; empty without outcomes or classes.
    """

    name: str
    rows: int
    mean: float | None
    median: float | None
    edges: list[float]
    counts: list[int]
    tenths: list[Tenth]
    confusion: list[AnswerCell]


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """How the answers of two versions to the same applications agree.

    Args:
        equal: share with the same prediction or label, with Wilson's interval.
        mean: of the gaps, the challenger's less the champion's; None of classes.
        median, high, largest: of the gaps without their sign: the middle, what 95 % are within,
            and the greatest; None of classes.
        order: Spearman's correlation of both; None of classes, or where one side is constant.
        cells: of classes, the champion's label by row and the challenger's by column.
    """

    equal: Interval
    mean: float | None
    median: float | None
    high: float | None
    largest: float | None
    order: float | None
    cells: list[AnswerCell]


def sides_of(kind: Kind, names: tuple[str, str], *both: Answered) -> list[PredictionSide]:
    """The facts of each side, with one histogram's edges for both; neither is empty."""
    edges = np.zeros(0)
    if not kind.labels:
        values = [one.values.astype(np.float64) for one in both]
        edges = np.histogram_bin_edges(np.concatenate(values), BINS)
    return [_side(kind, name, one, edges) for name, one in zip(names, both, strict=True)]


def agreement(kind: Kind, one: Answered, other: Answered) -> Agreement:
    """How two versions agree on the same applications; at least one."""
    equal = int((one.values == other.values).sum())
    share = wilson(equal, len(one)) or Interval(0, 0, 1)
    if kind.labels:
        none = dict.fromkeys(("mean", "median", "high", "largest", "order"))
        return Agreement(equal=share, cells=_cells(kind, one.values, other.values), **none)
    gaps = other.values.astype(np.float64) - one.values
    sizes = np.abs(gaps)
    return Agreement(
        equal=share,
        mean=float(gaps.mean()),
        median=float(np.median(sizes)),
        high=float(np.quantile(sizes, 0.95)),
        largest=float(sizes.max()),
        order=_order(one.values, other.values),
        cells=[],
    )


def _order(one: Floats, other: Floats) -> float | None:
    from scipy.stats import spearmanr  # type: ignore[import-untyped]

    if (one == one[0]).all() or (other == other[0]).all():
        return None
    return float(spearmanr(one, other).statistic)


def _side(kind: Kind, name: str, given: Answered, edges: Numbers) -> PredictionSide:
    known, values = given.known, given.values
    if kind.labels:
        counts = np.bincount(values.astype(np.int64), minlength=len(kind.labels))
    else:
        counts, _ = np.histogram(values, edges)
    has_mean = not kind.labels
    return PredictionSide(
        name=name,
        rows=len(given),
        mean=float(values.mean(dtype=float)) if has_mean else None,
        median=float(np.median(values)) if has_mean else None,
        edges=edges.tolist(),
        counts=counts.tolist(),
        tenths=_tenths(known) if kind.task == "value" else [],
        confusion=_cells(kind, known.outcomes, known.values) if kind.labels and len(known) else [],
    )


def _tenths(known: Answered) -> list[Tenth]:
    order = np.argsort(known.values, kind="stable")
    parts = [part for part in np.array_split(order, TENTHS) if len(part)]
    return [
        Tenth(
            len(part),
            float(known.values[part].mean(dtype=float)),
            float(known.outcomes[part].mean()),
        )
        for part in parts
    ]


def _cells(kind: Kind, rows: Floats | Numbers, columns: Floats) -> list[AnswerCell]:
    from sklearn.metrics import confusion_matrix

    places = range(len(kind.labels))
    found = confusion_matrix(rows.astype(np.int64), columns.astype(np.int64), labels=list(places))
    return [
        AnswerCell(kind.labels[row], kind.labels[column], int(found[row, column]))
        for row in places
        for column in places
    ]
