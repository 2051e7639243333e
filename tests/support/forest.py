"""A random forest of scikit-learn as an ensemble, and as a family beside XGBoost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import sklearn
from sklearn.ensemble import RandomForestRegressor

from bentoml_ext.arrays import Floats, Margins, Probabilities, Rows
from bentoml_ext.boosters.base import Oracle, Truth
from bentoml_ext.boosters.ensemble import NAN_MISSING, Ensemble, Trees
from bentoml_ext.objectives.base import Objective
from bentoml_ext.objectives.logistic import probabilities
from bentoml_ext.objectives.table import objective_of

WIDTH = 4


def trained(missing: float) -> RandomForestRegressor:
    """Trees of scikit-learn, which go left on "<=" and know missing values."""
    random = np.random.default_rng(0)
    rows = random.normal(size=(400, WIDTH)).astype(np.float32)
    rows[random.random(rows.shape) < missing] = np.nan
    outcome = np.nan_to_num(rows[:, 0]) * 2 + np.isnan(rows[:, 1]) + (rows[:, 2] > 0.5)
    return RandomForestRegressor(12, max_depth=5, random_state=0).fit(rows, outcome)


def ensemble_of(forest: RandomForestRegressor) -> Ensemble:
    """Its trees with leaves of float32, as they are added up by `truth`."""
    trees = [one.tree_ for one in forest.estimators_]
    left = np.concatenate([tree.children_left for tree in trees]).astype(np.int64)
    is_leaf = left < 0
    threshold = np.concatenate([tree.threshold for tree in trees])
    # A float32 is at most a float64 where it is at most the float32 at or below that.
    rounded = threshold.astype(np.float32)
    rounded = np.where(rounded > threshold, np.nextafter(rounded, np.float32(-np.inf)), rounded)
    values = np.concatenate([tree.value[:, 0, 0] for tree in trees]).astype(np.float32)
    nodes = len(left)
    return Ensemble(
        objective="reg:squarederror",
        n_features=WIDTH,
        base=np.zeros(1, np.float32),
        model=Trees(
            first=np.cumsum([0, *(tree.node_count for tree in trees)]),
            target=np.zeros(len(trees), np.int64),
            feature=np.maximum(np.concatenate([tree.feature for tree in trees]), 0),
            threshold=np.where(is_leaf, np.float32(0), rounded),
            left=left,
            right=np.concatenate([tree.children_right for tree in trees]).astype(np.int64),
            default_left=np.concatenate([tree.missing_go_to_left for tree in trees]).astype(bool),
            categorical=np.zeros(nodes, np.bool_),
            leaf=np.where(is_leaf, values, np.float32(0))[:, None],
            first_code=np.zeros(nodes + 1, np.int64),
            codes=np.zeros(0, np.int64),
            cover=np.concatenate([tree.weighted_n_node_samples for tree in trees]).astype("f4"),
            missing=np.full(nodes, NAN_MISSING, np.int8),
            goes_left="<=",
        ),
        version="",
        kind="gbtree",
    )


def truth(forest: RandomForestRegressor, rows: Rows) -> Floats:
    """float32, (n, 1): scikit-learn's own leaves, added one after the other in float32."""
    total = np.zeros(len(rows), np.float32)
    for tree, leaf in zip(forest.estimators_, forest.apply(rows).T, strict=True):
        total += tree.tree_.value[leaf, 0, 0].astype(np.float32)
    return total[:, None]


@dataclass(frozen=True, eq=False)
class ForestOracle:
    """Asks scikit-learn for its leaves; a forest has no infinities and no exponential."""

    forest: RandomForestRegressor
    objective: Objective
    name: str = f"apply, scikit-learn {sklearn.__version__}"
    takes_infinities: bool = False
    has_another_expf: bool = False

    @property
    def other_ways(self) -> Mapping[str, Callable[[Rows], Margins]]:
        """The same leaves, one row after the other."""
        return {
            "one by one": lambda rows: np.concatenate(
                [truth(self.forest, row[None]) for row in rows]
            )
        }

    def truth(self, rows: Rows) -> Truth:
        """The sum of the leaves, which is the prediction."""
        margins = truth(self.forest, rows)
        return Truth(margins, margins, margins)

    def probabilities(self, margins: Margins) -> Probabilities:
        """Ours: scikit-learn has no sigmoid of its own."""
        return probabilities(margins)


class ForestFamily:
    """Random forests of scikit-learn, summed in float32."""

    name = "scikit-learn"

    def read(self, model: RandomForestRegressor) -> Ensemble:
        """The trees of a fitted forest."""
        return ensemble_of(model)

    @contextmanager
    def oracle(self, model: RandomForestRegressor, ensemble: Ensemble) -> Iterator[Oracle]:
        """The forest itself."""
        yield ForestOracle(model, objective_of(ensemble.objective))
