"""Reader: a booster becomes an Ensemble, from the bytes that XGBoost itself would store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
import xgboost as xgb

from bentoml_ext.boosters.ensemble import Ensemble, Linear, Trees
from bentoml_ext.boosters.xgb import ubjson
from bentoml_ext.boosters.xgb.base_margin import base_margins, margins_without_data
from bentoml_ext.boosters.xgb.document import check_keys, margins_of, model_of, version_text
from bentoml_ext.boosters.xgb.stored_trees import read_trees, weighted
from bentoml_ext.boosters.xgb.transform import transform_of
from bentoml_ext.errors import ExportRefused

__all__ = ["read_ensemble", "read_model"]

_MOST_FEATURES: Final = 10_000_000
_MOST_TARGETS: Final = 100_000


def read_ensemble(
    booster: xgb.Booster, *, rounds: int | None = None, inplace: bool = False
) -> Ensemble:
    """What `booster` adds up.

    Args:
        booster: any booster; all that is read is `save_raw("ubj")` and its base margin.
        rounds: boosting rounds to use from the first on; all by default.
        inplace: for dart up to XGBoost 3.2 only: the sum of `Booster.inplace_predict`, which rounds
            each leaf through the base margin, instead of that of `Booster.predict`. All else has
            one sum.

    Raises:
        ExportRefused: a key, a value, a tree or an array of an unknown kind.
    """
    document = ubjson.decode(bytes(booster.save_raw("ubj")))
    # Read before XGBoost is asked anything: a row would lead it out of a tree that is not sound.
    read_model(document)
    base = base_margins(booster, document)
    model = read_model(document, rounds, base if inplace else None)
    learner = document["learner"]
    ensemble = Ensemble(
        objective=learner["objective"]["name"],
        n_features=int(learner["learner_model_param"]["num_feature"]),
        base=base,
        model=model,
        version=version_text(document),
        kind=learner["gradient_booster"]["name"],
        features=tuple(learner["feature_names"]),
        transform=transform_of(document, len(base)),
    )
    return (
        _linear_base(ensemble, model, booster, document) if isinstance(model, Linear) else ensemble
    )


def read_model(
    document: Any, rounds: int | None = None, base: np.ndarray | None = None
) -> Trees | Linear:
    """The trees or the weights of a document, JSON or UBJSON, of any XGBoost that is known.

    Args:
        document: the decoded file or `save_raw`.
        rounds: boosting rounds to use from the first on; all by default.
        base: float32, (n_targets,): for dart up to 3.2, what each leaf is rounded through; 0 by
            default, which a leaf of -0.0 loses its sign to.

    Raises:
        ExportRefused: as `read_ensemble`.
    """
    check_keys(document)
    try:
        return _model(document["learner"], rounds, base)
    except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
        if isinstance(error, ExportRefused):
            raise
        raise ExportRefused(
            f"Expected a booster of XGBoost {version_text(document)}, got "
            f"{type(error).__name__}: {error} - at its trees. Take a copy that is whole."
        ) from error


def _model(
    learner: Mapping[str, Any], rounds: int | None, base: np.ndarray | None
) -> Trees | Linear:
    param = learner["learner_model_param"]
    n_features = int(param["num_feature"])
    n_targets = margins_of(param)
    for what, count, most in (
        ("features", n_features, _MOST_FEATURES),
        ("targets", n_targets, _MOST_TARGETS),
    ):
        if not 0 < count <= most:
            raise ExportRefused(f"Expected 1 to {most} {what}, got {count} - at the booster.")
    gradient = learner["gradient_booster"]
    if gradient["name"] == "gblinear":
        return _linear(gradient["model"], n_features, n_targets)
    model = model_of(gradient)
    trees = read_trees(model, n_features=n_features, n_targets=n_targets, rounds=rounds)
    is_dart = gradient["name"] == "dart"
    # Up to 3.3 the weights of dart's trees stand beside the model, later in it.
    for holder in (gradient, model):
        if len(holder.get("weight_drop", ())):
            # Since 3.3 dart is called gbtree, and has one sum.
            begin = np.zeros(n_targets, np.float32) if base is None else base
            return weighted(trees, holder, len(model["trees"]), begin if is_dart else None)
    if is_dart and len(trees):
        raise ExportRefused("Expected a weight for each tree of dart, got none - at weight_drop.")
    return trees


def _linear(model: Mapping[str, Any], n_features: int, n_targets: int) -> Linear:
    """The weights; a booster that was never trained has none, and they are 0."""
    shape = (n_features + 1, n_targets)
    weights = np.asarray(model["weights"], np.float32)
    weights = weights.reshape(shape) if len(weights) else np.zeros(shape, np.float32)
    if not np.isfinite(weights).all():
        feature, target = np.argwhere(~np.isfinite(weights))[0]
        place = "the bias" if feature == n_features else f"feature {feature}"
        raise ExportRefused(
            f"Expected finite weights, got {weights[feature, target]} - at {place}, "
            f"target {target}."
        )
    return Linear(bias=weights[-1], weights=weights[:-1])


def _linear_base(
    ensemble: Ensemble, linear: Linear, booster: xgb.Booster, document: Mapping[str, Any]
) -> Ensemble:
    """The base margin that XGBoost really adds to the bias."""
    base = ensemble.base
    observed = margins_without_data(booster, document)
    # XGBoost 3.1 and 3.2 give every target of a gblinear booster the first target's base. For a
    # booster that was never trained they take base_score itself as the base.
    untrained = [] if linear.weights.any() else [observed]
    for used in (np.full_like(base, base[0]), base, *untrained):
        if np.array_equal(linear.bias + used, observed):
            return replace(ensemble, base=used)
    message = "Expected bias and base margin to add up - at the gblinear booster."
    if not int(model_of(document["learner"]["gradient_booster"]).get("boosted_rounds", 0)):
        message = (
            "Expected the number of rounds beside the weights, got none, as XGBoost before 1.6 "
            f"wrote it - at the gblinear booster. XGBoost {xgb.__version__} takes it for one that "
            "was never trained and adds another base. Install 'xgboost<3.1', which does not; or "
            'write "boosted_rounds": 1 beside "weights" in the JSON file.'
        )
    raise ExportRefused(message)
