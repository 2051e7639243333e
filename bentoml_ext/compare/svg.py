"""SVG: a chart with two axes, as text that needs no script and takes its colours from the page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Final, NamedTuple, TypeAlias

__all__ = ["KINDS", "Axis", "Chart", "Plot", "Point", "drawing", "upto"]

KINDS: Final = "abcdef"
"""Classes of lines, which the page gives a colour and a dash each."""

STEPS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25)

WIDTH: Final = 480
HEIGHT: Final = 300
LEFT: Final = 72
RIGHT: Final = 26
TOP: Final = 26
BOTTOM: Final = 44

Point: TypeAlias = tuple[float, float]


class Chart(NamedTuple):
    """A chart.

    Args:
        title: what it shows.
        svg: its text.
    """

    title: str
    svg: str


@dataclass(frozen=True)
class Axis:
    """An axis.

    Args:
        label: what it shows, with its unit.
        low, high: its ends.
        ticks: values, and how they are written.
        is_log: whether equal steps are equal factors.
    """

    label: str
    low: float
    high: float
    ticks: Sequence[tuple[float, str]]
    is_log: bool = False

    def share(self, value: float) -> float:
        """The place of a value: 0 at the low end, 1 at the high end."""
        low, high = self.low, self.high
        if self.is_log:
            value, low, high = (math.log(max(one, 1e-300)) for one in (value, low, high))
        return (value - low) / (high - low) if high > low else 0.5


def upto(most: float, label: str) -> Axis:
    """An axis of shares from 0, with four round steps."""
    step = next((one for one in STEPS if 4 * one >= most), STEPS[-1])
    return Axis(
        label, 0, 4 * step, [(step * place, f"{step * place * 100:.3g} %") for place in range(5)]
    )


@dataclass
class Plot:
    """A chart that grows. Lines of class `a` and `b` have the two colours of the page.

    Args:
        title: read out by a screen reader.
        x, y: the axes.
    """

    title: str
    x: Axis
    y: Axis
    _parts: list[str] = field(default_factory=list)
    _keys: int = 0

    def line(self, points: Sequence[Point], kind: str) -> None:
        """A line through points."""
        places = " ".join(f"{self._at(*point)}" for point in points)
        self._parts.append(f'<polyline class="line {kind}" points="{places}"/>')

    def span(self, x: float, low: float, high: float, kind: str) -> None:
        """A vertical bar from one value to another, for a spread."""
        (left, top), (_, bottom) = self._place(x, high), self._place(x, low)
        self._parts.append(
            f'<line class="span {kind}" x1="{left:.1f}" x2="{left:.1f}" y1="{top:.1f}" '
            f'y2="{bottom:.1f}"/>'
        )

    def dot(self, x: float, y: float, kind: str) -> None:
        """A mark at a point."""
        across, down = self._place(x, y)
        self._parts.append(f'<circle class="dot {kind}" cx="{across:.1f}" cy="{down:.1f}" r="4"/>')

    def rule(self, x: float, text: str) -> None:
        """A dashed line from bottom to top, with words at its upper end."""
        across, _ = self._place(x, self.y.low)
        near_end = across > WIDTH * 0.7
        anchor, shift = ("end", -4) if near_end else ("start", 4)
        self._parts.append(
            f'<line class="rule" x1="{across:.1f}" x2="{across:.1f}" y1="{TOP}" '
            f'y2="{HEIGHT - BOTTOM}"/><text class="note" text-anchor="{anchor}" '
            f'x="{across + shift:.1f}" y="{TOP + 12}">{escape(text)}</text>'
        )

    def key(self, text: str, kind: str) -> None:
        """A line of the legend, above the chart."""
        across = LEFT + self._keys * (WIDTH - LEFT - RIGHT) / 2
        self._keys += 1
        self._parts.append(
            f'<line class="line {kind}" x1="{across}" x2="{across + 20}" y1="10" y2="10"/>'
            f'<text class="note" x="{across + 25}" y="14">{escape(_short(text))}</text>'
        )

    def svg(self) -> str:
        """The chart."""
        return drawing(self.title, WIDTH, HEIGHT, [*self._axes(), *self._parts])

    def _axes(self) -> list[str]:
        made = []
        for value, text in self.x.ticks:
            across, down = self._place(value, self.y.low)
            made.append(
                f'<text class="tick" text-anchor="middle" x="{across:.1f}" '
                f'y="{down + 16:.1f}">{escape(text)}</text>'
            )
        for value, text in self.y.ticks:
            across, down = self._place(self.x.low, value)
            made.append(
                f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{down:.1f}" '
                f'y2="{down:.1f}"/><text class="tick" text-anchor="end" x="{across - 6:.1f}" '
                f'y="{down + 4:.1f}">{escape(text)}</text>'
            )
        middle = (LEFT + WIDTH - RIGHT) / 2
        made.append(
            f'<text class="tick" text-anchor="middle" x="{middle}" y="{HEIGHT - 6}">'
            f"{escape(self.x.label)}</text>"
            f'<text class="tick" text-anchor="middle" transform="translate(12 {HEIGHT / 2}) '
            f'rotate(-90)">{escape(self.y.label)}</text>'
        )
        return made

    def _place(self, x: float, y: float) -> Point:
        across = LEFT + self.x.share(x) * (WIDTH - LEFT - RIGHT)
        return across, HEIGHT - BOTTOM - self.y.share(y) * (HEIGHT - TOP - BOTTOM)

    def _at(self, x: float, y: float) -> str:
        across, down = self._place(x, y)
        return f"{across:.1f},{down:.1f}"


def drawing(title: str, width: float, height: float, parts: Sequence[str]) -> str:
    """An SVG of parts, with a title that a screen reader reads."""
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(title)}">'
        f"{''.join(parts)}</svg>"
    )


def _short(text: str) -> str:
    # Versions of one model differ at their end.
    return text if len(text) <= 26 else f"{text[:12]}…{text[-12:]}"
