"""Graphs that are wrong in one place, as a faulty converter would make them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import helper

from bentoml_ext.proving.graph_reader import tree_nodes

__all__ = ["MUTATIONS", "mutated"]

Attributes = dict[str, list[Any]]


def mutated(graph: onnx.ModelProto, change: Callable[[Attributes], None]) -> onnx.ModelProto:
    """A copy of `graph` with the attributes of its tree ensemble changed."""
    copy = onnx.ModelProto()
    copy.CopyFrom(graph)
    (node,) = tree_nodes(copy.graph)
    how = {one.name: helper.get_attribute_value(one) for one in node.attribute}
    lists = {name: list(value) for name, value in how.items() if not isinstance(value, int | bytes)}
    change(lists)
    del node.attribute[:]
    for name, value in (how | lists).items():
        node.attribute.append(helper.make_attribute(name, value))
    return copy


def _step(value: float) -> float:
    """The next larger float32."""
    return float(np.nextafter(np.float32(value), np.float32(np.inf)))


def _split(how: Attributes, tree: int = 4) -> int:
    """Where the root of a tree stands; tree 0 is the base."""
    return next(
        i
        for i, (one, mode) in enumerate(zip(how["nodes_treeids"], how["nodes_modes"], strict=True))
        if one == tree and mode == b"BRANCH_LT"
    )


def threshold(how: Attributes) -> None:
    """A wrong threshold, by one float32."""
    at = _split(how)
    how["nodes_values"][at] = _step(how["nodes_values"][at])


def feature(how: Attributes) -> None:
    """Another column."""
    at = _split(how)
    how["nodes_featureids"][at] = (how["nodes_featureids"][at] + 1) % 4


def direction(how: Attributes) -> None:
    """A missing value goes the other way."""
    at = _split(how)
    how["nodes_missing_value_tracks_true"][at] ^= 1


def mode(how: Attributes) -> None:
    """`<` turned into `<=`."""
    how["nodes_modes"][_split(how)] = b"BRANCH_LEQ"


def children(how: Attributes) -> None:
    """Left and right swapped."""
    at = _split(how)
    true, false = how["nodes_truenodeids"], how["nodes_falsenodeids"]
    true[at], false[at] = false[at], true[at]


def leaves(how: Attributes) -> None:
    """Two leaves of one tree swapped."""
    mine = [i for i, tree in enumerate(how["target_treeids"]) if tree == 4]
    weights = how["target_weights"]
    low, high = min(mine, key=weights.__getitem__), max(mine, key=weights.__getitem__)
    weights[low], weights[high] = weights[high], weights[low]


def leaf(how: Attributes) -> None:
    """The largest leaf of a tree wrong, by one float32."""
    mine = [i for i, tree in enumerate(how["target_treeids"]) if tree == 1]
    at = max(mine, key=lambda i: abs(how["target_weights"][i]))
    how["target_weights"][at] = _step(how["target_weights"][at])


def base(how: Attributes) -> None:
    """The base margin wrong, by one float32."""
    how["target_weights"][0] = _step(how["target_weights"][0])


def dropped(how: Attributes) -> None:
    """A tree is missing."""
    for stem in ("nodes", "target"):
        keep = [i for i, tree in enumerate(how[f"{stem}_treeids"]) if tree != 5]
        for name in [name for name in how if name.startswith(f"{stem}_")]:
            how[name] = [how[name][i] for i in keep]


def order(how: Attributes) -> None:
    """The trees in the opposite order, the base still the first."""
    last = max(how["nodes_treeids"])
    for stem in ("nodes", "target"):
        trees = [tree and last + 1 - tree for tree in how[f"{stem}_treeids"]]
        how[f"{stem}_treeids"] = trees
        by_tree = sorted(range(len(trees)), key=trees.__getitem__)
        for name in [name for name in how if name.startswith(f"{stem}_")]:
            how[name] = [how[name][i] for i in by_tree]


def last(how: Attributes) -> None:
    """The base added last, as other converters have it."""
    how["base_values"] = [how["target_weights"][0]]
    how["target_weights"][0] = 0.0


MUTATIONS: dict[str, tuple[Callable[[Attributes], None], str]] = {
    "threshold": (threshold, "threshold"),
    "feature": (feature, "feature"),
    "direction": (direction, "way of a missing value"),
    "mode": (mode, "split mode"),
    "children": (children, ""),
    "leaves": (leaves, "leaf"),
    "leaf": (leaf, "leaf"),
    "base": (base, "base margin"),
    "dropped": (dropped, "trees with that of the base"),
    "order": (order, ""),
    "last": (last, "values added last"),
}
"""Each with what the structural part calls the first thing that it finds; "" for any."""
