"""A damaged or hostile document is refused by name: no crash, no endless walk, no wrong score."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import numpy as np
import pytest
import xgboost as xgb

from benchmarks.making import CODES, train
from bentoml_ext.boosters.xgb import ubjson
from bentoml_ext.boosters.xgb.loading import load_booster
from bentoml_ext.boosters.xgb.reader import read_model
from bentoml_ext.errors import ExportRefused
from bentoml_ext.export import to_onnx
from tests.boosters.documents import Document, document_of, model_of, to_bytes, tree_of


def leaf(document: Document, tree: int) -> int:
    return int(tree_of(document, tree)["left_children"].index(-1))


def set_leaf(value: float) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        tree_of(document, 2)["split_conditions"][leaf(document, 2)] = value

    return change


def put(name: str, node: int, value: float) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        tree_of(document, 2)[name][node] = value

    return change


def param(name: str, value: str) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        document["learner"]["learner_model_param"][name] = value

    return change


def cycle(document: Document) -> None:
    tree = tree_of(document, 2)
    child = tree["left_children"][0]
    tree["left_children"][child], tree["right_children"][child] = child, child + 1


def shared(document: Document) -> None:
    tree = tree_of(document, 2)
    one, other = tree["left_children"][0], tree["right_children"][0]
    for name in ("left_children", "right_children"):
        tree[name][other] = tree[name][one]


def apart(document: Document) -> None:
    tree = tree_of(document, 2)
    tree["left_children"][0], tree["right_children"][0] = 2, 1


def one_child_less(document: Document) -> None:
    tree_of(document, 2)["left_children"].pop()


def a_billion_nodes(document: Document) -> None:
    tree_of(document, 2)["tree_param"]["num_nodes"] = "1000000000"


def a_tree_less(document: Document) -> None:
    model_of(document)["trees"].pop()


def a_target_more(document: Document) -> None:
    model_of(document)["tree_info"][0] = 7


def no_children(document: Document) -> None:
    del tree_of(document, 2)["left_children"]


def words(document: Document) -> None:
    tree_of(document, 2)["left_children"] = ["a"] * len(tree_of(document, 2)["left_children"])


DAMAGED: dict[str, tuple[Callable[[Document], None], str]] = {
    "a NaN leaf": (set_leaf(math.nan), r"finite leaf, got nan - at tree 2, node \d"),
    "an infinite leaf": (set_leaf(math.inf), r"finite leaf, got inf - at tree 2, node \d"),
    "a NaN threshold": (put("split_conditions", 0, math.nan), "threshold, got NaN - at tree 2"),
    "a child outside": (put("left_children", 0, 10**6), "one outside - at tree 2, node 0"),
    "a negative child": (put("left_children", 0, -5), "one outside - at tree 2, node 0"),
    "children apart": (apart, "behind the left one.* - at tree 2, node 0"),
    "a cycle": (cycle, "one way to each node, got two - at tree 2"),
    "two parents": (shared, "one way to each node, got two - at tree 2"),
    "a feature too many": (put("split_indices", 0, 5), "feature from 0 to 4, got 5 - at tree 2"),
    "a negative feature": (put("split_indices", 0, -1), "got -1 - at tree 2, node 0"),
    "an array too short": (one_child_less, "left_children of tree 2"),
    "a billion nodes": (a_billion_nodes, "1000000000 nodes, got"),
    "a tree too few": (a_tree_less, "as many trees"),
    "a target too many": (a_target_more, "tree_info"),
    "no children": (no_children, "left_children"),
    "words for numbers": (words, "whole numbers"),
    "billions of features": (param("num_feature", "4000000000"), "got 4000000000 - at"),
    "no features": (param("num_feature", "0"), "got 0 - at"),
    "billions of classes": (param("num_class", "2000000000"), "got 2000000000 - at"),
    "a word for a number": (param("num_feature", "many"), "many"),
}


@pytest.mark.parametrize("what", DAMAGED)
def test_a_damaged_document_is_refused_before_xgboost_sees_it(what: str) -> None:
    change, reason = DAMAGED[what]
    document = document_of(train("binary", objective="binary:logistic", max_depth=3))
    change(document)

    with pytest.raises(ExportRefused, match=reason):
        load_booster(to_bytes(document))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_booster_in_memory_with_such_a_leaf_is_refused_with_tree_and_node(value: float) -> None:
    document = document_of(train("binary", objective="binary:logistic"))
    node = leaf(document, 3)
    tree_of(document, 3)["split_conditions"][node] = 12345.0
    data = bytes(_loaded(document).save_raw("ubj"))
    marked = data.replace(_float32(12345.0), _float32(value))
    booster = xgb.Booster()
    booster.load_model(bytearray(marked))

    with pytest.raises(ExportRefused, match=f"at tree 3, node {node}"):
        to_onnx(booster)


def _loaded(document: Document) -> xgb.Booster:
    booster = xgb.Booster()
    booster.load_model(bytearray(to_bytes(document)))
    return booster


def _float32(value: float) -> bytes:
    return np.array(value, ">f4").tobytes()


@pytest.mark.parametrize("weights", [[1.0], [math.nan] * 6, ["a"] * 6])
def test_weights_of_dart_that_are_none_are_refused(weights: list[object]) -> None:
    document = document_of(train("score", booster="dart", rate_drop=0.5, seed=3))
    gradient = document["learner"]["gradient_booster"]
    holder = gradient if "weight_drop" in gradient else model_of(document)
    holder["weight_drop"] = weights

    with pytest.raises(ExportRefused, match="weight_drop"):
        load_booster(to_bytes(document))


def test_a_weight_of_a_linear_booster_that_is_no_number_is_refused_with_its_feature() -> None:
    document = document_of(train("score", booster="gblinear"))
    document["learner"]["gradient_booster"]["model"]["weights"][3] = math.nan

    with pytest.raises(ExportRefused, match="got nan - at feature 3, target 0"):
        read_model(document)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("categories", -1),
        ("categories", 1 << 24),
        ("categories_segments", 10**6),
        ("categories_sizes", 10**9),
        ("categories_nodes", 10**6),
        ("categories_nodes", -1),
    ],
)
def test_codes_that_are_none_are_refused(name: str, value: int) -> None:
    document = document_of(train("binary", rows="codes", how=CODES, max_cat_to_onehot=1))
    index = next(
        at for at, tree in enumerate(model_of(document)["trees"]) if tree["categories_nodes"]
    )
    tree_of(document, index)[name][0] = value

    with pytest.raises(ExportRefused, match=f"at tree {index}"):
        read_model(document)


@pytest.mark.parametrize(
    "data",
    [
        b"{i\xff" + bytes(10),  # a key of -1 bytes
        b"{i\x01a[$d#L" + b"\x7f" * 8,  # more numbers than the file has bytes
        b"{i\x01a[$d#i\xff",  # -1 numbers
        b"{S" + b"i\x01a" * 3,
        b"[" * 100_000,
        b"{i\x01aSS",
    ],
)
def test_hostile_ubjson_is_refused(data: bytes) -> None:
    with pytest.raises(ExportRefused, match="UBJSON"):
        ubjson.decode(data)


def test_a_tree_as_deep_as_it_has_nodes_is_walked_in_time() -> None:
    document = document_of(train("binary", objective="binary:logistic", rounds=1))
    tree = tree_of(document)
    count = 40_001
    inner = range(count // 2)
    tree["left_children"] = [-1] * count
    for node in inner:
        tree["left_children"][2 * node] = 2 * node + 1
    tree["left_children"] = [
        child if at % 2 == 0 else -1 for at, child in enumerate(tree["left_children"])
    ]
    tree["right_children"] = [c + 1 if c >= 0 else -1 for c in tree["left_children"]]
    for name in tree:
        if isinstance(tree[name], list) and len(tree[name]) not in (0, count):
            tree[name] = [0] * count
    tree["parents"] = [2**31 - 1, *((child - 1) // 2 * 2 for child in range(1, count))]
    tree["tree_param"]["num_nodes"] = str(count)

    trees = read_model(json.loads(to_bytes(document)))
    assert len(trees.left) == count  # type: ignore[union-attr]
