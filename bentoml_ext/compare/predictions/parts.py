"""Parts: predictions of two versions, or of two files, in sentences and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bentoml_ext.compare.grid import Grid, Part, figure, grid, left_out
from bentoml_ext.compare.predictions.verdict import NAMES, spread
from bentoml_ext.compare.version_parts import SIDES, shifts, stability

if TYPE_CHECKING:
    from bentoml_ext.compare.predictions.measures import Measure
    from bentoml_ext.compare.predictions.report import PredictionsReport
    from bentoml_ext.compare.predictions.sides import AnswerCell, PredictionSide

__all__ = ["names_of", "of_predictions"]

SHOWN: Final = 5


def names_of(report: PredictionsReport) -> tuple[str, str]:
    """What the two sides are called."""
    if report.agreement is not None:
        return SIDES
    return report.first.name, report.second.name


def of_predictions(report: PredictionsReport) -> list[Part]:
    """The verdict, then agreement, measures, sides and shifts."""
    names, sides = names_of(report), (report.first, report.second)
    parts: list[Part] = [report.verdict]
    parts += _agreement(report)
    if report.measures:
        parts += [_measures(report.measures, *names)]
    parts += [_labels(report) if report.labels else _spread(*names, *sides)]
    for name, side in zip(names, sides, strict=True):
        if side.confusion:
            parts += [_cells(f"Outcome \\ {name}", report.labels, side.confusion)]
        if side.tenths:
            parts += [_tenths(name, side)]
    parts += [stability("Predictions", report.psi)]
    if report.field_shift:
        parts += [shifts("Fields", report.field_shift)]
    if report.movers:
        parts += [_movers(report)]
    parts += report.notes
    parts += left_out(report.data, report.first.name)
    parts += left_out(report.second_data, report.second.name)
    return [*parts, f"Measured {report.measured.made}: {report.measured}."]


def _agreement(report: PredictionsReport) -> list[Part]:
    found = report.agreement
    if found is None:
        return []
    if report.labels:
        return [_cells("champion \\ challenger", report.labels, found.cells)]
    made = grid("Challenger less champion", "Mean", "Half within", "95 % within", "Largest")
    gaps = (found.mean, found.median, found.high, found.largest)
    made.add_row("prediction", *(_number(gap) for gap in gaps))
    return [made]


def _measures(found: list[Measure], *names: str) -> Grid:
    made = grid("Measure", *names, "Difference", "Better is")
    for one in found:
        figures = one.figures
        shown = (figures.champion, figures.challenger, figures.difference)
        made.add_row(
            NAMES[one.name],
            *(spread(part) for part in shown[:2]),
            spread(shown[2], "+"),
            one.better,
        )
    return made


def _labels(report: PredictionsReport) -> Grid:
    """How often each label is predicted on each side."""
    made = grid("Predicted", *names_of(report))
    sides = report.first, report.second
    for place, label in enumerate(report.labels):
        cells = (f"{s.counts[place]:,} ({s.counts[place] / s.rows:.1%})" for s in sides)
        made.add_row(label, *cells)
    return made


def _spread(one: str, other: str, first: PredictionSide, second: PredictionSide) -> Grid:
    made = grid("Predictions", "Applications", "Mean", "Median")
    for name, side in ((one, first), (other, second)):
        made.add_row(name, f"{side.rows:,}", _number(side.mean), _number(side.median))
    return made


def _tenths(name: str, side: PredictionSide) -> Grid:
    made = grid(f"Tenths of {name}", "Known", "Predicted", "Observed")
    for place, one in enumerate(side.tenths, 1):
        made.add_row(str(place), f"{one.count:,}", _number(one.predicted), _number(one.observed))
    return made


def _cells(title: str, labels: list[str], cells: list[AnswerCell]) -> Grid:
    made = grid(title, *labels)
    counts = iter(cells)
    for label in labels:
        made.add_row(label, *(f"{next(counts).count:,}" for _ in labels))
    return made


def _movers(report: PredictionsReport) -> Grid:
    made = grid("Row", "Before", "After", "Gap", "Outcome", "Fields", right=9)
    for one in report.movers[:SHOWN]:
        moved = (_said(part) for part in (one.champion, one.challenger, one.gap, one.outcome))
        fields = ", ".join(f"{name}={value}" for name, value in one.fields.items())
        made.add_row(str(one.row), *moved, fields)
    return made


def _said(value: Any) -> str:
    return value if isinstance(value, str) else _number(value)


def _number(value: float | None) -> str:
    return "-" if value is None else figure(value)
