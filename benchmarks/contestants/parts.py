"""What the contestants share: the same model, read the way that such services read it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import bentoml
import pydantic
from sklearn.feature_extraction import DictVectorizer

from benchmarks.vectorizing import vectorizer as made
from models.fields import FIELDS

__all__ = ["Application", "decision", "file", "vectorizer"]


def _type(field: Any) -> Any:
    kind = Literal[field.categories] if field.categories else float
    return kind | None if field.nullable else kind


_fields: dict[str, Any] = {field.name: (_type(field), ...) for field in FIELDS}
Application: Any = pydantic.create_model("Application", **_fields)


def file(name: str) -> Path:
    """A file of the model: booster.ubj or graph.onnx."""
    return Path(bentoml.models.get("credit_risk_model:latest").path_of(name))


def vectorizer() -> DictVectorizer:
    """The DictVectorizer that the model was trained with."""
    import bentoml_ext

    return made(bentoml_ext.load_bundle("credit_risk_model:latest").encoder.features)


def decision(probability: float) -> dict[str, Any]:
    """The course's answer."""
    status = "DECLINED" if probability > 0.5 else "MAYBE" if probability > 0.3 else "APPROVED"
    return {"Status": status, "probability": probability}
