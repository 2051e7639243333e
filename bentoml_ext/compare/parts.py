"""Parts: any comparison in sentences and tables, the verdict first."""

from __future__ import annotations

from bentoml_ext.compare.backend_parts import of_backends
from bentoml_ext.compare.backends import BackendsReport
from bentoml_ext.compare.document import Report
from bentoml_ext.compare.drift_parts import of_drift
from bentoml_ext.compare.grid import Part
from bentoml_ext.compare.predictions.parts import of_predictions
from bentoml_ext.compare.predictions.report import PredictionsReport
from bentoml_ext.compare.version_parts import of_versions
from bentoml_ext.compare.versions import VersionsReport

__all__ = ["holds", "parts_of"]


def holds(report: Report) -> bool:
    """Whether nothing differs that must be equal, and every gate holds."""
    is_equal = report.equal if isinstance(report, BackendsReport) else True
    return is_equal and all(one.holds for one in report.gates)


def _body(report: Report) -> list[Part]:
    if isinstance(report, BackendsReport):
        return of_backends(report)
    if isinstance(report, PredictionsReport):
        return of_predictions(report)
    return of_versions(report) if isinstance(report, VersionsReport) else of_drift(report)


def parts_of(report: Report) -> list[Part]:
    """A report in the order in which it is read, what became of the gates at the end."""
    return [*_body(report), *(f"Gate {one.text}" for one in report.gates)]
