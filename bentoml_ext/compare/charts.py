"""Charts: what of a comparison is sooner seen than read."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final

from bentoml_ext.backends.crossover import MOST, Crossover
from bentoml_ext.compare.backends import BackendsReport
from bentoml_ext.compare.document import Report
from bentoml_ext.compare.heat_map import heat_map
from bentoml_ext.compare.predictions.charts import charts_of_predictions
from bentoml_ext.compare.predictions.report import PredictionsReport
from bentoml_ext.compare.side import Side
from bentoml_ext.compare.svg import KINDS, Axis, Chart, Plot, Point, upto
from bentoml_ext.compare.version_parts import SIDES
from bentoml_ext.compare.versions import VersionsReport

__all__ = ["charts_of"]

PERCENT: Final = [(share / 100, f"{share} %") for share in (0, 25, 50, 75, 100)]


def charts_of(report: Report) -> list[Chart]:
    """The charts of a comparison, in the order in which they are looked at."""
    if isinstance(report, BackendsReport):
        return [_latency(report)]
    if isinstance(report, VersionsReport):
        sides = report.champion, report.challenger
        return [_swap_set(report), *_strategy(SIDES, sides), _histogram(SIDES, sides)]
    if isinstance(report, PredictionsReport):
        return charts_of_predictions(report)
    sides = report.first, report.second
    names = [side.name for side in sides]
    return [_histogram(names, sides), *_strategy(names, sides)]


def _latency(report: BackendsReport) -> Chart:
    title = "Latency against rows of a call, p50 with the spread of the rounds"
    sizes = sorted({one.rows for one in report.latency})
    least = min(one.low_us for one in report.latency)
    most = max(one.high_us for one in report.latency)
    powers = range(math.floor(math.log10(least)), math.ceil(math.log10(most)) + 1)
    ticks = [(10.0**power, _time(10.0**power)) for power in powers]
    plot = Plot(
        title,
        Axis("rows of a call", sizes[0], sizes[-1], [(one, f"{one:,}") for one in sizes], True),
        Axis("time of a call", ticks[0][0], ticks[-1][0], ticks, True),
    )
    for kind, name in zip(KINDS, report.backends, strict=False):
        found = [one for one in report.latency if one.backend == name]
        plot.line([(one.rows, one.p50_us) for one in found], kind)
        for one in found:
            plot.span(one.rows, one.low_us, one.high_us, kind)
        plot.key(name, kind)
    for rows, name in Crossover.parse(report.crossover).steps[1:]:
        if rows < min(MOST, sizes[-1]):
            plot.rule(rows, f"{name} from {rows:,} on")
    return Chart(title, plot.svg())


def _histogram(names: Sequence[str], sides: Sequence[Side]) -> Chart:
    title = "Probabilities, with the bands of the first"
    shares = [[count / max(sum(one.histogram), 1) for count in one.histogram] for one in sides]
    most = max(map(max, shares))
    plot = Plot(title, Axis("probability", 0, 1, PERCENT), upto(most, "share of applications"))
    edges = [0.0, *sides[0].cutoffs]
    for edge, answer in zip(edges, sides[0].answers, strict=True):
        plot.rule(edge, answer)
    for kind, name, heights in zip(KINDS, names, shares, strict=False):
        plot.line(list(_steps(heights)), kind)
        plot.key(name, kind)
    return Chart(title, plot.svg())


def _steps(heights: Sequence[float]) -> Iterator[Point]:
    """The outline of a histogram over 0 to 1."""
    for place, height in enumerate(heights):
        yield place / len(heights), height
        yield (place + 1) / len(heights), height


def _strategy(names: Sequence[str], sides: Sequence[Side]) -> list[Chart]:
    """The bad rate by approval rate, with a dot where each stands today."""
    pairs = zip(names, sides, strict=True)
    curves = [(name, side, side.curve) for name, side in pairs if side.curve is not None]
    if not curves:
        return []
    title = "Bad rate of those approved, for every approval rate; dots are today's cut-offs"
    most = max(max(curve.bad_rates) for *_, curve in curves)
    plot = Plot(title, Axis("approval rate", 0, 1, PERCENT), upto(most, "bad rate"))
    for kind, (name, side, curve) in zip(KINDS, curves, strict=False):
        points = list(zip(curve.approval_rates, curve.bad_rates, strict=True))
        plot.line(points, kind)
        plot.dot(*min(points, key=lambda one: abs(one[0] - side.approval_rate)), kind)
        plot.key(name, kind)
    return [Chart(title, plot.svg())]


def _swap_set(report: VersionsReport) -> Chart:
    """A cell for each pair of answers; the darker, the more applications."""
    rates = [one.group.bad_rate for one in report.swap_set]
    return heat_map(
        "Swap set: the champion's answer by row, the challenger's by column",
        report.champion.answers,
        report.challenger.answers,
        [one.group.count for one in report.swap_set],
        ["" if rate is None else f"{rate.value:.1%} bad" for rate in rates],
    )


def _time(us: float) -> str:
    if us < 1_000:
        return f"{us:g} us"
    return f"{us / 1_000:g} ms" if us < 1_000_000 else f"{us / 1_000_000:g} s"
