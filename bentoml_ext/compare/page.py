"""Page: a comparison as one HTML file that loads nothing and runs nothing."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from bentoml_ext.compare.backends import BackendsReport
from bentoml_ext.compare.charts import charts_of
from bentoml_ext.compare.document import Report
from bentoml_ext.compare.grid import Grid
from bentoml_ext.compare.parts import holds, parts_of
from bentoml_ext.compare.predictions.report import PredictionsReport
from bentoml_ext.compare.versions import VersionsReport

__all__ = ["to_html"]


def to_html(report: Report) -> bytes:
    """The page of a report, UTF-8."""
    environment = Environment(
        loader=PackageLoader("bentoml_ext.compare", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    verdict, *parts = parts_of(report)
    shown = {f"Gate {one.text}" for one in report.gates}
    page = environment.get_template("page.html").render(
        title=_title(report),
        verdict=verdict,
        holds=holds(report),
        gates=report.gates,
        # The charts are made here, of numbers and of escaped names.
        charts=[(one.title, Markup(one.svg)) for one in charts_of(report)],  # noqa: S704
        grids=[one for one in parts if isinstance(one, Grid)],
        notes=[one for one in parts if isinstance(one, str) and one not in shown],
    )
    return page.encode()


def _title(report: Report) -> str:
    if isinstance(report, BackendsReport):
        return f"Backends of {report.model}"
    if isinstance(report, VersionsReport):
        return f"{report.champion.name} and {report.challenger.name}"
    between = f"{report.first.name} and {report.second.name}"
    return between if isinstance(report, PredictionsReport) else f"{between} under {report.model}"
