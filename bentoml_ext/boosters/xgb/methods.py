"""Methods: a model that predicts in a way of its own is refused; no booster has that way."""

from __future__ import annotations

from typing import Any, Final

from bentoml_ext.errors import ExportRefused

__all__ = ["check_methods"]

PREDICTING: Final = (
    "_can_use_inplace_predict",
    "_get_iteration_range",
    "best_iteration",
    "get_booster",
    "inplace_predict",
    "predict",
    "predict_proba",
)
"""What XGBoost's own classes predict by."""

LIBRARIES: Final = ("xgboost", "sklearn", "builtins")


def check_methods(model: Any) -> None:
    """Refuse a Booster or an estimator whose class, or which itself, replaces what predicts.

    Raises:
        ExportRefused: names the class and the method.
    """
    classes = [
        one for one in type(model).__mro__ if one.__module__.partition(".")[0] not in LIBRARIES
    ]
    for namespace in [getattr(model, "__dict__", {}), *map(vars, classes)]:
        if own := [name for name in PREDICTING if name in namespace]:
            raise ExportRefused(
                f"Expected a model that predicts as XGBoost's own classes do, got "
                f"{type(model).__name__} with a `{own[0]}` of its own - at the model. Where the "
                "service is to answer as the booster does, hand over that: `model.get_booster()`."
            )
