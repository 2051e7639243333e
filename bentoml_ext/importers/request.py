"""Request: what a user says of the model to import."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from bentoml_ext.encoders.reading import Reading

__all__ = ["ImportRequest"]


@dataclass(frozen=True)
class ImportRequest:
    """What a user says of the model to import.

    Args:
        source: path of a booster's file, or a tag.
        features: for a file, that of its feature names.
        reading: what the source does not say of itself.
        fields: file with rules of the fields.
        policy: file with what is answered.
        check: file of applications with the user's own predictions.
        prediction: its column of predictions.
        example: of a Pipeline, file of applications that say which fields there are; by default
            the check.
        allow_pickle: whether a Pipeline may be read from a pickle.
    """

    source: str
    features: Path | None = None
    reading: Reading = field(default_factory=Reading)
    fields: Path | None = None
    policy: Path | None = None
    check: Path | None = None
    prediction: str | None = None
    example: Path | None = None
    allow_pickle: bool = False
