"""Refusals: steps of scikit-learn that no step of an encoder covers, and what to do instead."""

from __future__ import annotations

from typing import Any, Final

from bentoml_ext.errors import ExportRefused
from bentoml_ext.preprocessing.functions import is_known_function

__all__ = ["advice_for", "check_advised"]

_SUMS: Final = (
    "it adds up several columns, in an order that libraries choose. Compute its columns ahead of "
    "the pipeline, or train without it"
)

_CODE: Final = (
    "it is code. Apply it to the frame ahead of the pipeline; numpy's own np.log1p, np.sqrt, "
    "np.exp and the like are known"
)

REASONS: Final = {
    "SplineTransformer": "each of its columns rises and falls. Compute its columns ahead of the "
    "pipeline, or train without it: trees need none",
    "PolynomialFeatures": "it multiplies several fields. Compute its columns ahead of the pipeline",
    "Normalizer": _SUMS,
    "PCA": _SUMS,
    "TruncatedSVD": _SUMS,
    "KNNImputer": _SUMS,
    "IterativeImputer": _SUMS,
    "FeatureHasher": "its columns have no names. Encode the categories by OneHotEncoder",
    "HashingVectorizer": "its columns have no names, and a text has any words",
    "CountVectorizer": "a text has any words. Compute its columns ahead of the pipeline",
    "TfidfVectorizer": "a text has any words. Compute its columns ahead of the pipeline",
}
"""Why a class is refused, and what does the same."""


_SEARCH: Final = "store the pipeline that it found, its best_estimator_"
_SEVERAL: Final = "no booster answers so: it holds several models. Store each"

WRAPPERS: Final = {
    "TransformedTargetRegressor": "no booster answers so: it turns predictions back by a function. "
    "Train the pipeline on the transformed target, and turn answers back where they are used",
    "CalibratedClassifierCV": "no booster answers so: it mends probabilities by a second model. "
    "Store the pipeline that it wraps, and choose the policy's bounds by calibrated probabilities",
    "FixedThresholdClassifier": "store its estimator_, and its threshold as a policy",
    "TunedThresholdClassifierCV": "store its estimator_, and its best_threshold_ as a policy",
    "GridSearchCV": _SEARCH,
    "RandomizedSearchCV": _SEARCH,
    "HalvingGridSearchCV": _SEARCH,
    "HalvingRandomSearchCV": _SEARCH,
    "OneVsRestClassifier": _SEVERAL,
    "MultiOutputClassifier": _SEVERAL,
    "MultiOutputRegressor": _SEVERAL,
    "VotingClassifier": _SEVERAL,
    "VotingRegressor": _SEVERAL,
    "StackingClassifier": _SEVERAL,
    "StackingRegressor": _SEVERAL,
    "BaggingClassifier": _SEVERAL,
    "BaggingRegressor": _SEVERAL,
}
"""What stands around a pipeline or an estimator, and what to store instead."""


def advice_for(wrapper: Any) -> str:
    """What to store in the place of another object than a Pipeline, as a sentence or nothing."""
    found = WRAPPERS.get(type(wrapper).__name__, "")
    return f" {found[:1].upper()}{found[1:]}." if found else ""


def check_advised(step: Any, place: str) -> None:
    """Refuse a step for which there is another way.

    Raises:
        ExportRefused: names the step, the reason and the way.
    """
    name = type(step).__name__
    if name == "FunctionTransformer" and not is_known_function(step):
        own = getattr(step.func, "__name__", type(step.func).__name__)
        _refuse(f"FunctionTransformer({own})", _CODE, place)
    if name in REASONS:
        _refuse(name, REASONS[name], place)


def _refuse(name: str, reason: str, place: str) -> None:
    raise ExportRefused(
        f"Expected a step with the same bits everywhere, got {name} - at {place}: {reason}."
    )
