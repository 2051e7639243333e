"""Refusals: steps of scikit-learn that no step of an encoder covers, and what to do instead."""

from __future__ import annotations

from typing import Any, Final

from bentoml_ext.errors import ExportRefused

__all__ = ["check_advised"]

_TREES: Final = (
    "its logarithms and powers have other last bits on another machine. Trees split by the order "
    "of numbers, which it keeps: train without it"
)

_SUMS: Final = (
    "it adds up several columns, in an order that libraries choose. Compute its columns ahead of "
    "the pipeline, or train without it"
)

REASONS: Final = {
    "PowerTransformer": _TREES,
    "QuantileTransformer": _TREES,
    "SplineTransformer": _SUMS,
    "PolynomialFeatures": _SUMS,
    "Normalizer": _SUMS,
    "PCA": _SUMS,
    "TruncatedSVD": _SUMS,
    "KNNImputer": _SUMS,
    "IterativeImputer": _SUMS,
    "FeatureHasher": "its columns have no names. Encode the categories by OneHotEncoder",
    "HashingVectorizer": "its columns have no names, and a text has any words",
    "CountVectorizer": "a text has any words. Compute its columns ahead of the pipeline",
    "TfidfVectorizer": "a text has any words. Compute its columns ahead of the pipeline",
    "FeatureUnion": "it is not read. A ColumnTransformer with the same columns does the same",
}
"""Why a class is refused, and what does the same."""


def check_advised(step: Any, place: str) -> None:
    """Refuse a step for which there is another way.

    Raises:
        ExportRefused: names the step, the reason and the way.
    """
    name = type(step).__name__
    if name == "FunctionTransformer" and step.func is not None:
        own = getattr(step.func, "__name__", type(step.func).__name__)
        is_log = own in ("log", "log1p", "log2", "log10", "sqrt", "exp", "expm1")
        advice = _TREES if is_log else "it is code. Apply it to the frame ahead of the pipeline"
        _refuse(f"FunctionTransformer({own})", advice, place)
    if name in REASONS:
        _refuse(name, REASONS[name], place)


def _refuse(name: str, reason: str, place: str) -> None:
    raise ExportRefused(
        f"Expected a step with the same bits everywhere, got {name} - at {place}: {reason}."
    )
