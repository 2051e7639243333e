"""Drift parts: two files in sentences and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bentoml_ext.compare.grid import Part, grid, left_out
from bentoml_ext.compare.version_parts import calibrated, impacts, ranked, shifts, stability

if TYPE_CHECKING:
    from bentoml_ext.compare.drift import DriftReport

__all__ = ["of_drift"]


def of_drift(report: DriftReport) -> list[Part]:
    """The verdict, then rates, ranking, calibration and shifts."""
    sides = report.first, report.second
    rates = grid("File", "Applications", "Approved", "Mean probability")
    for side in sides:
        count = f"{sum(side.histogram):,}"
        rates.add_row(side.name, count, f"{side.approval_rate:.1%}", f"{side.mean_probability:.4f}")
    parts: list[Part] = [report.verdict, rates]
    if report.ranking is not None:
        parts += [ranked(report.ranking, *(side.name for side in sides))]
    if report.outcome:
        parts += [calibrated([side.name for side in sides], *sides)]
    parts += [stability("Score", report.psi), shifts("Fields", report.field_shift)]
    if report.impact is not None:
        parts += impacts(report.impact, *(side.name for side in sides))
    parts += report.notes
    parts += [*left_out(report.data, report.model), *left_out(report.second_data, report.model)]
    return [*parts, f"Measured {report.measured.made}: {report.measured}."]
