"""Charts: what of a comparison is sooner seen than read."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape
from typing import Final, NamedTuple

from bentoml_ext.backends.crossover import MOST, Crossover
from bentoml_ext.compare.backends import BackendsReport
from bentoml_ext.compare.document import Report
from bentoml_ext.compare.side import Side
from bentoml_ext.compare.svg import Axis, Plot, Point, drawing
from bentoml_ext.compare.versions import VersionsReport

__all__ = ["Chart", "charts_of"]

KINDS: Final = "abcdef"
"""Classes of lines, which the page gives a colour and a dash each."""

PERCENT: Final = [(share / 100, f"{share} %") for share in (0, 25, 50, 75, 100)]

STEPS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25)

CELL: Final = (126, 62)
HEAD: Final = (112, 34)


class Chart(NamedTuple):
    """A chart.

    Args:
        title: what it shows.
        svg: its text.
    """

    title: str
    svg: str


def charts_of(report: Report) -> list[Chart]:
    """The charts of a comparison, in the order in which they are looked at."""
    if isinstance(report, BackendsReport):
        return [_latency(report)]
    if isinstance(report, VersionsReport):
        sides = report.champion, report.challenger
        return [_heat_map(report), *_strategy(sides), _histogram(sides)]
    sides = report.first, report.second
    return [_histogram(sides), *_strategy(sides)]


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


def _histogram(sides: Sequence[Side]) -> Chart:
    title = "Probabilities, with the bands of the first"
    shares = [[count / max(sum(one.histogram), 1) for count in one.histogram] for one in sides]
    most = max(map(max, shares))
    plot = Plot(title, Axis("probability", 0, 1, PERCENT), _upto(most, "share of applications"))
    edges = [0.0, *sides[0].cutoffs]
    for edge, answer in zip(edges, sides[0].answers, strict=True):
        plot.rule(edge, answer)
    for kind, side, heights in zip(KINDS, sides, shares, strict=False):
        plot.line(list(_steps(heights)), kind)
        plot.key(side.name, kind)
    return Chart(title, plot.svg())


def _steps(heights: Sequence[float]) -> Iterator[Point]:
    """The outline of a histogram over 0 to 1."""
    for place, height in enumerate(heights):
        yield place / len(heights), height
        yield (place + 1) / len(heights), height


def _strategy(sides: Sequence[Side]) -> list[Chart]:
    """The bad rate by approval rate, with a dot where each stands today."""
    curves = [(side, side.curve) for side in sides if side.curve is not None]
    if not curves:
        return []
    title = "Bad rate of those approved, for every approval rate; dots are today's cut-offs"
    most = max(max(curve.bad_rates) for _, curve in curves)
    plot = Plot(title, Axis("approval rate", 0, 1, PERCENT), _upto(most, "bad rate"))
    for kind, (side, curve) in zip(KINDS, curves, strict=False):
        points = list(zip(curve.approval_rates, curve.bad_rates, strict=True))
        plot.line(points, kind)
        plot.dot(*min(points, key=lambda one: abs(one[0] - side.approval_rate)), kind)
        plot.key(side.name, kind)
    return [Chart(title, plot.svg())]


def _upto(most: float, label: str) -> Axis:
    """An axis of shares from 0, with four round steps."""
    step = next(one for one in STEPS if 4 * one >= most)
    return Axis(
        label, 0, 4 * step, [(step * place, f"{step * place * 100:.3g} %") for place in range(5)]
    )


def _heat_map(report: VersionsReport) -> Chart:
    """A cell for each pair of answers; the darker, the more applications."""
    title = "Swap set: the champion's answer by row, the challenger's by column"
    before, after = report.champion.answers, report.challenger.answers
    parts = []
    for column, answer in enumerate(after):
        across = HEAD[0] + (column + 0.5) * CELL[0]
        parts.append(_text("tick", across, HEAD[1] - 10, answer))
    for place, cell in enumerate(report.swap_set):
        row, column = divmod(place, len(after))
        left, top = HEAD[0] + column * CELL[0], HEAD[1] + row * CELL[1]
        # By the root: a few who are moved are seen beside hundreds who stay.
        shade = 0.75 * math.sqrt(cell.group.count / report.rows)
        kind = "a" if before[row] == after[column] else "b"
        parts.append(
            f'<rect class="cell {kind}" fill-opacity="{shade:.3f}" x="{left}" y="{top}" '
            f'width="{CELL[0] - 3}" height="{CELL[1] - 3}" rx="4"/>'
        )
        middle = left + CELL[0] / 2
        parts.append(_text("count", middle, top + 28, f"{cell.group.count:,}"))
        if cell.group.bad_rate is not None:
            parts.append(_text("note", middle, top + 46, f"{cell.group.bad_rate.value:.1%} bad"))
        if column == 0:
            parts.append(_text("tick", HEAD[0] / 2, top + CELL[1] / 2, before[row]))
    width, height = HEAD[0] + len(after) * CELL[0], HEAD[1] + len(before) * CELL[1]
    return Chart(title, drawing(title, width, height, parts))


def _text(kind: str, x: float, y: float, text: str) -> str:
    return f'<text class="{kind}" text-anchor="middle" x="{x:g}" y="{y:g}">{escape(text)}</text>'


def _time(us: float) -> str:
    if us < 1_000:
        return f"{us:g} us"
    return f"{us / 1_000:g} ms" if us < 1_000_000 else f"{us / 1_000_000:g} s"
