"""Shown: what the page shows of the model that a service answers with."""

from __future__ import annotations

from datetime import UTC, datetime
from inspect import cleandoc
from typing import TYPE_CHECKING, Any

import msgspec

import bentoml_ext

if TYPE_CHECKING:
    from pathlib import Path

    from bentoml_ext.serving.classifier import Classifier

__all__ = ["shown_of"]


def shown_of(service: Classifier, name: str) -> dict[str, Any]:
    """Facts for the page, as JSON has them.

    Args:
        service: ready to answer.
        name: of the service.
    """
    served = service.served[""]
    manifest, decider = served.bundle.manifest, served.scorer.decider
    facts = {
        "service": name,
        "says": cleandoc(type(service).__doc__ or "").partition("\n\n")[0],
        "version": bentoml_ext.__version__,
        "tag": str(served.stored.tag),
        "created": served.stored.info.creation_time.isoformat(timespec="seconds"),
        "backend": served.scorer.backend.name,
        "objective": manifest.objective,
        "trees": manifest.n_trees,
        "provenance": str(served.provenance),
        "policy": decider.policy,
        "columns": decider.schema.columns,
        "proof": served.proof.summary(served.proof_sha256),
        "self_test": served.self_test,
        "example": service.slots[""].contract.application()["example"],
        "report": _written(service.settings.report),
    }
    found: dict[str, Any] = msgspec.to_builtins(facts)
    found["fields"] = [
        msgspec.to_builtins(field) | {"expected": field.expected}
        for field in served.scorer.encoder.fields
    ]
    return found


def _written(report: Path | None) -> str | None:
    """When the report was written, ISO 8601 in UTC; None without a report that can be read."""
    if report is None:
        return None
    try:
        written = datetime.fromtimestamp(report.stat().st_mtime, UTC)
    except OSError:
        return None
    return written.isoformat(timespec="seconds")
