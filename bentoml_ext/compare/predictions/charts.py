"""Charts: predictions of both sides, and how they fit the outcomes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bentoml_ext.compare.grid import figure
from bentoml_ext.compare.heat_map import heat_map
from bentoml_ext.compare.predictions.parts import names_of
from bentoml_ext.compare.predictions.report import PredictionsReport
from bentoml_ext.compare.predictions.sides import AnswerCell, PredictionSide
from bentoml_ext.compare.svg import KINDS, Axis, Chart, Plot, Point, upto

__all__ = ["charts_of_predictions"]

TICKS = 5


def charts_of_predictions(report: PredictionsReport) -> list[Chart]:
    """The charts of a comparison without bands, in the order in which they are looked at."""
    names, sides = names_of(report), (report.first, report.second)
    if report.labels:
        return list(_heat_maps(report, names, sides))
    return [*_fits(names, sides), _histogram(names, sides)]


def _heat_maps(
    report: PredictionsReport, names: Sequence[str], sides: Sequence[PredictionSide]
) -> Iterator[Chart]:
    if report.agreement is not None:
        title = "Classes: the champion's by row, the challenger's by column"
        yield _cells(title, report.labels, report.agreement.cells)
    for name, side in zip(names, sides, strict=True):
        if side.confusion:
            title = f"Outcomes by row, predictions by column: {name}"
            yield _cells(title, report.labels, side.confusion)


def _cells(title: str, labels: Sequence[str], cells: Sequence[AnswerCell]) -> Chart:
    return heat_map(title, labels, labels, [one.count for one in cells])


def _histogram(names: Sequence[str], sides: Sequence[PredictionSide]) -> Chart:
    title = "Predictions of both"
    shares = [[count / side.rows for count in side.counts] for side in sides]
    edges = sides[0].edges
    plot = Plot(
        title,
        _axis("prediction", edges[0], edges[-1]),
        upto(max(map(max, shares)), "share of applications"),
    )
    for kind, name, heights in zip(KINDS, names, shares, strict=False):
        plot.line(list(_steps(edges, heights)), kind)
        plot.key(name, kind)
    return Chart(title, plot.svg())


def _steps(edges: Sequence[float], heights: Sequence[float]) -> Iterator[Point]:
    for place, height in enumerate(heights):
        yield edges[place], height
        yield edges[place + 1], height


def _fits(names: Sequence[str], sides: Sequence[PredictionSide]) -> list[Chart]:
    """Mean outcome against mean prediction; on the thin line both are equal."""
    found = [(name, side) for name, side in zip(names, sides, strict=True) if side.tenths]
    if not found:
        return []
    title = "Mean outcome by tenths of the prediction; on the dotted line both are equal"
    tenths = [one for _, side in found for one in side.tenths]
    predicted, observed = [one.predicted for one in tenths], [one.observed for one in tenths]
    low, high = min(predicted + observed), max(predicted + observed)
    plot = Plot(title, _axis("mean prediction", low, high), _axis("mean outcome", low, high))
    plot.line([(low, low), (high, high)], "rule")
    for kind, (name, side) in zip(KINDS, found, strict=False):
        points = [(one.predicted, one.observed) for one in side.tenths]
        plot.line(points, kind)
        for point in points:
            plot.dot(*point, kind)
        plot.key(name, kind)
    return [Chart(title, plot.svg())]


def _axis(label: str, low: float, high: float) -> Axis:
    step = (high - low) / (TICKS - 1)
    values = [low + step * place for place in range(TICKS)]
    return Axis(label, low, high, [(value, figure(value, 3)) for value in values])
