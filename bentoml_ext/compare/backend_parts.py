"""Backend parts: the backends of a version in sentences and tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bentoml_ext.compare.grid import Grid, Part, grid, left_out

if TYPE_CHECKING:
    from bentoml_ext.compare.backends import BackendsReport
    from bentoml_ext.compare.latency import Latency

__all__ = ["of_backends"]


def of_backends(report: BackendsReport) -> list[Part]:
    """The verdict, then agreement, times and sizes as tables."""
    parts: list[Part] = [report.verdict, _agreement(report)]
    parts += [_latency(report.latency), _footprint(report)]
    lines = [f"Crossover: {report.crossover}.", f"Measured {report.measured.made}: "]
    lines[1] += f"{report.measured}."
    lines += left_out(report.data, report.model)
    lines += [one.difference for one in report.agreement if one.difference]
    return [*parts, *lines]


def _agreement(report: BackendsReport) -> Grid:
    names = ("Backend", "Against", "Rows", "Equal", "Gap", "Prediction", "Flips")
    made = grid("Agreement", *names, right=3)
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


def _latency(latency: Sequence[Latency]) -> Grid:
    """A row for each number of rows and backend."""
    made = grid("Latency", "Backend", "p50", "spread", "p99", "rows/s", right=2)
    for one in sorted(latency, key=lambda one: one.rows):
        made.add_row(
            "1 application" if one.rows == 1 else f"{one.rows:,} rows",
            one.backend,
            _time(one.p50_us),
            f"{_time(one.low_us)} to {_time(one.high_us)}",
            _time(one.p99_us),
            f"{one.rows_per_s:,.0f}",
        )
    return made


def _footprint(report: BackendsReport) -> Grid:
    made = grid("Footprint", "load", "spread", "memory", "form", "libraries")
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
