"""Every kind of XGBoost model that exports exactly, by name: for the tests and for the table."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import xgboost as xgb

from benchmarks.making import (
    CODES,
    OBJECTIVES,
    VERSION,
    continued,
    fit,
    objective,
    reloaded,
    sliced,
    stopped_booster,
    train,
)
from bentoml_ext.boosters.xgb.estimator import Model

__all__ = ["VARIANTS", "Variant"]


@dataclass(frozen=True)
class Variant:
    """A model to make, its name and the heading it stands under."""

    group: str
    name: str
    make: Callable[[], Model]


_BINARY: Final[dict[str, Any]] = {"labels": "binary", "objective": "binary:logistic"}
_CLASSES: Final[dict[str, Any]] = {
    "labels": "classes",
    "objective": "multi:softprob",
    "num_class": 3,
}
_SCORE: Final[dict[str, Any]] = {"labels": "score", "objective": "reg:squarederror"}
_THREE: Final[dict[str, Any]] = {"labels": "three", "objective": "reg:squarederror"}
_DROP: Final[dict[str, Any]] = {"booster": "dart", "rate_drop": 0.5, "seed": 3}
_WEIGHTED: Final[dict[str, Any]] = _DROP | {"sample_type": "weighted", "skip_drop": 0.3}
_LINEAR: Final[dict[str, Any]] = {"booster": "gblinear"}
_VECTOR: Final[dict[str, Any]] = {"multi_strategy": "multi_output_tree"}

Made = Iterator[tuple[str, Callable[[], Model]]]


def _objectives() -> Made:
    for name in OBJECTIVES:
        yield name, partial(objective, name)
    yield (
        "multi:softprob, two classes",
        partial(train, **_CLASSES | {"labels": "binary", "num_class": 2}),
    )
    alphas: dict[str, Any] = {"quantile_alpha": [0.1, 0.5, 0.9]}
    yield "reg:quantileerror, three quantiles", partial(objective, "reg:quantileerror", **alphas)
    crossing: dict[str, Any] = {"quantile_alpha": [0.4, 0.5, 0.6], "max_depth": 5, "eta": 1.0}
    yield (
        "reg:quantileerror, crossing quantiles",
        partial(objective, "reg:quantileerror", **crossing),
    )
    yield (
        "reg:quantileerror, twenty quantiles",
        partial(objective, "reg:quantileerror", quantile_alpha=[at / 21 for at in range(1, 21)]),
    )
    if "reg:expectileerror" in OBJECTIVES:
        expectiles: dict[str, Any] = {"expectile_alpha": [0.1, 0.5, 0.9]}
        yield "reg:expectileerror, three", partial(objective, "reg:expectileerror", **expectiles)
    for spread in ("normal", "logistic", "extreme"):
        how: dict[str, Any] = {"aft_loss_distribution": spread}
        yield f"survival:aft, {spread}", partial(objective, "survival:aft", **how)
    yield (
        "reg:tweedie, variance power 1.9",
        partial(objective, "reg:tweedie", tweedie_variance_power=1.9),
    )


def _boosters() -> Made:
    for name in ("binary:logistic", "reg:squarederror", "multi:softprob", "count:poisson"):
        yield f"dart, {name}", partial(objective, name, **_DROP)
        yield f"gblinear, {name}", partial(objective, name, **_LINEAR)
    if VERSION >= (3, 3):
        yield "gbtree, rate_drop", partial(train, **_BINARY, rate_drop=0.5, seed=3)
    yield "dart, weighted, skip_drop", partial(train, **_SCORE, **_WEIGHTED)
    if VERSION >= (3, 4):
        yield "dart, vector leaves", partial(train, **_THREE, **_DROP, **_VECTOR)
    yield "dart, no drop", partial(train, **_BINARY, booster="dart")
    yield "dart, forest normalisation", partial(train, **_SCORE, **_DROP, normalize_type="forest")
    yield "dart, num_parallel_tree 3", partial(train, **_SCORE, **_DROP, num_parallel_tree=3)
    yield "dart, one_drop, three targets", partial(train, **_THREE, **_DROP, one_drop=1)
    yield "gblinear, three targets", partial(train, **_THREE, **_LINEAR)
    yield (
        "gblinear, coordinate descent",
        partial(train, **_SCORE, **_LINEAR, updater="coord_descent"),
    )
    yield (
        "gblinear, lambda and alpha",
        partial(train, **_SCORE, **_LINEAR, reg_lambda=0.5, alpha=0.01),
    )


def _base_scores() -> Made:
    for value in (0.5, 0.3, 0.01, 0.999):
        yield f"binary:logistic, base_score {value}", partial(train, **_BINARY, base_score=value)
    for value in (0.0, -3.7, 1e6):
        yield f"reg:squarederror, base_score {value:g}", partial(train, **_SCORE, base_score=value)
    yield "count:poisson, base_score 2", partial(objective, "count:poisson", base_score=2.0)
    yield "multi:softprob, base_score 0.2", partial(train, **_CLASSES, base_score=0.2)
    if VERSION >= (3, 1):
        scores = [0.1, -2.0, 0.3]
        yield "base_score array, three targets", partial(train, **_THREE, base_score=scores)
    yield "base_score estimated, three targets", partial(train, **_THREE)
    yield "scale_pos_weight 3", partial(train, **_BINARY, scale_pos_weight=3)


def _forests() -> Made:
    forest: dict[str, Any] = {
        "num_parallel_tree": 4,
        "subsample": 0.6,
        "colsample_bynode": 0.6,
        "seed": 1,
    }
    yield "num_parallel_tree 4, binary", partial(train, **_BINARY, **forest)
    yield "num_parallel_tree 4, three classes", partial(train, **_CLASSES, **forest)
    yield "num_parallel_tree 4, three targets", partial(train, **_THREE, **forest)
    yield (
        "one round of 50 trees",
        partial(train, **_BINARY, **forest | {"num_parallel_tree": 50}, rounds=1, eta=1.0),
    )
    yield "early stopping, booster", stopped_booster
    yield "early stopping, classifier", partial(fit, xgb.XGBClassifier, "binary", stop=True)
    yield "early stopping, three classes", partial(fit, xgb.XGBClassifier, "classes", stop=True)
    yield "early stopping, regressor", partial(fit, xgb.XGBRegressor, "score", stop=True)
    yield "early stopping, forest", partial(fit, xgb.XGBRegressor, "score", stop=True, **forest)
    yield (
        "early stopping, forest, three classes",
        partial(fit, xgb.XGBClassifier, "classes", stop=True, **forest),
    )
    yield "early stopping, dart", partial(fit, xgb.XGBRegressor, "score", stop=True, **_DROP)


def _shapes() -> Made:
    yield (
        "lossguide, 31 leaves",
        partial(train, **_SCORE, grow_policy="lossguide", max_leaves=31, max_depth=0),
    )
    yield "depthwise, max_leaves 6", partial(train, **_SCORE, max_leaves=6)
    for method in ("exact", "approx", "hist"):
        yield f"tree_method {method}", partial(train, **_BINARY, tree_method=method)
    yield "exact, pruned", partial(train, **_SCORE, tree_method="exact", gamma=2.0, max_depth=6)
    yield "one tree", partial(train, **_BINARY, rounds=1)
    yield "no tree, binary", partial(train, **_BINARY, rounds=0)
    yield "no tree, base_score 0.5", partial(train, **_BINARY, rounds=0, base_score=0.5)
    yield "no tree, regression", partial(train, **_SCORE, rounds=0)
    yield "no tree, three classes", partial(train, **_CLASSES, rounds=0)
    yield "no tree, dart", partial(train, **_BINARY, booster="dart", rounds=0)
    yield "no round, gblinear", partial(train, **_BINARY, **_LINEAR, rounds=0)
    yield "no tree, reloaded", partial(reloaded, "ubj", rounds=0)
    yield "single leaves", partial(train, **_BINARY, gamma=1e9)
    yield "single leaves of -0.0", partial(train, **_BINARY, gamma=1e9, rows="even", base_score=0.5)
    yield "single leaves, three classes", partial(train, **_CLASSES, gamma=1e9)
    yield "2 000 trees", partial(train, **_BINARY, rounds=2000, max_depth=2, eta=0.01)
    yield "depth 12", partial(train, **_SCORE, max_depth=12, min_child_weight=0)
    signs = "(0,1,-1,0,0)"
    yield "monotone constraints", partial(train, **_SCORE, monotone_constraints=signs)
    yield (
        "interaction constraints",
        partial(train, **_SCORE, interaction_constraints="[[0,1],[2,3,4]]"),
    )
    yield (
        "max_delta_step and min_child_weight",
        partial(train, **_BINARY, max_delta_step=0.1, min_child_weight=5),
    )
    yield "no missing value in training", partial(train, **_BINARY, rows="full")


def _missing() -> Made:
    for marker in (-3.0, 0.0, 6.0, math.inf):
        yield (
            f"regressor, missing={marker:g}",
            partial(fit, xgb.XGBRegressor, "score", rows="whole", missing=marker),
        )
    yield (
        "classifier, missing=-3",
        partial(fit, xgb.XGBClassifier, "binary", rows="whole", missing=-3.0),
    )
    yield (
        "gblinear regressor, missing=0",
        partial(fit, xgb.XGBRegressor, "score", rows="whole", missing=0.0, **_LINEAR),
    )


def _named(*names: str) -> Callable[[], Model]:
    return partial(train, **_SCORE, how={"feature_names": list(names)})


def _typed(*types: str, rows: str) -> Callable[[], Model]:
    return partial(train, **_SCORE, how={"feature_types": list(types)}, rows=rows)


def _features() -> Made:
    yield "feature names, text", _named("age", "Einkommen €", "x y", "{}", "años")
    yield "feature names, positions permuted", _named("f3", "f0", "f4", "f1", "f2")
    yield "feature names, numbers", _named("4", "3", "2", "1", "0")
    yield "feature names, high positions", _named("f10", "f20", "f30", "f40", "f50")
    yield "feature types int", _typed(*["int"] * 5, rows="whole")
    yield "feature types indicator", _typed("i", "i", "int", "q", "float", rows="bits")
    for text, onehot in (("one-hot", 100), ("partition", 1)):
        how: dict[str, Any] = {"rows": "codes", "how": CODES, "max_cat_to_onehot": onehot}
        yield f"categorical, {text} splits", partial(train, **_BINARY, **how)
        yield f"categorical, {text} splits, three classes", partial(train, **_CLASSES, **how)
        yield f"categorical, {text} splits, deep", partial(train, **_SCORE, **how, max_depth=7)
        yield f"categorical, {text} splits, dart", partial(train, **_SCORE, **how, **_DROP)
    many: dict[str, Any] = {
        "rows": "many codes",
        "how": CODES,
        "max_cat_to_onehot": 1,
        "max_cat_threshold": 300,
        "min_child_weight": 0,
        "rounds": 40,
    }
    yield "categorical, 300 codes", partial(train, **_BINARY, **many, max_depth=5)
    yield "categorical, 300 codes, three classes", partial(train, **_CLASSES, **many, max_depth=5)
    yield "categorical, 300 codes, dart", partial(train, **_SCORE, **many, **_DROP)


def _targets() -> Made:
    yield "three targets, a tree each", partial(train, **_THREE)
    yield "three targets, vector leaves", partial(train, **_THREE, **_VECTOR)
    yield "three classes, vector leaves", partial(train, **_CLASSES, **_VECTOR)
    yield (
        "vector leaves, forest",
        partial(train, **_THREE, **_VECTOR, num_parallel_tree=3, subsample=0.5),
    )
    yield (
        "vector leaves, lossguide",
        partial(train, **_THREE, **_VECTOR, grow_policy="lossguide", max_leaves=9),
    )
    yield "vector leaves, single leaves", partial(train, **_THREE, **_VECTOR, gamma=1e9)
    yield "three labels, classifier", partial(fit, xgb.XGBClassifier, "labels")
    yield "three labels, vector leaves", partial(fit, xgb.XGBClassifier, "labels", **_VECTOR)


def _estimators() -> Made:
    queries: dict[str, Any] = {"how": {"qid": [row // 20 for row in range(400)]}}
    yield "XGBClassifier, binary", partial(fit, xgb.XGBClassifier, "binary")
    yield "XGBClassifier, three classes", partial(fit, xgb.XGBClassifier, "classes")
    yield "XGBRFClassifier, binary", partial(fit, xgb.XGBRFClassifier, "binary")
    yield "XGBRFClassifier, three classes", partial(fit, xgb.XGBRFClassifier, "classes")
    yield "XGBRegressor", partial(fit, xgb.XGBRegressor, "score")
    yield "XGBRegressor, three targets", partial(fit, xgb.XGBRegressor, "three")
    yield "XGBRFRegressor", partial(fit, xgb.XGBRFRegressor, "score")
    yield "XGBRFRegressor, three targets", partial(fit, xgb.XGBRFRegressor, "three")
    yield "XGBRanker", partial(fit, xgb.XGBRanker, "binary", **queries)
    yield (
        "XGBRanker, rank:pairwise",
        partial(fit, xgb.XGBRanker, "binary", objective="rank:pairwise", **queries),
    )
    for name in ("binary:hinge", "binary:logitraw", "reg:logistic"):
        yield f"XGBClassifier, {name}", partial(fit, xgb.XGBClassifier, "binary", objective=name)
    yield (
        "XGBRegressor, count:poisson",
        partial(fit, xgb.XGBRegressor, "counts", objective="count:poisson"),
    )
    yield (
        "XGBClassifier, num_parallel_tree 3",
        partial(fit, xgb.XGBClassifier, "binary", num_parallel_tree=3, subsample=0.5),
    )
    yield "XGBClassifier, dart", partial(fit, xgb.XGBClassifier, "binary", **_DROP)
    yield "XGBClassifier, dart, three classes", partial(fit, xgb.XGBClassifier, "classes", **_DROP)
    yield "XGBRegressor, gblinear", partial(fit, xgb.XGBRegressor, "score", **_LINEAR)
    yield (
        "XGBClassifier, gblinear, three classes",
        partial(fit, xgb.XGBClassifier, "classes", **_LINEAR),
    )


def _histories() -> Made:
    yield "reloaded from .json", partial(reloaded, "json")
    yield "reloaded from .ubj", partial(reloaded, "ubj")
    yield "training continued", continued
    yield "training continued from no tree", partial(continued, rounds=0)
    yield "sliced, first rounds", partial(sliced, 0, 3, **_BINARY)
    yield "sliced, middle rounds", partial(sliced, 2, 6, **_CLASSES)
    yield "sliced, dart", partial(sliced, 1, 5, **_SCORE, **_DROP)
    yield "sliced, forest", partial(sliced, 1, 3, **_SCORE, num_parallel_tree=3)


_GROUPS: Final[dict[str, Callable[[], Made]]] = {
    "Objectives": _objectives,
    "Boosters": _boosters,
    "Base score": _base_scores,
    "Forests and early stopping": _forests,
    "Shapes of trees": _shapes,
    "Missing markers": _missing,
    "Features": _features,
    "Targets": _targets,
    "Estimators": _estimators,
    "Histories": _histories,
}

VARIANTS: Final = tuple(
    Variant(group, name, make) for group, made in _GROUPS.items() for name, make in made()
)
"""All of them, in the order of the table."""
