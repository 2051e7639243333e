"""Ensemble: the trees that a booster adds up to a margin, read from its own serialised form.

This is the one description that the graph is built from and that a proof compares the graph with.
Nothing is guessed: split indices and not names, float32 as stored, the target of each tree as the
booster's `tree_info` says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from bentoml_ext.arrays import Floats, Ints, Margins

__all__ = [
    "MISSING_AS_ZERO",
    "NAN_MISSING",
    "ZERO_MISSING",
    "Bools",
    "Ensemble",
    "Floats",
    "Ints",
    "Linear",
    "Tree",
    "Trees",
]

Bools = npt.NDArray[np.bool_]

NAN_MISSING, ZERO_MISSING, MISSING_AS_ZERO = range(3)
"""Kinds of a node's `missing`: NaN goes the default way; so do NaN and zero; NaN counts as zero."""


@dataclass(frozen=True, eq=False)
class Tree:
    """One tree: views into `Trees`, node 0 is the root.

    Args:
        target: the margin it adds to; -1 if each leaf holds one value for every target.
        feature: int64, (n_nodes,), column that the node splits on; 0 in a leaf.
        threshold: float32, (n_nodes,); left if the value is smaller, or as `Trees.goes_left` says.
            0 in a leaf or with codes.
        left: int64, (n_nodes,), child in this tree; -1 in a leaf.
        right: int64, (n_nodes,), child in this tree; -1 in a leaf.
        default_left: bool, (n_nodes,), where a missing value goes.
        categorical: bool, (n_nodes,), the split asks for codes and not for a threshold.
        leaf: float32, (n_nodes, 1), or (n_nodes, n_targets) with target -1: what is added to the
            margin, the weight of a dart tree included. 0 in an inner node.
        codes: by categorical node, int64, rising: codes that go right. The value is truncated to a
            whole number first; what is negative, too large or not in the list goes left.
    """

    target: int
    feature: Ints
    threshold: Floats
    left: Ints
    right: Ints
    default_left: Bools
    categorical: Bools
    leaf: Floats
    codes: Mapping[int, Ints]


@dataclass(frozen=True, eq=False)
class Trees:
    """Every tree, one behind the other, in the order in which their leaves are added.

    Args:
        first: int64, (n_trees + 1,): the nodes of tree t are `first[t]` to `first[t + 1]`.
        target: int64, (n_trees,), as `Tree.target`.
        feature, threshold, left, right, default_left, categorical, leaf: as in `Tree`, with one
            entry for each node of all trees. Children count from the tree's own first node.
        first_code: int64, (n_nodes + 1,): the codes of a node are `codes[first_code[i] :
            first_code[i + 1]]`.
        codes: int64, (n_codes,), as `Tree.codes`.
        cover: float32, (n_nodes,), the hessians of a node's training rows, added up; NaN where the
            booster does not say.
        missing: int8, (n_nodes,), which values take the default way: `NAN_MISSING` in XGBoost.
        goes_left: how a value that goes left compares with the threshold; "<" in XGBoost.
    """

    first: Ints
    target: Ints
    feature: Ints
    threshold: Floats
    left: Ints
    right: Ints
    default_left: Bools
    categorical: Bools
    leaf: Floats
    first_code: Ints
    codes: Ints
    cover: Floats
    missing: npt.NDArray[np.int8]
    goes_left: Literal["<", "<="] = "<"

    def __len__(self) -> int:
        return len(self.target)

    def __getitem__(self, index: int) -> Tree:
        """Tree `index` from 0.

        Raises:
            IndexError: no such tree.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"Expected a tree below {len(self)}, got {index}.")
        start, end = int(self.first[index]), int(self.first[index + 1])
        nodes = slice(start, end)
        return Tree(
            target=int(self.target[index]),
            feature=self.feature[nodes],
            threshold=self.threshold[nodes],
            left=self.left[nodes],
            right=self.right[nodes],
            default_left=self.default_left[nodes],
            categorical=self.categorical[nodes],
            leaf=self.leaf[nodes],
            codes={
                int(node): self.codes[
                    self.first_code[start + node] : self.first_code[start + node + 1]
                ]
                for node in np.flatnonzero(self.categorical[nodes])
            },
        )

    def __iter__(self) -> Iterator[Tree]:
        return (self[index] for index in range(len(self)))

    @property
    def tree_of_node(self) -> Ints:
        """int64, (n_nodes,): the tree that each node belongs to."""
        return np.repeat(np.arange(len(self)), np.diff(self.first))

    @property
    def is_leaf(self) -> Bools:
        """bool, (n_nodes,)."""
        is_leaf: Bools = self.left < 0
        return is_leaf


@dataclass(frozen=True, eq=False)
class Linear:
    """What a gblinear booster adds: the bias and the base, then value times weight, by column.

    Args:
        bias: float32, (n_targets,).
        weights: float32, (n_features, n_targets). A missing value adds nothing.
    """

    bias: Floats
    weights: Floats


@dataclass(frozen=True, eq=False)
class Ensemble:
    """A booster as a sum.

    Args:
        objective: its name, as `reg:squarederror`.
        n_features: columns of a row.
        base: float32, (n_targets,), the margin before the first tree.
        model: what is added to it.
        version: XGBoost's version that wrote the booster, as "3.2.0".
        kind: gbtree, dart or gblinear.
        features: the booster's feature names; empty if it has none.
        transform: how the XGBoost installed here departs from the objective's usual way to make
            predictions of margins; see `transform_of`.
    """

    objective: str
    n_features: int
    base: Margins
    model: Trees | Linear
    version: str
    kind: str
    features: tuple[str, ...] = field(default=())
    transform: str = ""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of thresholds, leaves and sums: float32 in XGBoost."""
        return self.base.dtype

    @property
    def n_targets(self) -> int:
        """Margins of one row: one, or one for each class, target or quantile."""
        return len(self.base)
