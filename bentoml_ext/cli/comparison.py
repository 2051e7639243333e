"""Comparison: what `compare` shows while it works, and what it prints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table

from bentoml_ext.cli.plain_table import left_out, table
from bentoml_ext.cli.progress import progress, scoring
from bentoml_ext.compare.backends import BackendsReport, Steps

if TYPE_CHECKING:
    from bentoml_ext.compare.document import Report
    from bentoml_ext.compare.latency import Latency

__all__ = ["holds", "of", "steps"]


@contextmanager
def steps() -> Iterator[Steps]:
    """Bars on stderr, if that is a terminal: rows, measurements, processes."""
    with ExitStack() as stack:
        yield Steps(_Late(stack).rows, _Late(stack, "Timing").step, _Late(stack, "Loading").step)


class _Late:
    """A bar that is shown from its first step on, in the place of the one before."""

    def __init__(self, stack: ExitStack, what: str = "Comparing") -> None:
        self._stack, self._what = stack, what
        self._move: object = None

    def rows(self, done: int, total: int | None, rows: int) -> None:
        if self._move is None:
            self._stack.close()
            self._move = self._stack.enter_context(scoring(self._what))
        self._move(done, total, rows)  # type: ignore[operator]

    def step(self, done: int, total: int) -> None:
        if self._move is None:
            self._stack.close()
            self._move = self._stack.enter_context(progress(self._what))
        self._move(done, total)  # type: ignore[operator]


def holds(report: Report) -> bool:
    """Whether nothing differs that must be equal, and every gate holds."""
    is_equal = report.equal if isinstance(report, BackendsReport) else True
    return is_equal and all(one.holds for one in report.gates)


def of(report: Report) -> RenderableType:
    """A report as sentences and tables, what became of the gates at the end."""
    from bentoml_ext.cli.drift_tables import of_drift
    from bentoml_ext.cli.version_tables import of_versions
    from bentoml_ext.compare.versions import VersionsReport

    if isinstance(report, BackendsReport):
        body = _of_backends(report)
    else:
        body = of_versions(report) if isinstance(report, VersionsReport) else of_drift(report)
    return Group(body, *(f"Gate {one.text}" for one in report.gates))


def _of_backends(report: BackendsReport) -> RenderableType:
    """The verdict, then agreement, times and sizes as tables."""
    parts: list[RenderableType] = [report.verdict, "", _agreement(report), ""]
    parts += [_latency(report.latency, report.backends), "", _footprint(report), ""]
    lines = [f"Crossover: {report.crossover}.", f"Measured {report.measured.made}: "]
    lines[1] += f"{report.measured}."
    lines += left_out(report.data, report.model)
    lines += [one.difference for one in report.agreement if one.difference]
    return Group(*parts, *lines)


def _agreement(report: BackendsReport) -> Table:
    names = ("Backend", "Against", "Rows", "Equal", "Gap", "Probability", "Flips")
    made = table("Agreement", *names, right=3)
    for one in report.agreement:
        made.add_row(
            one.rows,
            one.backend,
            one.against,
            f"{one.checked:,}",
            f"{one.equal:,}",
            f"{one.largest_gap_ulp:,}",
            f"{one.largest_gap:.3g}",
            f"{one.decision_flips:,}",
        )
    return made


def _latency(latency: Sequence[Latency], backends: Sequence[str]) -> Table:
    """A row for each number of rows: p50, the spread of the rounds' p50, p99, rows a second."""
    columns = ("p50", "spread", "p99", "rows/s")
    made = table("Latency", *(f"{name} {column}" for name in backends for column in columns))
    for size in dict.fromkeys(one.rows for one in latency):
        cells = []
        for name in backends:
            one = next(found for found in latency if (found.rows, found.backend) == (size, name))
            spread = f"{_time(one.low_us)} to {_time(one.high_us)}"
            cells += [_time(one.p50_us), spread, _time(one.p99_us), f"{one.rows_per_s:,.0f}"]
        made.add_row("1 application" if size == 1 else f"{size:,} rows", *cells)
    return made


def _footprint(report: BackendsReport) -> Table:
    made = table("Footprint", "load", "spread", "memory", "form", "libraries")
    for one in report.footprint:
        made.add_row(
            one.backend,
            f"{one.load_s:.2f} s",
            f"{one.load_low_s:.2f} to {one.load_high_s:.2f} s",
            _size(one.memory_bytes),
            _size(one.form_bytes),
            "-" if one.library_bytes is None else _size(one.library_bytes),
        )
    return made


def _time(us: float) -> str:
    return f"{us:.1f} us" if us < 1_000 else f"{us / 1_000:.2f} ms"


def _size(octets: int) -> str:
    return f"{octets / 1e6:,.0f} MB" if octets >= 10_000_000 else f"{octets / 1e3:,.0f} KB"
