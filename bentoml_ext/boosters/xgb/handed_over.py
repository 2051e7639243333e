"""Handed over: a model that its training gives to `save_model`, and what it predicts with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bentoml_ext.backends.native_sum import as_its_estimator
from bentoml_ext.boosters.xgb.methods import check_methods
from bentoml_ext.boosters.xgb.rounds import best_rounds, check_whole, counting
from bentoml_ext.boosters.xgb.spelling import ARGUMENTS
from bentoml_ext.decisions.policy import Bands, Classes, Value, ValueBands
from bentoml_ext.encoders.encoder import Encoder
from bentoml_ext.encoders.feature_names import check_features
from bentoml_ext.encoders.reading import Rounds
from bentoml_ext.encoders.steps import OneHot
from bentoml_ext.errors import ConfigError, ExportRefused, FeatureMismatch

if TYPE_CHECKING:
    import xgboost

__all__ = [
    "booster_of",
    "check_columns",
    "check_open",
    "check_types",
    "is_pipeline",
    "with_marker",
]


def is_pipeline(model: Any) -> bool:
    """Whether a model is a Pipeline of scikit-learn, by what it has, or stands around one."""
    is_wrapper = type(model).__module__.startswith("sklearn.")
    return (hasattr(model, "steps") or is_wrapper) and hasattr(model, "predict")


def check_types(
    encoder: Any, policy: Any, rounds: Any = None, check: Any = None, prediction: Any = None
) -> Encoder:
    """The encoder; a wrong type is refused as such, before it fails somewhere as another error.

    Raises:
        FeatureMismatch: no encoder.
        ConfigError: no policy, no rounds, or no check; a column of predictions without a check.
    """
    if not isinstance(encoder, Encoder):
        remedy = "Make one of the DictVectorizer's names: Encoder(vectorizer.feature_names_)."
        raise FeatureMismatch(
            f"Expected a bentoml_ext.Encoder, got {type(encoder).__name__} - at encoder. {remedy}"
        )
    if policy is not None and not isinstance(policy, Bands | Classes | Value | ValueBands):
        raise ConfigError(
            "Expected bentoml_ext.Bands, Classes, Value or ValueBands, got "
            f"{type(policy).__name__} - at policy."
        )
    if rounds not in (None, "best", "all"):
        raise ConfigError(f"Expected 'best' or 'all', got {rounds!r:.60} - at rounds.")
    # Of a check in memory, the class is named without its library of columns.
    if not (check is None or isinstance(check, str | Path) or hasattr(check, "given")):
        raise ConfigError(
            f"Expected a file or Check.of(applications, predictions), got {check!r:.60} - at check."
        )
    if isinstance(check, str | Path) and not Path(check).is_file():
        raise ConfigError(f"Expected a file, got none - at check: {check}.")
    if prediction is not None and not isinstance(check, str | Path):
        raise ConfigError("Expected a file of predictions, got their column alone - at prediction.")
    return encoder


def check_columns(booster: xgboost.Booster, encoder: Encoder) -> None:
    """Refuse other features than the booster's, and a category in whose column it saw numbers.

    A column of a category holds 0, 1 or nothing, and that under a field's own name, in which null
    is missing, 0 or nothing. XGBoost splits such columns at few thresholds; any other is of
    numbers.

    Raises:
        FeatureMismatch: names the features, or the field, the column and the threshold.
    """
    from bentoml_ext.boosters.xgb.splits import of_numbers, of_other_numbers

    check_features(booster, encoder.features, "the encoder")
    texts = [step for step in encoder.steps if isinstance(step, OneHot)]
    gaps = {step.gap: step.field for step in texts if step.gap is not None}
    fields = {column: step.field for step in texts for column in step.columns.values()}
    for column, threshold in sorted(of_numbers(booster, gaps).items()):
        raise FeatureMismatch(
            f"Expected texts and null in the field '{gaps[column]}', got numbers, too: the model "
            f"splits them at {threshold:g} - at column {column}, '{encoder.features[column]}'. "
            "Train with all of them as texts, or with the numbers in a field of their own."
        )
    for column, threshold in sorted(of_other_numbers(booster, fields).items()):
        raise FeatureMismatch(
            f"Expected 0 and 1 in the column of a category of '{fields[column]}', got other "
            f"numbers: the model splits them at {threshold:g} - at column {column}, "
            f"'{encoder.features[column]}'. Where it is a field of its own, name it in --fields, "
            "or give another separator. Rows that were scaled, and lists that hold a category "
            "twice, no encoder makes."
        )


def check_open(
    booster: xgboost.Booster, encoder: Encoder, *, is_booster: bool, checked: bool
) -> None:
    """Ask for what an encoder leaves open, and refuse what a booster's splits contradict.

    Args:
        booster: the model's own.
        encoder: with the estimator's marker, if it has one.
        is_booster: whether the model is a Booster. An estimator says that NaN alone was missing.
        checked: whether the trainer's own predictions decide all but what none of them shows.

    Raises:
        FeatureMismatch: says which arguments decide it.
    """
    from bentoml_ext.boosters.xgb.questions import Questions

    questions = Questions(booster, encoder, "the booster", ARGUMENTS)
    if not checked:
        if not encoder.says_missing and questions.marker_is_open(encoder.absent):
            raise FeatureMismatch(questions.undecided(["missing"]))
        if contradiction := questions.contradiction():
            raise FeatureMismatch(contradiction)
    if not encoder.says_missing and (gap := questions.gap(alone=not is_booster)):
        raise FeatureMismatch(gap)


def booster_of(model: Any, rounds: Rounds | None) -> xgboost.Booster:
    """The trees that the model itself would use: the booster is the only truth from here on.

    Args:
        model: Booster or scikit-learn estimator.
        rounds: which count of those that it has; of a Booster that stopped early it must be said.

    Raises:
        ExportRefused: another type, an estimator that is not fitted, or nobody says which rounds.
    """
    import xgboost

    check_methods(model)
    if isinstance(model, xgboost.Booster):
        best = best_rounds(model)
        if rounds is None and best is not None:
            raise ExportRefused(
                f"Expected rounds='best' or rounds='all', got none - at a booster of "
                f"{model.num_boosted_rounds()} rounds whose best is {best}. "
                "Booster.predict uses all; an estimator, and iteration_range, its best."
            )
        return counting(model, rounds)
    if not isinstance(model, xgboost.XGBModel):
        raise ExportRefused(
            f"Expected an xgboost Booster or scikit-learn estimator, got {type(model).__name__} "
            "- at the model."
        )
    try:
        booster = model.get_booster()
    # scikit-learn's NotFittedError is one.
    except ValueError as error:
        raise ExportRefused(f"Expected a fitted estimator, got {error} - at the model.") from error
    check_whole(booster)
    return as_its_estimator(counting(booster, rounds or "best"), model.booster)


def with_marker(encoder: Encoder, model: Any) -> Encoder:
    """The encoder with an estimator's marker for missing, which lives in no booster.

    Raises:
        FeatureMismatch: the encoder has another one.
    """
    marker = getattr(model, "missing", None)
    if marker is None or np.isnan(marker):
        return encoder
    if encoder.says_missing and encoder.missing != float(marker):
        raise FeatureMismatch(
            f"Expected the estimator's missing={marker}, got "
            f"{'nan' if encoder.missing is None else encoder.missing} - at the encoder."
        )
    return encoder.marking(float(marker))
