"""Document: what is known of XGBoost's own files, key by key; a file that says more is refused.

A key that nobody here knows may change what the trees add up to, as `weight_drop` did when XGBoost
3.3 stored dart as gbtree. So nothing is passed over, whatever it is called.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from bentoml_ext.errors import ExportRefused

__all__ = ["NEWEST", "check_keys", "margins_of", "model_of", "version_of", "version_text"]

NEWEST: Final = (3, 4)
"""The newest XGBoost whose files were compared with what its boosters answer."""

_DOCUMENT: Final = {"learner", "version"}
_LEARNER: Final = {
    "attributes",
    "feature_names",
    "feature_types",
    "gradient_booster",
    "learner_model_param",
    "objective",
}
_LEARNER_PARAM: Final = {
    "base_score",
    "boost_from_average",
    "num_class",
    "num_feature",
    "num_target",
}
# By name: dart holds a gbtree up to 3.2; 3.3 puts its weights beside the model, 3.4 into it.
_GRADIENT: Final = {
    "gbtree": {"name", "model", "weight_drop"},
    "dart": {"name", "gbtree", "weight_drop"},
    "gblinear": {"name", "model"},
}
_TREES: Final = {
    "cats",
    "gbtree_model_param",
    "iteration_indptr",
    "tree_info",
    "trees",
    "weight_drop",
}
_TREES_PARAM: Final = {"num_parallel_tree", "num_trees", "size_leaf_vector"}
_LINEAR: Final = {"boosted_rounds", "weights"}
_CATEGORIES: Final = {"enc", "feature_segments", "sorted_idx"}
_TREE: Final = {
    "base_weights",
    "categories",
    "categories_nodes",
    "categories_segments",
    "categories_sizes",
    "default_left",
    "id",
    "leaf_weights",
    "left_children",
    "loss_changes",
    "parents",
    "right_children",
    "split_conditions",
    "split_indices",
    "split_type",
    "sum_hessian",
    "tree_param",
}
_TREE_PARAM: Final = {"num_deleted", "num_feature", "num_nodes", "size_leaf_vector"}
_TYPES: Final = {"float", "int", "i", "q", "c"}

_REGRESSION: Final = {"reg_loss_param": {"scale_pos_weight"}}
_RANKING: Final = {
    "lambdarank_param": {
        "lambdarank_bias_norm",
        "lambdarank_normalization",
        "lambdarank_num_pair_per_sample",
        "lambdarank_pair_method",
        "lambdarank_score_normalization",
        "lambdarank_unbiased",
        "ndcg_exp_gain",
    },
    # Up to 1.7; the second holds what training counted of pairs at each position.
    "lambda_rank_param": {"fix_list_weight", "num_pairsample"},
    "ti+": None,
    "tj-": None,
}
_CLASSES: Final = {"softmax_multiclass_param": {"num_class"}}
_HUBER: Final = {"pseudo_huber_param": {"huber_slope"}}
_OBJECTIVES: Final[Mapping[str, Mapping[str, set[str] | None]]] = {
    "binary:hinge": {},
    "binary:logistic": _REGRESSION,
    "binary:logitraw": _REGRESSION,
    "count:poisson": {"poisson_regression_param": {"max_delta_step"}},
    "multi:softmax": _CLASSES,
    "multi:softprob": _CLASSES,
    "rank:map": _RANKING,
    "rank:ndcg": _RANKING,
    "rank:pairwise": _RANKING,
    "reg:absoluteerror": {},
    "reg:expectileerror": {"expectile_loss_param": {"expectile_alpha"}},
    "reg:gamma": _REGRESSION,
    "reg:linear": _REGRESSION,
    "reg:logistic": _REGRESSION,
    "reg:pseudohubererror": _HUBER,
    "reg:quantileerror": {"quantile_loss_param": {"quantile_alpha"}},
    "reg:squarederror": _REGRESSION,
    "reg:squaredlogerror": _REGRESSION,
    "reg:tweedie": {"tweedie_regression_param": {"tweedie_variance_power"}},
    "survival:aft": {"aft_loss_param": {"aft_loss_distribution", "aft_loss_distribution_scale"}},
    "survival:cox": _REGRESSION,
}


def check_keys(document: Any) -> None:
    """Refuse a document that says anything that is not known here.

    Args:
        document: decoded JSON or UBJSON of a booster, of any XGBoost since 1.4.

    Raises:
        ExportRefused: names the key or the value, and where it stands.
    """
    check = _Check(version_text(document))
    check.keys(document, _DOCUMENT, "the document")
    learner = check.part(document, "learner", "the document")
    check.keys(learner, _LEARNER, "learner")
    param = check.part(learner, "learner_model_param", "learner")
    check.keys(param, _LEARNER_PARAM, "learner_model_param")
    check.values(learner.get("feature_types", ()), _TYPES, "feature_types")
    check.texts(learner.get("feature_names", ()), "feature_names")
    _check_objective(check, check.part(learner, "objective", "learner"))
    gradient = check.part(learner, "gradient_booster", "learner")
    name = str(gradient.get("name"))
    check.values([name], set(_GRADIENT), "gradient_booster.name")
    check.keys(gradient, _GRADIENT[name], "gradient_booster")
    if name == "dart":
        inner = check.part(gradient, "gbtree", "gradient_booster")
        check.keys(inner, _GRADIENT["gbtree"] - {"weight_drop"}, "gradient_booster.gbtree")
        gradient = inner
    model = check.part(gradient, "model", "gradient_booster")
    if name == "gblinear":
        check.keys(model, _LINEAR, "model")
    else:
        _check_trees(check, model)


def _check_trees(check: _Check, model: Mapping[str, Any]) -> None:
    check.keys(model, _TREES, "model")
    param = check.part(model, "gbtree_model_param", "model")
    check.keys(param, _TREES_PARAM, "gbtree_model_param")
    if "cats" in model:
        check.keys(model["cats"], _CATEGORIES, "model.cats")
    trees = model.get("trees")
    if not isinstance(trees, list):
        raise check.refused("a list of trees", type(trees).__name__, "model.trees")
    for index, tree in enumerate(trees):
        check.keys(tree, _TREE, f"tree {index}")
        param = check.part(tree, "tree_param", f"tree {index}")
        check.keys(param, _TREE_PARAM, f"tree_param of tree {index}")


def _check_objective(check: _Check, objective: Mapping[str, Any]) -> None:
    name = str(objective.get("name"))
    check.values([name], set(_OBJECTIVES), "objective.name")
    known = _OBJECTIVES[name]
    check.keys(objective, {"name", *known}, f"objective {name}")
    for group, keys in known.items():
        if group in objective and keys is not None:
            check.keys(objective[group], keys, group)


class _Check:
    """What is wrong with a document that an XGBoost of `version` wrote."""

    def __init__(self, version: str) -> None:
        self.version = version

    def keys(self, found: Any, known: set[str], where: str) -> None:
        if not isinstance(found, Mapping):
            raise self.refused("an object", type(found).__name__, where)
        if unknown := found.keys() - known:
            wanted = ", ".join(sorted(known))
            raise self.refused(f"keys {wanted}", f"'{min(unknown)}'", where)

    def part(self, found: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any]:
        part = found.get(key)
        if not isinstance(part, Mapping):
            got = "none" if part is None else type(part).__name__
            raise self.refused(f"an object '{key}'", got, where)
        return part

    def values(self, found: Iterable[Any], known: set[str], where: str) -> None:
        if not isinstance(found, list | tuple):
            raise self.refused("a list", type(found).__name__, where)
        for value in found:
            if not isinstance(value, str) or value not in known:
                raise self.refused(f"one of {', '.join(sorted(known))}", f"'{value}'", where)

    def texts(self, found: Any, where: str) -> None:
        if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
            raise self.refused("a list of texts", type(found).__name__, where)

    def refused(self, expected: str, got: str, where: str) -> ExportRefused:
        newest = ".".join(map(str, NEWEST))
        return ExportRefused(
            f"Expected {expected}, got {got} - at {where}. The file is of XGBoost {self.version}; "
            f"what this means for a score is not known here, where XGBoost up to {newest} is. "
            "Save the model by an XGBoost that is known, or install a newer bentoml-ext."
        )


def model_of(gradient: Mapping[str, Any]) -> Any:
    """What a gradient booster adds up, its trees or weights: dart up to XGBoost 3.2 holds a gbtree.

    Raises:
        KeyError: it has no such part.
    """
    return gradient.get("gbtree", gradient)["model"]


def margins_of(param: Mapping[str, Any]) -> int:
    """Margins of a row, by the parameters of a learner: one of each class or target."""
    return max(int(param.get("num_class", 0)), int(param.get("num_target", 1)), 1)


def version_of(document: Any) -> tuple[int, ...]:
    """The version of the XGBoost that wrote the document; empty if the document names none."""
    try:
        return tuple(int(part) for part in document["version"])
    except (KeyError, TypeError, ValueError):
        return ()


def version_text(document: Any) -> str:
    """The version in words, as "3.4.1"."""
    return ".".join(map(str, version_of(document))) or "of an unknown version"
