"""Base margin: where the sum begins.

It is a function of `base_score` that the C library's logarithm takes part in, so XGBoost itself is
asked: it loads the model without its trees and says what it predicts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import xgboost as xgb

from bentoml_ext.arrays import Margins
from bentoml_ext.boosters.xgb.document import model_of

__all__ = ["base_margins", "emptied", "margins_without_data"]


def base_margins(booster: xgb.Booster, document: Mapping[str, Any]) -> Margins:
    """float32, (n_targets,): the margin of a row before the first tree.

    Args:
        booster: asked itself if it has no trees.
        document: its decoded `save_raw("ubj")`.
    """
    if not _is_empty(document["learner"]["gradient_booster"]):
        booster = emptied(document)
    return margins_without_data(booster, document)


def margins_without_data(booster: xgb.Booster, document: Mapping[str, Any]) -> Margins:
    """float32, (n_targets,): the booster's own margins of a row in which everything is missing."""
    n_features = int(document["learner"]["learner_model_param"]["num_feature"])
    row = np.full((1, n_features), np.nan, np.float32)
    margins = booster.predict(xgb.DMatrix(row), output_margin=True, validate_features=False)
    return np.asarray(margins, np.float32).reshape(-1)


def _is_empty(gradient: Mapping[str, Any]) -> bool:
    """Whether a tree booster has no tree: then how it was made decides what it predicts."""
    if gradient["name"] == "gblinear":
        return False
    return not model_of(gradient)["trees"]


def emptied(document: Mapping[str, Any]) -> xgb.Booster:
    """The booster without its trees or weights."""
    learner = document["learner"]
    model = {
        "gbtree_model_param": {"num_parallel_tree": "1", "num_trees": "0"},
        "iteration_indptr": [0],
        "tree_info": [],
        "trees": [],
        "cats": {"enc": [], "feature_segments": [], "sorted_idx": []},
    }
    empty = {
        "learner": {
            "attributes": {},
            "feature_names": [],
            "feature_types": [],
            "gradient_booster": {"model": model, "name": "gbtree"},
            # With 1, XGBoost 3.2 takes base_score of a model without trees for a margin.
            "learner_model_param": learner["learner_model_param"] | {"boost_from_average": "0"},
            "objective": learner["objective"],
        },
        "version": document["version"],
    }
    booster = xgb.Booster()
    booster.load_model(bytearray(json.dumps(empty, default=_plain), "utf-8"))
    return booster


def _plain(value: Any) -> Any:
    """A numpy array or number as JSON takes it."""
    return value.tolist()
