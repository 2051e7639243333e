"""Document: a comparison as JSON, and the schema of it."""

from __future__ import annotations

import inspect
from typing import Any, TypeAlias

import msgspec

from bentoml_ext.compare.backends import BackendsReport
from bentoml_ext.compare.drift import DriftReport
from bentoml_ext.compare.predictions.report import PredictionsReport
from bentoml_ext.compare.versions import VersionsReport

__all__ = ["Report", "schema", "to_json"]

Report: TypeAlias = BackendsReport | VersionsReport | DriftReport | PredictionsReport


def to_json(report: Report) -> bytes:
    """A report as JSON."""
    return msgspec.json.format(msgspec.json.encode(report), indent=1)


def schema() -> dict[str, Any]:
    """The JSON schema of every report."""
    made = msgspec.json.schema(Report)
    for one in made["$defs"].values():
        # Python 3.13 keeps docstrings without their indentation, earlier ones with it.
        one["description"] = inspect.cleandoc(one["description"])
    return made
